use opentelemetry_proto::tonic::common::v1::any_value::Value;
use prost::Message as _;

use super::*;

fn spans(shape: &Shape) -> Vec<Span> {
    let (request, _) = build(shape, &shape.ids(1).unwrap());
    let scopes = request.resource_spans.into_iter().flat_map(|r| r.scope_spans);
    scopes.flat_map(|s| s.spans).collect()
}

#[test]
fn a_span_of_twelve_attributes_takes_about_570_bytes() {
    for count in [100, 512] {
        let shape = Shape::typical(count);
        let (request, _) = build(&shape, &shape.ids(1).unwrap());
        let each = request.encoded_len() / count as usize;
        assert!((550..=590).contains(&each), "{each} bytes a span");
    }
}

#[test]
fn of_twelve_attributes_eight_are_strings_three_integers_one_a_boolean() {
    for span in spans(&Shape::typical(512)) {
        let count = |is: fn(&Value) -> bool| {
            let values = span.attributes.iter().filter_map(|a| a.value.as_ref()?.value.as_ref());
            values.filter(|v| is(v)).count()
        };
        assert_eq!(count(|v| matches!(v, Value::StringValue(_))), 8);
        assert_eq!(count(|v| matches!(v, Value::IntValue(_))), 3);
        assert_eq!(count(|v| matches!(v, Value::BoolValue(_))), 1);
        let mut keys: Vec<_> = span.attributes.iter().map(|a| &a.key).collect();
        keys.sort_unstable();
        keys.dedup();
        assert_eq!(keys.len(), 12);
    }
}

#[test]
fn the_numbers_of_a_shape_are_obeyed() {
    let shape = Shape { attributes: 30, errors: 0.25, services: 4, ..Shape::typical(64) };
    let (request, _) = build(&shape, &shape.ids(1).unwrap());
    assert_eq!(request.resource_spans.len(), 4);
    let spans = spans(&shape);
    assert!(spans.iter().all(|s| s.attributes.len() == 30));
    let failing = |s: &&Span| s.status.as_ref().is_some_and(|s| s.code == 2);
    assert_eq!(spans.iter().filter(failing).filter(|s| s.parent_span_id.is_empty()).count(), 2);
    let none = self::spans(&Shape { errors: 0.0, ..shape });
    assert_eq!(none.iter().filter(failing).count(), 0);
}

#[test]
fn a_child_lies_within_its_parent() {
    for call in &CALLS {
        assert!(call.started_ago_us > call.ended_ago_us);
        if let Some(parent) = call.parent.map(|p| &CALLS[p as usize]) {
            assert!(parent.started_ago_us >= call.started_ago_us);
            assert!(parent.ended_ago_us <= call.ended_ago_us);
        }
    }
}

#[test]
fn numbers_out_of_range_are_named() {
    let shape = Shape::typical(512);
    let error = |shape: Shape| shape.ids(1).unwrap_err().to_string();
    assert_eq!(error(Shape { spans: 0, ..shape }), "shape.spans is 0, expected 1 to 100000");
    assert!(error(Shape { services: 0, ..shape }).starts_with("shape.services is 0"));
    assert!(error(Shape { attributes: 1001, ..shape }).starts_with("shape.attributes is 1001"));
    assert!(error(Shape { split: 1.5, ..shape }).starts_with("shape.split is 1.5"));
    assert!(error(Shape { errors: f64::NAN, ..shape }).starts_with("shape.errors is NaN"));
}
