//! The memory guard of attributes: one with too many values does not tell groups of requests apart.
//!
//! An attribute that has more than [`ATTRIBUTE_VALUES`] distinct values in an Evidence has all of them
//! replaced by [`OVERFLOW_VALUE`], and once that stands among its values it stays so. Only distinct
//! values count, not how often, where or in which order they were met; their number never falls when
//! Evidences are merged, so any way of merging folds the same attributes, and the sums are those of
//! the same requests. That is why the guard may depend on a number and merging stays exact.

use std::collections::BTreeSet;

use resus_model::OVERFLOW_VALUE;

use crate::canonical::{Parts, each_name};

/// Distinct values of an attribute beyond which they are not told apart: tenants by the hundred are,
/// identifiers that an attribute was never meant for are not. At 5,000 classes with all values in each,
/// an attribute still stays below the size of the classes themselves.
pub(crate) const ATTRIBUTE_VALUES: usize = 512;

/// Replaces the values of attributes that have too many. Texts are sorted and distinct already, and
/// stay so; rows of equal key are left to be added up.
pub(crate) fn fold_overflowing<'a>(parts: &mut Parts<'a>) {
    let distinct: BTreeSet<(u32, u32)> =
        parts.attributes.iter().map(|a| (a.attribute, a.value)).collect();
    let find = |parts: &Parts<'a>| parts.names.binary_search(&OVERFLOW_VALUE);
    let before = find(parts).ok().map(index);
    let distinct: Vec<(u32, u32)> = distinct.into_iter().collect();
    let mut folded: BTreeSet<u32> = distinct
        .chunk_by(|a, b| a.0 == b.0)
        .filter(|same| {
            same.len() > ATTRIBUTE_VALUES || same.iter().any(|&(_, value)| Some(value) == before)
        })
        .map(|same| same[0].0)
        .collect();
    if folded.is_empty() {
        return;
    }
    let overflow = match find(parts) {
        Ok(at) => index(at),
        Err(at) => {
            parts.names.insert(at, OVERFLOW_VALUE);
            let at = index(at);
            let behind = |n: u32| n + u32::from(n >= at);
            each_name(parts, &mut |n| *n = behind(*n));
            for operation in &mut parts.operations {
                for n in
                    [&mut operation.service, &mut operation.namespace, &mut operation.operation]
                {
                    *n = behind(*n);
                }
            }
            folded = folded.into_iter().map(behind).collect();
            at
        }
    };
    for value in &mut parts.attributes {
        if folded.contains(&value.attribute) {
            value.value = overflow;
        }
    }
    for (attribute, value) in parts.attribute_rows.iter_mut().flat_map(|row| &mut row.values) {
        if folded.contains(attribute) {
            *value = overflow;
        }
    }
}

fn index(n: usize) -> u32 {
    u32::try_from(n).expect("an evidence holds fewer than 2^32 texts")
}
