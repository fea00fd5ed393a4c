//! Any numbering of texts, operations, shapes and classes → the one canonical Evidence.
//!
//! Everything that makes or changes an Evidence ends here, so "equal content, equal bytes" is decided
//! in one place: tables are sorted by their texts, equal keys are added up, what nothing speaks of is
//! dropped, and the memory guard is applied.

use std::cmp::Ordering;

use resus_model::{
    AttributeRow, AttributeValue, Edge, Evidence, Exactness, Exemplar, Fingerprint, Marginal,
    NameTable, OperationKey, OperationStats, PathClass, Peer, Place, PlaceKey, Production, Quality,
    Role, Second, Shape, Window,
};

use crate::attributes::fold_overflowing;
use crate::shape::sort_siblings;

/// Exemplars kept a class.
///
/// Two: one to show, one to see that the first is no oddity. More would multiply the size of an
/// Evidence, most of which exemplars are already.
pub const EXEMPLARS: usize = 2;

/// Spans kept of an exemplar: as many as a waterfall can show on a screen or two.
pub const EXEMPLAR_SPANS: usize = 200;

/// Path classes beyond which the memory guard drops shapes, then sets of operations.
///
/// A system of 1,000 services shows some thousands of classes. A class weighs about a kilobyte, so
/// 200,000 of them are some 200 MB: the point where names or shapes are clearly not templated (an
/// identifier in the span name, say) and single classes say nothing any more.
pub const CLASS_CAP: usize = 200_000;

/// Attribute rows kept a class: enough to see which values go together, few enough that they weigh
/// less than the exemplars.
pub(crate) const ATTRIBUTE_ROWS: usize = 16;

/// What bounds an Evidence.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Path classes beyond which it is coarsened.
    pub classes: usize,
}

impl Limits {
    /// The limit that the program uses.
    pub const STANDARD: Self = Self { classes: CLASS_CAP };
}

/// An Evidence in any numbering and any order, keys repeated at will.
pub(crate) struct Parts<'a> {
    pub(crate) rules: Fingerprint,
    pub(crate) role: Role,
    pub(crate) window: Window,
    pub(crate) exactness: Exactness,
    pub(crate) names: Vec<&'a str>,
    pub(crate) operations: Vec<OperationKey>,
    pub(crate) shapes: Vec<Shape>,
    pub(crate) classes: Vec<PathClass>,
    pub(crate) marginals: Vec<Marginal>,
    pub(crate) places: Vec<Place>,
    pub(crate) operation_stats: Vec<OperationStats>,
    pub(crate) edges: Vec<Edge>,
    pub(crate) productions: Vec<Production>,
    pub(crate) peers: Vec<Peer>,
    pub(crate) attributes: Vec<AttributeValue>,
    pub(crate) attribute_rows: Vec<AttributeRow>,
    pub(crate) quality: Quality,
}

/// Brings parts into canonical form.
pub(crate) fn canonicalise(mut parts: Parts<'_>, limits: Limits) -> Evidence {
    let texts = std::mem::take(&mut parts.names);
    let (sorted, name_of) = sorted_distinct(&texts, |a, b| a.cmp(b));
    renumber_names(&mut parts, &name_of);

    let operations = std::mem::take(&mut parts.operations);
    let (operations, operation_of) = sorted_distinct(&operations, Ord::cmp);
    renumber_operations(&mut parts, &operation_of);

    for shape in &mut parts.shapes {
        *shape = sort_siblings(shape);
    }
    let shapes = std::mem::take(&mut parts.shapes);
    let (shapes, shape_of) = sorted_distinct(&shapes, Ord::cmp);
    for class in &mut parts.classes {
        class.key.shape = class.key.shape.map(|s| shape_of[s as usize]);
    }
    parts.operations = operations;
    parts.shapes = shapes;

    parts.names = sorted;
    fold_overflowing(&mut parts);
    let class_of = gather_classes(&mut parts, limits);
    renumber_classes(&mut parts, &class_of);
    if parts.exactness == Exactness::OperationsDropped {
        drop_operation_tables(&mut parts);
    }
    add_up(&mut parts);
    drop_unused(&mut parts);
    evidence_of(parts)
}

/// Sorts and drops repeats; also says where each element went.
fn sorted_distinct<T: Clone>(
    items: &[T],
    compare: impl Fn(&T, &T) -> Ordering,
) -> (Vec<T>, Vec<u32>) {
    let mut order: Vec<u32> = (0..index(items.len())).collect();
    order.sort_unstable_by(|&a, &b| compare(&items[a as usize], &items[b as usize]));
    let mut distinct: Vec<T> = Vec::new();
    let mut place = vec![0; items.len()];
    for &i in &order {
        let item = &items[i as usize];
        if distinct.last().is_none_or(|last| compare(last, item) != Ordering::Equal) {
            distinct.push(item.clone());
        }
        place[i as usize] = index(distinct.len() - 1);
    }
    (distinct, place)
}

