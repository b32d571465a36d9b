//! `Chunks` and `Taken`: the items of a queue, and those that its shard has taken out of it.

use std::collections::VecDeque;

use super::Item;
use super::item::Chunk;

/// Spare chunks kept at most. Memory fresh from the system costs more than the messages; while senders are faster than
/// the shard, this many chunks fill up.
pub(super) const MAX_SPARE: usize = 1024;

/// Items in order: full chunks, then the one that is being filled.
#[derive(Default)]
pub(super) struct Chunks {
    pub(super) full: VecDeque<Chunk>,
    pub(super) last: Chunk,
}

/// The items that the shard has taken and processes.
#[derive(Default)]
pub(super) struct Taken {
    pub(super) items: Chunks,
    pub(super) recycled: Vec<Chunk>,
    /// The items of a chunk that a panic of the shard has left unprocessed.
    pub(super) left: Vec<Item>,
    /// The queue is closed: no more items will come.
    pub(super) closed: bool,
}

impl Chunks {
    pub(super) fn len(&self) -> usize {
        let full = self.full.iter().map(Chunk::len);
        full.sum::<usize>() + self.last.len()
    }
}

impl Taken {
    /// The next items, to be drained and returned with [`recycle`](Self::recycle).
    pub(super) fn next_chunk(&mut self) -> Option<Chunk> {
        let chunk = self.items.full.pop_front();
        chunk
            .or_else(|| (!self.items.last.is_empty()).then(|| std::mem::take(&mut self.items.last)))
    }

    /// Removes all items that are not processed.
    pub(super) fn all(&mut self) -> Vec<Item> {
        let mut all = std::mem::take(&mut self.left);
        while let Some(mut chunk) = self.next_chunk() {
            all.append(&mut chunk.items);
        }
        all
    }

    /// Keeps the allocations of a drained chunk for reuse.
    pub(super) fn recycle(&mut self, chunk: Chunk) {
        if self.recycled.len() < MAX_SPARE {
            self.recycled.push(chunk);
        }
    }
}
