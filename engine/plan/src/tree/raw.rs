//! The restart tree as it is typed: TOML to raw cells, with every mistake of form in one go.
//!
//! Serde stops at its first mistake. To tell them all, a table that is refused is read again
//! without the key that was to blame, until it is accepted or no single key is to blame.

use std::collections::BTreeSet;
use std::ops::Range;

use schemars::JsonSchema;
use serde::{Deserialize, de::IntoDeserializer};
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::mistake::{Mistake, MistakeKind};
use super::nearest::{did_you_mean, hint_in};
use crate::document::Mode;
use crate::executor::Executor;

/// A restart tree, version 1.
#[derive(Debug, JsonSchema)]
#[schemars(rename = "RestartTree", deny_unknown_fields)]
pub(crate) struct RawTree {
    /// The version of this format.
    #[schemars(range(min = 1, max = 1))]
    pub(crate) version: i64,
    /// The cells; exactly one has no parent. Their order is the order of siblings.
    #[schemars(length(min = 1))]
    pub(crate) cell: Vec<RawCell>,
}

/// A cell: restarting it restarts everything below it.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Cell")]
pub(crate) struct RawCell {
    /// Its name: letters, digits, `.`, `_`, `-`, `/`.
    #[schemars(with = "crate::names::CellId")]
    pub(crate) id: Spanned<String>,
    /// The cell above; only the root has none.
    #[serde(default)]
    #[schemars(with = "Option<crate::names::CellId>")]
    pub(crate) parent: Option<Spanned<String>>,
    /// The rung of the ladder it stands on: component, service, node, system ...
    #[schemars(with = "crate::names::RungName")]
    pub(crate) rung: Spanned<String>,
    /// Components that belong to it: those that any of these patterns matches.
    #[serde(default, rename = "match")]
    #[schemars(with = "Vec<RawPattern>")]
    pub(crate) matches: Vec<Spanned<RawPattern>>,
    /// It is this place, counted from 0, among its parent's `replicas`.
    #[serde(default)]
    #[schemars(with = "Option<u32>")]
    pub(crate) slot: Option<Spanned<u32>>,
    /// How many equal instances it stands for.
    #[serde(default)]
    #[schemars(with = "Option<u32>", range(min = 1))]
    pub(crate) replicas: Option<Spanned<u32>>,
    /// Who restarts it, and what to tell it. Without one, it is restarted by restarting its parts.
    #[serde(default)]
    #[schemars(with = "Option<Executor>")]
    pub(crate) executor: Option<Spanned<Executor>>,
    /// Cells that it needs: when one of these is restarted, it is restarted too.
    #[serde(default)]
    #[schemars(with = "Vec<crate::names::CellId>")]
    pub(crate) requires: Vec<Spanned<String>>,
    /// What a restart of one of its children means for the others.
    #[serde(default)]
    pub(crate) strategy: Strategy,
    /// How long a restart takes until it is ready, such as `8s`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) restart_time: Option<Spanned<String>>,
    /// How long after that its requests do not count for or against it.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) grace: Option<Spanned<String>>,
    /// How long to let requests in flight end before the stop.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) drain: Option<Spanned<String>>,
    /// False: it cannot be restarted by itself, only with a cell above it.
    #[serde(default = "yes")]
    pub(crate) restartable: bool,
    /// True: it is never restarted, neither by itself, nor with a cell above it, nor as the
    /// consequence of another restart.
    #[serde(default)]
    pub(crate) protected: bool,
    /// How far Resus may go with it and the cells below that do not say it themselves.
    #[serde(default)]
    pub(crate) mode: Option<Mode>,
    /// At most so many restarts in so long, such as `3/1h`.
    #[serde(default)]
    #[schemars(with = "Option<String>")]
    pub(crate) budget: Option<Spanned<String>>,
}

const fn yes() -> bool {
    true
}

