//! The whole way from Evidence to Diagnosis.

use resus_model::{
    Candidate, Component, Counts, Diagnosis, Evidence, Exactness, FailureKind, Fingerprint, Level,
    Verdict, WhyNoVerdict,
};

use crate::notation::evidence;
use crate::{Coefficient, Config, DiagnoseError, Linkage, diagnose};

mod fused;
#[expect(clippy::unwrap_used, reason = "tests")]
mod laws;
mod replica;
mod verdicts;

const HEALTHY: &str = "GET /a: web>cart>store x600\nGET /b: web>ad>store x600\n\
                       GET /a: web>cart>mail x300";

fn run(now: &str, past: &[&str], config: &Config) -> Diagnosis {
    let past: Vec<Evidence> = past.iter().map(|p| evidence(p)).collect();
    diagnose(&evidence(now), &past, config).expect("same rules")
}

fn at(level: Level) -> Config {
    Config { level, ..Config::PINPOINT }
}

/// Every suspect, in order.
fn names(diagnosis: &Diagnosis) -> Vec<String> {
    diagnosis.suspects().iter().map(|s| s.candidate.component.to_string()).collect()
}

fn why(diagnosis: &Diagnosis) -> &[WhyNoVerdict] {
    match &diagnosis.verdict {
        Verdict::NoVerdict(why) => why,
        other => panic!("expected no verdict, found {other:?}"),
    }
}

fn considered<'d>(diagnosis: &'d Diagnosis, service: &str) -> &'d Candidate {
    let found = diagnosis.considered.iter().find(|c| c.component.service == service);
    found.unwrap_or_else(|| panic!("{service} is not in {:?}", diagnosis.considered))
}

#[test]
fn the_component_that_goes_with_errors_comes_first_with_its_proof() {
    let now = "GET /a: web>cart>store x560\nGET /b: web>ad>store x600\nGET /a: web>cart>mail x200\n\
               GET /a: web>cart>mail x100 fail origin=mail type=Timeout id=7\n\
               GET /a: web>cart>mail x40 fail origin=mail type=Refused\n\
               GET /b: web>ad>store x1 fail";
    let d = run(now, &[HEALTHY, HEALTHY], &Config::PINPOINT);
    assert_eq!(names(&d)[0], "mail");
    let mail = &d.suspects()[0];
    assert_eq!(
        mail.candidate.presence.counts,
        Counts { failed_with: 140, failed_without: 0, passed_with: 200, passed_without: 1160 }
    );
    let whole = Coefficient::Ochiai.of(&mail.candidate.presence.counts);
    let closest = mail.candidate.presence.closest.as_ref().expect("services have parts");
    assert_eq!(closest.operation, None, "all failures began here, and no passing one did");
    assert_eq!(mail.candidate.score, f64::midpoint(whole, 1.0));
    assert!((mail.candidate.presence.effect - 140.0 / 340.0).abs() < 1e-12);
    assert_eq!(mail.candidate.presence.origins, 140);
    assert_eq!(mail.candidate.presence.failing_entries, 1);
    assert_eq!(mail.signature.to_string(), "presence-error|mail op|Timeout|web GET /a");
    assert_eq!(
        d.on_every_path,
        [Component {
            service: "web".into(),
            namespace: String::new(),
            operation: None,
            instance: None,
            version: None,
            host: None,
        }]
    );
    assert_eq!((d.failed, d.passed), (140, 1360));
    assert_eq!(d.detection[0].service, "mail");
    let dependency: Vec<_> = d.dependency.iter().map(|c| c.service.as_str()).collect();
    assert_eq!(dependency, ["cart", "mail", "web"]);
    assert!(d.notes.iter().any(|n| n.starts_with("1 failed requests of entry operations")));

    let failing = &mail.failing[0];
    assert_eq!(failing.exemplar.hash, 7, "the smallest hash first");
    let operations: Vec<_> = failing.operations.iter().map(|(s, o)| format!("{s} {o}")).collect();
    assert_eq!(operations, ["cart op", "mail op", "web GET /a"]);
    let origin = failing.exemplar.spans.iter().find(|s| s.origin).expect("it has an origin");
    assert_eq!(failing.operations[origin.operation as usize].0, "mail");
    let passing = mail.nearest_passing.as_ref().expect("there are passing ones");
    assert_eq!(passing.operations, failing.operations, "the same operations, but passed");
}

