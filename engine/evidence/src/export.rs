//! Counts by a run's numbers → tables by the same numbers.

use hashbrown::HashMap;
use resus_model::{
    AttributeRow, AttributeValue, ClassKey, Edge, EdgeKey, Exactness, Exemplar, ExemplarSpan,
    Histogram, Marginal, MarginalKey, Name, OperationKey, OperationStats, PathClass, Peer, PeerKey,
    Place, PlaceKey, Production, ProductionKey, Quality, Role, Tally, Window,
};
use resus_paths::{Resource, Vocabulary};
use rustc_hash::FxBuildHasher;

use crate::canonical::Parts;
use crate::observer::{
    ClassCounts, EdgeCounts, MarginalCounts, NOBODY, Observer, OperationCounts, PlaceCounts,
    RawExemplar, RawMarginal, RawPlace, WindowCounts, kinds_of,
};

/// Turns counts by this run's numbers into tables by the same numbers. Rows that count nothing are
/// left out: paths may have been taken back.
pub(crate) fn export<'a>(
    vocabulary: &'a Vocabulary,
    observer: &Observer,
    counts: &WindowCounts,
) -> Parts<'a> {
    let WindowCounts {
        classes,
        operations,
        edges,
        productions,
        peers,
        places,
        place_rows,
        marginals,
        attributes,
    } = counts;
    let mut classes: Vec<_> = classes.iter().filter(|(_, counts)| counts.tally.n > 0).collect();
    classes.sort_unstable_by_key(|(id, _)| **id);
    let mut row_of = vec![0_u32; observer.classes.len()];
    for (row, (id, _)) in (0..).zip(&classes) {
        row_of[**id as usize] = row;
    }
    let attribute_rows = attribute_rows(vocabulary, &classes);
    let instance_of = |resource: u32| number(vocabulary.resources[resource as usize].instance);
    let mut shapes = Vec::new();
    let classes = (0..)
        .zip(classes)
        .map(|(row, (id, counts))| {
            let raw = observer.classes[*id as usize];
            let shape = observer.shapes.unfold(raw.shape);
            let mut members: Vec<u32> = match raw.operations {
                0 => shape.0.iter().map(|n| n.operation).collect(),
                set => observer.sets.list[set as usize].to_vec(),
            };
            members.sort_unstable();
            members.dedup();
            shapes.push(shape);
            PathClass {
                key: ClassKey {
                    entry: some(raw.entry),
                    shape: Some(row),
                    operations: members.into(),
                    outcome: raw.outcome,
                    origins: observer.sets.list[raw.origins as usize].clone(),
                },
                tally: counts.tally,
                duration_sum: counts.duration_sum,
                durations: counts.durations.to_histogram(),
                seconds: counts.seconds.iter().filter(|s| s.tally.n > 0).copied().collect(),
                exemplars: counts.exemplars.iter().map(|e| exemplar(e, &instance_of)).collect(),
            }
        })
        .collect();
    Parts {
        rules: resus_model::Fingerprint::from_text(String::new()),
        role: Role::Now,
        window: Window::ALL,
        exactness: Exactness::Exact,
        names: vocabulary.names.iter().map(|(_, text)| text).collect(),
        operations: vocabulary
            .operations
            .iter()
            .map(|op| OperationKey {
                service: number(op.service),
                namespace: number(op.namespace),
                operation: number(op.operation),
            })
            .collect(),
        shapes,
        classes,
        marginals: marginal_rows(vocabulary, places, marginals, &row_of),
        places: place_stats(vocabulary, observer, place_rows),
        operation_stats: operation_stats(observer, operations),
        edges: edge_rows(observer, edges),
        productions: observer
            .production_rows
            .iter()
            .zip(productions)
            .filter(|(_, spans)| **spans > 0)
            .map(|(&(entry, id), &spans)| {
                let list = &observer.productions.list[id as usize];
                let children = list[1..].chunks_exact(2).map(|pair| (pair[0], pair[1]));
                let key = ProductionKey {
                    entry: some(entry),
                    operation: list[0],
                    children: children.collect(),
                };
                Production { key, spans }
            })
            .collect(),
        peers: peers
            .iter()
            .filter(|(_, counts)| counts.calls > 0)
            .map(|(&(entry, operation, peer), counts)| Peer {
                key: PeerKey { entry: some(entry), operation, peer: number(peer) },
                calls: counts.calls,
                failed: counts.failed,
                durations: counts.durations.to_histogram(),
            })
            .collect(),
        attributes: attribute_values(vocabulary, attributes, &row_of),
        attribute_rows,
        quality: Quality::default(),
    }
}

