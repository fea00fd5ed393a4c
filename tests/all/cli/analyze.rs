//! `resus analyze` on the sample: the right suspect, the right plan, in every format.

use super::{HEALTHY, SUSPECTS, Sample, analyze_json, as_words, resus, text_of};

#[test]
fn the_sample_ends_with_the_true_suspect_and_a_plan_to_restart_it() {
    let sample = Sample::get();
    let json = analyze_json(&sample.spans(), &[]).code(SUSPECTS).json();
    assert_eq!(json["verdict"], "suspects");
    assert_eq!(json["suspects"][0]["component"]["service"], "payments");
    assert_eq!(json["windows_chosen"], true);
    let target = &json["plan"]["targets"][0]["suspects"][0]["service"];
    assert_eq!(target, "payments", "{}", json["plan"]);
    let counts = &json["suspects"][0]["counts"];
    assert!(counts["failed_with"].as_u64() > Some(0), "{counts}");
}

#[test]
fn given_windows_are_taken_as_given() {
    let sample = Sample::get();
    let windows = sample.windows();
    let json = analyze_json(&sample.spans(), &as_words(&windows)).code(SUSPECTS).json();
    assert_eq!(json["suspects"][0]["component"]["service"], "payments");
    assert_eq!(json["windows_chosen"], false);
    assert_eq!(json["baseline_windows"].as_array().map(Vec::len), Some(4));
}

#[test]
fn a_healthy_stretch_is_healthy() {
    let sample = Sample::get();
    let words = sample.windows();
    let healthy = ["--window", &words[3], "--baseline", &words[5], "--baseline", &words[7]];
    let json = analyze_json(&sample.spans(), &healthy).code(HEALTHY).json();
    assert_eq!(json["verdict"], "healthy");
    assert_eq!(json["suspects"].as_array().map(Vec::len), Some(0));
    assert!(json["plan"].is_null(), "an empty set of suspects never makes a plan");
}

#[test]
fn the_table_fits_80_columns_and_the_page_stands_alone() {
    let sample = Sample::get();
    let folder = tempfile::tempdir().expect("a folder");
    let page = folder.path().join("report.html");
    let page_text = page.display().to_string();
    let ran = resus(&["analyze", &sample.spans(), "--html", &page_text]).code(SUSPECTS);
    let table = ran.stdout();
    assert!(table.contains("payments"), "{table}");
    for line in table.lines() {
        assert!(line.chars().count() <= 80, "{line}");
    }
    assert!(!table.contains('\u{1b}'), "no colour where there is no terminal");
    let html = text_of(&page);
    assert!(html.contains("payments"));
    assert!(!html.contains("<script") && !html.contains("http://") && !html.contains("https://"));
}

#[test]
fn other_levels_are_views_of_the_same_evidence() {
    let sample = Sample::get();
    let operation = analyze_json(&sample.spans(), &["--level", "operation"]).code(SUSPECTS).json();
    let first = &operation["suspects"][0]["component"];
    assert_eq!(first["service"], "payments");
    assert!(first["operation"].as_str().is_some_and(|o| o.contains("Charge")), "{first}");
    let instance = analyze_json(&sample.spans(), &["--level", "instance"]).json();
    let named = instance["suspects"].as_array().into_iter().flatten();
    let considered = instance["considered"].as_array().into_iter().flatten();
    let any = named.chain(considered).next().expect("somebody is named");
    assert!(any["component"]["instance"].is_string(), "{any}");
}
