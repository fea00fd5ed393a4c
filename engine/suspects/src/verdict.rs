//! Which candidates are suspects, in which order, and why are the others not?

use resus_model::{Candidate, ClosestPart, Component, Counts, Dendrogram, Presence, WhyNoVerdict};

use crate::Config;
use crate::cluster::{Clustered, RowCount, cluster};
use crate::coefficient::{ratio, real};
use crate::label::Split;
use crate::presence::{Column, Counted};
use crate::statistics::fisher_greater;

/// Most leaves that are clustered. The matrix takes 8 bytes a pair and time grows with the square:
/// 2,000 leaves are 16 MB and a few tens of milliseconds. Of more, those are kept that lie nearest
/// to the failure vector by themselves (ties by text). The others cannot be suspects; that their
/// absence may draw the means of UPGMA a little nearer together is accepted.
const MAX_LEAVES: usize = 2000;

/// Candidates judged one by one, with the tree that judged them.
pub(crate) struct Judged {
    /// Accepted ones with their columns, most suspect first.
    pub suspects: Vec<(Candidate, usize)>,
    /// The others with their columns, most suspect first.
    pub considered: Vec<(Candidate, usize)>,
    /// Components that took part in every request, ascending.
    pub on_every_path: Vec<Component>,
    /// The tree, where the level has one.
    pub dendrogram: Option<Dendrogram>,
    /// Why there are no suspects.
    pub why: Vec<WhyNoVerdict>,
}

/// Judges every component that took part in a failed request.
pub(crate) fn judge(
    columns: &[Column],
    counted: &Counted,
    clustered_level: bool,
    config: &Config,
) -> Judged {
    let total = &counted.total;
    let everywhere = |c: &&Column| c.everywhere(total);
    let on_every_path = columns.iter().filter(everywhere).map(|c| c.component.clone()).collect();
    let leaves = leaves(columns, total);
    let (distances, dendrogram) = if clustered_level {
        let (distances, dendrogram) = grow(columns, &leaves, counted, config);
        (distances, Some(dendrogram))
    } else {
        (leaves.iter().map(|l| Some(direct_distance(&columns[l[0]].counts(total)))).collect(), None)
    };

    let mut ranked: Vec<(Candidate, usize)> = Vec::new();
    for ((leaf, distance), group) in leaves.iter().zip(distances).zip(0..) {
        for &c in leaf {
            if columns[c].with.failed.n > 0 {
                ranked.push((candidate(&columns[c], total, distance, group, config), c));
            }
        }
    }
    regroup(&mut ranked);
    ranked.sort_by(|(a, _), (b, _)| {
        b.score.total_cmp(&a.score).then_with(|| a.component.cmp(&b.component))
    });
    let why = reject(&mut ranked, total, config);
    let (mut suspects, considered): (Vec<_>, Vec<_>) =
        ranked.into_iter().partition(|(c, _)| c.rejected.is_empty());
    if !why.is_empty() {
        suspects.clear();
    }
    Judged { suspects, considered, on_every_path, dendrogram, why }
}

/// Members of a leaf whose parts tell them apart are separable: they get groups of their own.
fn regroup(ranked: &mut [(Candidate, usize)]) {
    ranked.sort_by(|(a, _), (b, _)| {
        let by_group = a.group.cmp(&b.group).then(b.score.total_cmp(&a.score));
        by_group.then_with(|| a.component.cmp(&b.component))
    });
    let mut last: Option<(u32, f64)> = None;
    let mut next = 0;
    for (candidate, _) in ranked {
        let this = (candidate.group, candidate.score);
        if last.is_some_and(|l| l.0 != this.0 || l.1.total_cmp(&this.1).is_ne()) {
            next += 1;
        }
        last = Some(this);
        candidate.group = next;
    }
}

/// Columns that are not everywhere, those with one and the same presence together; ascending by
/// their first component.
fn leaves(columns: &[Column], total: &Split) -> Vec<Vec<usize>> {
    let mut order: Vec<usize> =
        (0..columns.len()).filter(|&c| !columns[c].everywhere(total)).collect();
    order.sort_by(|&a, &b| columns[a].rows.cmp(&columns[b].rows).then(a.cmp(&b)));
    let mut leaves: Vec<Vec<usize>> = Vec::new();
    for c in order {
        let same = |leaf: &&mut Vec<usize>| {
            let other = &columns[leaf[0]];
            columns[c].whole && other.whole && columns[c].rows == other.rows
        };
        match leaves.last_mut().filter(same) {
            Some(leaf) => leaf.push(c),
            None => leaves.push(vec![c]),
        }
    }
    leaves.sort_unstable_by_key(|leaf| leaf[0]);
    leaves
}