#[test]
fn components_always_used_together_are_one_group() {
    let now = "GET /: web>pay>bank x50 fail origin=web\nGET /: web>ad x500";
    let d = run(now, &["GET /: web>pay>bank x50\nGET /: web>ad x500"], &Config::PINPOINT);
    assert_eq!(names(&d), ["bank", "pay"]);
    let [bank, pay] = d.suspects() else { panic!("two suspects") };
    assert_eq!(bank.candidate.group, pay.candidate.group);
    assert_eq!(bank.candidate.score, pay.candidate.score);
    let tree = d.dendrogram.expect("services are clustered");
    let leaves: Vec<usize> = tree.leaves.iter().map(Vec::len).collect();
    assert_eq!(leaves, [0, 1, 2], "the failure vector, ad, and the two as one leaf");
    assert_eq!(tree.merges.len(), 2);
    // Where the failures began tells them apart after all.
    let now =
        "GET /: web>pay>bank x50 fail origin=bank\nGET /: web>pay>bank x9\nGET /: web>ad x500";
    let d = run(now, &["GET /: web>pay>bank x50\nGET /: web>ad x500"], &Config::PINPOINT);
    let [bank, pay] = d.suspects() else { panic!("two suspects") };
    assert_eq!(bank.candidate.component.service, "bank");
    assert!(bank.candidate.score > pay.candidate.score);
    assert_ne!(bank.candidate.group, pay.candidate.group);
}

#[test]
fn a_fault_of_two_that_meet_reports_both() {
    // Either alone is fine; together they fail. Both are used by a third of requests.
    let path = |p: &str, n: u32| format!("GET /: web>{p} x{n}\n");
    let alone = path("a", 200) + &path("b", 200) + &path("c", 300) + &path("a+c", 50);
    let past = alone.clone() + &path("a>b", 100);
    let now = alone + "GET /: web>a>b x100 fail";
    let d = run(&now, &[&past, &past], &Config::PINPOINT);
    let mut found = names(&d);
    found.sort();
    assert_eq!(found, ["a", "b"]);
}

#[test]
fn equal_tables_are_equally_suspect_whichever_joined_first() {
    // a and b have the same table. By the tree alone only one of them joins the failures below
    // 0.7; the other follows at the mean of 0.67 and its distance to the first.
    let now =
        "GET /: web>a>b x10 fail origin=web\nGET /: web>a x20\nGET /: web>b x20\nGET /: web>c x100";
    for linkage in [Linkage::Average, Linkage::Complete] {
        let config = Config { linkage, cut: 0.7, ..Config::PINPOINT };
        let d = run(now, &["GET /: web>a>b x10\nGET /: web>c x140"], &config);
        assert_eq!(names(&d), ["a", "b"], "{linkage}");
        let [a, b] = d.suspects() else { panic!("two suspects") };
        assert_ne!(a.candidate.group, b.candidate.group, "they can be told apart");
        assert_eq!(a.candidate.presence.distance, b.candidate.presence.distance);
    }
}

#[test]
fn slow_requests_are_explained_where_nothing_carries_a_status() {
    let past =
        "GET /: web>cart>store x500 dur=20ms unlabelled\nGET /: web>ad x500 dur=5ms unlabelled";
    let now = "GET /: web>cart>store x80 dur=200ms unlabelled id=1\n\
               GET /: web>cart>store x20 dur=20ms unlabelled id=2\n\
               GET /: web>ad x100 dur=5ms unlabelled";
    let d = run(now, &[past, past], &Config::PINPOINT);
    assert_eq!(names(&d), ["cart", "store"]);
    assert_eq!((d.failed, d.passed), (80, 120));
    let suspect = &d.suspects()[0];
    assert_eq!(suspect.signature.evidence, "presence-slow");
    assert_eq!(suspect.failing.len(), 1, "the fast one of the same class does not count");
    assert_eq!(suspect.failing[0].exemplar.hash, 1);
    assert_eq!(suspect.nearest_passing.as_ref().expect("one passed").exemplar.hash, 2);
    assert_eq!(d.detection[0].service, "web", "slowness shows at the entry");
    assert!(d.entries.iter().all(|e| e.kind == FailureKind::SlowOrUnseen), "no outcome, no errors");
}

#[test]
fn errors_are_looked_into_before_slowness() {
    let past = "GET /: web>cart x500 dur=20ms\nGET /: web>ad x500 dur=5ms";
    let slow = "GET /: web>cart x100 dur=20ms\nGET /: web>ad x100 dur=90ms\n";
    let d = run(slow, &[past, past], &Config::PINPOINT);
    assert_eq!(names(&d), ["ad"], "labelled data are searched for slowness when errors are usual");
    let both = slow.to_owned() + "GET /: web>cart x50 fail dur=20ms";
    let d = run(&both, &[past, past], &Config::PINPOINT);
    assert_eq!(names(&d), ["cart"]);
    assert_eq!(d.suspects()[0].signature.evidence, "presence-error");
}

