use resus_model::{EntryState, Verdict, WhyNoVerdict};

use super::fixture::{component, context, diagnosis, suspects, tree};
use super::*;
use crate::document::{Action, Envelope, Mode, NextRung, PlanError};
use crate::policy::{PolicyFields, TooMany};

const SHOP: &str = r#"
version = 1

[[cell]]
id = "system"
rung = "system"
mode = "approve"
budget = "5/10m"

[[cell]]
id = "web"
parent = "system"
rung = "service"
match = [{ service = "web" }]
executor = { systemd = { unit = "web.service" } }
requires = ["shop"]

[[cell]]
id = "shop"
parent = "system"
rung = "group"

[[cell]]
id = "cart"
parent = "shop"
rung = "service"
match = [{ service = "cart" }]
executor = { kubernetes = { namespace = "shop", deployment = "cart" } }
replicas = 3
requires = ["cache"]
restart_time = "8s"
budget = "3/1h"

[[cell]]
id = "cart/pricing"
parent = "cart"
rung = "component"
match = [{ service = "cart", operation = "GET /price/*" }]
executor = { http = { url = "http://cart:8080/restart/pricing" } }
restart_time = "400ms"

[[cell]]
id = "cache"
parent = "shop"
rung = "service"
mode = "auto"
match = [{ service = "redis" }]
executor = { systemd = { unit = "redis.service" } }
restart_time = "2s"
drain = "500ms"

[[cell]]
id = "pay"
parent = "shop"
rung = "service"
match = [{ service = "pay" }]
executor = { supervisord = { program = "pay" } }
restartable = false

[[cell]]
id = "data"
parent = "system"
rung = "group"

[[cell]]
id = "db"
parent = "data"
rung = "service"
match = [{ service = "postgres" }]
executor = { systemd = { unit = "postgresql.service" } }
protected = true

[[cell]]
id = "search"
parent = "data"
rung = "service"
replicas = 2
match = [{ service = "sea*" }]

[[cell]]
id = "search-0"
parent = "search"
rung = "instance"
slot = 0
match = [{ service = "sea*", instance = "s-0" }]
executor = "dry_run"

[[cell]]
id = "odd"
parent = "data"
rung = "service"
match = [{ service = "*rch" }]
executor = "dry_run"
"#;

fn policy(max_cells: u32, too_many: TooMany) -> Policy {
    Policy::new(PolicyFields { max_cells, too_many, ..PolicyFields::STANDARD }).expect("fine")
}

fn ask(list: &[(&str, f64, u64)], max_cells: u32) -> Proposal {
    propose(&suspects(list), &tree(SHOP), &policy(max_cells, TooMany::Withhold), &context())
}

/// Steps, targets, and what was withheld, one line each.
fn outline(proposal: &Proposal) -> String {
    let mut lines = Vec::new();
    if let Some(plan) = proposal.plan() {
        for step in &plan.steps {
            let action = format!("{:?}", step.action).to_lowercase();
            let only = if step.instances.is_empty() {
                String::new()
            } else {
                format!("@{}", step.instances.join(","))
            };
            lines.push(format!("{action} {}{only}", step.cell));
        }
        let next = match &plan.next_rung {
            NextRung::Cell(cell) => cell.to_string(),
            NextRung::Human => "human".to_owned(),
        };
        lines.push(format!("next {next}"));
    }
    lines.extend(
        proposal.withheld().iter().map(|w| format!("no {}: {}", w.component, w.reason.as_str())),
    );
    lines.join("; ")
}

#[track_caller]
fn check(list: &[(&str, f64, u64)], max_cells: u32, expected: &str) {
    assert_eq!(outline(&ask(list, max_cells)), expected);
}

#[test]
fn one_suspect_is_its_deepest_cell() {
    check(&[("cart GET /price/{}", 1.0, 9)], 1, "restart cart/pricing; next cart");
    check(&[("cart GET /items", 1.0, 9)], 1, "restart cart; next human");
    check(&[("web", 1.0, 9)], 1, "restart web; next human");
}

