//! Does a collector keep OTLP's rules, and does it stand what the network brings?
//!
//! The rules are those of the OTLP 1.11 specification, of gRPC over HTTP/2, and of HTTP (RFC 9110, RFC
//! 9112); each check says how binding its rule is.

mod cases;
mod coding;
mod credentials;
mod grpc;
mod http;
mod json_cases;
mod judge;
mod payload;
mod sizes;
mod slow;
mod suite;

use std::fmt;

use crate::target::Target;
use suite::Suite;

/// How binding a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// A MUST of a specification, or a collector that stops working.
    Must,
    /// A SHOULD of a specification, or what its text implies.
    Should,
    /// No specification asks for it; a collector that faces a network had better do it.
    Robust,
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Finding {
    /// The rule was kept.
    Pass,
    /// It was not.
    Fail,
    /// The target does not offer what the rule is about, or it was not given.
    NotApplicable,
}

/// One check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// A name that stays the same from run to run: group, encoding, what it is about.
    pub name: String,
    /// How binding the rule is.
    pub weight: Weight,
    /// What was sent.
    pub sent: String,
    /// What the rule allows as an answer.
    pub expected: String,
    /// What was answered.
    pub found: String,
    /// How it ended.
    pub finding: Finding,
}

/// All checks in the order in which they were made.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a report that nobody reads proves nothing"]
pub struct Report {
    /// The checks.
    pub checks: Vec<Check>,
}

impl Report {
    /// The checks that failed.
    pub fn failures(&self) -> impl Iterator<Item = &Check> {
        self.checks.iter().filter(|check| check.finding == Finding::Fail)
    }

    /// How many checks ended so.
    #[must_use]
    pub fn count(&self, finding: Finding) -> usize {
        self.checks.iter().filter(|check| check.finding == finding).count()
    }
}

impl fmt::Display for Report {
    /// A line with the sums, then a paragraph for each failure, the most binding rules first.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} passed, {} failed, {} not applicable",
            self.count(Finding::Pass),
            self.count(Finding::Fail),
            self.count(Finding::NotApplicable)
        )?;
        let mut failures: Vec<&Check> = self.failures().collect();
        failures.sort_by_key(|check| check.weight);
        for check in failures {
            writeln!(f, "\n{} ({:?})", check.name, check.weight)?;
            writeln!(f, "  sent      {}", check.sent)?;
            writeln!(f, "  expected  {}", check.expected)?;
            writeln!(f, "  found     {}", check.found)?;
        }
        Ok(())
    }
}

/// Makes all checks, one after the other. Takes some seconds, a minute or two with slow clients. What the
/// target stores of it comes from the service `conformance`; the service `must-not-be-stored` occurs in
/// requests without valid credentials only.
///
/// The target must be otherwise idle: some checks measure how long an answer takes.
pub async fn conformance(target: &Target) -> Report {
    let mut suite = Suite::new(target);
    cases::run(&mut suite).await;
    json_cases::run(&mut suite).await;
    coding::run(&mut suite).await;
    sizes::run(&mut suite).await;
    http::run(&mut suite).await;
    grpc::run(&mut suite).await;
    credentials::run(&mut suite).await;
    slow::run(&mut suite).await;
    suite.report()
}

#[cfg(test)]
mod tests;
