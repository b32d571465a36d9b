//! A link at work: messages out of the peer's outbox onto the stream, and from the stream to the shards.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, sleep_until, timeout_at};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::LinkInfo;
use super::idle::{idle, is_seed};
use super::open::Opened;
use super::pulse::Pulse;
use super::watch::hung;
use crate::allowance::log_within;
use crate::codec::{Decoder, Found, PeerInfo, Received, need};
use crate::message::COPY_BELOW;
use crate::node::{Inner, Sender, handle_node_port};
use crate::peer::{Chunk, Generation, Peer, Written, is_other};
use crate::runtime::step_back;
use crate::shard::Batch;
use crate::{Excerpt, Message};

/// Room for one read, which grows with what arrives.
const SMALLEST_READ: usize = 2 << 10;
const LARGEST_READ: usize = 256 << 10;

/// How long a connection that is closing may make no progress.
const LINGER: Duration = Duration::from_secs(3);

/// So many bytes in one batch are the sign of senders at work.
const BUSY: usize = 2 << 10;

/// How often the writer then lets others have their turn before it takes the next batch, unless much waits: with senders
/// at work, each batch costs them a wait for the lock, and the system a call.
const LOOKS: usize = 8;

/// Carries messages until the connection is lost, settles what that means, and says why it was. Calls `up` once
/// they flow.
pub(super) async fn run(node: &Arc<Inner>, opened: Opened, up: impl FnOnce()) -> String {
    let span = tracing::info_span!(target: "aemp::link", "link", peer = %opened.peer.id);
    carry(node, opened, up).instrument(span).await
}

async fn carry(node: &Arc<Inner>, opened: Opened, up: impl FnOnce()) -> String {
    let Opened {
        stream,
        established,
        peer,
        rest,
        opening,
        place: _until_it_ends,
    } = opened;
    let (Some(sends), Some(receives)) = (
        node.codecs.get(established.sends()),
        node.codecs.get(established.receives()),
    ) else {
        // The handshake chooses among the names of these very codecs.
        return String::from("a codec was chosen that this node does not have");
    };
    let facts = PeerInfo::new(peer.id.clone(), established.peer().provider());
    let info = LinkInfo::new(&established, stream.peer());
    let pulse = info.pulse().clone();
    let cancel = CancellationToken::new();
    let generation = peer.up(sends.clone(), &facts, info.clone(), cancel.clone());
    let info = info.numbered(generation);
    drop(opening);
    up();
    node.directory.up(node, &peer, generation, facts.is_perl());
    // Should this task panic, the connection is lost like any other.
    let _lost = Lost {
        node,
        peer: &peer,
        generation,
    };

    let link = Link {
        node,
        peer: &peer,
        generation,
        info: &info,
    };
    let (reader, writer) = tokio::io::split(stream);
    let mut decoder = receives.decoder(&node.config.limits, &facts);
    let early = || established.on_early_eof().to_string();
    let read = link.read(reader, &mut *decoder, rest, &pulse, early);
    let write = link.write(writer, &pulse);
    tokio::pin!(read, write);
    let why = tokio::select! {
        biased;
        end = &mut read => match end {
            End::Failed(why) => why,
            End::Closed(why) => {
                peer.peer_closed(generation, &why);
                let last = async { drop((&mut write).await) };
                link.linger(last, &pulse, &cancel).await;
                why
            }
        },
        why = &mut write => link.ended_by_peer(why),
        () = link.keepalive(sends.keepalive()) => String::new(),
        why = hung(&node.config, &peer, generation, &pulse) => why,
        why = idle(node, &peer, generation) => {
            let last = both(&mut write, &mut read);
            link.linger(last, &pulse, &cancel).await;
            why
        }
        () = cancel.cancelled() => String::from("the link was given up"),
        () = node.stop.cancelled() => {
            peer.finish(generation);
            // What cannot be sent in time is lost.
            let last = both(&mut write, &mut read);
            let _ = timeout_at(node.ending.deadline(), last).await;
            String::from("this node stopped")
        }
    };
    peer.down(generation, &why);
    why
}

