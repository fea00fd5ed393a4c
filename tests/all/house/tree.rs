//! Which files does the repository hold, and does each look as the house wants it?

use std::path::Path;
use std::process::Command;

/// No file of code is longer. Longer ones have always been two things in one file.
pub(super) const MAX_LINES: usize = 800;

/// Files of code, by the end of their name.
const CODE: [&str; 6] = [".rs", ".py", ".html", ".js", ".css", ".sh"];

/// Names that say that nobody knew what the thing is.
const EMPTY_NAMES: [&str; 7] = ["util", "utils", "helper", "helpers", "common", "misc", "manager"];

/// What may lie at the top, beside names that begin with a dot.
const TOP: [&str; 17] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "Cargo.lock",
    "Cargo.toml",
    "LICENSE",
    "README.md",
    "benches",
    "clippy.toml",
    "collector",
    "datasets",
    "deny.toml",
    "docs",
    "engine",
    "notebooks",
    "rustfmt.toml",
    "tests",
];

/// Texts that tie the repository to one machine or one mirror. Each is put together here so that
/// this file does not hold it.
const PLACES: [&str; 10] = [
    concat!("/wo", "rk/"),
    concat!("/ho", "me/"),
    concat!("/ro", "ot/"),
    concat!("/Us", "ers/"),
    concat!("crates", ".io"),
    concat!("pypi", ".org"),
    concat!("python", "hosted.org"),
    concat!("npm", "js.org"),
    concat!("npm", "js.com"),
    concat!("deb", ".debian.org"),
];

/// Cargo itself writes this into every lock file.
const LOCK_SOURCE: &str = concat!("registry+https://github.com/rust-lang/crates", ".io-index");

/// Paths of all files that are in the repository, or in one of its rooms and may be added by the next
/// commit; with `/`, sorted.
///
/// Asks git, so that ignored files don't count; where there is no git, walks the folders. What
/// somebody left at the top beside the rooms (a report, a sample) counts only once it is added.
pub(super) fn files(root: &Path) -> Vec<String> {
    let git = |which: &[&str]| {
        let output = Command::new("git")
            .arg("-C")
            .arg(root)
            .args(["ls-files", "-z"])
            .args(which)
            .output()
            .ok()
            .filter(|output| output.status.success())?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Some(text.split_terminator('\0').map(str::to_owned).collect::<Vec<String>>())
    };
    let tracked = git(&["--cached"]);
    let untracked = git(&["--others", "--exclude-standard"]).unwrap_or_else(|| {
        let mut found = Vec::new();
        walk(root, "", &mut found);
        found
    });
    let mut files = tracked.unwrap_or_default();
    files.extend(untracked.into_iter().filter(|path| in_a_room(path)));
    files.retain(|path| root.join(path).is_file());
    files.sort();
    files.dedup();
    files
}

/// True for what lies in a room or is one of the files that belong at the top.
fn in_a_room(path: &str) -> bool {
    let top = path.split('/').next().unwrap_or_default();
    top.starts_with('.') || TOP.contains(&top)
}

fn walk(folder: &Path, prefix: &str, found: &mut Vec<String>) {
    const NOT_OURS: [&str; 6] =
        ["target", ".git", ".venv", "__pycache__", ".ipynb_checkpoints", "node_modules"];
    for entry in std::fs::read_dir(folder).expect("folders of the repository can be read") {
        let entry = entry.expect("folders of the repository can be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        if NOT_OURS.contains(&name.as_str()) {
            continue;
        }
        let path = format!("{prefix}{name}");
        if entry.path().is_dir() {
            walk(&entry.path(), &format!("{path}/"), found);
        } else {
            found.push(path);
        }
    }
}

/// True for a file of code.
pub(super) fn is_code(path: &str) -> bool {
    CODE.iter().any(|end| path.ends_with(end))
}

/// What is wrong with the length of a file of code.
pub(super) fn length_fault(path: &str, text: &str) -> Option<String> {
    let lines = text.lines().count();
    (is_code(path) && lines > MAX_LINES).then(|| format!("{path} has {lines} lines"))
}

/// What is wrong with a path: a folder or file of code with an empty name, alone or as a part
/// (`task_manager.rs`).
pub(super) fn name_fault(path: &str) -> Option<String> {
    let empty = |part: &str| {
        let stem = part.split('.').next().unwrap_or(part).to_ascii_lowercase();
        stem.split(['_', '-']).any(|word| EMPTY_NAMES.contains(&word))
    };
    let mut parts: Vec<&str> = path.split('/').collect();
    let file = parts.pop().unwrap_or(path);
    let bad = parts.into_iter().any(empty) || (is_code(path) && empty(file));
    bad.then(|| path.to_owned())
}

