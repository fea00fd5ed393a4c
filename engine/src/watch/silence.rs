//! Who used to speak and does not?
//!
//! An entry operation is silent when it had no request for a number of panes, and when that is as
//! unlikely as the significance asks for, at the rate that healthy windows show. When others are
//! quieter than usual too, so much less is expected of it: at night nobody is silent. When nothing
//! arrives at all, that is one finding, not one an entry operation.

use super::Watcher;
use super::rate::Rate;
use super::track::{SilentSince, Track};

impl Watcher {
    /// Listens once more after a pane was judged.
    pub(super) fn listen(&mut self) {
        let first = self.timeline.first;
        let last = self.timeline.end - 1;
        let hush = Hush {
            last,
            began: self.timeline.began.unwrap_or(first),
            deaf_until: self.deaf_until,
            after: u64::from(self.config.silence_after),
            significance: self.config.significance,
        };
        self.everything.see(first);
        for track in self.tracks.values_mut() {
            track.see(first);
        }
        let before = self.everything.silence;
        let rate = rate_of(&self.everything);
        hush.judge(&mut self.everything, rate, 1.0);
        if self.everything.silence.is_some() {
            // Who was silent before stays so; nobody becomes it by himself.
            return;
        }
        if let Some(silent) = before {
            self.exclude(silent.last_seen + 1, last);
        }
        let all = rate.per_pane;
        for track in self.tracks.values_mut() {
            let rate = rate_of(track);
            let quiet = hush.quiet_panes(track);
            let load = if quiet < hush.after || track.silence.is_some() {
                1.0
            } else {
                let newest = track.counts.len() - index(quiet).min(track.counts.len());
                let newest = newest..;
                let sum = |t: &Track| t.counts[newest.clone()].iter().map(|c| c.requests).sum();
                let (total, own): (u64, u64) = (sum(&self.everything), sum(track));
                let panes = track.counts[newest.clone()].len() as u64;
                share(total - own, (all - rate.per_pane) * real(panes))
            };
            hush.judge(track, rate, load);
        }
    }
}

/// When is who silent?
struct Hush {
    /// The newest judged pane.
    last: u64,
    /// The first that was ever judged.
    began: u64,
    /// The first since when everybody would have been heard.
    deaf_until: u64,
    after: u64,
    significance: f64,
}

impl Hush {
    /// Judged panes since the last request, in which one would have been heard.
    fn quiet_panes(&self, track: &Track) -> u64 {
        let heard = track.last_seen.map_or(self.began, |seen| seen + 1);
        (self.last + 1).saturating_sub(heard.max(self.deaf_until))
    }

    fn judge(&self, track: &mut Track, rate: Rate, load: f64) {
        let quiet = self.quiet_panes(track);
        if quiet == 0 {
            track.silence = None;
        } else if quiet >= self.after && track.silence.is_none() && rate.per_pane > 0.0 {
            let chance = rate.chance_of_silence(quiet, load);
            track.silence = (chance <= self.significance).then(|| SilentSince {
                rate,
                load,
                last_seen: track.last_seen.unwrap_or_else(|| self.last.saturating_sub(quiet)),
            });
        }
    }
}

fn rate_of(track: &Track) -> Rate {
    track.reference.as_ref().map(|r| r.rate).unwrap_or_default()
}

/// What came of what was expected, at most all of it.
fn share(have: u64, expected: f64) -> f64 {
    if expected > 0.0 { (real(have) / expected).min(1.0) } else { 1.0 }
}

fn index(panes: u64) -> usize {
    usize::try_from(panes).unwrap_or(usize::MAX)
}

#[expect(clippy::cast_precision_loss, reason = "counts of requests and panes")]
fn real(n: u64) -> f64 {
    n as f64
}
