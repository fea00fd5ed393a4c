//! What is shown, as a whole: snapshots, widths, escapes, the form's schema.

use std::fmt::Write as _;
use std::path::Path;

use proptest::prelude::*;
use resus_model::{Component, Verdict};

use super::samples::{self, Sample};
use super::{Colour, html, json, schema, table};

fn text(sample: &Sample) -> String {
    table(&sample.analysis(), Colour::Never)
}

#[test]
fn suspects_in_a_terminal() {
    insta::assert_snapshot!(text(&samples::suspects()));
}

#[test]
fn one_instance_in_a_terminal() {
    insta::assert_snapshot!(text(&samples::instances()));
}

#[test]
fn healthy_in_a_terminal() {
    insta::assert_snapshot!(text(&samples::healthy()));
}

#[test]
fn no_verdict_in_a_terminal() {
    insta::assert_snapshot!(text(&samples::no_verdict()));
}

#[test]
fn all_kinds_of_evidence_in_a_terminal() {
    insta::assert_snapshot!(text(&samples::evidence()));
}

#[test]
fn all_kinds_of_evidence_as_json() {
    insta::assert_snapshot!(json(&samples::evidence().analysis()));
}

#[test]
fn suspects_as_json() {
    insta::assert_snapshot!(json(&samples::suspects().analysis()));
}

#[test]
fn no_verdict_as_json() {
    insta::assert_snapshot!(json(&samples::no_verdict().analysis()));
}

#[test]
fn colour_changes_no_text() {
    for sample in all() {
        let painted = table(&sample.analysis(), Colour::Always);
        assert!(painted.contains("\u{1b}["));
        let mut bare = String::new();
        for (i, piece) in painted.split('\u{1b}').enumerate() {
            bare.push_str(if i == 0 { piece } else { piece.split_once('m').expect("SGR").1 });
        }
        let plain: Vec<_> = bare.lines().map(str::trim_end).collect();
        let text = text(&sample);
        assert_eq!(plain, text.lines().collect::<Vec<_>>());
    }
}

fn all() -> [Sample; 5] {
    [
        samples::suspects(),
        samples::evidence(),
        samples::instances(),
        samples::healthy(),
        samples::no_verdict(),
    ]
}

/// Gives every name in a sample to whoever sends spans.
fn rename(sample: &mut Sample, name: &str) {
    let evil = |component: &mut Component| {
        component.service.push_str(name);
        if let Some(text) = component.operation.as_mut().or(component.instance.as_mut()) {
            text.push_str(name);
        }
    };
    let diagnosis = &mut sample.diagnosis;
    if let Verdict::Suspects(suspects) = &mut diagnosis.verdict {
        for suspect in suspects {
            evil(&mut suspect.candidate.component);
            suspect.candidate.findings.iter_mut().for_each(|f| f.subject.push_str(name));
            for request in suspect.failing.iter_mut().chain(&mut suspect.nearest_passing) {
                for (service, operation) in &mut request.operations {
                    service.push_str(name);
                    operation.push_str(name);
                }
                for instance in &mut request.instances {
                    instance.push_str(name);
                }
            }
            suspect.signature.origin.push_str(name);
        }
    }
    diagnosis.considered.iter_mut().for_each(|c| {
        evil(&mut c.component);
        c.rejected.push_str(name);
    });
    diagnosis.entries.iter_mut().for_each(|e| evil(&mut e.entry));
    diagnosis.on_every_path.iter_mut().for_each(evil);
    if let Some(dendrogram) = &mut diagnosis.dendrogram {
        dendrogram.leaves.iter_mut().flatten().for_each(evil);
    }
    for obstacle in &mut diagnosis.obstacles {
        obstacle.sentence.push_str(name);
    }
    diagnosis.notes.push(name.to_owned());
    for (_, example) in sample.quality.skipped.values_mut() {
        example.push_str(name);
    }
    sample.quality.lenient.insert(name.to_owned(), 1);
}

#[test]
fn a_page_runs_and_fetches_nothing() {
    for mut sample in all() {
        rename(
            &mut sample,
            "<script>alert(1)</script>\"'><img src=x onerror=alert(2)>&amp;\u{202e}",
        );
        let page = html(&sample.analysis());
        for no in ["<script", "<img", "http://", "https://", "url(", "@import", "<link", "<iframe"]
        {
            assert!(!page.contains(no), "{no} in the page");
        }
        for no in [" src=\"", " href=", " onerror=\"", "\u{202e}"] {
            assert!(!page.contains(no), "{no} in the page");
        }
        assert!(page.contains("&lt;script&gt;alert(1)&lt;/script&gt;"));
        assert!(page.contains("default-src 'none'"));
    }
}

#[test]
fn a_page_is_the_same_each_time_and_says_what_the_table_says() {
    let sample = samples::suspects();
    let page = html(&sample.analysis());
    assert_eq!(page, html(&samples::suspects().analysis()));
    for words in ["cannot be told apart", "next rung", "error began here", "step 2", "cut 0.50"] {
        assert!(page.contains(words), "{words}");
    }
}

#[test]
fn a_page_draws_every_kind_of_evidence() {
    let page = html(&samples::evidence().analysis());
    for words in [
        "A restart will not help",
        "follows a version",
        "Time that it takes itself",
        "class=\"histograms\"",
        "Calls a span",
        "Spans with error events",
        "cause </span>&gt;99%",
        "One now, beside one of healthy windows",
    ] {
        assert!(page.contains(words), "{words}");
    }
    assert!(!page.contains("One that failed"), "nothing failed");
}

