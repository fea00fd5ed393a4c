//! Which operation, shape and entry of one Evidence is which of another?
//!
//! Every Evidence speaks of operations and shapes by indexes into tables of its own. Here they get
//! global numbers. All tables are sorted by text, so numbers ascend as texts do and a remapped list
//! stays sorted.

use std::borrow::Borrow;
use std::cmp::Ordering;

use resus_model::{Component, Evidence, Exactness, PathClass, Shape};

/// Service, namespace, operation.
pub(crate) type OperationText<'a> = (&'a str, &'a str, &'a str);

/// Several Evidences over one set of tables.
pub(crate) struct Aligned<'a> {
    /// All operations, ascending.
    pub operations: Vec<OperationText<'a>>,
    /// The service (number) of each operation.
    pub service_of: Vec<u32>,
    /// All services with their namespaces, ascending.
    pub services: Vec<(&'a str, &'a str)>,
    /// Operations (global) that are an entry somewhere, ascending.
    pub entries: Vec<u32>,
    /// What is compared between windows: paths of one pattern at one entry, ascending.
    pub cells: Vec<Cell>,
    /// How much of the class key all Evidences have kept.
    pub exactness: Exactness,
    /// The Evidence to be explained.
    pub now: View<'a>,
    /// The healthy ones.
    pub baselines: Vec<View<'a>>,
}

/// Paths of one pattern (shape, or what coarsening left of it) at one entry operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Cell {
    /// Index into [`Aligned::entries`].
    pub entry: u32,
    /// Number of the pattern.
    pub pattern: u32,
}

/// One Evidence with the global numbers of what it speaks of.
pub(crate) struct View<'a> {
    /// The Evidence.
    pub evidence: &'a Evidence,
    /// Global number of each operation.
    pub operations: Vec<u32>,
    /// Index into [`Aligned::cells`] of each class; `None` where there is no entry span.
    pub cells: Vec<Option<u32>>,
}

impl View<'_> {
    /// Classes with their cells.
    pub(crate) fn classes(&self) -> impl Iterator<Item = (&PathClass, Option<u32>)> {
        self.evidence.classes.iter().zip(self.cells.iter().copied())
    }
}

impl Aligned<'_> {
    /// An operation as a component.
    pub(crate) fn operation(&self, operation: u32) -> Component {
        let (service, namespace, operation) = self.operations[operation as usize];
        Component {
            service: service.to_owned(),
            namespace: namespace.to_owned(),
            operation: Some(operation.to_owned()),
            instance: None,
            version: None,
            host: None,
        }
    }

    /// A service as a component.
    pub(crate) fn service(&self, service: u32) -> Component {
        let (service, namespace) = self.services[service as usize];
        Component {
            service: service.to_owned(),
            namespace: namespace.to_owned(),
            operation: None,
            instance: None,
            version: None,
            host: None,
        }
    }

    /// The entry operation of a cell, as an index into `entries`.
    pub(crate) fn entry_of(&self, cell: u32) -> usize {
        self.cells[cell as usize].entry as usize
    }
}

/// Aligns a window with its baselines.
pub(crate) fn align<'a, B: Borrow<Evidence>>(now: &'a Evidence, baseline: &'a [B]) -> Aligned<'a> {
    let all: Vec<&'a Evidence> =
        std::iter::once(now).chain(baseline.iter().map(B::borrow)).collect();
    let exactness = all.iter().map(|e| e.exactness).max().unwrap_or(Exactness::Exact);
    let (operations, operation_numbers) = number_merged(all.iter().map(|e| texts(e)).collect());
    let services: Vec<(&str, &str)> = {
        let mut services: Vec<_> = operations.iter().map(|&(s, n, _)| (s, n)).collect();
        services.dedup();
        services
    };
    let service_of = operations
        .iter()
        .map(|&(s, n, _)| place(services.binary_search(&(s, n))))
        .collect::<Vec<_>>();
    let patterns = patterns(&all, &operation_numbers, exactness);

    let entry =
        |e: usize, class: &PathClass| class.key.entry.map(|o| operation_numbers[e][o as usize]);
    let mut entries: Vec<u32> = all
        .iter()
        .enumerate()
        .flat_map(|(e, evidence)| evidence.classes.iter().filter_map(move |c| entry(e, c)))
        .collect();
    entries.sort_unstable();
    entries.dedup();
    let cell = |e: usize, c: usize| {
        let entry = entry(e, &all[e].classes[c])?;
        Some(Cell { entry: place(entries.binary_search(&entry)), pattern: patterns[e][c] })
    };
    let mut cells: Vec<Cell> = (0..all.len())
        .flat_map(|e| (0..all[e].classes.len()).filter_map(move |c| cell(e, c)))
        .collect();
    cells.sort_unstable();
    cells.dedup();

    let cells_of = |e: usize| {
        let one = |c| cell(e, c).map(|cell| place(cells.binary_search(&cell)));
        (0..all[e].classes.len()).map(one).collect::<Vec<_>>()
    };
    let mut views: Vec<View<'a>> = all
        .iter()
        .zip(&operation_numbers)
        .enumerate()
        .map(|(e, (&evidence, numbers))| View {
            evidence,
            operations: numbers.clone(),
            cells: cells_of(e),
        })
        .collect();
    let baselines = views.split_off(1);
    let now = views.pop().expect("the window to be explained was put in front");
    Aligned { operations, service_of, services, entries, cells, exactness, now, baselines }
}

