//! What must hold among the values of a configuration, each of which is within its own range.

use std::time::Duration;

use super::Config;
use super::address::{Endpoint, Listen};
use super::keys::Keys;
use super::mistake::MistakeKind;
use super::size;
use super::value::millis;
use super::watch::MOST_PANES;

/// Asks every rule among keys of more than one section, or of one.
pub(super) fn rules(config: &Config, keys: &mut dyn Keys) {
    listeners(config, keys);
    plain_text(config, keys);
    circles(config, keys);
    sizes(config, keys);
    times(config, keys);
    numbers(config, keys);
}

/// The three listeners with their keys.
fn listening(config: &Config) -> impl Iterator<Item = (&'static str, &Listen)> {
    let Config { receive, api, .. } = config;
    [
        ("receive.grpc", receive.grpc.as_ref()),
        ("receive.http", receive.http.as_ref()),
        ("api.listen", Some(&api.listen)),
    ]
    .into_iter()
    .filter_map(|(key, listen)| Some((key, listen?)))
}

fn listeners(config: &Config, keys: &mut dyn Keys) {
    let (grpc, http) = (&config.receive.grpc, &config.receive.http);
    let is_any = grpc.is_some() || http.is_some();
    keys.rule(&["receive.grpc", "receive.http"], is_any, MistakeKind::NothingReceived);
    let all: Vec<(&'static str, &Listen)> = listening(config).collect();
    for (i, (other, other_address)) in all.iter().enumerate() {
        for (one, address) in &all[..i] {
            let is_otlp = *other == "receive.http";
            // Both protocols of OTLP can share a listener, which is asked for by the same text.
            let holds = !address.clashes(other_address) || (is_otlp && address == other_address);
            let remedy = if is_otlp {
                "write the same in both to serve both there, or change a port"
            } else {
                "change one of the ports"
            };
            let broken = MistakeKind::SameAddress {
                one,
                address: address.to_string(),
                other,
                other_address: other_address.to_string(),
                remedy,
            };
            keys.rule(&[other, one], holds, broken);
        }
    }
}

/// Beyond loopback anybody on the way reads tokens and telemetry.
fn plain_text(config: &Config, keys: &mut dyn Keys) {
    let Config { receive, api, .. } = config;
    let receive_allows = receive.tls.is_some() || receive.allow_plain_beyond_loopback;
    let api_allows = api.tls.is_some() || api.allow_plain_beyond_loopback;
    for (key, listen) in listening(config) {
        let (section, allows, others) = if key == "api.listen" {
            let others = ["api.allow_plain_beyond_loopback", "api.tls.certificate", "api.tls.key"];
            ("api", api_allows, others)
        } else {
            let others = [
                "receive.allow_plain_beyond_loopback",
                "receive.tls.certificate",
                "receive.tls.key",
            ];
            ("receive", receive_allows, others)
        };
        let address = listen.to_string();
        let broken = MistakeKind::PlainBeyondLoopback { key, address, section };
        let [flag, certificate, own] = others;
        keys.rule(&[key, flag, certificate, own], allows || listen.host.is_loopback(), broken);
    }
}

fn circles(config: &Config, keys: &mut dyn Keys) {
    let Config { forward, telemetry, .. } = config;
    let outgoing: [(&str, &Option<Endpoint>); 2] =
        [("forward.endpoint", &forward.endpoint), ("telemetry.endpoint", &telemetry.endpoint)];
    for (key, endpoint) in outgoing {
        let Some(endpoint) = endpoint else { continue };
        for (listener, listen) in listening(config) {
            let endpoint_text = endpoint.to_string();
            let broken = MistakeKind::Loop { key, endpoint: endpoint_text, listener };
            keys.rule(&[key, listener], !listen.is_reached_by(endpoint), broken);
        }
    }
    let is_plain = forward.endpoint.as_ref().is_some_and(|endpoint| !endpoint.is_https);
    let holds = forward.ca.is_none() || !is_plain;
    keys.rule(&["forward.ca", "forward.endpoint"], holds, MistakeKind::CaWithoutTls);
}

/// A key with its value.
type Side<T> = (&'static str, T);

/// The first must not be more than the second.
fn at_most<T: PartialOrd + Copy>(
    keys: &mut dyn Keys,
    (more, more_value): Side<T>,
    (less, less_value): Side<T>,
    show: impl Fn(T) -> String,
    remedy: &'static str,
) {
    let broken = MistakeKind::Order {
        less,
        less_value: show(less_value),
        more,
        more_value: show(more_value),
        remedy,
    };
    keys.rule(&[more, less], more_value <= less_value, broken);
}

/// The first must not be more than half the second.
fn at_most_half(
    keys: &mut dyn Keys,
    (half, half_value): Side<u64>,
    (whole, whole_value): Side<u64>,
    why: &'static str,
) {
    let broken = MistakeKind::Half {
        half,
        half_value: size::show(half_value),
        whole,
        whole_value: size::show(whole_value),
        why,
    };
    keys.rule(&[half, whole], half_value <= whole_value / 2, broken);
}

fn sizes(config: &Config, keys: &mut dyn Keys) {
    let Config { receive, store, .. } = config;
    let (body, log) = (("receive.max_body", receive.max_body), ("store.log_max", store.log_max));
    at_most_half(
        keys,
        body,
        ("receive.max_in_flight", receive.max_in_flight),
        "a request that hardly compresses is held as it came and as it is decompressed",
    );
    at_most(
        keys,
        body,
        log,
        size::show,
        "the largest request would never find room in the log, lower the first or raise the second",
    );
    at_most_half(
        keys,
        ("store.log_segment", store.log_segment),
        log,
        "one file of the log is written while others are worked off",
    );
}

fn times(config: &Config, keys: &mut dyn Keys) {
    let Config { store, assemble, watch, .. } = config;
    let mut order = |one: Side<Duration>, other: Side<Duration>, remedy: &'static str| {
        at_most(keys, one, other, |time| millis(time).to_string(), remedy);
    };
    let (age, idle) = (("assemble.max_age", assemble.max_age), ("assemble.idle", assemble.idle));
    let pane = ("watch.pane", watch.pane);
    order(
        ("store.segment_age", store.segment_age),
        ("store.retain_age", store.retain_age),
        "a segment would be deleted before it is sealed, lower the first or raise the second",
    );
    order(
        ("assemble.settle", assemble.settle),
        idle,
        "a trace with its root would wait longer than one without, lower the first",
    );
    order(idle, age, "a trace would end by age before it is idle, raise the second");
    order(
        age,
        ("watch.lookback", watch.lookback),
        "the oldest traces would end after their panes are gone, raise the second",
    );
    order(
        ("watch.every", watch.every),
        pane,
        "panes would go by without being judged, lower the first",
    );
    order(
        pane,
        ("watch.baseline_window", watch.baseline_window),
        "a window of the baseline holds at least one pane, raise the second",
    );
    order(
        pane,
        ("watch.silence_after", watch.silence_after),
        "silence is told from panes without requests, raise the second",
    );
}

fn numbers(config: &Config, keys: &mut dyn Keys) {
    let Config { receive, watch, .. } = config;
    at_most(
        keys,
        ("receive.max_connections_per_address", receive.max_connections_per_address),
        ("receive.max_connections", receive.max_connections),
        |n| n.to_string(),
        "write the same number for no bound of its own",
    );
    at_most(
        keys,
        ("watch.agree", watch.agree),
        ("watch.of", watch.of),
        |n| n.to_string(),
        "so many windows can never agree, lower the first or raise the second",
    );
    at_most(
        keys,
        ("watch.min_baseline_windows", watch.min_baseline_windows),
        ("watch.baseline_windows", watch.baseline_windows),
        |n| n.to_string(),
        "so many windows are never kept, lower the first or raise the second",
    );
    let span = watch.pane.saturating_mul(watch.of);
    let broken = MistakeKind::WindowsBeyondLookback {
        of: watch.of,
        pane: millis(watch.pane).to_string(),
        lookback: millis(watch.lookback).to_string(),
    };
    keys.rule(&["watch.of", "watch.pane", "watch.lookback"], span <= watch.lookback, broken);
    for (key, value) in [
        ("watch.baseline_window", watch.baseline_window),
        ("watch.quarantine", watch.quarantine),
        ("watch.lookback", watch.lookback),
        ("watch.silence_after", watch.silence_after),
    ] {
        let broken = MistakeKind::ManyPanes {
            key,
            value: millis(value).to_string(),
            most: MOST_PANES,
            pane: millis(watch.pane).to_string(),
        };
        let holds = value <= watch.pane.saturating_mul(MOST_PANES);
        keys.rule(&[key, "watch.pane"], holds, broken);
    }
}
