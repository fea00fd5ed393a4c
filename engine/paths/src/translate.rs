//! From the numbers of a batch to those of the vocabulary, and from its rows to records.

use hashbrown::HashMap;
use resus_model::{Kind, Name, Rules, SpanBatch};
use rustc_hash::FxBuildHasher;

use crate::identity::{Mark, OperationId, Resource, Vocabulary};
use crate::record::Record;

type FastMap<K, V> = HashMap<K, V, FxBuildHasher>;

/// What rows of a batch have in common is looked up once a batch. Names that no rule asks for
/// (resource attributes, messages) are never looked up.
#[derive(Debug, Default)]
pub(crate) struct Translate {
    names: Vec<Option<Name>>,
    /// By service, namespace and operation as they are written.
    operations: FastMap<[Name; 3], OperationId>,
    /// By instance, version and host.
    resources: FastMap<[Name; 3], u32>,
    /// By trace state, error type, peer; set of attributes (a name of the vocabulary); flags, links.
    marks: FastMap<([Name; 4], u32, u32), u32>,
    /// Links to other traces, by row; empty when there are none at all.
    links: Vec<u32>,
}

impl Translate {
    /// Forgets the batch before, and looks at the links of this one.
    pub(crate) fn begin(&mut self, batch: &SpanBatch) {
        let Self { names, operations, resources, marks, links } = self;
        names.clear();
        names.resize(batch.names.len(), None);
        start_anew(operations);
        start_anew(resources);
        start_anew(marks);
        links.clear();
        if batch.links.is_empty() {
            return;
        }
        links.resize(batch.len(), 0);
        for link in &batch.links {
            if link.trace_id != batch.trace_id[link.row as usize] {
                links[link.row as usize] += 1;
            }
        }
    }

    /// The record of a row of the batch that was begun.
    pub(crate) fn record(
        &mut self,
        batch: &SpanBatch,
        row: usize,
        vocabulary: &mut Vocabulary,
        rules: &Rules,
    ) -> Record {
        Record {
            span_id: batch.span_id[row],
            parent_span_id: batch.parent_span_id[row],
            start_unix_nano: batch.start_unix_nano[row],
            duration_ns: batch.duration_ns[row],
            operation: self.operation(batch, row, vocabulary, rules),
            resource: self.resource(batch, row, vocabulary),
            mark: self.mark(batch, row, vocabulary),
            http_status: batch.http_status[row],
            error_events: saturate(batch.error_event_count[row]),
            exception_events: saturate(batch.exception_event_count[row]),
            rpc_status: batch.rpc_status[row],
            kind: batch.kind[row],
            status: batch.status[row],
        }
    }

    fn operation(
        &mut self,
        batch: &SpanBatch,
        row: usize,
        vocabulary: &mut Vocabulary,
        rules: &Rules,
    ) -> OperationId {
        let local = [batch.service[row], batch.namespace[row], batch.operation[row]];
        *self.operations.entry(local).or_insert_with(|| {
            let [service, namespace, operation] = local.map(|name| batch.names.text(name));
            vocabulary.intern_operation(service, namespace, operation, rules)
        })
    }

    fn resource(&mut self, batch: &SpanBatch, row: usize, vocabulary: &mut Vocabulary) -> u32 {
        let Self { names, resources, .. } = self;
        let local = [batch.instance[row], batch.version[row], batch.host[row]];
        *resources.entry(local).or_insert_with(|| {
            let [instance, version, host] =
                local.map(|name| translated(names, batch, name, vocabulary));
            vocabulary.intern_resource(Resource { instance, version, host })
        })
    }

    fn mark(&mut self, batch: &SpanBatch, row: usize, vocabulary: &mut Vocabulary) -> u32 {
        let Self { names, marks, links, .. } = self;
        let links = links.get(row).copied().unwrap_or(0);
        let flags = batch.flags[row];
        let attributes = if batch.attribute_ends.is_empty() || !may_be_entry(batch, row) {
            Name::NONE
        } else {
            vocabulary.intern_attributes(batch.attributes_of(row))
        };
        let local = [batch.trace_state[row], batch.error_type[row], batch.peer[row], attributes];
        *marks.entry((local, flags, links)).or_insert_with(|| {
            let [state, error_type, peer, _] = local;
            let mark = Mark {
                threshold: vocabulary.intern_threshold(batch.names.text(state)),
                error_type: translated(names, batch, error_type, vocabulary),
                peer: translated(names, batch, peer, vocabulary),
                attributes,
                flags,
                links,
            };
            vocabulary.intern_mark(mark)
        })
    }
}

/// Whether a span may be the entry span of its request.
fn may_be_entry(batch: &SpanBatch, row: usize) -> bool {
    batch.parent_span_id[row].is_none() || matches!(batch.kind[row], Kind::Server | Kind::Consumer)
}

/// Empties a table. One that a huge batch has left is given up: emptying it takes as long as it is large.
fn start_anew<K, V>(table: &mut FastMap<K, V>) {
    if table.capacity() > 1 << 12 {
        *table = FastMap::default();
    } else {
        table.clear();
    }
}

fn translated(
    names: &mut [Option<Name>],
    batch: &SpanBatch,
    name: Name,
    vocabulary: &mut Vocabulary,
) -> Name {
    *names[name.index()].get_or_insert_with(|| vocabulary.intern(batch.names.text(name)))
}

/// Counts of events beyond what a record holds stay at what it holds.
pub(crate) fn saturate(n: u32) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}
