//! How likely is it that somebody who used to speak says nothing for so long?
//!
//! Requests come as a Poisson process whose rate wanders. A rate that is itself gamma-distributed
//! gives negative binomial counts (Greenwood and Yule 1920); with squared coefficient of variation
//! `c` of the rate, `λ` requests are expected and none comes with probability `(1 + cλ)^(-1/c)`,
//! which is the Poisson `exp(-λ)` for `c = 0`. Rates wander from pane to pane and from window to
//! window; either alone is taken to explain the silence, and the likelier explanation counts. So a
//! batch job that speaks once in five minutes is not silent in between, and an entry operation whose
//! traffic doubles and halves is, once it stops.

/// Requests of healthy windows.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(super) struct Rate {
    /// Requests a pane.
    pub(super) per_pane: f64,
    /// Squared coefficient of variation of the rate between panes, beyond chance.
    between_panes: f64,
    /// The same between windows.
    between_windows: f64,
}

/// Requests of one healthy window.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct WindowCount {
    /// How many panes it has.
    pub(super) panes: u64,
    /// Requests in all of them.
    pub(super) requests: u64,
    /// Sum of the squares of requests by pane.
    pub(super) squares: u64,
}

impl Rate {
    /// The rate that healthy windows show.
    #[expect(clippy::cast_precision_loss, reason = "counts of requests")]
    pub(super) fn of(windows: &[WindowCount]) -> Self {
        let sum = |of: fn(&WindowCount) -> u64| windows.iter().map(of).sum::<u64>() as f64;
        let (panes, requests) = (sum(|w| w.panes), sum(|w| w.requests));
        if panes <= 0.0 || requests <= 0.0 {
            return Self::default();
        }
        let mean = requests / panes;
        let variance = (sum(|w| w.squares) / panes - mean * mean).max(0.0);
        let n = windows.len() as f64;
        let between = windows.iter().map(|w| {
            let rate = w.requests as f64 / w.panes.max(1) as f64;
            (rate - mean).powi(2)
        });
        let between = if n > 1.0 { between.sum::<f64>() / (n - 1.0) } else { 0.0 };
        let beyond = |variance: f64, chance: f64| ((variance - chance) / (mean * mean)).max(0.0);
        Self {
            per_pane: mean,
            between_panes: beyond(variance, mean),
            between_windows: beyond(between, mean * n / panes),
        }
    }

    /// The chance of no request in so many panes, if the load is now this share of what it was.
    #[expect(clippy::cast_precision_loss, reason = "a number of panes")]
    pub(super) fn chance_of_silence(&self, panes: u64, load: f64) -> f64 {
        let (m, expected) = (panes as f64, self.per_pane * load);
        let by_panes = ln_none(expected, self.between_panes) * m;
        let by_windows = ln_none(expected * m, self.between_windows);
        by_panes.max(by_windows).exp()
    }
}

/// Logarithm of the chance that none comes.
fn ln_none(expected: f64, variation: f64) -> f64 {
    if variation * expected < 1e-9 {
        return -expected;
    }
    -(variation * expected).ln_1p() / variation
}

#[cfg(test)]
mod tests {
    use super::*;

    fn windows(panes: &[&[u64]]) -> Vec<WindowCount> {
        let count = |w: &&[u64]| WindowCount {
            panes: w.len() as u64,
            requests: w.iter().sum(),
            squares: w.iter().map(|n| n * n).sum(),
        };
        panes.iter().map(count).collect()
    }

    #[test]
    fn a_steady_rate_is_poisson() {
        let rate = Rate::of(&windows(&[&[3; 15], &[3; 15], &[3; 15]]));
        assert!((rate.per_pane - 3.0).abs() < 1e-12);
        assert!((rate.chance_of_silence(4, 1.0) - (-12.0_f64).exp()).abs() < 1e-12);
        assert!((rate.chance_of_silence(4, 0.5) - (-6.0_f64).exp()).abs() < 1e-12);
    }

    #[test]
    fn who_speaks_in_bursts_is_not_silent_between_them() {
        let mut burst = [0; 75];
        burst[0] = 100;
        let parts: Vec<&[u64]> = burst.chunks(15).collect();
        let rate = Rate::of(&windows(&[parts.clone(), parts].concat()));
        assert!(rate.chance_of_silence(60, 1.0) > 0.01);
    }

    #[test]
    fn a_load_that_doubles_hides_no_silence() {
        let rate = Rate::of(&windows(&[&[200; 15], &[400; 15], &[200; 15], &[400; 15]]));
        assert!(rate.chance_of_silence(8, 1.0) < 1e-12);
    }

    #[test]
    fn nobody_expects_who_never_spoke() {
        let rate = Rate::of(&windows(&[&[0; 15], &[0; 15]]));
        assert!((rate.chance_of_silence(1000, 1.0) - 1.0).abs() < 1e-12);
        assert_eq!(Rate::of(&[]), Rate::default());
    }
}
