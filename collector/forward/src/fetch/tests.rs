//! Turns over a source in memory.

use std::collections::VecDeque;
use std::num::NonZeroUsize;
use std::time::Duration;

use bytes::Bytes;
use resus_receive::{Compression, Encoding};

use crate::options::{Backoff, ContentCoding};

use super::*;

/// Bodies of ten bytes are what waits, and an error where there is none.
struct Fake {
    waiting: VecDeque<Option<Outgoing>>,
    given: u64,
    done: Vec<u64>,
}

#[derive(Debug, thiserror::Error)]
#[error("read the disk: it is on fire")]
struct OnFire;

impl Source for Fake {
    type Position = u64;
    type Error = OnFire;

    fn next(&mut self) -> Result<Option<(u64, Outgoing)>, OnFire> {
        let Some(next) = self.waiting.pop_front() else { return Ok(None) };
        self.given += 1;
        next.map(|outgoing| Some((self.given, outgoing))).ok_or(OnFire)
    }

    fn done(&mut self, up_to: u64) {
        self.done.push(up_to);
    }

    fn backlog(&self) -> u64 {
        self.waiting.iter().flatten().map(|outgoing| outgoing.body.len() as u64).sum()
    }
}

fn outgoing(signal: Signal) -> Outgoing {
    Outgoing {
        signal,
        encoding: Encoding::Protobuf,
        compression: Compression::None,
        body: Bytes::from_static(b"0123456789"),
    }
}

fn fetcher(max_backlog: u64, waiting: Vec<Option<Outgoing>>) -> Fetcher<Fake> {
    let options = ForwardOptions {
        endpoint: String::new(),
        headers: Vec::new(),
        compression: ContentCoding::Gzip,
        timeout: Duration::from_secs(1),
        max_backlog,
        signals: vec![Signal::Traces, Signal::Logs],
        ca: None,
        concurrency: NonZeroUsize::MIN,
        backoff: Backoff::STANDARD,
        seed: 0,
    };
    Fetcher::new(&options, Fake { waiting: waiting.into(), given: 0, done: Vec::new() })
}

const fn wanted(requests: usize, bytes: usize) -> Wanted<u64> {
    Wanted { done: None, requests, bytes }
}

/// Positions, with what is to be sent.
fn read(found: &Found<u64>) -> Vec<(u64, bool)> {
    found.read.iter().map(|(position, request)| (*position, request.is_some())).collect()
}

#[test]
fn as_many_are_read_as_there_is_room_for() {
    let traces = || vec![Some(outgoing(Signal::Traces)); 5];
    let found = fetcher(1000, traces()).turn(wanted(3, 1000));
    assert_eq!(read(&found), [(1, true), (2, true), (3, true)]);
    assert_eq!(
        (found.backlog, found.is_empty, found.is_over, found.dropped),
        (20, false, false, 0)
    );
    // The one that exceeds it is still taken: else it would never be.
    let found = fetcher(1000, traces()).turn(wanted(3, 11));
    assert_eq!(read(&found), [(1, true), (2, true)]);
    for nothing in [wanted(0, 1000), wanted(3, 0)] {
        assert_eq!(read(&fetcher(1000, traces()).turn(nothing)), []);
    }
    let found = fetcher(1000, traces()).turn(wanted(9, 1000));
    assert_eq!((found.read.len(), found.is_empty, found.backlog), (5, true, 0));
}

#[test]
fn other_signals_are_passed_over_and_take_no_room() {
    let waiting = [Signal::Metrics, Signal::Traces, Signal::Metrics, Signal::Logs, Signal::Logs];
    let waiting = waiting.into_iter().map(|signal| Some(outgoing(signal))).collect();
    let found = fetcher(1000, waiting).turn(wanted(2, 1000));
    assert_eq!(read(&found), [(1, false), (2, true), (3, false), (4, true)]);
    assert_eq!(found.dropped, 0);
}

#[test]
fn the_oldest_are_dropped_until_no_more_waits_than_may() {
    let mut waiting = vec![Some(outgoing(Signal::Traces)); 9];
    waiting[1] = Some(outgoing(Signal::Metrics));
    let found = fetcher(50, waiting.clone()).turn(wanted(0, 0));
    assert_eq!(read(&found), [(1, false), (2, false), (3, false), (4, false)]);
    assert_eq!((found.dropped, found.backlog, found.is_over), (3, 50, false));
    // What comes after is sent.
    let found = fetcher(50, waiting).turn(wanted(2, 1000));
    assert_eq!(read(&found)[3..], [(4, false), (5, true), (6, true)]);
    assert_eq!(found.dropped, 3);
}

#[test]
fn a_turn_has_an_end_however_much_there_is_to_drop() {
    let mut fetcher = fetcher(0, vec![Some(outgoing(Signal::Logs)); MOST + 1]);
    let found = fetcher.turn(wanted(1, 1));
    assert_eq!((found.dropped, found.is_over), (MOST as u64, true));
    let found = fetcher.turn(wanted(1, 1));
    assert_eq!((found.dropped, found.is_over), (1, false));
}

#[test]
fn what_cannot_be_read_or_made_ready_is_told() {
    let broken = Outgoing { compression: Compression::Zstd, ..outgoing(Signal::Traces) };
    let good = outgoing(Signal::Traces);
    let mut fetcher = fetcher(1000, vec![Some(broken), Some(good.clone()), None, Some(good)]);
    let found = fetcher.turn(Wanted { done: Some(7), requests: 9, bytes: 1000 });
    assert_eq!(read(&found), [(1, false), (2, true)]);
    assert_eq!(found.unsendable.len(), 1);
    assert_eq!(found.failure.as_deref(), Some("read the disk: it is on fire"));
    assert!(!found.is_empty);
    assert_eq!(fetcher.source.done, [7]);
    assert_eq!(read(&fetcher.turn(wanted(9, 1000))), [(4, true)]);
}
