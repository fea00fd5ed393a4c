//! A small system whose panes are made by dice: entry operations of one front end, each of which
//! calls one of a few backends.

use resus_model::{
    ClassKey, Evidence, Exactness, Histogram, Marginal, MarginalKey, MarginalKind, NameTable,
    OperationKey, Outcome, PathClass, Quality, Role, Rules, Second, Shape, ShapeNode, Tally,
    Window,
};

use crate::watch::{Judgement, State, WatchConfig, Watcher};

pub(super) const SECOND: u64 = 1_000_000_000;
pub(super) const PANE: u64 = 4;
/// 2026-01-01 00:00:00 UTC, a multiple of everything.
const START: u64 = 1_767_225_600;
const BACKENDS: [&str; 4] = ["cart", "mail", "search", "stock"];

/// What it is like for one entry operation and one backend, in one second.
#[derive(Debug, Clone, Copy)]
pub(super) struct Weather {
    /// Factor on the usual rate.
    pub(super) load: f64,
    /// Share of requests that fail.
    pub(super) failing: f64,
    /// Factor on the usual duration.
    pub(super) slower: f64,
}

pub(super) const FAIR: Weather = Weather { load: 1.0, failing: 0.001, slower: 1.0 };

/// Asked for a second after the start, an entry operation and a backend, both by number.
pub(super) type Forecast<'f> = &'f dyn Fn(u64, usize, usize) -> Weather;

/// The system.
#[derive(Debug, Clone)]
pub(super) struct World {
    dice: Dice,
    /// Requests a second of each entry operation.
    rates: Vec<f64>,
    names: NameTable,
    operations: Vec<OperationKey>,
    /// Of entry operation `e` and backend `b`: number `e * BACKENDS + b`.
    shapes: Vec<Shape>,
    /// Instances are named after it.
    pub(super) generation: &'static str,
}

impl World {
    pub(super) fn new(seed: u64, rates: &[f64]) -> Self {
        let entry = |e: usize| format!("GET /{e:03}");
        let mut texts: Vec<String> = (0..rates.len()).map(entry).collect();
        texts.extend(BACKENDS.map(str::to_owned));
        texts.extend(["", "web", "call", "new", "old"].map(str::to_owned));
        let names = NameTable::of(texts);
        let find = |text: &str| names.find(text).expect("it was put in");
        let mut operations: Vec<OperationKey> = Vec::new();
        let key = |service: &str, operation: &str| OperationKey {
            service: find(service),
            namespace: find(""),
            operation: find(operation),
        };
        operations.extend(BACKENDS.map(|b| key(b, "call")));
        operations.extend((0..rates.len()).map(|e| key("web", &entry(e))));
        operations.sort_unstable();
        let mut shapes = Vec::new();
        for e in 0..rates.len() {
            for b in 0..BACKENDS.len() {
                let node = |depth, operation| ShapeNode { depth, operation };
                let root = index(BACKENDS.len() + e);
                shapes.push(Shape([node(0, root), node(1, index(b))].into()));
            }
        }
        Self {
            dice: Dice(seed),
            rates: rates.to_vec(),
            names,
            operations,
            shapes,
            generation: "old",
        }
    }

    /// The requests of a pane.
    pub(super) fn pane(&mut self, number: u64, forecast: Forecast<'_>) -> Evidence {
        let mut classes = Vec::new();
        for e in 0..self.rates.len() {
            for b in [e % BACKENDS.len(), (e + 1) % BACKENDS.len()] {
                let [passed, failed] = self.requests(number, e, b, forecast);
                let key = |outcome, origins: &[u32]| ClassKey {
                    entry: Some(index(BACKENDS.len() + e)),
                    shape: Some(index(e * BACKENDS.len() + b)),
                    operations: [index(b), index(BACKENDS.len() + e)].into(),
                    outcome,
                    origins: origins.into(),
                };
                classes.extend(class(key(Outcome::Passed, &[]), passed));
                classes.extend(class(key(Outcome::Failed, &[index(b)]), failed));
            }
        }
        classes.sort_by(|a: &PathClass, b| a.key.cmp(&b.key));
        let name = |text: &str| self.names.find(text).expect("it was put in");
        let marginal = |(class, of): (u32, &PathClass)| Marginal {
            key: MarginalKey {
                class,
                kind: MarginalKind::Instance,
                service: name("web"),
                namespace: name(""),
                value: name(self.generation),
            },
            tally: of.tally,
            durations: of.durations.clone(),
        };
        let from = (START + number * PANE) * SECOND;
        Evidence {
            rules: Rules::STANDARD.fingerprint(),
            role: Role::Pane,
            window: Window { from, to: from + PANE * SECOND },
            exactness: Exactness::Exact,
            names: self.names.clone(),
            operations: self.operations.clone(),
            shapes: self.shapes.clone(),
            marginals: (0..).zip(&classes).map(marginal).collect(),
            classes,
            operation_stats: Vec::new(),
            edges: Vec::new(),
            productions: Vec::new(),
            peers: Vec::new(),
            attributes: Vec::new(),
            attribute_rows: Vec::new(),
            places: Vec::new(),
            quality: Quality::default(),
        }
    }

