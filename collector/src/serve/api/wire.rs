//! The forms in which the API answers, field by field. Each is a schema of the OpenAPI document.
//!
//! Instants are decimal text in nanoseconds since the Unix epoch (JSON numbers lose digits above 2^53).

use std::collections::BTreeMap;

use resus_model::{Evidence, Name, OperationKey, Outcome, SpanBatch, SpanRow, Tally, TraceId};
use schemars::JsonSchema;
use serde::Serialize;

/// What went wrong with a request to the API.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Problem {
    /// What was found, what was expected, what to do.
    pub(crate) error: String,
}

/// Whether requests are taken and kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Ready {
    /// True when all is well.
    pub(crate) ready: bool,
    /// What is not; empty when all is well.
    pub(crate) reasons: Vec<String>,
}

/// What runs here.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Status {
    /// The program's version.
    pub(crate) version: String,
    /// Since when, nanoseconds since the Unix epoch.
    pub(crate) started_unix_nano: String,
    /// Where OTLP is received, by address.
    pub(crate) receive: Vec<String>,
    /// Where this API is.
    pub(crate) api: String,
    /// The folder with all that is kept.
    pub(crate) folder: String,
    /// The segment log.
    pub(crate) log: LogStatus,
    /// The Parquet segments.
    pub(crate) sealed: Sealed,
    /// What goes on to another endpoint; null where nothing does.
    pub(crate) forward: Option<Forwarded>,
    /// Spans taken since the start.
    pub(crate) spans: u64,
    /// Of those sent, spans left out since the start.
    pub(crate) rejected: u64,
    /// Traces that are open.
    pub(crate) open_traces: u64,
}

/// The segment log.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct LogStatus {
    /// Bytes on disk.
    pub(crate) bytes: u64,
    /// Files.
    pub(crate) segments: u64,
    /// Why nothing can be written at the moment; null when all is well.
    pub(crate) failing: Option<String>,
}

/// What goes on to another endpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Forwarded {
    /// Requests that it took since the start.
    pub(crate) sent: u64,
    /// Requests that are lost to it: refused for good, dropped because too much waited, given up, or
    /// unsendable.
    pub(crate) lost: u64,
    /// Bytes of the log that wait.
    pub(crate) backlog_bytes: u64,
    /// When it last took a request, nanoseconds since the Unix epoch; null if never.
    pub(crate) last_success_unix_nano: Option<String>,
    /// What went wrong last; null if nothing ever did.
    pub(crate) last_failure: Option<ForwardFailure>,
}

/// Something that went wrong on the way to another endpoint.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ForwardFailure {
    /// When, nanoseconds since the Unix epoch.
    pub(crate) unix_nano: String,
    /// What.
    pub(crate) message: String,
}

impl From<resus_forward::Stats> for Forwarded {
    fn from(stats: resus_forward::Stats) -> Self {
        let refused: u64 = stats.refused.iter().map(|(_, count)| count).sum();
        Self {
            sent: stats.sent,
            lost: refused + stats.dropped + stats.given_up + stats.unsendable,
            backlog_bytes: stats.backlog_bytes,
            last_success_unix_nano: stats.last_success_unix_nano.map(|at| at.to_string()),
            last_failure: stats.last_failure.map(|failure| ForwardFailure {
                unix_nano: failure.unix_nano.to_string(),
                message: format!("failed to {}", failure.message),
            }),
        }
    }
}

/// The Parquet segments.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Sealed {
    /// Files.
    pub(crate) segments: usize,
    /// Bytes on disk.
    pub(crate) bytes: u64,
    /// Spans in them.
    pub(crate) spans: u64,
    /// First start of a span, nanoseconds since the Unix epoch; null without segments.
    pub(crate) oldest_unix_nano: Option<String>,
    /// Last start of a span.
    pub(crate) newest_unix_nano: Option<String>,
}

