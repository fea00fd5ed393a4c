//! For how many requests does a sampled one stand?

use resus_model::Tally;

/// The adjusted count of a trace with the given W3C `tracestate`, times 2^16.
///
/// OpenTelemetry probability sampling: `ot=th:H` carries the rejection threshold T as up to 14 hex
/// digits, padded on the right with zeros to 56 bits; the adjusted count is 2^56 / (2^56 - T).
/// Rounded to the nearest 2^-16, ties up. Without a readable threshold it is 1.
/// Source: OpenTelemetry specification, trace/tracestate-handling.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "2^72 / d fits u64 for d of at least 2^9")]
pub fn weight_of(trace_state: &str) -> u64 {
    let Some(threshold) = threshold(trace_state) else { return Tally::ONE };
    let kept = (1_u128 << 56) - u128::from(threshold);
    // A request that stands for more than 2^32 others is not believable: the least kept is 2^24.
    let kept = kept.max(1 << 24);
    (((1_u128 << 72) + kept / 2) / kept) as u64
}

fn threshold(trace_state: &str) -> Option<u64> {
    if trace_state.is_empty() {
        return None;
    }
    let ours = trace_state.split(',').find_map(|member| member.trim().strip_prefix("ot="))?;
    let digits = ours.split(';').find_map(|pair| pair.trim().strip_prefix("th:"))?;
    let hex = digits.bytes().all(|b| b.is_ascii_hexdigit());
    if digits.is_empty() || digits.len() > 14 || !hex {
        return None;
    }
    let value = u64::from_str_radix(digits, 16).ok()?;
    Some(value << (4 * (14 - digits.len())))
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
