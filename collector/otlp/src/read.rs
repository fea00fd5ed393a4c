//! Files and streams of OTLP JSON: which form they have, and the records in them.
//!
//! The Collector's file exporter writes one object a line, or, with compression or as protobuf,
//! *framed* records: four bytes of big-endian length, then the payload, itself compressed by zstd. Others compress
//! whole files, print objects over many lines, or put them into a list. All of these are told apart
//! by their first bytes.

use std::io::Read;

use resus_model::{Quality, SpanBatch};

use crate::Keep;
use crate::buffer::Buffer;
use crate::extent::Extent;
use crate::fault::{ReadError, ReadErrorKind};
use crate::json::{JsonErrorKind, Origin, Seen, decode_prefix};
use crate::tally::{Lenient, Tally};

/// A batch is handed over when it has so many spans: columns of this length are a few megabytes,
/// large enough to be worth a call and small enough to hold several.
const BATCH_SPANS: usize = 1 << 16;

/// A batch is also handed over when so much text went into it, so that its names stay far below the
/// 4 GiB that an interner holds, whatever the texts are.
const BATCH_BYTES: usize = 256 << 20;

/// The longest record: it is held in memory whole, and its names must fit an interner together with those of [`BATCH_BYTES`].
/// The Collector's records are some megabytes.
const RECORD_LIMIT: usize = 2 << 30;

/// The longest framed payload. A length beyond it is no length: the Collector refuses requests
/// over some tens of megabytes.
const FRAME_LIMIT: usize = 1 << 30;

/// A line is looked for up to this length; a longer one is cut into values by counting brackets.
const LINE_LIMIT: usize = 16 << 20;

/// What is none of the known forms is told apart by so many bytes.
const HEAD: usize = 64;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
const BYTE_ORDER_MARK: &[u8] = &[0xef, 0xbb, 0xbf];

/// Reads all spans of a file or stream and hands them to `sink` in batches of about 65,536.
///
/// The form is found out by itself: JSON lines, objects printed over many lines or one after the other,
/// lists of objects, the Collector's framed records, each plain or the whole compressed by gzip or
/// zstd. `name` is for messages. Spans left out and leniencies are counted as [`crate::decode_json`]
/// does. Memory is bounded by the batch and the longest record.
///
/// # Errors
/// When the stream cannot be read, is empty, has another format, or a record is broken or cut off. The spans
/// before the fault have then been handed over and counted.
pub fn read(
    source: impl Read,
    name: &str,
    sink: &mut dyn FnMut(SpanBatch),
    quality: &mut Quality,
) -> Result<(), ReadError> {
    let mut reading = Reading {
        name,
        sink,
        batch: SpanBatch::new(),
        tally: Tally::default(),
        batch_bytes: 0,
        handed: 0,
        records: 0,
        traces: false,
        other_signal: false,
        compression: None,
    };
    let result = reading.stream(Buffer::new(Box::new(source)));
    reading.hand_over();
    reading.tally.drain_into(quality);
    result
}

struct Reading<'a> {
    name: &'a str,
    sink: &'a mut dyn FnMut(SpanBatch),
    batch: SpanBatch,
    tally: Tally,
    batch_bytes: usize,
    /// Spans handed over already.
    handed: u64,
    records: u64,
    /// A record had traces in it, or said that it has none.
    traces: bool,
    other_signal: bool,
    compression: Option<&'static str>,
}

/// How a stream is to be read on.
enum Form {
    Text,
    Frames,
}

