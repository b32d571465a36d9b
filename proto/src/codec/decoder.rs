//! `Decoder`, which finds messages in a stream; `Incoming`, a message where it was found; and `StreamDecoder`, a whole
//! decoder made of a codec's [`Heads`] and its [`WireFormat`].

use std::borrow::Cow;

use bytes::{Buf, BytesMut};
use serde::de::DeserializeOwned;

use super::{Begins, DecodeError, Heads, Limits, PeerInfo, Scanned, Scanner};
use crate::message::{Message, Source, Wire};
use crate::token::{Reader, Rest, WireFormat};
use crate::value::{ParseError, Values, parse};
use crate::{PortName, Text};

/// Room for so much and more is made at once when it is known that it will be needed.
const RESERVE_FROM: usize = 4 << 10;

/// The receiving half of a codec, one per connection.
pub trait Decoder: Send {
    /// Looks for the next message in `src`: all bytes of the connection that have come and are not done with. Nothing
    /// is copied.
    ///
    /// All answers say how many bytes at the front are done with: call again without them. The decoder remembers how
    /// far it looked into the others, so that the work for a message is linear in its size however its bytes arrive.
    ///
    /// # Errors
    /// The stream is of no use after an error: the connection is to be closed.
    fn find<'a>(&'a mut self, src: &'a [u8]) -> Result<Found<'a>, DecodeError>;

    /// Takes the next message off the front of `src`, which it may share. `None` means that there is no whole one yet:
    /// call again when more bytes were appended. It makes room in `src` for what it knows must come, within the limits.
    ///
    /// # Errors
    /// As for [`find`](Self::find).
    fn decode(&mut self, src: &mut BytesMut) -> Result<Option<Received>, DecodeError> {
        loop {
            match self.find(src)? {
                Found::Message { used, message } => {
                    let place = Place::of(&message);
                    return Ok(Some(place.take(src, used)));
                }
                Found::Decoded { used, received } => {
                    let received = received.take();
                    pass(src, used, used);
                    if received.is_some() {
                        return Ok(received);
                    }
                }
                Found::Keepalive { used } => src.advance(used),
                Found::Need { used, more } => {
                    need(src, used, more);
                    return Ok(None);
                }
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
    /// A message that was read already. It ends `used` bytes from the front.
    Decoded {
        /// How many bytes the message takes, with all that stood in front of it.
        used: usize,
        /// The message, to be taken out. It keeps none of these bytes.
        // By reference: this enum is returned for every message of every codec, and is to be small and have no destructor.
        received: &'a mut Option<Received>,
    },
    /// A keepalive (`[]`), which counts as a message where the work for a peer is divided.
    Keepalive {
        /// How many bytes it takes, with all that stood in front of it.
        used: usize,
    },
    /// No whole message yet.
    Need {
        /// How many bytes were white space or other things that need not be seen again.
        used: usize,
        /// How many more bytes must come at least, if that is known.
        more: usize,
    },
}

/// What is shown of a message that was found in a stream, to who follows the messages of a link.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The message's array.
    pub bytes: &'a [u8],
    /// The port that the message is for.
    pub port: &'a PortName,
    /// The first element, if it is a text.
    pub tag: Option<Cow<'a, str>>,
}

impl<'a> Shown<'a> {
    /// The message, if one was `found` in `src`.
    pub fn of(found: &'a Found<'_>, src: &'a [u8]) -> Option<Self> {
        Some(match found {
            Found::Message { message, .. } => Self {
                bytes: message.bytes(),
                port: message.port(),
                tag: message.tag(),
            },
            Found::Decoded { used, received } => {
                let Received { port, message } = received.as_ref()?;
                Self {
                    bytes: &src[..*used],
                    port,
                    tag: message.tag(),
                }
            }
            Found::Keepalive { .. } | Found::Need { .. } => return None,
        })
    }
}

/// What stands in front of a message's elements, and what can read them. A decoder keeps that of the last message:
/// with many messages, what is moved for each is what counts.
#[derive(Debug, Clone)]
pub struct Front {
    port: PortName,
    source: Source,
    /// The elements.
    rest: Rest,
}

impl Front {
    /// Of the message in `bytes`, one whole array that `format` can read: its first element is the port's name. `None`
    /// is an empty array, a keepalive. `perl` says that an AnyEvent::MP node wrote it, so that byte strings may stand
    /// for text, and more of the kind (protocol.md section 3).
    ///
    /// # Errors
    /// Where the first element is no text.
    pub fn read<F: WireFormat>(
        bytes: &[u8],
        format: &'static F,
        perl: bool,
    ) -> Result<Option<Self>, ParseError> {
        let Some((port, rest)) = Reader::new(format, bytes, perl).port()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            port: PortName::from(&*port),
            source: Source { format, perl },
            rest,
        }))
    }
}