    /// Seconds and durations of passed and failed requests.
    fn requests(&mut self, pane: u64, e: usize, b: usize, forecast: Forecast<'_>) -> [Drawn; 2] {
        let mut drawn = [Drawn::default(), Drawn::default()];
        for second in pane * PANE..(pane + 1) * PANE {
            let weather = forecast(second, e, b);
            let n = self.dice.poisson(self.rates[e] / 2.0 * weather.load);
            for _ in 0..n {
                let failed = usize::from(self.dice.unit() < weather.failing);
                let millis = 20.0 * weather.slower * (0.3 * self.dice.normal()).exp();
                drawn[failed].add(START + second, millis);
            }
        }
        drawn
    }
}

/// Requests that were drawn.
#[derive(Debug, Clone, Default)]
struct Drawn {
    seconds: Vec<Second>,
    durations: Histogram,
    n: u64,
}

impl Drawn {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a duration")]
    fn add(&mut self, second: u64, millis: f64) {
        self.n += 1;
        self.durations.record((millis * 1e6) as u64);
        if self.seconds.last().is_none_or(|s| s.second != second) {
            self.seconds.push(Second { second, tally: Tally::default() });
        }
        self.seconds.last_mut().expect("just pushed").tally.add(Tally::ONE);
    }
}

fn class(key: ClassKey, drawn: Drawn) -> Option<PathClass> {
    let Drawn { seconds, durations, n } = drawn;
    let mut tally = Tally::default();
    (0..n).for_each(|_| tally.add(Tally::ONE));
    let exemplars = Vec::new();
    (n > 0).then_some(PathClass { key, tally, duration_sum: 0, durations, seconds, exemplars })
}

fn index(n: usize) -> u32 {
    u32::try_from(n).expect("small")
}

/// `SplitMix64`.
#[derive(Debug, Clone)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    #[expect(clippy::cast_precision_loss, reason = "53 bits")]
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    fn normal(&mut self) -> f64 {
        (-2.0 * (1.0 - self.unit()).ln()).sqrt() * (std::f64::consts::TAU * self.unit()).cos()
    }

    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a small count")]
    fn poisson(&mut self, mean: f64) -> u64 {
        if mean > 30.0 {
            return (mean + mean.sqrt() * self.normal()).round().max(0.0) as u64;
        }
        let limit = (-mean).exp();
        let (mut n, mut product) = (0, self.unit());
        while product > limit {
            n += 1;
            product *= self.unit();
        }
        n
    }
}

/// A system that is watched, pane by pane, judged as each pane ends.
pub(super) struct Run {
    pub(super) watcher: Watcher,
    pub(super) world: World,
    /// The next pane.
    pub(super) pane: u64,
    /// What the state was, pane by pane.
    pub(super) states: Vec<State>,
}

impl Run {
    pub(super) fn new(seed: u64, rates: &[f64]) -> Self {
        Self::with(WatchConfig::STANDARD, seed, rates)
    }

    pub(super) fn with(config: WatchConfig, seed: u64, rates: &[f64]) -> Self {
        let watcher = Watcher::new(config).expect("sound settings");
        Self { watcher, world: World::new(seed, rates), pane: 0, states: Vec::new() }
    }

    /// The time at which pane `n` begins.
    pub(super) const fn time(n: u64) -> u64 {
        (START + n * PANE) * SECOND
    }

    /// Judges up to the pane before `n`.
    pub(super) fn tick(&mut self, n: u64) -> &Judgement {
        let at = Self::time(n);
        let judgement = self.watcher.tick(at + SECOND, at);
        self.states.push(judgement.state.clone());
        judgement
    }

    /// One more pane.
    pub(super) fn step(&mut self, forecast: Forecast<'_>) -> &Judgement {
        let pane = self.world.pane(self.pane, forecast);
        self.watcher.update(pane);
        self.pane += 1;
        self.tick(self.pane)
    }

    pub(super) fn steps(&mut self, panes: u64, forecast: Forecast<'_>) -> &Judgement {
        for _ in 0..panes {
            self.step(forecast);
        }
        self.watcher.judgement()
    }

    /// Runs until it is no longer learning; returns itself.
    pub(super) fn learnt(mut self, forecast: Forecast<'_>) -> Self {
        for _ in 0..200 {
            if !matches!(self.step(forecast).state, State::Learning { .. }) {
                return self;
            }
        }
        panic!("learns forever: {:?}", self.watcher.judgement());
    }

    /// Panes from the next one until a state is reached, at most so many.
    pub(super) fn until(
        &mut self,
        most: u64,
        forecast: Forecast<'_>,
        reached: impl Fn(&Judgement) -> bool,
    ) -> Option<u64> {
        (1..=most).find(|_| reached(self.step(forecast)))
    }

    /// How often the state became one in which something deviates.
    pub(super) fn alarms(&self) -> usize {
        let bad = |s: &State| match s {
            State::Suspects => true,
            State::NoVerdict(why) => !why.iter().any(|w| {
                use resus_model::WhyNoVerdict::{NoRequests, TooFewRequests};
                matches!(w, NoRequests | TooFewRequests { .. })
            }),
            State::Learning { .. } | State::Healthy | State::Silent => false,
        };
        let began = self.states.windows(2).filter(|pair| !bad(&pair[0]) && bad(&pair[1]));
        began.count()
    }
}

/// The first suspect's service.
pub(super) fn first_suspect(judgement: &Judgement) -> Option<&str> {
    let suspects = judgement.diagnosis.as_ref()?.suspects();
    suspects.first().map(|s| s.candidate.component.service.as_str())
}
