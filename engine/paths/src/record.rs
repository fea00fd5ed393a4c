//! A span as it is kept until its trace is whole.

use std::cmp::Ordering;

use resus_model::{Kind, Name, SpanId, Status};

use crate::identity::{OperationId, Vocabulary};

/// A span without its trace: 56 bytes, all texts by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) span_id: SpanId,
    pub(crate) parent_span_id: SpanId,
    pub(crate) start_unix_nano: u64,
    pub(crate) duration_ns: i64,
    pub(crate) operation: OperationId,
    pub(crate) resource: u32,
    pub(crate) mark: u32,
    pub(crate) http_status: u16,
    pub(crate) error_events: u16,
    pub(crate) exception_events: u16,
    pub(crate) rpc_status: u8,
    pub(crate) kind: Kind,
    pub(crate) status: Status,
}

// === impl Record ===

impl Record {
    /// What tells a span from others of its trace. A caller and a callee may share an id (Zipkin).
    pub(crate) const fn key(&self) -> (SpanId, Kind) {
        (self.span_id, self.kind)
    }

    /// A total order on content: texts by their letters, never by their numbers.
    pub(crate) fn compare(&self, other: &Self, vocabulary: &Vocabulary) -> Ordering {
        if self == other {
            return Ordering::Equal;
        }
        self.plain().cmp(&other.plain()).then_with(|| {
            let texts = |r: &Self| r.texts(vocabulary).map(|n| vocabulary.names.text(n));
            texts(self).cmp(&texts(other)).then_with(|| {
                let numbers = |r: &Self| {
                    let mark = vocabulary.marks[r.mark as usize];
                    (mark.flags, mark.links)
                };
                numbers(self).cmp(&numbers(other))
            })
        })
    }

    fn plain(&self) -> impl Ord {
        (
            (self.span_id, self.kind, self.parent_span_id),
            (self.start_unix_nano, self.duration_ns, self.status, self.http_status),
            (self.rpc_status, self.error_events, self.exception_events),
        )
    }

    fn texts(&self, vocabulary: &Vocabulary) -> [Name; 10] {
        let operation = vocabulary.operation(self.operation);
        let resource = vocabulary.resources[self.resource as usize];
        let mark = vocabulary.marks[self.mark as usize];
        [
            operation.service,
            operation.namespace,
            operation.operation,
            resource.instance,
            resource.version,
            resource.host,
            mark.threshold,
            mark.error_type,
            mark.peer,
            mark.attributes,
        ]
    }
}
