//! What is broken in a case, how badly, and who is to blame?

use std::collections::BTreeMap;

use resus_datasets::synthetic::{self, Shape};
use resus_datasets::{
    Calling, Capacity, Collection, Component, Deploy, Effect, Fault, Latency, Load, Mix, Sampling,
    Scenario, ServiceId, Share, Surge, Topology, generate, presets,
};
use resus_engine::{Choice, Gather, summarise};
use resus_model::{Evidence, ObstacleKind, Rules, Window};

pub(super) const SECOND: u64 = 1_000_000_000;

/// Length of a window.
pub(super) const WINDOW: u64 = 60 * SECOND;

/// Healthy windows before the one to be explained.
pub(super) const HEALTHY: u64 = 8;

/// A fault hits at least so many requests, or another is drawn.
const LEAST_HIT: u64 = 20;

/// A kind of fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Kind {
    Exception,
    MaskedException,
    EarlyReturn,
    WrongValue,
    Delay,
    NetworkDelay,
    Cpu,
    Leak,
    Hang,
    ReplicaCrash,
    Version,
    Tenant,
    Outage,
    SharedDependency,
    Overload,
    Two,
    Healthy,
}

impl Kind {
    pub(super) const ALL: [Self; 17] = [
        Self::Exception,
        Self::MaskedException,
        Self::EarlyReturn,
        Self::WrongValue,
        Self::Delay,
        Self::NetworkDelay,
        Self::Cpu,
        Self::Leak,
        Self::Hang,
        Self::ReplicaCrash,
        Self::Version,
        Self::Tenant,
        Self::Outage,
        Self::SharedDependency,
        Self::Overload,
        Self::Two,
        Self::Healthy,
    ];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Exception => "exception",
            Self::MaskedException => "masked-exception",
            Self::EarlyReturn => "early-return",
            Self::WrongValue => "wrong-value",
            Self::Delay => "delay",
            Self::NetworkDelay => "network-delay",
            Self::Cpu => "cpu",
            Self::Leak => "leak",
            Self::Hang => "hang",
            Self::ReplicaCrash => "replica-crash",
            Self::Version => "bad-version",
            Self::Tenant => "bad-tenant",
            Self::Outage => "external-outage",
            Self::SharedDependency => "shared-dependency",
            Self::Overload => "overload",
            Self::Two => "two-faults",
            Self::Healthy => "healthy",
        }
    }

    /// Why a restart does not help against it; `None` where one does.
    pub(super) const fn obstacle(self) -> Option<ObstacleKind> {
        match self {
            Self::Version => Some(ObstacleKind::Version),
            Self::Tenant => Some(ObstacleKind::Attribute),
            Self::Outage => Some(ObstacleKind::Peer),
            Self::SharedDependency => Some(ObstacleKind::SharedDependency),
            Self::Overload => Some(ObstacleKind::Overload),
            _ => None,
        }
    }

    pub(super) const fn is_restartable(self) -> bool {
        self.obstacle().is_none() && !matches!(self, Self::Two | Self::Healthy)
    }

    /// True where an answer can come to nobody but a caller.
    const fn needs_caller(self) -> bool {
        matches!(
            self,
            Self::WrongValue
                | Self::NetworkDelay
                | Self::Hang
                | Self::ReplicaCrash
                | Self::MaskedException
        )
    }
}

/// A case that was made.
pub(super) struct Case {
    pub(super) kind: Kind,
    /// Services to blame.
    pub(super) truth: Vec<String>,
    /// At least 5 % of the requests are hit, and a delay is at least twice the p95.
    pub(super) easy: bool,
    /// Healthy windows, the window to be explained last.
    pub(super) windows: Vec<Evidence>,
}

/// How large the system is, and how lossy its telemetry.
#[derive(Debug, Clone, Copy)]
pub(super) struct Size {
    pub(super) services: u32,
    pub(super) requests: u64,
    pub(super) lost: u32,
}

/// Numbers of one case.
struct Lot(u64);