#[test]
fn one_instance_of_many_is_restarted_alone_and_its_cell_comes_next() {
    check(&[("cart@7f", 1.0, 9)], 1, "restart cart@7f; next cart");
    check(&[("cart@7f", 1.0, 9), ("cart@3a", 1.0, 2)], 1, "restart cart@3a,7f; next cart");
    check(&[("cart@7f", 1.0, 9), ("cart", 1.0, 2)], 1, "restart cart; next human");
    check(&[("web@x", 1.0, 9)], 1, "restart web; next human");
    check(&[("seal@s-0", 1.0, 9)], 1, "restart search-0; next search");
}

#[test]
fn what_needs_a_restarted_cell_is_stopped_before_and_started_after() {
    // cart knows only whole restarts: it is restarted in its turn.
    check(&[("redis", 1.0, 9)], 1, "restart cache; restart cart; next human");
    let held = SHOP.replace(
        "{ kubernetes = { namespace = \"shop\", deployment = \"cart\" } }\nreplicas = 3",
        "{ systemd = { unit = \"cart.service\" } }",
    );
    let ask = |name: &str, text: &str| {
        propose(&suspects(&[(name, 1.0, 9)]), &tree(text), &Policy::standard(), &context())
    };
    assert_eq!(outline(&ask("redis", &held)), "stop cart; restart cache; start cart; next human");
    // web needs the whole shop, and the shop is its parts.
    let group = held
        .replace("restartable = false", "match = []")
        .replace("match = [{ service = \"pay\" }]\n", "")
        .replace(
            "rung = \"group\"\n\n[[cell]]\nid = \"cart\"",
            "rung = \"group\"\nmatch = [{ service = \"pay\" }]\n\n[[cell]]\nid = \"cart\"",
        );
    assert_eq!(
        outline(&ask("pay", &group)),
        "stop web; stop cart; restart cache; start cart; restart pay; start web; next human"
    );
    let plan = ask("pay", &group);
    let because: Vec<_> = plan.plan().expect("a plan").steps.iter().map(|s| &s.because).collect();
    let id = |text: &str| crate::names::CellId::new(text).expect("an id");
    assert_eq!(*because[0], crate::document::Because::Obliged(id("shop")));
    assert_eq!(*because[2], crate::document::Because::PartOf(id("shop")));
}

#[test]
fn a_circle_of_need_is_stopped_as_a_whole() {
    let cell = |id: &str, needs: &str| {
        format!(
            "[[cell]]\nid = \"{id}\"\nparent = \"r\"\nrung = \"x\"\nexecutor = \"dry_run\"\nmatch = [{{ service = \"{id}\" }}]\nrequires = [{needs}]\n"
        )
    };
    let text = format!(
        "version = 1\n[[cell]]\nid = \"r\"\nrung = \"x\"\n{}{}{}{}",
        cell("a", "\"b\""),
        cell("b", "\"a\", \"c\""),
        cell("c", ""),
        cell("d", "\"a\"")
    );
    let ask = |name: &str| {
        let diagnosis = suspects(&[(name, 1.0, 1)]);
        outline(&propose(&diagnosis, &tree(&text), &Policy::standard(), &context()))
    };
    assert_eq!(ask("d"), "restart d; next r");
    assert_eq!(ask("a"), "stop d; stop b; stop a; start a; start b; start d; next r");
    assert_eq!(ask("c"), "stop d; stop b; stop a; restart c; start a; start b; start d; next r");
}

#[test]
fn the_strategy_of_the_cell_above_binds_its_children() {
    let text = |strategy: &str| {
        let mut text =
            format!("version = 1\n[[cell]]\nid = \"r\"\nrung = \"x\"\nstrategy = \"{strategy}\"\n");
        for id in ["z", "m", "a"] {
            text.push_str(&format!("[[cell]]\nid = \"{id}\"\nparent = \"r\"\nrung = \"x\"\nexecutor = \"dry_run\"\nmatch = [{{ service = \"{id}\" }}]\n"));
        }
        text
    };
    let ask = |strategy: &str, name: &str| {
        let diagnosis = suspects(&[(name, 1.0, 1)]);
        outline(&propose(&diagnosis, &tree(&text(strategy)), &Policy::standard(), &context()))
    };
    assert_eq!(ask("one_for_one", "m"), "restart m; next r");
    assert_eq!(ask("one_for_all", "m"), "restart a; restart m; restart z; next r");
    assert_eq!(ask("rest_for_one", "m"), "stop a; restart m; start a; next r");
    assert_eq!(ask("rest_for_one", "a"), "restart a; next r");
    assert_eq!(ask("rest_for_one", "z"), "stop a; stop m; restart z; start m; start a; next r");
}