fn index(n: usize) -> u32 {
    u32::try_from(n).expect("tables of an evidence hold fewer than 2^32 rows")
}

fn renumber_names(parts: &mut Parts<'_>, to: &[u32]) {
    each_name(parts, &mut |n| *n = to[*n as usize]);
    for op in &mut parts.operations {
        for n in [&mut op.service, &mut op.namespace, &mut op.operation] {
            *n = to[*n as usize];
        }
    }
    for stats in &mut parts.operation_stats {
        add_up_pairs(&mut stats.error_types, |into, n| *into = into.saturating_add(n));
    }
    for row in &mut parts.attribute_rows {
        row.values.sort_unstable();
        row.values.dedup();
    }
}

/// Visits every number of a text but those in the table of operations.
pub(crate) fn each_name(parts: &mut Parts<'_>, visit: &mut dyn FnMut(&mut u32)) {
    for class in &mut parts.classes {
        for exemplar in &mut class.exemplars {
            exemplar.spans.iter_mut().for_each(|s| visit(&mut s.instance));
        }
    }
    for m in &mut parts.marginals {
        visit(&mut m.key.service);
        visit(&mut m.key.namespace);
        visit(&mut m.key.value);
    }
    for Place { key, .. } in &mut parts.places {
        let PlaceKey { service, namespace, instance, version, host } = key;
        [service, namespace, instance, version, host].into_iter().for_each(&mut *visit);
    }
    for stats in &mut parts.operation_stats {
        stats.error_types.iter_mut().for_each(|(n, _)| visit(n));
    }
    parts.peers.iter_mut().for_each(|p| visit(&mut p.key.peer));
    for a in &mut parts.attributes {
        visit(&mut a.attribute);
        visit(&mut a.value);
    }
    for row in &mut parts.attribute_rows {
        for (a, v) in &mut row.values {
            visit(a);
            visit(v);
        }
    }
}

fn renumber_operations(parts: &mut Parts<'_>, to: &[u32]) {
    each_operation(parts, &mut |o| *o = to[*o as usize]);
    for shape in &mut parts.shapes {
        shape.0.iter_mut().for_each(|n| n.operation = to[n.operation as usize]);
    }
    for class in &mut parts.classes {
        make_set(&mut class.key.operations);
        make_set(&mut class.key.origins);
    }
    for p in &mut parts.productions {
        let mut children = std::mem::take(&mut p.key.children).into_vec();
        add_up_pairs(&mut children, |into, n| *into = into.saturating_add(n));
        p.key.children = children.into();
    }
}

/// Sorts numbers and drops repeats.
fn make_set(numbers: &mut Box<[u32]>) {
    numbers.sort_unstable();
    if numbers.windows(2).any(|w| w[0] == w[1]) {
        let mut distinct = std::mem::take(numbers).into_vec();
        distinct.dedup();
        *numbers = distinct.into();
    }
}

/// Sorts pairs by their first half and adds up those that agree in it.
fn add_up_pairs<N: Copy + Ord>(pairs: &mut Vec<(u32, N)>, add: impl Fn(&mut N, N)) {
    pairs.sort_unstable();
    pairs.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            add(&mut kept.1, later.1);
        }
        same
    });
}

/// Visits every number of an operation but those in shapes.
fn each_operation(parts: &mut Parts<'_>, visit: &mut dyn FnMut(&mut u32)) {
    for class in &mut parts.classes {
        class.key.entry.iter_mut().for_each(&mut *visit);
        class.key.operations.iter_mut().for_each(&mut *visit);
        class.key.origins.iter_mut().for_each(&mut *visit);
        for exemplar in &mut class.exemplars {
            exemplar.spans.iter_mut().for_each(|s| visit(&mut s.operation));
        }
    }
    for stats in &mut parts.operation_stats {
        stats.entry.iter_mut().for_each(&mut *visit);
        visit(&mut stats.operation);
    }
    for edge in &mut parts.edges {
        edge.key.entry.iter_mut().for_each(&mut *visit);
        edge.key.parent.iter_mut().for_each(&mut *visit);
        visit(&mut edge.key.child);
    }
    for p in &mut parts.productions {
        p.key.entry.iter_mut().for_each(&mut *visit);
        visit(&mut p.key.operation);
        p.key.children.iter_mut().for_each(|(o, _)| visit(o));
    }
    for peer in &mut parts.peers {
        peer.key.entry.iter_mut().for_each(&mut *visit);
        visit(&mut peer.key.operation);
    }
}

