//! The configuration in the words of the parts that it is for.

use std::io;
use std::net::{SocketAddr, ToSocketAddrs as _};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use resus_engine::{Baseline, MonitorOptions, WatchConfig};
use resus_evidence::{Limits as EvidenceLimits, LiveOptions};
use resus_forward::{Backoff, ContentCoding, ForwardOptions};
use resus_model::Evidence;
use resus_paths::AssemblerLimits;
use resus_receive::{Limits, ListenerConfig, Protocols, Secret, Signal, TlsConfig};
use resus_store::WriterOptions;
use resus_store::log::{LogOptions, Position};
use resus_store::segments::SegmentsOptions;

use crate::config;
use crate::config::address::Listen;
use crate::config::tls::Tls;
use crate::config::{Api, Config, Receive};

/// Requests that are forwarded at a time.
const FORWARDING: NonZeroUsize = NonZeroUsize::new(4).expect("four is not zero");

/// Whole nanoseconds of a time that the configuration bounds to a year at most.
pub(crate) fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

fn bytes(n: u64) -> usize {
    usize::try_from(n).unwrap_or(usize::MAX)
}

fn count(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

/// How traces are assembled, counted and judged; `healthy` is a fixed baseline, if there is one.
pub(crate) fn monitor(config: &Config, healthy: Vec<Arc<Evidence>>) -> MonitorOptions {
    let config::Assemble {
        idle,
        settle,
        max_age,
        linger,
        memory,
        max_spans_per_trace,
        max_services,
        max_operations_per_service,
    } = config.assemble;
    let watch = &config.watch;
    let pane_ns = nanos(watch.pane);
    let panes = |time: Duration| u32::try_from(nanos(time).div_ceil(pane_ns)).unwrap_or(u32::MAX);
    let limits = AssemblerLimits {
        idle_ns: nanos(idle),
        settle_ns: nanos(settle),
        max_age_ns: nanos(max_age),
        linger_ns: nanos(linger),
        max_bytes: NonZeroUsize::new(bytes(memory)).unwrap_or(NonZeroUsize::MIN),
        max_spans_per_trace: count(max_spans_per_trace),
        max_services: count(max_services),
        max_operations_per_service: count(max_operations_per_service),
    };
    let baseline = if healthy.is_empty() {
        Baseline::Ring {
            window_panes: panes(watch.baseline_window),
            windows: watch.baseline_windows,
            quarantine_ns: nanos(watch.quarantine),
        }
    } else {
        Baseline::Fixed(healthy)
    };
    MonitorOptions {
        live: LiveOptions {
            rules: config.rules.clone(),
            pane_ns,
            limits,
            horizon_ns: nanos(watch.lookback) + nanos(watch.lookback) / 4,
            evidence: EvidenceLimits::STANDARD,
        },
        watch: WatchConfig {
            pane_ns,
            agree: watch.agree,
            of: watch.of,
            window_panes: watch.of,
            baseline,
            min_baseline_windows: watch.min_baseline_windows,
            lookback_ns: nanos(watch.lookback),
            silence_after: panes(watch.silence_after),
            significance: watch.significance,
            diagnose: resus_suspects::Config { windows_chosen: true, ..config.diagnose },
        },
        every_ns: nanos(watch.every),
        lag_ns: nanos(settle) + nanos(watch.every),
    }
}

/// How segments are written and how long they are kept.
pub(crate) fn segments(store: &config::Store) -> SegmentsOptions {
    SegmentsOptions {
        retain_age: store.retain_age,
        retain_bytes: store.retain_bytes,
        // Small groups: one is in memory while it is written, and one is read to find a trace.
        writer: WriterOptions { row_group_rows: 32_768, ..WriterOptions::STANDARD },
    }
}

/// How the log is kept. No position is given twice, even where the log's folder was lost and what is
/// sealed up to a place was not.
pub(crate) fn log(config: &Config, sealed: Option<Position>) -> LogOptions {
    let store = &config.store;
    LogOptions {
        segment_bytes: store.log_segment,
        window: store.sync,
        max_bytes: store.log_max.max(store.log_segment),
        max_record: u32::try_from(config.receive.max_body)
            .unwrap_or(u32::MAX)
            .saturating_add(1 << 16),
        first_segment: sealed.map_or(1, |position| position.segment + 1),
        // Sealing and forwarding follow closely; nobody else reads what was decoded once.
        read_soon: store.parquet || config.forward.endpoint.is_some(),
        ..LogOptions::STANDARD
    }
}

/// How much senders may take.
pub(crate) fn limits(receive: &Receive) -> Limits {
    Limits {
        max_body: bytes(receive.max_body),
        max_in_flight_bytes: bytes(receive.max_in_flight),
        max_connections: receive.max_connections,
        max_connections_per_address: receive.max_connections_per_address,
        header_timeout: receive.header_timeout,
        body_timeout: receive.body_timeout,
        idle_timeout: receive.idle_timeout,
        max_streams: receive.max_streams,
        ..Limits::STANDARD
    }
}

/// How much those who ask may take.
pub(crate) fn api_limits() -> Limits {
    // Nobody sends it a body of any size.
    let max_body = 64 << 10;
    Limits {
        max_body,
        max_in_flight_bytes: 64 * max_body,
        max_connections: 256,
        max_connections_per_address: 256,
        ..Limits::STANDARD
    }
}

/// Where OTLP is received.
pub(crate) fn listeners(receive: &Receive) -> Result<Vec<ListenerConfig>> {
    let one = |listen: &Listen, grpc, http| {
        Ok(ListenerConfig {
            address: resolve(listen)?,
            protocols: Protocols { grpc, http },
            tls: tls(receive.tls.as_ref()),
            tokens: tokens(&receive.tokens),
            allow_plain_beyond_loopback: receive.allow_plain_beyond_loopback,
        })
    };
    let Receive { grpc, http, .. } = receive;
    match (grpc, http) {
        (Some(grpc), Some(http)) if grpc == http && grpc.port != 0 => {
            Ok(vec![one(grpc, true, true)?])
        }
        (grpc, http) => {
            let grpc = grpc.iter().map(|l| one(l, true, false));
            let http = http.iter().map(|l| one(l, false, true));
            grpc.chain(http).collect()
        }
    }
}

/// Where questions are answered.
pub(crate) fn api(api: &Api) -> Result<ListenerConfig> {
    Ok(ListenerConfig {
        address: resolve(&api.listen)?,
        protocols: Protocols { grpc: false, http: true },
        tls: tls(api.tls.as_ref()),
        tokens: tokens(&api.tokens),
        allow_plain_beyond_loopback: api.allow_plain_beyond_loopback,
    })
}

/// The first address of a host.
fn resolve(listen: &Listen) -> Result<SocketAddr> {
    let failed = || format!("failed to look up {listen}: name an address of this machine");
    let none = || io::Error::other("the name has no address");
    let mut all = listen.to_string().to_socket_addrs().with_context(failed)?;
    all.next().ok_or_else(none).with_context(failed)
}

fn tls(tls: Option<&Tls>) -> Option<TlsConfig> {
    let Tls { certificate, key, client_ca } = tls?;
    Some(TlsConfig {
        certificate: certificate.clone(),
        key: key.clone(),
        client_ca: client_ca.clone(),
    })
}

fn tokens(tokens: &[config::secret::Secret]) -> Vec<Secret> {
    tokens.iter().map(|token| Secret::new(token.expose().to_owned())).collect()
}

/// What each of the listeners speaks, in their order.
pub(crate) fn names(receive: &Receive) -> Vec<&'static str> {
    let listeners = [(receive.grpc.as_ref(), "gRPC"), (receive.http.as_ref(), "HTTP")];
    if receive.grpc == receive.http && receive.grpc.as_ref().is_some_and(|l| l.port != 0) {
        return vec!["gRPC and OTLP/HTTP"];
    }
    listeners.into_iter().filter_map(|(listen, name)| listen.map(|_| name)).collect()
}

/// Which signals go on to another collector.
pub(crate) fn forwarded(of: &config::Forward) -> Vec<Signal> {
    let Some(_) = &of.endpoint else { return Vec::new() };
    let signal = |signal: &config::forward::Signal| match signal {
        config::forward::Signal::Traces => Signal::Traces,
        config::forward::Signal::Logs => Signal::Logs,
        config::forward::Signal::Metrics => Signal::Metrics,
    };
    of.signals.iter().map(signal).collect()
}

/// How requests go on to another collector, if they do.
pub(crate) fn forward(of: &config::Forward, seed: u64) -> Option<ForwardOptions> {
    let endpoint = of.endpoint.as_ref()?;
    let headers = of.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    Some(ForwardOptions {
        endpoint: endpoint.to_string(),
        headers: headers.collect(),
        compression: match of.compression {
            config::forward::Compression::Gzip => ContentCoding::Gzip,
            config::forward::Compression::None => ContentCoding::Identity,
        },
        timeout: of.timeout,
        max_backlog: of.max_backlog,
        signals: forwarded(of),
        ca: of.ca.clone(),
        concurrency: FORWARDING,
        backoff: Backoff::STANDARD,
        seed,
    })
}
