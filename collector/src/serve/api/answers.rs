//! What is answered, path by path.

use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use hyper::StatusCode;
use resus_engine::{Judgement, Silent, View, plan, seen_services};
use resus_model::{Evidence, FailureKind, TraceId};
use resus_plan::{Policy, Proposal, RestartTree, infer};

use super::wire::{
    Alarm, Classes, Done, Gauge, Gauges, Live, LogStatus, Ready, Sealed, Silent as SilentEntry,
    Status, Trace, WindowCounts, Windows,
};
use super::{Answer, Api, routes};
use crate::report::{self, Analysis, Meta};
use crate::serve::clock;
use crate::serve::live::Order;
use crate::serve::tell;

/// A canary older than this is a sign that something hangs.
const STALE: Duration = Duration::from_secs(5);

/// Classes in an answer, unless asked for more or fewer.
const CLASSES: usize = 100;

impl Api {
    pub(super) fn ready(&self) -> Answer {
        let now = clock::now();
        let mut reasons = Vec::new();
        if let Some(reason) = self.log.status().failing {
            reasons.push(format!("the log cannot be written: {reason}"));
        }
        if let Some(reason) = self.counters.refusing() {
            reasons.push(format!("requests are refused: {}", reason.text()));
        }
        let stale = |at: u64| Duration::from_nanos(now.saturating_sub(at)) > STALE;
        if stale(self.counters.canary_kept.load(Relaxed)) {
            reasons.push("no canary went to disk in the last 5 s".to_owned());
        }
        if stale(self.counters.canary_seen.load(Relaxed)) {
            reasons.push("no canary came through the live half in the last 5 s".to_owned());
        }
        let ready = Ready { ready: reasons.is_empty(), reasons };
        let status = if ready.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
        Answer { status, ..Answer::json(&ready) }
    }

    pub(super) fn status(&self) -> Answer {
        let log = self.log.status();
        Answer::json(&Status {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            started_unix_nano: self.started_unix_nano.to_string(),
            receive: self.receive.iter().map(ToString::to_string).collect(),
            api: self.address.to_string(),
            folder: self.folder.display().to_string(),
            sealed: {
                let sealed = self.kept.sealed();
                Sealed {
                    segments: sealed.segments,
                    bytes: sealed.bytes,
                    spans: sealed.rows,
                    oldest_unix_nano: sealed.oldest.map(|at| at.to_string()),
                    newest_unix_nano: sealed.newest.map(|at| at.to_string()),
                }
            },
            forward: self.forwarded.as_ref().map(|meter| meter.read().into()),
            log: LogStatus { bytes: log.bytes, segments: log.segments, failing: log.failing },
            spans: self.counters.spans.load(Relaxed),
            rejected: self.counters.rejected.load(Relaxed),
            open_traces: self.board.read().stats.assembler.open_traces,
        })
    }

    pub(super) fn diagnosis(&self) -> Answer {
        let view = self.board.read();
        let Some(judgement) = &view.judgement else { return Answer::json(&nothing_yet(&view)) };
        Answer::json(&live(&view, judgement, self.plan(&view, judgement).as_ref()))
    }

    pub(super) fn report(&self) -> Answer {
        let view = self.board.read();
        let plan = view.judgement.as_ref().and_then(|judgement| self.plan(&view, judgement));
        let analysis = view.judgement.as_ref().and_then(|j| analysis(&view, j, plan.as_ref()));
        let Some(analysis) = analysis else {
            let text = "nothing deviates, so there is nothing to report; see /api/v1/diagnosis";
            return Answer::problem(StatusCode::NOT_FOUND, text.to_owned());
        };
        Answer::text(routes::HTML, report::html(&analysis))
    }

    /// What to do about the suspects; by the operator's tree, or one inferred from what is seen.
    fn plan(&self, view: &View, judgement: &Judgement) -> Option<Plan> {
        let (diagnosis, now) = (judgement.diagnosis.as_ref()?, view.now.as_deref()?);
        let baseline: Vec<&Evidence> = view.baseline.iter().map(|one| &**one).collect();
        let tree = match &self.tree {
            Some(tree) => RestartTree::clone(tree),
            None => {
                let mut seen = vec![now.clone()];
                seen.extend(baseline.iter().map(|&one| one.clone()));
                RestartTree::parse(&infer(&seen_services(&seen)), "inferred tree").ok()?
            }
        };
        let watermark = now.window.to;
        let policy = Policy::standard();
        let proposal = plan(diagnosis, now, &baseline, watermark, &tree, &policy).ok()?;
        Some(Plan { tree, proposal })
    }

    pub(super) fn windows(&self) -> Answer {
        let view = self.board.read();
        Answer::json(&Windows {
            now: view.now.as_deref().map(WindowCounts::of),
            baseline: view.baseline.iter().map(|e| WindowCounts::of(e)).collect(),
        })
    }