pub(crate) fn texts(evidence: &Evidence) -> Vec<OperationText<'_>> {
    let text = |i| evidence.names.text(i);
    evidence
        .operations
        .iter()
        .map(|o| (text(o.service), text(o.namespace), text(o.operation)))
        .collect()
}

/// The number of each class's pattern: of its shape; where any window has lost its shapes, of its
/// set of operations; where any has lost these too, all are one.
fn patterns(all: &[&Evidence], operations: &[Vec<u32>], exactness: Exactness) -> Vec<Vec<u32>> {
    match exactness {
        Exactness::Exact => {
            // Written out one after the other: many are compared.
            let nodes: Vec<Vec<u64>> =
                all.iter().zip(operations).map(|(e, o)| nodes(e, o)).collect();
            let shapes = all.iter().zip(&nodes).map(|(evidence, nodes)| {
                let mut rest = nodes.as_slice();
                let shape = |s: &Shape| {
                    let (own, others) = rest.split_at(s.0.len());
                    rest = others;
                    own
                };
                evidence.shapes.iter().map(shape).collect::<Vec<&[u64]>>()
            });
            let (unique, numbers) = number(shapes);
            let shapeless = u32::try_from(unique.len()).expect("fewer than 2^32 shapes");
            let of =
                |e: usize, c: &PathClass| c.key.shape.map_or(shapeless, |s| numbers[e][s as usize]);
            all.iter()
                .enumerate()
                .map(|(e, evidence)| evidence.classes.iter().map(|c| of(e, c)).collect())
                .collect()
        }
        Exactness::ShapesDropped => {
            let sets = all.iter().enumerate().map(|(e, evidence)| {
                let set = |c: &PathClass| remap(&operations[e], &c.key.operations);
                evidence.classes.iter().map(set).collect::<Vec<_>>()
            });
            number(sets).1
        }
        Exactness::OperationsDropped => {
            all.iter().map(|evidence| vec![0; evidence.classes.len()]).collect()
        }
    }
}

/// All nodes of all shapes, each as depth and global number of its operation.
fn nodes(evidence: &Evidence, numbers: &[u32]) -> Vec<u64> {
    let nodes = evidence.shapes.iter().flat_map(|s| &s.0);
    nodes.map(|n| u64::from(n.depth) << 32 | u64::from(numbers[n.operation as usize])).collect()
}

/// Indexes by their global numbers.
pub(crate) fn remap(numbers: &[u32], indexes: &[u32]) -> Vec<u32> {
    indexes.iter().map(|&i| numbers[i as usize]).collect()
}

/// Numbers equal items of several lists alike, in ascending order: the distinct items, and for each
/// list the number of each of its items.
///
/// Lists that are sorted already cost a merge, not a sort.
fn number<T: Ord>(lists: impl Iterator<Item = Vec<T>>) -> (Vec<T>, Vec<Vec<u32>>) {
    let mut numbers: Vec<Vec<u32>> = Vec::new();
    let mut items: Vec<(T, usize, usize)> = Vec::new();
    for (l, list) in lists.enumerate() {
        numbers.push(vec![0; list.len()]);
        items.extend(list.into_iter().enumerate().map(|(i, item)| (item, l, i)));
    }
    items.sort_by(|a, b| a.0.cmp(&b.0));
    let mut unique: Vec<T> = Vec::new();
    for (item, l, i) in items {
        if unique.last().is_none_or(|last| *last != item) {
            unique.push(item);
        }
        numbers[l][i] = u32::try_from(unique.len() - 1).expect("fewer than 2^32 items");
    }
    (unique, numbers)
}

