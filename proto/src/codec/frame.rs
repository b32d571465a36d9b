//! `Encoder`: how a codec writes messages; `Frame`: a message to encode, into bytes or, while there is no codec, into
//! values.

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

use bytes::BytesMut;

use super::ValueFormat;
use super::format::write;
use super::refused::refused;
use crate::PortId;
use crate::message::{Outgoing, or_encode_error};
use crate::token::{Capabilities, Refused, TokenWriter, Writer};
use crate::value::{EncodeError, Value, Values};

/// How a codec writes messages.
#[derive(Clone)]
#[non_exhaustive]
pub enum Encoder {
    /// Token by token. Fast: a type is serialized into bytes without an intermediate [`Value`].
    Tokens(&'static dyn TokenWriter),
    /// From values, as `aemp_core::codec::ValueCodec` does.
    Values(Arc<dyn ValueFormat>),
}

impl fmt::Debug for Encoder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Tokens(_) => "Tokens(..)",
            Self::Values(_) => "Values(..)",
        })
    }
}

/// A message to encode.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub struct Frame<'a> {
    /// The name of the port on the receiving node.
    pub port: &'a str,
    /// The message.
    pub body: Outgoing<'a>,
    /// A port ID that is appended as the last element: the reply port of a `call`.
    pub reply: Option<&'a PortId>,
}

impl<'a> Frame<'a> {
    /// A message of dynamic values, without a reply port.
    pub fn new(port: &'a str, values: &'a [Value]) -> Self {
        Self::with_body(port, Outgoing::Values(values))
    }

    /// A message in any form, without a reply port.
    pub fn with_body(port: &'a str, body: Outgoing<'a>) -> Self {
        let reply = None;
        Self { port, body, reply }
    }

    /// The same message with this reply port.
    pub fn with_reply(self, reply: Option<&'a PortId>) -> Self {
        Self { reply, ..self }
    }

    /// The elements of the message as values, including the ID of the reply port.
    ///
    /// # Errors
    /// If the `Serialize` of a type fails, or produces something that [`Value`] cannot represent.
    pub fn to_values(&self) -> Result<Values, EncodeError> {
        let mut values = self.body.to_values()?;
        if let Some(reply) = self.reply {
            values.push(reply.to_string());
        }
        Ok(values)
    }

    /// Encodes with a format that writes values.
    fn encode_values(
        &self,
        format: &dyn ValueFormat,
        capabilities: &Capabilities,
        codec: &str,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        let elements = match self.body {
            Outgoing::Values(values) => Cow::Borrowed(values),
            other => Cow::Owned(other.to_values()?.into_vec()),
        };
        capabilities.check(&elements, codec)?;
        let mut message =
            Vec::with_capacity(1 + elements.len() + usize::from(self.reply.is_some()));
        message.push(Value::from(self.port));
        match elements {
            Cow::Borrowed(values) => message.extend_from_slice(values),
            Cow::Owned(values) => message.extend(values),
        }
        message.extend(self.reply.map(Value::from));
        let message = Value::from(message);
        let start = out.len();
        match write(format, &message, out) {
            Ok(()) if out.len() > start => Ok(()),
            Ok(()) => Err(EncodeError::serialize(format!(
                "{codec} has written nothing"
            ))),
            Err(why) => {
                out.truncate(start);
                Err(refused(&message, format, codec, why))
            }
        }
    }

    /// Encodes by way of values, after encoding by tokens has failed: the error then has the path of the refused
    /// element.
    #[cold]
    fn encode_with_path(&self, mut writer: Writer<'_>, codec: &str) -> Result<(), EncodeError> {
        let built;
        let values = match self.body {
            Outgoing::Values(values) => values,
            Outgoing::Wire(wire) if writer.capabilities.one_string_type => {
                built = or_encode_error(wire.values_as_written())?;
                &built
            }
            other => {
                built = other.to_values()?;
                &built
            }
        };
        let start = writer.out.len();
        if writer.values(values).is_ok() {
            return Ok(());
        }
        writer.out.truncate(start);
        writer.capabilities.check(values, codec)?;
        // Not reached: the writer and the check refuse the same values.
        Err(EncodeError::serialize("no reason was found"))
    }
}

/// Appends `frame` to `out`, encoded by the codec with this `encoder` and these `capabilities`. `name` is used in
/// errors.
///
/// # Errors
/// If the codec cannot encode an element exactly, or it nests deeper than [`MAX_DEPTH`](crate::value::MAX_DEPTH). `out`
/// is unchanged then.
// Once for each message that is sent; the other places are those of traces.
#[inline(always)]
pub fn encode<'n>(
    frame: &Frame<'_>,
    encoder: &Encoder,
    capabilities: &Capabilities,
    name: impl FnOnce() -> &'n str,
    out: &mut BytesMut,
) -> Result<(), EncodeError> {
    let start = out.len();
    let sink = match encoder {
        Encoder::Tokens(sink) => *sink,
        Encoder::Values(format) => {
            return frame.encode_values(&**format, capabilities, name(), out);
        }
    };
    let mut writer = Writer {
        sink,
        out,
        capabilities,
        port: frame.port,
        reply: frame.reply,
        len: None,
    };
    let done = match frame.body {
        Outgoing::Typed(message) => message.emit(&mut writer),
        Outgoing::Values(values) => writer.values(values),
        Outgoing::Wire(_) => Err(Refused),
    };
    if done.is_ok() {
        return Ok(());
    }
    writer.out.truncate(start);
    frame.encode_with_path(writer, name())
}
