//! `StreamDecoder`: a whole [`Decoder`] made of a codec's [`Heads`] and its [`WireFormat`].

use bytes::{Buf, BytesMut};

use super::{
    Begins, DecodeError, Decoder, Heads, Limits, PeerInfo, Received, Scanned, Scanner, WireFormat,
};
use crate::Text;
use crate::message::ParseError;

/// Room for so much and more is made at once when it is known that it will be needed.
const RESERVE_FROM: usize = 4 << 10;

/// Decodes messages of any codec that says how its heads and tokens look.
///
/// It passes over white space and keepalives (`[]`), refuses a first byte that begins no message, finds the
/// message's end by a [`Scanner`], and reads the port's name.
pub struct StreamDecoder<H> {
    scanner: Scanner<H>,
    format: &'static dyn WireFormat,
    codec: Text,
    perl: bool,
}

impl<H: Heads> StreamDecoder<H> {
    /// A decoder for messages of the codec called `codec` from `peer`.
    pub fn new(
        codec: &str,
        heads: H,
        format: &'static dyn WireFormat,
        limits: &Limits,
        peer: &PeerInfo,
    ) -> Self {
        Self {
            scanner: Scanner::new(heads, limits, codec),
            format,
            codec: codec.into(),
            perl: peer.is_perl(),
        }
    }

    /// The scanner, for tests that count its steps.
    pub fn scanner(&self) -> &Scanner<H> {
        &self.scanner
    }

    #[cold]
    fn no_port(&self, error: &ParseError) -> DecodeError {
        DecodeError::Malformed {
            at: 0,
            what: format!("the name of the port: {error}"),
            codec: self.codec.clone(),
        }
    }
}

impl<H: Heads> Decoder for StreamDecoder<H> {
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Received>, DecodeError> {
        loop {
            if !self.scanner.is_inside() {
                let is_space = |&&byte: &&u8| self.scanner.begins(byte) == Begins::Space;
                let space = src.iter().take_while(is_space).count();
                src.advance(space);
                match src.first() {
                    None => return Ok(None),
                    Some(&byte) if self.scanner.begins(byte) == Begins::Nothing => {
                        return Err(DecodeError::WrongFraming {
                            byte,
                            codec: self.codec.clone(),
                        });
                    }
                    Some(_) => {}
                }
            }
            match self.scanner.scan(src)? {
                Scanned::Need(more) => {
                    if more >= RESERVE_FROM {
                        src.reserve(more);
                    }
                    return Ok(None);
                }
                Scanned::Message(len) => {
                    // Shared with the buffer; who keeps the message takes it out (`Wire::detach`).
                    let bytes = src.split_to(len).freeze();
                    match Received::from_wire(bytes, self.format, self.perl) {
                        // A keepalive.
                        Ok(None) => {}
                        Ok(received) => return Ok(received),
                        Err(error) => return Err(self.no_port(&error)),
                    }
                }
            }
        }
    }
}
