//! Which components are near the failures? Agglomerative clustering as in Pinpoint (DSN 2002).
//!
//! Every component is a vector over requests (took part or not), and so is failure. The distance of
//! two is Jaccard's, `1 - |both| / |either|` in requests. Clusters are joined nearest first; what
//! lies in the failure vector's cluster when the tree is cut at a distance is suspect.
//!
//! Components with one and the same vector are one leaf. Leaf 0 is the failure vector, the others
//! follow ascending by their first component, so equal distances are always resolved alike, whatever
//! the order of the input. The distance at which a leaf joins the failure vector's cluster (its
//! cophenetic distance to it) decides: a cut at `t` takes in exactly the leaves with at most `t`.
//!
//! Distances come from path classes, never from requests: classes with the same leaves are one row
//! with a count, and a row costs the square of its leaves. Memory is 8 bytes a pair of leaves.

use std::fmt;
use std::str::FromStr;

use kodama::Method;
use resus_model::Merge;

use crate::coefficient::real;

/// How the distance of two clusters follows from those of their members.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Linkage {
    /// The mean over all pairs (UPGMA; Sokal and Michener 1958), Pinpoint's own.
    Average,
    /// The nearest pair.
    Single,
    /// The farthest pair.
    Complete,
}

/// No linkage has this name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("read linkage `{0}`: expected one of average, single, complete")]
pub struct UnknownLinkage(pub String);

impl Linkage {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Average, Self::Single, Self::Complete];

    /// Its name, as in configuration and reports.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Average => "average",
            Self::Single => "single",
            Self::Complete => "complete",
        }
    }

    const fn method(self) -> Method {
        match self {
            Self::Average => Method::Average,
            Self::Single => Method::Single,
            Self::Complete => Method::Complete,
        }
    }
}

impl fmt::Display for Linkage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for Linkage {
    type Err = UnknownLinkage;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|l| l.name() == text)
            .ok_or_else(|| UnknownLinkage(text.to_owned()))
    }
}

/// Failed and passed requests of one row of the table.
#[derive(Debug, Clone, Copy)]
pub(crate) struct RowCount {
    pub failed: u64,
    pub passed: u64,
}

/// A clustering of leaves with the failure vector.
pub(crate) struct Clustered {
    /// Merges, nearest first; leaf 0 is the failure vector, leaf `i + 1` the `i`-th given.
    pub merges: Vec<Merge>,
    /// Cophenetic distance of each given leaf to the failure vector.
    pub distances: Vec<f64>,
}

/// Clusters leaves, each given by the rows (ascending) in which it occurs, with the failure vector.
pub(crate) fn cluster(leaves: &[&[u32]], rows: &[RowCount], linkage: Linkage) -> Clustered {
    let n = leaves.len() + 1;
    let mut distances = jaccard_distances(leaves, rows);
    let steps = kodama::linkage(&mut distances, n, linkage.method());
    let number = |i: usize| u32::try_from(i).expect("fewer than 2^31 leaves");
    let merges: Vec<Merge> = steps
        .steps()
        .iter()
        .map(|s| Merge {
            left: number(s.cluster1.min(s.cluster2)),
            right: number(s.cluster1.max(s.cluster2)),
            distance: s.dissimilarity,
            size: number(s.size),
        })
        .collect();
    let distances = distances_to_first(&merges, n);
    Clustered { merges, distances }
}

/// Condensed matrix (upper triangle, row by row) of the failure vector and all leaves.
fn jaccard_distances(leaves: &[&[u32]], rows: &[RowCount]) -> Vec<f64> {
    let n = leaves.len() + 1;
    // Row by row: its leaves, ascending.
    let mut members: Vec<Vec<u32>> = vec![Vec::new(); rows.len()];
    for (leaf, in_rows) in (0_u32..).zip(leaves) {
        for &r in *in_rows {
            members[r as usize].push(leaf);
        }
    }
    let mut by_members: Vec<(&[u32], u64)> =
        members.iter().zip(rows).map(|(m, r)| (m.as_slice(), r.failed + r.passed)).collect();
    by_members.sort_unstable();
    by_members.dedup_by(|later, kept| {
        let same = later.0 == kept.0;
        if same {
            kept.1 += later.1;
        }
        same
    });

    // Whole numbers of requests are exact in f64, so sums do not depend on their order; the matrix
    // of counts becomes the matrix of distances in place.
    let before = |i: usize| i * (2 * n - i - 1) / 2;
    let mut matrix = vec![0.0; n * (n - 1) / 2];
    for (members, count) in by_members {
        for (at, &a) in members.iter().enumerate() {
            let a = a as usize + 1;
            let line = &mut matrix[before(a)..before(a) + n - 1 - a];
            for &b in &members[at + 1..] {
                line[b as usize - a] += real(count);
            }
        }
    }
    let mut sizes = vec![real(rows.iter().map(|r| r.failed).sum())];
    for (i, in_rows) in leaves.iter().enumerate() {
        let own = || in_rows.iter().map(|&r| rows[r as usize]);
        let failed: u64 = own().map(|r| r.failed).sum();
        let passed: u64 = own().map(|r| r.passed).sum();
        sizes.push(real(failed + passed));
        matrix[i] = real(failed);
    }
    for a in 0..n {
        for b in a + 1..n {
            let cell = &mut matrix[before(a) + b - a - 1];
            let either = sizes[a] + sizes[b] - *cell;
            *cell = if either == 0.0 { 0.0 } else { (either - *cell) / either };
        }
    }
    matrix
}

/// The distance at which each leaf but the first joins the cluster of the first.
fn distances_to_first(merges: &[Merge], n: usize) -> Vec<f64> {
    let mut distances = vec![0.0; n];
    let mut with_first = 0;
    for (merge, number) in merges.iter().zip(n..) {
        let (left, right) = (merge.left as usize, merge.right as usize);
        let joining = if left == with_first {
            right
        } else if right == with_first {
            left
        } else {
            continue;
        };
        let mut stack = vec![joining];
        while let Some(node) = stack.pop() {
            if node < n {
                distances[node] = merge.distance;
            } else {
                let inner = merges[node - n];
                stack.extend([inner.left as usize, inner.right as usize]);
            }
        }
        with_first = number;
    }
    distances.split_off(1)
}

#[cfg(test)]
mod tests;
