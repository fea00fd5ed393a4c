//! All thresholds of this folder, each with its reason. None comes from data, none names a system.

/// Largest p-value, after the correction for how many were looked at. Ten times stricter than that of a
/// suspect: an obstacle forbids an action, and is looked for in every incident.
pub(super) const P_VALUE: f64 = 1e-3;

/// The same where spans are counted instead of requests. Spans of one request fail together, at most by
/// the hundred and mostly by the handful, so their p-values are too small by some orders of magnitude.
pub(super) const P_VALUE_OF_SPANS: f64 = 1e-5;

/// Largest p-value at which what is left without the worst part still counts as failing: the question
/// is asked once, of one version.
pub(super) const P_VALUE_OF_REST: f64 = 0.01;

/// A failing share without it of more than this part of the share with it is no contrast: then more
/// than the version, or than the instance, is broken. A fault of one component of four looks just so.
pub(super) const QUIET: f64 = 0.25;

/// Part of all new failures that a version or peer must account for; below, it fails too, but is not
/// what the incident is about. Retries and refused callers share the rest.
pub(super) const RELEVANT: f64 = 0.3;

/// Points by which a version must be slow more often than the others (1 % are, by definition): versions
/// differ a little in speed at all times.
pub(super) const SLOWER: f64 = 0.1;

/// Part of the failures that must have begun at a service all of whose instances are new for the deploy
/// to be called the cause: nothing but time sets it apart.
pub(super) const DEPLOYED: f64 = 0.8;

/// Part of the excess failures that must lie within the values of an attribute.
pub(super) const WITHIN: f64 = 0.9;

/// Largest part of the traffic that these values may have: what holds for most requests tells no group
/// of them apart.
pub(super) const MINORITY: f64 = 0.5;

/// A value with a smaller part of the failures is noise (the noise filter of Chen et al., ICAC 2004).
pub(super) const NOISE: f64 = 0.05;

/// Part of the entropy of failure that knowing the values must take away: half the traffic with all of
/// the failures takes about a tenth where failures are rare, a fifth of it about a quarter.
pub(super) const GAIN: f64 = 0.15;

/// A coefficient of presence that is larger by this factor is sharper; Ochiai's grows with the square
/// root of how much traffic is left out, so this is a fifth of it.
pub(super) const SHARPER: f64 = 1.1;

/// Part of the failures that a component must be on to be the one whose requests are looked into.
pub(super) const COVERS: f64 = 0.9;

/// Part of the failures of one attribute's values that another's must share to be the same story.
pub(super) const SUBSUMED: f64 = 0.9;

/// Load over the highest of healthy windows from which on there is a surge. Systems are run with some
/// room; three tenths more in minutes is what capacity plans call a peak.
pub(super) const SURGE: f64 = 1.3;

/// Growth of the mean duration of requests, as a part of it, from which on they wait.
pub(super) const WAITING: f64 = 0.2;

/// Fewest requests of a window from which its rate is known to a tenth.
pub(super) const RATE_SUPPORT: u64 = 100;
