//! Opens, wires, runs, and closes again.

use std::future::Future;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::sync::mpsc::{Receiver, channel};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use resus_engine::{Monitor, MonitorOptions};
use resus_forward::Forwarder;
use resus_model::{Evidence, LogBatch};
use resus_plan::RestartTree;
use resus_receive::{Listener, Server, Signal, serve_http};
use resus_store::log::{Log, Position, vfs::Disk};
use resus_store::segments::Segments;
use resus_telemetry::{Telemetry, TelemetryOptions};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use super::api::{Api, Desk};
use super::counters::{Counters, Refusal};
use super::gauges::Gauges;
use super::ingest::{Committed, Content, Ingest, decode_spans, encoding};
use super::keep::{Kept, logs_of};
use super::live::{self, Beside, Board, Order};
use super::metrics::FAMILIES;
use super::onward::{self, Onward, Release, read_cursor};
use super::record::Header;
use super::running::Running;
use super::seal::{self, Sealer};
use super::{canary, clock, memory, settings, trail};
use crate::config::Config;
use crate::output;

/// How often to look at the space that is left.
const DISK: Duration = Duration::from_secs(1);

/// Runs until SIGTERM or SIGINT.
pub(crate) fn run(config: Config) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .thread_name("resus-net")
        .build()
        .context("failed to start the network threads")?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> Result<()> {
    let mut monitor = Monitor::new(monitor_options(&config)?).map_err(output::failed)?;
    let tree = tree(&config)?;
    let segments = open_segments(&config)?;
    let mut late = LogBatch::default();
    let memory = memory::path_of(&config);
    if let Some(path) = &memory {
        memory::restore(&mut monitor, path);
    }
    let log = open_log(&config, segments.as_ref(), &mut monitor, &mut late)?;
    let kept = Kept { log: log.clone(), segments };
    let (release, forwarder) = forwarder(&config, &log)?;

    let counters = Arc::new(Counters::default());
    let gauges = Arc::new(Gauges::new(config.metrics.max_series));
    let board = Board::default();
    let (sender, receiver) = channel();
    let (orders, ordered) = channel();
    let ending = Arc::new(AtomicBool::new(false));
    let (mut beside, keeping) = start_keeping(&config, &kept, release, &counters, &ending, late)?;
    // What came while nobody listened is not in the log.
    monitor.deaf(monitor.now(), clock::now());
    let baseline = memory.map(|path| memory::start(path, &mut beside.memory)).transpose()?;
    let live = start_live(monitor, receiver, ordered, beside, &board, &counters)?;
    let started_unix_nano = clock::now();
    let shown: Arc<OnceLock<Arc<Api>>> = Arc::default();
    let telemetry = Arc::new(start_telemetry(&config, started_unix_nano, Arc::clone(&shown))?);
    let ingest = Ingest {
        telemetry: Arc::clone(&telemetry),
        log: log.clone(),
        live: sender,
        counters: Arc::clone(&counters),
        gauges: Arc::clone(&gauges),
        wanted_gauges: config.metrics.gauges.clone(),
        watched: config.watch.enabled,
        forwarded: settings::forwarded(&config.forward),
    };
    let ingest = Arc::new(ingest);

    let receive = settings::listeners(&config.receive)?;
    let server =
        Server::bind(receive, &settings::limits(&config.receive), Shared(Arc::clone(&ingest)))
            .map_err(output::failed)?;
    let api_listener = Listener::bind(settings::api(&config.api)?, &settings::api_limits())
        .map_err(output::failed)?;
    let api = Api {
        board,
        counters: Arc::clone(&counters),
        gauges,
        orders,
        tree,
        kept,
        log: log.clone(),
        meter: server.meter(),
        receive: server.local_addresses(),
        address: api_listener.local_address(),
        folder: config.store.folder.clone(),
        telemetry: Arc::clone(&telemetry),
        forwarded: forwarder.as_ref().map(Forwarder::meter),
        started_unix_nano,
    };
    let api = Arc::new(api);
    // Nobody else sets it.
    let _ = shown.set(Arc::clone(&api));
    announce(&config, &server.local_addresses(), api.address);

    let (tell, stop) = watch::channel(false);
    let space = config.store.free_space;
    let running = Running {
        canary: tokio::spawn(canary::run(Arc::clone(&ingest), stopped(stop.clone()))),
        disk: tokio::spawn(watch_disk(config.store.folder, space, counters, stop.clone())),
        forwarder: forwarder.map(|forwarder| {
            let (meter, stop) = (forwarder.meter(), stop.clone());
            tokio::spawn(async {
                tokio::select! {
                    () = forwarder.run(stopped(stop)) => {}
                    () = onward::tell(meter) => {}
                }
            })
        }),
        api: tokio::spawn(serve_http(api_listener, Desk(api), stopped(stop.clone()))),
        listeners: tokio::spawn(server.run(stopped(stop))),
        live,
        keeping,
        baseline,
        stop: tell,
        ending,
    };
    let lost = end_of_service(&running).await?;
    running.end(ingest, log).await?;
    telemetry.shutdown(Duration::from_secs(2)).await;
    if let Some(part) = lost {
        bail!("failed to go on without {part}, which ended before its time");
    }
    output::say("resus: ended");
    Ok(())
}

