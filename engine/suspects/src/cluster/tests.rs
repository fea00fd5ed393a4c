use proptest::prelude::*;

use super::*;

/// Tables clustered by scipy; how is said in the header of the file.
const CASES: &str = include_str!("scipy_cases.txt");

/// One recorded case.
struct Case {
    rows: Vec<RowCount>,
    leaves: Vec<Vec<u32>>,
    linkage: Linkage,
    merges: Vec<(u32, u32, f64, u32)>,
    cophenetic: Vec<f64>,
    cuts: Vec<(f64, Vec<usize>)>,
}

fn cases() -> Vec<Case> {
    let mut cases: Vec<Case> = Vec::new();
    for line in CASES.lines().filter(|l| !l.starts_with('#') && !l.is_empty()) {
        let mut words = line.split_whitespace();
        let what = words.next().expect("lines are not empty");
        let words: Vec<&str> = words.collect();
        if what == "case" {
            cases.push(Case {
                rows: Vec::new(),
                leaves: Vec::new(),
                linkage: words[0].parse().expect("a linkage"),
                merges: Vec::new(),
                cophenetic: Vec::new(),
                cuts: Vec::new(),
            });
            continue;
        }
        let case = cases.last_mut().expect("a case comes first");
        let number = |i: usize| words[i].parse::<u32>().expect("a number");
        let real = |i: usize| words[i].parse::<f64>().expect("a number");
        match what {
            "row" => {
                case.rows
                    .push(RowCount { failed: u64::from(number(0)), passed: u64::from(number(1)) });
                for i in 2..words.len() {
                    let leaf = number(i) as usize;
                    case.leaves.resize(case.leaves.len().max(leaf + 1), Vec::new());
                    case.leaves[leaf].push(u32::try_from(case.rows.len() - 1).expect("small"));
                }
            }
            "merge" => case.merges.push((number(0), number(1), real(2), number(3))),
            "cophenetic" => case.cophenetic = (0..words.len()).map(real).collect(),
            "cut" => {
                let inside = (1..words.len()).map(|i| number(i) as usize).collect();
                case.cuts.push((real(0), inside));
            }
            other => panic!("unknown line {other}"),
        }
    }
    cases
}

#[test]
fn trees_cuts_and_cophenetic_distances_are_those_of_scipy() {
    let cases = cases();
    assert!(cases.len() >= 30, "only {} cases were read", cases.len());
    for (c, case) in cases.iter().enumerate() {
        let leaves: Vec<&[u32]> = case.leaves.iter().map(Vec::as_slice).collect();
        let got = cluster(&leaves, &case.rows, case.linkage);
        assert_eq!(got.merges.len(), case.merges.len(), "case {c}");
        for (got, &(left, right, distance, size)) in got.merges.iter().zip(&case.merges) {
            assert_eq!((got.left, got.right, got.size), (left, right, size), "case {c}");
            assert!((got.distance - distance).abs() < 1e-9, "case {c}: {got:?} at {distance}");
        }
        for (got, expect) in got.distances.iter().zip(&case.cophenetic) {
            assert!((got - expect).abs() < 1e-9, "case {c}");
        }
        for (cut, inside) in &case.cuts {
            let got: Vec<usize> = (0..leaves.len()).filter(|&i| got.distances[i] <= *cut).collect();
            assert_eq!(&got, inside, "case {c} cut at {cut}");
        }
    }
}

#[test]
fn names_read_back_and_others_are_refused() {
    for linkage in Linkage::ALL {
        assert_eq!(linkage.name().parse(), Ok(linkage));
    }
    assert!("upgma".parse::<Linkage>().is_err());
}

#[test]
fn no_leaf_at_all_is_a_tree_of_the_failure_vector() {
    let got = cluster(&[], &[RowCount { failed: 3, passed: 1 }], Linkage::Average);
    assert!(got.merges.is_empty() && got.distances.is_empty());
}

type Rows = Vec<(u64, u64, Vec<usize>)>;

/// Distance of two sets of requests, counted one request at a time.
fn brute(
    rows: &Rows,
    a: impl Fn(&[usize], bool) -> bool,
    b: impl Fn(&[usize], bool) -> bool,
) -> f64 {
    let (mut both, mut either) = (0_u64, 0_u64);
    for (failed, passed, leaves) in rows {
        for (n, fails) in [(*failed, true), (*passed, false)] {
            for _ in 0..n {
                let (a, b) = (a(leaves, fails), b(leaves, fails));
                both += u64::from(a && b);
                either += u64::from(a || b);
            }
        }
    }
    if either == 0 { 0.0 } else { 1.0 - real(both) / real(either) }
}

proptest! {
    #[test]
    fn distances_are_those_of_counting_requests(
        rows in prop::collection::vec(
            (0_u64..5, 0_u64..5, prop::collection::btree_set(0_usize..7, 0..7)
                .prop_map(|s| s.into_iter().collect::<Vec<_>>())),
            1..20,
        ),
    ) {
        let counts: Vec<RowCount> =
            rows.iter().map(|&(failed, passed, _)| RowCount { failed, passed }).collect();
        let leaves: Vec<Vec<u32>> = (0..7)
            .map(|leaf| (0..).zip(&rows).filter(|(_, r)| r.2.contains(&leaf)).map(|(i, _)| i).collect())
            .collect();
        let leaves: Vec<&[u32]> = leaves.iter().map(Vec::as_slice).collect();
        let matrix = jaccard_distances(&leaves, &counts);
        let mut at = 0;
        for a in 0..8_usize {
            for b in a + 1..8 {
                let has = |leaf: usize| move |leaves: &[usize], fails: bool| {
                    if leaf == 0 { fails } else { leaves.contains(&(leaf - 1)) }
                };
                let expect = brute(&rows, has(a), has(b));
                prop_assert!((matrix[at] - expect).abs() < 1e-12, "{} {}", a, b);
                at += 1;
            }
        }
        // Single linkage is the minimax path: never above the direct distance.
        let single = cluster(&leaves, &counts, Linkage::Single);
        for (i, d) in single.distances.iter().enumerate() {
            prop_assert!(*d <= matrix[i] + 1e-12);
        }
    }
}
