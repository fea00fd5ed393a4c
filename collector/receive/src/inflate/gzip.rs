//! gzip (RFC 1952): members one after the other, each with the length of its content at its end.

use flate2::bufread::MultiGzDecoder;
use libdeflater::{Decompressor, crc32};

use super::{InflateFault, read_bounded};
use crate::budget::Permit;

/// CRC-32 and length, at the end of a member.
const TRAILER: usize = 8;

pub(super) fn inflate(
    raw: &[u8],
    cap: usize,
    permit: &mut Permit,
) -> Result<Vec<u8>, InflateFault> {
    match at_once(raw, cap, permit)? {
        Some(body) => Ok(body),
        None => read_bounded(MultiGzDecoder::new(raw), cap, permit),
    }
}

/// Inflates a single member whose length, as its end tells it, is within bounds; `None` for anything else.
fn at_once(raw: &[u8], cap: usize, permit: &mut Permit) -> Result<Option<Vec<u8>>, InflateFault> {
    let Some((&crc, &length)) = raw
        .last_chunk::<TRAILER>()
        .and_then(|trailer| Some((trailer.first_chunk::<4>()?, trailer.last_chunk::<4>()?)))
    else {
        return Ok(None);
    };
    let length = u32::from_le_bytes(length) as usize;
    if length > cap {
        return Ok(None);
    }
    let before = permit.held();
    permit.cover(before + length)?;
    let mut body = vec![0; length];
    let inflated = Decompressor::new().gzip_decompress(raw, &mut body);
    // It stops behind the first member. Only if the last bytes of all belong to that one was it all.
    let whole = inflated == Ok(length) && crc32(&body) == u32::from_le_bytes(crc);
    if !whole {
        permit.shrink(before);
        return Ok(None);
    }
    Ok(Some(body))
}