/// What lies at the top and is not among the names that belong there.
pub(super) fn strangers_at_top(files: &[String]) -> Vec<String> {
    let strangers = files.iter().filter(|path| !in_a_room(path));
    let mut tops: Vec<&str> = strangers.filter_map(|path| path.split('/').next()).collect();
    tops.dedup();
    tops.into_iter().map(str::to_owned).collect()
}

/// Lines that name a place outside the repository.
pub(super) fn places_named(path: &str, text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (n, line) in text.lines().enumerate() {
        let line =
            if path == "Cargo.lock" { line.replace(LOCK_SOURCE, "") } else { line.to_owned() };
        for place in PLACES {
            if names_place(&line, place) {
                found.push(format!("{path}:{} names {place}", n + 1));
            }
        }
    }
    found
}

/// A path counts only where it begins: `/a/` is not named by `b/a/c`.
fn names_place(line: &str, place: &str) -> bool {
    line.match_indices(place).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !place.starts_with('/')
            || !before.is_some_and(|c| c.is_alphanumeric() || "._-}*".contains(c))
    })
}

/// True when the first paragraph of a crate root's documentation holds a question.
pub(super) fn asks_a_question(text: &str) -> bool {
    text.lines()
        .map(str::trim_start)
        .skip_while(|line| !line.starts_with("//!"))
        .map_while(|line| line.strip_prefix("//!"))
        .skip_while(|line| line.trim().is_empty())
        .take_while(|line| !line.trim().is_empty())
        .any(|line| line.contains('?'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_of_code_may_have_800_lines_and_no_more() {
        assert_eq!(length_fault("a/b.rs", &"x\n".repeat(800)), None);
        assert!(length_fault("a/b.rs", &"x\n".repeat(801)).is_some());
        assert!(length_fault("a/page.html", &"x\n".repeat(801)).is_some());
        assert_eq!(length_fault("Cargo.lock", &"x\n".repeat(801)), None);
    }

    #[test]
    fn empty_names_are_found_whole_and_as_parts_but_not_inside_words() {
        for bad in ["a/utils.rs", "a/helper.py", "a/common/b.rs", "a/task_manager.rs", "misc/b.txt"]
        {
            assert!(name_fault(bad).is_some(), "{bad}");
        }
        for good in ["a/commons_law.rs", "a/utility.rs", "common.txt", "engine/src/lib.rs"] {
            assert_eq!(name_fault(good), None, "{good}");
        }
    }

    #[test]
    fn strangers_at_the_top_are_named_once() {
        let files: Vec<String> =
            ["Cargo.toml", ".ci/run", "engine/a.rs", "scripts/a.sh", "scripts/b.sh", "notes.txt"]
                .map(str::to_owned)
                .into();
        assert_eq!(strangers_at_top(&files), ["scripts", "notes.txt"]);
    }

    #[test]
    fn places_are_found_where_a_path_begins_or_a_host_stands() {
        let home = concat!("see /ho", "me/x");
        assert_eq!(places_named("a.md", home).len(), 1);
        assert_eq!(places_named("a.md", concat!("GET shop/ho", "me/x")).len(), 0);
        assert_eq!(places_named("a.md", concat!("https://pypi", ".org/simple")).len(), 1);
        let lock = format!("source = \"{LOCK_SOURCE}\"");
        assert_eq!(places_named("Cargo.lock", &lock).len(), 0);
        assert_eq!(places_named("x/Cargo.toml", &lock).len(), 1);
        assert_eq!(places_named("Cargo.lock", concat!("https://mirror/crates", ".io")).len(), 1);
    }

    #[test]
    fn the_question_must_stand_in_the_first_paragraph() {
        assert!(asks_a_question("//! Who did it?\n\nfn f() {}"));
        assert!(asks_a_question("// licence\n//! This asks:\n//! who did it? So.\n//!\n//! More."));
        assert!(asks_a_question("//!\n//! Who?\n"));
        assert!(!asks_a_question("//! Tells who did it.\n//!\n//! Who?"));
        assert!(!asks_a_question("fn f() {} // why?"));
        assert!(!asks_a_question(""));
    }
}
