//! The `json` framing of aemp: [`Json`], a [`Codec`] whose messages are one JSON array each, in UTF-8, with white space
//! between messages allowed ([protocol.md section 3]).
//!
//! JSON can carry only a part of all values ([`Capabilities::JSON`]). Byte strings (except to Perl nodes), tags, map keys
//! that are not texts, NaN and infinities, and integers outside -2^63 to 2^64-1 are refused when a message is encoded,
//! with the path to them. An integer outside that range is also refused when it is received, and never becomes a float.
//! A float outside the range of doubles is refused as well, except from Perl nodes, which write their greatest double
//! as such a number: it is read as that double or as infinity ([`perl_float`](aemp_core::codec::perl_float)).
//!
//! [`to_json`] and [`from_json`] convert values to `serde_json::Value` and back.
//!
//! The writer is a `TokenWriter`, to which the core passes the tokens of a message; serde_json writes floats and texts with
//! escapes. The reader consists of [`JsonHeads`], which the core's scanner drives over the stream, and a `TokenReader`,
//! which returns the tokens of a complete message.
//!
//! [protocol.md section 3]: aemp_core::protocol#3-framings

mod convert;
mod heads;
mod scalar;
mod token;
mod write;

use aemp_core::codec::{Capabilities, Codec, Decoder, Encoder, Limits, PeerInfo, StreamDecoder};

pub use convert::{from_json, to_json};
#[doc(hidden)]
pub use heads::JsonHeads;

/// The codec `json`: a message is a JSON array (RFC 8259). It carries what JSON has, and refuses the rest with the path to
/// it.
///
/// ```
/// use aemp::Json;
/// use aemp::codec::{Codec, Frame, Limits, Outgoing, PeerInfo, decode, encode};
///
/// let peer = PeerInfo::new("peer".parse()?, "");
/// let frame = Frame::with_body("counter", Outgoing::Typed(&("add", 41)));
/// let mut wire = bytes::BytesMut::new();
/// encode(&Json, &frame, &peer, &mut wire)?;
/// assert_eq!(wire, r#"["counter","add",41]"#);
///
/// let mut decoder = Json.decoder(&Limits::default(), &peer);
/// let received = decode(&mut *decoder, &mut wire)?.expect("the message is whole");
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
        // Perl's JSON encoder does the same, since Perl has one type for both (protocol.md section 3).
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