/// The same of lists that are nearly alike and ascending, as tables of texts are: one comparison an item.
fn number_merged<T: Ord + Copy>(lists: Vec<Vec<T>>) -> (Vec<T>, Vec<Vec<u32>>) {
    let id = |n: usize| u32::try_from(n).expect("fewer than 2^32 items");
    let mut numbers: Vec<Vec<u32>> = Vec::new();
    let mut unique: Vec<T> = Vec::new();
    for list in &lists {
        let mut merged = Vec::with_capacity(unique.len().max(list.len()));
        let (mut moved, mut own) =
            (Vec::with_capacity(unique.len()), Vec::with_capacity(list.len()));
        let (mut old, mut new) = (unique.iter().peekable(), list.iter().peekable());
        loop {
            let order = match (old.peek(), new.peek()) {
                (Some(a), Some(b)) => a.cmp(b),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
                (None, None) => break,
            };
            let at = id(merged.len());
            if order.is_le() {
                merged.extend(old.next());
                moved.push(at);
            }
            if order.is_eq() {
                new.next();
            } else if order.is_gt() {
                merged.extend(new.next());
            }
            if order.is_ge() {
                own.push(at);
            }
        }
        if merged.len() > unique.len() {
            numbers.iter_mut().flatten().for_each(|n| *n = moved[*n as usize]);
        }
        numbers.push(own);
        unique = merged;
    }
    // Of a table that was not ascending nothing above holds.
    if unique.is_sorted_by(|a, b| a < b) { (unique, numbers) } else { number(lists.into_iter()) }
}

/// The place of something that was put into the sorted table before.
fn place(found: Result<usize, usize>) -> u32 {
    let i = found.expect("the table was built of all items looked up in it");
    u32::try_from(i).expect("tables hold fewer than 2^32 items")
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;
    use crate::notation::evidence;

    #[test]
    fn equal_texts_get_one_number_and_order_is_kept() {
        let now = evidence("GET /b: web>cart>store x2\nGET /a: web>ad x1");
        let past = evidence("GET /b: web>cart>store x2\nGET /b: aaa>cart x1");
        let aligned = align(&now, std::slice::from_ref(&past));
        assert!(aligned.operations.is_sorted());
        assert_eq!(
            aligned.services.iter().map(|s| s.0).collect::<Vec<_>>(),
            ["aaa", "ad", "cart", "store", "web"]
        );
        assert_eq!(aligned.cells.len(), 3, "GET /a; GET /b by web, by aaa");
        let shared = aligned.now.cells.iter().filter(|c| aligned.baselines[0].cells.contains(c));
        assert_eq!(shared.count(), 1, "web>cart>store is one cell in both");
        for view in [&aligned.now, &aligned.baselines[0]] {
            assert!(view.operations.is_sorted(), "numbers ascend as texts do");
            for (i, &o) in view.operations.iter().enumerate() {
                let i = u32::try_from(i).expect("small");
                let (service, operation) = view.evidence.operation_texts(i);
                assert_eq!((service, operation), {
                    let (s, _, o) = aligned.operations[o as usize];
                    (s, o)
                });
            }
        }
    }

    proptest! {
        #[test]
        fn merging_numbers_as_sorting_does(mut lists in vec(vec(0..40_u8, 0..30), 0..5), tidy in any::<bool>()) {
            if tidy {
                for list in &mut lists {
                    list.sort_unstable();
                    list.dedup();
                }
            }
            prop_assert_eq!(number_merged(lists.clone()), number(lists.into_iter()));
        }
    }

    #[test]
    fn coarser_windows_are_compared_by_what_all_have_kept() {
        let now = evidence("GET /: web>cart>store x2\nGET /: web>cart+store x2");
        let mut past = now.clone();
        assert_eq!(align(&now, std::slice::from_ref(&past)).cells.len(), 2);
        past.exactness = Exactness::ShapesDropped;
        for class in &mut past.classes {
            class.key.shape = None;
        }
        assert_eq!(
            align(&now, std::slice::from_ref(&past)).cells.len(),
            1,
            "one set of operations"
        );
        past.exactness = Exactness::OperationsDropped;
        assert_eq!(align(&now, std::slice::from_ref(&past)).cells.len(), 1);
    }
}
