//! `Reader`: from a connection's stream to the shards, and to the node port.

use std::time::Duration;

use aemp_proto::codec::{Place, READ, Shown, need, pass};
use aemp_proto::message::COPY_BELOW;
use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::Held;
use super::run::{End, Link};
use super::shared::Shared;
use crate::allowance::log_within;
use crate::budget::{Budget, Turn};
use crate::codec::{Decoder, Found, Received};
use crate::peer::{Answers, is_recount_due};
use crate::shard::Batch;
use crate::traffic::Pulse;
use crate::{Excerpt, Message, PortName};

/// Room for one read in bytes, which grows with what arrives.
const SMALLEST_READ: usize = 2 << 10;
const LARGEST_READ: usize = READ;

/// How long a peer that asks may take no bytes before its questions are refused.
const PATIENCE: Duration = Duration::from_secs(1);

/// What reads one connection.
pub(super) struct Reader<'a> {
    link: &'a Link<'a>,
    pulse: &'a Pulse,
    /// Messages that were read and are not in the shards' queues yet.
    batch: Batch,
    /// Questions whose answers wait for room.
    held: Held,
    turn: Turn,
}

impl<'a> Reader<'a> {
    pub(super) fn new(link: &'a Link<'a>, pulse: &'a Pulse) -> Self {
        Self {
            link,
            pulse,
            batch: Batch::new(link.links.network.shards.clone()),
            held: Held::default(),
            turn: Turn::new(Budget::LINK),
        }
    }

    /// Reads until the connection ends, and returns why. `early` gives the reason if nothing was read before the end.
    pub(super) async fn run(
        &mut self,
        mut stream: &Shared,
        decoder: &mut dyn Decoder,
        mut buffer: BytesMut,
        early: impl Fn() -> String,
    ) -> End {
        let (link, pulse) = (self.link, self.pulse);
        let mut fresh = buffer.is_empty();
        let mut room = SMALLEST_READ;
        let mut counted = 0;
        loop {
            let delivered = match self.answer_held() {
                Ok(()) => self.deliver(&mut buffer, decoder),
                Err(why) => Err(why),
            };
            // What arrived whole is delivered, also before an error.
            self.batch.flush();
            match delivered {
                Ok(messages) => pulse.received(messages),
                Err(why) => return End::Failed(why),
            }
            self.batch.ready(|parked| pulse.park(parked)).await;
            if self.turn.is_over() {
                self.turn.yield_now().await;
                continue;
            }
            if self.held.is_behind() {
                self.catch_up().await;
                continue;
            }
            if self.held.blocks() {
                self.room_or_refuse().await;
                continue;
            }
            if buffer.capacity() - buffer.len() < room {
                buffer.reserve(room);
            }
            if is_recount_due(counted, buffer.capacity()) {
                counted = link
                    .peer
                    .report_buffered(link.generation, buffer.capacity());
            }
            let is_holding = !self.held.is_empty();
            let read = self.turn.wait(async {
                tokio::select! {
                    biased;
                    () = link.room_for_answers(), if is_holding => None,
                    read = stream.read_buf(&mut buffer) => Some(read),
                }
            });
            let Some(read) = read.await else { continue };
            match read {
                // The peer closes its direction, and may wait for its answers. The end is read again after them.
                Ok(0) if is_holding => self.turn.wait(link.room_for_answers()).await,
                Ok(0) if fresh => return End::Closed(link.ended_by_peer(early())),
                Ok(0) => {
                    return End::Closed(link.ended_by_peer("the peer closed the connection"));
                }
                Ok(n) => {
                    fresh = false;
                    pulse.beat(n);
                    self.turn.spend_much(n);
                    room = if n >= room {
                        (2 * room).min(LARGEST_READ)
                    } else {
                        (room / 2).max(n).max(SMALLEST_READ)
                    };
                }
                Err(error) => return End::Failed(link.ended_by_peer(error)),
            }
        }
    }

    /// Answers held questions while the peer's queue has room and the turn lasts.
    fn answer_held(&mut self) -> Result<(), String> {
        let Link { peer, host, .. } = self.link;
        while !self.held.is_empty() && !self.held.is_behind() && !self.turn.is_over() {
            match self.link.answers() {
                Answers::Now => {}
                Answers::Later => break,
                // Nobody will read them.
                Answers::Never => self.held = Held::default(),
            }
            if let Some(question) = self.held.pop() {
                self.turn.spend_request();
                self.link.request(question, &mut self.batch, None)?;
                self.held.set_behind(host.is_behind(&peer.id));
            }
        }
        Ok(())
    }

