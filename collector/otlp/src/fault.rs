//! Why a file or stream could not be read to its end, said so that a person knows what to do.

use std::fmt;
use std::io;

use crate::json::JsonError;

/// Why reading stopped.
#[derive(Debug)]
pub struct ReadError {
    /// The file's name as it was given.
    pub name: String,
    /// Where: bytes from the beginning, counted after decompression.
    pub offset: u64,
    /// How the file as a whole is compressed, if it is.
    pub compression: Option<&'static str>,
    /// How many spans were read before.
    pub spans: u64,
    /// What is wrong.
    pub kind: Box<ReadErrorKind>,
}

/// What is wrong with a file or stream.
#[derive(Debug)]
pub enum ReadErrorKind {
    /// It cannot be read, or its compression is broken.
    Io(io::Error),
    /// There is nothing in it, or only blanks.
    Empty,
    /// It is none of the forms of OTLP JSON.
    Format {
        /// What it looks like.
        looks_like: &'static str,
    },
    /// It is JSON, but not of OTLP.
    NotOtlp {
        /// The first of the outermost keys, none of which is known.
        key: String,
        /// What has such keys.
        looks_like: Option<&'static str>,
    },
    /// It is OTLP, but holds logs, metrics or profiles alone.
    OtherSignal,
    /// A record is not JSON or has a value of the wrong type.
    Json {
        /// Where the record begins: for a framed one, its frame.
        record: u64,
        /// The record is framed, so that the error's offset counts within the decompressed payload.
        framed: bool,
        /// The fault.
        error: JsonError,
    },
    /// It ends in the middle of a record.
    CutOff {
        /// Where the record begins.
        record: u64,
    },
    /// The values of a list are not separated by commas.
    ListPunctuation,
    /// A record is longer than 2 GiB.
    RecordTooLong,
    /// The length before a framed record cannot be one.
    FrameLength {
        /// The length read.
        length: u32,
    },
    /// A framed record cannot be decompressed.
    Frame(io::Error),
    /// A framed record is neither JSON nor zstd.
    FramePayload,
}

impl ReadError {
    pub(crate) const fn is_cut_off(&self) -> bool {
        matches!(*self.kind, ReadErrorKind::CutOff { .. })
    }
}

impl std::error::Error for ReadError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &*self.kind {
            ReadErrorKind::Io(error) | ReadErrorKind::Frame(error) => Some(error),
            ReadErrorKind::Json { error, .. } => Some(error),
            _ => None,
        }
    }
}

impl fmt::Display for ReadError {
    /// Writes where it is, what is wrong, how far reading came, and what to do.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, offset, compression, spans, kind } = self;
        write!(f, "read {name} at byte {offset}")?;
        if let Some(compression) = compression {
            write!(f, " of the {compression} stream's content")?;
        }
        kind.fmt_path(f)?;
        write!(f, ": {kind}; ")?;
        match spans {
            0 => f.write_str("no span was read before it; ")?,
            1 => f.write_str("1 span was read before it; ")?,
            n => write!(f, "{n} spans were read before it; ")?,
        }
        kind.fmt_advice(compression.is_some(), f)
    }
}

impl fmt::Display for ReadErrorKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                f.write_str("the compressed data ends too early, the file was cut off")
            }
            Self::Io(error) => write!(f, "{error}"),
            Self::Empty => f.write_str("the file is empty"),
            Self::Format { looks_like } => {
                write!(f, "found {looks_like}, expected OTLP JSON (an object with resourceSpans)")
            }
            Self::NotOtlp { key, looks_like: Some(looks_like) } => {
                let key = key.escape_debug();
                write!(f, "found the key `{key}`, expected resourceSpans: this is {looks_like}")
            }
            Self::NotOtlp { key, looks_like: None } => {
                write!(f, "found the key `{}`, expected resourceSpans", key.escape_debug())
            }
            Self::OtherSignal => {
                f.write_str("found logs, metrics or profiles, expected traces (resourceSpans)")
            }
            Self::Json { error, .. } => f.write_str(&error.message),
            Self::CutOff { record } => {
                write!(f, "the file ends in the middle of the record that begins at byte {record}")
            }
            Self::ListPunctuation => f.write_str("expected `,` or `]` behind an object of a list"),
            Self::RecordTooLong => f.write_str("found a record of more than 2 GiB"),
            Self::FrameLength { length } => write!(
                f,
                "found a length of {length} bytes before a framed record, expected at most 1 GiB"
            ),
            Self::Frame(error) => write!(f, "the framed record here does not decompress: {error}"),
            Self::FramePayload => {
                f.write_str("found a framed record that is neither JSON nor JSON in zstd")
            }
        }
    }
}

impl ReadErrorKind {
    fn fmt_path(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self::Json { framed, error, .. } = self else { return Ok(()) };
        if *framed {
            write!(f, ", byte {} within the framed record", error.offset)?;
        }
        if error.path.is_empty() { Ok(()) } else { write!(f, ", {}", error.path) }
    }

    fn fmt_advice(&self, compressed: bool, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Io(_) if compressed => f.write_str("test the file and copy it again"),
            Self::Io(_) => f.write_str("see that the file can be read"),
            Self::Empty => f.write_str("see that the exporter wrote it, or name another file"),
            Self::Format { looks_like: "UTF-16 text" } => f.write_str("convert it to UTF-8"),
            Self::Format { looks_like: "OTLP protobuf" } => {
                f.write_str("write it with `format: json` in the Collector's file exporter")
            }
            Self::Format { .. } | Self::NotOtlp { .. } => f.write_str(
                "name a file that the Collector's file exporter wrote with `format: json`",
            ),
            Self::OtherSignal => f.write_str("name the file of the traces pipeline"),
            Self::Json { record, framed: false, .. } => {
                write!(f, "correct or remove the record that begins at byte {record}")
            }
            Self::Json { framed: true, .. } | Self::Frame(_) | Self::FramePayload => {
                f.write_str("copy the file again, or name one that is whole")
            }
            Self::CutOff { record: 0 } => f.write_str("copy the file again"),
            Self::CutOff { record } => write!(
                f,
                "copy the file again, or keep its whole records, the first {record} bytes{}",
                if compressed { " of the content" } else { "" }
            ),
            Self::ListPunctuation => f.write_str("correct the list, or write one object a line"),
            Self::RecordTooLong => f.write_str("write one object of resourceSpans a line"),
            Self::FrameLength { .. } => {
                f.write_str("see that this is a file of the Collector's file exporter")
            }
        }
    }
}
