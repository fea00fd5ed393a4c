//! The tree against what traces show: what has no cell, what was never seen, and a first proposal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::{self, Write as _};

use super::{Found, Identity, RestartTree};
use crate::glob::Glob;
use crate::names::{CellId, MAX_NAME, is_name_char};

/// A service as traces show it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct SeenService {
    /// `service.namespace`; empty where there is none.
    pub namespace: String,
    /// `service.name`.
    pub service: String,
    /// Its operations.
    pub operations: BTreeSet<String>,
    /// Its instances. Most are new after every start, so there may be more than run at a time.
    pub instances: BTreeSet<String>,
    /// Hosts that it ran on.
    pub hosts: BTreeSet<String>,
    /// Its versions.
    pub versions: BTreeSet<String>,
}

/// Something that an operator should know about a tree that is no mistake.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum TreeNote {
    /// These cells need each other in a circle, so they always restart together.
    RecoveryGroup(Vec<CellId>),
    /// No cell matches this component: it can be suspected, and nothing can be planned for it.
    Unmatched {
        /// `namespace/service`, the operation after a space.
        component: String,
    },
    /// Several cells match this component that do not lie on one line from the root.
    Ambiguous {
        /// `namespace/service`, the operation after a space or the instance after `@`.
        component: String,
        /// The cells, ascending.
        cells: Vec<CellId>,
    },
    /// No component seen belongs to this cell.
    NeverSeen(CellId),
}

impl fmt::Display for TreeNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let list =
            |ids: &[CellId]| ids.iter().map(|id| format!("`{id}`")).collect::<Vec<_>>().join(", ");
        match self {
            Self::RecoveryGroup(cells) => {
                write!(f, "cells {} need each other and always restart together", list(cells))
            }
            Self::Unmatched { component } => write!(
                f,
                "no cell matches {component:?}: nothing can be planned for it; add it to the `match` of a cell"
            ),
            Self::Ambiguous { component, cells } => write!(
                f,
                "cells {} all match {component:?}, and none of them is below all others: nothing can be planned for it; narrow their patterns",
                list(cells)
            ),
            Self::NeverSeen(cell) => write!(
                f,
                "nothing in the traces belongs to cell `{cell}`; see whether its `match` is spelt as the traces spell it"
            ),
        }
    }
}

impl SeenService {
    fn name(&self) -> String {
        let Self { namespace, service, .. } = self;
        if namespace.is_empty() { service.clone() } else { format!("{namespace}/{service}") }
    }

    fn identity(&self) -> Identity<'_> {
        Identity { namespace: &self.namespace, service: &self.service, ..Identity::default() }
    }
}

/// Holds a tree against what traces show. Notes come sorted: recovery groups, components without a
/// cell, components with several, cells without a component.
#[must_use]
pub fn check(tree: &RestartTree, seen: &[SeenService]) -> Vec<TreeNote> {
    let mut notes: Vec<TreeNote> =
        tree.recovery_groups().into_iter().map(TreeNote::RecoveryGroup).collect();
    for service in seen {
        let whole = service.identity();
        let operations = service.operations.iter().map(|operation| {
            let identity = Identity { operation: Some(operation), ..whole };
            (format!("{} {operation}", service.name()), identity)
        });
        let instances = service.instances.iter().map(|instance| {
            let identity = Identity { instance: Some(instance), ..whole };
            (format!("{}@{instance}", service.name()), identity)
        });
        let of_service = tree.find_identity(&whole);
        note_found(tree, service.name(), &of_service, &mut notes);
        if matches!(of_service, Found::Cell { .. }) {
            for (component, identity) in operations.chain(instances) {
                note_found(tree, component, &tree.find_identity(&identity), &mut notes);
            }
        }
    }
    let texts: Vec<[Vec<&str>; 6]> = seen
        .iter()
        .map(|seen| {
            let SeenService { namespace, service, operations, instances, hosts, versions } = seen;
            [
                vec![service.as_str()],
                vec![namespace.as_str()],
                operations.iter().map(String::as_str).collect(),
                instances.iter().map(String::as_str).collect(),
                versions.iter().map(String::as_str).collect(),
                hosts.iter().map(String::as_str).collect(),
            ]
        })
        .collect();
    for cell in tree.cells() {
        let was_seen =
            cell.patterns.iter().any(|pattern| texts.iter().any(|texts| pattern.fits(texts)));
        if !cell.patterns.is_empty() && !was_seen {
            notes.push(TreeNote::NeverSeen(cell.id.clone()));
        }
    }
    notes.sort_unstable();
    notes.dedup();
    notes
}

fn note_found(tree: &RestartTree, component: String, found: &Found, notes: &mut Vec<TreeNote>) {
    match found {
        Found::Cell { .. } => {}
        Found::Unmatched => notes.push(TreeNote::Unmatched { component }),
        Found::Ambiguous(cells) => {
            let cells = cells.iter().map(|&at| tree.at(at).id.clone()).collect();
            notes.push(TreeNote::Ambiguous { component, cells });
        }
    }
}