impl Reading<'_> {
    fn stream(&mut self, mut buffer: Buffer<'_>) -> Result<(), ReadError> {
        self.fill(&mut buffer, 8)?;
        let head = buffer.bytes();
        if head.starts_with(GZIP) {
            self.compression = Some("gzip");
            let source = flate2::read::MultiGzDecoder::new(buffer.into_source());
            return self.plain(Buffer::new(Box::new(source)));
        }
        // A skippable frame, with which parallel compressors begin.
        let skippable = head.len() >= 4 && head[0] >> 4 == 5 && head[1..4] == [0x2a, 0x4d, 0x18];
        if head.starts_with(ZSTD) || skippable {
            self.compression = Some("zstd");
            let source = zstd::stream::read::Decoder::new(buffer.into_source())
                .map_err(|error| self.fault(0, ReadErrorKind::Io(error)))?;
            return self.plain(Buffer::new(Box::new(source)));
        }
        self.plain(buffer)
    }

    /// Reads what is not compressed, or no longer.
    fn plain(&mut self, mut buffer: Buffer<'_>) -> Result<(), ReadError> {
        self.fill(&mut buffer, 8)?;
        if buffer.bytes().starts_with(BYTE_ORDER_MARK) {
            buffer.consume(BYTE_ORDER_MARK.len());
            self.tally.lenient(Lenient::ByteOrderMark);
        }
        match self.form(&mut buffer)? {
            Form::Text => self.text(&mut buffer)?,
            Form::Frames => self.frames(&mut buffer)?,
        }
        if self.records > 0 && self.other_signal && !self.traces {
            return Err(self.fault(buffer.offset(), ReadErrorKind::OtherSignal));
        }
        Ok(())
    }

    fn form(&self, buffer: &mut Buffer<'_>) -> Result<Form, ReadError> {
        while buffer.bytes().iter().all(u8::is_ascii_whitespace) {
            if !self.more(buffer)? {
                return Err(self.fault(buffer.offset(), ReadErrorKind::Empty));
            }
        }
        self.fill(buffer, 8)?;
        let head = buffer.bytes();
        let first = head.iter().find(|b| !b.is_ascii_whitespace());
        if let Some(b'{' | b'[') = first {
            return Ok(Form::Text);
        }
        if let Some((length, payload)) = head.split_at_checked(4)
            && length[0] != 0x0a
            && (payload.starts_with(ZSTD) || matches!(payload.first(), Some(b'{' | b'[' | 0x0a)))
        {
            return Ok(Form::Frames);
        }
        // Judged by the same bytes in whatever pieces they come.
        self.fill(buffer, HEAD)?;
        let head = &buffer.bytes()[..buffer.bytes().len().min(HEAD)];
        let looks_like = match head {
            [0xff, 0xfe, ..] | [0xfe, 0xff, ..] => "UTF-16 text",
            [b'P', b'A', b'R', b'1', ..] => "Parquet",
            [b'A', b'R', b'R', b'O', b'W', b'1', ..] => "an Arrow file",
            [b'P', b'K', 3, 4, ..] => "a zip archive",
            [0x1f, 0x8b, ..] | [0x28, 0xb5, 0x2f, 0xfd, ..] => "something compressed twice",
            [0x0a, ..] => "OTLP protobuf",
            _ if is_text(head) => "text",
            _ => "binary data",
        };
        Err(self.fault(buffer.offset(), ReadErrorKind::Format { looks_like }))
    }

    /// Reads objects one after the other, however they are laid out.
    fn text(&mut self, buffer: &mut Buffer<'_>) -> Result<(), ReadError> {
        // One object a line is the rule: its end is found fast. At the first value that does not end
        // with its line, or at a list, brackets are counted from then on.
        let mut lines = true;
        // How much of the bytes at hand belongs to the line whose end is known.
        let mut line = 0_usize;
        let mut list = List::Outside;
        loop {
            let before = buffer.offset();
            let opened = self.next_value(buffer, &mut list)?;
            let Some(opened) = opened else { return Ok(()) };
            line = line.saturating_sub(usize::try_from(buffer.offset() - before).unwrap_or(line));
            lines &= !opened;
            if lines && line == 0 {
                match self.line(buffer)? {
                    Some(n) => line = n,
                    None => lines = false,
                }
            }
            let (length, whole) = if lines {
                (line, line < buffer.bytes().len() || !buffer.ended())
            } else {
                (self.value(buffer)?, false)
            };
            match self.record(&buffer.bytes()[..length], buffer.offset(), None) {
                Ok(used) => {
                    buffer.consume(used);
                    line = line.saturating_sub(used);
                    list.after_value();
                }
                Err(error) if lines && whole && error.is_cut_off() => lines = false,
                Err(error) => return Err(error),
            }
        }
    }

    /// Goes to the beginning of the next value; `None` at the end of the stream, else whether the value
    /// stands in a list.
    fn next_value(
        &self,
        buffer: &mut Buffer<'_>,
        list: &mut List,
    ) -> Result<Option<bool>, ReadError> {
        loop {
            let blank = buffer.bytes().iter().take_while(|b| b.is_ascii_whitespace()).count();
            buffer.consume(blank);
            let Some(&next) = buffer.bytes().first() else {
                if self.more(buffer)? {
                    continue;
                }
                return match list {
                    List::Outside => Ok(None),
                    _ => Err(self.cut_off(buffer.offset(), buffer.offset())),
                };
            };
            *list = match (*list, next) {
                (List::Outside, b'[') => List::Opened,
                (List::Opened | List::Behind, b']') => List::Outside,
                (List::Behind, b',') => List::Comma,
                (List::Behind, _) => {
                    return Err(self.fault(buffer.offset(), ReadErrorKind::ListPunctuation));
                }
                (List::Outside, _) => return Ok(Some(false)),
                (List::Opened | List::Comma, _) => return Ok(Some(true)),
            };
            buffer.consume(1);
        }
    }

    /// The length of the line that begins here, with its newline if there is one; `None` when it is longer than
    /// [`LINE_LIMIT`].
    fn line(&self, buffer: &mut Buffer<'_>) -> Result<Option<usize>, ReadError> {
        let mut searched = 0;
        loop {
            if let Some(n) = memchr::memchr(b'\n', &buffer.bytes()[searched..]) {
                return Ok(Some(searched + n + 1));
            }
            searched = buffer.bytes().len();
            if searched > LINE_LIMIT {
                return Ok(None);
            }
            if !self.more(buffer)? {
                return Ok(Some(searched));
            }
        }
    }

    /// The length of the value that begins here; of all that is left when its end is missing; of its
    /// line when it is neither object nor list.
    fn value(&self, buffer: &mut Buffer<'_>) -> Result<usize, ReadError> {
        if !matches!(buffer.bytes().first(), Some(b'{' | b'[')) {
            let line = self.line(buffer)?;
            return Ok(line.unwrap_or_else(|| buffer.bytes().len()));
        }
        let mut extent = Extent::default();
        loop {
            if let Some(end) = extent.find_end(buffer.bytes()) {
                return Ok(end);
            }
            if buffer.bytes().len() > RECORD_LIMIT {
                return Err(self.fault(buffer.offset(), ReadErrorKind::RecordTooLong));
            }
            if !self.more(buffer)? {
                return Ok(buffer.bytes().len());
            }
        }
    }

    fn frames(&mut self, buffer: &mut Buffer<'_>) -> Result<(), ReadError> {
        let mut inflated = Vec::new();
        loop {
            let start = buffer.offset();
            self.fill(buffer, 4)?;
            let Some((length, _)) = buffer.bytes().split_first_chunk::<4>() else {
                let left = buffer.bytes().len() as u64;
                return if left == 0 { Ok(()) } else { Err(self.cut_off(start + left, start)) };
            };
            let length = u32::from_be_bytes(*length);
            let n = usize::try_from(length).unwrap_or(usize::MAX);
            if n > FRAME_LIMIT {
                return Err(self.fault(start, ReadErrorKind::FrameLength { length }));
            }
            buffer.consume(4);
            if !self.fill(buffer, n)? {
                let left = buffer.bytes().len() as u64;
                return Err(self.cut_off(start + 4 + left, start));
            }
            let payload = &buffer.bytes()[..n];
            let text = if payload.starts_with(ZSTD) {
                self.inflate(payload, &mut inflated, start)?;
                &inflated[..]
            } else {
                payload
            };
            self.payload(text, start)?;
            buffer.consume(n);
        }
    }

    /// Decompresses a framed payload.
    fn inflate(&self, payload: &[u8], into: &mut Vec<u8>, start: u64) -> Result<(), ReadError> {
        into.clear();
        let fault = |error| self.fault(start, ReadErrorKind::Frame(error));
        let mut decoder = zstd::stream::read::Decoder::with_buffer(payload)
            .map_err(fault)?
            .take(RECORD_LIMIT as u64);
        decoder.read_to_end(into).map_err(fault)?;
        if into.len() == RECORD_LIMIT {
            return Err(self.fault(start, ReadErrorKind::RecordTooLong));
        }
        Ok(())
    }

    /// Reads what is in a frame: one object, or several.
    fn payload(&mut self, text: &[u8], start: u64) -> Result<(), ReadError> {
        let mut at = 0;
        loop {
            at += text[at..].iter().take_while(|b| b.is_ascii_whitespace()).count();
            match text.get(at) {
                None => return Ok(()),
                Some(b'{' | b'[') => at += self.record(&text[at..], start, Some(at))?,
                Some(_) if text.starts_with(&[0x0a]) => {
                    let looks_like = "OTLP protobuf";
                    return Err(self.fault(start, ReadErrorKind::Format { looks_like }));
                }
                Some(_) => {
                    return Err(self.fault(start, ReadErrorKind::FramePayload));
                }
            }
        }
    }

    /// Decodes the value at the beginning of a text and gives how much of it that was. The text begins at an
    /// offset of the stream, or, where `in_frame` says how deep, within the frame at that offset.
    fn record(
        &mut self,
        text: &[u8],
        offset: u64,
        in_frame: Option<usize>,
    ) -> Result<usize, ReadError> {
        let origin = Origin { name: self.name, offset };
        let decoded =
            decode_prefix(text, Keep::Rules, &mut self.batch, &mut self.tally, Some(origin));
        let (used, seen) = decoded.map_err(|mut error| {
            error.offset += in_frame.unwrap_or(0);
            let at = if in_frame.is_some() { offset } else { offset + error.offset as u64 };
            let framed = in_frame.is_some();
            if error.kind == JsonErrorKind::Truncated && !framed {
                self.cut_off(at, offset)
            } else {
                self.fault(at, ReadErrorKind::Json { record: offset, framed, error })
            }
        })?;
        let Seen { traces, other_signal, unknown } = seen;
        if let Some((key, looks_like)) = unknown
            && !traces
            && !other_signal
        {
            return Err(self.fault(offset, ReadErrorKind::NotOtlp { key, looks_like }));
        }
        self.traces |= traces;
        self.other_signal |= other_signal;
        self.records += 1;
        self.batch_bytes += used;
        if self.batch.len() >= BATCH_SPANS || self.batch_bytes >= BATCH_BYTES {
            self.hand_over();
        }
        Ok(used)
    }

    fn hand_over(&mut self) {
        self.batch_bytes = 0;
        if !self.batch.is_empty() {
            self.handed += self.batch.len() as u64;
            (self.sink)(std::mem::take(&mut self.batch));
        }
    }

    fn more(&self, buffer: &mut Buffer<'_>) -> Result<bool, ReadError> {
        let result = buffer.more();
        result.map_err(|error| self.io(buffer, error))
    }

    /// Sees to it that so many bytes are at hand; false when the stream ends before.
    fn fill(&self, buffer: &mut Buffer<'_>, n: usize) -> Result<bool, ReadError> {
        let result = buffer.at_least(n);
        result.map_err(|error| self.io(buffer, error))
    }

    fn io(&self, buffer: &Buffer<'_>, error: std::io::Error) -> ReadError {
        let at = buffer.offset() + buffer.bytes().len() as u64;
        self.fault(at, ReadErrorKind::Io(error))
    }

    fn cut_off(&self, at: u64, record: u64) -> ReadError {
        self.fault(at, ReadErrorKind::CutOff { record })
    }

    fn fault(&self, offset: u64, kind: ReadErrorKind) -> ReadError {
        ReadError {
            name: self.name.to_owned(),
            offset,
            compression: self.compression,
            spans: self.handed + self.batch.len() as u64,
            kind: Box::new(kind),
        }
    }
}

/// True for UTF-8 without control characters, the last of which may be cut off.
fn is_text(head: &[u8]) -> bool {
    let valid = std::str::from_utf8(head).map_or_else(
        |error| if error.error_len().is_none() { error.valid_up_to() } else { 0 },
        str::len,
    );
    valid > 0 && head.iter().all(|b| !b.is_ascii_control() || b.is_ascii_whitespace())
}

/// Where in an outermost list the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum List {
    Outside,
    /// Behind the opening bracket.
    Opened,
    /// Behind a value.
    Behind,
    /// Behind a comma.
    Comma,
}

impl List {
    fn after_value(&mut self) {
        if *self != Self::Outside {
            *self = Self::Behind;
        }
    }
}

#[cfg(test)]
mod tests;
