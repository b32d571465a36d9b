//! `Decoder`, which finds messages in a stream; `Incoming`, a message in the receive buffer; and `StreamDecoder`, a
//! complete decoder made from a codec's [`Tokenizer`] and its [`TokenReader`].

use std::borrow::Cow;
use std::fmt;

use bytes::{Buf, BytesMut};
use serde::de::DeserializeOwned;

use super::{Begins, DecodeError, Limits, PeerInfo, Scanned, Scanner, Tokenizer};
use crate::message::{Message, RawMessage, Source};
use crate::token::{Reader, Rest, TokenReader};
use crate::value::{ParseError, Values, parse};
use crate::{PortName, Text};

/// The smallest number of missing bytes for which the buffer is grown in advance.
const MIN_RESERVE: usize = 4 << 10;

/// The receiving half of a codec, one per connection.
///
/// [`StreamDecoder`] is one for every codec with a [`Tokenizer`] and a [`TokenReader`]. [`decode`] takes messages out:
///
/// ```
/// # use aemp::codec::{Codec, Limits, PeerInfo, decode};
/// # use bytes::BytesMut;
/// let peer = PeerInfo::new("peer".parse()?, "");
/// let mut decoder = aemp::Json.decoder(&Limits::default(), &peer);
/// let mut received = BytesMut::from(r#"[][ "counter","add",1]["counter","#);
/// let first = decode(&mut *decoder, &mut received)?.expect("the first one is whole");
/// assert_eq!((first.port.as_str(), first.message.tag().as_deref()), ("counter", Some("add")));
/// assert!(decode(&mut *decoder, &mut received)?.is_none(), "the second one is not");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub trait Decoder: Send {
    /// Finds the next message in `src`, which holds all received bytes of the connection that are not consumed. Nothing
    /// is copied.
    ///
    /// Every result says how many bytes at the front are consumed: call again without them. The decoder remembers how
    /// far it has looked into the rest, so that the work for a message is linear in its size in however many pieces it
    /// arrives.
    ///
    /// # Errors
    /// The stream cannot be decoded any further: close the connection.
    fn find<'a>(&'a mut self, src: &'a [u8]) -> Result<Found<'a>, DecodeError>;
}

/// Takes the next message off the front of `src`. The message may share the memory of `src`. `None` means that the next
/// message is not complete: call again when more bytes were appended. `src` gets capacity for the bytes that are known to
/// be missing, within the limits.
///
/// # Errors
/// As for [`Decoder::find`].
pub fn decode(
    decoder: &mut dyn Decoder,
    src: &mut BytesMut,
) -> Result<Option<Envelope>, DecodeError> {
    loop {
        match decoder.find(src)? {
            Found::Message { used, message } => {
                let place = Place::of(&message);
                return Ok(Some(place.take(src, used)));
            }
            Found::Decoded { used, received } => {
                let received = received.take();
                consume(src, used, used);
                if received.is_some() {
                    return Ok(received);
                }
            }
            Found::Keepalive { used } => src.advance(used),
            Found::Need { used, more } => {
                reserve(src, used, more);
                return Ok(None);
            }
        }
    }
}

/// The result of [`Decoder::find`].
#[derive(Debug)]
pub enum Found<'a> {
    /// A message, which ends `used` bytes from the front.
    Message {
        /// Bytes of the message and of white space and keepalives before it.
        used: usize,
        /// The message.
        message: Incoming<'a>,
    },
    /// A message that is already decoded, which ends `used` bytes from the front.
    Decoded {
        /// Bytes of the message and of white space and keepalives before it.
        used: usize,
        /// The message, for the caller to take. It does not share the bytes.
        // By reference: this enum is returned for every message of every codec, so it must be small and without a
        // destructor.
        received: &'a mut Option<Envelope>,
    },
    /// A keepalive (`[]`). It counts as a message towards the budget of a turn.
    Keepalive {
        /// Bytes of the keepalive and of white space before it.
        used: usize,
    },
    /// No complete message.
    Need {
        /// Bytes, such as white space, that are consumed.
        used: usize,
        /// The least number of missing bytes, if it is known; 0 otherwise.
        more: usize,
    },
}

/// A found message, as it is shown to taps, which follow the messages of a link.
#[derive(Debug)]
pub struct Shown<'a> {
    /// The bytes of the message's array.
    pub bytes: &'a [u8],
    /// The port that the message is for.
    pub port: &'a PortName,
    /// The first element, if it is a text.
    pub tag: Option<Cow<'a, str>>,
}