#[test]
fn of_suspects_that_cannot_be_told_apart_the_one_where_errors_began_goes_first() {
    check(
        &[("web", 1.0, 3), ("cart", 1.0, 80)],
        1,
        "restart cart; next human; no web: over_max_cells",
    );
    // Without origins the cheaper restart goes first.
    check(
        &[("cart", 1.0, 0), ("cart GET /price/{}", 1.0, 0)],
        1,
        "restart cart/pricing; next cart; no cart: over_max_cells",
    );
    check(
        &[("web", 1.0, 3), ("cart", 1.0, 80)],
        2,
        "stop web; restart cart; start web; next human",
    );
}

#[test]
fn a_cell_takes_the_suspects_of_the_cells_below() {
    check(&[("cart", 1.0, 9), ("cart GET /price/{}", 0.95, 9)], 1, "restart cart; next human");
    check(&[("cart GET /price/{}", 1.0, 9), ("cart", 0.95, 9)], 2, "restart cart; next human");
    // One instance of a cell and one of its parts are all of the cell.
    check(&[("cart@7f", 1.0, 9), ("cart GET /price/1", 1.0, 8)], 2, "restart cart; next human");
    let plan = ask(&[("cart GET /price/{}", 1.0, 9), ("cart", 0.95, 9)], 2);
    let plan = plan.plan().expect("a plan");
    assert_eq!(plan.targets.len(), 1);
    assert_eq!(plan.targets[0].suspects.len(), 2);
    // A suspect over the limit whose cell goes down anyway is covered.
    check(&[("redis", 1.0, 9), ("cart", 0.95, 9)], 1, "restart cache; restart cart; next human");
}

#[test]
fn more_cells_than_one_plan_may_restart() {
    let list = [("web", 1.0, 3), ("cart", 1.0, 2), ("redis", 0.99, 1)];
    check(&list, 1, "restart web; next human; no cart: over_max_cells; no redis: over_max_cells");
    let text = SHOP.replace("restartable = false", "").replace("protected = true", "");
    let ask = |list: &[(&str, f64, u64)]| {
        let policy = policy(1, TooMany::CommonAncestor);
        outline(&propose(&suspects(list), &tree(&text), &policy, &context()))
    };
    assert_eq!(
        ask(&list[1..]),
        "stop web; restart cache; restart cart; restart pay; start web; next system"
    );
    // The root is no common ancestor that anybody asked for.
    assert_eq!(
        ask(&list),
        "restart web; next system; no cart: over_max_cells; no redis: over_max_cells"
    );
}

#[test]
fn who_cannot_be_restarted_is_withheld_and_nobody_weaker_is_restarted_instead() {
    check(&[("nobody", 1.0, 1)], 1, "no nobody: unmatched");
    check(&[("search", 1.0, 1)], 1, "no search: ambiguous");
    check(&[("postgres", 1.0, 1)], 1, "no postgres: protected");
    check(&[("pay", 1.0, 1)], 1, "no pay: not_restartable");
    check(
        &[("cart", 0.99, 1), ("nobody", 1.0, 1)],
        1,
        "no nobody: unmatched; no cart: after_better",
    );
    check(
        &[("cart", 1.0, 1), ("nobody", 0.99, 1)],
        1,
        "restart cart; next human; no nobody: unmatched",
    );
    // Equally suspect: whoever can be restarted is.
    check(
        &[("cart", 1.0, 1), ("nobody", 1.0, 2)],
        1,
        "restart cart; next human; no nobody: unmatched",
    );
    check(
        &[("cart", 1.0, 1), ("web", 0.8, 1)],
        2,
        "restart cart; next human; no web: below_margin",
    );
    let slots = SHOP.replace("\"*rch\"", "\"odd\"");
    let diagnosis = suspects(&[("search@unknown", 1.0, 1)]);
    let proposal = propose(&diagnosis, &tree(&slots), &Policy::standard(), &context());
    assert_eq!(outline(&proposal), "no search@unknown: slot_unknown");
}

