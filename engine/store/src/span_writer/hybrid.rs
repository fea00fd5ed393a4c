//! Parquet's hybrid of run-length encoding and bit packing, for levels and indices into dictionaries
//! (Parquet format, Encodings, RLE).
//!
//! A run of at least eight equal values is written once with its length; what is between runs is
//! packed in groups of eight.

/// Values of a group.
const GROUP: usize = 8;

/// Bits that the greatest of the values needs.
pub(super) fn width_of(greatest: u32) -> u32 {
    u32::BITS - greatest.leading_zeros()
}

/// Appends values of so many bits.
pub(super) fn encode<V: Copy + Eq + Into<u32>>(values: &[V], width: u32, out: &mut Vec<u8>) {
    let mut literals = 0;
    let mut at = 0;
    while at < values.len() {
        let value = values[at];
        let run = values[at..].iter().take_while(|&&next| next == value).count();
        // What came before is packed in whole groups, so a run may have to fill the last.
        let filling = (at - literals).next_multiple_of(GROUP) - (at - literals);
        if run >= filling + GROUP {
            pack_groups(&values[literals..at + filling], width, out);
            put_run(value.into(), run - filling, width, out);
            literals = at + run;
        }
        at += run;
    }
    pack_groups(&values[literals..], width, out);
}

/// Appends so many equal values.
pub(super) fn put_run(value: u32, count: usize, width: u32, out: &mut Vec<u8>) {
    put_varint((count as u64) << 1, out);
    let bytes = width.div_ceil(8) as usize;
    out.extend_from_slice(&value.to_le_bytes()[..bytes]);
}

fn pack_groups<V: Copy + Into<u32>>(values: &[V], width: u32, out: &mut Vec<u8>) {
    if values.is_empty() {
        return;
    }
    let groups = values.len().div_ceil(GROUP);
    put_varint((groups as u64) << 1 | 1, out);
    let mut packer = Packer::new(out);
    for &value in values {
        packer.put(u64::from(value.into()), width);
    }
    for _ in values.len()..groups * GROUP {
        packer.put(0, width);
    }
    packer.end();
}

/// Appends a number, seven bits a byte, the least first (ULEB128).
pub(super) fn put_varint(mut number: u64, out: &mut Vec<u8>) {
    while number >= 0x80 {
        out.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    out.push(number.to_le_bytes()[0]);
}

/// Appends numbers of few bits, the least bit first.
pub(super) struct Packer<'a> {
    out: &'a mut Vec<u8>,
    bits: u64,
    /// How many of the bits are taken.
    taken: u32,
}

impl<'a> Packer<'a> {
    pub(super) fn new(out: &'a mut Vec<u8>) -> Self {
        Self { out, bits: 0, taken: 0 }
    }

    /// Appends the `width` low bits of a value that has no others.
    pub(super) fn put(&mut self, value: u64, width: u32) {
        self.bits |= value << self.taken;
        let taken = self.taken + width;
        if taken < u64::BITS {
            self.taken = taken;
            return;
        }
        self.out.extend_from_slice(&self.bits.to_le_bytes());
        // A shift by all 64 bits leaves nothing.
        self.bits = value.checked_shr(u64::BITS - self.taken).unwrap_or(0);
        self.taken = taken - u64::BITS;
    }

    /// Writes the bits that are left. Groups are of eight values, so they fill whole bytes.
    pub(super) fn end(self) {
        let bytes = self.taken.div_ceil(8) as usize;
        self.out.extend_from_slice(&self.bits.to_le_bytes()[..bytes]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads what [`encode`] wrote, as the format describes it.
    fn decode(mut bytes: &[u8], width: u32, count: usize) -> Vec<u32> {
        let mut values = Vec::new();
        while values.len() < count {
            let mut header = 0_u64;
            for shift in (0..).step_by(7) {
                let byte = bytes[0];
                bytes = &bytes[1..];
                header |= u64::from(byte & 0x7f) << shift;
                if byte < 0x80 {
                    break;
                }
            }
            let n = (header >> 1) as usize;
            if header & 1 == 0 {
                let mut value = [0; 4];
                let size = width.div_ceil(8) as usize;
                value[..size].copy_from_slice(&bytes[..size]);
                bytes = &bytes[size..];
                values.extend(std::iter::repeat_n(u32::from_le_bytes(value), n));
            } else {
                let (packed, rest) = bytes.split_at(n * width as usize);
                bytes = rest;
                let bit = |at: usize| u32::from(packed[at / 8] >> (at % 8) & 1);
                values.extend((0..n * 8).map(|i| {
                    (0..width as usize).map(|b| bit(i * width as usize + b) << b).sum::<u32>()
                }));
            }
        }
        assert!(bytes.is_empty(), "{} bytes are left", bytes.len());
        values.truncate(count);
        values
    }

    proptest! {
        #[test]
        fn what_was_encoded_decodes(
            runs in prop::collection::vec((any::<u32>(), 1..20_usize), 0..40),
            width in 0..=32_u32,
        ) {
            let mask = u32::try_from((1_u64 << width) - 1).expect("32 bits");
            let values: Vec<u32> = runs
                .iter()
                .flat_map(|&(value, count)| std::iter::repeat_n(value & mask, count))
                .collect();
            let mut out = Vec::new();
            encode(&values, width, &mut out);
            prop_assert_eq!(decode(&out, width, values.len()), values);
        }
    }

    #[test]
    fn runs_are_written_once() {
        let mut out = Vec::new();
        encode(&[3_u32; 1000], 2, &mut out);
        assert_eq!(out, [0xd0, 0x0f, 3]);
        assert_eq!((width_of(0), width_of(1), width_of(2), width_of(255)), (0, 1, 2, 8));
    }
}
