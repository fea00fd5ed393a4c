//! The words that stand for enums without a number, and the counters of quality by name.

use resus_model::{Exactness, Quality, Role};

pub(super) const ROLES: [(&str, Role); 3] =
    [("now", Role::Now), ("baseline", Role::Baseline), ("pane", Role::Pane)];

pub(super) const EXACTNESS: [(&str, Exactness); 3] = [
    ("exact", Exactness::Exact),
    ("shapes_dropped", Exactness::ShapesDropped),
    ("operations_dropped", Exactness::OperationsDropped),
];

/// The word of a value.
pub(super) fn word<T: Copy + PartialEq>(words: &[(&'static str, T)], value: T) -> &'static str {
    words.iter().find(|(_, v)| *v == value).expect("every value has a word").0
}

/// How many counters there are.
pub(super) const COUNTERS: usize = 20;

/// All counters of quality that are plain numbers.
pub(super) const fn counters(quality: &mut Quality) -> [(&'static str, &mut u64); COUNTERS] {
    let Quality {
        spans,
        skipped: _,
        lenient: _,
        traces,
        orphans,
        rootless,
        many_roots,
        duplicates,
        conflicting,
        cyclic,
        negative_durations,
        zero_durations,
        before_parent,
        before_parent_same_host,
        unknown_outcomes,
        unlabelled,
        cancelled,
        weighted,
        outside,
        failed,
        unknown_services,
        linked,
        range: _,
    } = quality;
    [
        ("spans", spans),
        ("traces", traces),
        ("orphans", orphans),
        ("rootless", rootless),
        ("many_roots", many_roots),
        ("duplicates", duplicates),
        ("conflicting", conflicting),
        ("cyclic", cyclic),
        ("negative_durations", negative_durations),
        ("zero_durations", zero_durations),
        ("before_parent", before_parent),
        ("before_parent_same_host", before_parent_same_host),
        ("unknown_outcomes", unknown_outcomes),
        ("unlabelled", unlabelled),
        ("cancelled", cancelled),
        ("weighted", weighted),
        ("outside", outside),
        ("failed", failed),
        ("unknown_services", unknown_services),
        ("linked", linked),
    ]
}