#[test]
fn a_restart_that_would_take_something_protected_with_it_is_withheld() {
    let text = SHOP.replace("protected = true", "protected = true\nrequires = [\"cache\"]");
    let proposal =
        propose(&suspects(&[("redis", 1.0, 1)]), &tree(&text), &Policy::standard(), &context());
    let withheld = &proposal.withheld()[0];
    assert_eq!(withheld.reason, WithheldReason::Protected);
    assert_eq!(withheld.detail, "its cell `cache` takes `db` with it, which is protected");
    assert_eq!(withheld.next_rung, Some(NextRung::Human));
}

#[test]
fn the_weakest_mode_of_all_that_goes_down_is_the_plans() {
    let mode = |name: &str| ask(&[(name, 1.0, 1)], 1).plan().map(|plan| plan.mode);
    assert_eq!(mode("redis"), Some(Mode::Approve), "cart goes down with it");
    let text = SHOP.replace("requires = [\"cache\"]", "").replace("mode = \"approve\"", "");
    let ask = |name: &str| {
        let diagnosis = suspects(&[(name, 1.0, 1)]);
        let proposal = propose(&diagnosis, &tree(&text), &Policy::standard(), &context());
        proposal.plan().map(|plan| plan.mode)
    };
    assert_eq!(ask("redis"), Some(Mode::Auto));
    assert_eq!(ask("cart"), Some(Mode::Observe));
}

#[test]
fn nothing_to_restart_is_nothing_and_says_why() {
    let ask = |verdict| propose(&diagnosis(verdict), &tree(SHOP), &Policy::standard(), &context());
    let reason = |proposal: &Proposal| match proposal {
        Proposal::Nothing(nothing) => Some(nothing.reason),
        Proposal::Plan(_) => None,
    };
    assert_eq!(reason(&ask(Verdict::Healthy)), Some(NothingReason::Healthy));
    let unknown = Verdict::NoVerdict(vec![WhyNoVerdict::NoRequests]);
    assert_eq!(reason(&ask(unknown)), Some(NothingReason::NoVerdict));
    // Never "everything".
    assert_eq!(reason(&ask(Verdict::Suspects(vec![]))), Some(NothingReason::AllWithheld));
    let mut quiet = suspects(&[("cart", 1.0, 1)]);
    quiet.entries.iter_mut().for_each(|entry| entry.state = EntryState::Within);
    let proposal = propose(&quiet, &tree(SHOP), &Policy::standard(), &context());
    assert_eq!(outline(&proposal), "no cart: not_verifiable");
}

#[test]
fn scores_that_are_no_numbers_are_the_least() {
    check(
        &[("cart", f64::NAN, 1), ("web", f64::INFINITY, 1)],
        1,
        "restart web; next human; no cart: below_margin",
    );
    check(
        &[("cart", 0.0, 1), ("web", -1.0, 1)],
        2,
        "restart cart; next human; no web: below_margin",
    );
}

#[test]
fn the_verify_condition_follows_from_baseline_and_policy() {
    let proposal = ask(&[("cart", 1.0, 1)], 1);
    let verify = &proposal.plan().expect("a plan").verify;
    assert_eq!(verify.entries.len(), 1, "only what deviates is watched");
    let entry = &verify.entries[0];
    // 0.01 + a quarter of the excess 0.29.
    assert_eq!((entry.share_before_ppm, entry.share_at_most_ppm), (300_000, 82_500));
    assert_eq!((verify.min_requests, verify.settle_ms, verify.window_ms), (30, 30_000, 60_000));
    let mut slight = suspects(&[("cart", 1.0, 1)]);
    slight.entries[0].share = 0.012;
    let proposal = propose(&slight, &tree(SHOP), &Policy::standard(), &context());
    let entry = &proposal.plan().expect("a plan").verify.entries[0];
    assert_eq!(entry.share_at_most_ppm, 11_999, "no change at all is never a cure");
}

