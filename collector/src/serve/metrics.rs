//! `/metrics`: how the collector is, in the text format of Prometheus.
//!
//! [`FAMILIES`] is the whole list; docs/telemetry.md is held against it by a test, and a sample of a
//! family that is not in it cannot be made.

use std::fmt::Write as _;

use resus_telemetry::{Family, Kind, Sample};

const fn counter(
    name: &'static str,
    labels: &'static [&'static str],
    help: &'static str,
) -> Family {
    Family { name, kind: Kind::Counter, labels, help }
}

const fn gauge(name: &'static str, labels: &'static [&'static str], help: &'static str) -> Family {
    Family { name, kind: Kind::Gauge, labels, help }
}

/// Samples under way to the text format.
#[derive(Debug, Default)]
pub(crate) struct Samples {
    /// Family by number, labels' values, value.
    list: Vec<(usize, Vec<String>, f64)>,
}

impl Samples {
    /// Adds a sample. The family is found by name, which is a literal of this crate.
    ///
    /// # Panics
    /// When there is no such family, or it has another number of labels.
    pub(crate) fn add(&mut self, name: &str, labels: &[&str], value: f64) {
        let at = FAMILIES
            .iter()
            .position(|f| f.name == name)
            .unwrap_or_else(|| panic!("no family of metrics is called {name}"));
        assert_eq!(FAMILIES[at].labels.len(), labels.len(), "{name} has other labels");
        self.list.push((at, labels.iter().map(|&l| l.to_owned()).collect(), value));
    }

    /// The samples as `[telemetry]` sends them.
    pub(crate) fn list(self) -> Vec<Sample> {
        let list = self.list.into_iter();
        list.map(|(family, labels, value)| Sample { family, labels, value }).collect()
    }

    /// The text: families in the order of [`FAMILIES`], those without a sample left out.
    pub(crate) fn text(mut self) -> String {
        self.list.sort_by(|a, b| (a.0, &a.1).cmp(&(b.0, &b.1)));
        let mut out = String::new();
        for of_family in self.list.chunk_by(|a, b| a.0 == b.0) {
            let Family { name, kind, labels, help } = FAMILIES[of_family[0].0];
            let kind = match kind {
                Kind::Counter => "counter",
                Kind::Gauge => "gauge",
            };
            let mut line = |text: std::fmt::Arguments<'_>| {
                out.write_fmt(text).expect("a String takes all that is written");
            };
            line(format_args!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
            for (_, values, value) in of_family {
                let pairs: Vec<String> = labels
                    .iter()
                    .zip(values)
                    .map(|(label, text)| format!("{label}=\"{}\"", escape(text)))
                    .collect();
                if pairs.is_empty() {
                    line(format_args!("{name} {value}\n"));
                } else {
                    line(format_args!("{name}{{{}}} {value}\n", pairs.join(",")));
                }
            }
        }
        out
    }
}

/// A label's value as the text format wants it.
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

/// All metrics, in the order in which they are written.
pub(crate) const FAMILIES: &[Family] = &[
    gauge("resus_build_info", &["version"], "1; the version is the label"),
    gauge("resus_start_time_seconds", &[], "When the process began, seconds since the Unix epoch"),
    counter(
        "resus_receive_requests_total",
        &["signal", "transport", "outcome"],
        "Requests by what became of them; busy and unavailable are retried by clients",
    ),
    counter(
        "resus_receive_bytes_total",
        &["form"],
        "Bytes of complete bodies; form is wire (as they came) or inflated",
    ),
    gauge("resus_receive_connections", &[], "Open connections of OTLP clients"),
    counter("resus_receive_connections_total", &[], "Connections accepted"),
    counter(
        "resus_receive_closed_total",
        &["reason"],
        "Connections closed by us before their time",
    ),
    gauge("resus_receive_in_flight_bytes", &[], "Bytes of requests that are being worked on"),
    counter("resus_spans_total", &["result"], "Spans received; result is taken or rejected"),
    counter("resus_log_records_total", &[], "OTLP log records received"),
    counter("resus_metric_points_total", &[], "OTLP metric points received"),
    counter(
        "resus_metric_points_without_room_total",
        &[],
        "Points of wanted metrics that were not kept: metrics.max_series were there already",
    ),
    counter("resus_undecodable_requests_total", &["signal"], "Requests whose body is not OTLP"),
    gauge("resus_log_bytes", &[], "Bytes in the segment log"),
    gauge("resus_log_segments", &[], "Segments in the log"),
    gauge("resus_log_queued_bytes", &[], "Bytes that wait to be written to the log"),
    gauge("resus_log_failing", &[], "1 while the log cannot write: requests are answered 503"),
    counter("resus_log_appends_total", &[], "Records appended to the log"),
    counter("resus_log_syncs_total", &[], "Times that the log was synced to disk"),
    counter("resus_log_refused_total", &[], "Records that the log refused"),
    counter("resus_log_failures_total", &[], "Writes, syncs and making of segments that failed"),
    gauge("resus_store_segments", &[], "Parquet segments"),
    gauge("resus_store_bytes", &[], "Bytes of these"),
    gauge("resus_store_spans", &[], "Spans in these"),
    counter("resus_store_sealed_spans_total", &[], "Spans sealed"),
    counter(
        "resus_store_seal_failures_total",
        &[],
        "Attempts to seal that failed; their spans are still in the log",
    ),
    counter(
        "resus_store_unsealable_total",
        &[],
        "Requests in the log that could not be decoded to be sealed",
    ),
    counter("resus_store_unmatched_logs_total", &[], "Error records of logs whose span never came"),
    counter("resus_store_removed_segments_total", &[], "Segments removed by age or size"),
    gauge("resus_store_free_bytes", &[], "Bytes left on the disk that holds the data"),
    gauge(
        "resus_assemble_traces",
        &["state"],
        "Traces held: open, or lingering after they were counted",
    ),
    gauge("resus_assemble_spans", &[], "Spans held"),
    gauge("resus_assemble_bytes", &[], "Bytes that these take"),
    counter("resus_assemble_completed_total", &[], "Traces counted"),
    counter("resus_assemble_reopened_total", &[], "Traces counted anew because of a late span"),
    counter(
        "resus_assemble_evicted_total",
        &[],
        "Counted traces forgotten before assemble.linger, for memory",
    ),
    counter("resus_assemble_early_total", &[], "Open traces counted before their time, for memory"),
    counter(
        "resus_assemble_late_dropped_total",
        &[],
        "Spans too late to be counted; they are kept in the store",
    ),
    counter("resus_assemble_left_out_total", &[], "Spans beyond assemble.max_spans_per_trace"),
    counter(
        "resus_assemble_overflow_total",
        &[],
        "Spans of services or operations beyond the configured numbers",
    ),
    gauge(
        "resus_watch_state",
        &["state"],
        "1 for the current state: learning, healthy, silent, suspects or no_verdict",
    ),
    gauge("resus_watch_since_seconds", &[], "When that state began, seconds since the Unix epoch"),
    gauge("resus_watch_baseline_windows", &[], "Healthy windows that the present is held against"),
    gauge("resus_watch_alarms", &[], "Entry operations that deviate from healthy windows"),
    gauge("resus_watch_silent_entries", &[], "Entry operations that used to speak and do not"),
    gauge(
        "resus_watch_watermark_seconds",
        &[],
        "Until when requests are judged, seconds since the Unix epoch",
    ),
    gauge("resus_canary_age_seconds", &["stage"], "Age of the last canary at a stage: log or live"),
    counter(
        "resus_forward_requests_total",
        &["result"],
        "Requests to go on: sent, refused for good by the endpoint, dropped because too much waited, given_up without an answer, or unsendable",
    ),
    gauge("resus_forward_in_flight", &[], "Requests on their way, or waiting for another attempt"),
    gauge("resus_forward_backlog_bytes", &[], "Bytes of the log that wait to be forwarded"),
    counter("resus_forward_retries_total", &[], "Attempts to forward after a request's first"),
    counter(
        "resus_telemetry_exports_total",
        &["result"],
        "Exports of the collector's own telemetry; result is done or failed",
    ),
    counter("resus_telemetry_dropped_spans_total", &[], "Own spans that found the queue full"),
    gauge("resus_process_resident_bytes", &[], "Resident memory of the process"),
    gauge("resus_process_open_files", &[], "Open file descriptors of the process"),
    gauge("resus_process_threads", &[], "Threads of the process"),
    counter("resus_process_cpu_seconds_total", &[], "CPU seconds of the process, user and system"),
];
