//! What must a reader know to judge the answer? Sentences, in a fixed order.

use resus_model::{Exactness, FailureKind, Level, Outcome};

use crate::align::Aligned;
use crate::deviation::Deviations;
use crate::label::Why;
use crate::presence::Counted;

/// About the windows and what they are held against.
pub(crate) fn of_windows(aligned: &Aligned<'_>) -> Vec<String> {
    let mut notes = Vec::new();
    let mut note = |text: &str| notes.push(text.to_owned());
    match aligned.baselines.len() {
        0 => note(
            "there is no baseline: failing shares are held against zero, and slow requests \
             cannot be told from normal ones",
        ),
        1 => note(
            "there is one baseline window: how much shares wander between healthy windows is not \
             known, and the window judges its own slow requests (at most one in a hundred by \
             construction)",
        ),
        _ => {}
    }
    match aligned.exactness {
        Exactness::Exact => {}
        Exactness::ShapesDropped => note(
            "path shapes were dropped by the memory guard: paths are compared by their sets of \
             operations",
        ),
        Exactness::OperationsDropped => note(
            "shapes and operations were dropped by the memory guard: paths are compared by their \
             entry operation alone",
        ),
    }
    let weighted = aligned.now.evidence.classes.iter().any(|c| {
        c.tally.weight != c.tally.n.saturating_mul(resus_model::Tally::ONE)
            && c.key.outcome != Outcome::Unknown
    });
    if weighted {
        note(
            "requests are sampled: shares go by sampling weight, scores and tests by requests seen",
        );
    }
    notes
}

/// About healthy windows that were set aside for some item.
pub(crate) fn of_deviations(aligned: &Aligned<'_>, deviations: &Deviations) -> Option<String> {
    let aside = aligned.baselines.iter().zip(&deviations.aside).filter(|(_, aside)| **aside);
    let windows: Vec<String> = aside.map(|(view, _)| view.evidence.window.to_string()).collect();
    (!windows.is_empty()).then(|| {
        format!(
            "in some healthy windows something stands out from all others; for that it was left out: \
             {}",
            windows.join(", ")
        )
    })
}

/// About what was counted on neither side.
pub(crate) fn of_counts(counted: &Counted, kind: FailureKind) -> Vec<String> {
    let mut notes = vec![match kind {
        FailureKind::Error => "failed means that the entry span says so".to_owned(),
        FailureKind::SlowOrUnseen => {
            "failed means slower than the baseline's p99 of the same entry and path shape, or of \
             a shape never seen there"
                .to_owned()
        }
    }];
    for (why, n) in &counted.left_out {
        let reason = match why {
            Why::Cancelled => "were cancelled by the caller",
            Why::Unknown => "have no entry span",
            Why::Erred => "failed by their status and say nothing about slowness",
            Why::Unjudged => "are of an entry operation with too little baseline to judge them",
        };
        notes.push(format!("{n} requests stand on neither side: they {reason}"));
    }
    if counted.background > 0 {
        notes.push(format!(
            "{} failed requests of entry operations that do not deviate stand on neither side",
            counted.background
        ));
    }
    notes
}

/// About what the level cannot tell.
pub(crate) fn of_level(level: Level) -> Option<String> {
    let what = match level {
        Level::Service | Level::Operation => return None,
        Level::Instance => "instances",
        Level::Version => "versions",
        Level::Host => "hosts",
    };
    Some(format!(
        "{what} are ranked by their own tables: which of them met in one request is not kept, so there \
         is no dendrogram, and origins are a lower bound"
    ))
}