/// Which components belong to a cell. All keys given must match; `*` matches any run of characters.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Pattern")]
pub(crate) struct RawPattern {
    /// `service.name`.
    #[serde(default)]
    pub(crate) service: Option<String>,
    /// `service.namespace`.
    #[serde(default)]
    pub(crate) namespace: Option<String>,
    /// The operation.
    #[serde(default)]
    pub(crate) operation: Option<String>,
    /// `service.instance.id`, or what stands for it. Most are new after every start.
    #[serde(default)]
    pub(crate) instance: Option<String>,
    /// `service.version`.
    #[serde(default)]
    pub(crate) version: Option<String>,
    /// `host.name`, or the node.
    #[serde(default)]
    pub(crate) host: Option<String>,
}

/// What a restart of one child of a cell means for its other children.
#[derive(
    Debug,
    Clone,
    Copy,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    Hash,
    Default,
    Deserialize,
    serde::Serialize,
    JsonSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Strategy {
    /// Nothing.
    #[default]
    OneForOne,
    /// All of them are restarted.
    OneForAll,
    /// Those that come after it in the file are restarted, and each starts after the one before it.
    RestForOne,
}

/// What could be read, and everything that could not.
pub(crate) struct Reading {
    pub(crate) tree: RawTree,
    pub(crate) mistakes: Vec<Mistake>,
    /// For each cell of the tree, the keys that could not be read.
    pub(crate) unread: Vec<Vec<String>>,
    /// Ids of cells that could not be read: others may speak of them.
    pub(crate) broken: BTreeSet<String>,
    /// True when a cell without a readable id was left out.
    pub(crate) incomplete: bool,
}

pub(crate) fn read(text: &str, lines: &Lines) -> Reading {
    let mut tree = RawTree { version: 0, cell: Vec::new() };
    let (document, errors) = DeTable::parse_recoverable(text);
    let mut mistakes: Vec<Mistake> = errors
        .iter()
        .map(|e| lines.mistake(e.span(), MistakeKind::Syntax { message: e.message().to_owned() }))
        .collect();
    let mut broken = BTreeSet::new();
    if !mistakes.is_empty() {
        // What a parser guesses after a slip of syntax gives mistakes that nobody made.
        return Reading { tree, mistakes, unread: Vec::new(), broken, incomplete: true };
    }
    let mut unread = Vec::new();
    let mut incomplete = false;
    let mut cells = None;
    for (key, value) in document.into_inner() {
        match key.get_ref().as_ref() {
            "version" => {
                tree.version =
                    value.get_ref().as_integer().and_then(|n| n.as_str().parse().ok()).unwrap_or(0);
                if tree.version != 1 {
                    let kind = MistakeKind::Version { found: found(text, &value.span()) };
                    mistakes.push(lines.mistake(Some(value.span()), kind));
                }
            }
            "cell" => cells = Some(value),
            other => {
                let hint = did_you_mean(other, ["version", "cell"]);
                let message = format!("unknown key `{other}`, expected `version` or `[[cell]]`");
                mistakes.push(lines.mistake(Some(key.span()), MistakeKind::Form { message, hint }));
            }
        }
    }
    if tree.version == 0 && !mistakes.iter().any(|m| matches!(m.kind, MistakeKind::Version { .. }))
    {
        mistakes.push(lines.mistake(None, MistakeKind::Version { found: "missing".to_owned() }));
    }
    let span = cells.as_ref().map(Spanned::span);
    match cells.map(Spanned::into_inner) {
        Some(DeValue::Array(items)) => {
            for item in items {
                let id = item.get_ref().get("id").and_then(|id| id.get_ref().as_str());
                let id = id.map(str::to_owned);
                match read_cell(item, lines, &mut mistakes) {
                    Some((cell, keys)) => {
                        tree.cell.push(cell);
                        unread.push(keys);
                    }
                    None => match id {
                        Some(id) => drop(broken.insert(id)),
                        None => incomplete = true,
                    },
                }
            }
        }
        Some(other) => {
            let kind = MistakeKind::Form {
                message: format!("`cell` is a {}; write each cell as `[[cell]]`", other.type_str()),
                hint: None,
            };
            mistakes.push(lines.mistake(span, kind));
            incomplete = true;
        }
        None => {}
    }
    Reading { tree, mistakes, unread, broken, incomplete }
}

fn found(text: &str, span: &Range<usize>) -> String {
    text.get(span.clone()).unwrap_or("something else").to_owned()
}