/// The handler behind all listeners.
struct Shared(Arc<Ingest>);

impl resus_receive::Handler for Shared {
    fn handle(
        &self,
        incoming: resus_receive::Incoming,
    ) -> impl Future<Output = resus_receive::Answer> + Send {
        self.0.handle(incoming)
    }
}

/// How to assemble, count and judge.
pub(crate) fn monitor_options(config: &Config) -> Result<MonitorOptions> {
    Ok(settings::monitor(config, healthy(config)?))
}

/// The operator's restart tree, if one is configured.
fn tree(config: &Config) -> Result<Option<RestartTree>> {
    let Some(path) = &config.tree else { return Ok(None) };
    let name = path.display().to_string();
    let text = std::fs::read_to_string(path)
        .with_context(|| format!("failed to read tree.file {name}"))?;
    RestartTree::parse(&text, &name).map(Some).map_err(output::failed)
}

/// The fixed baseline, if one is configured.
fn healthy(config: &Config) -> Result<Vec<Arc<Evidence>>> {
    let Some(path) = &config.watch.baseline else { return Ok(Vec::new()) };
    let bytes = std::fs::read(path)
        .with_context(|| format!("failed to read watch.baseline {}", path.display()))?;
    let evidence = resus_evidence::from_ipc(&bytes)
        .map_err(|e| output::failed(e).context(format!("watch.baseline {}", path.display())))?;
    Ok(evidence.into_iter().map(Arc::new).collect())
}

/// Makes what releases the log, and the forwarder, if requests are to go on.
fn forwarder(config: &Config, log: &Log) -> Result<(Release, Option<Forwarder<Onward>>)> {
    let Some(options) = settings::forward(&config.forward, clock::now()) else {
        return Ok((Release::new(log.clone(), None), None));
    };
    let cursor = config.store.folder.join("forward.cursor");
    let from = read_cursor(&cursor);
    let release = Release::new(log.clone(), Some(from));
    let source = Onward::new(release.clone(), from, cursor);
    let forwarder = Forwarder::new(&options, source).map_err(output::failed)?;
    Ok((release, Some(forwarder)))
}

/// Starts to send the collector's own telemetry, if that is configured.
fn start_telemetry(
    config: &Config,
    started_unix_nano: u64,
    shown: Arc<OnceLock<Arc<Api>>>,
) -> Result<Telemetry> {
    let of = &config.telemetry;
    let Some(endpoint) = &of.endpoint else { return Ok(Telemetry::off()) };
    let headers = of.headers.iter().map(|(name, value)| (name.clone(), value.expose().to_owned()));
    let options = TelemetryOptions {
        endpoint: endpoint.to_string(),
        headers: headers.collect(),
        interval: of.interval,
        service_name: of.service_name.clone(),
        service_version: env!("CARGO_PKG_VERSION").to_owned(),
        instance_id: format!("{}-{started_unix_nano}", std::process::id()),
        sample: of.sample,
    };
    let read = move || shown.get().map(|api| api.samples().list()).unwrap_or_default();
    let tell = |text: &str| output::say(&format!("resus: telemetry: {text}"));
    Telemetry::start(&options, FAMILIES, read, tell).map_err(output::failed)
}

/// Opens the Parquet segments, if there are to be any.
fn open_segments(config: &Config) -> Result<Option<Arc<Mutex<Segments>>>> {
    if !config.store.parquet {
        return Ok(None);
    }
    let folder = config.store.folder.join("spans");
    let (segments, opened) =
        Segments::open(Arc::new(Disk), &folder, settings::segments(&config.store))
            .map_err(output::failed)?;
    for (path, fault) in &opened.quarantined {
        output::say(&format!("resus: spans: put aside as {}: {fault}", path.display()));
    }
    for number in &opened.missing {
        output::say(&format!("resus: spans: the file of segment {number} is gone"));
    }
    for note in &opened.notes {
        output::say(&format!("resus: spans: {note}"));
    }
    Ok(Some(Arc::new(Mutex::new(segments))))
}

/// Opens the log and lets the live half see what is in it; error records of spans go to `late` too.
fn open_log(
    config: &Config,
    segments: Option<&Arc<Mutex<Segments>>>,
    monitor: &mut Monitor,
    late: &mut LogBatch,
) -> Result<Log> {
    let mut odd = 0_u64;
    let mut replay = |_: Position, record: &[u8]| {
        if !put_record(monitor, record, late) {
            odd += 1;
        }
    };
    let sealed = segments.and_then(|segments| {
        segments.lock().expect("nobody panics with this lock held").sealed_up_to()
    });
    let folder = config.store.folder.join("log");
    let (log, recovery) =
        Log::open(Arc::new(Disk), &folder, settings::log(config, sealed), &mut replay)
            .map_err(output::failed)?;
    if recovery.records > 0 {
        output::say(&format!("resus: replayed {} requests of the log", recovery.records));
    }
    for note in &recovery.notes {
        output::say(&format!("resus: log: {note}"));
    }
    if odd > 0 {
        output::say(&format!(
            "resus: log: {odd} records are not requests that this version can read; they are kept"
        ));
    }
    Ok(log)
}

