//! What is said at the end of a tick?

use std::sync::Arc;

use resus_model::{
    Component, Diagnosis, EntryFinding, EntryState, Evidence, Role, Verdict, WhyNoVerdict, Window,
};
use resus_suspects::diagnose;

use super::Watcher;
use super::alarm::Live;
use super::baseline::often_failing;
use super::config::{Baseline, SCALES, WatchConfig};
use super::judgement::{Alarm, BaselineSummary, Judgement, Silence, Silent, State};
use super::track::{KINDS, SilentSince};

/// What deviates for longer than this, nanoseconds, is worth a word about the baseline.
const LONG: u64 = 2 * 3600 * 1_000_000_000;

/// A window of panes put together, and what was found in it.
#[derive(Debug, Clone)]
pub(super) struct Explained {
    /// Panes from, to, their latest change, and the state of the ring.
    key: (u64, u64, u64, u64),
    pub(super) now: Arc<Evidence>,
    diagnosis: Option<Diagnosis>,
}

/// Before the first tick.
pub(super) fn nothing_yet(config: &WatchConfig) -> Judgement {
    Judgement {
        state: State::Learning { windows: 0, needed: needed(config) },
        since_unix_nano: 0,
        window: None,
        baseline: BaselineSummary::default(),
        diagnosis: None,
        alarms: Vec::new(),
        silent: Vec::new(),
        entries: Vec::new(),
        notes: Vec::new(),
        changed: false,
    }
}

const fn needed(config: &WatchConfig) -> u32 {
    match config.baseline {
        Baseline::Ring { .. } => config.min_baseline_windows,
        Baseline::Fixed(_) => 1,
    }
}

impl Watcher {
    /// Writes the judgement of this tick.
    pub(super) fn conclude(&mut self) {
        let alarms = self.alarms();
        let silent = self.silent();
        let entries = if self.ready { self.findings() } else { Vec::new() };
        self.explain();
        let diagnosis = self.explained.as_ref().and_then(|e| e.diagnosis.clone());
        let (state, mut notes) = self.state(&alarms, &silent, &entries, diagnosis.as_ref());
        notes.extend(self.notes(&alarms));
        let before = &self.judgement;
        let changed = !same_kind(&before.state, &state)
            || suspects(before.diagnosis.as_ref()) != suspects(diagnosis.as_ref())
            || !before.alarms.iter().map(of_alarm).eq(alarms.iter().map(of_alarm))
            || !before.silent.iter().map(|s| &s.who).eq(silent.iter().map(|s| &s.who));
        let since_unix_nano = if same_kind(&before.state, &state) && before.since_unix_nano > 0 {
            before.since_unix_nano
        } else {
            self.timeline.end * self.config.pane_ns
        };
        self.judgement = Judgement {
            state,
            since_unix_nano,
            window: self.explained.as_ref().map(|e| e.now.window),
            baseline: BaselineSummary {
                windows: u32::try_from(self.ring.len()).unwrap_or(u32::MAX),
                range: self.ring.range(),
                fixed: matches!(self.config.baseline, Baseline::Fixed(_)),
            },
            diagnosis,
            alarms,
            silent,
            entries,
            notes,
            changed,
        };
    }

    fn state(
        &self,
        alarms: &[Alarm],
        silent: &[Silence],
        entries: &[EntryFinding],
        diagnosis: Option<&Diagnosis>,
    ) -> (State, Vec<String>) {
        if !self.ready {
            let windows = u32::try_from(self.ring.len()).unwrap_or(u32::MAX);
            return (State::Learning { windows, needed: needed(&self.config) }, Vec::new());
        }
        if !alarms.is_empty() {
            let together = "windows deviate one by one, but put together they stay within what \
                            healthy windows show";
            return match diagnosis.map(|d| &d.verdict) {
                Some(Verdict::Suspects(_)) => (State::Suspects, Vec::new()),
                Some(Verdict::NoVerdict(why)) => (State::NoVerdict(why.clone()), Vec::new()),
                Some(Verdict::Healthy) => (State::NoVerdict(Vec::new()), vec![together.to_owned()]),
                None => (State::NoVerdict(vec![WhyNoVerdict::NoRequests]), Vec::new()),
            };
        }
        let state = if !silent.is_empty() {
            State::Silent
        } else if entries.iter().any(|e| e.state != EntryState::TooFew) {
            State::Healthy
        } else {
            let need = self.limits.min_requests();
            State::NoVerdict(vec![match entries.iter().map(|e| e.requests).max() {
                Some(have) => WhyNoVerdict::TooFewRequests { have, need },
                None => WhyNoVerdict::NoRequests,
            }])
        };
        (state, Vec::new())
    }

    fn alarms(&self) -> Vec<Alarm> {
        let end_of = |pane: u64| (pane + 1) * self.config.pane_ns;
        let small = |n: usize| u32::try_from(n).expect("at most 16");
        let mut alarms = Vec::new();
        for (entry, track) in &self.tracks {
            for (kind, alarm) in KINDS.into_iter().zip(&track.alarms) {
                let Some(live) = alarm.live else { continue };
                alarms.push(Alarm {
                    entry: entry.clone(),
                    kind,
                    window_panes: small(SCALES[live.scale]),
                    agreeing: small(live.agreeing),
                    of: small(live.looked_at),
                    began_unix_nano: live.began * self.config.pane_ns,
                    live_since_unix_nano: end_of(live.live_since),
                    last_deviating_unix_nano: end_of(live.last_bad),
                });
            }
        }
        alarms
    }

