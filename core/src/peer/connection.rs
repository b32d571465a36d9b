//! `Connection`: the state of one connection of a peer outside of the machine: its codec, taps and statistics.

use std::sync::Arc;
use std::time::Duration;

use aemp_proto::codec::encode;
use aemp_proto::peer;
use bytes::BytesMut;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{Generation, Network, Peer};
use crate::codec::{
    Capabilities, Codec, DecodeError, EncodeError, Encoder, Found, Frame, Limits, PeerInfo, guarded,
};
use crate::message::Values;
use crate::trace::TraceContext;
use crate::traffic::{ConnectionInfo, Taps, Traffic};
use crate::{Excerpt, PortName, Value};

/// Bytes of a message from which on it may exceed the default limits of its receiver, also the limit on values: a value
/// takes at least a byte.
const MAYBE_TOO_LARGE: usize = 1_000_000;

/// How long after a large message the end of the connection is explained by it.
const EXPLAINED_FOR: Duration = Duration::from_secs(30);

pub(super) struct Connection {
    codec: Arc<dyn Codec>,
    facts: PeerInfo,
    /// The capabilities and the encoder of the codec. Fetched once, since each message needs both.
    capabilities: Capabilities,
    encoder: Encoder,
    /// The limits of a message: the same that this node sets for messages of peers.
    limits: Limits,
    pub(super) info: ConnectionInfo,
    taps: Arc<Taps>,
    pub(super) sent: Traffic,
    /// The last message that may have been too large for the peer.
    large: Option<LargeMessage>,
    /// Ends the link's task.
    pub(super) cancel: CancellationToken,
}

/// A message that may have been too large for the peer.
struct LargeMessage {
    port: PortName,
    bytes: usize,
    sent_at: Instant,
}

impl Connection {
    /// A connection that is about to come up.
    pub(super) fn new(
        network: Option<&Arc<Network>>,
        codec: Arc<dyn Codec>,
        facts: &PeerInfo,
        info: ConnectionInfo,
        cancel: CancellationToken,
    ) -> Self {
        let limits = network.map(|network| network.config.limits.clone());
        let limits = limits.unwrap_or_default();
        let taps = network.map(|network| network.taps.clone());
        let taps = taps.unwrap_or_default();
        // Before the first message is sent.
        taps.up(&info);
        let mut capabilities = codec.capabilities(facts);
        capabilities.depth = capabilities.depth.min(limits.depth);
        Self {
            encoder: guarded(codec.encoder()),
            facts: facts.clone(),
            codec,
            capabilities,
            limits,
            info,
            taps,
            sent: Traffic::default(),
            large: None,
            cancel,
        }
    }

    /// Reports the end of the connection to the taps.
    pub(super) fn down(&self, reason: &str) {
        self.taps.down(&self.info, reason);
    }

    /// Checks the limits of a message whose length alone does not prove that it keeps within them.
    #[cold]
    fn check(&self, message: &[u8]) -> Result<(), EncodeError> {
        let (size, limit) = (message.len(), self.limits.message_size);
        if size > limit {
            return Err(EncodeError::too_large(size, limit));
        }
        match self.codec.decoder(&self.limits, &self.facts).find(message) {
            Ok(Found::Message { .. } | Found::Decoded { .. } | Found::Keepalive { .. }) => Ok(()),
            Err(DecodeError::TooManyItems { limit, .. }) => Err(EncodeError::too_many_items(limit)),
            Ok(Found::Need { .. }) => Err(EncodeError::serialize("it has no end")),
            Err(error) => Err(EncodeError::serialize(error.to_string())),
        }
    }

    #[cold]
    fn remember_large(&mut self, port: &str, bytes: usize) {
        self.large = Some(LargeMessage {
            port: port.into(),
            bytes,
            sent_at: Instant::now(),
        });
    }
}

impl peer::Connection for Connection {
    #[inline]
    fn encode(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        self.write(frame, out)?;
        self.count(&out[start..]);
        Ok(())
    }

    fn encode_traced(
        &mut self,
        context: &TraceContext,
        frame: &Frame<'_>,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        if !self.info.reads_traces() {
            return self.encode(frame, out);
        }
        let start = out.len();
        if self
            .write(&Frame::new("", &context.to_request()), out)
            .is_err()
        {
            // No message is refused because of its trace, where messages are limited to less than a context, for example.
            out.truncate(start);
        }
        let message = out.len();
        self.write(frame, out)?;
        if message > start {
            self.count(&out[start..message]);
        }
        self.count(&out[message..]);
        Ok(())
    }

    fn fit(&self, elements: &[Value]) -> Values {
        self.capabilities.to_lossy(elements)
    }
}

impl Connection {
    /// Appends a message to `out`.
    #[inline(always)]
    fn write(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), EncodeError> {
        let start = out.len();
        encode(
            frame,
            &self.encoder,
            &self.capabilities,
            || self.codec.name(),
            out,
        )?;
        let len = out.len() - start;
        if len > self.limits.message_size.min(self.limits.items) {
            self.check(&out[start..])?;
        }
        if len >= MAYBE_TOO_LARGE {
            self.remember_large(frame.port, len);
        }
        Ok(())
    }

    /// Counts an encoded message, and shows it to the taps.
    #[inline(always)]
    fn count(&mut self, message: &[u8]) {
        self.sent.messages += 1;
        self.sent.bytes += message.len() as u64;
        if self.taps.is_on() {
            self.taps.sent(&self.info, &*self.codec, message);
        }
    }
}

impl Peer {
    /// Extends `why`, the reason for which the peer ended the connection `generation`, by the last large message, if
    /// that is recent: a peer that refuses a message closes the connection and sends no reason.
    pub(crate) fn ended_by_peer(&self, generation: Generation, why: String) -> String {
        let mut state = self.lock();
        let connection = state.machine.connection_of(generation);
        let large = connection.and_then(|connection| connection.large.take());
        let Some(large) = large.filter(|large| large.sent_at.elapsed() < EXPLAINED_FOR) else {
            return why;
        };
        let (ago, limits) = (large.sent_at.elapsed(), Limits::default());
        format!(
            "{why}; {:.1} s before, a message of {} bytes to {:?} was sent: a node takes at most {} bytes, {} values and \
             {} levels in one unless its limits say otherwise, and only its log tells if it refused this one",
            ago.as_secs_f64(),
            large.bytes,
            Excerpt(self.id.port(large.port)),
            limits.message_size,
            limits.items,
            limits.depth,
        )
    }
}
