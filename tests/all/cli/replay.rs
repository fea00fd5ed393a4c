//! `resus replay` on the sample: the live code, in virtual time.

use serde_json::Value;

use super::{HEALTHY, SUSPECTS, resus};

#[test]
fn a_recording_played_twice_says_the_same_and_names_the_culprit() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let spans = folder.path().join("sample.parquet");
    let spans = spans.to_str().expect("the path is UTF-8");
    resus(&["generate", "sample", "--out", spans]).code(HEALTHY);
    let once = resus(&["replay", spans, "--format", "json"]).code(SUSPECTS);
    let again = resus(&["replay", spans, "--format", "json", "--threads", "1"]).code(SUSPECTS);
    assert_eq!(once.stdout(), again.stdout());
    let changes: Vec<Value> = once
        .stdout()
        .lines()
        .map(|line| serde_json::from_str(line).expect("a line is JSON"))
        .collect();
    let states: Vec<&str> = changes.iter().filter_map(|change| change["state"].as_str()).collect();
    let first = states.iter().position(|&state| state == "suspects").expect("there are suspects");
    assert_eq!(states[..first], ["healthy"], "no false alarm before");
    let suspect = &changes[first]["analysis"]["suspects"][0]["component"]["service"];
    assert_eq!(suspect, "payments");
}
