//! A link at work: messages out of the peer's outbox onto the stream, and from the stream to the shards.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use aemp_proto::codec::{Place, READ, Shown, need, pass};
use aemp_proto::message::COPY_BELOW;
use bytes::{Buf, BytesMut};
use tokio::io::{AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::LinkInfo;
use super::idle::{idle, is_seed};
use super::open::Opened;
use super::pulse::Pulse;
use super::shared::Shared;
use super::watch::hung;
use crate::allowance::log_within;
use crate::budget::{Budget, LOOKS, Turn};
use crate::codec::{Decoder, Found, PeerInfo, Received};
use crate::deadline::Ticks;
use crate::guard;
use crate::node::{Held, Inner, Sender, handle_node_port};
use crate::peer::{Answers, Chunk, Generation, Peer, Written, is_recount_due};
use crate::shard::Batch;
use crate::watchdog::Worker;
use crate::{Excerpt, Message, PortName};

/// Room for one read, which grows with what arrives.
const SMALLEST_READ: usize = 2 << 10;
const LARGEST_READ: usize = READ;

/// How long a connection that is closing may make no progress.
const LINGER: Duration = Duration::from_secs(3);

/// How long a peer that asks may take nothing before its questions are refused.
const PATIENCE: Duration = Duration::from_secs(1);

/// So many bytes in one batch are the sign of senders at work. Each batch costs them a wait for the lock, and the system a
/// call, so the next one is taken when it has grown.
const BUSY: usize = 2 << 10;

/// Carries messages until the connection is lost, settles what that means, and says why it was. Calls `up` once
/// they flow.
pub(super) async fn run(node: &Arc<Inner>, opened: Opened, up: impl FnOnce()) -> String {
    let span = tracing::info_span!(target: "aemp::link", "link", peer = %opened.peer.id);
    let carried = guard::complete(carry(node, opened, up)).instrument(span);
    carried.await.unwrap_or_else(|panic| {
        tracing::error!(target: "aemp::link", panic = %Excerpt(&panic), "the task of a connection panicked");
        format!("a panic: {panic}")
    })
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
    // Should this task panic, the connection is lost like any other.
    let _lost = Lost {
        node,
        peer: &peer,
        generation,
    };
    let info = info.numbered(generation);
    drop(opening);
    up();
    node.directory.up(node, &peer, generation, facts.is_perl());

    let link = Link {
        node,
        peer: &peer,
        generation,
        info: &info,
        worker: Worker::new(&node.id, &node.runtime),
    };
    let stream = Shared::new(stream);
    let mut decoder = receives.decoder(&node.config.limits, &facts);
    let early = || established.on_early_eof().to_string();
    let read = link.read(&stream, &mut *decoder, rest, &pulse, early);
    let write = link.write(&stream, &pulse);
    tokio::pin!(read, write);
    // What ends the link comes first. Reading and writing use a budget each and then yield, so that all that stands below
    // them is polled as well.
    let why = tokio::select! {
        biased;
        () = cancel.cancelled() => String::from("the link was given up"),
        () = node.stop.cancelled() => {
            peer.finish(generation);
            // What cannot be sent in time is lost.
            let last = both(&mut write, &mut read);
            let _ = node.ending.deadline().bound(last).await;
            String::from("this node stopped")
        }
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
        why = hung(&node.config, &peer, generation, &pulse, &stream) => why,
        why = idle(node, &peer, generation) => {
            let last = both(&mut write, &mut read);
            link.linger(last, &pulse, &cancel).await;
            why
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
    worker: Worker,
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
        pulse.moved();
        let stuck = async {
            loop {
                match limit.checked_sub(pulse.stillness()) {
                    Some(left) if !left.is_zero() => sleep(left).await,
                    // That this end does not read is no fault of the peer.
                    _ if pulse.is_parked() => sleep(limit).await,
                    _ => return,
                }
            }
        };
        let stopped = async {
            self.node.stop.cancelled().await;
            self.node.ending.deadline().wait().await;
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
    async fn read(
        &self,
        mut stream: &Shared,
        decoder: &mut dyn Decoder,
        mut buffer: BytesMut,
        pulse: &Pulse,
        early: impl Fn() -> String,
    ) -> End {
        let mut fresh = buffer.is_empty();
        let mut batch = Batch::new(self.node.shards.clone());
        let mut held = Held::default();
        let mut room = SMALLEST_READ;
        let mut counted = 0;
        let mut turn = Turn::new(Budget::LINK);
        loop {
            let delivered = match self.answer(&mut held, &mut batch, &mut turn) {
                Ok(()) => self.deliver(&mut buffer, decoder, &mut batch, &mut held, &mut turn),
                Err(why) => Err(why),
            };
            // What arrived whole is delivered, also before an error.
            batch.flush();
            match delivered {
                Ok(messages) => pulse.received(messages),
                Err(why) => return End::Failed(why),
            }
            batch.ready(|parked| pulse.park(parked)).await;
            if turn.is_over() {
                turn.yield_now().await;
                continue;
            }
            if held.is_behind() {
                turn.wait(self.catch_up(&mut held, pulse)).await;
                continue;
            }
            if held.blocks() {
                turn.wait(self.room_or_refuse(&mut held, pulse)).await;
                continue;
            }
            if buffer.capacity() - buffer.len() < room {
                buffer.reserve(room);
            }
            if is_recount_due(counted, buffer.capacity()) {
                counted = self.peer.reads(self.generation, buffer.capacity());
            }
            let read = turn.wait(async {
                tokio::select! {
                    biased;
                    () = self.room_for_answers(), if !held.is_empty() => None,
                    read = stream.read_buf(&mut buffer) => Some(read),
                }
            });
            let Some(read) = read.await else { continue };
            match read {
                // The peer closes its direction, and may wait for its answers. The end is read again after them.
                Ok(0) if !held.is_empty() => turn.wait(self.room_for_answers()).await,
                Ok(0) if fresh => return End::Closed(self.ended_by_peer(early())),
                Ok(0) => {
                    return End::Closed(self.ended_by_peer("the peer closed the connection"));
                }
                Ok(n) => {
                    fresh = false;
                    pulse.beat(n);
                    turn.spend_much(n);
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

    /// Answers questions that were held, as far as there is room and the turn lasts.
    fn answer(&self, held: &mut Held, batch: &mut Batch, turn: &mut Turn) -> Result<(), String> {
        while !held.is_empty() && !held.is_behind() && !turn.is_over() {
            match self.answers() {
                Answers::Now => {}
                Answers::Later => break,
                // Nobody will read them.
                Answers::Never => *held = Held::default(),
            }
            if let Some(question) = held.pop() {
                self.node_port(question, batch, None, turn)?;
                held.set_behind(self.node.directory.is_behind(&self.peer.id));
            }
        }
        Ok(())
    }

    fn answers(&self) -> Answers {
        self.peer
            .answers(self.generation, self.node.config.high_water)
    }

    /// Waits until answers to this peer can be made.
    async fn room_for_answers(&self) {
        self.peer.ready(self.node.config.high_water).await;
    }

    /// Waits until the directory is done with what the peer has asked it.
    async fn catch_up(&self, held: &mut Held, pulse: &Pulse) {
        // Nothing is read meanwhile.
        pulse.park(true);
        let directory = &self.node.directory;
        directory.caught_up(self.node, &self.peer.id).await;
        held.set_behind(false);
        pulse.park(false);
    }

    /// Waits until answers can be made, but not longer than the peer takes bytes: then questions are refused.
    async fn room_or_refuse(&self, held: &mut Held, pulse: &Pulse) {
        // Nothing is read meanwhile.
        pulse.park(true);
        loop {
            let before = pulse.written();
            if timeout(PATIENCE, self.room_for_answers()).await.is_ok() {
                break;
            }
            if pulse.written() == before {
                log_within!(self.peer, WARN, target: "aemp::link", peer = %self.peer.id, "the peer takes no answers: its questions are refused until it does");
                held.refuse();
                break;
            }
        }
        pulse.park(false);
    }

    /// Delivers the messages that are whole in `buffer` while the turn lasts, says how many, and leaves the rest of it
    /// there.
    fn deliver(
        &self,
        buffer: &mut BytesMut,
        decoder: &mut dyn Decoder,
        batch: &mut Batch,
        held: &mut Held,
        turn: &mut Turn,
    ) -> Result<u64, String> {
        // Where the next message begins, or what is between messages.
        let mut at = 0;
        let mut messages = 0;
        let tapped = self.node.taps.is_on();
        loop {
            if turn.is_over() || held.blocks() {
                buffer.advance(at);
                return Ok(messages);
            }
            let found = decoder.find(&buffer[at..]);
            if tapped
                && let Ok(found) = &found
                && let Some(shown) = Shown::of(found, &buffer[at..])
            {
                self.node.taps.received(self.info, &shown);
            }
            match found {
                Ok(Found::Message { used, message }) if message.bytes().len() < COPY_BELOW => {
                    at += used;
                    messages += 1;
                    turn.spend(1);
                    match message.port().is_node_port() {
                        true => {
                            self.node_port(message.to_message(), batch, Some(&mut *held), turn)?
                        }
                        false => batch.deliver_incoming(message),
                    }
                }
                Ok(Found::Message { used, message }) => {
                    let place = Place::of(&message);
                    let received = place.take(buffer, at + used);
                    at = 0;
                    messages += 1;
                    turn.spend(1);
                    self.take(received, batch, held, turn)?;
                }
                Ok(Found::Decoded { used, received }) => {
                    let received = received.take();
                    pass(buffer, at + used, used);
                    at = 0;
                    messages += 1;
                    turn.spend(1);
                    if let Some(received) = received {
                        self.take(received, batch, held, turn)?;
                    }
                }
                Ok(Found::Keepalive { used }) => {
                    at += used;
                    turn.spend(1);
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

    fn take(
        &self,
        Received { port, message }: Received,
        batch: &mut Batch,
        held: &mut Held,
        turn: &mut Turn,
    ) -> Result<(), String> {
        match port.is_node_port() {
            true => self.node_port(message, batch, Some(held), turn)?,
            false => batch.deliver(&port, message),
        }
        Ok(())
    }

    fn node_port(
        &self,
        message: Message,
        batch: &mut Batch,
        held: Option<&mut Held>,
        turn: &mut Turn,
    ) -> Result<(), String> {
        turn.spend_request();
        // It may be a function of the program's.
        let _working = self.worker.enter();
        self.worker.does(PortName::NODE_PORT.as_str());
        let sender = Sender::Peer(self.peer, self.generation);
        handle_node_port(self.node, sender, message, batch, held)
    }

    /// Writes until nothing more will come, or the connection fails, and says what happened.
    async fn write(&self, mut stream: &Shared, pulse: &Pulse) -> String {
        let mut written = Written::nothing(self.node.config.high_water);
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
    async fn keepalive(&self, bytes: &[u8]) {
        let mut ticks = Ticks::every(self.node.config.keepalive());
        loop {
            ticks.next().await;
            let seed = is_seed(self.node, self.peer);
            self.peer.keepalive(self.generation, bytes, seed);
        }
    }
}
