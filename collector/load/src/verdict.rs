//! Is what the collector stored what it acknowledged?

use std::collections::BTreeMap;

use crate::ledger::{Fate, Ledger};

/// What a comparison of a ledger with a store found, in spans where nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
#[must_use = "a verdict that nobody reads proves nothing"]
pub struct Verdict {
    /// Spans of acknowledged requests.
    pub acknowledged: u64,
    /// Stored spans, each time counted.
    pub stored: u64,
    /// Acknowledged and not stored. Must be 0.
    pub missing: u64,
    /// The first requests with missing spans, and how many of each are missing.
    pub missing_from: Vec<(u64, u32)>,
    /// Stored, never sent: an unknown span id, or one with another trace's id. Must be 0.
    pub phantom: u64,
    /// The first phantoms: trace id, span id.
    pub phantoms: Vec<([u8; 16], [u8; 8])>,
    /// Stored more than once, counted without the first time.
    pub duplicates: u64,
    /// Of `duplicates` those beyond the number of times that the span was sent. Must be 0.
    pub unsent_duplicates: u64,
    /// Sent more than once, counted without the first time: the most that `duplicates` may be.
    pub resent: u64,
    /// Stored though their request was refused. Harmless, and a waste.
    pub refused_stored: u64,
    /// Stored of requests that had no answer, or a partial one: both may be.
    pub uncertain_stored: u64,
}

impl Verdict {
    /// Whether nothing that was acknowledged is missing and nothing is stored that was not sent.
    #[must_use]
    pub const fn holds(&self) -> bool {
        self.missing == 0 && self.phantom == 0 && self.unsent_duplicates == 0
    }
}

/// How many examples of a breach are kept.
const EXAMPLES: usize = 20;

/// Compares a ledger with what a store holds, (trace id, span id) in any order. Memory: one byte a sent
/// span.
pub fn check(ledger: &Ledger, stored: impl IntoIterator<Item = ([u8; 16], [u8; 8])>) -> Verdict {
    let ids = ledger.ids();
    let spans = ids.spans();
    let mut verdict = Verdict::default();
    let mut times: BTreeMap<u64, Vec<u8>> =
        ledger.entries().map(|(request, _)| (request, vec![0; spans as usize])).collect();
    for (trace, span) in stored {
        verdict.stored += 1;
        let known = ids.find(span).filter(|(request, row)| ids.trace(*request, *row) == trace);
        match known.and_then(|(request, row)| times.get_mut(&request)?.get_mut(row as usize)) {
            Some(count) => *count = count.saturating_add(1),
            None => {
                verdict.phantom += 1;
                if verdict.phantoms.len() < EXAMPLES {
                    verdict.phantoms.push((trace, span));
                }
            }
        }
    }
    for ((request, entry), times) in ledger.entries().zip(times.into_values()) {
        let seen = times.iter().filter(|count| **count > 0).count() as u64;
        match entry.fate {
            Fate::Acknowledged => {
                let missing = u64::from(spans) - seen;
                verdict.acknowledged += u64::from(spans);
                verdict.missing += missing;
                if missing > 0 && verdict.missing_from.len() < EXAMPLES {
                    verdict.missing_from.push((request, missing as u32));
                }
            }
            Fate::Refused => verdict.refused_stored += seen,
            Fate::Partial | Fate::Unanswered => verdict.uncertain_stored += seen,
        }
        verdict.resent += u64::from(entry.sends.saturating_sub(1)) * u64::from(spans);
        for count in times.into_iter().map(u32::from) {
            verdict.duplicates += u64::from(count.saturating_sub(1));
            verdict.unsent_duplicates += u64::from(count.saturating_sub(entry.sends.max(1)));
        }
    }
    verdict
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::Ids;
    use crate::ledger::Entry;

    fn ledger() -> Ledger {
        let mut ledger = Ledger::new(Ids::new(5, 16, 1));
        for (request, fate, sends) in [
            (0, Fate::Acknowledged, 1),
            (1, Fate::Acknowledged, 2),
            (2, Fate::Refused, 1),
            (3, Fate::Unanswered, 1),
        ] {
            ledger.note(request, Entry { fate, sends });
        }
        ledger
    }

    fn spans(requests: &[u64]) -> Vec<([u8; 16], [u8; 8])> {
        let ids = ledger().ids();
        let rows = |r: &u64| (0..16).map(|row| (ids.trace(*r, row), ids.span(*r, row))).collect();
        requests.iter().flat_map(|r| -> Vec<_> { rows(r) }).collect()
    }

    #[test]
    fn a_store_that_kept_its_word_holds() {
        let verdict = check(&ledger(), spans(&[1, 0, 3]).into_iter().rev());
        assert!(verdict.holds());
        assert_eq!((verdict.acknowledged, verdict.stored, verdict.resent), (32, 48, 16));
        assert_eq!((verdict.uncertain_stored, verdict.refused_stored), (16, 0));
        assert!(check(&ledger(), spans(&[0, 1, 1, 2])).holds());
    }

    #[test]
    fn a_lost_span_is_named_by_its_request() {
        let mut stored = spans(&[0, 1]);
        stored.remove(20);
        stored.remove(20);
        let verdict = check(&ledger(), stored);
        assert!(!verdict.holds());
        assert_eq!((verdict.missing, verdict.missing_from), (2, vec![(1, 2)]));
    }

    #[test]
    fn phantoms_are_unknown_ids_requests_not_sent_and_ids_in_other_traces() {
        let mut stored = spans(&[0, 1]);
        stored.push(([1; 16], [1; 8]));
        stored.extend(&spans(&[4])[..1]);
        let (first, second) = (stored[0], stored[1]);
        stored.push(([9; 16], second.1));
        stored.push((first.0, [0; 8]));
        let verdict = check(&ledger(), stored);
        assert_eq!((verdict.phantom, verdict.phantoms.len(), verdict.missing), (4, 4, 0));
        assert!(!verdict.holds());
    }

    #[test]
    fn a_span_may_be_stored_as_often_as_it_was_sent() {
        let verdict = check(&ledger(), spans(&[0, 1, 1]));
        assert_eq!((verdict.duplicates, verdict.unsent_duplicates), (16, 0));
        let verdict = check(&ledger(), spans(&[0, 0, 1]));
        assert_eq!((verdict.duplicates, verdict.unsent_duplicates), (16, 16));
        assert!(!verdict.holds());
    }
}
