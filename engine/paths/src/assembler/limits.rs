//! What bounds an assembler, and what it says about itself.

use std::num::NonZeroUsize;

/// How long an [`Assembler`](crate::Assembler) waits, and how much it holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AssemblerLimits {
    /// Nanoseconds after the last arrival at which a trace is complete, whatever it looks like.
    ///
    /// SDKs export each process's spans by a timer of 5 s at most, unless they were told otherwise.
    pub idle_ns: u64,
    /// Nanoseconds after the last arrival at which a trace is complete that looks whole: it has a
    /// root, and no span misses its parent. Of no effect from `idle_ns` on.
    pub settle_ns: u64,
    /// Nanoseconds after the first arrival at which a trace is complete though spans keep coming.
    pub max_age_ns: u64,
    /// Nanoseconds after its completion for which a late span reopens a trace.
    pub linger_ns: u64,
    /// Bytes that all of it may take: spans, tables, texts. Beyond, traces are forgotten or
    /// completed before their time; see [`Assembler::pressure`](crate::Assembler::pressure).
    pub max_bytes: NonZeroUsize,
    /// Spans and log entries kept of a trace, repeats included; more are left out and counted.
    pub max_spans_per_trace: u32,
    /// Services told apart; the spans of more count as those of the service `__overflow__`.
    pub max_services: u32,
    /// Operations told apart a service; more count as its operation `__overflow__`.
    pub max_operations_per_service: u32,
}

impl AssemblerLimits {
    /// The limits that the program starts from: an idle time of 5 s, 2 s where a trace looks whole,
    /// 60 s of age, 30 s for late spans, 48 MiB.
    pub const STANDARD: Self = Self {
        idle_ns: 5_000_000_000,
        settle_ns: 2_000_000_000,
        max_age_ns: 60_000_000_000,
        linger_ns: 30_000_000_000,
        max_bytes: NonZeroUsize::new(48 << 20).expect("not zero"),
        max_spans_per_trace: 20_000,
        max_services: 10_000,
        max_operations_per_service: 1_000,
    };
}

/// What an assembler holds and has done so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AssemblerStats {
    /// Traces that are not complete yet (reopened ones included).
    pub open_traces: u64,
    /// Traces that are complete and kept for late spans.
    pub lingering_traces: u64,
    /// Spans and log entries held.
    pub entries: u64,
    /// Bytes held, as they count towards the bound.
    pub bytes: u64,
    /// Paths completed, again after a late span included.
    pub completed: u64,
    /// Paths retracted because a late span or record changed them.
    pub reopened: u64,
    /// Lingering traces forgotten before their time, for memory. A span that comes later makes a
    /// path of its own, also if it is a repeat.
    pub evicted: u64,
    /// Open traces completed before their time, for memory.
    pub early: u64,
    /// Late spans and records of traces that could not be reopened any more, because the
    /// vocabulary was compacted since.
    pub late_dropped: u64,
    /// Spans and records left out because their trace has too many.
    pub left_out: u64,
    /// Spans whose service or operation counts as `__overflow__`.
    pub overflowed: u64,
    /// Entries of log records whose span never came.
    pub logs_expired: u64,
    /// How often the vocabulary was compacted.
    pub compactions: u64,
}
