//! The laws of the house, read off the manifests and the files themselves.
//!
//! A law that fails says which file or crate breaks it and what to do. The functions that look for
//! breaches are tested on made-up inputs beside them, so each law is known to be able to fail.

mod crates;
mod documents;
mod source;
mod tree;

use std::collections::BTreeSet;
use std::path::Path;

use crates::Member;

/// Crates that decide. Same input, same bytes out.
const PURE: [&str; 5] =
    ["resus-model", "resus-paths", "resus-evidence", "resus-suspects", "resus-plan"];

/// What a pure crate must not link in, however far down.
const IMPURE: [&str; 18] = [
    "async-std",
    "fastrand",
    "getrandom",
    "hyper",
    "mio",
    "memmap2",
    "object_store",
    "parquet",
    "polars*",
    "rand",
    "rand_core",
    "redb",
    "reqwest",
    "smol",
    "socket2",
    "tempfile",
    "tokio*",
    "tonic*",
];

/// What a pure crate links in all the same: (crate, package, why that does no harm).
const TOLERATED: [(&str, &str, &str); 1] = [(
    "resus-evidence",
    "getrandom",
    "arrow-array seeds the hash of its dictionary builders with it, which resus-evidence does not use",
)];

/// What code of a pure crate must not name, and what to do instead.
const IMPURE_PATHS: [(&str, &str); 13] = [
    ("std::fs", "take bytes; columns, store and the program read files"),
    ("std::env", "take the setting as an argument"),
    ("std::net", "sockets belong to the collector"),
    ("std::os", "what differs from system to system belongs to the program"),
    ("std::process", "only the program starts or ends processes"),
    ("std::thread", "use rayon, whose pool the program sizes"),
    ("std::time::Instant", "take the time as an argument"),
    ("std::time::SystemTime", "take the time as an argument"),
    ("std::collections::HashMap", "use BTreeMap, or rustc_hash where the order reaches no output"),
    ("std::collections::HashSet", "use BTreeSet, or rustc_hash where the order reaches no output"),
    ("std::collections::hash_map", "use BTreeMap, or rustc_hash where the order reaches no output"),
    ("std::collections::hash_set", "use BTreeSet, or rustc_hash where the order reaches no output"),
    ("std::hash::RandomState", "use rustc_hash::FxBuildHasher"),
];

/// Packages that nobody names: there is one library for each purpose, and these are not it.
const RIVALS: [(&str, &str); 5] = [
    ("chrono", "use jiff"),
    ("time", "use jiff"),
    ("openssl", "use rustls"),
    ("native-tls", "use rustls"),
    ("lazy_static", "use std::sync::LazyLock"),
];

/// Crates whose own build links polars in: its one user, and those who need that one.
const POLARS_REACHED_BY: [&str; 3] = ["resus-columns", "resus", "resus-benches"];

#[track_caller]
fn hold(law: &str, remedy: &str, breaches: &[String]) {
    assert!(
        breaches.is_empty(),
        "the house has a law: {law}\nbroken by:\n  {}\nwhat to do: {remedy}",
        breaches.join("\n  "),
    );
}

fn pure_members() -> Vec<Member> {
    let members: Vec<Member> =
        crates::members().into_iter().filter(|m| PURE.contains(&m.name.as_str())).collect();
    assert_eq!(members.len(), PURE.len(), "a pure crate was renamed: change PURE with it");
    members
}

/// The text of a file; `None` for one that is not text.
fn text(root: &Path, path: &str) -> Option<String> {
    let bytes = std::fs::read(root.join(path)).expect("files of the repository can be read");
    String::from_utf8(bytes).ok()
}