/// Writes to the end, and reads until the peer closes as well: a connection that is closed with bytes unread is reset,
/// and what was sent last goes with it.
async fn both(
    mut write: impl Future<Output = String> + Unpin,
    mut read: impl Future<Output = End> + Unpin,
) {
    let mut written = false;
    loop {
        tokio::select! {
            biased;
            _ = &mut write, if !written => written = true,
            _ = &mut read => return,
        }
    }
}

/// How reading has ended, and why.
enum End {
    /// The peer closed its direction, or the connection.
    Closed(String),
    Failed(String),
}

/// Settles a connection whose task ends before it did.
struct Lost<'a> {
    node: &'a Arc<Inner>,
    peer: &'a Arc<Peer>,
    generation: Generation,
}

impl Drop for Lost<'_> {
    fn drop(&mut self) {
        self.peer
            .down(self.generation, "the connection's task ended");
        self.node
            .directory
            .down(self.node, &self.peer.id, self.generation);
    }
}

struct Link<'a> {
    node: &'a Arc<Inner>,
    peer: &'a Arc<Peer>,
    generation: Generation,
    info: &'a LinkInfo,
}

impl Link<'_> {
    /// Carries out what is `last` on a connection that is closing, as long as it makes progress.
    async fn linger(
        &self,
        last: impl Future<Output = ()>,
        pulse: &Pulse,
        cancel: &CancellationToken,
    ) {
        let limit = LINGER.min(self.node.config.monitor_timeout);
        pulse.progress();
        let stuck = async {
            loop {
                let silence = pulse.silence();
                match limit.checked_sub(silence) {
                    Some(left) if !left.is_zero() => sleep(left).await,
                    // What our own shards have not worked off is no fault of the peer.
                    _ if pulse.is_parked() => sleep(limit).await,
                    _ => return,
                }
            }
        };
        let stopped = async {
            self.node.stop.cancelled().await;
            sleep_until(self.node.ending.deadline()).await;
        };
        tokio::select! {
            biased;
            () = last => {}
            () = cancel.cancelled() => {}
            () = stopped => {}
            () = stuck => {}
        }
    }

    /// Reads until the connection ends, and says why it did; `early` does if it ends before it has brought anything.
    async fn read<R: AsyncRead + Unpin>(
        &self,
        mut stream: R,
        decoder: &mut dyn Decoder,
        mut buffer: BytesMut,
        pulse: &Pulse,
        early: impl Fn() -> String,
    ) -> End {
        let mut fresh = buffer.is_empty();
        let mut batch = Batch::new(self.node.shards.clone());
        let mut room = SMALLEST_READ;
        let mut counted = 0;
        loop {
            let messages = match self.deliver(&mut buffer, decoder, &mut batch) {
                Ok(messages) => messages,
                Err(why) => {
                    // What arrived whole before it is delivered.
                    batch.flush();
                    return End::Failed(why);
                }
            };
            batch.flush();
            pulse.received(messages);
            batch.ready(|parked| pulse.park(parked)).await;
            if buffer.capacity() - buffer.len() < room {
                buffer.reserve(room);
            }
            if is_other(counted, buffer.capacity()) {
                counted = self.peer.reads(self.generation, buffer.capacity());
            }
            match stream.read_buf(&mut buffer).await {
                Ok(0) if fresh => return End::Closed(self.ended_by_peer(early())),
                Ok(0) => {
                    return End::Closed(self.ended_by_peer("the peer closed the connection"));
                }
                Ok(n) => {
                    fresh = false;
                    pulse.beat(n);
                    room = if n >= room {
                        (2 * room).min(LARGEST_READ)
                    } else {
                        (room / 2).max(n).max(SMALLEST_READ)
                    };
                }
                Err(error) => return End::Failed(self.ended_by_peer(error)),
            }
        }
    }

    fn ended_by_peer(&self, why: impl ToString) -> String {
        self.peer.ended_by_peer(self.generation, why.to_string())
    }

    /// Delivers the messages that are whole in `buffer`, says how many, and leaves the rest of it there.
    fn deliver(
        &self,
        buffer: &mut BytesMut,
        decoder: &mut dyn Decoder,
        batch: &mut Batch,
    ) -> Result<u64, String> {
        // Where the next message begins, or what is between messages.
        let mut at = 0;
        let mut messages = 0;
        let tapped = self.node.taps.is_on();
        loop {
            let found = decoder.find(&buffer[at..]);
            if tapped && let Ok(Found::Message { message, .. }) = &found {
                self.node.taps.received(self.info, message);
            }
            match found {
                Ok(Found::Message { used, message }) if message.bytes().len() < COPY_BELOW => {
                    at += used;
                    messages += 1;
                    match message.port().is_node_port() {
                        true => self.node_port(message.to_message(), batch)?,
                        false => batch.deliver_incoming(message),
                    }
                }
                Ok(Found::Message { used, message }) => {
                    let place = message.place();
                    let Received { port, message } = place.take(buffer, at + used);
                    at = 0;
                    messages += 1;
                    match port.is_node_port() {
                        true => self.node_port(message, batch)?,
                        false => batch.deliver(&port, message),
                    }
                }
                Ok(Found::Need { used, more }) => {
                    need(buffer, at + used, more);
                    return Ok(messages);
                }
                Err(error) => {
                    // An AEMP stream cannot be read on after an error.
                    log_within!(self.peer, WARN, target: "aemp::link", peer = %self.peer.id, error = %Excerpt(&error), "closing the connection");
                    return Err(error.to_string());
                }
            }
        }
    }

    fn node_port(&self, message: Message, batch: &mut Batch) -> Result<(), String> {
        let sender = Sender::Peer(self.peer, self.generation);
        handle_node_port(self.node, sender, message, batch)
    }

    /// Writes until nothing more will come, or the connection fails, and says what happened.
    async fn write<W: AsyncWrite + Unpin>(&self, mut stream: W, pulse: &Pulse) -> String {
        let mut written = Written::nothing(self.node.config.high_water);
        let mut looks = 0;
        loop {
            let chunk = match self.next_chunk(looks, &mut written).await {
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
                match bytes.await {
                    Ok(0) => return String::from("the transport takes no more bytes"),
                    Ok(n) => {
                        if waited {
                            pulse.progress();
                        }
                        at += n;
                        written.add(n);
                        if at < chunk.len() {
                            self.peer.wrote(self.generation, &mut written);
                        }
                    }
                    Err(error) => return error.to_string(),
                }
            }
            if let Err(error) = stream.flush().await {
                return error.to_string();
            }
            looks = if chunk.len() >= BUSY { LOOKS } else { 0 };
            written.whole(chunk);
        }
    }

    /// The next bytes to write; after a batch that was large only once there are many, or after so many looks.
    async fn next_chunk(&self, looks: usize, written: &mut Written) -> Chunk {
        for _ in 0..looks {
            if let Some(chunk) = self.peer.try_chunk(self.generation, written) {
                return chunk;
            }
            step_back().await;
        }
        poll_fn(|cx| self.peer.poll_chunk(self.generation, written, cx)).await
    }

    /// Sends `[]` now and then, so that the transport notices a dead host. Never ends.
    async fn keepalive(&self, bytes: &[u8]) {
        let mut ticks = tokio::time::interval(self.node.config.keepalive());
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        // The first tick is at once.
        ticks.tick().await;
        loop {
            ticks.tick().await;
            let seed = is_seed(self.node, self.peer);
            self.peer.keepalive(self.generation, bytes, seed);
        }
    }
}