fn marginal_rows(
    vocabulary: &Vocabulary,
    places: &HashMap<RawPlace, MarginalCounts, FxBuildHasher>,
    marginals: &HashMap<RawMarginal, MarginalCounts, FxBuildHasher>,
    row_of: &[u32],
) -> Vec<Marginal> {
    let row = |key: RawMarginal, tally: Tally, durations: Histogram| Marginal {
        key: MarginalKey {
            class: row_of[key.class as usize],
            kind: key.kind,
            service: number(key.service),
            namespace: number(key.namespace),
            value: number(key.value),
        },
        tally,
        durations,
    };
    let mut rows = Vec::with_capacity(places.len() * 3 + marginals.len());
    for (place, counts) in places.iter().filter(|(_, counts)| counts.tally.n > 0) {
        let RawPlace { class, service, namespace, resource } = *place;
        let durations = counts.durations.to_histogram();
        for (kind, value) in kinds_of(vocabulary.resources[resource as usize]) {
            if !value.is_none() {
                let key = RawMarginal { class, kind, service, namespace, value };
                rows.push(row(key, counts.tally, durations.clone()));
            }
        }
    }
    let others = marginals.iter().filter(|(_, counts)| counts.tally.n > 0);
    rows.extend(others.map(|(key, c)| row(*key, c.tally, c.durations.to_histogram())));
    rows
}

fn place_stats(vocabulary: &Vocabulary, observer: &Observer, rows: &[PlaceCounts]) -> Vec<Place> {
    let named = observer.places.keys.iter().zip(rows).filter(|(_, counts)| counts.spans > 0);
    named
        .map(|(&(service, namespace, resource), counts)| {
            let Resource { instance, version, host } = vocabulary.resources[resource as usize];
            Place {
                key: PlaceKey {
                    service: number(service),
                    namespace: number(namespace),
                    instance: number(instance),
                    version: number(version),
                    host: number(host),
                },
                spans: counts.spans,
                began: counts.began,
                self_time_sum: counts.self_time_sum,
                self_times: counts.self_times.to_histogram(),
            }
        })
        .collect()
}

fn attribute_values(
    vocabulary: &Vocabulary,
    attributes: &HashMap<(u32, Name), MarginalCounts, FxBuildHasher>,
    row_of: &[u32],
) -> Vec<AttributeValue> {
    let mut rows = Vec::with_capacity(attributes.len());
    for (&(class, set), counts) in attributes.iter().filter(|(_, counts)| counts.tally.n > 0) {
        let durations = counts.durations.to_histogram();
        rows.extend(vocabulary.attributes(set).map(|(attribute, value)| AttributeValue {
            class: row_of[class as usize],
            attribute: number(attribute),
            value: number(value),
            tally: counts.tally,
            durations: durations.clone(),
        }));
    }
    rows
}

/// The rows of classes in their order.
fn attribute_rows(vocabulary: &Vocabulary, classes: &[(&u32, &ClassCounts)]) -> Vec<AttributeRow> {
    let mut rows = Vec::new();
    for (class, (_, counts)) in (0..).zip(classes) {
        rows.extend(counts.attribute_rows.iter().map(|raw| {
            let values = vocabulary.attributes(raw.set).map(|(a, v)| (number(a), number(v)));
            AttributeRow { class, hash: raw.hash, values: values.collect() }
        }));
    }
    rows
}

fn operation_stats(observer: &Observer, rows: &[OperationCounts]) -> Vec<OperationStats> {
    let named = observer.pairs.iter().zip(rows).filter(|(_, counts)| counts.spans > 0);
    named
        .map(|(&(entry, operation), counts)| OperationStats {
            entry: some(entry),
            operation,
            spans: counts.spans,
            failed: counts.failed,
            origins: counts.origins,
            masked: counts.masked,
            error_events: counts.error_events,
            spans_with_error_events: counts.spans_with_error_events,
            exception_events: counts.exception_events,
            links: counts.links,
            error_types: counts
                .error_types
                .iter()
                .filter(|(_, n)| *n > 0)
                .map(|&(name, n)| (number(name), n))
                .collect(),
            duration_sum: counts.duration_sum,
            durations: counts.durations.to_histogram(),
            self_time_sum: counts.self_time_sum,
            self_times: counts.self_times.to_histogram(),
        })
        .collect()
}

fn edge_rows(observer: &Observer, rows: &[EdgeCounts]) -> Vec<Edge> {
    let named = observer.edges.iter().zip(rows).filter(|(_, counts)| counts.calls > 0);
    named
        .map(|(raw, counts)| Edge {
            key: EdgeKey { entry: some(raw.entry), parent: some(raw.parent), child: raw.child },
            calls: counts.calls,
            failed: counts.failed,
            masked: counts.masked,
            retries: counts.retries,
            crossings: counts.crossings,
            gap_sum: counts.gap_sum,
            gaps: counts.gaps.to_histogram(),
        })
        .collect()
}

fn exemplar(raw: &RawExemplar, instance_of: &dyn Fn(u32) -> u32) -> Exemplar {
    let spans = raw.nodes.iter().map(|node| ExemplarSpan {
        depth: node.depth,
        operation: node.operation.number(),
        instance: instance_of(node.resource),
        kind: node.kind,
        offset_ns: node.start_unix_nano - raw.start_unix_nano,
        duration_ns: node.duration_ns,
        failed: node.failed,
        origin: node.origin,
    });
    Exemplar {
        hash: raw.hash,
        trace_id: raw.trace_id,
        start_unix_nano: raw.start_unix_nano,
        spans: spans.collect(),
        spans_left_out: raw.left_out,
    }
}

const fn some(n: u32) -> Option<u32> {
    if n == NOBODY { None } else { Some(n) }
}

fn number(name: Name) -> u32 {
    u32::try_from(name.index()).expect("names are numbered by u32")
}
