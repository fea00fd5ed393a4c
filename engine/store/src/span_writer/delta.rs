//! Parquet's DELTA_BINARY_PACKED for 64-bit numbers (Parquet format, Encodings, DELTA_BINARY_PACKED):
//! differences of neighbours, less the least of their block, packed in as few bits as they need.

use super::hybrid::{Packer, put_varint};

/// Differences of a block.
const BLOCK: usize = 128;
/// Differences of a part of a block, each with a width of its own.
const PART: usize = 32;
const PARTS: usize = BLOCK / PART;

/// Appends the numbers of a page.
pub(super) fn encode(values: &[i64], out: &mut Vec<u8>) {
    for number in [BLOCK, PARTS, values.len()] {
        put_varint(number as u64, out);
    }
    put_zigzag(values.first().copied().unwrap_or(0), out);
    let mut deltas = [0; BLOCK];
    let mut previous = values.first().copied().unwrap_or(0);
    for block in values.get(1..).unwrap_or_default().chunks(BLOCK) {
        for (delta, &value) in deltas.iter_mut().zip(block) {
            *delta = value.wrapping_sub(previous);
            previous = value;
        }
        put_block(&deltas[..block.len()], out);
    }
}

fn put_block(deltas: &[i64], out: &mut Vec<u8>) {
    let least = deltas.iter().copied().min().unwrap_or(0);
    put_zigzag(least, out);
    let above = |delta: &i64| delta.wrapping_sub(least).cast_unsigned();
    let widths_at = out.len();
    out.extend_from_slice(&[0; PARTS]);
    for (n, part) in deltas.chunks(PART).enumerate() {
        let all = part.iter().fold(0, |all, delta| all | above(delta));
        let width = u64::BITS - all.leading_zeros();
        out[widths_at + n] = width.to_le_bytes()[0];
        let mut packer = Packer::new(out);
        for delta in part {
            packer.put(above(delta), width);
        }
        // The last part is filled up.
        for _ in part.len()..PART {
            packer.put(0, width);
        }
        packer.end();
    }
}

fn put_zigzag(number: i64, out: &mut Vec<u8>) {
    put_varint(((number << 1) ^ (number >> 63)).cast_unsigned(), out);
}
