//! OTLP JSON: one object in, spans as columns out.
//!
//! serde_json walks the text once; hand-written visitors push each span into the batch as soon as it
//! is read. Keys may come in any order, unknown keys are ignored, null is the same as a missing key.
//! What is found in the wild and is not OTLP (base64 ids, snake_case keys, enum names and so on)
//! is read and counted.

mod attributes;
mod logs;
mod metrics;
mod object;
mod path;
mod scalar;
mod spans;
mod texts;
mod top;
mod values;

use resus_model::{LogBatch, Name, Quality, SpanBatch, SpanRow};
use serde::de::{DeserializeSeed as _, IgnoredAny};

use self::object::{Object, One};
use self::path::Path;
use self::spans::{EventMarks, ScopeMarks};
use self::texts::Texts;
pub(crate) use self::top::Seen;
use crate::Keep;
use crate::metrics::Gauge;
use crate::ranks::Ranks;
use crate::sender::Sender;
use crate::tally::Tally;

/// Why a text is not OTLP JSON.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("decode OTLP JSON at byte {offset}{}{path}: {message}", if path.is_empty() { "" } else { ", " })]
pub struct JsonError {
    /// Where in the text, in bytes from its beginning.
    pub offset: usize,
    /// The field, as far as it is known: `resourceSpans[3].scopeSpans[0].spans[7].startTimeUnixNano`.
    pub path: String,
    /// What was found and what was expected.
    pub message: String,
    /// What kind of fault it is.
    pub kind: JsonErrorKind,
}

/// What is wrong with a JSON text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum JsonErrorKind {
    /// It ends in the middle of a value.
    Truncated,
    /// It is not JSON.
    Syntax,
    /// It is JSON, but a value has the wrong type.
    Type,
    /// Lists or objects are nested deeper than 127 levels.
    Depth,
}

/// Decodes one JSON object (`TracesData`, which is the same as `ExportTraceServiceRequest`) and
/// appends its spans to a batch; gives how many it appended.
///
/// Read too: a list of such objects, the answers of Tempo (`trace`, `batches`) and Jaeger (`result`).
/// Spans without an id, a start or an end are left out and counted in [`Quality::skipped`] with an
/// example of where, what OTLP does not allow in [`Quality::lenient`]; nothing else of `quality` is
/// touched. A span without a name is called `unknown`, a service without one `unknown_service`.
///
/// # Errors
/// When the text is not JSON, is cut off, or a value has the wrong type. The batch is then as it
/// was, but for names that no span uses, and so is `quality`.
pub fn decode_json(
    text: &[u8],
    batch: &mut SpanBatch,
    quality: &mut Quality,
) -> Result<usize, JsonError> {
    let before = batch.len();
    let mut tally = Tally::default();
    decode_traces(text, Keep::Rules, batch, &mut tally)?;
    tally.drain_into(quality);
    Ok(batch.len() - before)
}

/// Decodes a text that is one value and appends its spans to a batch, which after an error is as it was.
pub(crate) fn decode_traces(
    text: &[u8],
    keep: Keep,
    batch: &mut SpanBatch,
    tally: &mut Tally,
) -> Result<(), JsonError> {
    let (rows, links) = (batch.len(), batch.links.len());
    let (consumed, _) = decode_prefix(text, keep, batch, tally, None)?;
    nothing_behind(text, consumed).inspect_err(|_| batch.truncate(rows, links))
}

/// Refuses a text that goes on behind its value.
fn nothing_behind(text: &[u8], consumed: usize) -> Result<(), JsonError> {
    match text[consumed..].iter().position(|b| !b.is_ascii_whitespace()) {
        None => Ok(()),
        Some(at) => Err(JsonError {
            offset: consumed + at,
            path: String::new(),
            message: "found more text behind the object, expected its end".to_owned(),
            kind: JsonErrorKind::Syntax,
        }),
    }
}

/// Decodes the value at the beginning of a text; gives how many bytes it took and what it was. After an error
/// batch and tally are as they were.
pub(crate) fn decode_prefix<'b>(
    text: &[u8],
    keep: Keep,
    batch: &'b mut SpanBatch,
    tally: &'b mut Tally,
    origin: Option<Origin<'b>>,
) -> Result<(usize, Seen), JsonError> {
    let (rows, links, counts) = (batch.len(), batch.links.len(), tally.counts());
    let mut decoder = Decoder { origin, ..Decoder::new(keep, batch, tally) };
    let mut json = serde_json::Deserializer::from_slice(text);
    match top::Top(&mut decoder).deserialize(&mut json) {
        Ok(()) => {
            decoder.texts.count(decoder.tally);
            Ok((json.into_iter::<IgnoredAny>().byte_offset(), decoder.seen))
        }
        Err(error) => {
            let error = JsonError::new(text, &error, &decoder.path);
            decoder.batch.truncate(rows, links);
            decoder.tally.restore(counts);
            Err(error)
        }
    }
}

