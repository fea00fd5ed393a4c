//! What stands before the body of each request in the log.
//!
//! Twelve bytes: version, signal, encoding, compression, arrival. The body follows as it was received, still
//! compressed, so that keeping it costs no more than it did on the wire.

use resus_receive::{Compression, Encoding, Signal};

/// Length of a header.
pub(crate) const LENGTH: usize = 12;

/// The first byte of version 1.
const VERSION: u8 = 1;

/// A request in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    /// What it holds; `None` for a canary: a record without a body that only shows that the log works.
    pub(crate) signal: Option<Signal>,
    /// How that is written.
    pub(crate) encoding: Encoding,
    /// How that is compressed.
    pub(crate) compression: Compression,
    /// When it arrived, nanoseconds since the Unix epoch.
    pub(crate) received_unix_nano: u64,
}

/// Why a record of the log is not a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HeaderError {
    /// It is too short.
    #[error("read a record of the log: found {0} bytes, expected a header of 12")]
    Short(usize),
    /// A field has a value that this program does not know.
    #[error(
        "read a record of the log: {field} is {found}, which this program does not know; a newer one wrote it"
    )]
    Unknown {
        /// The field.
        field: &'static str,
        /// Its value.
        found: u8,
    },
}

impl Header {
    /// A canary's.
    pub(crate) const fn canary(now: u64) -> Self {
        Self {
            signal: None,
            encoding: Encoding::Protobuf,
            compression: Compression::None,
            received_unix_nano: now,
        }
    }

    /// As bytes.
    pub(crate) fn to_bytes(self) -> [u8; LENGTH] {
        let signal = match self.signal {
            Some(Signal::Traces) => 0,
            Some(Signal::Logs) => 1,
            Some(Signal::Metrics) => 2,
            None => 3,
        };
        let encoding = match self.encoding {
            Encoding::Protobuf => 0,
            Encoding::Json => 1,
        };
        let compression = match self.compression {
            Compression::None => 0,
            Compression::Gzip => 1,
            Compression::Zstd => 2,
        };
        let mut bytes = [VERSION, signal, encoding, compression, 0, 0, 0, 0, 0, 0, 0, 0];
        bytes[4..].copy_from_slice(&self.received_unix_nano.to_le_bytes());
        bytes
    }

    /// Splits a record into header and body.
    pub(crate) fn split(record: &[u8]) -> Result<(Self, &[u8]), HeaderError> {
        let Some((header, body)) = record.split_first_chunk::<LENGTH>() else {
            return Err(HeaderError::Short(record.len()));
        };
        let [version, signal, encoding, compression, arrival @ ..] = *header;
        let unknown = |field, found| HeaderError::Unknown { field, found };
        if version != VERSION {
            return Err(unknown("version", version));
        }
        let header = Self {
            signal: match signal {
                0 => Some(Signal::Traces),
                1 => Some(Signal::Logs),
                2 => Some(Signal::Metrics),
                3 => None,
                n => return Err(unknown("signal", n)),
            },
            encoding: match encoding {
                0 => Encoding::Protobuf,
                1 => Encoding::Json,
                n => return Err(unknown("encoding", n)),
            },
            compression: match compression {
                0 => Compression::None,
                1 => Compression::Gzip,
                2 => Compression::Zstd,
                n => return Err(unknown("compression", n)),
            },
            received_unix_nano: u64::from_le_bytes(arrival),
        };
        Ok((header, body))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back() {
        for signal in [Some(Signal::Traces), Some(Signal::Logs), Some(Signal::Metrics), None] {
            for encoding in [Encoding::Protobuf, Encoding::Json] {
                for compression in [Compression::None, Compression::Gzip, Compression::Zstd] {
                    let header =
                        Header { signal, encoding, compression, received_unix_nano: 1 << 60 };
                    let mut record = header.to_bytes().to_vec();
                    record.extend_from_slice(b"body");
                    assert_eq!(Header::split(&record), Ok((header, &b"body"[..])));
                }
            }
        }
    }

    #[test]
    fn what_is_no_header_says_why() {
        assert_eq!(Header::split(&[1, 0]), Err(HeaderError::Short(2)));
        for (at, field) in [(0, "version"), (1, "signal"), (2, "encoding"), (3, "compression")] {
            let mut record = [1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
            record[at] = 9;
            assert_eq!(Header::split(&record), Err(HeaderError::Unknown { field, found: 9 }));
        }
    }
}
