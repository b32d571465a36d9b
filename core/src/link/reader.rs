//! `Reader`: reads the stream of a connection and delivers its messages to the shards and the node port.

use std::io;
use std::time::Duration;

use aemp_proto::codec::{self, Place, Shown, consume, reserve};
use aemp_proto::message::COPY_BELOW;
use aemp_proto::node_protocol::TRACE;
use bytes::{Buf, BytesMut};
use tokio::io::AsyncReadExt;
use tokio::time::timeout;

use super::DeferredRequests;
use super::run::{Link, ReadEnd};
use super::shared::Shared;
use crate::allowance::log_within;
use crate::budget::{Budget, Turn};
use crate::codec::{Decoder, Envelope, Found};
use crate::peer::{Answers, is_recount_due};
use crate::shard::Batch;
use crate::traffic::Pulse;
use crate::{Excerpt, Message, PortName};

/// Bounds of the buffer space for one read, in bytes. It adapts to the size of the reads.
const MIN_READ: usize = 2 << 10;
const MAX_READ: usize = codec::MAX_READ;

/// How long a peer with deferred requests may read no bytes before further requests are refused.
const STALL_TIMEOUT: Duration = Duration::from_secs(1);

/// The reader of one connection.
pub(super) struct Reader<'a> {
    link: &'a Link<'a>,
    pulse: &'a Pulse,
    /// Messages that are not in the queues of the shards yet.
    batch: Batch,
    /// Requests that wait for room in the peer's queue.
    deferred: DeferredRequests,
    turn: Turn,
}

impl<'a> Reader<'a> {
    pub(super) fn new(link: &'a Link<'a>, pulse: &'a Pulse) -> Self {
        Self {
            link,
            pulse,
            batch: Batch::new(link.links.network.shards.clone()),
            deferred: DeferredRequests::default(),
            turn: Turn::new(Budget::LINK),
        }
    }

    /// Reads until the connection ends, and returns the reason. `early` gives the reason if nothing was read before.
    pub(super) async fn run(
        &mut self,
        mut stream: &Shared,
        decoder: &mut dyn Decoder,
        mut buffer: BytesMut,
        early: impl Fn() -> String,
    ) -> ReadEnd {
        let (link, pulse) = (self.link, self.pulse);
        let mut is_first = buffer.is_empty();
        let mut read_size = MIN_READ;
        let mut reported = 0;
        loop {
            let delivered = match self.answer_deferred() {
                Ok(()) => self.deliver(&mut buffer, decoder),
                Err(why) => Err(why),
            };
            // Complete messages are delivered even if an error follows.
            self.batch.flush();
            match delivered {
                Ok(messages) => pulse.received(messages),
                Err(why) => return ReadEnd::Failed(why),
            }
            self.batch.ready(|parked| pulse.park(parked)).await;
            if self.turn.is_exhausted() {
                self.turn.yield_now().await;
                continue;
            }
            if self.deferred.is_behind() {
                self.catch_up().await;
                continue;
            }
            if self.deferred.blocks_reading() {
                self.wait_or_refuse().await;
                continue;
            }
            if buffer.capacity() - buffer.len() < read_size {
                buffer.reserve(read_size);
            }
            if is_recount_due(reported, buffer.capacity()) {
                reported = link
                    .peer
                    .report_buffered(link.generation, buffer.capacity());
            }
            let has_deferred = !self.deferred.is_empty();
            let read = self.turn.wait(async {
                tokio::select! {
                    biased;
                    () = link.wait_for_room(), if has_deferred => None,
                    read = stream.read_buf(&mut buffer) => Some(read),
                }
            });
            let Some(read) = read.await else { continue };
            match read {
                // The peer has closed its direction and may wait for its answers. The next read returns 0 again.
                Ok(0) if has_deferred => self.turn.wait(link.wait_for_room()).await,
                Ok(0) if is_first => return ReadEnd::Closed(link.ended_by_peer(early())),
                Ok(0) => {
                    return ReadEnd::Closed(link.ended_by_peer("the peer closed the connection"));
                }
                Ok(n) => {
                    is_first = false;
                    pulse.read(n);
                    self.turn.spend_operation(n);
                    read_size = if n >= read_size {
                        (2 * read_size).min(MAX_READ)
                    } else {
                        (read_size / 2).max(n).max(MIN_READ)
                    };
                }
                Err(error) if is_first && error.kind() == io::ErrorKind::UnexpectedEof => {
                    return ReadEnd::Failed(link.ended_by_peer(early()));
                }
                Err(error) => return ReadEnd::Failed(link.ended_by_peer(error)),
            }
        }
    }

