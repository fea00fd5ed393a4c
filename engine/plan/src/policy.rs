//! What a proposal may do, as numbers that each have a reason.

use serde::Serialize;

use crate::canonical;
use crate::duration::Millis;
use crate::names::ContentHash;

/// A plan may be begun for 10 minutes after the data it was made from.
///
/// Traffic, deployments and the fault itself move on in minutes: a restart decided on old evidence
/// hits a system that nobody looked at. Ten minutes are what approvals by people are commonly
/// given; with less, a person who is asked at night cannot read the proof before it is void.
/// Raising it is safe only where traces show that faults stand for longer.
pub const EXPIRY: Millis = Millis::seconds(600);

/// A suspect counts as well as the best when its score is at least nine tenths of the best score.
///
/// Suspects with identical presence have equal scores and are within any margin; the tenth is for
/// neighbours that differ by a handful of requests in a hundred. A wider margin pulls in callers of
/// the culprit, which are on most of the same failed paths.
pub const MARGIN_THOUSANDTHS: u32 = 900;

/// One plan restarts at most one covering cell (with whatever that obliges).
///
/// Automatic remedies that people trust act on one thing, look, and go on: an operating system's
/// or orchestrator's limits are one unit at a time, and a second restart hides whether the first
/// one cured. Where suspects cannot be told apart, trying the one where errors began first and
/// looking again costs one restart time; restarting both costs users both outages every time.
pub const MAX_CELLS: u32 = 1;

/// A plan that takes three times as long as its restart times add up to has failed.
///
/// Restart times vary with load and cold caches by about a factor of two; an executor that is
/// still busy at three has met a hang, and whoever waits for it keeps a cell stopped.
pub const DEADLINE_FACTOR: u32 = 3;

/// Half a minute that every plan has beyond the multiple of its restart times: calls to an
/// orchestrator, an image pulled anew, a drain that was announced and not measured.
pub const DEADLINE_FLOOR: Millis = Millis::seconds(30);

/// Cured means that at most a quarter of the excess over the baseline is left.
///
/// An interaction fault that fails half of its requests is seldom halved by chance; what remains
/// below a quarter is retries, hung requests from before, and noise. A smaller share would call a
/// cure inconclusive wherever a few clients keep failing on their own.
pub const LEFT_THOUSANDTHS: u32 = 250;

/// A share within three standard deviations of healthy windows counts as healthy whatever the
/// excess was.
pub const SPREADS: u32 = 3;

/// Fewer than 30 requests at a watched entry operation tell nothing: with none failed among 30, the
/// 95 % bound on the failing share is still one in ten (3/n).
pub const MIN_REQUESTS: u64 = 30;

/// Requests are watched for one minute after the settling time.
///
/// Long enough for 30 requests at one request in two seconds, short enough that a wrong guess
/// costs users a minute before the next rung is tried.
pub const VERIFY_WINDOW: Millis = Millis::seconds(60);

/// What to do when more cells are suspected than one plan may restart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum TooMany {
    /// Restart the first ones in rank order, withhold the others.
    Withhold,
    /// Restart the lowest cell above all of them, if it is not the root and can be restarted; else
    /// withhold.
    CommonAncestor,
}

/// A policy as it is written, not yet checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PolicyFields {
    /// How long after its data a plan may be begun.
    pub expiry: Millis,
    /// Least share of the best score that counts as equally suspect, in thousandths.
    pub margin_thousandths: u32,
    /// Most covering cells in one plan.
    pub max_cells: u32,
    /// What to do with more.
    pub too_many: TooMany,
    /// Deadline as a multiple of all restart and drain times.
    pub deadline_factor: u32,
    /// What every deadline has beyond that.
    pub deadline_floor: Millis,
    /// Most of the excess that may be left after a cure, in thousandths.
    pub left_thousandths: u32,
    /// Standard deviations of healthy windows that count as healthy.
    pub spreads: u32,
    /// Least requests at each watched entry operation.
    pub min_requests: u64,
    /// How long requests are watched.
    pub verify_window: Millis,
}

