//! Broken input: one screen that says what to do, and exit code 1.

use std::fs;

use super::{ERROR, Sample, resus};

#[track_caller]
fn refuses(name: &str, bytes: &[u8], words: &[&str]) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join(name);
    fs::write(&path, bytes).expect("a writable folder");
    let text = path.display().to_string();
    let ran = resus(&["analyze", &text]).code(ERROR);
    let error = ran.stderr();
    assert!(ran.stdout().is_empty(), "nothing on standard output: {}", ran.stdout());
    assert!(error.contains(name), "the file is named: {error}");
    assert!(error.lines().count() <= 24, "one screen: {error}");
    for word in words {
        assert!(error.contains(word), "{word:?} in: {error}");
    }
}

#[test]
fn parquet_that_is_cut_off_empty_or_no_parquet() {
    let whole = fs::read(Sample::get().spans()).expect("the sample");
    refuses("cut.parquet", &whole[..whole.len() / 2], &["cut off"]);
    refuses("empty.parquet", b"", &["empty"]);
    refuses("text.parquet", b"this is no parquet file at all", &["Parquet"]);
    refuses("magic.parquet", b"PAR1", &[]);
}

#[test]
fn json_that_is_cut_off_or_of_another_kind() {
    let start = br#"{"resourceSpans":[{"resource":{"attributes":[{"key":"service.name","value":{"stringValue":"a"}}]},"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"x","startTimeUnixNano":"1700000000000000000","#;
    refuses("cut.jsonl", start, &["byte"]);
    refuses("other.json", br#"{"hello": "world"}"#, &["resourceSpans"]);
    refuses("garbage.bin", &[0x80, 0x03, 0xff, 0x00, 0x11, 0x22], &[]);
    refuses("empty.jsonl", b"", &["empty"]);
    let nan = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"x","startTimeUnixNano":NaN}]}]}]}"#;
    refuses("nan.jsonl", nan, &["byte"]);
}

#[test]
fn spans_none_of_which_can_be_read() {
    let zero = br#"{"resourceSpans":[]}"#;
    refuses("zero.jsonl", zero, &["no record"]);
    let no_start = br#"{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"5b8efff798038103d269b633813fc60c","spanId":"eee19b7ec3c1b174","name":"x","endTimeUnixNano":"5"}]}]}]}"#;
    refuses("timeless.jsonl", no_start, &["all 1 records", "start_unix_nano"]);
}

#[test]
fn files_that_are_not_there() {
    let ran = resus(&["analyze", "nobody-has-this.parquet"]).code(ERROR);
    assert!(ran.stderr().contains("nobody-has-this.parquet"));
    let folder = tempfile::tempdir().expect("a folder");
    let text = folder.path().display().to_string();
    assert!(resus(&["analyze", &text]).code(ERROR).stderr().contains("folder"));
    let evidence = folder.path().join("evidence.arrow");
    fs::write(&evidence, b"ARROW1 but not really").expect("a writable folder");
    let text = evidence.display().to_string();
    assert!(resus(&["diagnose", &text]).code(ERROR).stderr().contains("evidence.arrow"));
}

#[test]
fn wrong_usage_ends_with_1_like_every_error() {
    for arguments in [
        &["analyze"][..],
        &["analyse", "x"],
        &["analyze", "x", "--window", "now"],
        &["analyze", "x", "--window", "2..1"],
        &["analyze", "x", "--baseline", "1..2"],
        &["analyze", "x", "--window", "1..3", "--baseline", "2..4"],
        &["analyze", "x", "--cut", "2"],
        &["analyze", "x", "--map", "a=nothing"],
        &["analyze", "x", "--coefficient", "tea-leaves"],
        &["analyze", "x", "--threads", "0"],
        &["generate", "sample", "--out", "/nonexistent/x", "--files", "0"],
    ] {
        let ran = resus(arguments).code(ERROR);
        assert!(!ran.stderr().is_empty(), "{arguments:?}");
        assert!(ran.stdout().is_empty(), "{arguments:?}");
    }
    resus(&["--help"]).code(0);
    resus(&["analyze", "--help"]).code(0);
}