    /// Answers deferred requests while the peer's queue has room and the budget lasts.
    fn answer_deferred(&mut self) -> Result<(), String> {
        let Link { peer, host, .. } = self.link;
        while !self.deferred.is_empty() && !self.deferred.is_behind() && !self.turn.is_exhausted() {
            match self.link.answers() {
                Answers::Now => {}
                Answers::Later => break,
                // The connection takes no answers any more.
                Answers::Never => self.deferred = DeferredRequests::default(),
            }
            if let Some(request) = self.deferred.pop() {
                self.turn.spend_request();
                self.link.request(request, &mut self.batch, None)?;
                self.deferred.set_behind(host.is_behind(&peer.id));
            }
        }
        Ok(())
    }

    /// Waits until the directory has processed all requests of the peer. Nothing is read meanwhile.
    async fn catch_up(&mut self) {
        self.pulse.park(true);
        let Link { peer, host, .. } = self.link;
        self.turn.wait(host.caught_up(&peer.id)).await;
        self.deferred.set_behind(false);
        self.pulse.park(false);
    }

    /// Waits until the peer's queue has room for answers. If the peer reads no bytes for [`STALL_TIMEOUT`], further
    /// requests are refused instead. Nothing is read meanwhile.
    async fn wait_or_refuse(&mut self) {
        let Self { link, pulse, .. } = self;
        pulse.park(true);
        let has_room = self.turn.wait(async {
            loop {
                let before = pulse.written();
                if timeout(STALL_TIMEOUT, link.wait_for_room()).await.is_ok() {
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
            self.deferred.refuse();
        }
        pulse.park(false);
    }

    /// Delivers the complete messages in `buffer` while the budget lasts. Returns their number. The rest stays in the
    /// buffer.
    fn deliver(&mut self, buffer: &mut BytesMut, decoder: &mut dyn Decoder) -> Result<u64, String> {
        let link = self.link;
        // The offset after the last message.
        let mut at = 0;
        let mut messages = 0;
        let tapped = link.links.network.taps.is_on();
        loop {
            if self.turn.is_exhausted() || self.deferred.blocks_reading() {
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
                    consume(buffer, at + used, used);
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
                    reserve(buffer, at + used, more);
                    return Ok(messages);
                }
                Err(error) => {
                    // An AEMP stream cannot be resynchronised after an error.
                    log_within!(link.peer, WARN, target: "aemp::link", peer = %link.peer.id, error = %Excerpt(&error), "closing the connection");
                    return Err(error.to_string());
                }
            }
        }
    }

    fn take(&mut self, Envelope { port, message, .. }: Envelope) -> Result<(), String> {
        match port.is_node_port() {
            true => self.request(message)?,
            false => self.batch.deliver(&port, message),
        }
        Ok(())
    }

    fn request(&mut self, message: Message) -> Result<(), String> {
        // A context runs no code, and belongs to a message that counts.
        let reads_traces = self.link.links.settings.reads_traces;
        if !(reads_traces && message.tag().as_deref() == Some(TRACE)) {
            self.turn.spend_request();
        }
        self.link
            .request(message, &mut self.batch, Some(&mut self.deferred))
    }
}

impl Link<'_> {
    /// Whether the peer's queue has room for an answer.
    fn answers(&self) -> Answers {
        let high_water = self.links.network.config.high_water;
        self.peer.answers(self.generation, high_water)
    }

    /// Waits until the peer's queue has room for an answer.
    async fn wait_for_room(&self) {
        self.peer.ready(self.links.network.config.high_water).await;
    }

    /// Handles a request to the node port.
    fn request(
        &self,
        request: Message,
        batch: &mut Batch,
        deferred: Option<&mut DeferredRequests>,
    ) -> Result<(), String> {
        // The request may call a function of the program, which the watchdog has to see.
        let _working = self.worker.enter();
        self.worker.begin_item(PortName::NODE_PORT.as_str());
        let from = (self.peer, self.info);
        self.host.clone().request(from, request, batch, deferred)
    }
}
