//! Would a restart help? Proof that it would not.
//!
//! Five causes outlive a restart of what fails: a bad version, a poisonous input or tenant, a callee
//! that is not ours, a dependency that many share, more load than the system bears. Each is looked for
//! by itself, in spans and requests as they were counted, whether or not requests deviate already; each
//! must be clear, matter to what is wrong now, and not look the same as something that a restart does
//! cure (one broken instance, above all). None is a matter of opinion: an [`Obstacle`] carries its
//! counts.

mod attribute;
mod contrast;
mod growth;
mod overload;
mod peer;
mod shared;
mod thresholds;
mod version;

use resus_model::{Component, Exactness, Obstacle};

use crate::Config;
use crate::align::Aligned;
use crate::detect::Detected;
use crate::deviation::Calls;
use crate::presence::Counted;
use growth::Growth;

/// What obstacles are told by.
pub(crate) struct Scene<'a> {
    /// All windows.
    pub aligned: &'a Aligned<'a>,
    /// Which requests failed.
    pub counted: &'a Counted,
    /// By what rule.
    pub detected: &'a Detected,
    /// Who calls whom.
    pub calls: &'a Calls,
    /// The first suspect.
    pub first: &'a Component,
    /// The settings.
    pub config: &'a Config,
}

/// All that speaks against a restart, surest first.
pub(crate) fn find(scene: &Scene<'_>) -> Vec<Obstacle> {
    let Scene { aligned, detected, config, .. } = *scene;
    if aligned.now.evidence.exactness == Exactness::OperationsDropped {
        return Vec::new();
    }
    let deviating = detected.deviating(aligned.entries.len());
    let growth = Growth::of(aligned, &deviating);
    let mut found = version::find(aligned, &growth, config);
    found.extend(attribute::find(aligned, detected, config));
    found.extend(peer::find(scene, &growth));
    found.extend(overload::find(scene, &growth));
    found.sort_by(|a, b| {
        let by_proof = a.p_value.total_cmp(&b.p_value).then(b.effect.total_cmp(&a.effect));
        by_proof.then_with(|| (a.kind, &a.subject).cmp(&(b.kind, &b.subject)))
    });
    found
}