    fn silent(&self) -> Vec<Silence> {
        let silence = |who: Silent, since: SilentSince| Silence {
            who,
            last_seen_unix_nano: (since.last_seen + 1) * self.config.pane_ns,
            expected_per_pane: since.rate.per_pane * since.load,
            p_value: {
                let panes = self.timeline.end.saturating_sub(since.last_seen + 1);
                since.rate.chance_of_silence(panes, since.load)
            },
        };
        if let Some(since) = self.everything.silence {
            return vec![silence(Silent::Everything, since)];
        }
        let entries = self.tracks.iter().filter_map(|(entry, track)| {
            track.silence.map(|since| silence(Silent::Entry(entry.clone()), since))
        });
        entries.collect()
    }

    /// The newest window of every entry operation.
    fn findings(&self) -> Vec<EntryFinding> {
        let mut findings: Vec<EntryFinding> = Vec::new();
        for (entry, track) in &self.tracks {
            for kind in KINDS {
                let panes = self.panes_of(track, kind);
                findings.extend(panes.and_then(|p| p.finding(entry, &self.limits)));
            }
        }
        findings.sort_by(|a, b| {
            let by_effect = b.effect.total_cmp(&a.effect);
            by_effect.then(a.kind.cmp(&b.kind)).then_with(|| a.entry.cmp(&b.entry))
        });
        findings
    }

    /// Puts the panes together that are to be shown: those that deviate, explained, or the newest.
    fn explain(&mut self) {
        let end = self.timeline.end;
        if end <= self.timeline.first {
            return;
        }
        let live: Vec<Live> =
            self.tracks.values().flat_map(|t| &t.alarms).filter_map(|a| a.live).collect();
        let panes = u64::from(self.config.window_panes);
        let (from, to) = match live.iter().map(|l| l.last_bad).max() {
            Some(last_bad) => {
                let scale = live.iter().map(|l| SCALES[l.scale]).min().unwrap_or(1) as u64;
                let began = live.iter().map(|l| l.began).min().unwrap_or(0);
                (began.max((last_bad + 1).saturating_sub(panes * scale)), last_bad + 1)
            }
            None => (end.saturating_sub(panes), end),
        };
        let from = from.max(self.timeline.first);
        let alarmed = !live.is_empty();
        let key = (from, to, self.timeline.version(from, to), self.ring.version);
        let fresh = self.explained.as_ref();
        let fresh = fresh.is_some_and(|e| e.key == key && e.diagnosis.is_some() == alarmed);
        // An alarm that fades for longer than panes are kept has nothing new to say.
        if fresh || from >= to {
            return;
        }
        let Some(now) = self.timeline.merged(from, to, Role::Now) else {
            if !alarmed {
                self.explained = None;
            }
            return;
        };
        let diagnosis = alarmed.then(|| self.diagnose(&now));
        let now = Arc::new(now);
        self.explained = Some(Explained { key, now, diagnosis });
    }

    fn diagnose(&self, now: &Evidence) -> Diagnosis {
        diagnose(now, &self.ring.evidence(), &self.config.diagnose)
            .expect("the settings were checked, and panes of other rules refused")
    }

    fn notes(&self, alarms: &[Alarm]) -> Vec<String> {
        let mut notes = Vec::new();
        let end = self.timeline.end * self.config.pane_ns;
        for alarm in alarms {
            if end.saturating_sub(alarm.began_unix_nano) > LONG {
                notes.push(format!(
                    "{} has deviated for {} h: nothing of it is taken into the baseline until it \
                     is over or the operator adopts the present",
                    alarm.entry,
                    end.saturating_sub(alarm.began_unix_nano) / (LONG / 2)
                ));
            }
        }
        let renewed = self.ring.range().map_or(end, |range: Window| range.to);
        let ring = matches!(self.config.baseline, Baseline::Ring { .. });
        if ring && alarms.is_empty() && end.saturating_sub(renewed) > LONG {
            notes.push(format!(
                "the baseline was not renewed for {} h",
                end.saturating_sub(renewed) / (LONG / 2)
            ));
        }
        notes.extend(self.refusal.clone());
        notes.extend(often_failing(&self.tracks));
        notes
    }
}

fn suspects(diagnosis: Option<&Diagnosis>) -> Vec<&Component> {
    let suspects = diagnosis.map_or(&[][..], Diagnosis::suspects);
    suspects.iter().map(|s| &s.candidate.component).collect()
}

fn of_alarm(alarm: &Alarm) -> (&Component, resus_model::FailureKind) {
    (&alarm.entry, alarm.kind)
}

fn same_kind(a: &State, b: &State) -> bool {
    std::mem::discriminant(a) == std::mem::discriminant(b)
}
