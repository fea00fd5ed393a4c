//! Laws of the lanes, in simulated time.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use bytes::Bytes;
use proptest::prelude::*;
use resus_receive::{Encoding, Signal};

use super::*;

const MS: Duration = Duration::from_millis(1);
const BACKOFF: Backoff =
    Backoff { first: Duration::from_millis(100), most: Duration::from_secs(1) };

fn request(number: u64) -> Request {
    let body = Bytes::copy_from_slice(&number.to_le_bytes());
    Request { signal: Signal::Traces, encoding: Encoding::Protobuf, is_gzip: false, body }
}

fn number(request: &Request) -> u64 {
    u64::from_le_bytes(request.body[..].try_into().expect("eight bytes"))
}

fn lanes(count: usize) -> Lanes<u64> {
    Lanes::new(NonZeroUsize::new(count).expect("some"), BACKOFF, 1)
}

const fn taken() -> Outcome {
    Outcome::Taken { rejected: 0 }
}

fn silent() -> Outcome {
    Fault::Slow(MS).into()
}

fn not_now(after: Option<Duration>) -> Outcome {
    Outcome::Failed { fault: Fault::NotNow(StatusCode::SERVICE_UNAVAILABLE), after }
}

/// How the simulated endpoint reacts, and after how many milliseconds.
#[derive(Debug, Clone)]
struct Reaction {
    kind: u8,
    delay: u64,
    /// Whether the source has too much meanwhile.
    overflow: bool,
}

fn reactions() -> impl Strategy<Value = Vec<Reaction>> {
    let one = (0u8..6, 1u64..300, prop::bool::weighted(0.05));
    prop::collection::vec(
        one.prop_map(|(kind, delay, overflow)| Reaction { kind, delay, overflow }),
        0..150,
    )
}

fn outcome(kind: u8) -> Outcome {
    match kind {
        0 => silent(),
        1 => not_now(None),
        2 => not_now(Some(700 * MS)),
        3 => Outcome::Refused(StatusCode::BAD_REQUEST),
        _ => taken(),
    }
}

/// The world around the lanes: a source, an endpoint, a clock.
struct World {
    lanes: Lanes<u64>,
    count: usize,
    now: Instant,
    /// Read from the source; position `n` is behind request `n`.
    read: u64,
    /// Attempts under way: lane → (request, end, reaction).
    busy: BTreeMap<usize, (u64, Instant, Reaction)>,
    resolved: BTreeSet<u64>,
    first_attempts: Vec<u64>,
    done: u64,
    lane_rests: BTreeMap<usize, Instant>,
    pause: Option<Instant>,
    dropped: u64,
    given_up: u64,
}

impl World {
    fn read_and_start(
        &mut self,
        passed: &BTreeSet<u64>,
        total: u64,
        script: &mut impl Iterator<Item = Reaction>,
    ) {
        while self.lanes.room(self.now).0 > 0 && self.read < total {
            self.read += 1;
            let is_passed = passed.contains(&self.read);
            self.lanes.add(self.read, (!is_passed).then(|| request(self.read)));
            if is_passed {
                self.resolved.insert(self.read);
            }
        }
        while let Some(start) = self.lanes.start(self.now) {
            let n = number(&start.request);
            assert!(!self.resolved.contains(&n), "{n} is attempted again though it is done");
            assert!(self.pause.is_none_or(|pause| pause <= self.now), "{n} in a pause");
            let rested = self.lane_rests.get(&start.lane).is_none_or(|rest| *rest <= self.now);
            assert!(rested, "{n} while its lane rests");
            if start.is_first {
                self.first_attempts.push(n);
            }
            assert!(self.first_attempts.contains(&n), "{n} is repeated before its first attempt");
            let next = script.next().unwrap_or(Reaction { kind: 9, delay: 1, overflow: false });
            let end = self.now + MS * u32::try_from(next.delay).expect("small");
            let before = self.busy.insert(start.lane, (n, end, next));
            assert!(before.is_none(), "lane {} has two attempts", start.lane);
        }
        assert!(self.busy.len() <= self.count);
        let under_way: BTreeSet<u64> = self.busy.values().map(|(n, ..)| *n).collect();
        assert_eq!(under_way.len(), self.busy.len(), "one request is attempted twice at a time");
    }