#[test]
fn no_number_in_the_json_is_beyond_json() {
    let mut sample = samples::suspects();
    if let Verdict::Suspects(suspects) = &mut sample.diagnosis.verdict {
        suspects[0].candidate.score = f64::INFINITY;
        suspects[1].candidate.score = f64::NAN;
    }
    sample.diagnosis.considered[0].presence.distance = Some(f64::NEG_INFINITY);
    let value: serde_json::Value =
        serde_json::from_str(&json(&sample.analysis())).expect("a JSON text");
    assert_eq!(value["suspects"][0]["score"], serde_json::json!(f64::MAX));
    assert_eq!(value["suspects"][1]["score"], serde_json::json!(0.0));
    assert_eq!(value["considered"][0]["distance"], serde_json::json!(f64::MIN));
}

#[test]
fn quality_stands_last_in_the_json() {
    let text = json(&samples::healthy().analysis());
    let (head, tail) = text.split_once("\n  \"quality\": {").expect("quality is there");
    assert!(head.starts_with("{\n  \"format\": \"resus.analysis/1\""));
    assert!(!tail.contains("\n  \""), "nothing at top level follows it");
}

#[test]
fn the_schema_is_the_one_in_the_docs() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/schemas/analysis.schema.json");
    let now = schema();
    if std::env::var_os("RESUS_WRITE_SCHEMAS").is_some() {
        std::fs::write(&path, &now).expect("the schema is written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == now,
        "docs/schemas/analysis.schema.json is not what the types say; if the change is meant and \
         compatible, write it anew with: RESUS_WRITE_SCHEMAS=1 cargo test -p resus schema"
    );
}

/// The colours of the page, by scheme: `--name` to relative luminance (WCAG 2.2).
fn luminances(css: &str) -> Vec<Vec<(String, f64)>> {
    let channel = |hex: &str| {
        let c = f64::from(u8::from_str_radix(hex, 16).expect("two hex digits")) / 255.0;
        if c <= 0.04045 { c / 12.92 } else { ((c + 0.055) / 1.055).powf(2.4) }
    };
    css.split(":root {")
        .skip(1)
        .map(|block| {
            let block = block.split('}').next().expect("a block ends");
            let declarations = block.split(';').filter_map(|d| d.trim().split_once(": #"));
            declarations
                .map(|(name, hex)| {
                    let [r, g, b] = [&hex[..2], &hex[2..4], &hex[4..6]].map(channel);
                    (name.to_owned(), 0.2126 * r + 0.7152 * g + 0.0722 * b)
                })
                .collect()
        })
        .collect()
}

#[test]
fn texts_stand_out_from_what_is_behind_them() {
    let schemes = luminances(include_str!("page.css"));
    assert_eq!(schemes.len(), 2, "light and dark");
    for scheme in schemes {
        let of = |name: &str| scheme.iter().find(|(n, _)| n == name).expect("a colour").1;
        let contrast = |a: &str, b: &str| {
            let (a, b) = (of(a), of(b));
            (a.max(b) + 0.05) / (a.min(b) + 0.05)
        };
        let mut low = String::new();
        let texts = [
            ("--ink", ["--ground", "--panel", "--hot-wash", "--cool-wash"].as_slice()),
            ("--soft", &["--ground", "--panel", "--hot-wash", "--cool-wash"]),
            ("--hot-ink", &["--panel", "--hot-wash"]),
            ("--cool-ink", &["--panel", "--cool-wash"]),
        ];
        for (ink, grounds) in texts {
            for ground in grounds {
                if contrast(ink, ground) < 4.5 {
                    let _ = writeln!(low, "{ink} on {ground}: {:.2}", contrast(ink, ground));
                }
            }
        }
        for shape in ["--hot", "--cool", "--idle"] {
            if contrast(shape, "--panel") < 3.0 {
                let _ = writeln!(low, "{shape} on --panel: {:.2}", contrast(shape, "--panel"));
            }
        }
        assert!(low.is_empty(), "{low}");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_line_is_wider_than_a_terminal(name in ".{0,90}", counts in any::<[u64; 4]>(), score in any::<f64>()) {
        for mut sample in all() {
            rename(&mut sample, &name);
            if let Verdict::Suspects(suspects) = &mut sample.diagnosis.verdict {
                let candidate = &mut suspects[0].candidate;
                let [a, b, c, d] = counts.map(|n| n / 4);
                candidate.score = score;
                candidate.presence.counts = resus_model::Counts {
                    failed_with: a, failed_without: b, passed_with: c, passed_without: d,
                };
            }
            for line in text(&sample).lines() {
                prop_assert!(super::text::width(line) <= 80, "{}: {line:?}", super::text::width(line));
                prop_assert!(!line.chars().any(char::is_control), "{line:?}");
            }
        }
    }

    #[test]
    fn whatever_the_names_a_page_and_json_are_made(name in "\\PC{0,40}") {
        let mut sample = samples::suspects();
        rename(&mut sample, &name);
        prop_assert!(html(&sample.analysis()).ends_with("</html>"));
        prop_assert!(serde_json::from_str::<serde_json::Value>(&json(&sample.analysis())).is_ok());
    }
}