/// Reads a request of logs; gives the records that tell of errors of spans, and how many there were
/// in all.
pub(crate) fn decode_logs(text: &[u8], tally: &mut Tally) -> Result<(LogBatch, usize), JsonError> {
    let mut batch = SpanBatch::new();
    let mut decoder = Decoder::new(Keep::Rules, &mut batch, tally);
    decoder.whole(text, logs::LogsData)?;
    let logs::Logs { batch, records, .. } = decoder.logs;
    Ok((batch, records))
}

/// Reads a request of metrics; gives the points of the wanted ones, and how many there were in all.
pub(crate) fn decode_metrics(text: &[u8], wanted: &[&str]) -> Result<(Vec<Gauge>, u64), JsonError> {
    let (mut batch, mut tally) = (SpanBatch::new(), Tally::strict());
    let mut decoder = Decoder::new(Keep::Rules, &mut batch, &mut tally);
    decoder.metrics.wanted = wanted;
    decoder.whole(text, metrics::MetricsData)?;
    Ok((decoder.metrics.gauges, decoder.metrics.points))
}

/// Where a text comes from: a file's name, and the offset in it at which the text begins.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Origin<'a> {
    pub(crate) name: &'a str,
    pub(crate) offset: u64,
}

/// What is being read and where it goes. There is one row, one value, one resource at a time.
struct Decoder<'b> {
    batch: &'b mut SpanBatch,
    tally: &'b mut Tally,
    path: Path,
    /// The key of the attribute read last; empty where only the rules are served.
    key: String,
    /// The text of the attribute value read last.
    value: String,
    /// The text of the value read last that stands in a list or map.
    inner_value: String,
    texts: Texts,
    /// The span being read; times and ids come in when it is complete.
    row: SpanRow,
    span_ranks: Ranks,
    resource: Sender,
    resource_ranks: Ranks,
    event: EventMarks,
    status_message: Name,
    scope: ScopeMarks,
    seen: Seen,
    origin: Option<Origin<'b>>,
    logs: logs::Logs,
    metrics: metrics::Metrics<'b>,
}

impl<'b> Decoder<'b> {
    fn new(keep: Keep, batch: &'b mut SpanBatch, tally: &'b mut Tally) -> Self {
        Self {
            batch,
            tally,
            path: Path::default(),
            key: String::new(),
            value: String::new(),
            inner_value: String::new(),
            texts: Texts::new(keep),
            row: SpanRow::new(),
            span_ranks: Ranks::NONE,
            resource: Sender::default(),
            resource_ranks: Ranks::NONE,
            event: EventMarks::default(),
            status_message: Name::NONE,
            scope: ScopeMarks::default(),
            seen: Seen::default(),
            origin: None,
            logs: logs::Logs::default(),
            metrics: metrics::Metrics::default(),
        }
    }

    /// Reads a text that is one object.
    fn whole(&mut self, text: &[u8], object: impl Object) -> Result<(), JsonError> {
        let mut json = serde_json::Deserializer::from_slice(text);
        One(object, self)
            .deserialize(&mut json)
            .map_err(|error| JsonError::new(text, &error, &self.path))?;
        nothing_behind(text, json.into_iter::<IgnoredAny>().byte_offset())
    }
}

impl JsonError {
    fn new(text: &[u8], error: &serde_json::Error, path: &Path) -> Self {
        let whole = error.to_string();
        let position = format!(" at line {} column {}", error.line(), error.column());
        let message = whole.strip_suffix(&position).unwrap_or(&whole);
        let (kind, message) = match error.classify() {
            _ if message == "recursion limit exceeded" => {
                (JsonErrorKind::Depth, "found more than 127 levels of nesting, expected a few")
            }
            serde_json::error::Category::Eof => (JsonErrorKind::Truncated, message),
            serde_json::error::Category::Syntax => (JsonErrorKind::Syntax, message),
            serde_json::error::Category::Data | serde_json::error::Category::Io => {
                (JsonErrorKind::Type, message)
            }
        };
        Self {
            offset: offset(text, error.line(), error.column()),
            path: path.to_string(),
            message: message.to_owned(),
            kind,
        }
    }
}

/// The offset of a line (from 1) and column: serde_json's column is how many bytes of the line were read.
fn offset(text: &[u8], line: usize, column: usize) -> usize {
    let begin = match line {
        0 | 1 => 0,
        _ => memchr::memchr_iter(b'\n', text).nth(line - 2).map_or(0, |newline| newline + 1),
    };
    (begin + column.saturating_sub(1)).min(text.len())
}

#[cfg(test)]
mod tests;
