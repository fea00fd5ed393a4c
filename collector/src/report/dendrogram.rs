//! The dendrogram: which components are how close to the failures.

use std::collections::BTreeSet;

use maud::{Markup, html};
use resus_model::{Component, Dendrogram};

use super::figures::count;
use super::svg::percentage;
use super::text::{clean, shorten, width};

/// Pixels from one leaf to the next.
const ROW: usize = 26;
/// Columns for the names beside a row.
const LABEL: usize = 44;
/// So many rows are drawn; clusters far from the failures are drawn as one when there are more.
const ROWS: usize = 36;

/// The picture, or nothing where the clustering does not hold together.
pub(super) fn dendrogram(
    dendrogram: &Dendrogram,
    suspects: &BTreeSet<&Component>,
) -> Option<Markup> {
    let tree = Tree::of(dendrogram)?;
    let top = tree.top();
    let beyond = tree.components(tree.root()).len() - tree.components(top).len();
    let mut drawing =
        Drawing { tree: &tree, open: tree.opened(top), rows: Vec::new(), lines: Vec::new() };
    drawing.place(top);
    let height = drawing.rows.len() * ROW;
    let cut = percentage(dendrogram.cut / tree.scale);
    let Drawing { rows, lines, .. } = drawing;
    Some(html! {
        div.dendrogram {
            ol.leaves {
                @for &node in &rows {
                    @let leaf = Leaf::of(&tree, node, suspects);
                    li.hot[leaf.hot].failure[leaf.failure] title=(clean(&leaf.whole)) { bdi { (leaf.text) } }
                }
            }
            svg.clusters height=(height + 22) role="img"
                aria-label="dendrogram of components by how alike their presence is to the failures" {
                @for line in &lines {
                    line.hot[line.hot].wedge[line.wedge]
                        x1=(percentage(line.from.0 / tree.scale)) y1=(line.from.1)
                        x2=(percentage(line.to.0 / tree.scale)) y2=(line.to.1) {}
                }
                line.cut x1=(cut) x2=(cut) y1="0" y2=(height + 4) {}
                text.cut x=(cut) y=(height + 18) text-anchor="middle" { "cut " (format!("{:.2}", dendrogram.cut)) }
                // The ends of the scale give way to the cut's label.
                @if dendrogram.cut > 0.15 * tree.scale {
                    text x="0%" y=(height + 18) text-anchor="start" { "0" }
                }
                @if dendrogram.cut < 0.85 * tree.scale {
                    text x="100%" y=(height + 18) text-anchor="end" { (format!("{:.0}", tree.scale)) }
                }
            }
        }
        @if beyond > 0 {
            p.note { "and " (count(beyond as u64)) " more, which join farther right" }
        }
    })
}

/// A dendrogram whose numbers were checked. Nodes are numbered as scipy does.
struct Tree<'a> {
    leaves: &'a [Vec<Component>],
    /// Children and distance of node `leaves.len() + i`.
    merges: Vec<(usize, usize, f64)>,
    /// Whether the failure vector is at or below a node.
    failing: Vec<bool>,
    /// The topmost node of the failures' cluster.
    cluster: usize,
    /// The distance at the right edge.
    scale: f64,
}

impl<'a> Tree<'a> {
    fn of(dendrogram: &'a Dendrogram) -> Option<Self> {
        let Dendrogram { linkage: _, cut, leaves, merges } = dendrogram;
        let n = leaves.len();
        if n < 2 || merges.len() != n - 1 {
            return None;
        }
        let mut failing: Vec<bool> = leaves.iter().map(Vec::is_empty).collect();
        let mut cluster = failing.iter().position(|&f| f)?;
        let mut parts = Vec::with_capacity(merges.len());
        let mut scale = cut.max(1.0);
        let mut used = BTreeSet::new();
        for (i, merge) in merges.iter().enumerate() {
            let (left, right) = (merge.left as usize, merge.right as usize);
            if left.max(right) >= n + i || !used.insert(left) || !used.insert(right) {
                return None;
            }
            let here = failing[left] || failing[right];
            failing.push(here);
            if here && merge.distance <= *cut {
                cluster = n + i;
            }
            scale = scale.max(merge.distance);
            parts.push((left, right, merge.distance));
        }
        (scale.is_finite()).then_some(Self { leaves, merges: parts, failing, cluster, scale })
    }

    fn root(&self) -> usize {
        self.leaves.len() + self.merges.len() - 1
    }

    fn parts(&self, node: usize) -> Option<(usize, usize)> {
        let (left, right, _) = *self.merges.get(node.checked_sub(self.leaves.len())?)?;
        // The failures stand on top.
        Some(if self.failing[right] { (right, left) } else { (left, right) })
    }

    fn distance(&self, node: usize) -> f64 {
        node.checked_sub(self.leaves.len()).map_or(0.0, |i| self.merges[i].2)
    }

    /// The topmost node that is drawn: what joins the failures one by one, as far as it fits.
    fn top(&self) -> usize {
        let mut above = (0..=self.root()).filter(|&node| self.failing[node]);
        above.clone().nth(ROWS - 1).or_else(|| above.next_back()).unwrap_or_else(|| self.root())
    }

    /// Nodes that are drawn with their parts: those towards the failures first, then the loosest,
    /// until the picture is full.
    fn opened(&self, top: usize) -> BTreeSet<usize> {
        let mut open = BTreeSet::new();
        let mut edge = vec![top];
        while edge.len() < ROWS {
            let order = |&a: &usize, &b: &usize| {
                (self.failing[a].cmp(&self.failing[b]))
                    .then(self.distance(a).total_cmp(&self.distance(b)))
                    .then(b.cmp(&a))
            };
            let next = edge
                .iter()
                .copied()
                .filter(|&n| self.parts(n).is_some())
                .max_by(|a, b| order(a, b));
            let Some(next) = next else { break };
            let Some((first, second)) = self.parts(next) else { break };
            edge.retain(|&n| n != next);
            edge.extend([first, second]);
            open.insert(next);
        }
        open
    }

