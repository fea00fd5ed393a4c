//! Up to where everything is done.

use std::collections::VecDeque;

/// Positions that were given out, in order, and which of them are done.
#[derive(Debug)]
pub(crate) struct Ledger<P> {
    entries: VecDeque<Entry<P>>,
    /// Number of the first entry.
    first: u64,
    /// The last position before which all is done, until it is taken.
    done: Option<P>,
}

#[derive(Debug)]
struct Entry<P> {
    position: P,
    done: bool,
}

impl<P> Ledger<P> {
    pub(crate) const fn new() -> Self {
        Self { entries: VecDeque::new(), first: 0, done: None }
    }

    /// A request that is to be done; gives its number.
    pub(crate) fn open(&mut self, position: P) -> u64 {
        self.entries.push_back(Entry { position, done: false });
        self.first + self.entries.len() as u64 - 1
    }

    /// A request with which nothing is to be done. However many come in a row, they take the place of one.
    pub(crate) fn pass(&mut self, position: P) {
        match self.entries.back_mut() {
            None => self.done = Some(position),
            Some(last) if last.done => last.position = position,
            Some(_) => self.entries.push_back(Entry { position, done: true }),
        }
    }

    /// The request with this number is done.
    pub(crate) fn close(&mut self, number: u64) {
        let index = number.checked_sub(self.first).and_then(|index| usize::try_from(index).ok());
        let entry = index.and_then(|index| self.entries.get_mut(index));
        entry.expect("an open number stays until it is closed").done = true;
        while self.entries.front().is_some_and(|entry| entry.done) {
            self.done = self.entries.pop_front().map(|entry| entry.position);
            self.first += 1;
        }
    }

    /// The position before which all is done, if it has moved since it was last taken.
    pub(crate) const fn take_done(&mut self) -> Option<P> {
        self.done.take()
    }

    /// Entries from the first that is not done on.
    pub(crate) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn done_is_what_has_nothing_open_before_it() {
        let mut ledger = Ledger::new();
        ledger.pass(1);
        assert_eq!(ledger.take_done(), Some(1));
        assert_eq!(ledger.take_done(), None);
        let (a, b) = (ledger.open(2), ledger.open(3));
        ledger.pass(4);
        ledger.pass(5);
        let c = ledger.open(6);
        assert_eq!((ledger.len(), ledger.take_done()), (4, None));
        ledger.close(b);
        ledger.close(c);
        assert_eq!(ledger.take_done(), None);
        // Behind one that is done, another is no new entry.
        ledger.pass(7);
        assert_eq!(ledger.len(), 4);
        ledger.close(a);
        assert_eq!((ledger.len(), ledger.take_done()), (0, Some(7)));
        let d = ledger.open(8);
        ledger.close(d);
        assert_eq!(ledger.take_done(), Some(8));
    }
}
