//! One callee without spans, one caller or many: who is told to be left alone?
//!
//! Called by one service, it is a *peer*: that service's problem looks like its own. Called by two or
//! more, it is a *shared dependency*: all of them look broken at once, and restarting one after the
//! other is what makes outages long. A dependency that sends spans is neither: it is a component like
//! any other, can be a suspect, and may be restarted.

use resus_model::{Obstacle, ObstacleKind};

use super::contrast::{list, percent};
use super::peer::Blamed;

/// What is said of a callee that is to blame.
pub(super) fn obstacle(blamed: &Blamed<'_>) -> Obstacle {
    let Blamed { name, callers, contrast, chance, slow } = blamed;
    let verb = if *slow { "are slow" } else { "fail" };
    let figures = format!(
        "{} of the calls to {name} {verb}, {} in healthy windows",
        percent(contrast.with.share()),
        percent(contrast.without.share()),
    );
    let names: Vec<String> = callers.iter().map(ToString::to_string).collect();
    let names = list(&names);
    let (kind, sentence) = if callers.len() > 1 {
        let sentence =
            format!("{figures}: see to {name}, and leave {names} alone, who all call it");
        (ObstacleKind::SharedDependency, sentence)
    } else {
        let sentence = format!(
            "{figures}: {name} sends no spans and is not ours to restart, and restarting {names} \
             does not change it"
        );
        (ObstacleKind::Peer, sentence)
    };
    Obstacle {
        kind,
        subject: (*name).to_owned(),
        victims: callers.clone(),
        counts: contrast.counts(),
        effect: contrast.effect(),
        tested: chance.tested,
        tables: chance.tables,
        p_value: chance.p_value,
        load: Vec::new(),
        sentence,
    }
}
