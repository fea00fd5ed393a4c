//! Spans in any order → spans by trace. Compact records in partitions by trace, one tree a trace.

use std::cmp::Ordering;

use hashbrown::HashMap;
use resus_model::{Kind, Name, Quality, Rules, SpanBatch, SpanId, Status, TraceId, Window};
use rustc_hash::FxBuildHasher;

use crate::identity::{Mark, OperationId, OperationName, Resource, Vocabulary};
use crate::tree::{Path, Workspace};

/// Partitions of the gathered spans: enough that one fits in a processor's cache at 15 M spans.
const PARTITIONS: usize = 256;
/// Records in a chunk: chunks never move, so growing never doubles what is held.
const CHUNK: usize = 4096;

/// A span as it is kept until its trace is whole: 72 bytes, all texts by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) trace_id: TraceId,
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

/// Takes spans in any order and keeps them by trace.
#[derive(Debug)]
pub struct Gather {
    rules: Rules,
    vocabulary: Vocabulary,
    partitions: Vec<Vec<Vec<Record>>>,
    quality: Quality,
}

/// All spans, by trace: nothing more can be added.
#[derive(Debug)]
pub struct Gathered {
    rules: Rules,
    vocabulary: Vocabulary,
    partitions: Vec<Vec<Vec<Record>>>,
    quality: Quality,
}

// === impl Gather ===

impl Gather {
    /// Starts with no span.
    #[must_use]
    pub fn new(rules: Rules) -> Self {
        let partitions = (0..PARTITIONS).map(|_| Vec::new()).collect();
        Self { rules, vocabulary: Vocabulary::default(), partitions, quality: Quality::default() }
    }

    /// Takes the spans of a batch.
    pub fn push(&mut self, batch: &SpanBatch) {
        let Self { rules, vocabulary, partitions, quality } = self;
        let mut translate = Translate::new(batch, vocabulary);
        let links = links_per_row(batch);
        for i in 0..batch.len() {
            let trace_id = batch.trace_id[i];
            let operation = translate.operation(batch, i, vocabulary, rules);
            let resource = translate.resource(batch, i, vocabulary);
            let link_count = if links.is_empty() { 0 } else { links[i] };
            let mark = translate.mark(batch, i, link_count, vocabulary);
            let record = Record {
                trace_id,
                span_id: batch.span_id[i],
                parent_span_id: batch.parent_span_id[i],
                start_unix_nano: batch.start_unix_nano[i],
                duration_ns: batch.duration_ns[i],
                operation,
                resource,
                mark,
                http_status: batch.http_status[i],
                error_events: saturate(batch.error_event_count[i]),
                exception_events: saturate(batch.exception_event_count[i]),
                rpc_status: batch.rpc_status[i],
                kind: batch.kind[i],
                status: batch.status[i],
            };
            let start = record.start_unix_nano;
            let range = quality.range.get_or_insert(Window { from: start, to: start });
            range.from = range.from.min(start);
            range.to = range.to.max(start);
            push_record(&mut partitions[partition_of(trace_id)], record);
        }
        quality.spans += batch.len() as u64;
    }

    /// Counters of what was read: the reader adds what it left out.
    pub const fn quality(&mut self) -> &mut Quality {
        &mut self.quality
    }

    /// No more spans.
    #[must_use]
    pub fn seal(self) -> Gathered {
        let Self { rules, vocabulary, partitions, quality } = self;
        Gathered { rules, vocabulary, partitions, quality }
    }
}

impl Gathered {
    /// What numbers stand for.
    #[must_use]
    pub const fn vocabulary(&self) -> &Vocabulary {
        &self.vocabulary
    }

    /// The rules under which outcomes are told.
    #[must_use]
    pub const fn rules(&self) -> &Rules {
        &self.rules
    }

    /// What was counted while reading; [`Gathered::each_path`] adds what it sees.
    #[must_use]
    pub const fn quality(&self) -> &Quality {
        &self.quality
    }

    /// How many partitions there are; each trace lies in one.
    #[must_use]
    pub fn partitions(&self) -> usize {
        self.partitions.len()
    }