/// Sources of a member outside its tests, with what they name.
fn sources(root: &Path, files: &[String], member: &Member) -> Vec<(String, source::Source)> {
    let src = format!("{}/src/", member.folder);
    let mut read: Vec<(String, source::Source)> = files
        .iter()
        .filter(|path| path.starts_with(&src) && path.ends_with(".rs"))
        .map(|path| {
            let text = text(root, path).expect("Rust is UTF-8");
            let found = source::read(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
            (path.clone(), found)
        })
        .collect();
    assert!(!read.is_empty(), "{src} holds no source: has the folder moved?");
    let for_tests: Vec<String> =
        read.iter().flat_map(|(path, s)| test_files(path, &s.test_modules)).collect();
    read.retain(|(path, _)| !for_tests.iter().any(|start| path.starts_with(start.as_str())));
    read
}

/// How the paths of modules begin that a file declares for tests only.
fn test_files(declared_in: &str, modules: &[String]) -> Vec<String> {
    let stem = declared_in.strip_suffix(".rs").unwrap_or(declared_in);
    let folder = match stem.rsplit_once('/') {
        Some((folder, "lib" | "main" | "mod")) => folder,
        _ => stem,
    };
    modules.iter().flat_map(|m| [format!("{folder}/{m}.rs"), format!("{folder}/{m}/")]).collect()
}

/// Places where a source names something banned.
fn banned_names(path: &str, source: &source::Source, bans: &[(&str, &str)]) -> Vec<String> {
    let mut found = Vec::new();
    for name in &source.names {
        for (ban, instead) in bans {
            if source::uses(&name.path, ban) {
                found.push(format!("{path}:{} names {}: {instead}", name.line, name.path));
            }
        }
    }
    found
}

/// Impure packages that a pure crate reaches, less the tolerated ones; tolerances not needed.
fn impure_reach(member: &str, reach: &BTreeSet<String>) -> Vec<String> {
    let tolerated: Vec<&str> =
        TOLERATED.iter().filter(|(m, ..)| *m == member).map(|(_, package, _)| *package).collect();
    let reached = crates::banned(reach, &IMPURE);
    let too_much = reached
        .iter()
        .filter(|package| !tolerated.contains(package))
        .map(|package| format!("{member} reaches {package}"));
    let needless = tolerated
        .iter()
        .filter(|package| !reached.contains(package))
        .map(|package| format!("{member} no longer reaches {package}: take it out of TOLERATED"));
    too_much.chain(needless).collect()
}

/// Members that name a package matching `list`, but for those allowed to.
fn named_by_others(members: &[Member], list: &[&str], allowed: &[&str]) -> Vec<String> {
    let mut found = Vec::new();
    for member in members.iter().filter(|m| !allowed.contains(&m.name.as_str())) {
        let names = member.dependencies.iter().map(|d| d.name.clone()).collect();
        for package in crates::banned(&names, list) {
            found.push(format!("{}/Cargo.toml names {package}", member.folder));
        }
    }
    found
}

#[test]
fn pure_crates_link_in_nothing_impure() {
    let breaches: Vec<String> = pure_members()
        .iter()
        .flat_map(|m| impure_reach(&m.name, &crates::reach(&m.name, false)))
        .collect();
    hold(
        "model, paths, evidence, suspects and plan reach no runtime, no socket, no file format \
         that reads files, no source of randomness",
        "find the way with `cargo tree -p CRATE -i PACKAGE -e normal`; switch a feature off, or \
         move the work into columns, store or the program",
        &breaches,
    );
}

#[test]
fn pure_crates_name_no_clock_file_socket_environment_or_unordered_map() {
    let root = crates::root();
    let files = tree::files(&root);
    let breaches: Vec<String> = pure_members()
        .iter()
        .flat_map(|m| sources(&root, &files, m))
        .flat_map(|(path, source)| banned_names(&path, &source, &IMPURE_PATHS))
        .collect();
    hold(
        "same input, same output, to the byte; in pure crates everything comes in by arguments",
        "see each line; code for tests stands under #[cfg(test)]",
        &breaches,
    );
}

#[test]
fn floats_are_never_summed_in_parallel() {
    let root = crates::root();
    let files = tree::files(&root);
    let mut breaches = Vec::new();
    for member in crates::members().iter().filter(|m| m.folder.starts_with("engine")) {
        for (path, source) in sources(&root, &files, member) {
            for line in source.parallel_float_folds {
                breaches.push(format!("{path}:{line}"));
            }
        }
    }
    hold(
        "no parallel float reduction: the sum would depend on how the work was cut",
        "collect the parts in order and add them up in one thread, or sum integers",
        &breaches,
    );
}

#[test]
fn only_columns_names_polars() {
    let root = crates::root();
    let files = tree::files(&root);
    let members = crates::members();
    let mut breaches = named_by_others(&members, &["polars*"], &["resus-columns"]);
    for path in files.iter().filter(|p| p.ends_with(".rs")) {
        let ours = path.starts_with("engine/columns/");
        let text = text(&root, path).expect("Rust is UTF-8");
        let source = source::read(&text).unwrap_or_else(|e| panic!("{path}: {e}"));
        for name in source.names {
            let first = name.path.split("::").next().unwrap_or_default();
            if (first == "polars" || first.starts_with("polars_")) && (!ours || name.exported) {
                breaches.push(format!("{path}:{} names {}", name.line, name.path));
            }
        }
    }
    hold(
        "only engine/columns names polars, and it hands none of its types on",
        "speak SpanBatch at the edge of columns; put polars code there",
        &breaches,
    );
}

#[test]
fn everything_but_columns_and_the_program_builds_and_tests_without_polars() {
    let reach = crates::reach("resus-columns", false);
    assert!(!crates::banned(&reach, &["polars*"]).is_empty(), "cargo tree is misread: {reach:?}");
    let breaches: Vec<String> = crates::members()
        .iter()
        .filter(|m| !POLARS_REACHED_BY.contains(&m.name.as_str()))
        .flat_map(|m| {
            let reach = crates::reach(&m.name, true);
            crates::banned(&reach, &["polars*"])
                .into_iter()
                .map(|package| format!("{} reaches {package}", m.name))
                .collect::<Vec<_>>()
        })
        .collect();
    hold(
        "polars is by far the longest compile; only columns, the program, benches and tests wait for it",
        "find the way with `cargo tree -p CRATE -i polars -e normal,build,dev`, then take the \
         dependency out, or hand the data over as SpanBatch",
        &breaches,
    );
}

#[test]
fn plan_does_not_know_suspects() {
    let reach = crates::reach("resus-plan", true);
    let breaches: Vec<String> = crates::banned(&reach, &["resus-suspects"])
        .into_iter()
        .map(|package| format!("resus-plan reaches {package}"))
        .collect();
    hold(
        "plan and suspects both speak model, and not of each other",
        "move the type that both need into engine/model",
        &breaches,
    );
}

#[test]
fn nobody_depends_on_the_program_but_tests_and_benches() {
    let breaches = named_by_others(&crates::members(), &["resus"], &["resus-benches"]);
    hold(
        "the program in collector/ is an end, not a library; collector/otlp is a library like the others",
        "move what is needed into a crate of engine/ or into collector/otlp",
        &breaches,
    );
}

#[test]
fn there_is_one_library_for_each_purpose() {
    let members = crates::members();
    let mut breaches = Vec::new();
    for (rival, instead) in RIVALS {
        for found in named_by_others(&members, &[rival], &[]) {
            breaches.push(format!("{found}: {instead}"));
        }
    }
    hold("one library for each purpose", "see each line", &breaches);
}

#[test]
fn manifests_take_the_lints_of_the_workspace_and_no_default_features() {
    let breaches: Vec<String> =
        crates::members().iter().flat_map(crates::manifest_faults).collect();
    hold(
        "every member takes the workspace's lints; no dependency comes with its default features",
        "write `[lints]` `workspace = true`; put `default-features = false` at the dependency in \
         the root Cargo.toml and name the features that are needed in the member",
        &breaches,
    );
}

#[test]
fn files_are_short_and_named_by_what_they_are() {
    let root = crates::root();
    let files = tree::files(&root);
    assert!(files.iter().any(|f| f == "Cargo.toml"), "the listing misses Cargo.toml: {files:?}");
    let names: Vec<String> = files.iter().filter_map(|path| tree::name_fault(path)).collect();
    hold(
        "nothing is called util, helper, common, misc or manager",
        "name it by what it is, or put its content where it is used",
        &names,
    );
    let lengths: Vec<String> = files
        .iter()
        .filter(|path| tree::is_code(path))
        .filter_map(|path| tree::length_fault(path, &text(&root, path)?))
        .collect();
    hold(
        &format!("no file of code has over {} lines; half of that is the aim", tree::MAX_LINES),
        "it holds two things: give each a file; long tests go to a file `tests.rs` beside it",
        &lengths,
    );
}

#[test]
fn every_crate_root_asks_the_question_that_the_crate_answers() {
    let root = crates::root();
    let breaches: Vec<String> = crates::members()
        .into_iter()
        .flat_map(|m| m.roots)
        .filter(|path| !text(&root, path).is_some_and(|text| tree::asks_a_question(&text)))
        .collect();
    hold(
        "the first paragraph of a crate root says which question the crate answers",
        "begin the file with `//!` and a question, with its question mark",
        &breaches,
    );
}

#[test]
fn the_top_of_the_repository_holds_the_rooms_and_nothing_else() {
    let files = tree::files(&crates::root());
    hold(
        "a stranger finds the way from the top: rooms, root documents, files of tools",
        "put it into the room where it belongs; for a new room change ARCHITECTURE.md and TOP first",
        &tree::strangers_at_top(&files),
    );
}

#[test]
fn no_file_names_a_machine_or_a_mirror() {
    let root = crates::root();
    let breaches: Vec<String> = tree::files(&root)
        .iter()
        .filter_map(|path| Some((path, text(&root, path)?)))
        .flat_map(|(path, text)| tree::places_named(path, &text))
        .collect();
    hold(
        "the repository is the same everywhere: no absolute path of a machine, no registry's host",
        "use a path relative to the repository, or a package's name",
        &breaches,
    );
}

mod tests {
    use super::*;
    use crates::Dependency;

    fn member(name: &str, dependencies: &[&str]) -> Member {
        let dependency = |name: &&str| Dependency {
            name: (*name).to_owned(),
            ours: false,
            default_features: false,
        };
        Member {
            name: name.to_owned(),
            folder: name.to_owned(),
            dependencies: dependencies.iter().map(dependency).collect(),
            roots: Vec::new(),
            manifest: String::new(),
        }
    }

    #[test]
    fn impure_packages_are_found_and_tolerances_must_be_needed() {
        let reach = |names: &[&str]| names.iter().map(|n| (*n).to_owned()).collect();
        assert!(impure_reach("resus-plan", &reach(&["serde", "petgraph"])).is_empty());
        let found = impure_reach("resus-plan", &reach(&["tokio-util", "polars-core", "serde"]));
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(impure_reach("resus-evidence", &reach(&["getrandom"])).is_empty());
        let stale = impure_reach("resus-evidence", &reach(&["arrow-array"]));
        assert!(stale[0].contains("no longer"), "{stale:?}");
    }

    #[test]
    fn banned_names_carry_place_and_remedy() {
        let source = source::read("use std::collections::HashMap;\nfn f() { std::env::var(x) }")
            .expect("lexes");
        let found = banned_names("a.rs", &source, &IMPURE_PATHS);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].starts_with("a.rs:1 names std::collections::HashMap: use BTreeMap"));
        let fine = source::read(
            "use std::collections::BTreeMap; use hashbrown::HashMap; use std::time::Duration;",
        );
        assert!(banned_names("a.rs", &fine.expect("lexes"), &IMPURE_PATHS).is_empty());
    }

    #[test]
    fn who_names_a_package_without_leave_is_found() {
        let members =
            [member("resus-columns", &["polars"]), member("resus-plan", &["polars-core"])];
        let found = named_by_others(&members, &["polars*"], &["resus-columns"]);
        assert_eq!(found, ["resus-plan/Cargo.toml names polars-core"]);
        assert!(named_by_others(&members, &["resus"], &[]).is_empty());
    }

    #[test]
    fn modules_for_tests_are_found_beside_their_parent() {
        let modules = ["laws".to_owned()];
        assert_eq!(test_files("x/src/lib.rs", &modules), ["x/src/laws.rs", "x/src/laws/"]);
        assert_eq!(test_files("x/src/a.rs", &modules), ["x/src/a/laws.rs", "x/src/a/laws/"]);
    }

    #[test]
    #[should_panic(expected = "what to do: mend it")]
    fn a_broken_law_says_what_to_do() {
        hold("a law", "mend it", &["a.rs".to_owned()]);
    }
}