    /// Waits until the directory has done all that the peer has asked it. Nothing is read meanwhile.
    async fn catch_up(&mut self) {
        self.pulse.park(true);
        let Link { peer, host, .. } = self.link;
        self.turn.wait(host.caught_up(&peer.id)).await;
        self.held.set_behind(false);
        self.pulse.park(false);
    }

    /// Waits until the peer's queue has room for answers. When the peer takes no bytes for [`PATIENCE`], its questions
    /// are refused instead. Nothing is read meanwhile.
    async fn room_or_refuse(&mut self) {
        let Self { link, pulse, .. } = self;
        pulse.park(true);
        let has_room = self.turn.wait(async {
            loop {
                let before = pulse.written();
                if timeout(PATIENCE, link.room_for_answers()).await.is_ok() {
                    return true;
                }
                if pulse.written() == before {
                    return false;
                }
            }
        });
        if !has_room.await {
            let peer = link.peer;
            log_within!(peer, WARN, target: "aemp::link", peer = %peer.id, "the peer takes no answers: its questions are refused until it does");
            self.held.refuse();
        }
        pulse.park(false);
    }

    /// Delivers the whole messages in `buffer` while the turn lasts, and returns how many. The rest stays in the buffer.
    fn deliver(&mut self, buffer: &mut BytesMut, decoder: &mut dyn Decoder) -> Result<u64, String> {
        let link = self.link;
        // Where the next message begins, or what is between messages.
        let mut at = 0;
        let mut messages = 0;
        let tapped = link.links.network.taps.is_on();
        loop {
            if self.turn.is_over() || self.held.blocks() {
                buffer.advance(at);
                return Ok(messages);
            }
            let found = decoder.find(&buffer[at..]);
            if tapped
                && let Ok(found) = &found
                && let Some(shown) = Shown::of(found, &buffer[at..])
            {
                link.links.network.taps.received(link.info, &shown);
            }
            match found {
                Ok(Found::Message { used, message }) if message.bytes().len() < COPY_BELOW => {
                    at += used;
                    messages += 1;
                    self.turn.spend(1);
                    match message.port().is_node_port() {
                        true => self.request(message.to_message())?,
                        false => self.batch.deliver_incoming(message),
                    }
                }
                Ok(Found::Message { used, message }) => {
                    let place = Place::of(&message);
                    let received = place.take(buffer, at + used);
                    at = 0;
                    messages += 1;
                    self.turn.spend(1);
                    self.take(received)?;
                }
                Ok(Found::Decoded { used, received }) => {
                    let received = received.take();
                    pass(buffer, at + used, used);
                    at = 0;
                    messages += 1;
                    self.turn.spend(1);
                    if let Some(received) = received {
                        self.take(received)?;
                    }
                }
                Ok(Found::Keepalive { used }) => {
                    at += used;
                    self.turn.spend(1);
                }
                Ok(Found::Need { used, more }) => {
                    need(buffer, at + used, more);
                    return Ok(messages);
                }
                Err(error) => {
                    // An AEMP stream cannot be read on after an error.
                    log_within!(link.peer, WARN, target: "aemp::link", peer = %link.peer.id, error = %Excerpt(&error), "closing the connection");
                    return Err(error.to_string());
                }
            }
        }
    }

    fn take(&mut self, Received { port, message }: Received) -> Result<(), String> {
        match port.is_node_port() {
            true => self.request(message)?,
            false => self.batch.deliver(&port, message),
        }
        Ok(())
    }

    fn request(&mut self, message: Message) -> Result<(), String> {
        self.turn.spend_request();
        self.link
            .request(message, &mut self.batch, Some(&mut self.held))
    }
}

impl Link<'_> {
    /// Whether the peer's queue has room for an answer.
    fn answers(&self) -> Answers {
        let high_water = self.links.network.config.high_water;
        self.peer.answers(self.generation, high_water)
    }

    /// Waits until it has.
    async fn room_for_answers(&self) {
        self.peer.ready(self.links.network.config.high_water).await;
    }

    /// Handles a request to the node port.
    fn request(
        &self,
        request: Message,
        batch: &mut Batch,
        held: Option<&mut Held>,
    ) -> Result<(), String> {
        // It may be a function of the program's.
        let _working = self.worker.enter();
        self.worker.does(PortName::NODE_PORT.as_str());
        let from = (self.peer, self.generation);
        self.host.clone().request(from, request, batch, held)
    }
}
