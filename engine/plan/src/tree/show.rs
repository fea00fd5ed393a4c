//! The tree as text, at most 80 columns wide.

use super::{Cell, RestartTree, Strategy};
use crate::document::Mode;
use crate::duration::Millis;
use crate::text::{WIDTH, fit};

/// Widest column of cells, rungs, and executors; longer ones are cut.
const CELLS: usize = 34;
const RUNGS: usize = 10;
const EXECUTORS: usize = 11;

impl RestartTree {
    /// The tree as text, at most 80 columns wide: cells with rung, executor, expected restart time,
    /// and whatever is particular about them.
    #[must_use]
    pub fn show(&self) -> String {
        let mut rows = Vec::new();
        self.rows(self.root, String::new(), "", &mut rows);
        let widest = |most: usize, column: fn(&Row) -> &str| {
            rows.iter().map(|row| column(row).chars().count()).max().unwrap_or(0).clamp(6, most)
        };
        let cells = widest(CELLS, |row| &row.cell);
        let rungs = widest(RUNGS, |row| &row.rung);
        let executors = widest(EXECUTORS, |row| row.executor);

        let plural = if self.cells.len() == 1 { "cell" } else { "cells" };
        let mut out = format!("{} {plural}, tree {}\n\n", self.cells.len(), self.hash().short());
        let mut push = |cell: &str, rung: &str, executor: &str, time: &str, rest: &str| {
            let line = format!(
                "{} {} {} {time:>8}  {rest}",
                fit(cell, cells),
                fit(rung, rungs),
                fit(executor, executors)
            );
            out.push_str(line.trim_end());
            out.push('\n');
        };
        push("cell", "rung", "by", "restart", "");
        let room = WIDTH - (cells + rungs + executors + 13);
        for row in &rows {
            let mut lines = wrap(&row.traits, room).into_iter();
            let first = lines.next().unwrap_or_default();
            push(&row.cell, &row.rung, row.executor, &row.time, &first);
            lines.for_each(|line| push(&row.below, "", "", "", &line));
        }
        out
    }

    fn rows(&self, at: usize, stem: String, branch: &str, rows: &mut Vec<Row>) {
        let cell = &self.cells[at];
        let children = &self.children[at];
        let below = match branch {
            "" => String::new(),
            "|-- " => format!("{stem}|   "),
            _ => format!("{stem}    "),
        };
        let time: u64 =
            self.units(at).iter().map(|&unit| self.cells[unit].restart_time.get()).sum();
        rows.push(Row {
            cell: format!("{stem}{branch}{}", cell.id),
            below: if children.is_empty() { below.clone() } else { format!("{below}|") },
            rung: cell.rung.to_string(),
            executor: cell.executor.as_ref().map_or("(its parts)", |executor| executor.kind()),
            time: Millis::new(time).to_string(),
            traits: traits(cell),
        });
        for (i, &child) in children.iter().enumerate() {
            let branch = if i + 1 == children.len() { "`-- " } else { "|-- " };
            self.rows(child, below.clone(), branch, rows);
        }
    }
}

struct Row {
    cell: String,
    /// What stands in the cell's column in further lines of this row.
    below: String,
    rung: String,
    executor: &'static str,
    time: String,
    traits: Vec<String>,
}

/// What is particular about a cell.
fn traits(cell: &Cell) -> Vec<String> {
    let mode = match cell.mode {
        Mode::Observe => "observe",
        Mode::Shadow => "shadow",
        Mode::Approve => "approve",
        Mode::Auto => "auto",
    };
    let mut traits = vec![mode.to_owned()];
    if cell.protected {
        traits.push("protected".to_owned());
    }
    if !cell.restartable {
        traits.push("not alone".to_owned());
    }
    if cell.replicas > 1 {
        traits.push(format!("x{}", cell.replicas));
    }
    traits.extend(cell.slot.map(|slot| format!("slot {slot}")));
    match cell.strategy {
        Strategy::OneForOne => {}
        Strategy::OneForAll => traits.push("one for all".to_owned()),
        Strategy::RestForOne => traits.push("rest for one".to_owned()),
    }
    traits.extend(cell.budget.map(|budget| budget.to_string()));
    traits.extend(cell.requires.iter().map(|id| format!("needs {id}")));
    traits
}

/// Puts items with commas into lines of at most so many characters; a longer item is cut.
fn wrap(items: &[String], room: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for (i, item) in items.iter().enumerate() {
        let comma = if i + 1 < items.len() { "," } else { "" };
        let item = format!("{}{comma}", fit(item, room - 1).trim_end());
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + item.chars().count() <= room => {
                line.push(' ');
                line.push_str(&item);
            }
            _ => lines.push(item),
        }
    }
    lines
}
