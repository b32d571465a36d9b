//! `Connection`: what belongs to one connection of a peer beside the machine: its codec, what taps and statistics see.

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
use crate::traffic::{LinkInfo, Taps, Traffic};
use crate::{Excerpt, PortName, Value};

/// Bytes of a message that may be over the limits of its receiver: a value takes a byte at least.
const LARGE: usize = 1_000_000;

/// For how long a message that may be too large is remembered as what the peer may have refused.
const RECENT: Duration = Duration::from_secs(30);

pub(super) struct Connection {
    codec: Arc<dyn Codec>,
    facts: PeerInfo,
    /// What the codec can carry to the peer, and how it writes: asked once, since each message needs both.
    capabilities: Capabilities,
    encoder: Encoder,
    /// What a message must keep within: what this node takes itself.
    limits: Limits,
    pub(super) info: LinkInfo,
    taps: Arc<Taps>,
    pub(super) sent: Traffic,
    /// The last message that may have been too large for the peer.
    large: Option<Large>,
    /// Ends the link's task.
    pub(super) cancel: CancellationToken,
}

/// A message that may have been too large for the peer.
struct Large {
    port: PortName,
    bytes: usize,
    sent_at: Instant,
}

impl Connection {
    /// One that is about to come up.
    pub(super) fn new(
        network: Option<&Arc<Network>>,
        codec: Arc<dyn Codec>,
        facts: &PeerInfo,
        info: LinkInfo,
        cancel: CancellationToken,
    ) -> Self {
        let limits = network.map(|network| network.config.limits.clone());
        let limits = limits.unwrap_or_default();
        let taps = network.map(|network| network.taps.clone());
        let taps = taps.unwrap_or_default();
        // Before anything is sent on it.
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

    /// It has ended, for this reason.
    pub(super) fn down(self, reason: &str) {
        self.taps.down(&self.info, reason);
    }

    /// Checks a message of which the length alone does not tell that it keeps within the limits.
    #[cold]
    fn check(&self, message: &[u8]) -> Result<(), EncodeError> {
        let (size, limit) = (message.len(), self.limits.message_size);
        if size > limit {
            return Err(EncodeError::TooLarge { size, limit });
        }
        match self.codec.decoder(&self.limits, &self.facts).find(message) {
            Ok(Found::Message { .. } | Found::Decoded { .. } | Found::Keepalive { .. }) => Ok(()),
            Err(DecodeError::TooManyItems { limit }) => Err(EncodeError::TooManyItems { limit }),
            Ok(Found::Need { .. }) => Err(EncodeError::Serialize("it has no end".into())),
            Err(error) => Err(EncodeError::Serialize(error.to_string())),
        }
    }

    #[cold]
    fn remember(&mut self, port: &str, bytes: usize) {
        self.large = Some(Large {
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
        self.sent.messages += 1;
        self.sent.bytes += len as u64;
        if len >= LARGE {
            self.remember(frame.port, len);
        }
        if self.taps.is_on() {
            self.taps.sent(&self.info, &*self.codec, &out[start..]);
        }
        Ok(())
    }

    fn fit(&self, elements: &[Value]) -> Values {
        self.capabilities.fit(elements)
    }
}

impl Peer {
    /// `why` the connection `generation` was ended by the peer, with what the peer may not have taken: one that refuses a
    /// message closes the connection without a word.
    pub(crate) fn ended_by_peer(&self, generation: Generation, why: String) -> String {
        let mut state = self.lock();
        let connection = state.machine.connection_of(generation);
        let large = connection.and_then(|connection| connection.large.take());
        let Some(large) = large.filter(|large| large.sent_at.elapsed() < RECENT) else {
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