/// Clusters leaves: the cophenetic distance of each to the failure vector (`None` where it was not
/// clustered) and the tree.
fn grow(
    columns: &[Column],
    leaves: &[Vec<usize>],
    counted: &Counted,
    config: &Config,
) -> (Vec<Option<f64>>, Dendrogram) {
    let total = &counted.total;
    let mut kept: Vec<usize> = (0..leaves.len()).collect();
    if kept.len() > MAX_LEAVES {
        let near = |l: &usize| direct_distance(&columns[leaves[*l][0]].counts(total));
        kept.sort_by(|a, b| near(a).total_cmp(&near(b)).then(a.cmp(b)));
        kept.truncate(MAX_LEAVES);
        kept.sort_unstable();
    }
    let rows: Vec<RowCount> = counted
        .rows
        .iter()
        .map(|r| RowCount { failed: r.split.failed.n, passed: r.split.passed.n })
        .collect();
    let in_rows: Vec<&[u32]> =
        kept.iter().map(|&l| columns[leaves[l][0]].rows.as_slice()).collect();
    let Clustered { merges, distances } = cluster(&in_rows, &rows, config.linkage);
    let mut of_leaf = vec![None; leaves.len()];
    for (&leaf, &distance) in kept.iter().zip(&distances) {
        of_leaf[leaf] = Some(distance);
    }
    even_out(&mut of_leaf, |l| columns[leaves[l][0]].counts(total));
    let names = |leaf: &Vec<usize>| leaf.iter().map(|&c| columns[c].component.clone()).collect();
    let dendrogram = Dendrogram {
        linkage: config.linkage.name(),
        cut: config.cut,
        leaves: std::iter::once(Vec::new())
            .chain(kept.iter().map(|&l| names(&leaves[l])))
            .collect(),
        merges,
    };
    (of_leaf, dendrogram)
}

/// Gives leaves of equal 2×2 tables the smallest of their distances. Failure is equally far from
/// each, so which of them joined it first is an accident of order. (Pinpoint's own code merged all
/// pairs at equal distance in one pass.)
fn even_out(distances: &mut [Option<f64>], counts: impl Fn(usize) -> Counts) {
    let key = |l: usize| {
        let c = counts(l);
        (c.failed_with, c.passed_with)
    };
    let mut order: Vec<((u64, u64), usize)> =
        (0..distances.len()).filter(|&l| distances[l].is_some()).map(|l| (key(l), l)).collect();
    order.sort_unstable();
    for equal in order.chunk_by(|a, b| a.0 == b.0) {
        let nearest = equal.iter().filter_map(|&(_, l)| distances[l]).min_by(f64::total_cmp);
        for &(_, l) in equal {
            distances[l] = nearest;
        }
    }
}

/// Jaccard distance of a component to the failure vector by itself.
fn direct_distance(counts: &Counts) -> f64 {
    1.0 - crate::Coefficient::Jaccard.of(counts)
}

/// The part with the largest coefficient; of equal ones the first.
fn closest(column: &Column, total: &Split, config: &Config) -> Option<ClosestPart> {
    let parts = column.parts.iter().map(|part| (part, part.counts(total)));
    let of = |counts: &Counts| config.coefficient.of(counts);
    let (part, counts) =
        parts.reduce(|best, part| if of(&part.1) > of(&best.1) { part } else { best })?;
    let tables = real(column.parts.len() as u64);
    Some(ClosestPart {
        operation: part.operation.clone(),
        counts,
        effect: effect(&counts),
        p_value: (fisher_greater(&counts) * tables).min(1.0),
    })
}

/// Failing share with a component less that without it.
fn effect(counts: &Counts) -> f64 {
    let Counts { failed_with, failed_without, passed_with, passed_without } = *counts;
    let share = |failed: u64, passed: u64| ratio(real(failed), real(failed + passed));
    share(failed_with, passed_with) - share(failed_without, passed_without)
}

