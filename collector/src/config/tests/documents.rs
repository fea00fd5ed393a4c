//! docs/configuration.md and docs/resus.toml say what the code does.

use super::super::keys::{Keys, Section, Value};
use super::super::mistake::MistakeKind;
use super::*;

const PAGE: &str = include_str!("../../../../docs/configuration.md");
const EXAMPLE: &str = include_str!("../../../../docs/resus.toml");

/// Writes down every key as `section.key` with what may be written there.
#[derive(Default)]
struct Lister {
    path: String,
    keys: Vec<(String, String)>,
}

impl Keys for Lister {
    fn key(&mut self, name: &'static str, value: &mut dyn Value) {
        self.keys.push((format!("{}{name}", self.path), value.expected()));
    }

    fn part(&mut self, name: &'static str, part: &mut dyn Section) {
        let outer = self.path.clone();
        self.path = format!("{outer}{name}.");
        part.keys(self);
        self.path = outer;
    }

    fn rule(&mut self, _keys: &[&str], _holds: bool, _broken: MistakeKind) {}

    fn needs(&mut self, _given: (&str, bool), _needed: &[(&str, bool)]) {}
}

fn keys_in_code() -> Vec<(String, String)> {
    let mut lister = Lister::default();
    Config::standard().keys(&mut lister);
    lister.keys
}

/// A row of a table: section, and the cells.
fn rows(page: &str) -> Vec<(&str, Vec<&str>)> {
    let mut section = "";
    let mut rows = Vec::new();
    for line in page.lines() {
        if let Some(heading) = line.strip_prefix("## ") {
            section =
                heading.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or_default();
        } else if line.starts_with("### ") {
            section = "";
        } else if let Some(row) = line.strip_prefix("| ")
            && row.starts_with('`')
            && !section.is_empty()
        {
            rows.push((section, row.trim_end_matches(" |").split(" | ").collect()));
        }
    }
    rows
}

fn unquoted(cell: &str) -> &str {
    cell.trim_matches('`')
}

#[test]
fn the_page_has_every_key_with_its_values() {
    let documented: Vec<(String, String)> = rows(PAGE)
        .into_iter()
        .map(|(section, cells)| {
            let [key, _, values, meaning] = cells[..] else { panic!("{section}: {cells:?}") };
            assert!(meaning.len() > 5, "{section}: {cells:?}");
            (format!("{section}.{}", unquoted(key)), values.to_owned())
        })
        .collect();
    assert_eq!(documented, keys_in_code(), "one row a key of docs/configuration.md, in order");
}

#[test]
fn the_page_has_the_defaults() {
    for (section, cells) in rows(PAGE) {
        let (key, default) = (unquoted(cells[0]), unquoted(cells[1]));
        let config = good(&format!("[{section}]\n{key} = {default}"));
        assert_eq!(config, Config::standard(), "docs/configuration.md: {section}.{key}");
        // Without this a wrong `""` would pass where nothing and the default are alike.
        let printed = print(&config);
        let table: toml::Table = printed.parse().expect("what is printed is TOML");
        let one: toml::Table = format!("x = {default}").parse().expect("a default is TOML");
        let mut value = &toml::Value::Table(table);
        for part in section.split('.').chain([key]) {
            value = &value[part];
        }
        let is_same_kind = value.type_str() == one["x"].type_str();
        assert!(is_same_kind, "docs/configuration.md: {section}.{key}");
    }
}

#[test]
fn the_mistakes_on_the_page_are_those_that_are_told() {
    let text = "[receive]\ngrcp = \"\"\nmax_body = \"64\"\n\n[assemble]\nsettle = \"8s\"";
    let shown = read_in_test(text).expect_err("mistakes").to_string();
    assert!(PAGE.contains(&format!("failed to {shown}\n")), "docs/configuration.md: {shown}");
}

#[test]
fn the_example_is_the_standard_and_has_every_key() {
    assert_eq!(good(EXAMPLE), Config::standard());
    let table: toml::Table = EXAMPLE.parse().expect("the example is TOML");
    let table = toml::Value::Table(table);
    for (key, _) in keys_in_code() {
        let mut value = Some(&table);
        for part in key.split('.') {
            value = value.and_then(|value| value.get(part));
        }
        assert!(value.is_some(), "docs/resus.toml lacks {key}");
    }
}