/// Proposes a tree: a root `system`, and under it one cell a service, all with the executor that
/// does nothing. The text parses, matches everything seen, and says in comments what to change.
#[must_use]
pub fn infer(services: &[SeenService]) -> String {
    let merged = merge(services);
    let ids = ids(&merged);
    let mut text = String::from(HEAD);
    if merged.is_empty() {
        text.push_str("executor = \"dry_run\"\n");
    }
    for (((namespace, service), seen), id) in merged.iter().zip(ids) {
        let shared = merged.keys().filter(|(_, other)| other == service).count() > 1;
        text.push_str("\n[[cell]]\n");
        line(&mut text, &format!("id = {}", quoted(&id)));
        line(&mut text, "parent = \"system\"");
        line(&mut text, "rung = \"service\"");
        let mut pattern = format!("service = {}", quoted(&Glob::literal(service)));
        if shared || !namespace.is_empty() {
            let _ = write!(pattern, ", namespace = {}", quoted(&Glob::literal(namespace)));
        }
        line(&mut text, &format!("match = [{{ {pattern} }}]"));
        comment(&mut text, "hosts", &seen.hosts);
        comment(&mut text, "versions", &seen.versions);
        if seen.instances.len() > 1 {
            line(
                &mut text,
                "# Instances seen; fewer run at a time if some were restarted meanwhile.",
            );
            line(&mut text, &format!("replicas = {}", seen.instances.len()));
        }
        line(&mut text, "executor = \"dry_run\"");
    }
    text
}

const HEAD: &str = r#"# A restart tree, proposed from traces. Restarting a cell restarts everything below it.
# To make it yours:
# - executor: "dry_run" only says what it would do. Others:
#     { systemd = { unit = "cart.service" } }
#     { kubernetes = { namespace = "shop", deployment = "cart" } }
#     { docker = { container = "cart" } } or { docker = { label = "app=cart" } }
#     { supervisord = { program = "cart" } }, { process = { name = "cart" } }
#     { http = { url = "http://cart:8080/restart" } }, { command = { argv = ["/usr/bin/x"] } }
# - restart_time = "8s", grace = "30s": measure them.
# - requires = ["db"]: this cell needs db, and is restarted when db is.
# - protected = true: never restart it (databases!).
# - mode: observe (only say), shadow, approve, auto; budget = "3/1h".
version = 1

[[cell]]
id = "system"
rung = "system"
"#;

type Key = (String, String);

/// One entry a service, ascending; services without a name cannot be matched and are left out.
fn merge(services: &[SeenService]) -> BTreeMap<Key, SeenService> {
    let mut merged: BTreeMap<Key, SeenService> = BTreeMap::new();
    for seen in services.iter().filter(|seen| !seen.service.is_empty()) {
        let key = (seen.namespace.clone(), seen.service.clone());
        let all = merged.entry(key).or_default();
        all.hosts.extend(seen.hosts.iter().cloned());
        all.versions.extend(seen.versions.iter().cloned());
        all.instances.extend(seen.instances.iter().cloned());
    }
    merged
}

/// An id for each service: its name if that is free, else with its namespace, else with a number.
fn ids(services: &BTreeMap<Key, SeenService>) -> Vec<String> {
    let mut taken: BTreeSet<String> = BTreeSet::from(["system".to_owned()]);
    let mut ids = Vec::new();
    for (namespace, service) in services.keys() {
        let plain = name(service);
        let qualified = name(&format!("{namespace}.{service}"));
        let numbered = (2_u32..).map(|n| format!("{plain}-{n}"));
        let mut wanted = [plain.clone(), qualified].into_iter().chain(numbered);
        let id = wanted.find(|id| !taken.contains(id)).expect("numbers do not end");
        taken.insert(id.clone());
        ids.push(id);
    }
    ids
}

/// The nearest text that may be an id, short enough that a number fits behind it.
fn name(text: &str) -> String {
    let letters = text.chars().map(|c| if is_name_char(c) { c } else { '-' });
    let name: String = letters.take(MAX_NAME - 12).collect();
    name
}

fn line(text: &mut String, line: &str) {
    text.push_str(line);
    text.push('\n');
}

/// A comment with the first few of some names from traces, which may hold anything.
fn comment(text: &mut String, what: &str, names: &BTreeSet<String>) {
    const MOST: usize = 4;
    if names.is_empty() {
        return;
    }
    let mut shown: Vec<String> = names.iter().take(MOST).map(|name| quoted(name)).collect();
    if names.len() > MOST {
        shown.push(format!("and {} more", names.len() - MOST));
    }
    line(text, &format!("# {what} seen: {}", shown.join(", ")));
}

/// A TOML basic string; no control character is left in it.
fn quoted(text: &str) -> String {
    let mut quoted = String::from('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => quoted.extend(['\\', c]),
            c if c.is_control() => {
                let _ = write!(quoted, "\\u{:04X}", u32::from(c));
            }
            c => quoted.push(c),
        }
    }
    quoted.push('"');
    quoted
}