    /// Goes on to the next thing that happens; false when nothing will.
    fn step(&mut self) -> bool {
        let ending =
            self.busy.iter().min_by_key(|(_, (_, end, _))| *end).map(|(&lane, b)| (lane, b.1));
        let wake = self.lanes.wake(self.now);
        match (ending, wake) {
            (Some((lane, end)), wake) if wake.is_none_or(|wake| end <= wake) => {
                self.now = end;
                self.end(lane);
            }
            (_, Some(wake)) => self.now = wake,
            (_, None) => return false,
        }
        self.check_done();
        true
    }

    fn end(&mut self, lane: usize) {
        let (n, _, reaction) = self.busy.remove(&lane).expect("under way");
        match self.lanes.end(lane, outcome(reaction.kind), self.now) {
            Fate::Again(_) => {
                let asked = (reaction.kind == 2).then_some(700 * MS);
                if let Some(asked) = asked {
                    self.pause = self.pause.max(Some(self.now + asked));
                }
                self.lane_rests.insert(lane, self.now + asked.unwrap_or(BACKOFF.first / 2));
            }
            Fate::GivenUp(_) => {
                self.given_up += 1;
                self.resolved.insert(n);
            }
            Fate::Taken { .. } | Fate::Refused(_) => {
                self.resolved.insert(n);
            }
        }
        if reaction.overflow {
            let under_way: BTreeSet<u64> = self.busy.values().map(|(n, ..)| *n).collect();
            let waiting: Vec<u64> = (1..=self.read)
                .filter(|n| !self.resolved.contains(n) && !under_way.contains(n))
                .collect();
            assert_eq!(self.lanes.drop_waiting(), waiting.len() as u64);
            self.dropped += waiting.len() as u64;
            self.resolved.extend(waiting);
        }
    }

    fn check_done(&mut self) {
        if let Some(done) = self.lanes.take_done() {
            assert!(done > self.done, "{done} after {}", self.done);
            self.done = done;
        }
        let open = (1..).find(|n| !self.resolved.contains(n)).expect("it ends");
        assert!(self.done < open, "{} is done, {open} is not", self.done);
    }
}

proptest! {
    #[test]
    fn whatever_the_endpoint_does_each_request_comes_to_one_end(
        count in 1usize..6,
        seed: u64,
        total in 0u64..80,
        passed in prop::collection::btree_set(1u64..80, 0..20),
        script in reactions(),
    ) {
        let now = Instant::now();
        let mut world = World {
            lanes: Lanes::new(NonZeroUsize::new(count).expect("some"), BACKOFF, seed),
            count,
            now,
            read: 0,
            busy: BTreeMap::new(),
            resolved: BTreeSet::new(),
            first_attempts: Vec::new(),
            done: 0,
            lane_rests: BTreeMap::new(),
            pause: None,
            dropped: 0,
            given_up: 0,
        };
        let mut script = script.into_iter();
        world.read_and_start(&passed, total, &mut script);
        world.check_done();
        while world.step() {
            world.read_and_start(&passed, total, &mut script);
            world.check_done();
        }
        prop_assert_eq!(world.read, total);
        prop_assert_eq!(world.done, total);
        prop_assert_eq!(world.resolved.len() as u64, total);
        prop_assert_eq!(world.lanes.in_flight(), 0);
        prop_assert!(world.first_attempts.is_sorted_by(|a, b| a < b), "{:?}", world.first_attempts);
        // Those that were never attempted were passed over or dropped.
        let passed = passed.range(..=total).count() as u64;
        let never = total - passed - world.first_attempts.len() as u64;
        prop_assert!(never <= world.dropped);
    }
}

/// Attempts all that is due, with one outcome; gives the numbers.
fn attempt_all(lanes: &mut Lanes<u64>, now: Instant, outcome: impl Fn(u64) -> Outcome) -> Vec<u64> {
    let mut started = Vec::new();
    while let Some(start) = lanes.start(now) {
        started.push((start.lane, number(&start.request)));
    }
    for (lane, n) in &started {
        lanes.end(*lane, outcome(*n), now);
    }
    started.into_iter().map(|(_, n)| n).collect()
}