#[test]
fn a_plan_reads_back_and_a_changed_one_does_not() {
    let proposal = ask(&[("redis", 1.0, 9), ("nobody", 0.95, 1)], 1);
    let plan = proposal.plan().expect("a plan");
    let text = plan.to_json();
    assert_eq!(&Plan::from_json(&text).expect("whole"), plan);
    let says = |text: &str| Plan::from_json(text).expect_err("refused");
    let changed = text.replace("redis.service", "sshd.service");
    assert!(matches!(says(&changed), PlanError::Tampered { .. }));
    let changed = text.replace("\"mode\": \"approve\"", "\"mode\": \"auto\"");
    assert!(matches!(says(&changed), PlanError::Tampered { .. }));
    let next = text.replace("resus.plan/1", "resus.plan/2");
    assert!(matches!(says(&next), PlanError::Version { found } if found == "resus.plan/2"));
    let more = text.replacen('{', "{ \"extra\": 1,", 1);
    assert!(says(&more).to_string().contains("unknown field `extra`"));
    assert!(matches!(says("[1]"), PlanError::Form(_)));
    assert!(matches!(says(""), PlanError::Form(_)));
    let spaced = text.replace("\n", "  \n");
    assert_eq!(Plan::from_json(&spaced).expect("spaces mean nothing").id, plan.id);
}

#[test]
fn a_senseless_plan_is_refused_though_its_hash_is_right() {
    let proposal = ask(&[("redis", 1.0, 9)], 1);
    let whole = proposal.plan().expect("a plan");
    let refused = |change: &dyn Fn(&mut PlanDocument)| {
        let mut document = (**whole).clone();
        change(&mut document);
        document.id = crate::document::content_id(&document);
        let text = serde_json::to_string(&document).expect("JSON");
        Plan::from_json(&text).expect_err("refused").to_string()
    };
    assert!(refused(&|d| d.steps.clear()).contains("no steps"));
    assert!(refused(&|d| d.targets.clear()).contains("no targets"));
    assert!(refused(&|d| d.verify.entries.clear()).contains("watches no entry"));
    assert!(refused(&|d| d.expires_unix_nano = d.watermark_unix_nano).contains("expires before"));
    assert!(refused(&|d| d.steps[1].order = 7).contains("step 2 says that it is step 7"));
    assert!(refused(&|d| d.steps[0].action = Action::Start).contains("step 1 does not fit"));
    assert!(refused(&|d| d.steps[0].action = Action::Stop).contains("never starts it again"));
    assert!(
        refused(&|d| d.steps[1].cell = d.steps[0].cell.clone()).contains("step 2 does not fit")
    );
    let unit = String::new();
    let bad = crate::executor::Executor::Systemd { unit };
    assert!(refused(&|d| d.steps[0].executor = bad.clone()).contains("bad target"));
}

#[test]
fn an_envelope_adds_nothing_to_the_hash() {
    let proposal = ask(&[("cart", 1.0, 9)], 1);
    let plan = proposal.plan().expect("a plan").clone();
    let id = plan.id;
    let envelope = Envelope { plan, fence: 7, idempotency_key: "k".to_owned() };
    let json = serde_json::to_value(&envelope).expect("JSON");
    let back: Envelope = serde_json::from_value(json).expect("an envelope");
    assert_eq!((back.plan.id, back.fence), (id, 7));
}

