//! Spans in any order → spans by trace. Compact records in partitions by trace, one tree a trace.

use resus_model::{Quality, Rules, SpanBatch, TraceId, Window};

use crate::identity::Vocabulary;
use crate::record::Record;
use crate::translate::Translate;
use crate::tree::{Path, Workspace, collapse_duplicates};

/// Partitions of the gathered spans: enough that one fits in a processor's cache at 15 M spans.
const PARTITIONS: usize = 256;
/// Records in a chunk: chunks never move, so growing never doubles what is held.
const CHUNK: usize = 4096;

/// A span with its trace: 72 bytes.
#[derive(Debug, Clone, Copy)]
struct Filed {
    trace_id: TraceId,
    record: Record,
}

/// Takes spans in any order and keeps them by trace.
#[derive(Debug)]
pub struct Gather {
    rules: Rules,
    vocabulary: Vocabulary,
    partitions: Vec<Vec<Vec<Filed>>>,
    quality: Quality,
}

/// All spans, by trace: nothing more can be added.
#[derive(Debug)]
pub struct Gathered {
    rules: Rules,
    vocabulary: Vocabulary,
    partitions: Vec<Vec<Vec<Filed>>>,
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
        let mut translate = Translate::default();
        translate.begin(batch);
        for i in 0..batch.len() {
            let trace_id = batch.trace_id[i];
            let record = translate.record(batch, i, vocabulary, rules);
            widen(&mut quality.range, record.start_unix_nano);
            push_record(&mut partitions[partition_of(trace_id)], Filed { trace_id, record });
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
            for (r, filed) in chunk.iter().enumerate() {
                let at = u32::try_from(c * CHUNK + r).expect("a partition holds under 2^32 spans");
                order.push((filed.trace_id.low(), at));
            }
        }
        order.sort_unstable();
        let filed_at = |at: u32| chunks[at as usize / CHUNK][at as usize % CHUNK];
        let mut workspace = Workspace::default();
        let (mut spans, mut filed): (Vec<Record>, Vec<Filed>) = (Vec::new(), Vec::new());
        let mut build = |trace: &[Filed], quality: &mut Quality| {
            spans.clear();
            spans.extend(trace.iter().map(|f| f.record));
            let (vocabulary, rules) = (&self.vocabulary, &self.rules);
            collapse_duplicates(&mut spans, vocabulary, quality);
            workspace.build(trace[0].trace_id, &spans, vocabulary, rules, quality, visit);
        };
        // Traces in order of time: what counts by window then stays in cache for a while.
        let earliest = |same_low: &[(u64, u32)]| {
            same_low.iter().map(|&(_, at)| filed_at(at).record.start_unix_nano).min().unwrap_or(0)
        };
        let mut traces: Vec<(u64, &[(u64, u32)])> = order
            .chunk_by(|a, b| a.0 == b.0)
            .map(|same_low| (earliest(same_low), same_low))
            .collect();
        traces.sort_unstable();
        for (_, same_low) in traces {
            filed.clear();
            filed.extend(same_low.iter().map(|&(_, at)| filed_at(at)));
            // Two traces may share their low half: 64-bit ids padded in different ways do.
            if filed.iter().any(|f| f.trace_id != filed[0].trace_id) {
                filed.sort_unstable_by_key(|f| f.trace_id);
            }
            filed.chunk_by(|a, b| a.trace_id == b.trace_id).for_each(|one| build(one, quality));
        }
    }
}

/// Stretches a range of starts over one more.
pub(crate) fn widen(range: &mut Option<Window>, start_unix_nano: u64) {
    let range = range.get_or_insert(Window { from: start_unix_nano, to: start_unix_nano });
    range.from = range.from.min(start_unix_nano);
    range.to = range.to.max(start_unix_nano);
}

fn push_record(chunks: &mut Vec<Vec<Filed>>, record: Filed) {
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