    fn components(&self, node: usize) -> Vec<&'a Component> {
        let mut found = Vec::new();
        let mut todo = vec![node];
        while let Some(node) = todo.pop() {
            match self.parts(node) {
                Some((first, second)) => todo.extend([second, first]),
                None => found.extend(&self.leaves[node]),
            }
        }
        found
    }
}

/// A line: distance and pixels from the top.
struct Line {
    from: (f64, usize),
    to: (f64, usize),
    hot: bool,
    wedge: bool,
}

struct Drawing<'a> {
    tree: &'a Tree<'a>,
    open: BTreeSet<usize>,
    rows: Vec<usize>,
    lines: Vec<Line>,
}

impl Drawing<'_> {
    /// Places a node and what is below it; returns its pixels from the top.
    fn place(&mut self, node: usize) -> usize {
        let parts = self.open.contains(&node).then(|| self.tree.parts(node)).flatten();
        let Some((first, second)) = parts else {
            let y = self.rows.len() * ROW + ROW / 2;
            self.rows.push(node);
            let x = self.tree.distance(node);
            if x > 0.0 {
                self.lines.push(Line { from: (0.0, y), to: (x, y), hot: false, wedge: true });
            }
            return y;
        };
        let hot = self.tree.failing[node]
            && self.tree.distance(node) <= self.tree.distance(self.tree.cluster)
            && node <= self.tree.cluster;
        let x = self.tree.distance(node);
        let ends = [first, second].map(|part| {
            let y = self.place(part);
            let from = self.tree.distance(part);
            self.lines.push(Line { from: (from, y), to: (x, y), hot, wedge: false });
            y
        });
        self.lines.push(Line { from: (x, ends[0]), to: (x, ends[1]), hot, wedge: false });
        ends[0].midpoint(ends[1])
    }
}

/// What stands beside a row.
struct Leaf {
    text: String,
    whole: String,
    hot: bool,
    failure: bool,
}

impl Leaf {
    fn of(tree: &Tree<'_>, node: usize, suspects: &BTreeSet<&Component>) -> Self {
        let components = tree.components(node);
        let failure = tree.failing[node];
        let hot = components.iter().any(|c| suspects.contains(c));
        let names: Vec<String> = components.iter().map(ToString::to_string).collect();
        let whole = if failure { "the failures".to_owned() } else { names.join(", ") };
        let text = match names.as_slice() {
            [] => "the failures".to_owned(),
            [one] => shorten(one, LABEL),
            all if all.iter().map(|n| width(n) + 2).sum::<usize>() <= LABEL => all.join(", "),
            [first, more @ ..] => format!("{} +{}", shorten(first, LABEL - 6), more.len()),
        };
        Self { text, whole: shorten(&whole, 600), hot, failure }
    }
}

#[cfg(test)]
mod tests {
    use resus_model::Merge;

    use super::*;
    use crate::report::samples::service;

    /// A failure vector and `n` services that join it one by one.
    fn chain(n: u32) -> Dendrogram {
        let leaf = |i: u32| if i == 0 { vec![] } else { vec![service(&format!("s{i}"))] };
        let merge = |i: u32| Merge {
            left: if i == 0 { 0 } else { i + 1 },
            right: if i == 0 { 1 } else { n + i },
            distance: f64::from(i + 1) / f64::from(n + 1),
            size: i + 2,
        };
        Dendrogram {
            linkage: "average",
            cut: 0.5,
            leaves: (0..=n).map(leaf).collect(),
            merges: (0..n).map(merge).collect(),
        }
    }

    #[test]
    fn a_large_clustering_is_drawn_near_the_failures_and_summed_up_elsewhere() {
        let clusters = chain(500);
        let page =
            dendrogram(&clusters, &BTreeSet::new()).expect("it holds together").into_string();
        assert_eq!(page.matches("</li>").count(), ROWS);
        assert!(page.contains("s35<") && !page.contains("s36<"));
        assert!(page.contains("465 more"), "what is left out is counted");
    }

    #[test]
    fn the_failures_stand_on_top_and_their_cluster_is_hot_up_to_the_cut() {
        let clusters = chain(3);
        let suspect = service("s1");
        let page = dendrogram(&clusters, &BTreeSet::from([&suspect]))
            .expect("it holds together")
            .into_string();
        let first = page.find("the failures").expect("the failures are named");
        assert!(first < page.find("s1").expect("s1") && page.find("s1") < page.find("s3"));
        // Distances are 1/4, 1/2 and 3/4: two merges of three lines each lie within the cut.
        assert_eq!(page.matches("<line class=\"hot\"").count(), 6);
    }

    #[test]
    fn numbers_that_do_not_hold_together_are_not_drawn() {
        let whole = chain(4);
        let draw = |d: &Dendrogram| dendrogram(d, &BTreeSet::new()).is_some();
        assert!(draw(&whole));
        let mut short = whole.clone();
        short.merges.pop();
        let mut forward = whole.clone();
        forward.merges[0].right = 6;
        let mut twice = whole.clone();
        twice.merges[1].left = 0;
        let mut without = whole;
        without.leaves[0].push(service("x"));
        for broken in [short, forward, twice, without, Dendrogram::default()] {
            assert!(!draw(&broken));
        }
    }
}
