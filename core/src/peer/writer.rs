//! The calls of the writer of a peer's connection.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Answers, Chunk, Generation, Locked, Peer, Written};

impl Peer {
    /// Whether a request that came over `generation` can be answered now.
    pub(crate) fn answers(&self, generation: Generation, high_water: usize) -> Answers {
        self.lock().machine.answers(generation, high_water)
    }

    /// Settles the bytes written over `generation` and takes the next batch of its writer.
    pub(crate) fn poll_chunk(
        self: &Arc<Self>,
        generation: Generation,
        written: &mut Written,
        cx: &mut Context<'_>,
    ) -> Poll<Chunk> {
        let mut state = self.lock();
        let chunk = state.machine.poll_chunk(generation, written);
        if chunk.is_pending() {
            state.writer = Some(cx.waker().clone());
        }
        self.settle(state);
        chunk
    }

    /// Like [`poll_chunk`](Self::poll_chunk), but returns `None` while another task holds the lock, or while a small
    /// queue still grows, so that the batch becomes larger. `seen` holds the bytes queued at the previous call.
    pub(crate) fn try_chunk(
        self: &Arc<Self>,
        generation: Generation,
        written: &mut Written,
        seen: &mut usize,
    ) -> Option<Chunk> {
        // A poisoned lock is handled by `poll_chunk`.
        let mut state = Locked::try_new(|| self.state.try_lock().ok())?;
        let chunk = state.machine.try_chunk(generation, written, seen);
        self.settle(state);
        chunk
    }

    /// Settles the bytes written of a chunk that is not complete.
    pub(crate) fn wrote(self: &Arc<Self>, generation: Generation, written: &mut Written) {
        self.with_machine(|machine| machine.bytes_written(generation, written));
    }

    /// Accepts no more messages for `generation`; its writer ends after it has written the queue.
    pub(crate) fn finish(self: &Arc<Self>, generation: Generation) {
        self.with_machine(|machine| machine.finish(generation));
    }
}
