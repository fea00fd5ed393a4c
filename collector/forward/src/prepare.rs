//! From a request as it was received to one as it is sent.

use bytes::Bytes;
use libdeflater::{CompressionLvl, Compressor};
use resus_receive::{Compression, Encoding, InflateError, Signal, inflate};

use crate::options::ContentCoding;
use crate::source::Outgoing;

/// No body is inflated to more. It was inflated when it was received, within the bounds that hold there; this
/// is only what a decoder of Zstandard can be asked for (a window of 2³¹ bytes).
const LONGEST_BODY: usize = 1 << 31;

/// A request, ready to be sent as often as need be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) signal: Signal,
    pub(crate) encoding: Encoding,
    pub(crate) is_gzip: bool,
    pub(crate) body: Bytes,
}

/// Compresses anew what the endpoint is not to get as it is.
pub(crate) struct Preparer {
    coding: ContentCoding,
    gzip: Compressor,
}

impl Preparer {
    pub(crate) fn new(coding: ContentCoding) -> Self {
        // The fastest that compresses: level 0 only wraps.
        let level = CompressionLvl::new(1).expect("1 is a level");
        Self { coding, gzip: Compressor::new(level) }
    }

    /// # Errors
    ///
    /// The body is not what its compression says.
    pub(crate) fn prepare(&mut self, outgoing: Outgoing) -> Result<Request, InflateError> {
        let Outgoing { signal, encoding, compression, body } = outgoing;
        let request = |is_gzip, body| Request { signal, encoding, is_gzip, body };
        if self.coding == ContentCoding::Gzip && compression == Compression::Gzip {
            return Ok(request(true, body));
        }
        let plain = inflate(compression, &body, LONGEST_BODY)?;
        Ok(match self.coding {
            ContentCoding::Gzip => match self.compress(&plain) {
                Some(packed) => request(true, packed),
                None => request(false, plain),
            },
            ContentCoding::Identity => request(false, plain),
        })
    }

    /// `None` where it would not become smaller.
    fn compress(&mut self, plain: &[u8]) -> Option<Bytes> {
        let mut packed = vec![0; plain.len()];
        let length = self.gzip.gzip_compress(plain, &mut packed).ok()?;
        packed.truncate(length);
        packed.shrink_to_fit();
        Some(packed.into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outgoing(compression: Compression, body: &[u8]) -> Outgoing {
        let body = match compression {
            Compression::None => body.to_vec(),
            Compression::Gzip => gzip(body),
            Compression::Zstd => zstd::encode_all(body, 1).expect("compresses"),
        };
        let (signal, encoding) = (Signal::Logs, Encoding::Json);
        Outgoing { signal, encoding, compression, body: body.into() }
    }

    fn gzip(body: &[u8]) -> Vec<u8> {
        let mut packed = vec![0; body.len() + 100];
        let mut compressor = Compressor::new(CompressionLvl::best());
        let length = compressor.gzip_compress(body, &mut packed).expect("room");
        packed.truncate(length);
        packed
    }

    const ALL: [Compression; 3] = [Compression::None, Compression::Gzip, Compression::Zstd];

    #[test]
    fn each_compression_becomes_the_one_that_is_wanted_and_what_fits_is_not_touched() {
        let text = b"span ".repeat(1000);
        for compression in ALL {
            let given = outgoing(compression, &text);
            let sent = Preparer::new(ContentCoding::Identity).prepare(given.clone());
            let sent = sent.expect("sound");
            assert_eq!((sent.is_gzip, &sent.body[..]), (false, &text[..]), "{compression:?}");
            assert_eq!((sent.signal, sent.encoding), (Signal::Logs, Encoding::Json));
            let sent = Preparer::new(ContentCoding::Gzip).prepare(given.clone()).expect("sound");
            assert!(sent.is_gzip && sent.body.len() < text.len() / 10, "{compression:?}");
            let plain = inflate(Compression::Gzip, &sent.body, usize::MAX).expect("gzip");
            assert_eq!(plain, text, "{compression:?}");
            if compression == Compression::Gzip {
                assert_eq!(sent.body.as_ptr(), given.body.as_ptr());
            }
        }
    }

    #[test]
    fn what_gzip_would_not_make_smaller_goes_as_it_is() {
        for body in [&b""[..], b"abc"] {
            let given = outgoing(Compression::None, body);
            let sent = Preparer::new(ContentCoding::Gzip).prepare(given).expect("sound");
            assert_eq!((sent.is_gzip, &sent.body[..]), (false, body));
        }
    }

    #[test]
    fn what_cannot_be_inflated_is_told() {
        for (coding, compression) in [
            (ContentCoding::Identity, Compression::Gzip),
            (ContentCoding::Identity, Compression::Zstd),
            (ContentCoding::Gzip, Compression::Zstd),
        ] {
            let mut given = outgoing(compression, b"some text");
            given.body = given.body.slice(..given.body.len() - 3);
            let found = Preparer::new(coding).prepare(given);
            assert!(matches!(found, Err(InflateError::Corrupt(_))), "{found:?}");
        }
    }
}
