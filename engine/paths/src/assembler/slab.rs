//! Numbered places that never move: growing copies nothing, and nothing is a heap object of its own.

use std::ops::{Index, IndexMut};

use resus_model::SpanId;

use crate::record::Record;

/// No place.
pub(super) const NONE: u32 = u32::MAX;

/// Places in a chunk, as a power of two: 256 KiB at 64 bytes a place.
const CHUNK_BITS: u32 = 12;
const CHUNK: usize = 1 << CHUNK_BITS;

/// An array that grows by chunks.
#[derive(Debug)]
pub(super) struct Chunks<T> {
    chunks: Vec<Box<[T]>>,
    len: u32,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T: Copy> Chunks<T> {
    /// Appends an element and says where it is.
    pub(super) fn push(&mut self, element: T) -> u32 {
        let at = self.len;
        if at as usize == self.chunks.len() * CHUNK {
            self.chunks.push(vec![element; CHUNK].into_boxed_slice());
        } else {
            self[at] = element;
        }
        self.len += 1;
        at
    }
}

impl<T> Index<u32> for Chunks<T> {
    type Output = T;

    #[inline]
    fn index(&self, at: u32) -> &T {
        &self.chunks[(at >> CHUNK_BITS) as usize][at as usize % CHUNK]
    }
}

impl<T> IndexMut<u32> for Chunks<T> {
    #[inline]
    fn index_mut(&mut self, at: u32) -> &mut T {
        &mut self.chunks[(at >> CHUNK_BITS) as usize][at as usize % CHUNK]
    }
}

/// What was received of a trace: a span, or events that log records tell of a span.
#[derive(Debug, Clone, Copy)]
pub(super) enum Content {
    Span(Record),
    Log(LogEntry),
}

/// Events of a span that came as log records.
#[derive(Debug, Clone, Copy)]
pub(super) struct LogEntry {
    pub(super) span_id: SpanId,
    pub(super) errors: u16,
    pub(super) exceptions: u16,
}

/// An entry in the list of its trace; a line of the processor's cache.
#[derive(Debug, Clone, Copy)]
#[repr(align(64))]
pub(super) struct Slot {
    pub(super) content: Content,
    /// The entry that came before; of a free slot, the next free one.
    pub(super) next: u32,
}

const _: () = assert!(size_of::<Slot>() == 64, "an entry fills a line");

/// All entries, in lists, newest first.
#[derive(Debug)]
pub(super) struct Slots {
    list: Chunks<Slot>,
    free: u32,
    used: u32,
}

impl Slots {
    pub(super) fn new() -> Self {
        Self { list: Chunks::default(), free: NONE, used: 0 }
    }

    /// Puts an entry before another.
    pub(super) fn push(&mut self, content: Content, next: u32) -> u32 {
        self.used += 1;
        let slot = Slot { content, next };
        if self.free == NONE {
            return self.list.push(slot);
        }
        let at = self.free;
        let place = &mut self.list[at];
        self.free = place.next;
        *place = slot;
        at
    }

    pub(super) fn get(&self, at: u32) -> &Slot {
        &self.list[at]
    }

    pub(super) fn get_mut(&mut self, at: u32) -> &mut Slot {
        &mut self.list[at]
    }

    /// Frees a list of so many entries from its head to its tail.
    pub(super) fn free(&mut self, head: u32, tail: u32, entries: u32) {
        if head != NONE {
            self.list[tail].next = self.free;
            self.free = head;
            self.used -= entries;
        }
    }

    pub(super) const fn used(&self) -> u32 {
        self.used
    }

    pub(super) const fn bytes(&self) -> usize {
        self.used as usize * size_of::<Slot>()
    }
}
