//! What can be wrong with a restart tree.

use std::fmt;

use crate::executor::TargetError;
use crate::names::NameError;

/// Everything that is wrong with a restart tree, in the order of lines.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeErrors {
    /// Where the text came from, as the reader named it.
    pub name: String,
    /// The mistakes; never empty.
    pub mistakes: Vec<Mistake>,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// The line, from 1 on; `None` where the mistake is in no single place.
    pub line: Option<u32>,
    /// What it is.
    pub kind: MistakeKind,
}

/// What a mistake is. Each message says what was expected and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the message of each one says what its fields are")]
pub enum MistakeKind {
    #[error("not TOML: {message}")]
    Syntax { message: String },
    #[error("{message}{}", hint_text(.hint))]
    Form { message: String, hint: Option<String> },
    #[error("`version` is {found}; this program reads version 1: write `version = 1` at the top")]
    Version { found: String },
    #[error("no cells; write at least the root, `[[cell]]` with `id` and `rung`")]
    Empty,
    #[error("{what} {text:?} {error}; choose another name")]
    Name { what: &'static str, text: String, error: NameError },
    #[error("cell `{id}` is there already, in line {first}; rename one of them")]
    DuplicateId { id: String, first: u32 },
    #[error("{} cells have no `parent` ({}); exactly one is the root, give the others a `parent`", .ids.len(), list(.ids))]
    ManyRoots { ids: Vec<String> },
    #[error("cell `{cell}` has the parent `{parent}`, which is no cell{}; name one, or add it", hint_text(.hint))]
    UnknownParent { cell: String, parent: String, hint: Option<String> },
    #[error("{}; give one of them a parent outside, or none if it is the root", cycle(.cells))]
    ParentCycle { cells: Vec<String> },
    #[error("cell `{cell}` requires `{required}`, which is no cell{}; name one, or add it", hint_text(.hint))]
    UnknownRequired { cell: String, required: String, hint: Option<String> },
    #[error("cell `{cell}` requires itself; take it out of `requires`")]
    SelfRequired { cell: String },
    #[error(
        "cell `{cell}` requires `{required}`, which is above it: its restart takes `{cell}` along anyway; take it out of `requires`"
    )]
    RequiresAbove { cell: String, required: String },
    #[error(
        "cell `{cell}` requires `{required}`, which is a part of it; take it out of `requires`, and if the part must not be restarted alone, write `restartable = false` there"
    )]
    RequiresBelow { cell: String, required: String },
    #[error(
        "a pattern of cell `{cell}` has no key, and would match everything; give it at least `service`"
    )]
    EmptyPattern { cell: String },
    #[error(
        "`{key}` of a pattern of cell `{cell}` is {text:?}; expected a name, with `*` for any run of characters and `\\*` or `\\\\` for themselves"
    )]
    Pattern { cell: String, key: &'static str, text: String },
    #[error(
        "all that cell `{cell}` matches by {pattern}, cell `{other}` matches too, and neither is above the other; make the patterns differ, or put one cell below the other"
    )]
    Overlap { cell: String, other: String, pattern: String },
    #[error(
        "`{field}` of cell `{cell}` is {text:?}; expected a time such as `500ms`, `8s` or `1h30m`, at most a year"
    )]
    Duration { cell: String, field: &'static str, text: String },
    #[error("`budget` of cell `{cell}` is {text:?}; expected restarts per time, such as `3/1h`")]
    Budget { cell: String, text: String },
    #[error("executor of cell `{cell}`: {error}")]
    Target { cell: String, error: TargetError },
    #[error(
        "cell `{cell}` has neither an `executor` nor cells below it, so nothing can restart it; add one, `executor = \"dry_run\"` to begin with, or write `restartable = false`"
    )]
    NoExecutor { cell: String },
    #[error("`replicas` of cell `{cell}` is 0; it is at least 1")]
    NoReplicas { cell: String },
    #[error(
        "cell `{cell}` has {replicas} replicas, and its executor `{executor}` restarts one target; use one that knows several (kubernetes, docker by label, supervisord), or give each replica a cell of its own with `slot`"
    )]
    OneTarget { cell: String, replicas: u32, executor: &'static str },
    #[error(
        "cell `{cell}` has {replicas} replicas and nobody to restart them; give it an executor, or give each replica a cell of its own below it with `slot`"
    )]
    NoSlots { cell: String, replicas: u32 },
    #[error(
        "`slot` of cell `{cell}` is {slot}, and its parent has {replicas} replicas; slots are counted from 0, so raise `replicas` of the parent to more than {slot}"
    )]
    SlotBeyond { cell: String, slot: u32, replicas: u32 },
    #[error(
        "cell `{cell}` is the root and has a `slot`; slots are places among a parent's replicas, take it out"
    )]
    SlotOfRoot { cell: String },
    #[error("`slot` of cell `{cell}` is {slot}, as that of `{other}`; each place has one cell")]
    SlotTwice { cell: String, other: String, slot: u32 },
}

fn hint_text(hint: &Option<String>) -> String {
    hint.as_ref().map_or_else(String::new, |hint| format!(" (did you mean `{hint}`?)"))
}

fn list(ids: &[String]) -> String {
    ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ")
}

fn cycle(cells: &[String]) -> String {
    match cells {
        [own] => format!("cell `{own}` is its own parent"),
        _ => format!("cells {} lie below each other in a circle", list(cells)),
    }
}

impl fmt::Display for TreeErrors {
    /// One line for the whole, then one a mistake.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, mistakes } = self;
        let plural = if mistakes.len() == 1 { "mistake" } else { "mistakes" };
        write!(f, "read the restart tree {name}: {} {plural}", mistakes.len())?;
        mistakes.iter().try_for_each(|mistake| write!(f, "\n  {mistake}"))
    }
}

impl std::error::Error for TreeErrors {}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, kind } = self;
        if let Some(line) = line {
            write!(f, "line {line}: ")?;
        }
        write!(f, "{kind}")
    }
}
