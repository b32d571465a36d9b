//! Codecs encode and decode messages: the traits [`Codec`] and [`Decoder`], and the parts that all codecs share.
//!
//! A codec handles one message at a time. The first element of a message is the name of its port ([protocol.md section
//! 4]). A codec does not know the sender and does not decide whether a message is accepted.
//!
//! [protocol.md section 4]: crate::protocol#4-messages

mod guarded;
mod value_codec;
mod value_decoder;

use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;

#[doc(inline)]
pub use aemp_proto::codec::{
    Begins, BoxError, DecodeError, Decoder, Encoder, Envelope, Found, Frame, Head, Header,
    Incoming, Limits, Out, PeerInfo, Position, Scanned, Scanner, Step, StreamDecoder, Tokenizer,
    ValueFormat, decode, is_utf8,
};
#[doc(inline)]
pub use aemp_proto::message::Outgoing;
#[doc(inline)]
pub use aemp_proto::token::{Capabilities, Emit, Tags, Token, TokenReader, TokenWriter};
#[doc(inline)]
pub use aemp_proto::value::{EncodeError, MAX_DEPTH};

#[doc(hidden)]
pub use aemp_proto::token::{Refused, Writer};

#[doc(no_inline)]
pub use crate::value::perl_float;

pub(crate) use guarded::guarded;

pub use value_codec::{FormatError, ValueCodec};

/// A framing of AEMP: the format of a message on the stream.
///
/// The easy way to write one over a serde library is [`ValueCodec`]: implement [`ValueFormat`]. A codec that writes
/// tokens into a [`TokenWriter`], and reads them by [`Tokenizer`] and a [`TokenReader`], is faster, and more work.
///
/// Here JSON under a name of its own, which peers without it do not take by mistake:
///
/// ```
/// use aemp::Json;
/// use aemp::codec::{Capabilities, Codec, Decoder, Encoder, Limits, PeerInfo};
///
/// struct OurJson;
///
/// impl Codec for OurJson {
///     fn name(&self) -> &str {
///         "our_json"
///     }
///     fn capabilities(&self, peer: &PeerInfo) -> Capabilities {
///         Json.capabilities(peer)
///     }
///     fn encoder(&self) -> Encoder {
///         Json.encoder()
///     }
///     fn keepalive(&self) -> &[u8] {
///         Json.keepalive()
///     }
///     fn decoder(&self, limits: &Limits, peer: &PeerInfo) -> Box<dyn Decoder> {
///         Json.decoder(limits, peer)
///     }
/// }
///
/// let builder = aemp::node().codec(OurJson);
/// # drop(builder);
/// ```
pub trait Codec: Send + Sync {
    /// The token of this codec in the greeting, such as `json` ([protocol.md section 2]).
    ///
    /// [protocol.md section 2]: crate::protocol#2-opening-a-connection
    fn name(&self) -> &str;

    /// The values that this codec can carry to `peer`.
    fn capabilities(&self, peer: &PeerInfo) -> Capabilities;

    /// The encoder of this codec.
    fn encoder(&self) -> Encoder;

    /// The keepalive: the bytes of an empty array, which peers ignore ([protocol.md section 4]).
    ///
    /// [protocol.md section 4]: crate::protocol#4-messages
    fn keepalive(&self) -> &[u8];

    /// A decoder for one connection, for messages of `peer` within `limits`.
    fn decoder(&self, limits: &Limits, peer: &PeerInfo) -> Box<dyn Decoder>;
}

/// Appends `frame`, a message to `peer`, to `out` in the framing of `codec`, as one array: the port's name, the elements,
/// the reply. So does a node, which fetches the encoder and the capabilities once for each connection.
///
/// # Errors
/// If the codec cannot carry an element exactly, or an element nests deeper than [`MAX_DEPTH`]. `out` is unchanged then.
pub fn encode(
    codec: &dyn Codec,
    frame: &Frame<'_>,
    peer: &PeerInfo,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    aemp_proto::codec::encode(
        frame,
        &guarded(codec.encoder()),
        &codec.capabilities(peer),
        || codec.name(),
        out,
    )
}

/// The codecs of a node, best first.
#[derive(Clone, Default)]
pub(crate) struct Codecs(Vec<Arc<dyn Codec>>);

impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

impl Codecs {
    /// Adds a codec at the end, or replaces the one with the same name.
    pub(crate) fn add(&mut self, codec: Arc<dyn Codec>) {
        match self.0.iter_mut().find(|c| c.name() == codec.name()) {
            Some(same) => *same = codec,
            None => self.0.push(codec),
        }
    }

    /// The codec called `name`.
    pub(crate) fn get(&self, name: &str) -> Option<&Arc<dyn Codec>> {
        self.0.iter().find(|codec| codec.name() == name)
    }

    /// Their names, best first.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(|codec| codec.name())
    }

    /// Selects the codecs called `names`, in that order.
    ///
    /// # Errors
    /// The name without a codec.
    pub(crate) fn select<'n>(&self, names: &[&'n str]) -> Result<Self, &'n str> {
        let chosen = names
            .iter()
            .map(|name| self.get(name).cloned().ok_or(*name));
        chosen.collect::<Result<_, _>>().map(Self)
    }
}