impl Lot {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// Between 0 and 1.
    fn part(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn between(&mut self, from: f64, to: f64) -> f64 {
        from * (to / from).powf(self.part())
    }

    fn pick<'a, T>(&mut self, list: &'a [T]) -> Option<&'a T> {
        let at = usize::try_from(self.next() % list.len().max(1) as u64).ok()?;
        list.get(at)
    }
}

/// What a healthy run shows of services.
struct Traffic {
    /// Share of requests with each, and the p95 of its slowest operation, nanoseconds.
    services: BTreeMap<String, (f64, u64)>,
    /// Time that a request spends in each, nanoseconds.
    busy: BTreeMap<String, f64>,
}

/// Makes a case; tries again with other numbers where a fault hits too few requests.
pub(super) fn make(kind: Kind, seed: u64, size: Size) -> Option<Case> {
    (0..24).find_map(|attempt| try_one(kind, seed * 64 + attempt, size))
}

fn try_one(kind: Kind, seed: u64, size: Size) -> Option<Case> {
    let mut lot = Lot(seed.wrapping_mul(0x2545_f491_4f6c_dd1d));
    let mut scenario = healthy(seed, size);
    let mut truth = Vec::new();
    let mut easy = true;
    if kind != Kind::Healthy {
        let traffic = traffic(&scenario)?;
        let faults = if kind == Kind::Two { 2 } else { 1 };
        for _ in 0..faults {
            let kind = if kind == Kind::Two { *lot.pick(&TOGETHER)? } else { kind };
            let (service, is_easy) = break_one(kind, &mut scenario, &traffic, &truth, &mut lot)?;
            truth.push(service);
            easy &= is_easy;
        }
    }
    let mut spans = generate(&scenario).ok()?;
    let mut gather = Gather::new(Rules::STANDARD);
    spans.by_ref().for_each(|batch| gather.push(&batch));
    if spans.truth().faults.iter().any(|f| f.hit < LEAST_HIT) {
        return None;
    }
    let window = |i: u64| {
        let from = scenario.start_unix_nano + WINDOW * i;
        Window { from, to: from + WINDOW }
    };
    let choice =
        Choice::Given { now: window(HEALTHY), baseline: (0..HEALTHY).map(window).collect() };
    let windows = summarise(&gather.seal(), &choice);
    Some(Case { kind, truth, easy, windows })
}

/// Kinds that are put together, two at a time.
const TOGETHER: [Kind; 6] = [
    Kind::Exception,
    Kind::MaskedException,
    Kind::EarlyReturn,
    Kind::Delay,
    Kind::NetworkDelay,
    Kind::Cpu,
];

fn healthy(seed: u64, size: Size) -> Scenario {
    let shape = Shape {
        services: size.services,
        entries: 20.min(size.services),
        operations: 3,
        replicas: 3,
        hot_store: true,
        peers: 4,
        mean_spans: 15.0,
        settled: Share::percent(80),
    };
    let (topology, weights) = synthetic::topology(&shape, seed);
    let length = WINDOW * (HEALTHY + 1);
    Scenario {
        name: "accuracy".to_owned(),
        seed,
        start_unix_nano: presets::START_UNIX_NANO,
        topology,
        load: Load {
            mean_gap_ns: WINDOW / size.requests.max(1),
            requests: u64::MAX,
            until: length,
            mixes: vec![Mix { from: 0, weights }],
            surges: Vec::new(),
        },
        network: Latency::LogNormal { median_ns: 120_000, sigma_thousandths: 500 },
        faults: Vec::new(),
        restarts: Vec::new(),
        deploys: Vec::new(),
        capacities: Vec::new(),
        calling: Calling { timeout_ns: Some(2 * SECOND), retries: 1 },
        noise: Share::millionths(200),
        masking: Share::percent(50),
        sampling: Sampling::ALL,
        collection: Collection {
            lost: Share::percent(size.lost),
            duplicated: Share::ZERO,
            clock_skew_ns: 1_000_000,
        },
        tenants: 5,
        batch_rows: 8192,
    }
}