impl<'a> Shown<'a> {
    /// The message in `found`, if there is one. `src` is the buffer in which it was found.
    pub fn of(found: &'a Found<'_>, src: &'a [u8]) -> Option<Self> {
        Some(match found {
            Found::Message { message, .. } => Self {
                bytes: message.bytes(),
                port: message.port(),
                tag: message.tag(),
            },
            Found::Decoded { used, received } => {
                let Envelope { port, message } = received.as_ref()?;
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

/// The front of a message: the port's name, the position of the elements, and the format that reads them. A decoder
/// keeps the front of the last message, and messages refer to it: with many messages, the bytes moved for each one
/// count.
#[derive(Debug, Clone)]
pub struct Header {
    port: PortName,
    source: Source,
    /// The position of the elements.
    rest: Rest,
    /// Whether the port's name is a string. The front of a number is that of a longer number too: `[5` of `[55`.
    is_string: bool,
}

impl Header {
    /// Reads the front of the message in `bytes`, one complete array in `format` whose first element is the port's
    /// name. `None`: the array is empty, a keepalive. `perl`: the message comes from an AnyEvent::MP node, so byte
    /// strings can stand for text, among other things ([protocol.md section 3]).
    ///
    /// # Errors
    /// If the first element is not a text.
    ///
    /// [protocol.md section 3]: crate::protocol#3-framings
    pub fn read<F: TokenReader>(
        bytes: &[u8],
        format: &'static F,
        perl: bool,
    ) -> Result<Option<Self>, ParseError> {
        let Some((port, rest, is_string)) = Reader::new(format, bytes, perl).port()? else {
            return Ok(None);
        };
        Ok(Some(Self {
            port: PortName::from(&*port),
            source: Source { format, perl },
            rest,
            is_string,
        }))
    }
}

/// A message in the receive buffer of its connection: well-formed and within the limits, and not decoded.
#[derive(Debug, Clone, Copy)]
pub struct Incoming<'a> {
    front: &'a Header,
    /// Whether the previous message of the connection has the same front.
    again: bool,
    bytes: &'a [u8],
}

impl<'a> Incoming<'a> {
    /// The message in `bytes`, one complete array, with its `front`.
    #[inline]
    pub fn new(front: &'a Header, bytes: &'a [u8]) -> Self {
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

    /// The bytes of the message's array, including the port's name.
    #[inline]
    pub fn bytes(&self) -> &'a [u8] {
        self.bytes
    }

    /// The first element, if it is a text.
    pub fn tag(&self) -> Option<Cow<'a, str>> {
        self.reader().elements(self.front.rest).text().ok()?
    }

    /// Parses the elements as a `T`, like [`Message::parse`].
    ///
    /// # Errors
    /// As for [`Message::parse`].
    pub fn parse<T: DeserializeOwned>(&self) -> Result<T, ParseError> {
        parse(self.reader().elements(self.front.rest), 0)
    }

    /// The elements as values.
    ///
    /// # Errors
    /// As for [`Message::to_values`].
    pub fn to_values(&self) -> Result<Values, ParseError> {
        self.reader().elements(self.front.rest).values(None)
    }

    /// Copies the message into memory of its own.
    pub fn to_message(&self) -> Message {
        RawMessage::copied(self.bytes, self.front.source, self.front.rest).into()
    }

    fn reader(&self) -> Reader<'a> {
        let Source { format, perl } = self.front.source;
        Reader::new(format, self.bytes, perl)
    }
}

/// The front of a found message in its parts, for a queue that stores messages in its own form.
#[derive(Debug, Clone, Copy)]
pub struct Prefix<'a> {
    /// The port that the message is for.
    pub port: &'a PortName,
    /// The format of the message and the kind of its sender.
    pub source: Source,
    /// The position of the elements.
    pub rest: Rest,
    /// Whether the previous message of the connection has the same front.
    pub again: bool,
}

impl<'a> Prefix<'a> {
    /// The front of `message`.
    #[inline]
    pub fn of(message: &Incoming<'a>) -> Self {
        let Header {
            port, source, rest, ..
        } = message.front;
        Self {
            port,
            source: *source,
            rest: *rest,
            again: message.again,
        }
    }
}

/// The front and length of a message that is still in the receive buffer, without a borrow of the buffer.
#[derive(Debug)]
pub struct Place {
    front: Header,
    len: usize,
}

impl Place {
    /// The place of `message`.
    pub fn of(message: &Incoming<'_>) -> Self {
        Self {
            front: message.front.clone(),
            len: message.bytes.len(),
        }
    }

