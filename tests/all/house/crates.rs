//! Which crates does the workspace hold, and what does each of them reach?

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use cargo_metadata::MetadataCommand;

/// A dependency as a member's manifest names it.
#[derive(Debug, Clone)]
pub(super) struct Dependency {
    pub(super) name: String,
    /// Lives in this repository.
    pub(super) ours: bool,
    pub(super) default_features: bool,
}

/// A member of the workspace.
#[derive(Debug, Clone)]
pub(super) struct Member {
    pub(super) name: String,
    /// Folder below the repository's root, with `/`.
    pub(super) folder: String,
    pub(super) dependencies: Vec<Dependency>,
    /// Root files of its targets, build scripts and examples left out, below the repository's root.
    pub(super) roots: Vec<String>,
    /// The text of its manifest.
    pub(super) manifest: String,
}

/// The repository's root.
pub(super) fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests.parent().expect("the tests' folder lies in the repository").to_owned()
}

/// All members, by name.
pub(super) fn members() -> Vec<Member> {
    let root = root();
    let metadata = MetadataCommand::new()
        .manifest_path(root.join("Cargo.toml"))
        .no_deps()
        .exec()
        .expect("cargo metadata reads the workspace; run it by hand to see what is wrong");
    let below =
        |path: &Path| path.strip_prefix(&root).unwrap_or(path).to_string_lossy().replace('\\', "/");
    let mut members: Vec<Member> = metadata
        .packages
        .iter()
        .map(|package| Member {
            name: package.name.to_string(),
            folder: below(package.manifest_path.parent().expect("in a folder").as_std_path()),
            dependencies: package.dependencies.iter().map(dependency).collect(),
            roots: package
                .targets
                .iter()
                .filter(|t| !t.is_custom_build() && !t.is_example())
                .map(|t| below(t.src_path.as_std_path()))
                .collect(),
            manifest: std::fs::read_to_string(&package.manifest_path).expect("cargo has read it"),
        })
        .collect();
    members.sort_by(|a, b| a.name.cmp(&b.name));
    members
}

fn dependency(d: &cargo_metadata::Dependency) -> Dependency {
    Dependency {
        name: d.name.clone(),
        ours: d.path.is_some(),
        default_features: d.uses_default_features,
    }
}

/// Names of all packages that a member's own build links in, itself included; with `dev` also what
/// its tests link in.
///
/// Asked of `cargo tree`, one member at a time: `cargo metadata` switches the features of the whole
/// workspace on at once, so a crate would be blamed for what another one asked for.
pub(super) fn reach(member: &str, dev: bool) -> BTreeSet<String> {
    let edges = if dev { "normal,build,dev" } else { "normal,build,no-proc-macro" };
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let output = Command::new(cargo)
        .current_dir(root())
        .args(["tree", "--locked", "--package", member, "--edges", edges])
        .args(["--prefix", "none", "--format", "{p}"])
        .output()
        .expect("cargo starts");
    assert!(
        output.status.success(),
        "cargo tree of {member} failed; where Cargo.lock is out of date, run `cargo check` and commit it\n{}",
        String::from_utf8_lossy(&output.stderr),
    );
    names_in_tree(&String::from_utf8_lossy(&output.stdout))
}

/// First words of the lines of a tree without drawing.
fn names_in_tree(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.split_whitespace().next()).map(str::to_owned).collect()
}

/// Which of `names` are banned: equal to a word of the list, or beginning with one that ends in `*`.
pub(super) fn banned<'a>(names: &'a BTreeSet<String>, list: &[&str]) -> Vec<&'a str> {
    let hit = |name: &str| {
        list.iter().any(|word| match word.strip_suffix('*') {
            Some(start) => name.starts_with(start),
            None => name == *word,
        })
    };
    names.iter().map(String::as_str).filter(|name| hit(name)).collect()
}

/// What a member's manifest gets wrong by the rules for manifests.
pub(super) fn manifest_faults(member: &Member) -> Vec<String> {
    let mut faults = Vec::new();
    let lints = toml::from_str::<toml::Table>(&member.manifest)
        .ok()
        .and_then(|table| table.get("lints")?.get("workspace")?.as_bool());
    if lints != Some(true) {
        faults.push(format!("{}/Cargo.toml has no `[lints] workspace = true`", member.folder));
    }
    for d in member.dependencies.iter().filter(|d| !d.ours && d.default_features) {
        faults
            .push(format!("{}/Cargo.toml takes the default features of {}", member.folder, d.name));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    fn member(manifest: &str, dependencies: Vec<Dependency>) -> Member {
        Member {
            name: "resus-x".into(),
            folder: "x".into(),
            dependencies,
            roots: Vec::new(),
            manifest: manifest.into(),
        }
    }

    #[test]
    fn a_tree_is_read_by_first_words() {
        let names =
            names_in_tree("resus-plan v0.1.0 (/a b/plan)\nserde v1.0.1\n\nserde v1.0.1 (*)\n");
        assert_eq!(names, BTreeSet::from(["resus-plan".to_owned(), "serde".to_owned()]));
    }

    #[test]
    fn banned_names_are_whole_words_or_beginnings() {
        let names = BTreeSet::from(["polars-core".to_owned(), "rand".into(), "random".into()]);
        assert_eq!(banned(&names, &["polars*", "rand"]), ["polars-core", "rand"]);
        assert!(banned(&names, &["tokio"]).is_empty());
    }

    #[test]
    fn manifests_without_lints_or_with_default_features_are_faulty() {
        let bare = |default_features, ours| Dependency { name: "d".into(), ours, default_features };
        let good = "[lints]\nworkspace = true\n";
        assert!(
            manifest_faults(&member(good, vec![bare(false, false), bare(true, true)])).is_empty()
        );
        assert_eq!(manifest_faults(&member(good, vec![bare(true, false)])).len(), 1);
        assert_eq!(manifest_faults(&member("[package]\nname = \"x\"\n", vec![])).len(), 1);
        assert_eq!(manifest_faults(&member("[lints]\nworkspace = false\n", vec![])).len(), 1);
    }
}
