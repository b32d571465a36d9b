//! `Decoder`, which finds messages in a stream; `Incoming`, a message where it was found; and `StreamDecoder`, a whole
//! decoder made of a codec's [`Heads`] and its [`WireFormat`].

use bytes::{Buf, BytesMut};
use serde::de::DeserializeOwned;

use super::read::{Reader, Rest};
use super::{Begins, DecodeError, Heads, Limits, PeerInfo, Scanned, Scanner, WireFormat};
use crate::message::{Message, ParseError, Source, Values, Wire, parse};
use crate::{PortName, Text};

/// Room for so much and more is made at once when it is known that it will be needed.
const RESERVE_FROM: usize = 4 << 10;

/// The receiving half of a [`Codec`](super::Codec), one per connection.
pub trait Decoder: Send {
    /// Looks for the next message in `src`: all bytes of the connection that have come and are not done with. Nothing
    /// is copied.
    ///
    /// Both answers say how many bytes at the front are done with: call again without them. The decoder remembers how
    /// far it looked into the others, so that the work for a message is linear in its size however its bytes arrive.
    ///
    /// # Errors
    /// The stream is of no use after an error: the connection is to be closed.
    fn find<'a>(&mut self, src: &'a [u8]) -> Result<Found<'a>, DecodeError>;

    /// Takes the next message off the front of `src`, which it may share. `None` means that there is no whole one yet:
    /// call again when more bytes were appended. It makes room in `src` for what it knows must come, within the limits.
    ///
    /// # Errors
    /// As for [`find`](Self::find).
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Received>, DecodeError> {
        match self.find(src)? {
            Found::Message { used, message } => {
                let place = message.place();
                Ok(Some(place.take(src, used)))
            }
            Found::Need { used, more } => {
                need(src, used, more);
                Ok(None)
            }
        }
    }
}

/// What a [`Decoder`] found.
#[derive(Debug)]
pub enum Found<'a> {
    /// A message. It ends `used` bytes from the front.
    Message {
        /// How many bytes the message takes, with all that stood in front of it.
        used: usize,
        /// The message.
        message: Incoming<'a>,
    },
    /// No whole message yet.
    Need {
        /// How many bytes were white space, keepalives (`[]`) or other things that need not be seen again.
        used: usize,
        /// How many more bytes must come at least, if that is known.
        more: usize,
    },
}

/// One message in the bytes of its connection: found well-formed and within the limits, and nothing more.
#[derive(Debug)]
pub struct Incoming<'a> {
    port: PortName,
    bytes: &'a [u8],
    source: Source,
    rest: Rest,
}

impl<'a> Incoming<'a> {
    /// The message in `bytes`, one whole array that `format` can read: its first element is the port's name. `None` is
    /// an empty array, a keepalive. `perl` says that an AnyEvent::MP node wrote it, so that byte strings may stand for
    /// text, and more of the kind (protocol.md section 3).
    ///
    /// # Errors
    /// Where the first element is no text.
    #[inline(always)]
    pub fn new<F: WireFormat>(
        bytes: &'a [u8],
        format: &'static F,
        perl: bool,
    ) -> Result<Option<Self>, ParseError> {
        let Some((port, rest)) = Reader::new(format, bytes, perl).port()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            port: PortName::from(&*port),
            bytes,
            source: Source { format, perl },
            rest,
        }))
    }

    /// The name of the port on this node.
    pub fn port(&self) -> &PortName {
        &self.port
    }

    /// The message's array, port included.
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The elements as a `T`, as [`Message::parse`] says.
    ///
    /// # Errors
    /// As there.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        parse(self.reader().elements(self.rest), 0)
    }

    /// The elements as values.
    ///
    /// # Errors
    /// As for [`Message::values`].
    pub fn values(&self) -> Result<Values, ParseError> {
        self.reader().elements(self.rest).values(None)
    }

    /// The message in memory of its own.
    pub fn to_message(&self) -> Message {
        Wire::copied(self.bytes, self.source, self.rest).into()
    }

    fn reader(&self) -> Reader<'a> {
        Reader::new(self.source.format, self.bytes, self.source.perl)
    }

    /// Its parts.
    #[inline]
    pub(crate) fn into_parts(self) -> (PortName, &'a [u8], Source, Rest) {
        (self.port, self.bytes, self.source, self.rest)
    }

    /// What is known of it, without its bytes.
    pub(crate) fn place(self) -> Place {
        Place {
            port: self.port,
            len: self.bytes.len(),
            source: self.source,
            rest: self.rest,
        }
    }
}

