use std::collections::BTreeSet;

use super::*;

fn tree(text: &str) -> RestartTree {
    RestartTree::parse(text, "shop.toml").unwrap_or_else(|errors| panic!("{errors}"))
}

/// A root with these cells below it.
fn under_root(cells: &str) -> String {
    format!(
        "version = 1\n[[cell]]\nid = \"shop\"\nrung = \"system\"\nexecutor = \"dry_run\"\n{cells}"
    )
}

fn cell(id: &str, rest: &str) -> String {
    format!(
        "[[cell]]\nid = \"{id}\"\nparent = \"shop\"\nrung = \"service\"\nexecutor = \"dry_run\"\n{rest}\n"
    )
}

fn component(text: &str) -> Component {
    let (rest, instance) = match text.split_once('@') {
        Some((rest, instance)) => (rest, Some(instance.to_owned())),
        None => (text, None),
    };
    let (service, operation) = match rest.split_once(' ') {
        Some((service, operation)) => (service, Some(operation.to_owned())),
        None => (rest, None),
    };
    let (namespace, service) = service.split_once('/').unwrap_or(("", service));
    Component {
        service: service.to_owned(),
        namespace: namespace.to_owned(),
        operation,
        instance,
        version: None,
        host: None,
    }
}

const SHOP: &str = r#"
version = 1

[[cell]]
id = "shop"
rung = "system"
mode = "approve"
match = [{ service = "*", namespace = "shop" }]

[[cell]]
id = "cart"
parent = "shop"
rung = "service"
mode = "auto"
match = [{ service = "cart*" }]
executor = { kubernetes = { namespace = "shop", deployment = "cart" } }
replicas = 3
requires = ["db"]
restart_time = "8s"
grace = "20s"
drain = "500ms"
budget = "3/1h"

[[cell]]
id = "cart/pricing"
parent = "cart"
rung = "component"
match = [{ service = "cart", operation = "GET /price/*" }]
executor = { http = { url = "http://cart:8080/restart/pricing", headers = { Authorization = "${secret:CART}" } } }
restart_time = "400ms"

[[cell]]
id = "db"
parent = "shop"
rung = "service"
match = [{ service = "postgres" }, { service = "pgbouncer" }]
executor = { systemd = { unit = "postgresql.service" } }
restart_time = "1m30s"
protected = true

[[cell]]
id = "web"
parent = "shop"
rung = "service"
strategy = "rest_for_one"
replicas = 2

[[cell]]
id = "web-0"
parent = "web"
slot = 0
rung = "instance"
match = [{ service = "web", instance = "web-0" }]
executor = { docker = { container = "web-0" } }

[[cell]]
id = "web-1"
parent = "web"
slot = 1
rung = "instance"
match = [{ service = "web", instance = "web-1" }]
executor = { docker = { container = "web-1" } }
"#;

