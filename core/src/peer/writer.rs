//! What the writer of a peer's connection asks for.

use std::sync::Arc;
use std::task::{Context, Poll};

use super::{Answers, Chunk, Generation, Peer, Written};

impl Peer {
    /// Whether an answer can be made now for what came over `generation`.
    pub(crate) fn answers(&self, generation: Generation, high_water: usize) -> Answers {
        self.lock().machine.answers(generation, high_water)
    }

    /// Settles what was written over `generation`, and takes the next batch for its writer.
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

    /// The same, but nothing while another task sends, or while what waits is little and still grows: it is better to wait
    /// for more then. `seen` is how many bytes waited when this was asked last.
    pub(crate) fn try_chunk(
        self: &Arc<Self>,
        generation: Generation,
        written: &mut Written,
        seen: &mut usize,
    ) -> Option<Chunk> {
        // Poisoned: `poll_chunk` sorts that out.
        let mut state = self.state.try_lock().ok()?;
        let chunk = state.machine.try_chunk(generation, written, seen);
        self.settle(state);
        chunk
    }

    /// Settles what was written of a chunk that is not written whole.
    pub(crate) fn wrote(self: &Arc<Self>, generation: Generation, written: &mut Written) {
        self.with(|machine| machine.wrote(generation, written));
    }

    /// Takes no more messages for `generation`; the writer ends once all is written.
    pub(crate) fn finish(self: &Arc<Self>, generation: Generation) {
        self.with(|machine| machine.finish(generation));
    }
}
