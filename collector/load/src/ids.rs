//! Which ids do the spans of a request have, and which request does a stored id come from?
//!
//! The id of a span is its ordinal (request × spans a request + row), shifted by a place that follows
//! from the seed and sent through a bijection of 64 bits, the finalizer of SplitMix64 (Steele, Lea and
//! Flood, OOPSLA 2014). So ids look random, are unique by construction, and can be turned back into
//! request and row: no list of what was sent is needed to tell a phantom.

/// Spans of a whole trace.
pub(crate) const TRACE_SPANS: u32 = 8;
/// The first span of the part of a split trace that comes with the request after.
pub(crate) const SPLIT_AT: u32 = 4;

/// Recomputes the ids of a run's spans.
///
/// Row `r` of a request belongs to the trace slot `r / 8`. The first `split_traces` slots hold traces
/// that are cut in two: rows 0 to 3 begin a trace, rows 4 to 7 end the one that the same slot of the
/// request before began. Request 0 thus carries ends of traces that were never begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ids {
    seed: u64,
    spans: u32,
    split_traces: u32,
}

impl Ids {
    /// Ids of requests with `spans` spans each (at least 1), whose first `split_traces` slots are cut.
    #[must_use]
    pub const fn new(seed: u64, spans: u32, split_traces: u32) -> Self {
        Self { seed, spans: if spans == 0 { 1 } else { spans }, split_traces }
    }

    /// The seed.
    #[must_use]
    pub const fn seed(&self) -> u64 {
        self.seed
    }

    /// Spans of each request.
    #[must_use]
    pub const fn spans(&self) -> u32 {
        self.spans
    }

    /// How many traces of each request are cut in two.
    #[must_use]
    pub const fn split_traces(&self) -> u32 {
        self.split_traces
    }

    /// The id of the span in a row of a request. Never all zeros.
    #[must_use]
    pub const fn span(&self, request: u64, row: u32) -> [u8; 8] {
        mix(self.place().wrapping_add(self.ordinal(request, row))).to_be_bytes()
    }

    /// The id of the trace that the row of a request belongs to. Never all zeros.
    #[must_use]
    pub const fn trace(&self, request: u64, row: u32) -> [u8; 16] {
        let slot = row / TRACE_SPANS;
        let begun_before = slot < self.split_traces && row % TRACE_SPANS >= SPLIT_AT;
        let begun = if begun_before { request.wrapping_sub(1) } else { request };
        // The first span of the trace, in another order of the same ordinals: unique as that is.
        let first = self.place().wrapping_add(self.ordinal(begun, slot * TRACE_SPANS));
        let low = mix(first ^ TRACE_SALT);
        let high = mix(low ^ self.seed);
        ((high as u128) << 64 | low as u128).to_be_bytes()
    }

    /// The request and the row of a span id; `None` where no request below 2^62 ÷ spans has it.
    #[must_use]
    pub const fn find(&self, span: [u8; 8]) -> Option<(u64, u32)> {
        let ordinal = unmix(u64::from_be_bytes(span)).wrapping_sub(self.place());
        if ordinal >= 1 << 62 {
            return None;
        }
        let spans = self.spans as u64;
        Some((ordinal / spans, (ordinal % spans) as u32))
    }

    const fn ordinal(&self, request: u64, row: u32) -> u64 {
        request.wrapping_mul(self.spans as u64).wrapping_add(row as u64)
    }

    /// Where the ordinals of this seed begin. From the upper half down to the middle of it, so that
    /// neither counting up nor one request back comes to the one number whose image is zero.
    const fn place(&self) -> u64 {
        (mix(self.seed ^ PLACE_SALT) >> 2) | 1 << 63
    }
}

const TRACE_SALT: u64 = 0x1f83_d9ab_fb41_bd6b;
const PLACE_SALT: u64 = 0x6a09_e667_f3bc_c908;
const FIRST: u64 = 0xbf58_476d_1ce4_e5b9;
const SECOND: u64 = 0x94d0_49bb_1331_11eb;

/// The finalizer of SplitMix64. A bijection; of all numbers only 0 goes to 0.
const fn mix(z: u64) -> u64 {
    let z = (z ^ (z >> 30)).wrapping_mul(FIRST);
    let z = (z ^ (z >> 27)).wrapping_mul(SECOND);
    z ^ (z >> 31)
}

/// The inverse of [`mix`].
const fn unmix(z: u64) -> u64 {
    let z = (z ^ (z >> 31) ^ (z >> 62)).wrapping_mul(inverse(SECOND));
    let z = (z ^ (z >> 27) ^ (z >> 54)).wrapping_mul(inverse(FIRST));
    z ^ (z >> 30) ^ (z >> 60)
}

/// The inverse of an odd number modulo 2^64, by Newton's iteration: 3 correct bits, doubled five times.
const fn inverse(odd: u64) -> u64 {
    let mut x = odd;
    let mut step = 0;
    while step < 5 {
        x = x.wrapping_mul(2u64.wrapping_sub(odd.wrapping_mul(x)));
        step += 1;
    }
    x
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn an_id_leads_back_to_its_row(seed: u64, spans in 1u32..2000, request in 0u64..1 << 40, row: u32) {
            let ids = Ids::new(seed, spans, 0);
            let row = row % spans;
            prop_assert_eq!(ids.find(ids.span(request, row)), Some((request, row)));
            prop_assert_ne!(ids.span(request, row), [0; 8]);
            prop_assert_ne!(ids.trace(request, row), [0; 16]);
        }

        #[test]
        fn mix_has_an_inverse(z: u64) {
            prop_assert_eq!(unmix(mix(z)), z);
        }
    }

    #[test]
    fn no_id_comes_twice_and_other_seeds_have_others() {
        let mut seen = HashSet::new();
        for seed in [0, 1, u64::MAX] {
            let ids = Ids::new(seed, 100, 3);
            for request in 0..200 {
                assert!((0..100).all(|row| seen.insert(ids.span(request, row))));
            }
        }
    }

    #[test]
    fn a_split_trace_spans_two_requests_and_a_whole_one_does_not() {
        let ids = Ids::new(7, 16, 1);
        assert_eq!(ids.trace(4, 0), ids.trace(5, 4));
        assert_eq!(ids.trace(4, 3), ids.trace(5, 7));
        assert_ne!(ids.trace(5, 0), ids.trace(5, 4));
        assert_eq!(ids.trace(5, 8), ids.trace(5, 15));
        assert_ne!(ids.trace(5, 8), ids.trace(4, 8));
    }
}
