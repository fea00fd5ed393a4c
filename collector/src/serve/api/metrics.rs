//! What stands in `/metrics`.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use super::Api;
use crate::serve::clock;
use crate::serve::metrics::Samples;
use crate::serve::process;
use crate::serve::tell::word;

/// All states, so that each has a sample.
const STATES: [&str; 5] = ["learning", "healthy", "silent", "suspects", "no_verdict"];

#[expect(clippy::cast_precision_loss, reason = "samples are floats")]
const fn float(n: u64) -> f64 {
    n as f64
}

fn seconds(nanos: u64) -> f64 {
    float(nanos) / 1e9
}

fn read(counter: &AtomicU64) -> f64 {
    float(counter.load(Relaxed))
}

impl Api {
    pub(super) fn metrics(&self) -> String {
        self.samples().text()
    }

    /// All there is to tell in numbers.
    pub(crate) fn samples(&self) -> Samples {
        let mut out = Samples::default();
        out.add("resus_build_info", &[env!("CARGO_PKG_VERSION")], 1.0);
        out.add("resus_start_time_seconds", &[], seconds(self.started_unix_nano));
        self.receive_metrics(&mut out);
        self.log_metrics(&mut out);
        self.live_metrics(&mut out);
        let process = process::usage();
        out.add("resus_process_resident_bytes", &[], float(process.resident_bytes));
        out.add("resus_process_open_files", &[], float(process.open_files));
        out.add("resus_process_threads", &[], float(process.threads));
        out.add("resus_process_cpu_seconds_total", &[], process.cpu_seconds);
        let onward = self.forwarded.as_ref().map(resus_forward::Meter::read).unwrap_or_default();
        for (result, count) in [
            ("sent", onward.sent),
            ("refused", onward.refused.iter().map(|(_, n)| n).sum()),
            ("dropped", onward.dropped),
            ("given_up", onward.given_up),
            ("unsendable", onward.unsendable),
        ] {
            out.add("resus_forward_requests_total", &[result], float(count));
        }
        out.add("resus_forward_in_flight", &[], float(onward.in_flight));
        out.add("resus_forward_retries_total", &[], float(onward.retried));
        out.add("resus_forward_backlog_bytes", &[], float(onward.backlog_bytes));
        let own = self.telemetry.stats();
        out.add("resus_telemetry_exports_total", &["done"], float(own.exports));
        out.add("resus_telemetry_exports_total", &["failed"], float(own.failed_exports));
        out.add("resus_telemetry_dropped_spans_total", &[], float(own.dropped_spans));
        out
    }

    fn receive_metrics(&self, out: &mut Samples) {
        let stats = self.meter.read();
        for request in &stats.requests {
            let signal = request.signal.map_or("none", |signal| signal.name());
            let labels = [signal, request.transport.name(), request.outcome.name()];
            out.add("resus_receive_requests_total", &labels, float(request.count));
        }
        out.add("resus_receive_bytes_total", &["wire"], float(stats.received_bytes));
        out.add("resus_receive_bytes_total", &["inflated"], float(stats.inflated_bytes));
        out.add("resus_receive_connections", &[], float(stats.connections_open as u64));
        out.add("resus_receive_connections_total", &[], float(stats.connections_accepted));
        for (reason, count) in &stats.connections_closed {
            out.add("resus_receive_closed_total", &[reason.name()], float(*count));
        }
        out.add("resus_receive_in_flight_bytes", &[], float(stats.in_flight_bytes as u64));
        let counters = &self.counters;
        out.add("resus_spans_total", &["taken"], read(&counters.spans));
        out.add("resus_spans_total", &["rejected"], read(&counters.rejected));
        out.add("resus_log_records_total", &[], read(&counters.log_records));
        out.add("resus_metric_points_total", &[], read(&counters.metric_points));
        let without_room = read(&counters.points_without_room);
        out.add("resus_metric_points_without_room_total", &[], without_room);
        for (signal, counter) in [
            ("traces", &counters.undecodable_traces),
            ("logs", &counters.undecodable_logs),
            ("metrics", &counters.undecodable_metrics),
        ] {
            out.add("resus_undecodable_requests_total", &[signal], read(counter));
        }
    }

    fn log_metrics(&self, out: &mut Samples) {
        let log = self.log.status();
        out.add("resus_log_bytes", &[], float(log.bytes));
        out.add("resus_log_segments", &[], float(log.segments));
        out.add("resus_log_queued_bytes", &[], float(log.queued_bytes));
        out.add("resus_log_failing", &[], f64::from(u8::from(log.failing.is_some())));
        out.add("resus_log_appends_total", &[], float(log.figures.appends));
        out.add("resus_log_refused_total", &[], float(log.figures.refused));
        out.add("resus_log_failures_total", &[], float(log.figures.failures));
        out.add("resus_log_syncs_total", &[], float(log.figures.syncs));
        let sealed = self.kept.sealed();
        out.add("resus_store_segments", &[], float(sealed.segments as u64));
        out.add("resus_store_bytes", &[], float(sealed.bytes));
        out.add("resus_store_spans", &[], float(sealed.rows));
        let counters = &self.counters;
        out.add("resus_store_sealed_spans_total", &[], read(&counters.sealed_spans));
        out.add("resus_store_seal_failures_total", &[], read(&counters.seal_failures));
        out.add("resus_store_unsealable_total", &[], read(&counters.unsealable));
        out.add("resus_store_unmatched_logs_total", &[], read(&counters.unmatched_logs));
        out.add("resus_store_removed_segments_total", &[], read(&counters.removed_segments));
        out.add("resus_store_free_bytes", &[], read(&self.counters.free_bytes));
    }

    fn live_metrics(&self, out: &mut Samples) {
        let view = self.board.read();
        let now = clock::now();
        let live = &view.stats;
        let stats = &live.assembler;
        out.add("resus_assemble_traces", &["open"], float(stats.open_traces));
        out.add("resus_assemble_traces", &["lingering"], float(stats.lingering_traces));
        out.add("resus_assemble_spans", &[], float(stats.entries));
        out.add("resus_assemble_bytes", &[], float(stats.bytes));
        for (name, count) in [
            ("resus_assemble_completed_total", stats.completed),
            ("resus_assemble_reopened_total", stats.reopened),
            ("resus_assemble_evicted_total", stats.evicted),
            ("resus_assemble_early_total", stats.early),
            ("resus_assemble_late_dropped_total", stats.late_dropped),
            ("resus_assemble_left_out_total", stats.left_out),
            ("resus_assemble_overflow_total", stats.overflowed),
        ] {
            out.add(name, &[], float(count));
        }
        if let Some(judgement) = &view.judgement {
            for state in STATES {
                let is = word(&judgement.state) == state;
                out.add("resus_watch_state", &[state], f64::from(u8::from(is)));
            }
            out.add("resus_watch_since_seconds", &[], seconds(judgement.since_unix_nano));
            out.add("resus_watch_alarms", &[], float(judgement.alarms.len() as u64));
            out.add("resus_watch_silent_entries", &[], float(judgement.silent.len() as u64));
            let windows = judgement.baseline.windows;
            out.add("resus_watch_baseline_windows", &[], f64::from(windows));
        }
        out.add("resus_watch_watermark_seconds", &[], seconds(view.watermark_unix_nano));
        for (stage, at) in
            [("log", &self.counters.canary_kept), ("live", &self.counters.canary_seen)]
        {
            let at = at.load(Relaxed);
            if at > 0 {
                out.add("resus_canary_age_seconds", &[stage], seconds(now.saturating_sub(at)));
            }
        }
    }
}
