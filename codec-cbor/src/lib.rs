//! The `cbor` framing of aemp: [`Cbor`], a [`Codec`] whose messages are one CBOR array each (RFC 8949; protocol.md
//! section 3).
//!
//! It carries everything a message can hold ([`Capabilities::ALL`]). Towards AnyEvent::MP it refuses what those nodes
//! cannot read or read as something else: simple values, integers below -2^63, and tags, but for dates and times (0, 1),
//! long integers, decimal and other fractions (2, 4, 30), whose content has to be well-formed and of bounded length, and
//! tags that have no meaning there, Perl's references (22098) and the self-description (55799) among them. Reading takes
//! all of RFC 8949: indefinite lengths, half floats, tags, numbers that are not in their shortest form. Writing uses
//! definite lengths and shortest forms.
//!
//! [`notation`] reads what `Display` of a [`Value`](aemp_core::Value) writes: CBOR's diagnostic notation. With the feature
//! `ciborium`, `to_ciborium` and `from_ciborium` convert values to `ciborium::Value` and back.
//!
//! Writing is a `Sink`, which the core hands the tokens of a message. Reading is [`CborHeads`], which the core's scanner
//! drives over the stream, and a `WireFormat` that hands out the tokens of a whole message.

#[cfg(feature = "ciborium")]
mod convert;
mod head;
mod heads;
pub mod notation;
mod perl;
mod token;
mod write;

use aemp_core::codec::{Capabilities, Codec, Decoder, Encoder, Limits, PeerInfo, StreamDecoder};

#[cfg(feature = "ciborium")]
pub use convert::{from_ciborium, to_ciborium};
pub use heads::CborHeads;

/// The codec.
///
/// ```
/// use aemp_codec_cbor::Cbor;
/// use aemp_core::codec::{Codec, Frame, Limits, Outgoing, PeerInfo};
///
/// let peer = PeerInfo::new("peer".parse()?, "");
/// let frame = Frame { port: "counter", body: Outgoing::Typed(&("add", 41)), reply: None };
/// let mut wire = bytes::BytesMut::new();
/// Cbor.encode(&frame, &peer, &mut wire)?;
/// assert_eq!(wire, &b"\x83\x67counter\x63add\x18\x29"[..]);
///
/// let mut decoder = Cbor.decoder(&Limits::default(), &peer);
/// let received = decoder.decode(&mut wire)?.expect("the message is whole");
/// assert_eq!(received.port.as_str(), "counter");
/// assert_eq!(received.message.parse::<(String, i64)>()?, ("add".to_owned(), 41));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Cbor;

/// The framing's token in greetings.
const NAME: &str = "cbor";

impl Codec for Cbor {
    fn name(&self) -> &str {
        NAME
    }

    /// Everything, but to AnyEvent::MP only what does not make it deaf (protocol.md section 3).
    fn capabilities(&self, peer: &PeerInfo) -> Capabilities {
        match peer.is_perl() {
            true => perl::CAPABILITIES,
            false => Capabilities::ALL,
        }
    }

    fn encoder(&self) -> Encoder {
        Encoder::Tokens(&write::Tokens)
    }

    fn keepalive(&self) -> &[u8] {
        b"\x80"
    }

    fn decoder(&self, limits: &Limits, peer: &PeerInfo) -> Box<dyn Decoder> {
        let heads = CborHeads::default();
        Box::new(StreamDecoder::new(
            NAME,
            heads,
            &token::Tokens,
            limits,
            peer,
        ))
    }
}
