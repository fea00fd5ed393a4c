//! How were suspects chosen, in a few sentences?

use resus_model::{DecidedBy, Dendrogram, Diagnosis};

use super::figures::{percent, plural, ratio};
use super::sentence;

/// What decided, by which measure; `None` where nothing was computed, without candidates.
pub(super) fn method(diagnosis: &Diagnosis) -> Option<String> {
    let named = diagnosis.suspects().iter().map(|s| &s.candidate);
    let presence = named.chain(&diagnosis.considered).map(|c| &c.presence).next()?;
    let mut text = match diagnosis.decided_by {
        DecidedBy::Evidence => "Times, calls, errors and failing requests of each component were held \
                                against the healthy windows. The strength of evidence is how many times \
                                it exceeds the most that its kind shows in a healthy window, half of the \
                                time, whatever is not accounted for by others; a component is as suspect \
                                as its strongest evidence."
            .to_owned(),
        DecidedBy::Presence => by_presence(diagnosis, presence),
    };
    let all = diagnosis.failed + diagnosis.passed;
    text.push_str(&format!(
        " Of {}, {} counted as {}.",
        plural(all, "request", "requests"),
        percent(ratio(diagnosis.failed, all)),
        sentence::failing(diagnosis),
    ));
    Some(text)
}

fn by_presence(diagnosis: &Diagnosis, presence: &resus_model::Presence) -> String {
    let coefficient = presence.coefficient;
    let mut text = match presence.closest {
        None => format!("Scores are the {coefficient} coefficient of presence and failure."),
        Some(_) => format!(
            "Scores are the mean of two {coefficient} coefficients with failure: that of the component, \
             and that of its closest part (an operation of it, or where failures began)."
        ),
    };
    if let Some(Dendrogram { linkage, cut, .. }) = &diagnosis.dendrogram {
        text.push_str(&format!(
            " Suspects are the failures' cluster ({linkage} linkage, cut at {cut:.2})."
        ));
    }
    text
}
