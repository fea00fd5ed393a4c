//! Which answer for which data.

use super::*;

#[track_caller]
fn check(now: &str, past: &[&str], expect: &WhyNoVerdict) {
    let d = run(now, past, &Config::PINPOINT);
    assert_eq!(why(&d), std::slice::from_ref(expect), "{d:#?}");
    assert!(d.suspects().is_empty());
}

#[test]
fn nothing_deviating_is_healthy_if_there_was_enough_to_see_it() {
    let d = run(HEALTHY, &[HEALTHY], &Config::PINPOINT);
    assert_eq!(d.verdict, Verdict::Healthy);
    assert_eq!((d.failed, d.passed), (0, 1500));
    let d = run("GET /: web x40", &[], &Config::PINPOINT);
    assert_eq!(d.verdict, Verdict::Healthy, "no error at all needs no baseline");
    assert!(d.notes[0].starts_with("there is no baseline"));
}

#[test]
fn too_little_is_said_to_be_too_little() {
    check("", &[HEALTHY], &WhyNoVerdict::NoRequests);
    check("GET /a: web x30 cancel\nGET /a: web x9 unknown", &[HEALTHY], &WhyNoVerdict::NoRequests);
    check(
        "GET /a: web>cart>store x10\nGET /a: web>cart>store x8 fail",
        &[HEALTHY],
        &WhyNoVerdict::TooFewRequests { have: 18, need: 20 },
    );
    check(
        "GET /a: web>cart>store x30\nGET /a: web>cart>mail x4 fail",
        &[HEALTHY],
        &WhyNoVerdict::TooFewFailures { have: 4, need: 5 },
    );
    check(
        "GET /a: web>cart>store x9\nGET /a: web>cart>mail x40 fail",
        &[HEALTHY],
        &WhyNoVerdict::TooFewPasses { have: 9, need: 10 },
    );
}

#[test]
fn without_a_baseline_unlabelled_requests_cannot_be_judged() {
    check("GET /: web x400 unlabelled dur=9ms", &[], &WhyNoVerdict::NoBaseline);
    // A baseline of another entry is none for this one.
    check("GET /: web x400 unlabelled", &[HEALTHY], &WhyNoVerdict::NoBaseline);
    let d = run("GET /: web>a x90\nGET /: web>b x30 fail", &[], &Config::PINPOINT);
    assert_eq!(names(&d), ["b"], "errors speak for themselves");
    assert_eq!(d.entries[0].baseline_share, None);
}

#[test]
fn failing_and_passing_alike_is_no_contrast() {
    let past = ["GET /a: web>cart x500"];
    check("GET /a: web>cart x100\nGET /a: web>cart x100 fail", &past, &WhyNoVerdict::NoContrast);
    // A component of passing requests alone is no contrast either.
    check(
        "GET /a: web>cart x100\nGET /a: web>cart>ad x100\nGET /a: web>cart x100 fail",
        &past,
        &WhyNoVerdict::NoContrast,
    );
}

#[test]
fn a_difference_that_may_be_chance_is_no_contrast_and_says_so() {
    let past = ["GET /: web>a x500\nGET /: web>b x500"];
    let now = "GET /: web>a x100\nGET /: web>b x100\nGET /: web>a x20 fail origin=web\n\
               GET /: web>b x18 fail origin=web";
    let d = run(now, &past, &Config::PINPOINT);
    assert_eq!(why(&d), [WhyNoVerdict::NoContrast]);
    assert!(considered(&d, "a").rejected.starts_with("may be chance: p = "));
}

#[test]
fn nothing_near_enough_says_how_far_the_nearest_is() {
    let past = ["GET /: web>a x1000\nGET /: web>b x1000"];
    let now = "GET /: web>a x960\nGET /: web>b x1000\nGET /: web>a x50 fail origin=web";
    let config = Config { cut: 0.9, ..Config::PINPOINT };
    let d = run(now, &past, &config);
    // Jaccard 50 / 1010.
    assert_eq!(
        why(&d),
        [WhyNoVerdict::NothingClose { nearest_thousandths: 951, cut_thousandths: 900 }]
    );
    assert!(considered(&d, "a").rejected.starts_with("too far from the failures"));
    assert_eq!(names(&run(now, &past, &Config { cut: 0.96, ..config })), ["a"]);
}

#[test]
fn a_level_that_is_not_in_the_data_is_absent() {
    let d = run("GET /: web>a x90\nGET /: web>b x30 fail", &[], &at(Level::Instance));
    assert_eq!(why(&d), [WhyNoVerdict::LevelAbsent]);
}

#[test]
fn a_change_of_mix_alone_is_healthy() {
    let past = "GET /a: web>a x950\nGET /a: web>a x50 fail\nGET /b: web>b x50";
    let now = "GET /a: web>a x95\nGET /a: web>a x5 fail\nGET /b: web>b x900";
    let d = run(now, &[past, past], &Config::PINPOINT);
    assert_eq!(d.verdict, Verdict::Healthy);
    let swapped = "GET /a: web>a x9500\nGET /a: web>a x500 fail\nGET /b: web>b x5";
    assert_eq!(run(swapped, &[past, past], &Config::PINPOINT).verdict, Verdict::Healthy);
}
