//! The traces that are held, found by id, and the lists in which they wait.

use hashbrown::HashTable;
use resus_model::TraceId;

use super::slab::{Chunks, NONE};

/// What a trace waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// More spans, or to be looked at when it was quiet for a while.
    Open,
    /// It was looked at and does not look whole: more spans, or the end of the idle time.
    Partial,
    /// It is complete; late spans may still come.
    Lingering,
    /// It is complete and its entries are gone: what is late is dropped.
    Frozen,
}

/// A trace; a line of the processor's cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Trace {
    pub(super) id: TraceId,
    /// First arrival since it was opened.
    pub(super) since_ns: u64,
    /// Last arrival; once it is complete, when it was completed.
    pub(super) last_ns: u64,
    /// Newest entry.
    pub(super) head: u32,
    /// Oldest entry.
    pub(super) tail: u32,
    /// The newest entry that the completed path holds; [`NONE`] before the first completion.
    pub(super) counted: u32,
    pub(super) entries: u32,
    prev: u32,
    next: u32,
    /// The list in which it waits.
    list: u16,
    pub(super) state: State,
    pub(super) has_span: bool,
    /// Whoever was told of its path has taken it.
    pub(super) taken: bool,
}

const _: () = assert!(size_of::<Trace>() == 64, "a trace fills a line");

/// A trace's place in the index, with enough of its hash that growing looks at no trace.
#[derive(Debug, Clone, Copy)]
struct Indexed {
    hash: u32,
    at: u32,
}

/// A doubly linked list of traces.
#[derive(Debug, Clone, Copy)]
struct List {
    first: u32,
    last: u32,
}

/// All traces, each in one of a fixed number of lists.
#[derive(Debug)]
pub(super) struct Traces {
    places: Chunks<Trace>,
    free: u32,
    index: HashTable<Indexed>,
    lists: Box<[List]>,
}

const EMPTY: List = List { first: NONE, last: NONE };
/// In no list.
const NOWHERE: u16 = u16::MAX;

impl Traces {
    pub(super) fn new(lists: usize) -> Self {
        let lists = vec![EMPTY; lists].into();
        Self { places: Chunks::default(), free: NONE, index: HashTable::new(), lists }
    }

    /// The place of a trace, and whether it was made just now.
    pub(super) fn find_or_open(&mut self, id: TraceId, now: u64) -> (u32, bool) {
        let Self { places, free, index, .. } = self;
        let hash = hash_of(id);
        let same = |e: &Indexed| e.hash == hash && places[e.at].id == id;
        if let Some(found) = index.find(spread(hash), same) {
            return (found.at, false);
        }
        let trace = Trace {
            id,
            since_ns: now,
            last_ns: now,
            head: NONE,
            tail: NONE,
            counted: NONE,
            entries: 0,
            prev: NONE,
            next: NONE,
            list: NOWHERE,
            state: State::Open,
            has_span: false,
            taken: false,
        };
        let at = if *free == NONE {
            places.push(trace)
        } else {
            let at = *free;
            *free = places[at].next;
            places[at] = trace;
            at
        };
        index.insert_unique(spread(hash), Indexed { hash, at }, |e| spread(e.hash));
        (at, true)
    }

    /// Forgets a trace that is in no list.
    pub(super) fn forget(&mut self, at: u32) {
        let hash = hash_of(self.places[at].id);
        if let Ok(entry) = self.index.find_entry(spread(hash), |e| e.at == at) {
            entry.remove();
        }
        self.places[at].next = self.free;
        self.free = at;
    }

    pub(super) fn get(&self, at: u32) -> &Trace {
        &self.places[at]
    }

    pub(super) fn get_mut(&mut self, at: u32) -> &mut Trace {
        &mut self.places[at]
    }

    /// Appends a trace to a list.
    pub(super) fn link(&mut self, at: u32, list: u16) {
        let ends = &mut self.lists[usize::from(list)];
        let last = ends.last;
        ends.last = at;
        if last == NONE {
            ends.first = at;
        } else {
            self.places[last].next = at;
        }
        let trace = &mut self.places[at];
        trace.list = list;
        trace.prev = last;
        trace.next = NONE;
    }

    /// Takes a trace out of its list.
    pub(super) fn unlink(&mut self, at: u32) {
        let Trace { prev, next, list, .. } = self.places[at];
        if list == NOWHERE {
            return;
        }
        let ends = &mut self.lists[usize::from(list)];
        if prev == NONE {
            ends.first = next;
        }
        if next == NONE {
            ends.last = prev;
        }
        if prev != NONE {
            self.places[prev].next = next;
        }
        if next != NONE {
            self.places[next].prev = prev;
        }
        self.places[at].list = NOWHERE;
    }

    /// The first of a list.
    pub(super) fn first(&self, list: u16) -> Option<u32> {
        let first = self.lists[usize::from(list)].first;
        (first != NONE).then_some(first)
    }

    /// The last of a list.
    pub(super) fn last(&self, list: u16) -> Option<u32> {
        let last = self.lists[usize::from(list)].last;
        (last != NONE).then_some(last)
    }

    /// The one after, in the same list.
    pub(super) fn after(&self, at: u32) -> Option<u32> {
        let next = self.places[at].next;
        (next != NONE).then_some(next)
    }

    pub(super) fn len(&self) -> usize {
        self.index.len()
    }

    pub(super) fn bytes(&self) -> usize {
        self.index.len() * size_of::<Trace>() + self.index.allocation_size()
    }
}

const fn hash_of(id: TraceId) -> u32 {
    (id.mix() >> 32) as u32
}

/// The index wants 64 bits: low ones for the place, high ones for the tag.
fn spread(hash: u32) -> u64 {
    u64::from(hash) << 32 | u64::from(hash)
}
