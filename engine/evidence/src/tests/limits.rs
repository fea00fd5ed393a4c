//! Above the cap, Evidence is coarsened by a fixed rule, and by that alone.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use resus_model::{
    Evidence, Exactness, OVERFLOW_VALUE, Outcome, PathClass, SpanBatch, SpanRow, Tally, TraceId,
};

use super::spans::{Manner, all_time, seen, sets};
use crate::attributes::ATTRIBUTE_VALUES;
use crate::{Limits, merge, observe};

type Texts = Vec<(String, String, String)>;
type Key = (Option<Texts>, Texts, Outcome, Texts);

/// What two classes must share to fall together at a level; shapes are left out, as exact classes
/// are compared by their number.
fn key(evidence: &Evidence, class: &PathClass, level: Exactness) -> Key {
    let texts = |list: &[u32]| -> Texts {
        let text = |o: &u32| {
            let key = evidence.operations[*o as usize];
            let name = |n| evidence.names.text(n).to_owned();
            (name(key.service), name(key.namespace), name(key.operation))
        };
        list.iter().map(text).collect()
    };
    let entry = class.key.entry.map(|e| texts(&[e]));
    if level == Exactness::OperationsDropped {
        return (entry, Vec::new(), class.key.outcome, Vec::new());
    }
    (entry, texts(&class.key.operations), class.key.outcome, texts(&class.key.origins))
}

fn totals(evidence: &Evidence, level: Exactness) -> BTreeMap<Key, (Tally, u64)> {
    let mut totals = BTreeMap::new();
    for class in &evidence.classes {
        let (tally, sum): &mut (Tally, u64) =
            totals.entry(key(evidence, class, level)).or_default();
        tally.merge(class.tally);
        *sum += class.duration_sum;
    }
    totals
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn overflow_only_ever_coarsens(spans in sets(30, Manner::Wild), cap in 0..20_usize) {
        let exact = seen(&spans, &all_time(), Limits::STANDARD).remove(0);
        let capped = seen(&spans, &all_time(), Limits { classes: cap }).remove(0);
        let without_shapes = totals(&exact, Exactness::ShapesDropped);
        let expect = if exact.classes.len() <= cap {
            Exactness::Exact
        } else if without_shapes.len() <= cap {
            Exactness::ShapesDropped
        } else {
            Exactness::OperationsDropped
        };
        prop_assert_eq!(capped.exactness, expect);
        if expect == Exactness::Exact {
            prop_assert_eq!(&capped, &exact);
            return Ok(());
        }
        prop_assert_eq!(totals(&capped, expect), totals(&exact, expect));
        prop_assert_eq!(capped.classes.len(), totals(&exact, expect).len(), "each key once");
        prop_assert!(capped.shapes.is_empty());
        prop_assert!(capped.classes.iter().all(|c| c.key.shape.is_none()));
        if expect == Exactness::OperationsDropped {
            prop_assert!(capped.operation_stats.is_empty() && capped.marginals.is_empty());
            prop_assert!(capped.edges.is_empty() && capped.peers.is_empty());
            let entries: BTreeSet<_> = capped.classes.iter().map(|c| c.key.entry).collect();
            prop_assert!(capped.operations.len() <= entries.len(), "the rest is dropped");
        } else {
            prop_assert_eq!(&capped.operation_stats, &exact.operation_stats);
            prop_assert_eq!(&capped.edges, &exact.edges);
            prop_assert_eq!(&capped.productions, &exact.productions);
            let sum = |e: &Evidence| e.marginals.iter().map(|m| m.tally.n).sum::<u64>();
            prop_assert_eq!(sum(&capped), sum(&exact));
        }
        // Merging with what is exact stays coarse; a smaller cap coarsens even a single one.
        let again = merge(&[&exact], Limits { classes: cap }).expect("same rules");
        prop_assert_eq!(&again, &capped);
        let nothing = seen(&[], &all_time(), Limits::STANDARD).remove(0);
        let wide = merge(&[&capped, &nothing], Limits::STANDARD).expect("same rules");
        prop_assert_eq!(&wide, &capped);
    }
}