pub(crate) fn candidate(
    column: &Column,
    total: &Split,
    distance: Option<f64>,
    group: u32,
    config: &Config,
) -> Candidate {
    let counts = column.counts(total);
    let closest = closest(column, total, config);
    let of = |counts: &Counts| config.coefficient.of(counts);
    let whole = of(&counts);
    let score = closest.as_ref().map_or(whole, |part| f64::midpoint(whole, of(&part.counts)));
    let by_part = closest.as_ref().map(|part| direct_distance(&part.counts));
    Candidate {
        component: column.component.clone(),
        score,
        group,
        presence: Presence {
            counts,
            weighted: column.weighted(total),
            coefficient: config.coefficient.name(),
            // A component may be near through its part, whatever else it does.
            distance: distance.map(|d| by_part.map_or(d, |part| d.min(part))),
            effect: effect(&counts),
            p_value: fisher_greater(&counts),
            failing_entries: column.failing_entries,
            origins: column.origins,
            closest,
        },
        probability: 0.0,
        findings: Vec::new(),
        rejected: String::new(),
    }
}

/// Effect and p-value of the whole or of its closest part, whichever is the less likely by chance.
fn clearer(presence: &Presence) -> (f64, f64) {
    let whole = (presence.effect, presence.p_value);
    match &presence.closest {
        // Where failures began says nothing about chance: no passing request has an origin.
        Some(part) if part.operation.is_some() && part.p_value < whole.1 => {
            (part.effect, part.p_value)
        }
        _ => whole,
    }
}

/// Writes into every candidate that is no suspect why it is none, and says why none is left.
fn reject(ranked: &mut [(Candidate, usize)], total: &Split, config: &Config) -> Vec<WhyNoVerdict> {
    let mut contrast = false;
    let mut nearest: Option<f64> = None;
    let (mut taken, mut last) = (0, f64::INFINITY);
    for (candidate, _) in ranked.iter_mut() {
        let (effect, p_value) = clearer(&candidate.presence);
        let distance = candidate.presence.distance;
        candidate.rejected = if effect <= 0.0 {
            "requests with it fail no more often than requests without it".to_owned()
        } else if p_value > config.significance {
            let limit = config.significance;
            format!("may be chance: p = {p_value:.2e} is above {limit}")
        } else {
            contrast = true;
            match distance {
                None => format!("not among the {MAX_LEAVES} components nearest to the failures"),
                Some(distance) => {
                    nearest = Some(nearest.map_or(distance, |n| n.min(distance)));
                    if distance > config.cut {
                        format!(
                            "too far from the failures: it joins them at {distance:.3}, \
                             the cut is {}",
                            config.cut
                        )
                    } else if taken >= config.max_suspects && candidate.score < last {
                        format!("less suspect than the {taken} reported")
                    } else {
                        (taken, last) = (taken + 1, candidate.score);
                        String::new()
                    }
                }
            }
        };
    }
    let why = if total.failed.n < config.min_failures {
        WhyNoVerdict::TooFewFailures { have: total.failed.n, need: config.min_failures }
    } else if total.passed.n < config.min_passes {
        WhyNoVerdict::TooFewPasses { have: total.passed.n, need: config.min_passes }
    } else if taken > 0 {
        return Vec::new();
    } else if !contrast {
        WhyNoVerdict::NoContrast
    } else {
        WhyNoVerdict::NothingClose {
            nearest_thousandths: thousandths(nearest.unwrap_or(1.0), f64::ceil),
            cut_thousandths: thousandths(config.cut, f64::floor),
        }
    };
    for (candidate, _) in ranked.iter_mut().filter(|(c, _)| c.rejected.is_empty()) {
        candidate.rejected = match why {
            WhyNoVerdict::TooFewFailures { .. } => "too few requests failed to tell",
            _ => "too few requests passed to compare with",
        }
        .to_owned();
    }
    vec![why]
}

#[expect(clippy::cast_possible_truncation, reason = "0 to 1000")]
#[expect(clippy::cast_sign_loss, reason = "0 to 1000")]
pub(crate) fn thousandths(x: f64, round: fn(f64) -> f64) -> u32 {
    round((x * 1e6).round() / 1e3) as u32
}
