//! Where did the failure of a request begin?
//!
//! Of an error: at the failing spans without a failing child, which the class names. Of a request
//! whose shape healthy requests never showed: at the operations that called a set of children which
//! they never called in healthy requests of the same entry (a production that the baseline's path
//! grammar lacks). A request that is merely slow does not tell.

use std::collections::BTreeSet;

use resus_model::{FailureKind, Shape};

use crate::align::{Aligned, View};
use crate::detect::Detected;
use crate::presence::Row;

/// An entry, an operation, the set of operations it called; all global numbers.
type Production = (u32, u32, Vec<u32>);

/// Tells where failures began.
pub(crate) struct Origins<'a> {
    aligned: &'a Aligned<'a>,
    /// What healthy requests show; `None` where failures are errors.
    healthy: Option<BTreeSet<Production>>,
}

impl<'a> Origins<'a> {
    pub(crate) fn new(aligned: &'a Aligned<'a>, detected: &Detected) -> Self {
        let slow = detected.rule.kind() == FailureKind::SlowOrUnseen;
        let healthy = slow.then(|| {
            let mut seen = BTreeSet::new();
            for view in &aligned.baselines {
                for (class, cell) in view.classes() {
                    let (Some(shape), Some(cell)) = (class.key.shape, cell) else { continue };
                    let entry = aligned.cells[cell as usize].entry;
                    let shape = &view.evidence.shapes[shape as usize];
                    let productions = productions(view, shape);
                    seen.extend(productions.map(|(op, children)| (entry, op, children)));
                }
            }
            seen
        });
        Self { aligned, healthy }
    }

    /// Operations (global numbers, ascending) at which the failures of a row began.
    pub(crate) fn of(&self, row: &Row, unseen: bool) -> Vec<u32> {
        let view = &self.aligned.now;
        let key = &view.evidence.classes[row.class].key;
        let Some(healthy) = &self.healthy else {
            return key.origins.iter().map(|&o| view.operations[o as usize]).collect();
        };
        let Some(shape) = key.shape.filter(|_| unseen) else { return Vec::new() };
        let entry = self.aligned.cells[row.cell as usize].entry;
        let mut new: Vec<u32> = productions(view, &view.evidence.shapes[shape as usize])
            .filter(|(op, children)| !healthy.contains(&(entry, *op, children.clone())))
            .map(|(op, _)| op)
            .collect();
        new.sort_unstable();
        new.dedup();
        new
    }
}

/// Each operation of a shape with the set of operations that it called there.
fn productions<'s>(
    view: &'s View<'_>,
    shape: &'s Shape,
) -> impl Iterator<Item = (u32, Vec<u32>)> + 's {
    let nodes = &shape.0;
    let number = |i: usize| view.operations[nodes[i].operation as usize];
    (0..nodes.len()).map(move |i| {
        let below = nodes[i + 1..].iter().take_while(|n| n.depth > nodes[i].depth);
        let mut children: Vec<u32> = (i + 1..)
            .zip(below)
            .filter(|(_, n)| n.depth == nodes[i].depth + 1)
            .map(|(j, _)| number(j))
            .collect();
        children.sort_unstable();
        children.dedup();
        (number(i), children)
    })
}

#[cfg(test)]
mod tests {
    use crate::notation::evidence;
    use crate::{Config, diagnose};

    #[test]
    fn a_request_of_an_unseen_shape_begins_to_fail_where_its_children_are_new() {
        let healthy = "GET /: web>a>b x400\nGET /: web>c x400";
        let baseline = [evidence(healthy), evidence(healthy)];
        // `a` has stopped calling `b`.
        let now = evidence("GET /: web>a x60\nGET /: web>c x300");
        let diagnosis = diagnose(&now, &baseline, &Config::STANDARD).expect("rules agree");
        let first = &diagnosis.suspects()[0].candidate;
        assert_eq!(first.component.service, "a");
        assert_eq!(first.presence.origins, 60);
    }
}
