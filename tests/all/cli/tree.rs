//! `resus tree`, and trees under an analysis.

use std::fs;

use super::{ERROR, HEALTHY, SUSPECTS, Sample, analyze_json, resus};

#[test]
fn an_inferred_tree_is_well_formed_covers_everything_and_plans_the_same() {
    let sample = Sample::get();
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree.toml").display().to_string();
    resus(&["tree", "infer", &sample.spans(), "--out", &tree]).code(HEALTHY);
    let checked = resus(&["tree", "check", &tree, &sample.spans()]).code(HEALTHY).stdout();
    assert!(checked.contains("well-formed"), "{checked}");
    assert!(!checked.contains("unmatched"), "{checked}");
    let shown = resus(&["tree", "show", &tree]).code(HEALTHY).stdout();
    assert!(shown.contains("payments"), "{shown}");
    assert!(shown.lines().all(|l| l.chars().count() <= 80), "{shown}");
    let with = analyze_json(&sample.spans(), &["--tree", &tree]).code(SUSPECTS).json();
    let without = analyze_json(&sample.spans(), &[]).json();
    assert_eq!(with["plan"]["targets"], without["plan"]["targets"]);
}

#[test]
fn all_mistakes_of_a_tree_are_told_at_once() {
    let folder = tempfile::tempdir().expect("a folder");
    let tree = folder.path().join("tree.toml");
    fs::write(
        &tree,
        r#"
version = 1

[[cell]]
id = "system"
rung = "system"

[[cell]]
id = "a"
parent = "nobody"
rung = "service"
match = [{ service = "a" }]

[[cell]]
id = "b"
parent = "system"
rung = "service"
match = [{ service = "b" }]
requires = ["ghost"]
executor = { wizard = { spell = "fix" } }
"#,
    )
    .expect("a writable folder");
    let ran = resus(&["tree", "check", &tree.display().to_string()]).code(ERROR);
    let error = ran.stderr();
    for word in ["nobody", "ghost", "wizard", "tree.toml"] {
        assert!(error.contains(word), "{word:?} in: {error}");
    }
}

#[test]
fn a_protected_cell_is_not_planned_and_the_answer_says_so() {
    let sample = Sample::get();
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tree.toml");
    let tree = path.display().to_string();
    resus(&["tree", "infer", &sample.spans(), "--out", &tree]).code(HEALTHY);
    let text = fs::read_to_string(&path).expect("it was written");
    let line = "id = \"payments\"\n";
    assert!(text.contains(line), "a cell a service: {text}");
    let protected = text.replace(line, &format!("{line}protected = true\n"));
    fs::write(&path, protected).expect("a writable folder");
    let json = analyze_json(&sample.spans(), &["--tree", &tree]).code(SUSPECTS).json();
    assert!(json["plan"].is_null(), "{}", json["plan"]);
    assert!(json["withheld"].to_string().contains("protected"), "{}", json["withheld"]);
}