/// One message in the bytes of its connection: found well-formed and within the limits, and nothing more.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    front: &'a Front,
    /// Whether the message that the decoder found before has the same front.
    again: bool,
    bytes: &'a [u8],
}

impl<'a> Incoming<'a> {
    /// The message in `bytes`, one whole array, which begin with `front`.
    #[inline]
    pub fn new(front: &'a Front, bytes: &'a [u8]) -> Self {
        let again = false;
        Self {
            front,
            again,
            bytes,
        }
    }

    /// The name of the port on this node.
    #[inline]
    pub fn port(&self) -> &'a PortName {
        &self.front.port
    }

    /// The message's array, port included.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first element, if it is a text.
    pub fn tag(&self) -> Option<Cow<'a, str>> {
        self.reader().elements(self.front.rest).text().ok()?
    }

    /// The elements as a `T`, as [`Message::parse`] says.
    ///
    /// # Errors
    /// As there.
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        parse(self.reader().elements(self.front.rest), 0)
    }

    /// The elements as values.
    ///
    /// # Errors
    /// As for [`Message::values`].
    pub fn values(&self) -> Result<Values, ParseError> {
        self.reader().elements(self.front.rest).values(None)
    }

    /// The message in memory of its own.
    pub fn to_message(&self) -> Message {
        Wire::copied(self.bytes, self.front.source, self.front.rest).into()
    }

    fn reader(&self) -> Reader<'a> {
        let Source { format, perl } = self.front.source;
        Reader::new(format, self.bytes, perl)
    }
}

/// What a decoder knows of the front of a message, for a queue that stores messages in a form of its own.
#[derive(Debug, Clone, Copy)]
pub struct Prefix<'a> {
    /// The port that the message is for.
    pub port: &'a PortName,
    /// What reads the message.
    pub source: Source,
    /// The elements.
    pub rest: Rest,
    /// Whether the message that the decoder found before has the same front.
    pub again: bool,
}

impl<'a> Prefix<'a> {
    /// The front of `message`.
    #[inline]
    pub fn of(message: &Incoming<'a>) -> Self {
        let Front { port, source, rest } = message.front;
        Self {
            port,
            source: *source,
            rest: *rest,
            again: message.again,
        }
    }
}

/// What is known of a message that is still in a buffer.
#[derive(Debug)]
pub struct Place {
    front: Front,
    len: usize,
}

impl Place {
    /// What is known of `message`, without its bytes.
    pub fn of(message: &Incoming<'_>) -> Self {
        Self {
            front: message.front.clone(),
            len: message.bytes.len(),
        }
    }

    /// Takes the message out of `src`, of which it ends at `end`; a long one without a copy.
    pub fn take(self, src: &mut BytesMut, end: usize) -> Received {
        src.advance(end - self.len);
        let Front { port, source, rest } = self.front;
        let message = if self.len < SHARE_FROM {
            let message = Wire::copied(&src[..self.len], source, rest);
            src.advance(self.len);
            message
        } else {
            let bytes = src.split_to(self.len).freeze();
            pass(src, 0, self.len);
            Wire::shared(bytes, source, rest)
        };
        let message = message.into();
        Received { port, message }
    }
}