    /// Takes the message, which ends at `end`, out of `src`. A long message is not copied.
    pub fn take(self, src: &mut BytesMut, end: usize) -> Envelope {
        src.advance(end - self.len);
        let Header {
            port, source, rest, ..
        } = self.front;
        let message = if self.len < MIN_SHARED {
            let message = RawMessage::copied(&src[..self.len], source, rest);
            src.advance(self.len);
            message
        } else {
            let bytes = src.split_to(self.len).freeze();
            consume(src, 0, self.len);
            RawMessage::shared(bytes, source, rest)
        };
        let message = message.into();
        Envelope { port, message }
    }
}

/// The most bytes that are read from a connection at a time; the usual size of its receive buffer.
pub const MAX_READ: usize = 256 << 10;

/// The length from which a message shares the receive buffer instead of being copied. A shared message keeps the whole
/// buffer alive, so it must be at least half of it: then no message holds more than about twice its size.
const MIN_SHARED: usize = MAX_READ / 2;

/// A received message and the port that it is for.
#[derive(Debug)]
#[doc(alias = "Received")]
#[non_exhaustive]
pub struct Envelope {
    /// The name of the port on this node.
    pub port: PortName,
    /// The message, without the port's name.
    pub message: Message,
}

impl Envelope {
    /// A message for `port`.
    pub fn new(port: PortName, message: Message) -> Self {
        Self { port, message }
    }
}

/// Removes the first `used` bytes of `src`, which end with a message of `len` bytes.
pub fn consume(src: &mut BytesMut, used: usize, len: usize) {
    src.advance(used);
    if len > MAX_READ {
        // The buffer was grown for that message. The bytes after it must not keep the large allocation alive.
        *src = BytesMut::from(&src[..]);
    }
}

/// Removes the first `used` bytes of `src`, and reserves capacity for `more` bytes.
pub fn reserve(src: &mut BytesMut, used: usize, more: usize) {
    src.advance(used);
    if more >= MIN_RESERVE {
        src.reserve(more);
    }
}

/// A decoder for codecs that implement [`Tokenizer`] and [`TokenReader`].
///
/// It skips white space and keepalives (`[]`), fails on a first byte that begins no message, finds the end of a message
/// with a [`Scanner`], and reads the port's name.
pub struct StreamDecoder<H, F: 'static> {
    scanner: Scanner<H>,
    format: &'static F,
    codec: Text,
    perl: bool,
    /// The front of the last message, and its bytes if they are few: the next message often has the same front, which
    /// then need not be read again.
    front: Option<Header>,
    front_bytes: Vec<u8>,
    /// Whether the message in the scanner has the front of the last message.
    same_front: bool,
}

impl<H, F> fmt::Debug for StreamDecoder<H, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("StreamDecoder")
            .field("codec", &self.codec)
            .field("perl", &self.perl)
            .finish_non_exhaustive()
    }
}

/// The longest front, in bytes, that is compared with the next one.
const MAX_KEPT_FRONT: usize = 64;

impl<H: Tokenizer, F: TokenReader> StreamDecoder<H, F> {
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
            front_bytes: Vec::new(),
            same_front: false,
        }
    }

    /// The scanner, for tests that count its steps.
    #[doc(hidden)]
    pub fn scanner(&self) -> &Scanner<H> {
        &self.scanner
    }

    /// Begins the message at the start of `src`. If it has the front of the last message, the scanner starts after the
    /// front, and the length of the message is returned if the scanner finds its end at once.
    #[inline]
    fn begin_message(&mut self, src: &[u8]) -> Option<usize> {
        self.same_front = false;
        if let Some(Header { rest, .. }) = &self.front
            && !self.front_bytes.is_empty()
            && src.starts_with(&self.front_bytes)
        {
            self.same_front = true;
            let (len, left) = rest.parts();
            return self.scanner.begin_after_front(src, len, left);
        }
        None
    }

    /// Reads the front of the message in `bytes`. Returns false for an empty array.
    fn read_front(&mut self, bytes: &[u8]) -> Result<bool, DecodeError> {
        self.front_bytes.clear();
        self.front =
            Header::read(bytes, self.format, self.perl).map_err(|error| self.port_error(&error))?;
        let Some(front) = &self.front else {
            return Ok(false);
        };
        let (len, left) = front.rest.parts();
        // Without elements the scanner has nothing to scan after the front.
        if front.is_string && len <= MAX_KEPT_FRONT && left != Some(0) {
            self.front_bytes.extend(&bytes[..len]);
        }
        Ok(true)
    }

    #[cold]
    fn port_error(&self, error: &ParseError) -> DecodeError {
        DecodeError::Malformed {
            at: 0,
            what: format!("the name of the port: {error}"),
            codec: self.codec.clone(),
        }
    }
}

impl<H: Tokenizer, F: TokenReader> Decoder for StreamDecoder<H, F> {
    fn find<'a>(&'a mut self, src: &'a [u8]) -> Result<Found<'a>, DecodeError> {
        let mut used = 0;
        let mut whole = None;
        if !self.scanner.is_inside() {
            let is_space = |&&byte: &&u8| match self.scanner.begins(byte) {
                Begins::Space => true,
                Begins::Message => false,
                Begins::Nothing => faulty!(FirstByteUnchecked),
            };
            used += src.iter().take_while(is_space).count();
            match src.get(used) {
                None => return Ok(Found::Need { used, more: 0 }),
                Some(&byte) if self.scanner.begins(byte) == Begins::Nothing => {
                    return Err(DecodeError::WrongFraming {
                        byte,
                        codec: self.codec.clone(),
                    });
                }
                Some(_) => whole = self.begin_message(&src[used..]),
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
        if !self.same_front && !self.read_front(bytes)? {
            return Ok(Found::Keepalive { used });
        }
        let Some(front) = &self.front else {
            // Not reached: the front was read above, or for the last message.
            return Ok(Found::Need { used, more: 0 });
        };
        let again = self.same_front;
        let message = Incoming {
            front,
            again,
            bytes,
        };
        Ok(Found::Message { used, message })
    }
}
