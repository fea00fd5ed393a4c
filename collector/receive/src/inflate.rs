//! Compressed bodies become plain ones, and never more than they may.
//!
//! Both formats tell their plain size somewhere. Where that is within bounds, the body is inflated in one
//! go into a buffer of that size, which is the fast way. Where it is missing, beyond bounds, or a lie,
//! the body is inflated piece by piece and stopped at the bound: that way has the last word on what is wrong.

use std::io::{self, Read};

use bytes::Bytes;

use crate::budget::{Exhausted, Permit};
use crate::limits::Limits;
use crate::request::Compression;

mod gzip;
mod zstandard;

#[cfg(test)]
mod tests;

/// Why a body was not inflated.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum InflateFault {
    /// It is not what its encoding says, or is cut off.
    Corrupt(String),
    /// It would become larger than this many bytes.
    TooLarge(usize),
    /// There is no memory for it now.
    Exhausted,
}

impl From<Exhausted> for InflateFault {
    fn from(Exhausted: Exhausted) -> Self {
        Self::Exhausted
    }
}

/// Inflates `raw`. The permit holds `raw` already; from then on it holds the result too.
pub(crate) fn inflate(
    compression: Compression,
    raw: &Bytes,
    limits: &Limits,
    permit: &mut Permit,
) -> Result<Bytes, InflateFault> {
    let cap = limits.inflated_cap(raw.len());
    let before = permit.held();
    let body = match compression {
        Compression::None => return Ok(raw.clone()),
        Compression::Gzip => gzip::inflate(raw, cap, permit)?,
        Compression::Zstd => zstandard::inflate(raw, cap, permit)?,
    };
    permit.shrink(before + body.capacity());
    Ok(Bytes::from(body))
}

/// Reads all of a decoder, with the memory for it asked for beforehand.
fn read_bounded(
    mut decoder: impl Read,
    cap: usize,
    permit: &mut Permit,
) -> Result<Vec<u8>, InflateFault> {
    let before = permit.held();
    let mut piece = [0; 32 << 10];
    let mut body = Vec::new();
    loop {
        let n = match decoder.read(&mut piece) {
            Ok(0) => return Ok(body),
            Ok(n) => n,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(InflateFault::Corrupt(error.to_string())),
        };
        let need = body.len() + n;
        if need > cap {
            return Err(InflateFault::TooLarge(cap));
        }
        if need > body.capacity() {
            let room = (body.capacity() * 2).clamp(need, cap.max(need));
            // While the buffer moves, the old one and the new one are both there.
            permit.cover(before + body.capacity() + room)?;
            body.reserve_exact(room - body.len());
        }
        body.extend_from_slice(&piece[..n]);
    }
}
