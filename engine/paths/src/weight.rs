//! For how many requests does a sampled one stand?

use resus_model::Tally;

/// The adjusted count of a trace with the given W3C `tracestate`, times 2^16.
///
/// OpenTelemetry probability sampling: `ot=th:H` carries the rejection threshold T as up to 14 hex
/// digits, padded on the right with zeros to 56 bits; the adjusted count is 2^56 / (2^56 - T).
/// Rounded to the nearest 2^-16, ties up. Without a readable threshold it is 1.
/// Source: OpenTelemetry specification, trace/tracestate-handling.
#[must_use]
pub fn weight_of(trace_state: &str) -> u64 {
    weight_by(threshold_of(trace_state))
}

/// The same, by the threshold's hex digits alone; the empty text is none.
#[expect(clippy::cast_possible_truncation, reason = "2^72 / d fits u64 for d of at least 2^9")]
pub(crate) fn weight_by(threshold: &str) -> u64 {
    if threshold.is_empty() {
        return Tally::ONE;
    }
    let Ok(value) = u64::from_str_radix(threshold, 16) else { return Tally::ONE };
    let threshold = value << (4 * (14 - threshold.len()));
    let kept = (1_u128 << 56) - u128::from(threshold);
    // A request that stands for more than 2^32 others is not believable: the least kept is 2^24.
    let kept = kept.max(1 << 24);
    (((1_u128 << 72) + kept / 2) / kept) as u64
}

/// The rejection threshold in a `tracestate`: 1 to 14 hex digits, or the empty text for none.
pub(crate) fn threshold_of(trace_state: &str) -> &str {
    if trace_state.is_empty() {
        return "";
    }
    let ours = trace_state.split(',').find_map(|member| member.trim().strip_prefix("ot="));
    let digits = ours.and_then(|o| o.split(';').find_map(|pair| pair.trim().strip_prefix("th:")));
    let readable = |d: &&str| d.len() <= 14 && d.bytes().all(|b| b.is_ascii_hexdigit());
    digits.filter(readable).unwrap_or("")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn thresholds_give_the_counts_of_the_specification() {
        assert_eq!(weight_of(""), Tally::ONE);
        assert_eq!(weight_of("ot=th:0"), Tally::ONE);
        assert_eq!(weight_of("ot=th:8"), 2 * Tally::ONE);
        assert_eq!(weight_of("ot=th:c"), 4 * Tally::ONE);
        assert_eq!(weight_of("vendor=x,ot=rv:abcdef;th:c"), 4 * Tally::ONE);
        let one_percent = weight_of("ot=th:fd70a4") as f64 / Tally::ONE as f64;
        assert!((one_percent - 100.0).abs() < 0.01, "{one_percent}");
        assert_eq!(weight_of("ot=th:xyz"), Tally::ONE);
        assert_eq!(weight_of("ot=th:+8"), Tally::ONE);
        assert_eq!(weight_of("ot=th:fffffffffffffff"), Tally::ONE);
        assert_eq!(weight_of("ot=th:ffffffffffffff"), Tally::ONE << 32);
    }
}