#[test]
fn one_bad_instance_of_several_is_named_at_its_level() {
    let past = "GET /: web>cart@1 x200\nGET /: web>cart@2 x200\nGET /: web>ad@9 x200";
    let now = "GET /: web>cart@1 x180\nGET /: web>cart@2 x100\nGET /: web>ad@9 x200\n\
               GET /: web>cart@2 x90 fail origin=cart\nGET /: web>cart@1 x2 fail origin=cart";
    let d = run(now, &[past, past], &at(Level::Instance));
    assert_eq!(names(&d)[0], "cart@2");
    let presence = &d.suspects()[0].candidate.presence;
    assert_eq!(
        presence.counts,
        Counts { failed_with: 90, failed_without: 2, passed_with: 100, passed_without: 380 }
    );
    let jaccard = Coefficient::Jaccard.of(&presence.counts);
    assert_eq!(presence.distance, Some(1.0 - jaccard));
    assert!(d.dendrogram.is_none());
    let shown = &d.suspects()[0].failing[0];
    let instances = shown.exemplar.spans.iter().map(|s| &shown.instances[s.instance as usize]);
    assert!(instances.into_iter().any(|i| i == "2"), "the exemplar is one with that instance");
    assert_eq!(
        considered(&d, "cart").rejected,
        "requests with it fail no more often than requests without it"
    );
    let one = run(now, &[past, past], &at(Level::Service));
    assert!(names(&one).contains(&"cart".to_owned()));
}

#[test]
fn at_operation_level_the_broken_operation_is_not_diluted_by_its_service() {
    let past = "GET /a: web>cart/Add x100\nGET /b: web>cart/Get x900\nGET /b: web>ad x100";
    let now = "GET /a: web>cart/Add x30\nGET /a: web>cart/Add x70 fail\nGET /b: web>cart/Get x900\n\
               GET /b: web>ad x100";
    let d = run(now, &[past, past], &at(Level::Operation));
    assert_eq!(names(&d), ["cart Add", "web GET /a"], "the entry has no other use");
    let [add, entry] = d.suspects() else { panic!("two suspects") };
    assert_eq!(add.candidate.presence.counts, entry.candidate.presence.counts);
    assert_eq!(add.candidate.presence.counts.passed_with, 30, "not the 900 of Get");
}

#[test]
fn rules_must_be_the_same_and_settings_in_range() {
    let now = evidence(HEALTHY);
    let mut other = now.clone();
    other.rules = Fingerprint::from_text("other".into());
    let baseline = [now.clone(), other];
    let error = diagnose(&now, &baseline, &Config::PINPOINT).expect_err("rules differ");
    assert!(matches!(error, DiagnoseError::Rules { index: 1, .. }));
    assert!(error.to_string().starts_with("compare baseline 1 with the window"), "{error}");
    for cut in [f64::NAN, -0.1, 1.1] {
        let error = diagnose::<Evidence>(&now, &[], &Config { cut, ..Config::PINPOINT })
            .expect_err("range");
        assert!(error.to_string().contains("`cut`"), "{error}");
    }
}

#[test]
fn the_cap_on_suspects_never_cuts_through_equal_scores() {
    let now = "GET /: web>a>b>c x60 fail origin=web\nGET /: web>a x3\nGET /: web>d x300";
    let past = ["GET /: web>a>b>c x60\nGET /: web>d x300"];
    let config = Config { max_suspects: 1, ..Config::PINPOINT };
    let d = run(now, &past, &config);
    assert_eq!(names(&d), ["b", "c"]);
    assert_eq!(considered(&d, "a").rejected, "less suspect than the 2 reported");
}

#[test]
fn coarse_evidence_still_answers_what_it_can() {
    let text = "GET /: web>a@1 x60 fail\nGET /: web>b@2 x300";
    let mut now = evidence(text);
    now.exactness = Exactness::OperationsDropped;
    for class in &mut now.classes {
        class.key.operations = Box::new([]);
        class.key.shape = None;
    }
    let past = [evidence("GET /: web>a@1 x60\nGET /: web>b@2 x300")];
    let d = diagnose(&now, &past, &Config::PINPOINT).expect("same rules");
    assert_eq!(why(&d), [WhyNoVerdict::Coarsened]);
    let d = diagnose(&now, &past, &at(Level::Instance)).expect("same rules");
    assert_eq!(names(&d), ["a@1"], "instances are kept beside the classes");
}
