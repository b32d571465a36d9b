//! `ValueCodec`: a codec over a [`ValueFormat`], and the check of that format by samples.

use std::fmt;
use std::sync::Arc;

use aemp_proto::codec::{encode, write};
use bytes::{Bytes, BytesMut};

use super::guarded::{Guarded, guarded};
use super::value_decoder::ValueDecoder;
use super::{
    Capabilities, Codec, DecodeError, Decoder, EncodeError, Encoder, Found, Frame, Limits,
    PeerInfo, Tags, ValueFormat,
};
use crate::{Excerpt, Integer, Map, Text, Value};

/// A [`Codec`] that converts messages by way of values, over a [`ValueFormat`].
///
/// It costs more than a codec that writes into a [`TokenWriter`](super::TokenWriter) and reads by a
/// [`TokenReader`](super::TokenReader): a [`Value`] is built for each message when it is sent, and again when it is
/// received, on the connection's task. CONTRIBUTING.md has numbers.
///
/// A format without heads, here JSON text, needs a length prefix:
///
/// ```
/// use std::io::Write;
/// use aemp::Value;
/// use aemp::codec::{BoxError, Capabilities, Codec, Frame, Head, Limits, Out, PeerInfo};
/// use aemp::codec::{ValueCodec, ValueFormat, decode, encode};
///
/// struct JsonText;
///
/// impl ValueFormat for JsonText {
///     fn name(&self) -> &str {
///         "jsontext"
///     }
///     fn capabilities(&self) -> Capabilities {
///         let mut capabilities = Capabilities::JSON;
///         capabilities.depth = 100;
///         capabilities
///     }
///     fn head(&self, bytes: &[u8]) -> Result<Option<Head>, BoxError> {
///         let len = bytes.first_chunk().map(|len| u32::from_be_bytes(*len));
///         Ok(len.map(|len| Head::Message(4 + len as usize)))
///     }
///     fn write(&self, message: &Value, out: &mut Out<'_>) -> Result<(), BoxError> {
///         let text = serde_json::to_string(message)?;
///         out.write_all(&u32::try_from(text.len())?.to_be_bytes())?;
///         Ok(out.write_all(text.as_bytes())?)
///     }
///     fn read(&self, bytes: &[u8]) -> Result<Value, BoxError> {
///         Ok(serde_json::from_slice(&bytes[4..])?)
///     }
/// }
///
/// let codec = ValueCodec::new(JsonText)?;
/// let peer = PeerInfo::new("peer".parse()?, "");
/// let mut wire = bytes::BytesMut::new();
/// encode(&codec, &Frame::new("counter", &["add".into(), 41.into()]), &peer, &mut wire)?;
/// assert_eq!(wire, &b"\0\0\0\x14[\"counter\",\"add\",41]"[..]);
///
/// let received = decode(&mut *codec.decoder(&Limits::default(), &peer), &mut wire)?;
/// let (tag, n): (String, i64) = received.expect("it is whole").message.parse()?;
/// assert_eq!((tag.as_str(), n), ("add", 41));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct ValueCodec {
    format: Arc<dyn ValueFormat>,
    name: Text,
    capabilities: Capabilities,
    keepalive: Bytes,
}

impl ValueCodec {
    /// Creates the codec of `format`. The format is tested with one value of each kind that its capabilities allow,
    /// including the greatest and the deepest.
    ///
    /// # Errors
    /// If such a value is not written, not found or not read, or is read as another value.
    pub fn new(format: impl ValueFormat + 'static) -> Result<Self, FormatError> {
        let format = Arc::new(format);
        let name = Text::from(format.name());
        let mut capabilities = format.capabilities();
        capabilities.bytes_as_text = false;
        let mut codec = Self {
            format,
            name,
            capabilities,
            keepalive: Bytes::new(),
        };
        codec.keepalive = codec.try_keepalive()?;
        let elements = samples(&codec.capabilities);
        for (label, value) in elements {
            codec.try_value(label, value)?;
        }
        Ok(codec)
    }

    fn try_keepalive(&self) -> Result<Bytes, FormatError> {
        let value = || "[]".to_owned();
        let format = || self.name.clone();
        let mut wire = BytesMut::new();
        let empty = Value::Array(Box::default());
        if let Err(why) = write(&Guarded(self.format.clone()), &empty, &mut wire) {
            return Err(FormatError::Write {
                format: format(),
                value: value(),
                error: EncodeError::serialize(why),
            });
        }
        let mut decoder = self.own_decoder();
        match decoder.find(&wire) {
            Ok(Found::Keepalive { used }) if used == wire.len() => Ok(wire.freeze()),
            Ok(other) => Err(FormatError::Changed {
                format: format(),
                value: value(),
                found: describe(&other),
            }),
            Err(error) => Err(FormatError::Read {
                format: format(),
                value: value(),
                error,
            }),
        }
    }

