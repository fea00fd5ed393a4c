//! A long run meets ever new texts: from time to time the vocabulary is built anew, of what open
//! traces speak of.

use resus_model::{Name, Rules};

use super::slab::{Content, NONE};
use super::traces::State;
use super::{Assembler, LINGERING, VOCABULARY_SHARE, caps};
use crate::identity::{Mark, OperationId, Resource, Vocabulary};
use crate::record::Record;

impl Assembler {
    /// Whether the vocabulary has grown so much that it should be compacted.
    #[must_use]
    pub fn compact_due(&self) -> bool {
        self.vocabulary.bytes() > self.compact_at
    }

    /// What the numbers in paths stand for, until the next [`Assembler::compact`].
    #[must_use]
    pub const fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// Builds the vocabulary anew, of what open traces speak of. All numbers change: whoever keeps
    /// any must turn them into texts before.
    ///
    /// What was completed before can't be retracted any more, since it was counted by the old
    /// numbers. So traces that were completed keep their path; what still comes for them, or has
    /// come since, is dropped and counted.
    pub fn compact(&mut self) {
        let mut next = self.traces.first(LINGERING);
        while let Some(at) = next {
            next = self.traces.after(at);
            self.freeze(at);
        }
        let old = std::mem::replace(&mut self.vocabulary, Vocabulary::capped(caps(&self.limits)));
        let mut adopt = Adopt::new(old, &self.rules);
        for (list, _) in self.wheel.all() {
            self.each_of(list, |this, at| {
                if this.traces.get(at).counted == NONE {
                    this.renumber(at, &mut adopt);
                } else {
                    this.drop_late(at);
                }
            });
        }
        self.compact_at = (self.limits.max_bytes.get() / VOCABULARY_SHARE)
            .max(self.vocabulary.bytes().saturating_mul(2));
        self.stats.compactions += 1;
    }

    /// Gives a reopened trace up: it stays as it was completed.
    fn drop_late(&mut self, at: u32) {
        let trace = self.traces.get(at);
        let mut next = trace.head;
        while next != NONE && next != trace.counted {
            self.stats.late_dropped += 1;
            next = self.slots.get(next).next;
        }
        self.freeze(at);
        self.traces.unlink(at);
        self.traces.link(at, LINGERING);
        self.traces.get_mut(at).last_ns = self.now;
        self.stats.lingering_traces += 1;
    }

    fn freeze(&mut self, at: u32) {
        self.drop_entries(at);
        self.traces.get_mut(at).state = State::Frozen;
    }

    fn renumber(&mut self, at: u32, adopt: &mut Adopt) {
        let mut next = self.traces.get(at).head;
        while next != NONE {
            let slot = self.slots.get_mut(next);
            if let Content::Span(record) = &mut slot.content {
                adopt.renumber(record, &mut self.vocabulary);
            }
            next = slot.next;
        }
    }
}

/// From the numbers of an old vocabulary to those of a new one.
struct Adopt {
    old: Vocabulary,
    /// Operations are templated already.
    rules: Rules,
    operations: Vec<Option<OperationId>>,
    resources: Vec<Option<u32>>,
    marks: Vec<Option<u32>>,
}

impl Adopt {
    fn new(old: Vocabulary, rules: &Rules) -> Self {
        let operations = vec![None; old.operations.len()];
        let resources = vec![None; old.resources.len()];
        let marks = vec![None; old.marks.len()];
        let rules = Rules { template_operations: false, ..rules.clone() };
        Self { old, rules, operations, resources, marks }
    }

    fn renumber(&mut self, record: &mut Record, new: &mut Vocabulary) {
        let Self { old, rules, operations, resources, marks } = self;
        let text = |name: Name| old.names.text(name);
        record.operation = *operations[record.operation.index()].get_or_insert_with(|| {
            let op = old.operation(record.operation);
            let (service, namespace) = (text(op.service), text(op.namespace));
            new.intern_operation(service, namespace, text(op.operation), rules)
        });
        record.resource = *resources[record.resource as usize].get_or_insert_with(|| {
            let Resource { instance, version, host } = old.resources[record.resource as usize];
            let [instance, version, host] =
                [instance, version, host].map(|name| new.intern(text(name)));
            new.intern_resource(Resource { instance, version, host })
        });
        record.mark = *marks[record.mark as usize].get_or_insert_with(|| {
            let Mark { threshold, error_type, peer, attributes, flags, links } =
                old.marks[record.mark as usize];
            let [threshold, error_type, peer] =
                [threshold, error_type, peer].map(|name| new.intern(text(name)));
            let attributes = new.intern_attribute_set(text(attributes));
            new.intern_mark(Mark { threshold, error_type, peer, attributes, flags, links })
        });
    }
}