/// A policy that makes sense.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy(PolicyFields);

/// A field of a policy that makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("accept the policy: `{field}` is {found}; expected {expected}")]
pub struct PolicyMistake {
    /// Which.
    pub field: &'static str,
    /// What it is.
    pub found: String,
    /// What it should be.
    pub expected: &'static str,
}

impl PolicyFields {
    /// The constants of this module.
    pub const STANDARD: Self = Self {
        expiry: EXPIRY,
        margin_thousandths: MARGIN_THOUSANDTHS,
        max_cells: MAX_CELLS,
        too_many: TooMany::Withhold,
        deadline_factor: DEADLINE_FACTOR,
        deadline_floor: DEADLINE_FLOOR,
        left_thousandths: LEFT_THOUSANDTHS,
        spreads: SPREADS,
        min_requests: MIN_REQUESTS,
        verify_window: VERIFY_WINDOW,
    };
}

impl Policy {
    /// The constants of this module.
    #[must_use]
    pub const fn standard() -> Self {
        Self(PolicyFields::STANDARD)
    }

    /// Checks a policy.
    ///
    /// # Errors
    /// Every field that makes no sense.
    pub fn new(fields: PolicyFields) -> Result<Self, Vec<PolicyMistake>> {
        let PolicyFields {
            expiry,
            margin_thousandths,
            max_cells,
            too_many: _,
            deadline_factor,
            deadline_floor: _,
            left_thousandths,
            spreads: _,
            min_requests,
            verify_window,
        } = &fields;
        let mut mistakes = Vec::new();
        let mut expect = |fits: bool, field, found: String, expected| {
            if !fits {
                mistakes.push(PolicyMistake { field, found, expected });
            }
        };
        let positive = "more than zero";
        expect(expiry.get() > 0, "expiry", expiry.to_string(), positive);
        let fits = (1..=1000).contains(margin_thousandths);
        expect(fits, "margin_thousandths", margin_thousandths.to_string(), "1 to 1000");
        expect(*max_cells > 0, "max_cells", max_cells.to_string(), "at least 1");
        let fits = (1..=100).contains(deadline_factor);
        expect(fits, "deadline_factor", deadline_factor.to_string(), "1 to 100");
        let fits = *left_thousandths < 1000;
        let expected = "0 to 999 (1000 would call no change a cure)";
        expect(fits, "left_thousandths", left_thousandths.to_string(), expected);
        expect(*min_requests > 0, "min_requests", min_requests.to_string(), "at least 1");
        expect(verify_window.get() > 0, "verify_window", verify_window.to_string(), positive);
        if mistakes.is_empty() { Ok(Self(fields)) } else { Err(mistakes) }
    }

    /// Its fields.
    #[must_use]
    pub const fn fields(&self) -> &PolicyFields {
        &self.0
    }

    /// The hash of its content.
    ///
    /// # Panics
    /// Never: every field has a JSON form.
    #[must_use]
    pub fn hash(&self) -> ContentHash {
        let value = serde_json::to_value(&self.0).expect("a policy has only JSON types");
        ContentHash::of(canonical::json(&value).as_bytes())
    }
}

impl Serialize for Millis {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_u64(self.get())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standard_policy_passes_its_own_check() {
        assert_eq!(Policy::new(PolicyFields::STANDARD), Ok(Policy::standard()));
    }

    #[test]
    fn all_mistakes_are_told_at_once_and_every_field_is_in_the_hash() {
        let bad = PolicyFields {
            max_cells: 0,
            margin_thousandths: 1001,
            left_thousandths: 1000,
            ..PolicyFields::STANDARD
        };
        let fields: Vec<_> =
            Policy::new(bad).expect_err("three").into_iter().map(|m| m.field).collect();
        assert_eq!(fields, ["margin_thousandths", "max_cells", "left_thousandths"]);
        let other = PolicyFields { too_many: TooMany::CommonAncestor, ..PolicyFields::STANDARD };
        assert_ne!(Policy::new(other).expect("fine").hash(), Policy::standard().hash());
    }
}