/// Adds up classes of equal key, coarsening until they are few enough; says where each went.
fn gather_classes(parts: &mut Parts<'_>, limits: Limits) -> Vec<u32> {
    let mut place: Vec<u32> = (0..index(parts.classes.len())).collect();
    for class in &mut parts.classes {
        if !class.seconds.is_sorted_by(|a, b| a.second < b.second) {
            class.seconds.sort_unstable();
            class.seconds = merge_seconds(&class.seconds, &[]);
        }
    }
    loop {
        if parts.exactness >= Exactness::ShapesDropped {
            parts.classes.iter_mut().for_each(|c| c.key.shape = None);
        }
        if parts.exactness == Exactness::OperationsDropped {
            for class in &mut parts.classes {
                class.key.operations = Box::default();
                class.key.origins = Box::default();
            }
        }
        let mut classes: Vec<(u32, PathClass)> =
            (0..).zip(std::mem::take(&mut parts.classes)).collect();
        classes.sort_unstable_by(|a, b| a.1.key.cmp(&b.1.key));
        let mut to = vec![0; classes.len()];
        let mut merged: Vec<PathClass> = Vec::new();
        for (i, class) in classes {
            match merged.last_mut() {
                Some(last) if last.key == class.key => absorb_class(last, class),
                _ => merged.push(class),
            }
            to[i as usize] = index(merged.len() - 1);
        }
        for class in &mut merged {
            keep_smallest(&mut class.exemplars);
        }
        place.iter_mut().for_each(|p| *p = to[*p as usize]);
        parts.classes = merged;
        if parts.classes.len() <= limits.classes {
            return place;
        }
        parts.exactness = match parts.exactness {
            Exactness::Exact => Exactness::ShapesDropped,
            Exactness::ShapesDropped => Exactness::OperationsDropped,
            Exactness::OperationsDropped => return place,
        };
    }
}

fn absorb_class(into: &mut PathClass, from: PathClass) {
    into.tally.merge(from.tally);
    into.duration_sum = into.duration_sum.saturating_add(from.duration_sum);
    into.durations.merge(&from.durations);
    into.seconds = merge_seconds(&into.seconds, &from.seconds);
    into.exemplars.extend(from.exemplars);
    keep_smallest(&mut into.exemplars);
}

fn merge_seconds(a: &[Second], b: &[Second]) -> Vec<Second> {
    let mut out: Vec<Second> = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() || j < b.len() {
        let take_a = j == b.len() || (i < a.len() && a[i].second <= b[j].second);
        let next = if take_a { a[i] } else { b[j] };
        if take_a {
            i += 1
        } else {
            j += 1
        }
        match out.last_mut() {
            Some(last) if last.second == next.second => last.tally.merge(next.tally),
            _ => out.push(next),
        }
    }
    out
}

fn keep_smallest(exemplars: &mut Vec<Exemplar>) {
    exemplars.sort_unstable();
    exemplars.dedup_by_key(|e| e.trace_id);
    exemplars.truncate(EXEMPLARS);
}

fn renumber_classes(parts: &mut Parts<'_>, to: &[u32]) {
    parts.marginals.iter_mut().for_each(|m| m.key.class = to[m.key.class as usize]);
    parts.attributes.iter_mut().for_each(|a| a.class = to[a.class as usize]);
    parts.attribute_rows.iter_mut().for_each(|r| r.class = to[r.class as usize]);
}

fn drop_operation_tables(parts: &mut Parts<'_>) {
    parts.marginals.clear();
    parts.places.clear();
    parts.operation_stats.clear();
    parts.edges.clear();
    parts.productions.clear();
    parts.peers.clear();
    parts.attributes.clear();
    parts.attribute_rows.clear();
    parts.classes.iter_mut().for_each(|c| c.exemplars.clear());
}

/// Sorts the tables by key and adds up rows of equal key.
fn add_up(parts: &mut Parts<'_>) {
    coalesce(
        &mut parts.marginals,
        |a, b| a.key.cmp(&b.key),
        |into, from| {
            into.tally.merge(from.tally);
            into.durations.merge(&from.durations);
        },
    );
    coalesce(
        &mut parts.places,
        |a, b| a.key.cmp(&b.key),
        |into, from| {
            into.spans += from.spans;
            into.began += from.began;
            into.self_time_sum = into.self_time_sum.saturating_add(from.self_time_sum);
            into.self_times.merge(&from.self_times);
        },
    );
    let by_operation = |a: &OperationStats, b: &OperationStats| {
        (a.entry, a.operation).cmp(&(b.entry, b.operation))
    };
    coalesce(&mut parts.operation_stats, by_operation, absorb_operation);
    coalesce(
        &mut parts.edges,
        |a, b| a.key.cmp(&b.key),
        |into, from| {
            into.calls += from.calls;
            into.failed += from.failed;
            into.masked += from.masked;
            into.retries += from.retries;
            into.crossings += from.crossings;
            into.gap_sum = into.gap_sum.saturating_add(from.gap_sum);
            into.gaps.merge(&from.gaps);
        },
    );
    coalesce(
        &mut parts.productions,
        |a, b| a.key.cmp(&b.key),
        |into, from| {
            into.spans += from.spans;
        },
    );
    coalesce(
        &mut parts.peers,
        |a, b| a.key.cmp(&b.key),
        |into, from| {
            into.calls += from.calls;
            into.failed += from.failed;
            into.durations.merge(&from.durations);
        },
    );
    let by_value = |a: &AttributeValue, b: &AttributeValue| {
        (a.class, a.attribute, a.value).cmp(&(b.class, b.attribute, b.value))
    };
    coalesce(&mut parts.attributes, by_value, |into, from| {
        into.tally.merge(from.tally);
        into.durations.merge(&from.durations);
    });
    parts.attribute_rows.sort_unstable();
    parts.attribute_rows.dedup();
    let mut kept = 0;
    let mut class = None;
    parts.attribute_rows.retain(|row| {
        kept = if class == Some(row.class) { kept + 1 } else { 1 };
        class = Some(row.class);
        kept <= ATTRIBUTE_ROWS
    });
}