    /// Encodes the value, and decodes it as it arrives byte by byte.
    fn try_value(&self, value: String, sample: Value) -> Result<(), FormatError> {
        let format = || self.name.clone();
        let mut wire = BytesMut::new();
        let elements = [sample];
        let frame = Frame::new("port", &elements);
        let encoder = guarded(self.encoder());
        if let Err(error) = encode(
            &frame,
            &encoder,
            &self.capabilities,
            || &self.name,
            &mut wire,
        ) {
            let format = format();
            return Err(FormatError::Write {
                format,
                value,
                error,
            });
        }
        let mut decoder = self.own_decoder();
        for end in 1..=wire.len() {
            let found = match decoder.find(&wire[..end]) {
                Ok(Found::Need { used: 0, .. }) if end < wire.len() => continue,
                Ok(found) => found,
                Err(error) => {
                    let format = format();
                    return Err(FormatError::Read {
                        format,
                        value,
                        error,
                    });
                }
            };
            if let Found::Decoded {
                used,
                received: Some(received),
            } = &found
                && *used == wire.len()
                && received.port.as_str() == "port"
                && received.message.to_values().is_ok_and(|v| *v == elements)
            {
                return Ok(());
            }
            return Err(FormatError::Changed {
                format: format(),
                value,
                found: describe(&found),
            });
        }
        Err(FormatError::Changed {
            format: format(),
            value,
            found: "no bytes".into(),
        })
    }

    fn own_decoder(&self) -> ValueDecoder {
        ValueDecoder::new(self.format.clone(), self.name.clone(), &Limits::default())
    }
}

impl Codec for ValueCodec {
    fn name(&self) -> &str {
        &self.name
    }

    fn capabilities(&self, _: &PeerInfo) -> Capabilities {
        self.capabilities.clone()
    }

    fn encoder(&self) -> Encoder {
        Encoder::Values(self.format.clone())
    }

    fn keepalive(&self) -> &[u8] {
        &self.keepalive
    }

    fn decoder(&self, limits: &Limits, _: &PeerInfo) -> Box<dyn Decoder> {
        Box::new(ValueDecoder::new(
            self.format.clone(),
            self.name.clone(),
            limits,
        ))
    }
}

impl fmt::Debug for ValueCodec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ValueCodec").field(&self.name).finish()
    }
}

/// One value of each kind that the capabilities allow, with its label.
fn samples(capabilities: &Capabilities) -> Vec<(String, Value)> {
    let map = |key: Value, value: Value| Value::Map(Map::from(vec![(key, value)]));
    let mut values = vec![
        Value::Null,
        Value::Bool(true),
        Value::Float(0.1),
        Value::Integer(capabilities.min_integer.max(Integer::from(-1))),
        Value::Integer(capabilities.min_integer),
        Value::Integer(capabilities.max_integer),
        Value::from(""),
        Value::from("\u{0}\"\u{e9}\u{1f600}"),
        Value::from(vec![Value::Null, Value::from(vec![])]),
        map("key".into(), vec![Value::Bool(false)].into()),
        Value::Map(Map::default()),
    ];
    if capabilities.bytes {
        values.push(Bytes::from_static(b"\x00\xff").into());
    }
    if capabilities.any_keys {
        values.push(map(7.into(), Value::Null));
    }
    if capabilities.non_finite {
        values.push(f64::NEG_INFINITY.into());
    }
    if capabilities.simple {
        values.push(Value::Simple(99));
    }
    if let Tags::All = capabilities.tags {
        values.push(Value::Tag(u64::MAX, Box::new("content".into())));
    }
    let mut samples: Vec<_> = values.into_iter().map(|v| (v.to_string(), v)).collect();
    // The message's own array is one level.
    let levels = capabilities.depth.min(Limits::default().depth);
    let deepest = (1..levels).fold(Value::Null, |inner, _| vec![inner].into());
    samples.push((format!("arrays {levels} deep"), deepest));
    samples
}

/// Describes the result of a decoder, for an error.
fn describe(found: &Found<'_>) -> String {
    match found {
        Found::Keepalive { .. } => "an empty array".into(),
        Found::Need { .. } => "a message that goes on".into(),
        Found::Message { used, .. } => format!("a message of {used} bytes"),
        Found::Decoded { received, .. } => {
            let values = received
                .as_ref()
                .and_then(|one| one.message.to_values().ok());
            let values = values.unwrap_or_default();
            Excerpt(Value::from(values.into_owned())).to_string()
        }
    }
}

/// Why a [`ValueFormat`] does not match its capabilities.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FormatError {
    /// A value that its capabilities allow is not written.
    #[error("the format {format} does not write {value}: {error}")]
    #[non_exhaustive]
    Write {
        /// The format's name.
        format: Text,
        /// The value.
        value: String,
        /// The error of writing.
        error: EncodeError,
    },
    /// The bytes that it has written are not found or not read.
    #[error("the format {format} does not read what it writes for {value}: {error}")]
    #[non_exhaustive]
    Read {
        /// The format's name.
        format: Text,
        /// The value.
        value: String,
        /// The error of reading.
        error: DecodeError,
    },
    /// A value that its capabilities allow is read as another value.
    #[error("the format {format} reads what it writes for {value} as {found}")]
    #[non_exhaustive]
    Changed {
        /// The format's name.
        format: Text,
        /// The value.
        value: String,
        /// The value that was read.
        found: String,
    },
}
