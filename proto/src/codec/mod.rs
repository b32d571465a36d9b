//! What turns messages into bytes and back: [`encode`] and the trait [`Decoder`], and what all codecs share. The trait
//! that a codec implements is `aemp_core::codec::Codec`.
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
mod writer;

use std::sync::Arc;

use crate::message::Wire;
use crate::{NodeId, PortId, Text, Value};

pub(crate) use capabilities::step;
pub(crate) use read::Reader;

pub use capabilities::{Capabilities, Tags};
pub use decoder::{
    Decoder, Found, Front, Incoming, Place, Prefix, READ, Received, Shown, StreamDecoder, need,
    pass,
};
pub use error::{DecodeError, EncodeError};
pub use format::{BoxError, Head, Out, ValueFormat, write};
pub use frame::encode;
pub use read::Rest;
pub use scanner::{Begins, DEEPEST, Heads, Inside, Scanned, Scanner, Step, is_utf8};
pub use sink::Sink;
pub use token::{Token, WireFormat};
pub use writer::{Emit, Refused, Writer};

pub use crate::value::perl_float;

/// How deep what is sent may nest, the message's own array included. AnyEvent::MP goes deaf past it
/// (protocol.md section 2).
pub const MAX_DEPTH: usize = 512;

/// How a codec writes messages.
#[derive(Clone)]
#[non_exhaustive]
pub enum Encoder {
    /// Token by token, which is quick: a type serialises into the bytes without a value in between.
    Tokens(&'static dyn Sink),
    /// From values, as `aemp_core::codec::ValueCodec` does.
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
