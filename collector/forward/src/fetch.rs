//! The blocking half: reads from the source, drops what is too much, makes ready what is wanted.

use resus_receive::Signal;

use crate::options::ForwardOptions;
use crate::prepare::{Preparer, Request};
use crate::source::{Outgoing, Source};

/// Most requests that are read in one go, so that a turn has an end.
const MOST: usize = 256;

/// The source, and what is done with what it gives.
pub(crate) struct Fetcher<S> {
    source: S,
    signals: Vec<Signal>,
    max_backlog: u64,
    preparer: Preparer,
}

/// What is wanted of a turn.
#[derive(Debug)]
pub(crate) struct Wanted<P> {
    /// Before it everything is done; `None`: nothing new.
    pub(crate) done: Option<P>,
    /// How many requests there is room for.
    pub(crate) requests: usize,
    /// How many bytes of them; the last one may exceed it.
    pub(crate) bytes: usize,
}

/// What came of a turn.
#[derive(Debug)]
pub(crate) struct Found<P> {
    /// In the order of the source. Without a request: only its position counts, it is done.
    pub(crate) read: Vec<(P, Option<Request>)>,
    /// Requests that were read and dropped, since more waited than may.
    pub(crate) dropped: u64,
    /// Why requests could not be made ready, one each.
    pub(crate) unsendable: Vec<String>,
    /// Why the source could not be read.
    pub(crate) failure: Option<String>,
    /// The source has nothing more for now.
    pub(crate) is_empty: bool,
    /// Bytes that wait in the source.
    pub(crate) backlog: u64,
    /// These are still more than may wait.
    pub(crate) is_over: bool,
}

impl<S: Source> Fetcher<S> {
    pub(crate) fn new(options: &ForwardOptions, source: S) -> Self {
        Self {
            source,
            signals: options.signals.clone(),
            max_backlog: options.max_backlog,
            preparer: Preparer::new(options.compression),
        }
    }

    pub(crate) fn done(&mut self, up_to: S::Position) {
        self.source.done(up_to);
    }

    /// Takes a turn.
    pub(crate) fn turn(&mut self, wanted: Wanted<S::Position>) -> Found<S::Position> {
        let Wanted { done, mut requests, mut bytes } = wanted;
        if let Some(done) = done {
            self.source.done(done);
        }
        let mut found = Found {
            read: Vec::new(),
            dropped: 0,
            unsendable: Vec::new(),
            failure: None,
            is_empty: false,
            backlog: self.source.backlog(),
            is_over: false,
        };
        for _ in 0..MOST {
            let is_over = found.backlog > self.max_backlog;
            if !is_over && (requests == 0 || bytes == 0) {
                break;
            }
            let (position, outgoing) = match self.source.next() {
                Ok(Some(next)) => next,
                Ok(None) => {
                    found.is_empty = true;
                    break;
                }
                Err(error) => {
                    found.failure = Some(error.to_string());
                    break;
                }
            };
            let request = self.sort(outgoing, is_over, &mut found);
            if let Some(request) = &request {
                requests -= 1;
                bytes = bytes.saturating_sub(request.body.len());
            }
            found.read.push((position, request));
            found.backlog = self.source.backlog();
        }
        found.is_over = found.backlog > self.max_backlog;
        found
    }

    /// Makes ready what is to be sent, and counts what is not.
    fn sort(
        &mut self,
        outgoing: Outgoing,
        is_over: bool,
        found: &mut Found<S::Position>,
    ) -> Option<Request> {
        if !self.signals.contains(&outgoing.signal) {
            return None;
        }
        if is_over {
            found.dropped += 1;
            return None;
        }
        match self.preparer.prepare(outgoing) {
            Ok(request) => Some(request),
            Err(error) => {
                found.unsendable.push(error.to_string());
                None
            }
        }
    }
}

#[cfg(test)]
mod tests;