fn traffic(scenario: &Scenario) -> Option<Traffic> {
    let mut probe = scenario.clone();
    probe.load.until = WINDOW;
    probe.collection.lost = Share::ZERO;
    let mut gather = Gather::new(Rules::STANDARD);
    generate(&probe).ok()?.for_each(|batch| gather.push(&batch));
    let everything = Choice::Given { now: Window { from: 0, to: u64::MAX }, baseline: Vec::new() };
    let evidence = summarise(&gather.seal(), &everything).pop()?;
    let all = evidence.paths() as f64;
    let mut services: BTreeMap<String, (f64, u64)> = BTreeMap::new();
    for class in &evidence.classes {
        let mut on_path: Vec<&str> =
            class.key.operations.iter().map(|&o| evidence.operation_texts(o).0).collect();
        on_path.sort_unstable();
        on_path.dedup();
        for service in on_path {
            services.entry(service.to_owned()).or_default().0 += class.tally.n as f64 / all;
        }
    }
    let mut busy: BTreeMap<String, f64> = BTreeMap::new();
    for stats in &evidence.operation_stats {
        let service = evidence.operation_texts(stats.operation).0;
        let p95 = stats.durations.quantile(950).map_or(0, |b| b.upper());
        let slowest = &mut services.entry(service.to_owned()).or_default().1;
        *slowest = (*slowest).max(p95);
        *busy.entry(service.to_owned()).or_default() += stats.duration_sum as f64 / all;
    }
    Some(Traffic { services, busy })
}

/// Breaks one service that is not among `others`; says which, and whether that is easy to see.
fn break_one(
    kind: Kind,
    scenario: &mut Scenario,
    traffic: &Traffic,
    others: &[String],
    lot: &mut Lot,
) -> Option<(String, bool)> {
    let from = WINDOW * HEALTHY;
    let topology = scenario.topology.clone();
    match kind {
        Kind::Overload => return overload(scenario, traffic, from),
        Kind::Outage | Kind::SharedDependency => return outage(kind, scenario, from, lot),
        _ => {}
    }
    // Share of the requests that are to be hit: 1 to 50 %, by logarithm.
    let wanted = lot.between(0.013, 0.5);
    let requests = scenario.load.until / scenario.load.mean_gap_ns;
    let usable = |name: &str, share: f64| {
        let Some(id) = topology.find_service(name) else { return false };
        share >= wanted
            && share * requests as f64 / (HEALTHY + 1) as f64 >= LEAST_HIT as f64
            && !others.iter().any(|o| o == name)
            && suits(kind, &topology, id)
    };
    let candidates: Vec<(&String, &(f64, u64))> =
        traffic.services.iter().filter(|(name, (share, _))| usable(name, *share)).collect();
    let &(name, &(on, p95)) = lot.pick(&candidates)?;
    let service = topology.find_service(name)?;
    let times = lot.between(0.5, 10.0);
    let extra =
        Latency::LogNormal { median_ns: (p95 as f64 * times) as u64, sigma_thousandths: 300 };
    let error_type = "BrokenException".to_owned();
    let replicas = topology.service(service).replicas;
    let (mut trigger, mut share) = (Component::Service(service), (wanted / on).min(1.0));
    let mut tenant = None;
    let mut hit = wanted;
    let effect = match kind {
        Kind::Exception => Effect::Error { error_type },
        Kind::MaskedException => Effect::MaskedError { error_type },
        Kind::EarlyReturn => Effect::EarlyReturn,
        Kind::WrongValue => Effect::WrongValue { error_type },
        Kind::Delay => Effect::Delay { extra },
        Kind::NetworkDelay => Effect::NetworkDelay { extra },
        Kind::Leak => Effect::Leak { most: extra, over_ns: WINDOW },
        // Of log-normal work of this spread the p95 is 1.93 times the median.
        Kind::Cpu => Effect::SlowDown { percent: (100.0 + 193.0 * times) as u32 },
        Kind::Hang => Effect::Hang { for_ns: 10 * SECOND },
        Kind::ReplicaCrash => {
            trigger = Component::Instance(service, 0);
            (share, hit) = (1.0, on / f64::from(replicas));
            Effect::Refuses
        }
        Kind::Version => {
            let new = (replicas / 2).max(1);
            let version = "9.0.0".to_owned();
            scenario.deploys.push(Deploy { service, replicas: new, version, at: from });
            trigger = Component::Version(service);
            (share, hit) = (lot.between(0.3, 1.0), on / 2.0);
            Effect::Error { error_type }
        }
        Kind::Tenant => {
            tenant = Some(u32::try_from(lot.next() % 5).ok()?);
            (share, hit) = (1.0, on / 5.0);
            Effect::Error { error_type }
        }
        Kind::Outage | Kind::SharedDependency | Kind::Overload | Kind::Two | Kind::Healthy => {
            return None;
        }
    };
    let share = Share::millionths((share * 1e6) as u32);
    let fault = Fault {
        trigger: vec![trigger],
        from,
        until: u64::MAX,
        share,
        tenant,
        effect,
        cured_by: Vec::new(),
    };
    scenario.faults.push(fault);
    let slow = matches!(kind, Kind::Delay | Kind::NetworkDelay | Kind::Leak | Kind::Cpu);
    Some((name.clone(), hit >= 0.05 && (!slow || times >= 2.0)))
}

