//! From the queue of a connection to its stream.

use std::future::poll_fn;
use std::pin::Pin;

use tokio::io::{AsyncWrite, AsyncWriteExt};

use super::idle::is_seed;
use super::run::Link;
use super::shared::Shared;
use crate::budget::{Budget, LOOKS, Turn};
use crate::deadline::Ticks;
use crate::peer::{Chunk, Written};
use crate::traffic::Pulse;

/// Bytes in one batch that show that senders are at work. Each batch costs them a wait for the lock and a system call, so
/// the next one is taken when it has grown.
const BUSY: usize = 2 << 10;

impl Link<'_> {
    /// Writes until nothing more will come, or the connection fails, and says what happened.
    pub(super) async fn write(&self, mut stream: &Shared, pulse: &Pulse) -> String {
        let mut written = Written::nothing(self.links.network.config.high_water);
        let mut looks = 0;
        let mut turn = Turn::new(Budget::LINK);
        loop {
            let chunk = match self.next_chunk(looks, &mut written, &mut turn).await {
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
                        match waited {
                            // What a system buffers makes room without the peer.
                            true if stream.unconfirmed().is_some() => pulse.moved(),
                            true => pulse.alive(),
                            false => {}
                        }
                        at += n;
                        written.add(n);
                        pulse.wrote(n);
                        turn.spend_much(n);
                        if at < chunk.len() {
                            self.peer.wrote(self.generation, &mut written);
                        }
                        if turn.is_over() {
                            turn.yield_now().await;
                        }
                    }
                    Err(error) => return error.to_string(),
                }
            }
            if let Err(error) = stream.flush().await {
                return error.to_string();
            }
            looks = if chunk.len() >= BUSY { LOOKS } else { 0 };
            written.recycle(chunk);
        }
    }

    /// The next bytes to write; after a batch that was large only once there are many, or after so many looks.
    async fn next_chunk(&self, looks: usize, written: &mut Written, turn: &mut Turn) -> Chunk {
        let mut seen = 0;
        for _ in 0..looks {
            if let Some(chunk) = self.peer.try_chunk(self.generation, written, &mut seen) {
                return chunk;
            }
            turn.yield_now().await;
        }
        let chunk = poll_fn(|cx| self.peer.poll_chunk(self.generation, written, cx));
        turn.wait(chunk).await
    }

    /// Sends `[]` now and then, so that the transport notices a dead host. Never ends.
    pub(super) async fn keepalive(&self, bytes: &[u8]) {
        let mut ticks = Ticks::every(self.links.network.config.keepalive());
        loop {
            ticks.next().await;
            let seed = is_seed(self.links, self.peer);
            self.peer.keepalive(self.generation, bytes, seed);
        }
    }
}
