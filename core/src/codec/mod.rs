//! What turns messages into bytes and back: the traits [`Codec`] and [`Decoder`], and what all codecs share.
//!
//! A codec sees one message at a time. Which port it is for is its first element (protocol.md section 4); who
//! sent it and whether it is welcome is no business of a codec.

mod capabilities;
mod decoder;
mod error;
mod format;
mod frame;
mod read;
mod refused;
mod scanner;
mod serializer;
mod sink;
mod token;
mod typed;
mod value_codec;
mod value_decoder;
mod writer;

use std::sync::Arc;

use bytes::BytesMut;

use crate::message::Wire;
use crate::{NodeId, PortId, Text, Value};

pub(crate) use decoder::{READ, Shown, need, pass};
pub(crate) use read::{Reader, Rest};

pub use capabilities::{Capabilities, Tags};
pub use decoder::{Decoder, Found, Front, Incoming, Received, StreamDecoder};
pub use error::{DecodeError, EncodeError};
pub use format::{BoxError, Head, Out, ValueFormat};
pub use scanner::{Begins, Heads, Inside, Scanned, Scanner, Step, is_utf8};
pub use sink::Sink;
pub use token::{Token, WireFormat};
pub use value_codec::{FormatError, ValueCodec};
pub use writer::{Emit, Refused, Writer};

pub use crate::value::perl_float;

/// How deep what is sent may nest, the message's own array included. AnyEvent::MP goes deaf past it
/// (protocol.md section 2).
pub const MAX_DEPTH: usize = 512;

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
        frame.encode(
            &self.encoder(),
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

/// How a codec writes messages.
#[derive(Clone)]
#[non_exhaustive]
pub enum Encoder {
    /// Token by token, which is quick: a type serialises into the bytes without a value in between.
    Tokens(&'static dyn Sink),
    /// From values, as [`ValueCodec`] does.
    Values(Arc<dyn ValueFormat>),
}

/// One message to be encoded.
#[derive(Clone, Copy)]
pub struct Frame<'a> {
    /// The name of the port on the receiving node.
    pub port: &'a str,
    /// The message.
    pub body: Outgoing<'a>,
    /// A port ID that follows the message's last element: where a `call` wants its answer.
    pub reply: Option<&'a PortId>,
}

/// The elements of a message to be encoded.
#[derive(Clone, Copy)]
pub enum Outgoing<'a> {
    /// Dynamic values.
    Values(&'a [Value]),
    /// A Rust value that serialises to a message's elements, as [`to_values`](crate::message::to_values) says.
    Typed(&'a dyn Emit),
    /// A message as it came from a peer.
    Wire(&'a Wire),
}

/// What a peer's messages must keep within. Breaking one fails the connection with an error that names it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Limits {
    /// The longest message in bytes; 16 MiB by default.
    pub message_size: usize,
    /// How deep arrays, maps and tags may nest, the message's own array included; 512 by default, as in
    /// AnyEvent::MP (protocol.md section 3).
    pub depth: usize,
    /// How many values a message may hold, at all levels together; 1,000,000 by default.
    pub items: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message_size: 16 << 20,
            depth: MAX_DEPTH,
            items: 1_000_000,
        }
    }
}

/// What a codec may know of the peer.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct PeerInfo {
    /// The peer's node ID.
    pub node: NodeId,
    /// Program and version as the peer's greeting says, empty if it does not.
    pub provider: Text,
}

impl PeerInfo {
    /// A peer called `node` that runs `provider`.
    pub fn new(node: NodeId, provider: impl Into<Text>) -> Self {
        Self {
            node,
            provider: provider.into(),
        }
    }

    /// Whether this is an AnyEvent::MP node, which sends text as byte strings and numbers as strings at times
    /// (protocol.md section 3).
    pub fn is_perl(&self) -> bool {
        self.provider.starts_with("AE-")
    }
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