    pub(super) fn classes(&self, query: &str) -> Answer {
        let mut limit = CLASSES;
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            match pair.split_once('=') {
                Some(("limit", number)) if number.parse::<usize>().is_ok_and(|n| n <= 10_000) => {
                    limit = number.parse().unwrap_or(CLASSES);
                }
                _ => {
                    let text = format!("found {pair:?}, expected limit=N with N from 0 to 10000");
                    return Answer::problem(StatusCode::BAD_REQUEST, text);
                }
            }
        }
        Answer::json(&Classes::of(self.board.read().now.as_deref(), limit))
    }

    pub(super) fn trace(&self, id: &str) -> Answer {
        let Ok(trace_id) = TraceId::from_hex(id.as_bytes()) else {
            let text = format!("{id:?} is no trace id: expected 32 hex digits");
            return Answer::problem(StatusCode::BAD_REQUEST, text);
        };
        let (spans, unreadable) = self.kept.find_trace(trace_id);
        if spans.is_empty() && unreadable.is_empty() {
            let text = format!("no span of trace {trace_id} is kept (see store.retain_age)");
            return Answer::problem(StatusCode::NOT_FOUND, text);
        }
        Answer::json(&Trace::of(trace_id, &spans, unreadable))
    }

    pub(super) fn quality(&self) -> Answer {
        Answer::json(&report::quality(&self.board.read().quality))
    }

    pub(super) fn all_gauges(&self) -> Answer {
        let series = self.gauges.all().into_iter();
        let series =
            series.map(|((service, instance, name, attributes), (unix_nano, value))| Gauge {
                service,
                instance,
                name,
                attributes: json(&attributes),
                unix_nano: unix_nano.to_string(),
                value,
            });
        Answer::json(&Gauges { series: series.collect() })
    }

    pub(super) fn adopt_baseline(&self) -> Answer {
        match self.orders.send(Order::AdoptBaseline) {
            Ok(()) => Answer::json(&Done {
                done: "the baseline starts anew with the present at the next tick".to_owned(),
            }),
            Err(_) => Answer::problem(
                StatusCode::SERVICE_UNAVAILABLE,
                "the collector is ending".to_owned(),
            ),
        }
    }
}

/// What to do, and the tree by which that was found.
#[derive(Debug)]
pub(crate) struct Plan {
    tree: RestartTree,
    proposal: Proposal,
}

/// A text that is JSON as a value; null where it is empty.
fn json(text: &str) -> serde_json::Value {
    serde_json::from_str(text).unwrap_or(serde_json::Value::Null)
}

/// What is said before the first judgement.
fn nothing_yet(view: &View) -> Live {
    Live {
        state: "learning",
        summary: "nothing arrived yet".to_owned(),
        since_unix_nano: view.at_unix_nano.to_string(),
        at_unix_nano: view.at_unix_nano.to_string(),
        watermark_unix_nano: view.watermark_unix_nano.to_string(),
        alarms: Vec::new(),
        silent: Vec::new(),
        notes: Vec::new(),
        analysis: None,
    }
}

pub(crate) fn live(view: &View, judgement: &Judgement, plan: Option<&Plan>) -> Live {
    let Judgement { state, since_unix_nano, alarms, silent, notes, .. } = judgement;
    let analysis = analysis(view, judgement, plan);
    Live {
        state: tell::word(state),
        summary: tell::summary(judgement),
        since_unix_nano: since_unix_nano.to_string(),
        at_unix_nano: view.at_unix_nano.to_string(),
        watermark_unix_nano: view.watermark_unix_nano.to_string(),
        alarms: alarms
            .iter()
            .map(|alarm| Alarm {
                service: alarm.entry.service.clone(),
                operation: alarm.entry.operation.clone().unwrap_or_default(),
                kind: match alarm.kind {
                    FailureKind::Error => "error",
                    FailureKind::SlowOrUnseen => "slow_or_unseen",
                },
                window_panes: alarm.window_panes,
                agreeing: alarm.agreeing,
                of: alarm.of,
                began_unix_nano: alarm.began_unix_nano.to_string(),
                live_since_unix_nano: alarm.live_since_unix_nano.to_string(),
            })
            .collect(),
        silent: silent
            .iter()
            .map(|silence| {
                let (service, operation) = match &silence.who {
                    Silent::Everything => Default::default(),
                    Silent::Entry(entry) => {
                        (entry.service.clone(), entry.operation.clone().unwrap_or_default())
                    }
                };
                SilentEntry {
                    service,
                    operation,
                    last_seen_unix_nano: silence.last_seen_unix_nano.to_string(),
                    expected_per_pane: silence.expected_per_pane,
                    p_value: silence.p_value,
                }
            })
            .collect(),
        notes: notes.clone(),
        analysis: analysis.map(|analysis| report::value(&analysis)),
    }
}

/// What there is to report, while something deviates.
fn analysis<'a>(
    view: &'a View,
    judgement: &'a Judgement,
    plan: Option<&'a Plan>,
) -> Option<Analysis<'a>> {
    let diagnosis = judgement.diagnosis.as_ref()?;
    Some(Analysis {
        diagnosis,
        quality: &view.quality,
        tree: plan.map(|plan| &plan.tree),
        proposal: plan.map(|plan| &plan.proposal),
        meta: Meta {
            version: env!("CARGO_PKG_VERSION"),
            windows: "the live windows that deviate, against the latest healthy ones",
        },
    })
}
