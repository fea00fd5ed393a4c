//! Named scenarios stay what they are: benches, recorded outputs and the README quote them.

use super::*;

/// FNV-1a, 64 bits (Fowler, Noll, Vo): small, and the same everywhere.
fn fnv1a(hash: u64, text: &str) -> u64 {
    text.bytes().fold(hash, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3))
}

/// A hash of who did what when and how it ended, span by span.
fn fingerprint(scenario: &Scenario) -> u64 {
    let all = generate(scenario).expect("a sound scenario").flat_map(|batch| spans(&batch));
    all.fold(0xcbf2_9ce4_8422_2325, |hash, span| {
        let SpanRow { trace_id, span_id, parent_span_id, status, .. } = span.row;
        let (start, duration) = (span.row.start_unix_nano, span.row.duration_ns);
        let Span { service, operation, instance, error_type, .. } = span;
        fnv1a(
            hash,
            &format!(
                "{trace_id:?} {span_id:?} {parent_span_id:?} {status:?} {start} {duration} \
                 {service} {operation} {instance} {error_type}\n"
            ),
        )
    })
}

#[test]
fn named_scenarios_are_the_same_spans_as_ever() {
    let of = |name| {
        let scenario = presets::by_name(name, 7, Some(500)).expect("a preset");
        format!("{name} {:016x}", fingerprint(&scenario))
    };
    assert_eq!(
        presets::NAMES.map(of),
        [
            "sample 097e1ba0790c0755",
            "million 7ae492c8beb26637",
            "interaction-1 2c937cf1a72d6394",
            "interaction-2 6fa2854fee86e638",
            "interaction-3 731972f72a13dd7b",
            "interaction-4 333eff211986131e",
        ]
    );
}
