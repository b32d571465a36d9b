//! What turns messages into bytes and back: the traits [`Codec`] and [`Decoder`], and what all codecs share.
//!
//! A codec sees one message at a time. Which port it is for is its first element (protocol.md section 4); who
//! sent it and whether it is welcome is no business of a codec.

mod guarded;
mod value_codec;
mod value_decoder;

use std::sync::Arc;

use aemp_proto::codec::encode;
use bytes::BytesMut;

#[doc(inline)]
pub use aemp_proto::codec::{
    Begins, BoxError, DecodeError, Decoder, Encoder, Found, Frame, Front, Head, Heads, Incoming,
    Inside, Limits, Out, PeerInfo, Received, Scanned, Scanner, Step, StreamDecoder, ValueFormat,
    is_utf8,
};
#[doc(inline)]
pub use aemp_proto::message::Outgoing;
#[doc(inline)]
pub use aemp_proto::token::{Capabilities, Emit, Sink, Tags, Token, WireFormat};
#[doc(inline)]
pub use aemp_proto::value::{EncodeError, MAX_DEPTH};

#[doc(hidden)]
pub use aemp_proto::token::{Refused, Writer};

#[doc(no_inline)]
pub use crate::value::perl_float;

pub(crate) use guarded::guarded;

pub use value_codec::{FormatError, ValueCodec};

/// A framing of AEMP: how a message looks on the stream.
///
/// Over a serde library, [`ValueCodec`] is a whole one: implement [`ValueFormat`]. Quicker, and more work, is one that writes
/// tokens into a [`Sink`] and reads them by [`Heads`] and a [`WireFormat`].
pub trait Codec: Send + Sync {
    /// The token that stands for this codec in the greeting, such as `json` (protocol.md section 2).
    fn name(&self) -> &str;

    /// What this codec can carry to `peer`.
    fn capabilities(&self, peer: &PeerInfo) -> Capabilities;

    /// How it writes.
    fn encoder(&self) -> Encoder;

    /// Appends `frame`, which goes to `peer`, to `out` as one array: the port's name, the elements, the reply.
    ///
    /// Not to be written anew: a node asks for the encoder and the capabilities when a connection comes up, and does the
    /// same with them for each message.
    ///
    /// # Errors
    /// Where this codec cannot carry an element exactly, or it nests deeper than [`MAX_DEPTH`]; `out` is then
    /// left as it was.
    fn encode(
        &self,
        frame: &Frame<'_>,
        peer: &PeerInfo,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        encode(
            frame,
            &guarded(self.encoder()),
            &self.capabilities(peer),
            || self.name(),
            out,
        )
    }

    /// The bytes of an empty array, which peers ignore: the keepalive (protocol.md section 4).
    fn keepalive(&self) -> &[u8];

    /// A decoder for one connection, from a peer whose messages must keep within `limits`.
    fn decoder(&self, limits: &Limits, peer: &PeerInfo) -> Box<dyn Decoder>;
}

/// The codecs of a node, best first.
#[derive(Clone, Default)]
pub struct Codecs(Vec<Arc<dyn Codec>>);

impl Codecs {
    /// Adds a codec at the end, in the place of one with the same name if there is one.
    pub fn add(&mut self, codec: Arc<dyn Codec>) {
        match self.0.iter_mut().find(|c| c.name() == codec.name()) {
            Some(same) => *same = codec,
            None => self.0.push(codec),
        }
    }

    /// The codec called `name`.
    pub fn get(&self, name: &str) -> Option<&Arc<dyn Codec>> {
        self.0.iter().find(|codec| codec.name() == name)
    }

    /// Their names, best first.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|codec| codec.name())
    }

    /// Keeps those called `names`, in that order. A name without a codec is returned as the error.
    pub fn select<'n>(&self, names: &[&'n str]) -> Result<Self, &'n str> {
        let chosen = names
            .iter()
            .map(|name| self.get(name).cloned().ok_or(*name));
        chosen.collect::<Result<_, _>>().map(Self)
    }
}
