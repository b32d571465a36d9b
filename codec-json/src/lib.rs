//! The `json` framing of aemp: [`Json`], a [`Codec`] whose messages are one JSON array each, in UTF-8, with white space
//! between messages allowed (protocol.md section 3).
//!
//! JSON carries a part of what messages can hold ([`Capabilities::JSON`]). Byte strings (but to Perl nodes), tags, map
//! keys other than texts, NaN and infinities, and integers beyond -2^63 to 2^64-1 are refused when a message is encoded,
//! with the path to them; an integer beyond that range is refused when it is received, too, and never becomes a float. So
//! is a float beyond the range of doubles, but from Perl nodes, whose greatest double is written as such a number: theirs
//! are that double and infinity ([`perl_float`](aemp_core::codec::perl_float)).
//!
//! [`to_json`] and [`from_json`] convert values to `serde_json::Value` and back.
//!
//! Writing is a `Sink`, which the core hands the tokens of a message; floats and texts with escapes are serde_json's.
//! Reading is [`JsonHeads`], which the core's scanner drives over the stream, and a `WireFormat` that hands out the
//! tokens of a whole message.

mod convert;
mod heads;
mod scalar;
mod token;
mod write;

use aemp_core::codec::{Capabilities, Codec, Decoder, Encoder, Limits, PeerInfo, StreamDecoder};

pub use convert::{from_json, to_json};
pub use heads::JsonHeads;

/// The codec.
///
/// ```
/// use aemp_codec_json::Json;
/// use aemp_core::codec::{Codec, Frame, Limits, Outgoing, PeerInfo};
///
/// let peer = PeerInfo::new("peer".parse()?, "");
/// let frame = Frame { port: "counter", body: Outgoing::Typed(&("add", 41)), reply: None };
/// let mut wire = bytes::BytesMut::new();
/// Json.encode(&frame, &peer, &mut wire)?;
/// assert_eq!(wire, r#"["counter","add",41]"#);
///
/// let mut decoder = Json.decoder(&Limits::default(), &peer);
/// let received = decoder.decode(&mut wire)?.expect("the message is whole");
/// assert_eq!(received.port.as_str(), "counter");
/// assert_eq!(received.message.parse::<(String, i64)>()?, ("add".to_owned(), 41));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Clone, Copy, Default)]
pub struct Json;

/// The framing's token in greetings.
const NAME: &str = "json";

impl Codec for Json {
    fn name(&self) -> &str {
        NAME
    }

    fn capabilities(&self, peer: &PeerInfo) -> Capabilities {
        let mut capabilities = Capabilities::JSON;
        // Perl's own JSON coder does so, since Perl has one type for both (protocol.md section 3).
        capabilities.bytes_as_text = peer.is_perl();
        capabilities.one_string_type = peer.is_perl();
        capabilities
    }

    fn encoder(&self) -> Encoder {
        Encoder::Tokens(&write::Tokens)
    }

    fn keepalive(&self) -> &[u8] {
        b"[]"
    }

    fn decoder(&self, limits: &Limits, peer: &PeerInfo) -> Box<dyn Decoder> {
        let heads = JsonHeads::from_peer(peer);
        let format = match peer.is_perl() {
            true => &token::PERL,
            false => &token::OTHERS,
        };
        Box::new(StreamDecoder::new(NAME, heads, format, limits, peer))
    }
}
