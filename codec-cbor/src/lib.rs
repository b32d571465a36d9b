//! The `cbor` framing of aemp: [`Cbor`], a [`Codec`] whose messages are one CBOR array each (RFC 8949; protocol.md
//! section 3).
//!
//! It carries everything a message can hold ([`Capabilities::ALL`]), but no simple values towards AnyEvent::MP. Reading
//! takes all of RFC 8949: indefinite lengths, half floats, tags, numbers that are not in their shortest form. Writing
//! uses definite lengths and shortest forms.
//!
//! Writing is a `Sink`, which the core hands the tokens of a message. Reading is [`CborHeads`], which the core's scanner
//! drives over the stream, and a `WireFormat` that hands out the tokens of a whole message.

mod head;
mod heads;
mod token;
mod write;

use aemp_core::codec::{Capabilities, Codec, Decoder, Limits, PeerInfo, Sink, StreamDecoder};

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

    /// Everything, but no simple values to AnyEvent::MP, which goes deaf from them (protocol.md section 3).
    fn capabilities(&self, peer: &PeerInfo) -> Capabilities {
        let mut capabilities = Capabilities::ALL;
        capabilities.simple = !peer.is_perl();
        capabilities
    }

    fn sink(&self) -> &'static dyn Sink {
        &write::Tokens
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
