//! The same spans, the same answer: whatever their order, their files, their threads.

use std::path::Path;

use super::spans::{read, write};
use super::{SUSPECTS, Sample, analyze_json, as_words, resus};

#[test]
fn order_files_repeats_and_threads_do_not_matter() {
    let sample = Sample::get();
    let whole = sample.spans();
    let expect = analyze_json(&whole, &[]).code(SUSPECTS).answer();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| folder.path().join(name);

    let batches = read(Path::new(&whole));
    let shuffled = path("shuffled.parquet");
    write(&shuffled, &batches, 1000, |rows| {
        // A fixed shuffle: by a multiplicative hash of the place.
        rows.sort_by_key(|&(b, r)| (b * 1_000_003 + r).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 7);
    });
    let text = shuffled.display().to_string();
    assert_eq!(analyze_json(&text, &[]).answer(), expect, "shuffled, in small row groups");

    let repeated = path("repeated.parquet");
    write(&repeated, &batches, 100_000, |rows| {
        let again: Vec<_> = rows.iter().copied().filter(|(_, r)| r % 3 == 0).collect();
        rows.extend(again);
    });
    let ran = analyze_json(&repeated.display().to_string(), &[]);
    assert_eq!(ran.answer(), expect, "a third of the spans repeated");
    assert!(ran.json()["quality"]["duplicates"].as_u64() > Some(0));

    for threads in ["1", "2"] {
        let ran = analyze_json(&whole, &["--threads", threads]);
        assert_eq!(ran.answer(), expect, "{threads} threads");
    }
    let pieces = path("piece.parquet").display().to_string();
    let few = ["generate", "sample", "--requests", "4000", "--out", &pieces, "--files", "9"];
    resus(&few).code(0);
    let glob = path("piece-*.parquet").display().to_string();
    assert_eq!(analyze_json(&glob, &[]).answer(), expect, "dealt over 9 files");
}

#[test]
fn seven_parts_summarised_apart_are_diagnosed_as_the_whole() {
    let sample = Sample::get();
    let whole = sample.spans();
    let folder = tempfile::tempdir().expect("a folder");
    let batches = read(Path::new(&whole));
    let parts: Vec<String> = (0..7_u128)
        .map(|part| {
            let path = folder.path().join(format!("part-{part}.parquet"));
            write(&path, &batches, 5000, |rows| {
                rows.retain(|&(b, r)| batches[b].trace_id[r].as_u128() % 7 == part);
            });
            path.display().to_string()
        })
        .collect();
    for windows in [Vec::new(), sample.windows()] {
        let windows = as_words(&windows);
        let expect = analyze_json(&whole, &windows).code(SUSPECTS).answer();
        let mut arguments = vec!["diagnose".to_owned(), "--format".to_owned(), "json".to_owned()];
        for part in &parts {
            let evidence = format!("{part}.arrow");
            let mut summarise = vec!["summarise", part, "--out", &evidence];
            summarise.extend(&windows);
            resus(&summarise).code(0);
            arguments.push(evidence);
        }
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let answer = resus(&arguments).code(SUSPECTS).answer();
        assert_eq!(answer, expect, "windows {windows:?}");
    }
}
