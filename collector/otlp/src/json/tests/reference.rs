//! Our decoder against opentelemetry-proto's: the same spans, field by field.

use opentelemetry_proto::tonic::trace::v1::TracesData;
use proptest::prelude::*;

use super::super::*;
use crate::reference::{read_batch, rows_of};
use crate::requests;

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn what_the_reference_writes_is_read_as_the_reference_reads_it(traces in requests::traces()) {
        let text = serde_json::to_string(&traces).expect("writable");
        check(&text)?;
    }

    #[test]
    fn so_is_its_pretty_form_in_other_order(traces in requests::traces()) {
        // Through Value, which orders keys by name: resource before scopeSpans, but value behind
        // key, traceId behind spanId, and so on.
        let value = serde_json::to_value(&traces).expect("writable");
        check(&serde_json::to_string_pretty(&value).expect("writable"))?;
    }

    #[test]
    fn so_is_its_form_in_reverse_order(traces in requests::traces()) {
        check(&reversed(&serde_json::to_value(&traces).expect("writable")))?;
    }
}

/// A value as text, the keys of each object from the last to the first: value before key.
fn reversed(value: &serde_json::Value) -> String {
    match value {
        serde_json::Value::Object(members) => {
            let member = |(key, value)| format!("{}:{}", serde_json::json!(key), reversed(value));
            format!("{{{}}}", members.iter().rev().map(member).collect::<Vec<_>>().join(","))
        }
        serde_json::Value::Array(elements) => {
            format!("[{}]", elements.iter().map(reversed).collect::<Vec<_>>().join(","))
        }
        value => value.to_string(),
    }
}

fn check(text: &str) -> Result<(), TestCaseError> {
    let reference: TracesData = serde_json::from_str(text).expect("its own words");
    for keep in [Keep::Rules, Keep::Everything] {
        let (mut batch, mut tally) = (SpanBatch::new(), Tally::default());
        decode_traces(text.as_bytes(), keep, &mut batch, &mut tally).expect(text);
        let expected = rows_of(&reference, keep);
        prop_assert_eq!(read_batch(&batch), &*expected, "{}", text);
        let scopes = reference.resource_spans.iter().flat_map(|r| &r.scope_spans);
        let all: usize = scopes.map(|s| s.spans.len()).sum();
        let skipped: u64 = tally.skipped().map(|(_, n, _)| n).sum();
        prop_assert_eq!(skipped, (all - expected.len()) as u64);
    }
    Ok(())
}
