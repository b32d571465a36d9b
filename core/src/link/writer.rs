//! The writer of a connection: writes the peer's queue to the stream.

use std::future::poll_fn;
use std::pin::Pin;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::idle::is_seed;
use super::run::Link;
use super::shared::Shared;
use crate::budget::{Budget, Turn, YIELDS_BEFORE_SLEEP};
use crate::deadline::Ticks;
use crate::peer::{Chunk, Written};
use crate::traffic::Pulse;

/// Bytes in one batch from which on senders count as busy. Each batch costs a contended lock and a system call, so the
/// writer then yields first and lets the next batch grow.
const BUSY_BYTES: usize = 2 << 10;

/// Records that a write has completed after it had to wait.
fn record_progress(stream: &Shared, pulse: &Pulse) {
    match stream.unconfirmed() {
        // The buffer of this system makes room without the peer's program.
        Some(_) => pulse.progressed(),
        None => pulse.alive(),
    }
}

impl Link<'_> {
    /// Writes until the queue is finished or the connection fails. Returns the reason.
    pub(super) async fn write(&self, mut stream: &Shared, pulse: &Pulse) -> String {
        let mut written = Written::nothing(self.links.network.config.high_water);
        let mut yields = 0;
        let mut turn = Turn::new(Budget::LINK);
        loop {
            let chunk = match self.next_chunk(yields, &mut written, &mut turn).await {
                Chunk::Bytes(chunk) => chunk,
                Chunk::End => {
                    let closed = stream.shutdown().await;
                    return closed.map_or_else(
                        |error| error.to_string(),
                        |()| String::from("this node closed the connection"),
                    );
                }
            };
            let mut at = 0;
            while at < chunk.len() {
                let mut waited = false;
                let bytes = poll_fn(|cx| {
                    let bytes = Pin::new(&mut stream).poll_write(cx, &chunk[at..]);
                    waited |= bytes.is_pending();
                    bytes
                });
                match turn.wait(bytes).await {
                    Ok(0) => return String::from("the transport takes no more bytes"),
                    Ok(n) => {
                        if waited {
                            record_progress(stream, pulse);
                        }
                        at += n;
                        written.add(n);
                        pulse.wrote(n);
                        turn.spend_operation(n);
                        if at < chunk.len() {
                            self.peer.wrote(self.generation, &mut written);
                        }
                        if turn.is_exhausted() {
                            turn.yield_now().await;
                        }
                    }
                    Err(error) => return error.to_string(),
                }
            }
            // A secured stream may have accepted more than it has passed on.
            let mut waited = false;
            let flushed = poll_fn(|cx| {
                let flushed = Pin::new(&mut stream).poll_flush(cx);
                waited |= flushed.is_pending();
                flushed
            });
            if let Err(error) = turn.wait(flushed).await {
                return error.to_string();
            }
            if waited {
                record_progress(stream, pulse);
            }
            yields = if chunk.len() >= BUSY_BYTES {
                YIELDS_BEFORE_SLEEP
            } else {
                0
            };
            written.recycle(chunk);
        }
    }

    /// The next batch to write. After a large batch it yields up to `yields` times, so that the next one grows.
    async fn next_chunk(&self, yields: usize, written: &mut Written, turn: &mut Turn) -> Chunk {
        let mut seen = 0;
        for _ in 0..yields {
            if let Some(chunk) = self.peer.try_chunk(self.generation, written, &mut seen) {
                return chunk;
            }
            turn.yield_now().await;
        }
        let chunk = poll_fn(|cx| self.peer.poll_chunk(self.generation, written, cx));
        turn.wait(chunk).await
    }

    /// Sends a keepalive (`[]`) periodically, so that the transport detects a dead host. Never returns.
    pub(super) async fn keepalive(&self, bytes: &[u8]) {
        let mut ticks = Ticks::every(self.links.network.config.keepalive());
        loop {
            ticks.next().await;
            let seed = is_seed(self.links, self.peer);
            self.peer.keepalive(self.generation, bytes, seed);
        }
    }
}