/// The current verdict.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Live {
    /// `learning`, `healthy`, `silent`, `suspects` or `no_verdict`.
    pub(crate) state: &'static str,
    /// What the state means now, in a sentence.
    pub(crate) summary: String,
    /// Since when, nanoseconds since the Unix epoch.
    pub(crate) since_unix_nano: String,
    /// Entry operations that deviate, each with the windows that agree on it.
    pub(crate) alarms: Vec<Alarm>,
    /// When it was judged last, nanoseconds since the Unix epoch.
    pub(crate) at_unix_nano: String,
    /// Requests that started before this are judged, nanoseconds since the Unix epoch.
    pub(crate) watermark_unix_nano: String,
    /// Entry operations that used to speak and do not.
    pub(crate) silent: Vec<Silent>,
    /// Facts that a reader must know to judge the answer.
    pub(crate) notes: Vec<String>,
    /// While something deviates: who is suspect, with proof, as resus.analysis/1; else null.
    pub(crate) analysis: Option<serde_json::Value>,
}

/// An entry operation that deviates from healthy windows.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Alarm {
    /// Its service.
    pub(crate) service: String,
    /// Its operation.
    pub(crate) operation: String,
    /// `error`, or `slow_or_unseen`.
    pub(crate) kind: &'static str,
    /// Length of the windows that agree, in panes.
    pub(crate) window_panes: u32,
    /// How many of them deviated when they last agreed ...
    pub(crate) agreeing: u32,
    /// ... of how many.
    pub(crate) of: u32,
    /// Start of the first window that deviates, nanoseconds since the Unix epoch.
    pub(crate) began_unix_nano: String,
    /// End of the pane by which windows agreed, nanoseconds since the Unix epoch.
    pub(crate) live_since_unix_nano: String,
}

/// An entry operation that used to speak and does not.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Silent {
    /// Its service; empty when nothing arrives at all.
    pub(crate) service: String,
    /// Its operation; empty when nothing arrives at all.
    pub(crate) operation: String,
    /// End of the last pane with a request, nanoseconds since the Unix epoch.
    pub(crate) last_seen_unix_nano: String,
    /// Requests a pane that the baseline lets expect.
    pub(crate) expected_per_pane: f64,
    /// How often chance would be silent for so long.
    pub(crate) p_value: f64,
}

/// The windows that are compared.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Windows {
    /// The window judged last; null before the first.
    pub(crate) now: Option<WindowCounts>,
    /// The healthy ones, oldest first.
    pub(crate) baseline: Vec<WindowCounts>,
}

/// Requests that started in a window.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct WindowCounts {
    /// First nanosecond since the Unix epoch.
    pub(crate) from_unix_nano: String,
    /// First nanosecond behind it.
    pub(crate) to_unix_nano: String,
    /// By entry operation, in order of name.
    pub(crate) entries: Vec<EntryCounts>,
}

/// Requests of an entry operation.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct EntryCounts {
    /// Service; empty where there is no entry span.
    pub(crate) service: String,
    /// Operation; empty where there is no entry span.
    pub(crate) operation: String,
    /// Requests by outcome: passed, failed, cancelled, unlabelled, unknown.
    pub(crate) requests: BTreeMap<&'static str, u64>,
}

/// Path classes: requests of the same entry operation, shape, outcome and origins.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Classes {
    /// First nanosecond of the window since the Unix epoch; null before the first.
    pub(crate) from_unix_nano: Option<String>,
    /// First nanosecond behind it.
    pub(crate) to_unix_nano: Option<String>,
    /// How many there are.
    pub(crate) total: usize,
    /// Those with most requests, most first.
    pub(crate) classes: Vec<Class>,
}

/// A path class.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Class {
    /// The entry operation as `service operation`; null where there is no entry span.
    pub(crate) entry: Option<String>,
    /// What became of the requests.
    pub(crate) outcome: &'static str,
    /// Requests.
    pub(crate) requests: u64,
    /// Requests that they stand for, by their sampling weights.
    pub(crate) estimated: f64,
    /// Mean duration of the entry span, milliseconds; null where there is none.
    pub(crate) mean_duration_ms: Option<f64>,
    /// Operations on the path, as `service operation`, in order of name.
    pub(crate) operations: Vec<String>,
    /// Where failure began.
    pub(crate) origins: Vec<String>,
    /// A few of its traces.
    pub(crate) traces: Vec<String>,
}

