//! Zstandard (RFC 8878): frames one after the other, each of which may tell its content's length.

use zstd::bulk::Decompressor;
use zstd::stream::read::Decoder;
use zstd::zstd_safe::get_frame_content_size;

use super::{InflateFault, read_bounded};
use crate::budget::Permit;

/// The most that zstd takes (`ZSTD_WINDOWLOG_MAX` of 64-bit machines).
const MOST_WINDOW_LOG: u32 = 31;
/// Windows that a decoder should support at least (RFC 8878, section 3.1.1.1.2): 8 MiB.
const LEAST_WINDOW_LOG: u32 = 23;

pub(super) fn inflate(
    raw: &[u8],
    cap: usize,
    permit: &mut Permit,
) -> Result<Vec<u8>, InflateFault> {
    match get_frame_content_size(raw) {
        Ok(Some(length)) => match usize::try_from(length) {
            Ok(length) if length <= cap => {
                if let Some(body) = at_once(raw, length, permit)? {
                    return Ok(body);
                }
            }
            _ => return Err(InflateFault::TooLarge(cap)),
        },
        Ok(None) => {}
        Err(_) => return Err(InflateFault::Corrupt("found no Zstandard frame".to_owned())),
    }
    let corrupt = |error: std::io::Error| InflateFault::Corrupt(error.to_string());
    let mut decoder = Decoder::with_buffer(raw).map_err(corrupt)?;
    // A frame can ask for a window of up to 3.75 TiB, whatever it holds.
    decoder.window_log_max(window_log(cap)).map_err(corrupt)?;
    read_bounded(decoder, cap, permit)
}

/// Inflates a single frame of this length; `None` for anything else.
fn at_once(
    raw: &[u8],
    length: usize,
    permit: &mut Permit,
) -> Result<Option<Vec<u8>>, InflateFault> {
    let before = permit.held();
    permit.cover(before + length)?;
    let body = Decompressor::new().and_then(|mut decoder| decoder.decompress(raw, length)).ok();
    if body.is_none() {
        permit.shrink(before);
    }
    Ok(body)
}

/// The largest window worth having for content of up to `cap` bytes: the next power of two, within what
/// zstd allows.
const fn window_log(cap: usize) -> u32 {
    let log = usize::BITS - cap.saturating_sub(1).leading_zeros();
    if log < LEAST_WINDOW_LOG {
        LEAST_WINDOW_LOG
    } else if log > MOST_WINDOW_LOG {
        MOST_WINDOW_LOG
    } else {
        log
    }
}