#[test]
fn an_endpoint_that_is_down_gets_one_attempt_a_lane_and_rest_whatever_is_dropped() {
    let mut lanes = lanes(2);
    let (mut now, mut read, mut attempts) = (Instant::now(), 0, 0);
    let end = now + Duration::from_secs(100);
    while now < end {
        for _ in 0..lanes.room(now).0 {
            read += 1;
            lanes.add(read, Some(request(read)));
        }
        attempts += attempt_all(&mut lanes, now, |_| silent()).len();
        lanes.drop_waiting();
        now += 10 * MS;
    }
    // Waits of half a second to a second, once they have grown.
    assert!((200..450).contains(&attempts), "{attempts} attempts in 100 s on two lanes");
    assert!(read > 10_000, "{read} requests passed meanwhile");
}

#[test]
fn when_the_endpoint_asks_for_time_all_lanes_leave_it_in_peace() {
    let mut lanes = lanes(3);
    let now = Instant::now();
    for n in 1..=6 {
        lanes.add(n, Some(request(n)));
    }
    let [first, second, third] = [(); 3].map(|()| lanes.start(now).expect("a lane is free").lane);
    lanes.end(first, not_now(Some(5000 * MS)), now);
    lanes.end(second, taken(), now);
    lanes.end(third, silent(), now);
    for wait in [0, 1, 1000, 4999] {
        assert!(lanes.start(now + wait * MS).is_none(), "after {wait} ms");
    }
    let now = now + 5000 * MS;
    assert_eq!(lanes.wake(now - MS), Some(now));
    assert_eq!(attempt_all(&mut lanes, now, |_| taken()), [1, 3, 4]);
}

/// One request fails with this outcome again and again while others pass; gives after how many attempts it
/// was given up.
fn tries_of_one(outcome: fn() -> Outcome, others_pass: bool) -> Option<u32> {
    let mut lanes = lanes(2);
    let mut now = Instant::now();
    lanes.add(1, Some(request(1)));
    let mut read = 1;
    for tries in 1..100 {
        let start = lanes.start(now).expect("the first one is due");
        assert_eq!(number(&start.request), 1);
        if others_pass {
            read += 1;
            lanes.add(read, Some(request(read)));
            let other = lanes.start(now).expect("a lane is free");
            assert!(matches!(lanes.end(other.lane, taken(), now), Fate::Taken { bytes: 8, .. }));
        }
        match lanes.end(start.lane, outcome(), now) {
            Fate::GivenUp(_) => {
                assert_eq!((lanes.take_done(), lanes.in_flight()), (Some(read), 0));
                return Some(tries);
            }
            fate => assert!(matches!(fate, Fate::Again(_)), "{fate:?}"),
        }
        now += BACKOFF.most;
    }
    None
}

#[test]
fn only_a_request_that_gets_no_answer_while_others_do_is_given_up() {
    assert_eq!(tries_of_one(silent, true), Some(SILENCES));
    // Then the endpoint is down, or has too much to do.
    assert_eq!(tries_of_one(silent, false), None);
    assert_eq!(tries_of_one(|| not_now(None), true), None);
    assert_eq!(tries_of_one(|| not_now(None), false), None);
}

#[test]
fn a_request_that_fails_does_not_hold_up_the_others_until_the_window_is_full() {
    let mut lanes = lanes(2);
    let now = Instant::now();
    lanes.add(1, Some(request(1)));
    let stuck = lanes.start(now).expect("a lane is free");
    for n in 2..=WINDOW as u64 {
        assert!(lanes.room(now).0 > 0, "{n}");
        lanes.add(n, Some(request(n)));
        assert_eq!(attempt_all(&mut lanes, now, |_| taken()), [n]);
    }
    assert_eq!((lanes.room(now), lanes.take_done()), ((0, 0), None));
    lanes.end(stuck.lane, taken(), now);
    assert_eq!(lanes.take_done(), Some(WINDOW as u64));
    assert_eq!(lanes.room(now).0, 4);
}

#[test]
fn bytes_that_are_held_are_bounded() {
    let mut lanes = lanes(4);
    let now = Instant::now();
    assert_eq!(lanes.room(now), (8, HELD_BYTES));
    let large = Request { body: Bytes::from(vec![0; HELD_BYTES - 5]), ..request(1) };
    lanes.add(1, Some(large.clone()));
    assert_eq!(lanes.room(now), (7, 5));
    let start = lanes.start(now).expect("a lane is free");
    lanes.add(2, Some(large));
    assert_eq!(lanes.room(now), (6, 0));
    lanes.end(start.lane, taken(), now);
    assert_eq!(lanes.room(now), (7, 5));
}