/// All kept spans of a trace.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Trace {
    /// Its id, 32 hex digits.
    pub(crate) trace_id: String,
    /// Its spans by start. What was sent twice may be here twice.
    pub(crate) spans: Vec<Span>,
    /// Places that might hold more and cannot be read; empty when all is well.
    pub(crate) unreadable: Vec<String>,
}

/// A span; the fields are those of the span schema.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Span {
    pub(crate) span_id: String,
    pub(crate) parent_span_id: Option<String>,
    pub(crate) trace_state: String,
    pub(crate) service: String,
    pub(crate) namespace: String,
    pub(crate) instance: String,
    pub(crate) version: String,
    pub(crate) host: String,
    pub(crate) operation: String,
    pub(crate) kind: u8,
    pub(crate) status: u8,
    pub(crate) status_message: String,
    pub(crate) start_unix_nano: String,
    pub(crate) duration_ns: i64,
    pub(crate) received_unix_nano: String,
    pub(crate) http_status: Option<u16>,
    pub(crate) rpc_status: Option<u8>,
    pub(crate) error_type: String,
    pub(crate) attributes: serde_json::Value,
    pub(crate) resource_attributes: serde_json::Value,
    pub(crate) events: serde_json::Value,
    pub(crate) scope: String,
    /// Spans that it links to.
    pub(crate) links: Vec<Link>,
}

/// A span that another one links to.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Link {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
}

/// Last values of the metrics that are kept.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Gauges {
    /// In order of service, instance and name.
    pub(crate) series: Vec<Gauge>,
}

/// A series.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Gauge {
    /// `service.name`.
    pub(crate) service: String,
    /// `service.instance.id`.
    pub(crate) instance: String,
    /// The metric.
    pub(crate) name: String,
    /// The point's attributes.
    pub(crate) attributes: serde_json::Value,
    /// When it was measured, nanoseconds since the Unix epoch.
    pub(crate) unix_nano: String,
    /// The value.
    pub(crate) value: f64,
}

/// What was done.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Done {
    /// In a sentence.
    pub(crate) done: String,
}

/// An outcome in a word.
const fn outcome(of: Outcome) -> &'static str {
    match of {
        Outcome::Passed => "passed",
        Outcome::Failed => "failed",
        Outcome::Cancelled => "cancelled",
        Outcome::Unlabelled => "unlabelled",
        Outcome::Unknown => "unknown",
    }
}

fn texts(evidence: &Evidence, operation: u32) -> (&str, &str) {
    let OperationKey { service, operation, .. } = evidence.operations[operation as usize];
    (evidence.names.text(service), evidence.names.text(operation))
}

fn named(evidence: &Evidence, operation: u32) -> String {
    let (service, operation) = texts(evidence, operation);
    format!("{service} {operation}")
}

impl WindowCounts {
    pub(crate) fn of(evidence: &Evidence) -> Self {
        let mut entries: BTreeMap<(&str, &str), BTreeMap<&'static str, u64>> = BTreeMap::new();
        for class in &evidence.classes {
            let entry = class.key.entry.map_or(("", ""), |entry| texts(evidence, entry));
            let counts = entries.entry(entry).or_default();
            *counts.entry(outcome(class.key.outcome)).or_default() += class.tally.n;
        }
        let entries = entries.into_iter().map(|((service, operation), requests)| EntryCounts {
            service: service.to_owned(),
            operation: operation.to_owned(),
            requests,
        });
        Self {
            from_unix_nano: evidence.window.from.to_string(),
            to_unix_nano: evidence.window.to.to_string(),
            entries: entries.collect(),
        }
    }
}