fn read_cell(
    value: Spanned<DeValue<'_>>,
    lines: &Lines,
    mistakes: &mut Vec<Mistake>,
) -> Option<(RawCell, Vec<String>)> {
    let span = value.span();
    let mut table = match value.into_inner() {
        DeValue::Table(table) => table,
        other => {
            let message = format!("a cell is a table, and this is a {}", other.type_str());
            mistakes.push(lines.mistake(Some(span), MistakeKind::Form { message, hint: None }));
            return None;
        }
    };
    // Patterns are read one by one, so that one bad pattern does not hide the next.
    let mut patterns = Vec::new();
    if let Some((key, list)) = table.remove_entry("match") {
        let list_span = list.span();
        match list.into_inner() {
            DeValue::Array(items) => {
                for item in items {
                    let span = item.span();
                    match item.into_inner() {
                        DeValue::Table(item) => {
                            let item = Spanned::new(span.clone(), item);
                            // A pattern without a key that was meant would match too much.
                            match read_table(item, lines, mistakes) {
                                Some((pattern, unread)) if unread.is_empty() => {
                                    patterns.push(Spanned::new(span, pattern));
                                }
                                Some(_) | None => {}
                            }
                        }
                        other => mistakes.push(not_a_pattern(lines, span, other.type_str())),
                    }
                }
            }
            other => mistakes.push(not_a_pattern(lines, list_span, other.type_str())),
        }
        drop(key);
    }
    let (mut cell, unread): (RawCell, _) = read_table(Spanned::new(span, table), lines, mistakes)?;
    cell.matches = patterns;
    Some((cell, unread))
}

fn not_a_pattern(lines: &Lines, span: Range<usize>, found: &str) -> Mistake {
    let message =
        format!("found a {found} in `match`, expected a list such as `[{{ service = \"cart\" }}]`");
    lines.mistake(Some(span), MistakeKind::Form { message, hint: None })
}

/// Reads a table, and says which keys it had to leave out.
fn read_table<'t, T: Deserialize<'t>>(
    mut table: Spanned<DeTable<'t>>,
    lines: &Lines,
    mistakes: &mut Vec<Mistake>,
) -> Option<(T, Vec<String>)> {
    let mut removed: Vec<String> = Vec::new();
    loop {
        let error = match T::deserialize(table.clone().into_deserializer()) {
            Ok(value) => return Some((value, removed)),
            Err(error) => error,
        };
        let message = error.message();
        if removed.iter().any(|key| message == format!("missing field `{key}`")) {
            return None; // Told already: it was there and was wrong.
        }
        let hint = hint_in(message);
        let to_blame = error.span().and_then(|span| {
            let holds = |outer: Range<usize>| outer.start <= span.start && span.end <= outer.end;
            let mut entries = table.get_ref().iter();
            entries
                .find(|(key, value)| holds(key.span()) || holds(value.span()))
                .map(|(key, _)| key.get_ref().clone())
        });
        let told = to_blame.as_ref().filter(|key| !message.contains(&format!("`{key}`")));
        let message = match told {
            Some(key) => format!("`{key}`: {message}"),
            None => message.to_owned(),
        };
        mistakes.push(lines.mistake(error.span(), MistakeKind::Form { message, hint }));
        let to_blame = to_blame?;
        table.get_mut().remove(to_blame.as_ref());
        removed.push(to_blame.into_owned());
    }
}

/// Where lines begin, to turn places into line numbers.
pub(crate) struct Lines(Vec<usize>);

impl Lines {
    pub(crate) fn of(text: &str) -> Self {
        Self(text.bytes().enumerate().filter(|(_, b)| *b == b'\n').map(|(i, _)| i).collect())
    }

    pub(crate) fn at(&self, offset: usize) -> u32 {
        let before = self.0.partition_point(|&newline| newline < offset);
        u32::try_from(before).map_or(u32::MAX, |n| n.saturating_add(1))
    }

    pub(crate) fn mistake(&self, span: Option<Range<usize>>, kind: MistakeKind) -> Mistake {
        Mistake { line: span.map(|span| self.at(span.start)), kind }
    }
}