/// Feeds a record of the log; false for one that cannot be read.
fn put_record(monitor: &mut Monitor, record: &[u8], late: &mut LogBatch) -> bool {
    let Ok((header, body)) = Header::split(record) else { return false };
    let at = header.received_unix_nano;
    monitor.run_until(at, &mut |_| {});
    let Some(signal) = header.signal else { return true };
    let body = Bytes::copy_from_slice(body);
    match signal {
        Signal::Traces => {
            let Ok(body) = resus_receive::inflate(header.compression, &body, usize::MAX) else {
                return false;
            };
            match decode_spans(&body, encoding(header.encoding), at) {
                Ok((_, content)) => {
                    content.iter().for_each(|content| live::put(monitor, at, content));
                }
                Err(_) => return false,
            }
        }
        Signal::Logs => {
            let mut batch = LogBatch::default();
            if logs_of(&header, &body, &mut batch).is_err() {
                return false;
            }
            seal::append(late, &batch);
            live::put(monitor, at, &Content::Logs(batch));
        }
        Signal::Metrics => {}
    }
    true
}

/// Starts what keeps spans for long: a thread that seals them, or one that lets the log grow no older
/// than it is needed.
fn start_keeping(
    config: &Config,
    kept: &Kept,
    release: Release,
    counters: &Arc<Counters>,
    ending: &Arc<AtomicBool>,
    late: LogBatch,
) -> Result<(Beside, thread::JoinHandle<()>)> {
    let thread = thread::Builder::new().name("resus-keep".to_owned());
    let (beside, thread) = if let Some(segments) = kept.segments.clone() {
        let (logs, receiver) = channel();
        // The receiver is at hand.
        let _ = logs.send(late);
        let ending = Arc::clone(ending);
        let counters = Arc::clone(counters);
        let sealer = Sealer::of(&config.store, release, segments, counters, receiver, ending);
        (Beside { logs: Some(logs), ..Beside::default() }, thread.spawn(move || sealer.run()))
    } else {
        let (trail, receiver) = channel();
        let keep_ns = settings::nanos(config.watch.lookback) * 2;
        let max_bytes = config.store.log_max;
        let follow = move || trail::release(&release, &receiver, keep_ns, max_bytes);
        (Beside { trail: Some(trail), ..Beside::default() }, thread.spawn(follow))
    };
    Ok((beside, thread.context("failed to start the thread that keeps spans")?))
}

fn start_live(
    monitor: Monitor,
    receiver: Receiver<Committed>,
    ordered: Receiver<Order>,
    beside: Beside,
    board: &Board,
    counters: &Arc<Counters>,
) -> Result<thread::JoinHandle<()>> {
    let (board, counters) = (board.clone(), Arc::clone(counters));
    thread::Builder::new()
        .name("resus-live".to_owned())
        .spawn(move || live::run(monitor, &receiver, &ordered, &beside, &board, &counters))
        .context("failed to start the live thread")
}

/// Says where it listens, one line each, for people and scripts.
fn announce(config: &Config, receive: &[std::net::SocketAddr], api: std::net::SocketAddr) {
    let scheme = |tls: bool| if tls { "https" } else { "http" };
    for (listener, address) in settings::names(&config.receive).into_iter().zip(receive) {
        output::say(&format!("resus: listening for OTLP/{listener} at {address}"));
    }
    let scheme = scheme(config.api.tls.is_some());
    output::say(&format!("resus: answering at {scheme}://{api}/"));
    output::say(&format!("resus: keeping data in {}", config.store.folder.display()));
}

/// Has requests refused while the disk is nearly full: what is taken then might not be kept.
async fn watch_disk(
    folder: PathBuf,
    least: u64,
    counters: Arc<Counters>,
    mut stop: watch::Receiver<bool>,
) {
    loop {
        // Where the system does not tell, the log will, by failing.
        if let Ok(disk) = rustix::fs::statvfs(&folder) {
            let free = disk.f_bavail.saturating_mul(disk.f_frsize);
            counters.free_bytes.store(free, Relaxed);
            counters.refuse(Refusal::Disk, free < least);
        }
        tokio::select! {
            () = tokio::time::sleep(DISK) => {}
            _ = stop.wait_for(|&stop| stop) => return,
        }
    }
}

async fn stopped(mut stop: watch::Receiver<bool>) {
    // Where the sender is gone, it is the end, too.
    let _ = stop.wait_for(|&stop| stop).await;
}

/// Waits until it is told to end, or a part has ended: gives its name.
async fn end_of_service(running: &Running) -> Result<Option<&'static str>> {
    let mut term = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let lost = tokio::select! {
        _ = term.recv() => None,
        _ = interrupt.recv() => None,
        part = running.first_to_end() => Some(part),
    };
    if let Some(part) = lost {
        output::say(&format!("resus: {part} ended before its time"));
    }
    output::say("resus: ending: finishing what is under way");
    Ok(lost)
}
