//! A body's pieces become one, with the memory for them asked for beforehand.

use bytes::{Bytes, BytesMut};

use super::failure::Failure;
use crate::body::RequestBody;
use crate::budget::Permit;
use crate::connection::READ_BUFFER;

/// Up to here the length that a client announces is believed. Beyond, the memory set aside is never more
/// than twice what has arrived: a head costs an attacker nothing.
const BELIEVED: usize = 1 << 20;

/// Pieces smaller than this are copied: they may lie in a read buffer many times their size.
const WORTH_KEEPING: usize = READ_BUFFER / 4;

/// The pieces that have arrived.
pub(super) struct Gathering<'a> {
    body: &'a mut RequestBody,
    permit: &'a mut Permit,
    limit: usize,
    expected: Option<usize>,
    first: Bytes,
    all: BytesMut,
}

impl<'a> Gathering<'a> {
    /// Begins; more than `limit` bytes are refused.
    pub(super) fn new(body: &'a mut RequestBody, permit: &'a mut Permit, limit: usize) -> Self {
        Self { body, permit, limit, expected: None, first: Bytes::new(), all: BytesMut::new() }
    }

    /// So many bytes are expected altogether. Refuses them if they exceed the limit or the free memory.
    pub(super) fn expect(&mut self, total: usize) -> Result<(), Failure> {
        if total > self.limit {
            return Err(Failure::over(self.limit));
        }
        if !self.permit.could_cover(total) {
            return Err(Failure::no_memory());
        }
        self.expected = Some(total);
        self.permit.cover(total.min(BELIEVED)).map_err(|_| Failure::no_memory())
    }

    /// What has arrived.
    pub(super) fn bytes(&self) -> &[u8] {
        if self.all.is_empty() { &self.first } else { &self.all }
    }

    /// Waits for the next piece; `false` at the end.
    pub(super) async fn more(&mut self) -> Result<bool, Failure> {
        let Some(piece) = self.body.next().await? else { return Ok(false) };
        self.add(piece)?;
        Ok(true)
    }

    fn add(&mut self, piece: Bytes) -> Result<(), Failure> {
        let had = self.bytes().len();
        let need = had + piece.len();
        if need > self.limit {
            return Err(Failure::over(self.limit));
        }
        if need > self.permit.held() {
            let expected = self.expected.unwrap_or(need * 2);
            let room = expected.min(need * 2).clamp(need, self.limit.max(need));
            self.permit.cover(room).map_err(|_| Failure::no_memory())?;
        }
        if had == 0 && piece.len() >= WORTH_KEEPING {
            // It keeps all of the buffer from being used again.
            self.permit.cover(READ_BUFFER).map_err(|_| Failure::no_memory())?;
            self.first = piece;
            return Ok(());
        }
        if self.all.is_empty() {
            self.all = BytesMut::with_capacity(self.room(need));
            self.all.extend_from_slice(&std::mem::take(&mut self.first));
        } else if need > self.all.capacity() {
            self.all.reserve(self.room(need) - had);
        }
        self.all.extend_from_slice(&piece);
        Ok(())
    }

    /// How large the buffer should be that takes `need` bytes now.
    fn room(&self, need: usize) -> usize {
        self.expected.unwrap_or(need * 2).min(self.permit.held()).max(need)
    }

    /// All that has arrived, as one piece. The permit holds the memory behind it, and no more.
    pub(super) fn finish(self) -> Bytes {
        if self.all.is_empty() {
            self.permit.shrink(self.first.len().max(if self.first.is_empty() {
                0
            } else {
                READ_BUFFER
            }));
            self.first
        } else {
            self.permit.shrink(self.all.capacity());
            self.all.freeze()
        }
    }

    /// Reads to the end.
    pub(super) async fn rest(mut self) -> Result<Bytes, Failure> {
        while self.more().await? {}
        Ok(self.finish())
    }
}