fn absorb_operation(into: &mut OperationStats, from: OperationStats) {
    let OperationStats {
        entry: _,
        operation: _,
        spans,
        failed,
        origins,
        masked,
        error_events,
        spans_with_error_events,
        exception_events,
        links,
        error_types,
        duration_sum,
        durations,
        self_time_sum,
        self_times,
    } = from;
    into.spans += spans;
    into.failed += failed;
    into.origins += origins;
    into.masked += masked;
    into.error_events += error_events;
    into.spans_with_error_events += spans_with_error_events;
    into.exception_events += exception_events;
    into.links += links;
    into.error_types.extend(error_types);
    add_up_pairs(&mut into.error_types, |into, n| *into = into.saturating_add(n));
    into.duration_sum = into.duration_sum.saturating_add(duration_sum);
    into.durations.merge(&durations);
    into.self_time_sum = into.self_time_sum.saturating_add(self_time_sum);
    into.self_times.merge(&self_times);
}

fn coalesce<T>(
    rows: &mut Vec<T>,
    compare: impl Fn(&T, &T) -> Ordering,
    absorb: impl Fn(&mut T, T),
) {
    rows.sort_unstable_by(&compare);
    let mut merged: Vec<T> = Vec::with_capacity(rows.len());
    for row in rows.drain(..) {
        match merged.last_mut() {
            Some(last) if compare(last, &row) == Ordering::Equal => absorb(last, row),
            _ => merged.push(row),
        }
    }
    *rows = merged;
}

/// Drops texts, operations and shapes that nothing speaks of. Renumbering keeps every order.
pub(crate) fn drop_unused(parts: &mut Parts<'_>) {
    let mut used = vec![false; parts.shapes.len()];
    parts.classes.iter().filter_map(|c| c.key.shape).for_each(|s| used[s as usize] = true);
    let shape_to = keep_used(&mut parts.shapes, &used);
    for class in &mut parts.classes {
        class.key.shape = class.key.shape.map(|s| shape_to[s as usize]);
    }

    let mut used = vec![false; parts.operations.len()];
    each_operation(parts, &mut |o| used[*o as usize] = true);
    for shape in &parts.shapes {
        shape.0.iter().for_each(|n| used[n.operation as usize] = true);
    }
    let operation_to = keep_used(&mut parts.operations, &used);
    renumber_operations(parts, &operation_to);

    let mut used = vec![false; parts.names.len()];
    each_name(parts, &mut |n| used[*n as usize] = true);
    for op in &parts.operations {
        for n in [op.service, op.namespace, op.operation] {
            used[n as usize] = true;
        }
    }
    let name_to = keep_used(&mut parts.names, &used);
    renumber_names(parts, &name_to);
}

fn evidence_of(parts: Parts<'_>) -> Evidence {
    let Parts {
        rules,
        role,
        window,
        exactness,
        names,
        operations,
        shapes,
        classes,
        marginals,
        places,
        operation_stats,
        edges,
        productions,
        peers,
        attributes,
        attribute_rows,
        quality,
    } = parts;
    Evidence {
        rules,
        role,
        window,
        exactness,
        names: NameTable::of(names.into_iter().map(str::to_owned).collect()),
        operations,
        shapes,
        classes,
        marginals,
        places,
        operation_stats,
        edges,
        productions,
        peers,
        attributes,
        attribute_rows,
        quality,
    }
}

fn keep_used<T>(rows: &mut Vec<T>, used: &[bool]) -> Vec<u32> {
    let mut to = Vec::with_capacity(used.len());
    let mut next = 0;
    for &u in used {
        to.push(next);
        next += u32::from(u);
    }
    let mut at = used.iter();
    rows.retain(|_| *at.next().expect("one flag a row"));
    to
}
