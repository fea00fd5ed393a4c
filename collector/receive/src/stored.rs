//! Bodies that were kept as they came, inflated again later.

use bytes::Bytes;

use crate::budget::Budget;
use crate::inflate::{self, InflateFault};
use crate::limits::Limits;
use crate::request::Compression;

/// Why a kept body cannot be inflated.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// It is not what its compression says, or is cut off.
    #[error("inflate a body: {0}")]
    Corrupt(String),
    /// It would become larger than allowed.
    #[error("inflate a body: it has more than {0} bytes, which is more than allowed")]
    TooLarge(usize),
}

/// Inflates a body as [`crate::Incoming::raw`] holds it, to at most `max` bytes. Without compression
/// it is the same memory.
///
/// # Errors
///
/// The body is corrupt, cut off, or too large.
pub fn inflate(compression: Compression, raw: &Bytes, max: usize) -> Result<Bytes, InflateError> {
    // It was let in once, so its ratio was within bounds.
    let limits = Limits { max_body: max, max_ratio: usize::MAX, ..Limits::STANDARD };
    let mut permit = Budget::new(usize::MAX).permit();
    inflate::inflate(compression, raw, &limits, &mut permit).map_err(|fault| match fault {
        InflateFault::Corrupt(what) => InflateError::Corrupt(what),
        InflateFault::TooLarge(cap) => InflateError::TooLarge(cap),
        InflateFault::Exhausted => InflateError::TooLarge(max),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_kept_is_inflated_within_its_bound() {
        let raw = Bytes::from(zstd::encode_all(&[7_u8; 1000][..], 1).expect("zstd compresses"));
        let plain = inflate(Compression::Zstd, &raw, 1000).expect("within the bound");
        assert_eq!(plain, [7_u8; 1000][..]);
        assert_eq!(inflate(Compression::Zstd, &raw, 999), Err(InflateError::TooLarge(999)));
        assert_eq!(inflate(Compression::Zstd, &raw, usize::MAX), Ok(plain));
        assert_eq!(inflate(Compression::None, &raw, 1), Ok(raw.clone()));
        let cut = inflate(Compression::Zstd, &raw.slice(..raw.len() - 1), 1000);
        assert!(matches!(cut, Err(InflateError::Corrupt(_))), "{cut:?}");
    }
}
