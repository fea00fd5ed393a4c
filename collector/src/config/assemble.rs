//! `[assemble]`: when the spans of a trace are taken as complete, and how many may wait.

use std::time::Duration;

use super::keys::{Keys, Section};
use super::size::{MIB, TIB};
use super::value::{Count, Size, Time};

/// Spans into requests.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Assemble {
    /// A trace is complete when nothing of it came for this long ...
    pub(crate) idle: Duration,
    /// ... or, once its root came and no parent is missing, for this long ...
    pub(crate) settle: Duration,
    /// ... and in any case this long after its first span came.
    pub(crate) max_age: Duration,
    /// How long a complete trace is kept, so that late spans reopen it.
    pub(crate) linger: Duration,
    /// Most bytes of waiting spans; beyond them complete traces are forgotten and
    /// open ones completed before their time, and counted.
    pub(crate) memory: u64,
    /// Most spans and log entries of a trace, repeats included; more are counted and left out of the
    /// analysis.
    pub(crate) max_spans_per_trace: usize,
    /// Most services that are told apart.
    pub(crate) max_services: usize,
    /// Most operations of a service that are told apart.
    pub(crate) max_operations_per_service: usize,
}

impl Assemble {
    pub(super) const fn standard() -> Self {
        Self {
            idle: Duration::from_secs(5),
            settle: Duration::from_secs(2),
            max_age: Duration::from_secs(60),
            linger: Duration::from_secs(30),
            memory: 48 * MIB,
            max_spans_per_trace: 20_000,
            max_services: 10_000,
            max_operations_per_service: 1_000,
        }
    }
}

impl Section for Assemble {
    fn keys(&mut self, keys: &mut dyn Keys) {
        let Self {
            idle,
            settle,
            max_age,
            linger,
            memory,
            max_spans_per_trace,
            max_services,
            max_operations_per_service,
        } = self;
        let (second, hour) = (Duration::from_secs(1), Duration::from_hours(1));
        keys.key("idle", &mut Time(idle, Duration::from_millis(100)..=hour));
        keys.key("settle", &mut Time(settle, Duration::from_millis(10)..=hour));
        keys.key("max_age", &mut Time(max_age, second..=hour));
        keys.key("linger", &mut Time(linger, second..=hour));
        keys.key("memory", &mut Size(memory, 8 * MIB..=TIB));
        keys.key("max_spans_per_trace", &mut Count(max_spans_per_trace, 1..=10_000_000));
        keys.key("max_services", &mut Count(max_services, 1..=1_000_000));
        keys.key(
            "max_operations_per_service",
            &mut Count(max_operations_per_service, 1..=1_000_000),
        );
    }
}