#[test]
fn a_plan_is_described_in_80_columns() {
    let proposal = ask(&[("redis", 0.912_345_6, 118), ("pay", 0.9, 0), ("web", 0.1, 0)], 1);
    let text = proposal.describe();
    assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    insta::assert_snapshot!(text, @r#"
    plan 9c2c9639b36e (mode approve)
      why       redis took part in 120 of 130 failed requests and in 4 of 5000
                passed ones: restart cell cache
      data      up to 2023-11-14T22:13:20Z
      begin     before 2023-11-14T22:23:20Z, done within 1m1s500ms
      do        1. restart cache (service) by systemd redis.service; drain 500ms;
                takes 2s
                2. restart cart (service) by kubernetes shop/cart, because of cache;
                takes 8s
      verify    30s later, for 1m, at least 30 requests each:
                - web GET /cart: failed at most 8.25 % (now 30.00 %)
      else      call a person: nothing is left to restart
      proof     redis: in 120 of 130 failed, in 4 of 5000 passed; jaccard 0.912346,
                effect 0.965400, p 1.250e-40; 118 errors began there
                failing trace 000000000000000000000000000000f1
                passing trace 000000000000000000000000000000a1
      withheld  pay: its cell `pay` cannot be restarted by itself (not_restartable);
                next rung: a person
                web: its score 0.100000 is below 900 thousandths of the best,
                0.912346 (below_margin)
      made from tree 41d88ecc7426, evidence ee8250fb76e0, policy 646af1baad98
    "#);
}

#[test]
fn doing_nothing_is_described_too() {
    let proposal = ask(&[("pay", 1.0, 1), ("evil\u{1b}[2J\nservice", 0.99, 1)], 1);
    insta::assert_snapshot!(proposal.describe(), @r#"
    no plan: there are suspects, and every one was withheld
      withheld  pay: its cell `pay` cannot be restarted by itself (not_restartable);
                next rung: a person
                evil�[2J�service: `pay` is more suspect and cannot be restarted
                (after_better)
    "#);
}

#[test]
#[expect(clippy::too_many_lines, reason = "the whole document, as others will read it")]
fn the_document_of_a_small_plan() {
    let proposal = ask(&[("cart@7f", 1.0, 9)], 1);
    insta::assert_snapshot!(proposal.plan().expect("a plan").to_json(), @r#"
    {
      "schema": "resus.plan/1",
      "id": "sha256:d71bab325da57f0069f298dd1b5d2b7eec8e6bbd6ba2f3b634442828d2a6731b",
      "made_from": {
        "tree": "sha256:41d88ecc742600c273e202fc4bdd107fb2a0ddc85db92bb9895c05e7b69f4700",
        "evidence": "sha256:ee8250fb76e094b34b471f13a73dbbe51d1ae142e9df59d7c0d31ec20f0a0a8e",
        "policy": "sha256:646af1baad98b43637568878a089010e6549d2c626d0360889580ce85a191331"
      },
      "watermark_unix_nano": "1700000000000000000",
      "expires_unix_nano": "1700000600000000000",
      "mode": "approve",
      "reason": "cart@7f took part in 120 of 130 failed requests and in 4 of 5000 passed ones: restart one instance of cell cart",
      "targets": [
        {
          "cell": "cart",
          "rung": "service",
          "suspects": [
            {
              "service": "cart",
              "instance": "7f"
            }
          ]
        }
      ],
      "steps": [
        {
          "order": 1,
          "action": "restart",
          "cell": "cart",
          "rung": "service",
          "executor": {
            "kubernetes": {
              "namespace": "shop",
              "deployment": "cart"
            }
          },
          "instances": [
            "7f"
          ],
          "because": "suspect",
          "restart_time_ms": 8000,
          "grace_ms": 30000,
          "budgets": [
            {
              "cell": "cart",
              "restarts": 3,
              "per_ms": 3600000
            },
            {
              "cell": "system",
              "restarts": 5,
              "per_ms": 600000
            }
          ]
        }
      ],
      "on_failure": "start_stopped",
      "deadline_ms": 54000,
      "verify": {
        "entries": [
          {
            "entry": {
              "service": "web",
              "operation": "GET /cart"
            },
            "failure": "error",
            "share_before_ppm": 300000,
            "share_at_most_ppm": 82500
          }
        ],
        "min_requests": 30,
        "settle_ms": 30000,
        "window_ms": 60000
      },
      "next_rung": {
        "cell": "cart"
      },
      "evidence": [
        {
          "component": {
            "service": "cart",
            "instance": "7f"
          },
          "group": 0,
          "counts": {
            "failed_with": 120,
            "failed_without": 10,
            "passed_with": 4,
            "passed_without": 4996
          },
          "coefficient": "jaccard",
          "score": "1.000000",
          "effect": "0.965400",
          "p_value": "1.250e-40",
          "origins": 9,
          "signature": {
            "entries": [
              "web GET /cart"
            ],
            "origin": "cart@7f",
            "error_type": "timeout",
            "evidence": "presence-error"
          },
          "failing_traces": [
            "000000000000000000000000000000f1",
            "000000000000000000000000000000f2"
          ],
          "passing_trace": "000000000000000000000000000000a1"
        }
      ],
      "withheld": []
    }
    "#);
}

#[test]
fn names_from_spans_reach_no_target() {
    let name = "cart";
    let evil = "$(reboot); ${secret:X} ../../*";
    let mut diagnosis = suspects(&[(name, 1.0, 1)]);
    if let Verdict::Suspects(list) = &mut diagnosis.verdict {
        list[0].candidate.component = component(name);
        list[0].candidate.component.operation = Some(evil.to_owned());
    }
    let proposal = propose(&diagnosis, &tree(SHOP), &Policy::standard(), &context());
    let steps = &proposal.plan().expect("a plan").steps;
    assert!(!serde_json::to_string(steps).expect("JSON").contains("reboot"));
}