#[test]
fn a_tree_is_shown_in_80_columns() {
    let shown = tree(SHOP).show();
    assert!(shown.lines().all(|line| line.chars().count() <= 80), "{shown}");
    insta::assert_snapshot!(shown, @r#"
    7 cells, tree 7f1d3c004910

    cell                 rung      by           restart
    shop                 system    (its parts)    1m58s  approve
    |-- cart             service   kubernetes        8s  auto, x3, 3/1h, needs db
    |   `-- cart/pricing component http           400ms  auto
    |-- db               service   systemd        1m30s  approve, protected
    `-- web              service   (its parts)      20s  approve, x2, rest for one
        |-- web-0        instance  docker           10s  approve, slot 0
        `-- web-1        instance  docker           10s  approve, slot 1
    "#);
}

#[test]
fn components_go_to_the_deepest_cell_that_matches() {
    let tree = tree(SHOP);
    for (name, expected) in [
        ("cart", "cart"),
        ("shop/cart", "cart"),
        ("cart GET /price/{}", "cart/pricing"),
        ("cart GET /items", "cart"),
        ("cart-worker GET /price/1", "cart"),
        ("cart@4f7c", "cart"),
        ("web@web-1", "web-1"),
        ("shop/anything", "shop"),
        ("pgbouncer", "db"),
    ] {
        let cell = CellId::new(expected).expect("an id");
        assert_eq!(tree.locate(&component(name)), Located::Cell(cell), "{name}");
    }
    assert_eq!(tree.locate(&component("web")), Located::Unmatched);
    assert_eq!(tree.locate(&component("other/thing")), Located::Unmatched);
    let identity = Identity { service: "web", host: Some("node-a"), ..Identity::default() };
    assert_eq!(tree.locate_identity(&identity), Located::Unmatched);
}

#[test]
fn patterns_that_cross_are_ambiguous_only_for_who_meets_both() {
    let text = under_root(
        &(cell("a", "match = [{ service = \"cart*\" }]")
            + &cell("b", "match = [{ service = \"*-worker\" }]")),
    );
    let tree = tree(&text);
    let both = ["a", "b"].map(|id| CellId::new(id).expect("an id"));
    assert_eq!(tree.locate(&component("cart-worker")), Located::Ambiguous(both.to_vec()));
    let a = CellId::new("a").expect("an id");
    assert_eq!(tree.locate(&component("cart")), Located::Cell(a));
    let service = "cart-worker".to_owned();
    let seen = SeenService { service: service.clone(), ..SeenService::default() };
    let notes = check(&tree, &[seen]);
    assert_eq!(notes, [TreeNote::Ambiguous { component: service, cells: both.to_vec() }]);
}

#[test]
fn the_mode_is_that_of_the_nearest_cell_that_says_it() {
    let tree = tree(SHOP);
    let mode = |id: &str| tree.cell(&CellId::new(id).expect("an id")).map(|cell| cell.mode);
    assert_eq!(mode("shop"), Some(Mode::Approve));
    assert_eq!(mode("cart"), Some(Mode::Auto));
    assert_eq!(mode("cart/pricing"), Some(Mode::Auto));
    assert_eq!(mode("web-0"), Some(Mode::Approve));
    assert_eq!(mode("nobody"), None);
}

#[test]
fn the_next_rung_is_the_nearest_cell_above_that_can_be_restarted() {
    let tree = tree(SHOP);
    let next = |id: &str| tree.next_rung(&CellId::new(id).expect("an id"));
    assert_eq!(next("cart/pricing"), NextRung::Cell(CellId::new("cart").expect("an id")));
    // Everything would take the protected database with it.
    assert_eq!(next("cart"), NextRung::Human);
    assert_eq!(next("web-1"), NextRung::Cell(CellId::new("web").expect("an id")));
    assert_eq!(next("shop"), NextRung::Human);
}

#[test]
fn the_hash_is_of_the_meaning() {
    let hash = |text: &str| tree(text).hash();
    let base = hash(SHOP);
    let commented =
        format!("# a comment\n{}", SHOP.replace("replicas = 3", "replicas  =  3 # three"));
    assert_eq!(hash(&commented), base);
    let defaults = SHOP.replace("rung = \"service\"", "rung = \"service\"\nrestartable = true");
    assert_eq!(hash(&defaults), base);
    let (head, cells) = SHOP.split_once("[[cell]]").expect("cells");
    let mut cells: Vec<&str> = cells.split("[[cell]]").collect();
    let join = |cells: &[&str]| format!("{head}[[cell]]{}", cells.join("[[cell]]"));
    cells.swap(1, 3);
    assert_eq!(hash(&join(&cells)), base, "siblings of one_for_one have no order");
    cells.swap(5, 6);
    assert_ne!(hash(&join(&cells)), base, "siblings of rest_for_one have one");
    for (from, to) in [
        ("8s", "9s"),
        ("3/1h", "4/1h"),
        ("protected = true", "protected = false"),
        ("service = \"cart*\"", "service = \"cart\""),
        ("\"auto\"", "\"shadow\""),
        ("requires = [\"db\"]", ""),
    ] {
        assert_ne!(hash(&SHOP.replace(from, to)), base, "{from}");
    }
}

#[test]
fn circles_of_need_are_one_recovery_group_and_no_mistake() {
    let text = under_root(
        &(cell("a", "requires = [\"b\"]")
            + &cell("b", "requires = [\"c\"]")
            + &cell("c", "requires = [\"a\"]")
            + &cell("d", "requires = [\"a\"]")),
    );
    let notes = check(&tree(&text), &[]);
    let lines: Vec<String> = notes.iter().map(ToString::to_string).collect();
    assert_eq!(lines, ["cells `a`, `b`, `c` need each other and always restart together"]);
}

/// Each mistake alone, with a part of what it says.
#[test]
fn every_mistake_says_where_it_is_and_what_to_do() {
    let cases: Vec<(String, &str)> = vec![
        ("version = 1".to_owned(), "no cells; write at least the root"),
        (under_root(&cell("a", "")).replace("= 1", "= 2"), "line 1: `version` is 2"),
        (under_root(&cell("a", "")).replace("version = 1", ""), "`version` is missing"),
        ("version = \n".to_owned(), "line 1: not TOML"),
        (under_root("[policy]\n"), "line 6: unknown key `policy`"),
        (under_root("[[cells]]\n"), "did you mean `cell`?"),
        (under_root("nonsense = 1"), "line 6: unknown field `nonsense`"),
        (under_root("paernt = \"x\""), "(did you mean `parent`?)"),
        (under_root("[[cell]]\nid = \"a\"\nparent = \"shop\""), "line 6: missing field `rung`"),
        (under_root(&cell("a b", "")), "line 7: id \"a b\" has ' ' in it"),
        (under_root(&cell("", "")), "id \"\" is empty"),
        (under_root(&(cell("a", "") + &cell("a", ""))), "cell `a` is there already, in line 7"),
        (
            under_root("[[cell]]\nid = \"b\"\nrung = \"x\"\nexecutor = \"dry_run\""),
            "2 cells have no `parent` (`shop`, `b`)",
        ),
        (
            under_root(&cell("a", "")).replace("parent = \"shop\"", "parent = \"shpo\""),
            "line 8: cell `a` has the parent `shpo`, which is no cell (did you mean `shop`?)",
        ),
        (under_root("parent = \"shop\""), "cell `shop` is its own parent"),
        (
            under_root(
                &(cell("a", "").replace("\"shop\"", "\"b\"")
                    + &cell("b", "").replace("\"shop\"", "\"a\"")),
            ),
            "cells `a`, `b` lie below each other in a circle",
        ),
        (under_root(&cell("a", "requires = [\"bb\"]")), "cell `a` requires `bb`, which is no cell"),
        (under_root(&cell("a", "requires = [\"a\"]")), "cell `a` requires itself"),
        (under_root(&cell("a", "requires = [\"shop\"]")), "which is above it"),
        (
            under_root(&("requires = [\"a\"]\n".to_owned() + &cell("a", ""))),
            "which is a part of it",
        ),
    ];
    check_each(cases);
}

#[test]
fn every_wrong_field_says_where_it_is_and_what_to_do() {
    let cases: Vec<(String, &str)> = vec![
        (under_root(&cell("a", "match = [{}]")), "would match everything"),
        (under_root(&cell("a", "match = { service = \"a\" }")), "expected a list such as"),
        (under_root(&cell("a", "match = [\"a\"]")), "found a string in `match`"),
        (under_root(&cell("a", "match = [{ servcie = \"a\" }]")), "(did you mean `service`?)"),
        (
            under_root(&cell("a", "match = [{ service = \"\" }]")),
            "`service` of a pattern of cell `a` is \"\"",
        ),
        (under_root(&cell("a", "match = [{ service = 'a\\' }]")), "with `*` for any run"),
        (
            under_root(
                &(cell("a", "match = [{ service = \"x\" }]")
                    + &cell("b", "match = [{ service = \"x*\" }]")),
            ),
            "line 11: all that cell `a` matches by { service = \"x\" }, cell `b` matches too",
        ),
        (
            under_root(&cell("a", "restart_time = \"8\"")),
            "`restart_time` of cell `a` is \"8\"; expected a time such as",
        ),
        (under_root(&cell("a", "grace = \"x\"")), "`grace`"),
        (under_root(&cell("a", "drain = 5")), "invalid type: integer `5`, expected a string"),
        (under_root(&cell("a", "budget = \"3\"")), "expected restarts per time"),
        (under_root(&cell("a", "mode = \"atuo\"")), "(did you mean `auto`?)"),
        (under_root(&cell("a", "strategy = \"all\"")), "unknown variant `all`"),
        (
            under_root(&cell("a", "").replace("\"dry_run\"", "\"dryrun\"")),
            "(did you mean `dry_run`?)",
        ),
        (
            under_root(
                &cell("a", "").replace("\"dry_run\"", "{ sytsemd = { unit = \"a.service\" } }"),
            ),
            "(did you mean `systemd`?)",
        ),
        (
            under_root(
                &cell("a", "").replace("\"dry_run\"", "{ systemd = { unti = \"a.service\" } }"),
            ),
            "unti, available keys: unit (did you mean `unit`?)",
        ),
        (
            under_root(&cell("a", "").replace("\"dry_run\"", "{ systemd = { unit = \"a\" } }")),
            "executor of cell `a`: `unit` is \"a\"; expected a unit's whole name",
        ),
        (
            under_root("").replace("executor = \"dry_run\"\n", ""),
            "cell `shop` has neither an `executor` nor cells below it",
        ),
        (under_root(&cell("a", "replicas = 0")), "it is at least 1"),
        (
            under_root(&cell("a", "replicas = -1")),
            "line 11: `replicas`: invalid value: integer `-1`",
        ),
        (
            under_root(
                &cell("a", "replicas = 2").replace("\"dry_run\"", "{ process = { name = \"a\" } }"),
            ),
            "its executor `process` restarts one target",
        ),
        (
            under_root(
                &cell("a", "replicas = 2")
                    .replace("executor = \"dry_run\"\n", "restartable = false\n"),
            ),
            "nobody to restart them",
        ),
        (under_root(&cell("a", "slot = 1")), "its parent has 1 replicas"),
        (under_root(&("slot = 0\n".to_owned() + &cell("a", ""))), "is the root and has a `slot`"),
        (
            under_root(
                &("replicas = 2\n".to_owned() + &cell("a", "slot = 1") + &cell("b", "slot = 1")),
            ),
            "`slot` of cell `b` is 1, as that of `a`",
        ),
    ];
    check_each(cases);
}

#[track_caller]
fn check_each(cases: Vec<(String, &str)>) {
    for (text, expected) in cases {
        let errors = RestartTree::parse(&text, "t.toml").expect_err(&text);
        assert_eq!(errors.mistakes.len(), 1, "{text}\n{errors}");
        assert!(errors.to_string().contains(expected), "{expected}\n{text}\n{errors}");
    }
}

#[test]
fn all_mistakes_are_told_at_once() {
    let text = r#"version = 2
colour = "red"

[[cell]]
id = "shop"
rung = "the system"
mod = "auto"
restart_time = "soon"

[[cell]]
id = "cart"
parent = "shpo"
rung = "service"
match = [{ servce = "cart" }, { service = "cart", hots = "a" }]
executor = { systemdd = { unit = "cart.service" } }
requires = ["cart", "dbb"]
budget = "many"

[[cell]]
id = "db"
rung = "service"
executor = { docker = { container = "a b" } }
protected = "yes"
"#;
    let errors = RestartTree::parse(text, "shop.toml").expect_err("many");
    insta::assert_snapshot!(errors, @r#"
    read the restart tree shop.toml: 15 mistakes
      2 cells have no `parent` (`shop`, `db`); exactly one is the root, give the others a `parent`
      line 1: `version` is 2; this program reads version 1: write `version = 1` at the top
      line 2: unknown key `colour`, expected `version` or `[[cell]]`
      line 6: rung "the system" has ' ' in it, where only letters, digits, `.`, `_`, `-` and `/` are allowed; choose another name
      line 7: unknown field `mod`, expected one of `id`, `parent`, `rung`, `match`, `slot`, `replicas`, `executor`, `requires`, `strategy`, `restart_time`, `grace`, `drain`, `restartable`, `protected`, `mode`, `budget` (did you mean `mode`?)
      line 8: `restart_time` of cell `shop` is "soon"; expected a time such as `500ms`, `8s` or `1h30m`, at most a year
      line 12: cell `cart` has the parent `shpo`, which is no cell (did you mean `shop`?); name one, or add it
      line 14: unknown field `servce`, expected one of `service`, `namespace`, `operation`, `instance`, `version`, `host` (did you mean `service`?)
      line 14: unknown field `hots`, expected one of `service`, `namespace`, `operation`, `instance`, `version`, `host` (did you mean `host`?)
      line 15: `executor`: unknown variant `systemdd`, expected one of `dry_run`, `process`, `command`, `http`, `supervisord`, `systemd`, `docker`, `kubernetes` (did you mean `systemd`?)
      line 16: cell `cart` requires itself; take it out of `requires`
      line 16: cell `cart` requires `dbb`, which is no cell (did you mean `db`?); name one, or add it
      line 17: `budget` of cell `cart` is "many"; expected restarts per time, such as `3/1h`
      line 22: executor of cell `db`: `container` is "a b"; expected a container's name
      line 23: `protected`: invalid type: string "yes", expected a boolean
    "#);
}

#[test]
fn what_traces_show_is_held_against_the_tree() {
    let seen = [
        SeenService {
            namespace: "shop".to_owned(),
            service: "cart".to_owned(),
            operations: BTreeSet::from(["GET /price/{}".to_owned()]),
            instances: BTreeSet::from(["4f7c".to_owned()]),
            ..SeenService::default()
        },
        SeenService { service: "ads\n".to_owned(), ..SeenService::default() },
        SeenService {
            service: "web".to_owned(),
            namespace: "shop".to_owned(),
            instances: BTreeSet::from(["web-0".to_owned()]),
            ..SeenService::default()
        },
    ];
    let notes: Vec<String> = check(&tree(SHOP), &seen).iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(notes.join("\n"), @r#"
    no cell matches "ads\n": nothing can be planned for it; add it to the `match` of a cell
    nothing in the traces belongs to cell `db`; see whether its `match` is spelt as the traces spell it
    nothing in the traces belongs to cell `web-1`; see whether its `match` is spelt as the traces spell it
    "#);
}

#[test]
fn a_proposed_tree_says_what_to_change() {
    let texts = |texts: &[&str]| texts.iter().map(|&text| text.to_owned()).collect();
    let seen = [
        SeenService {
            namespace: "shop".to_owned(),
            service: "cart".to_owned(),
            instances: texts(&["i1", "i2"]),
            hosts: texts(&["node-a"]),
            versions: texts(&["1.0", "1.1\n[[cell]]"]),
            ..SeenService::default()
        },
        SeenService { service: "odd *\"name\u{1}\"".to_owned(), ..SeenService::default() },
        SeenService { service: "cart".to_owned(), ..SeenService::default() },
    ];
    let text = infer(&seen);
    let tree = tree(&text);
    assert_eq!(check(&tree, &seen), []);
    let (_, cells) = text.split_once("version = 1\n").expect("a version");
    insta::assert_snapshot!(cells.trim_start(), @r#"
    [[cell]]
    id = "system"
    rung = "system"

    [[cell]]
    id = "cart"
    parent = "system"
    rung = "service"
    match = [{ service = "cart", namespace = "" }]
    executor = "dry_run"

    [[cell]]
    id = "odd---name--"
    parent = "system"
    rung = "service"
    match = [{ service = "odd \\*\"name\u0001\"" }]
    executor = "dry_run"

    [[cell]]
    id = "shop.cart"
    parent = "system"
    rung = "service"
    match = [{ service = "cart", namespace = "shop" }]
    # hosts seen: "node-a"
    # versions seen: "1.0", "1.1\u000A[[cell]]"
    # Instances seen; fewer run at a time if some were restarted meanwhile.
    replicas = 2
    executor = "dry_run"
    "#);
}

#[test]
fn the_tree_in_the_docs_is_one() {
    let page = include_str!("../../../../docs/tree.md");
    let mut blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let example = blocks.find(|block| block.starts_with("version = 1")).expect("an example");
    assert!(tree(example).cells().len() > 1);
}

#[test]
fn the_tree_of_nothing_is_a_root() {
    assert_eq!(tree(&infer(&[])).cells().len(), 1);
}

mod laws {
    use proptest::prelude::*;

    use super::*;

    fn services() -> impl Strategy<Value = Vec<SeenService>> {
        let name = prop_oneof!["[a-c]{1,2}", ".{0,20}", "system|cart|[ab*\\\\]{1,3}", ".{70}"];
        let texts = || proptest::collection::btree_set(".{0,6}", 0..4);
        let one = (name, "[ab]?", texts(), texts(), texts(), texts()).prop_map(
            |(service, namespace, operations, instances, hosts, versions)| SeenService {
                namespace,
                service,
                operations,
                instances,
                hosts,
                versions,
            },
        );
        proptest::collection::vec(one, 0..6)
    }

    use proptest::strategy::Strategy;

    proptest! {
        #[test]
        fn what_is_inferred_parses_and_matches_everything_seen(mut seen in services()) {
            let text = infer(&seen);
            let tree = match RestartTree::parse(&text, "inferred") {
                Ok(tree) => tree,
                Err(errors) => return Err(TestCaseError::fail(format!("{errors}\n{text}"))),
            };
            seen.retain(|service| !service.service.is_empty());
            prop_assert_eq!(check(&tree, &seen), []);
            seen.reverse();
            prop_assert_eq!(infer(&seen), text);
            prop_assert!(tree.show().lines().all(|line| line.chars().count() <= 80));
        }

        #[test]
        fn no_text_makes_the_reader_panic(text in "(version = 1\n)?(\\[\\[cell\\]\\]\n|id = \"[ab]\"\n|parent = \"[ab]\"\n|rung = \"x\"\n|requires = \\[\"[ab]\"\\]\n|match = \\[\\{ service = \"[ab*]\" \\}\\]\n|executor = \"dry_run\"\n|.{0,9}\n){0,14}") {
            if let Err(errors) = RestartTree::parse(&text, "any") {
                prop_assert!(!errors.mistakes.is_empty());
            }
        }
    }
}