    /// Builds the paths of a partition, one after the other, by trace.
    pub fn each_path(
        &self,
        partition: usize,
        quality: &mut Quality,
        visit: &mut dyn FnMut(&Path<'_>, &mut Quality),
    ) {
        let chunks = &self.partitions[partition];
        let mut order: Vec<(u64, u32)> = Vec::with_capacity(chunks.iter().map(Vec::len).sum());
        for (c, chunk) in chunks.iter().enumerate() {
            for (r, record) in chunk.iter().enumerate() {
                let at = u32::try_from(c * CHUNK + r).expect("a partition holds under 2^32 spans");
                order.push((record.trace_id.low(), at));
            }
        }
        order.sort_unstable();
        let record_at = |at: u32| chunks[at as usize / CHUNK][at as usize % CHUNK];
        let mut workspace = Workspace::new(&self.vocabulary, &self.rules);
        let mut spans: Vec<Record> = Vec::new();
        // Traces in order of time: what counts by window then stays in cache for a while.
        let earliest = |same_low: &[(u64, u32)]| {
            same_low.iter().map(|&(_, at)| record_at(at).start_unix_nano).min().unwrap_or(0)
        };
        let mut traces: Vec<(u64, &[(u64, u32)])> = order
            .chunk_by(|a, b| a.0 == b.0)
            .map(|same_low| (earliest(same_low), same_low))
            .collect();
        traces.sort_unstable();
        for (_, same_low) in traces {
            spans.clear();
            spans.extend(same_low.iter().map(|&(_, at)| record_at(at)));
            // Two traces may share their low half: 64-bit ids padded in different ways do.
            if spans.iter().any(|s| s.trace_id != spans[0].trace_id) {
                spans.sort_unstable_by_key(|s| s.trace_id);
                let all = std::mem::take(&mut spans);
                for one in all.chunk_by(|a, b| a.trace_id == b.trace_id) {
                    spans.clear();
                    spans.extend_from_slice(one);
                    workspace.build(&mut spans, quality, visit);
                }
            } else {
                workspace.build(&mut spans, quality, visit);
            }
        }
    }
}

// === impl Record ===

impl Record {
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
            (self.trace_id, self.span_id, self.kind, self.parent_span_id),
            (self.start_unix_nano, self.duration_ns, self.status, self.http_status),
            (self.rpc_status, self.error_events, self.exception_events),
        )
    }

    fn texts(&self, vocabulary: &Vocabulary) -> [Name; 9] {
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
            mark.trace_state,
            mark.error_type,
            mark.peer,
        ]
    }
}

/// From the numbers of a batch to those of the vocabulary.
struct Translate {
    names: Vec<Name>,
    operations: HashMap<(Name, Name, Name), OperationId, FxBuildHasher>,
    resources: HashMap<(Name, Name, Name), u32, FxBuildHasher>,
    marks: HashMap<(Name, Name, Name, u32, u32), u32, FxBuildHasher>,
}

impl Translate {
    fn new(batch: &SpanBatch, vocabulary: &mut Vocabulary) -> Self {
        let names = batch.names.iter().map(|(_, text)| vocabulary.names.intern(text)).collect();
        let operations = HashMap::default();
        let resources = HashMap::default();
        let marks = HashMap::default();
        Self { names, operations, resources, marks }
    }

    fn operation(
        &mut self,
        batch: &SpanBatch,
        i: usize,
        vocabulary: &mut Vocabulary,
        rules: &Rules,
    ) -> OperationId {
        let Self { names, operations, .. } = self;
        let local = (batch.service[i], batch.namespace[i], batch.operation[i]);
        *operations.entry(local).or_insert_with(|| {
            let raw = OperationName {
                service: names[local.0.index()],
                namespace: names[local.1.index()],
                operation: names[local.2.index()],
            };
            vocabulary.intern_operation(raw, rules)
        })
    }

    fn resource(&mut self, batch: &SpanBatch, i: usize, vocabulary: &mut Vocabulary) -> u32 {
        let Self { names, resources, .. } = self;
        let local = (batch.instance[i], batch.version[i], batch.host[i]);
        *resources.entry(local).or_insert_with(|| {
            vocabulary.intern_resource(Resource {
                instance: names[local.0.index()],
                version: names[local.1.index()],
                host: names[local.2.index()],
            })
        })
    }

    fn mark(
        &mut self,
        batch: &SpanBatch,
        i: usize,
        links: u32,
        vocabulary: &mut Vocabulary,
    ) -> u32 {
        let Self { names, marks, .. } = self;
        let (state, error, peer) = (batch.trace_state[i], batch.error_type[i], batch.peer[i]);
        let local = (state, error, peer, batch.flags[i], links);
        *marks.entry(local).or_insert_with(|| {
            vocabulary.intern_mark(Mark {
                trace_state: names[state.index()],
                error_type: names[error.index()],
                peer: names[peer.index()],
                flags: local.3,
                links,
            })
        })
    }
}

/// Links to other traces, by row; empty when there are none at all.
fn links_per_row(batch: &SpanBatch) -> Vec<u32> {
    if batch.links.is_empty() {
        return Vec::new();
    }
    let mut counts = vec![0_u32; batch.len()];
    for link in &batch.links {
        if link.trace_id != batch.trace_id[link.row as usize] {
            counts[link.row as usize] += 1;
        }
    }
    counts
}

fn push_record(chunks: &mut Vec<Vec<Record>>, record: Record) {
    match chunks.last_mut() {
        Some(chunk) if chunk.len() < CHUNK => chunk.push(record),
        None => chunks.push(vec![record]),
        Some(_) => {
            let mut chunk = Vec::with_capacity(CHUNK);
            chunk.push(record);
            chunks.push(chunk);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "taken modulo a small number")]
const fn partition_of(trace_id: TraceId) -> usize {
    (trace_id.mix() as usize) % PARTITIONS
}

fn saturate(n: u32) -> u16 {
    u16::try_from(n).unwrap_or(u16::MAX)
}