impl Classes {
    pub(crate) fn of(evidence: Option<&Evidence>, limit: usize) -> Self {
        let Some(evidence) = evidence else {
            let classes = Vec::new();
            return Self { from_unix_nano: None, to_unix_nano: None, total: 0, classes };
        };
        let mut order: Vec<usize> = (0..evidence.classes.len()).collect();
        order.sort_by_key(|&i| (std::cmp::Reverse(evidence.classes[i].tally.n), i));
        order.truncate(limit);
        Self {
            from_unix_nano: Some(evidence.window.from.to_string()),
            to_unix_nano: Some(evidence.window.to.to_string()),
            total: evidence.classes.len(),
            classes: order.into_iter().map(|i| Class::of(evidence, i)).collect(),
        }
    }
}

impl Class {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    fn of(evidence: &Evidence, i: usize) -> Self {
        let class = &evidence.classes[i];
        let list = |of: &[u32]| of.iter().map(|&o| named(evidence, o)).collect();
        let n = class.tally.n;
        let timed = class.key.entry.is_some() && n > 0;
        Self {
            entry: class.key.entry.map(|entry| named(evidence, entry)),
            outcome: outcome(class.key.outcome),
            requests: n,
            estimated: class.tally.weight as f64 / Tally::ONE as f64,
            mean_duration_ms: timed.then(|| class.duration_sum as f64 / n as f64 / 1e6),
            operations: list(&class.key.operations),
            origins: list(&class.key.origins),
            traces: class.exemplars.iter().map(|e| e.trace_id.to_string()).collect(),
        }
    }
}

impl Trace {
    pub(crate) fn of(trace_id: TraceId, batch: &SpanBatch, unreadable: Vec<String>) -> Self {
        let mut order: Vec<usize> = (0..batch.len()).collect();
        order.sort_by_key(|&i| (batch.start_unix_nano[i], batch.span_id[i], batch.kind[i]));
        Self {
            trace_id: trace_id.to_string(),
            spans: order.into_iter().map(|i| Span::of(batch, i)).collect(),
            unreadable,
        }
    }
}

impl Span {
    fn of(batch: &SpanBatch, i: usize) -> Self {
        let row = batch.row(i);
        let text = |name: Name| batch.names.text(name).to_owned();
        let kept = |column: &[Name]| column.get(i).map_or_else(String::new, |&name| text(name));
        // What was written as JSON is; what was not kept is null.
        let json = |text: &str| serde_json::from_str(text).unwrap_or(serde_json::Value::Null);
        Self {
            span_id: row.span_id.to_string(),
            parent_span_id: (!row.parent_span_id.is_none()).then(|| row.parent_span_id.to_string()),
            trace_state: text(row.trace_state),
            service: text(row.service),
            namespace: text(row.namespace),
            instance: text(row.instance),
            version: text(row.version),
            host: text(row.host),
            operation: text(row.operation),
            kind: row.kind as u8,
            status: row.status as u8,
            status_message: kept(&batch.status_message),
            start_unix_nano: row.start_unix_nano.to_string(),
            duration_ns: row.duration_ns,
            received_unix_nano: row.received_unix_nano.to_string(),
            http_status: (row.http_status != 0).then_some(row.http_status),
            rpc_status: (row.rpc_status != SpanRow::NO_RPC).then_some(row.rpc_status),
            error_type: text(row.error_type),
            attributes: json(batch.attributes_of(i)),
            resource_attributes: json(&kept(&batch.resource_attributes)),
            events: json(batch.events_of(i)),
            scope: kept(&batch.scope),
            links: links_of(batch, i),
        }
    }
}

fn links_of(batch: &SpanBatch, row: usize) -> Vec<Link> {
    // They are in the order of rows.
    let first = batch.links.partition_point(|link| (link.row as usize) < row);
    let links = batch.links[first..].iter().take_while(|link| link.row as usize == row);
    let link = |link: &resus_model::Link| Link {
        trace_id: link.trace_id.to_string(),
        span_id: link.span_id.to_string(),
    };
    links.map(link).collect()
}
