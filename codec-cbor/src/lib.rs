//! The `cbor` framing of aemp: [`Cbor`], a [`Codec`] whose messages are one CBOR array each (RFC 8949; [protocol.md
//! section 3]).
//!
//! It can carry all values ([`Capabilities::ALL`]). To AnyEvent::MP nodes it refuses values that they cannot read or
//! read as other values: simple values, integers below -2^63, and most tags. Allowed tags are dates and times (0, 1),
//! long integers, decimal and other fractions (2, 4, 30), if their content is well-formed and of bounded length, and
//! tags without a meaning there, including Perl's references (22098) and the self-description (55799). The reader
//! accepts all of RFC 8949: indefinite lengths, half floats, tags, numbers that are not in their shortest form. The
//! writer uses definite lengths and shortest forms.
//!
//! [`notation`] parses CBOR's diagnostic notation, which is the output of `Display` of a [`Value`](aemp_core::Value).
//! With the feature `ciborium`, `to_ciborium` and `from_ciborium` convert values to `ciborium::Value` and back.
//!
//! The writer is a `TokenWriter`, to which the core passes the tokens of a message. The reader consists of [`CborHeads`],
//! which the core's scanner drives over the stream, and a `TokenReader`, which returns the tokens of a complete message.
//!
//! [protocol.md section 3]: aemp_core::protocol#3-framings

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
#[doc(hidden)]
pub use heads::CborHeads;

/// The codec `cbor`: a message is a CBOR array (RFC 8949). It carries every [`Value`](aemp_core::Value).
///
/// ```
/// use aemp::Cbor;
/// use aemp::codec::{Codec, Frame, Limits, Outgoing, PeerInfo, decode, encode};
///
/// let peer = PeerInfo::new("peer".parse()?, "");
/// let frame = Frame::with_body("counter", Outgoing::Typed(&("add", 41)));
/// let mut wire = bytes::BytesMut::new();
/// encode(&Cbor, &frame, &peer, &mut wire)?;
/// assert_eq!(wire, &b"\x83\x67counter\x63add\x18\x29"[..]);
///
/// let mut decoder = Cbor.decoder(&Limits::default(), &peer);
/// let received = decode(&mut *decoder, &mut wire)?.expect("the message is whole");
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

    /// All values; to AnyEvent::MP nodes only those that their decoder survives (protocol.md section 3).
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
