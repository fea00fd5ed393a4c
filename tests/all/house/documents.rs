//! Do the documents say what the code does, and do their links lead anywhere?

use std::path::Path;

use resus_model::schema;
use resus_plan::RestartTree;

use super::{crates, text, tree};

/// First cells of the rows of the first table after a heading, back-ticks taken off.
fn first_cells(document: &str, heading: &str) -> Vec<String> {
    document
        .lines()
        .skip_while(|line| line.trim_start_matches('#').trim() != heading)
        .skip(1)
        .skip_while(|line| !line.starts_with('|'))
        .take_while(|line| line.starts_with('|'))
        .skip(2)
        .filter_map(|line| line.split('|').nth(1))
        .map(|cell| cell.trim().trim_matches('`').to_owned())
        .collect()
}

/// Targets of links within the repository, anchors and outside addresses left out.
fn links(document: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut fenced = false;
    for line in document.lines() {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
        }
        if fenced {
            continue;
        }
        for part in line.split("](").skip(1) {
            let target = part.split(')').next().unwrap_or_default();
            let target = target.split(['#', ' ']).next().unwrap_or_default();
            if !target.is_empty() && !target.contains("://") && !target.starts_with("mailto:") {
                found.push(target.to_owned());
            }
        }
    }
    found
}

/// Names of the public fields of a struct, read off the source's lines.
fn fields_of(source: &str, name: &str) -> Vec<String> {
    source
        .lines()
        .skip_while(|line| !line.starts_with(&format!("pub struct {name} {{")))
        .take_while(|line| *line != "}")
        .filter_map(|line| line.trim().strip_prefix("pub ")?.split_once(':'))
        .map(|(field, _)| field.to_owned())
        .collect()
}

#[test]
fn links_lead_somewhere() {
    let root = crates::root();
    let mut dead = Vec::new();
    for path in tree::files(&root).iter().filter(|p| p.ends_with(".md")) {
        let folder = Path::new(path).parent().unwrap_or_else(|| Path::new(""));
        for target in links(&text(&root, path).expect("documents are UTF-8")) {
            if !root.join(folder).join(&target).exists() {
                dead.push(format!("{path} links to {target}"));
            }
        }
    }
    super::hold("a link in a document leads somewhere", "mend it or take it out", &dead);
}

#[test]
fn every_crate_has_its_heading_in_the_code_map() {
    let root = crates::root();
    let document = text(&root, "ARCHITECTURE.md").expect("documents are UTF-8");
    let missing: Vec<String> = crates::members()
        .into_iter()
        .map(|m| format!("### [{0}]({0})", m.folder))
        .filter(|heading| !document.lines().any(|line| line == heading))
        .collect();
    super::hold(
        "ARCHITECTURE.md has a heading for each crate, with the question it answers",
        "write it, at its place in the flow of data",
        &missing,
    );
    assert!(document.lines().count() <= 240, "ARCHITECTURE.md is a map: 240 lines at most");
}

#[test]
fn the_documented_span_schema_is_the_one_in_the_code() {
    let document = text(&crates::root(), "docs/formats.md").expect("documents are UTF-8");
    let documented = first_cells(&document, "Spans");
    let in_code: Vec<&str> = schema::FIELDS.iter().map(|f| f.name).collect();
    assert_eq!(documented, in_code, "docs/formats.md, Spans: make the table follow the schema");
    let version = format!("version {}", schema::VERSION);
    assert!(document.contains(&version), "docs/formats.md must speak of {version} of the schema");
}

#[test]
fn every_quality_counter_is_documented() {
    let root = crates::root();
    let document = text(&root, "docs/formats.md").expect("documents are UTF-8");
    let source = text(&root, "engine/model/src/quality.rs").expect("Rust is UTF-8");
    let fields = fields_of(&source, "Quality");
    assert!(fields.len() > 10, "the struct was not found: {fields:?}");
    let documented = first_cells(&document, "Quality report");
    assert_eq!(documented, fields, "docs/formats.md, Quality report: one row a counter, in order");
}

#[test]
fn the_restart_tree_in_the_documents_is_a_good_one() {
    let document = text(&crates::root(), "docs/tree.md").expect("documents are UTF-8");
    let example = fenced(&document, "toml").expect("docs/tree.md shows a tree");
    if let Err(mistakes) = RestartTree::parse(&example, "docs/tree.md") {
        panic!("failed to {mistakes}");
    }
}

/// The first fenced block of a language.
fn fenced(document: &str, language: &str) -> Option<String> {
    let fence = format!("```{language}");
    let mut lines = document.lines().skip_while(|line| *line != fence);
    lines.next()?;
    Some(lines.take_while(|line| *line != "```").map(|line| format!("{line}\n")).collect())
}

#[test]
fn every_leniency_and_every_known_attribute_is_documented() {
    let root = crates::root();
    let document = text(&root, "docs/formats.md").expect("documents are UTF-8");
    let quoted = |path: &str, mark: &str| {
        let source = text(&root, path).expect("Rust is UTF-8");
        let code = source.split("#[cfg(test)]").next().unwrap_or_default();
        let found = quoted_on_lines_with(code, mark);
        assert!(found.len() > 5, "{path}: the list was not found: {found:?}");
        found
    };
    let mut missing = quoted("collector/otlp/src/tally.rs", "=> \"");
    missing.extend(quoted("engine/model/src/attributes.rs", "=> (Role::"));
    missing.retain(|word| !document.contains(&format!("`{word}`")));
    assert!(missing.is_empty(), "docs/formats.md must name each of these: {missing:?}");
}

/// The first text in quotes on each line that holds `mark`.
fn quoted_on_lines_with(source: &str, mark: &str) -> Vec<String> {
    source
        .lines()
        .filter(|line| line.contains(mark))
        .filter_map(|line| line.split('"').nth(1))
        .map(str::to_owned)
        .collect()
}

#[test]
fn tables_links_and_fields_are_read() {
    let document = "# A\n| x | y |\n|-|-|\n| `no` | |\n## B\n\ntext\n| f | m |\n|---|---|\n| `a` | b |\n| c | d |\n\n| e | |\n";
    assert_eq!(first_cells(document, "B"), ["a", "c"]);
    assert!(first_cells(document, "C").is_empty());
    let linked = "[a](b.md#c) [d](https://e.f) [g](#h)\n```\n[i](j)\n```\n[k](l/)";
    assert_eq!(links(linked), ["b.md", "l/"]);
    assert_eq!(fenced("a\n```toml\nb\nc\n```\nd", "toml").as_deref(), Some("b\nc\n"));
    assert_eq!(fenced("a", "toml"), None);
    let source = "pub struct Q {\n    /// x\n    pub a: u64,\n    b: u64,\n}\npub struct R {\n    pub c: u8,\n}\n";
    assert_eq!(fields_of(source, "Q"), ["a"]);
    assert_eq!(quoted_on_lines_with("A => \"x y\",\nB -> \"z\"", "=> \""), ["x y"]);
}