/// What is known of a message that is still in a buffer.
pub(crate) struct Place {
    port: PortName,
    len: usize,
    source: Source,
    rest: Rest,
}

impl Place {
    /// Takes the message out of `src`, of which it ends at `end`, without a copy.
    pub(crate) fn take(self, src: &mut BytesMut, end: usize) -> Received {
        src.advance(end - self.len);
        let bytes = src.split_to(self.len).freeze();
        Received {
            port: self.port,
            message: Wire::shared(bytes, self.source, self.rest).into(),
        }
    }
}

/// One decoded message and the port it is for.
#[derive(Debug)]
pub struct Received {
    /// The name of the port on this node.
    pub port: PortName,
    /// The message, without the port's name.
    pub message: Message,
}

/// Takes what is done with off `src`, and makes room for what is needed.
pub(crate) fn need(src: &mut BytesMut, used: usize, more: usize) {
    src.advance(used);
    if more >= RESERVE_FROM {
        src.reserve(more);
    }
}

/// Decodes messages of any codec that says how its heads and tokens look.
///
/// It passes over white space and keepalives (`[]`), refuses a first byte that begins no message, finds the
/// message's end by a [`Scanner`], and reads the port's name.
pub struct StreamDecoder<H, F: 'static> {
    scanner: Scanner<H>,
    format: &'static F,
    codec: Text,
    perl: bool,
    last: Last,
}

/// What the last message began with, and what that means: the next is often for the same port.
#[derive(Default)]
struct Last {
    /// The bytes up to the first element.
    front: Vec<u8>,
    known: Option<(PortName, Rest)>,
}

/// The longest front that is remembered.
const FRONT: usize = 64;

impl<H: Heads, F: WireFormat> StreamDecoder<H, F> {
    /// A decoder for messages of the codec called `codec` from `peer`.
    pub fn new(
        codec: &str,
        heads: H,
        format: &'static F,
        limits: &Limits,
        peer: &PeerInfo,
    ) -> Self {
        Self {
            scanner: Scanner::new(heads, limits, codec),
            format,
            codec: codec.into(),
            perl: peer.is_perl(),
            last: Last::default(),
        }
    }

    /// The message in `bytes`; none in an empty array.
    #[inline]
    fn incoming<'a>(&mut self, bytes: &'a [u8]) -> Result<Option<Incoming<'a>>, ParseError> {
        if let Some((port, rest)) = &self.last.known
            && bytes.starts_with(&self.last.front)
        {
            return Ok(Some(Incoming {
                port: port.clone(),
                bytes,
                source: self.source(),
                rest: *rest,
            }));
        }
        let message = Incoming::new(bytes, self.format, self.perl)?;
        if let Some(Incoming { port, rest, .. }) = &message {
            let (at, _) = rest.parts();
            let short = at <= FRONT;
            self.last.known = short.then(|| (port.clone(), *rest));
            self.last.front.clear();
            self.last.front.extend(bytes.iter().take(FRONT.min(at)));
        }
        Ok(message)
    }

    fn source(&self) -> Source {
        Source {
            format: self.format,
            perl: self.perl,
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

impl<H: Heads, F: WireFormat> Decoder for StreamDecoder<H, F> {
    fn find<'a>(&mut self, src: &'a [u8]) -> Result<Found<'a>, DecodeError> {
        let mut used = 0;
        loop {
            if !self.scanner.is_inside() {
                let is_space = |&&byte: &&u8| self.scanner.begins(byte) == Begins::Space;
                used += src[used..].iter().take_while(is_space).count();
                match src.get(used) {
                    None => return Ok(Found::Need { used, more: 0 }),
                    Some(&byte) if self.scanner.begins(byte) == Begins::Nothing => {
                        return Err(DecodeError::WrongFraming {
                            byte,
                            codec: self.codec.clone(),
                        });
                    }
                    Some(_) => {}
                }
            }
            let len = match self.scanner.scan(&src[used..])? {
                Scanned::Need(more) => return Ok(Found::Need { used, more }),
                Scanned::Message(len) => len,
            };
            let bytes = &src[used..used + len];
            used += len;
            match self.incoming(bytes) {
                // A keepalive.
                Ok(None) => {}
                Ok(Some(message)) => return Ok(Found::Message { used, message }),
                Err(error) => return Err(self.no_port(&error)),
            }
        }
    }
}