/// The most that is read at a time; the usual size of a receive buffer.
pub const READ: usize = 256 << 10;

/// Messages of this length and more take their part of the receive buffer along, which stays whole as long as one of
/// them does; others are copied. So what is kept holds about twice its size in memory.
const SHARE_FROM: usize = READ / 2;

/// One decoded message and the port it is for.
#[derive(Debug)]
pub struct Received {
    /// The name of the port on this node.
    pub port: PortName,
    /// The message, without the port's name.
    pub message: Message,
}

/// Takes what is done with off `src`: a message of `len` bytes ends there.
pub fn pass(src: &mut BytesMut, used: usize, len: usize) {
    src.advance(used);
    if len > READ {
        // The memory was taken for that message. What follows must not keep it.
        *src = BytesMut::from(&src[..]);
    }
}

/// Takes what is done with off `src`, and makes room for what is needed.
pub fn need(src: &mut BytesMut, used: usize, more: usize) {
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
    /// The last message's, and what it was read from if that is short: the next often begins alike.
    front: Option<Front>,
    read_from: Vec<u8>,
    /// Whether the message that the scanner is in does.
    alike: bool,
}

/// The longest front that is known again.
const KNOWN: usize = 64;

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
            front: None,
            read_from: Vec::new(),
            alike: false,
        }
    }

    /// The scanner, for tests that count its steps.
    pub fn scanner(&self) -> &Scanner<H> {
        &self.scanner
    }

    /// Begins the message in front of `src`, behind what it has in common with the last one, and says how long it is if
    /// that is found at once.
    #[inline]
    fn begin(&mut self, src: &[u8]) -> Option<usize> {
        self.alike = false;
        if let Some(Front { rest, .. }) = &self.front
            && !self.read_from.is_empty()
            && src.starts_with(&self.read_from)
        {
            self.alike = true;
            let (len, left) = rest.parts();
            return self.scanner.begin_behind(src, len, left);
        }
        None
    }

    /// Reads the front of the message in `bytes`. False in an empty array.
    fn read_front(&mut self, bytes: &[u8]) -> Result<bool, DecodeError> {
        self.read_from.clear();
        self.front =
            Front::read(bytes, self.format, self.perl).map_err(|error| self.no_port(&error))?;
        let Some(front) = &self.front else {
            return Ok(false);
        };
        let (len, left) = front.rest.parts();
        // Behind one without elements there is nothing to begin.
        if len <= KNOWN && left != Some(0) {
            self.read_from.extend(&bytes[..len]);
        }
        Ok(true)
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
    fn find<'a>(&'a mut self, src: &'a [u8]) -> Result<Found<'a>, DecodeError> {
        let mut used = 0;
        let mut whole = None;
        if !self.scanner.is_inside() {
            let is_space = |&&byte: &&u8| self.scanner.begins(byte) == Begins::Space;
            used += src.iter().take_while(is_space).count();
            match src.get(used) {
                None => return Ok(Found::Need { used, more: 0 }),
                Some(&byte) if self.scanner.begins(byte) == Begins::Nothing => {
                    return Err(DecodeError::WrongFraming {
                        byte,
                        codec: self.codec.clone(),
                    });
                }
                Some(_) => whole = self.begin(&src[used..]),
            }
        }
        let len = match whole {
            Some(len) => len,
            None => match self.scanner.scan(&src[used..])? {
                Scanned::Need(more) => return Ok(Found::Need { used, more }),
                Scanned::Message(len) => len,
            },
        };
        let bytes = &src[used..used + len];
        used += len;
        if !self.alike && !self.read_front(bytes)? {
            return Ok(Found::Keepalive { used });
        }
        let Some(front) = &self.front else {
            // It was read, now or before.
            return Ok(Found::Need { used, more: 0 });
        };
        let again = self.alike;
        let message = Incoming {
            front,
            again,
            bytes,
        };
        Ok(Found::Message { used, message })
    }
}
