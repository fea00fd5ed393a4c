//! What can be typed after `resus serve`, and the documents that belong to it.

use crate::cli::{ERROR, HEALTHY, resus};

#[test]
fn a_configuration_is_checked_and_all_its_mistakes_are_told() {
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("resus.toml");
    let path = file.to_str().expect("the path is UTF-8");
    std::fs::write(&file, "[receive]\ngrcp = \"\"\n[store]\nsync = \"5\"\n").expect("written");
    let ran = resus(&["serve", "--config", path, "--check-config"]).code(ERROR);
    let said = ran.stderr();
    assert!(
        said.contains("2 mistakes") && said.contains("`grpc`?") && said.contains("line 4"),
        "{said}"
    );
    std::fs::write(&file, "[receive]\ngrpc = \"127.0.0.1:0\"\n").expect("written");
    assert_eq!(
        resus(&["serve", "--config", path, "--check-config"]).code(HEALTHY).stdout(),
        "OK\n"
    );
}

#[test]
fn a_printed_configuration_holds_everything_and_reads_back() {
    let printed = resus(&["serve", "--print-config"]).code(HEALTHY).stdout();
    assert!(
        printed.contains("[watch]") && printed.contains("max_in_flight = \"128MiB\""),
        "{printed}"
    );
    let folder = tempfile::tempdir().expect("a folder can be made");
    let file = folder.path().join("resus.toml");
    std::fs::write(&file, &printed).expect("written");
    let path = file.to_str().expect("the path is UTF-8");
    let again = resus(&["serve", "--config", path, "--print-config"]).code(HEALTHY).stdout();
    assert_eq!(again, printed);
}
