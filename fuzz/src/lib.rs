//! What the fuzz targets share: decoding a stream whole and in pieces.

use aemp::Value;
use aemp::codec::{Codec, DecodeError, Envelope, Limits, PeerInfo};
use bytes::BytesMut;

/// The provider of AnyEvent::MP nodes, whose messages are read with allowances.
pub const PERL: &str = "AE-2.02";

/// The limits of all decoders here: small, so that inputs reach them.
pub fn limits() -> Limits {
    let mut limits = Limits::default();
    limits.message_size = 2000;
    limits.depth = 100;
    limits.items = 500;
    limits
}

/// What a decoder makes of a stream.
pub struct Decoded {
    /// The messages, in order.
    pub received: Vec<Envelope>,
    /// The error that ended the stream.
    pub error: Option<DecodeError>,
}

impl Decoded {
    /// All of it as text, for comparison: NaN equals NaN there.
    fn text(&self) -> String {
        let mut text = String::new();
        for Envelope { port, message, .. } in &self.received {
            let values = message.to_values().expect("a well-formed message");
            text += &format!("{port:?} {}\n", Value::from(values.to_vec()));
        }
        text + &format!("{:?}", self.error)
    }
}

/// Feeds `stream` to a decoder for a peer with this `provider`, in pieces of the given sizes, which repeat.
pub fn decode(codec: &dyn Codec, provider: &str, stream: &[u8], sizes: [usize; 2]) -> Decoded {
    decode_within(&limits(), codec, provider, stream, sizes)
}

/// The same with other limits.
pub fn decode_within(
    limits: &Limits,
    codec: &dyn Codec,
    provider: &str,
    stream: &[u8],
    sizes: [usize; 2],
) -> Decoded {
    let peer = PeerInfo::new("peer".parse().expect("an ID"), provider);
    let mut decoder = codec.decoder(limits, &peer);
    let mut src = BytesMut::new();
    let mut received = Vec::new();
    let mut rest = stream;
    for size in sizes.into_iter().cycle() {
        let (piece, after) = rest.split_at(size.clamp(1, rest.len().max(1)).min(rest.len()));
        src.extend_from_slice(piece);
        loop {
            match aemp::codec::decode(&mut *decoder, &mut src) {
                Ok(Some(one)) => received.push(one),
                Ok(None) => break,
                Err(error) => {
                    let error = Some(error);
                    return Decoded { received, error };
                }
            }
        }
        rest = after;
        if rest.is_empty() {
            break;
        }
    }
    let error = None;
    Decoded { received, error }
}

/// Decodes `stream` whole, for either kind of peer, and asserts that the result is the same in pieces, whose sizes `cut`
/// decides. Returns that for a peer that is no Perl node.
pub fn decode_both_ways(codec: &dyn Codec, stream: &[u8], cut: u8) -> Decoded {
    let sizes = [usize::from(cut & 15), usize::from(cut >> 4) + 1];
    for provider in [PERL, ""] {
        let whole = decode(codec, provider, stream, [stream.len(); 2]);
        let pieces = decode(codec, provider, stream, sizes);
        assert_eq!(whole.text(), pieces.text(), "in pieces of {sizes:?} bytes");
        if provider.is_empty() {
            return whole;
        }
    }
    unreachable!("the last provider is the empty one");
}