/// Anything quadratic takes minutes here, and recursion overflows the stack.
#[test]
fn huge_traces_are_counted_and_their_shapes_are_cut() {
    const N: u64 = 50_000;
    let count = |parent: &dyn Fn(u64) -> u64| {
        let mut batch = SpanBatch::new();
        let service = batch.names.intern("a");
        for i in 1..=N {
            let operation = batch.names.intern(if i % 2 == 0 { "even" } else { "odd" });
            let instance = batch.names.intern(&format!("pod {i}"));
            batch.push(&SpanRow {
                trace_id: TraceId::from_u128(7),
                span_id: resus_model::SpanId::from_u64(i),
                parent_span_id: resus_model::SpanId::from_u64(parent(i)),
                service,
                operation,
                instance,
                status: resus_model::Status::Error,
                start_unix_nano: i,
                ..SpanRow::new()
            });
        }
        let mut gather = resus_paths::Gather::new(resus_model::Rules::STANDARD);
        gather.push(&batch);
        observe(&gather.seal(), &all_time(), Limits::STANDARD).remove(0)
    };
    let chain = count(&|i| i - 1);
    assert_eq!((chain.spans(), chain.marginals.len()), (N, 50_000));
    assert_eq!((chain.shapes[0].0.len(), chain.classes[0].key.operations.len()), (401, 2));
    let star = count(&|i| u64::from(i > 1));
    assert_eq!((star.spans(), star.shapes[0].0.len()), (N, 3));
    let bytes = crate::to_ipc(&[chain.clone(), star.clone()]).expect("small");
    assert_eq!(crate::from_ipc(&bytes).expect("written a moment ago"), [chain, star]);
}

/// One request of each tenant of a range, each with a role.
fn tenants(range: std::ops::Range<usize>) -> Evidence {
    let mut batch = SpanBatch::new();
    let [service, operation] = ["a", "b"].map(|text| batch.names.intern(text));
    for t in range {
        batch.push(&SpanRow {
            trace_id: TraceId::from_u128(t as u128 + 1),
            span_id: resus_model::SpanId::from_u64(1),
            service,
            operation,
            start_unix_nano: 1,
            duration_ns: 5,
            ..SpanRow::new()
        });
        batch.push_attributes(&format!(r#"{{"tenant":"t{t}","enduser.role":"r{}"}}"#, t % 3));
    }
    let mut gather = resus_paths::Gather::new(resus_model::Rules::STANDARD);
    gather.push(&batch);
    let mut evidence = observe(&gather.seal(), &all_time(), Limits::STANDARD).remove(0);
    evidence.quality = resus_model::Quality::default();
    evidence
}

#[test]
fn an_attribute_with_too_many_values_is_folded_whichever_way_it_is_merged() {
    let merged = |list: &[&Evidence]| merge(list, Limits::STANDARD).expect("same rules");
    let values = |evidence: &Evidence, attribute: &str| -> Vec<(String, u64)> {
        let of = |a: &&resus_model::AttributeValue| evidence.names.text(a.attribute) == attribute;
        let value = |v: u32| evidence.names.text(v).to_owned();
        evidence.attributes.iter().filter(of).map(|a| (value(a.value), a.tally.n)).collect()
    };
    let most = ATTRIBUTE_VALUES;
    assert_eq!(values(&tenants(0..most), "tenant").len(), most, "so many are told apart");
    let whole = tenants(0..most + 40);
    let all = u64::try_from(most + 40).expect("small");
    assert_eq!(values(&whole, "tenant"), [(OVERFLOW_VALUE.to_owned(), all)]);
    assert_eq!(values(&whole, "enduser.role").len(), 3, "the other one is told apart");
    assert_eq!(whole.attribute_rows.len(), 16);

    let [a, b, c] = [tenants(0..300), tenants(300..most + 1), tenants(most + 1..most + 40)];
    let ab = merged(&[&a, &b]);
    assert_eq!(values(&ab, "tenant").len(), 1, "these have too many, and it stays so");
    for together in [
        merged(&[&ab, &c]),
        merged(&[&a, &merged(&[&c, &b])]),
        merged(&[&merged(&[&c, &a]), &b]),
        merged(&[&c, &b, &a]),
    ] {
        assert_eq!(together, whole);
    }
    let read = crate::from_ipc(&crate::to_ipc(std::slice::from_ref(&whole)).expect("small"));
    assert_eq!(read.expect("written a moment ago"), [whole]);
}
