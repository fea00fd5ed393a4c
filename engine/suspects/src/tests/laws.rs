//! What holds for any data.

use proptest::prelude::*;

use super::*;

const SERVICES: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

/// Lines of the notation: entry, services used, failed, how many.
fn lines() -> impl Strategy<Value = Vec<String>> {
    let line = (
        0_usize..2,
        prop::collection::btree_set(0_usize..6, 1..5),
        prop::bool::weighted(0.3),
        1_u64..40,
        1_u64..4,
    )
        .prop_map(|(entry, used, failed, n, ms)| {
            let path: Vec<_> = used.iter().map(|&i| SERVICES[i]).collect();
            let fail = if failed { " fail" } else { "" };
            format!("GET /{entry}: web>{} x{n} dur={}ms{fail}", path.join(">"), ms * 10)
        });
    prop::collection::vec(line, 2..20)
}

/// The lines with ids of their own, so that their order says nothing.
fn numbered(lines: &[String]) -> Vec<String> {
    lines.iter().enumerate().map(|(i, l)| format!("{l} id={i}")).collect()
}

fn past() -> Vec<Evidence> {
    vec![evidence("GET /0: web>a>b x200\nGET /0: web>c x200\nGET /1: web>d x300"); 2]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn the_order_in_which_requests_were_seen_says_nothing(lines in lines(), seed in any::<u64>()) {
        let lines = numbered(&lines);
        let mut shuffled = lines.clone();
        let n = shuffled.len() as u64;
        for i in 0..shuffled.len() {
            let j = (seed.rotate_left(u32::try_from(i).unwrap()) % n) as usize;
            shuffled.swap(i, j);
        }
        for level in [Level::Service, Level::Operation] {
            let one = diagnose(&evidence(&lines.join("\n")), &past(), &at(level)).unwrap();
            let two = diagnose(&evidence(&shuffled.join("\n")), &past(), &at(level)).unwrap();
            prop_assert_eq!(one, two);
        }
    }

    #[test]
    fn names_that_nobody_uses_change_nothing(lines in lines()) {
        let now = evidence(&numbered(&lines).join("\n"));
        let mut more = past();
        // Another window whose tables number everything otherwise.
        more.push(evidence("GET /z: aaa>a>zzz x5\nGET /0: web>a>b x5"));
        let mut names = more.clone();
        names[2] = evidence("GET /0: web>a>b x5\nGET /z: zzz>a>aaa x5");
        let one = diagnose(&now, &more, &Config::PINPOINT).unwrap();
        let two = diagnose(&now, &names, &Config::PINPOINT).unwrap();
        prop_assert_eq!(one.verdict, two.verdict);
        prop_assert_eq!(one.considered, two.considered);
    }

    #[test]
    fn answers_are_consistent(lines in lines(), cut in 0.0..=1.0_f64) {
        for linkage in Linkage::ALL {
            let config = Config { cut, linkage, ..Config::PINPOINT };
            let now = evidence(&numbered(&lines).join("\n"));
            let d = diagnose(&now, &past(), &config).unwrap();
            let ranked: Vec<&Candidate> = d.suspects().iter().map(|s| &s.candidate).collect();
            if let Verdict::Suspects(suspects) = &d.verdict {
                prop_assert!(!suspects.is_empty());
                prop_assert!(suspects.iter().all(|s| !s.failing.is_empty()));
            }
            for list in [ranked.clone(), d.considered.iter().collect()] {
                let in_order = list.is_sorted_by(|a, b| {
                    a.score > b.score || a.score == b.score && a.component < b.component
                });
                prop_assert!(in_order);
            }
            for c in ranked {
                prop_assert!(c.rejected.is_empty());
                prop_assert!(c.presence.distance.unwrap() <= cut);
                let part = c.presence.closest.as_ref().map_or(0.0, |part| part.effect);
                prop_assert!(c.presence.effect.max(part) > 0.0);
                prop_assert!(!d.on_every_path.contains(&c.component));
                prop_assert!(d.dependency.contains(&c.component));
            }
            prop_assert!(d.considered.iter().all(|c| !c.rejected.is_empty()));
            if let Some(tree) = &d.dendrogram {
                prop_assert_eq!(tree.merges.len() + 1, tree.leaves.len());
                let rising = tree.merges.is_sorted_by(|a, b| a.distance <= b.distance + 1e-12);
                prop_assert!(rising, "UPGMA, single and complete link are monotone");
            }
        }
    }

    #[test]
    fn healthy_requests_without_a_component_never_make_it_less_suspect(
        lines in lines(), n in 1_u64..500,
    ) {
        // And healthy requests with it never make it more so.
        let now = numbered(&lines).join("\n");
        let score = |d: &Diagnosis| {
            let mut all = d.suspects().iter().map(|s| &s.candidate).chain(&d.considered);
            all.find(|c| c.component.service == "a").map(|c| c.score)
        };
        // Of the coefficients that look at passing requests without a component, a request with it
        // but without its closest part raises that of the part; each by itself keeps the law.
        for coefficient in
            [Coefficient::Jaccard, Coefficient::Ochiai, Coefficient::DStar, Coefficient::Dice]
        {
            let config = Config { coefficient, ..Config::PINPOINT };
            let of = |text: &str| score(&diagnose(&evidence(text), &past(), &config).unwrap());
            let with = of(&format!("{now}\nGET /2: web>a x{n} id=99"));
            let without = of(&format!("{now}\nGET /2: web>q x{n} id=99"));
            if let (Some(here), Some(with)) = (of(&now), with) {
                prop_assert!(with <= here + 1e-12, "{}", coefficient);
            }
            if let (Some(here), Some(without)) = (of(&now), without) {
                prop_assert!(without >= here - 1e-12, "{}", coefficient);
            }
        }
    }
}