fn suits(kind: Kind, topology: &Topology, id: ServiceId) -> bool {
    let own = || topology.operations().iter().filter(|o| o.service == id);
    let is_entry = topology.service(id).name.starts_with("gateway");
    let calls = |o: &resus_datasets::Operation| {
        o.steps.iter().flat_map(|s| &s.calls).any(|c| c.probability > Share::percent(50))
    };
    match kind {
        // Who calls nobody has nothing to leave out.
        Kind::EarlyReturn => own().all(calls),
        Kind::ReplicaCrash | Kind::Version => !is_entry && topology.service(id).replicas >= 2,
        _ => !(is_entry && kind.needs_caller()),
    }
}

/// More requests than the busiest service can bear.
fn overload(scenario: &mut Scenario, traffic: &Traffic, from: u64) -> Option<(String, bool)> {
    let topology = &scenario.topology;
    let arrivals = 1.0 / scenario.load.mean_gap_ns as f64;
    let load = traffic.busy.iter().filter_map(|(name, busy)| {
        let id = topology.find_service(name).filter(|_| !name.starts_with("gateway"))?;
        Some((busy * arrivals / f64::from(topology.service(id).replicas), name, id))
    });
    let (load, name, service) = load.max_by(|a, b| a.0.total_cmp(&b.0))?;
    let percent = (150.0 / load) as u32;
    if !(150..=1500).contains(&percent) {
        return None;
    }
    scenario.capacities.push(Capacity { service, running: 1, waiting: 40 });
    scenario.load.surges.push(Surge { from, percent });
    Some((name.clone(), true))
}

/// A service that is not ours fails or gets slow.
fn outage(kind: Kind, scenario: &mut Scenario, from: u64, lot: &mut Lot) -> Option<(String, bool)> {
    let names: &[&str] = if kind == Kind::Outage {
        &["external-0"]
    } else {
        &["external-1", "external-2", "external-3"]
    };
    let name = *lot.pick(names)?;
    let service = scenario.topology.find_service(name)?;
    let effect = if lot.part() < 0.5 {
        Effect::Error { error_type: "UpstreamException".to_owned() }
    } else {
        Effect::Delay {
            extra: Latency::LogNormal { median_ns: SECOND / 5, sigma_thousandths: 300 },
        }
    };
    scenario.faults.push(Fault {
        trigger: vec![Component::Service(service)],
        from,
        until: u64::MAX,
        share: Share::millionths((lot.between(0.3, 1.0) * 1e6) as u32),
        tenant: None,
        effect,
        cured_by: Vec::new(),
    });
    Some((name.to_owned(), true))
}
