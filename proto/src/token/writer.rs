//! `Writer`: one message on its way into a codec's bytes, from values or, by `serializer`, from any type.
//!
//! It refuses what the codec cannot carry exactly, and what nests too deep. It knows no paths and no reasons, so that
//! it costs next to nothing: who was refused finds both by way of values (`frame`). What is rare goes that way too:
//! tags, simple values, and types that announce another number of elements than they have.

use std::fmt;

use bytes::BytesMut;
use serde::ser::{self, Serialize};

use super::serializer::Place;
use super::{Capabilities, Sink};
use crate::PortId;
use crate::text::latin1;
use crate::value::{EncodeError, Integer, Value, Values, to_values};

/// Whatever serialises, with its type erased.
///
/// Every type with `Serialize` has it, and it is of use to the core only: a codec passes it on. There is one dynamic
/// call to it per message, and one to the [`Sink`] per token.
pub trait Emit {
    /// Writes the message that the value stands for, as [`to_values`] says.
    ///
    /// # Errors
    /// If it is not for this codec, or left to the way of values; what was written is to be cut off.
    #[doc(hidden)]
    fn emit(&self, to: &mut Writer<'_>) -> Result<(), Refused>;

    /// The elements as values.
    #[doc(hidden)]
    fn to_values(&self) -> Result<Values, EncodeError>;
}

impl<T: Serialize + ?Sized> Emit for T {
    fn emit(&self, to: &mut Writer<'_>) -> Result<(), Refused> {
        self.serialize(Place { to, depth: 0 })
    }

    fn to_values(&self) -> Result<Values, EncodeError> {
        to_values(self)
    }
}

/// Why does not matter: see the module.
#[doc(hidden)]
#[derive(Debug)]
pub struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("left to values")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    #[cold]
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

pub(super) type Done = Result<(), Refused>;

/// One message on its way into bytes.
#[doc(hidden)]
pub struct Writer<'a> {
    pub(crate) sink: &'static dyn Sink,
    pub(crate) out: &'a mut BytesMut,
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) port: &'a str,
    pub(crate) reply: Option<&'a PortId>,
}

impl Writer<'_> {
    /// Begins the message, which has so many elements besides the port and the reply.
    #[inline]
    pub(super) fn open(&mut self, len: Option<usize>) {
        self.sink.message(self.out, self.total(len));
        self.sink.text(self.out, self.port);
    }

    /// Ends the message that was opened with this length.
    #[inline]
    pub(super) fn close(&mut self, len: Option<usize>) {
        if let Some(reply) = self.reply {
            self.sink.text(self.out, &reply.to_string());
        }
        self.sink.end_array(self.out, self.total(len));
    }

    #[inline]
    fn total(&self, len: Option<usize>) -> Option<usize> {
        len.map(|len| 1 + len + usize::from(self.reply.is_some()))
    }

    /// Writes the message of these elements.
    pub(crate) fn values(&mut self, values: &[Value]) -> Done {
        let len = Some(values.len());
        self.open(len);
        for value in values {
            self.value(value, 1)?;
        }
        self.close(len);
        Ok(())
    }

    /// Writes `value`, which stands `depth` levels deep. Recursive: no deeper than the limit.
    fn value(&mut self, value: &Value, depth: usize) -> Done {
        let (sink, capabilities) = (self.sink, self.capabilities);
        match value {
            Value::Null => sink.null(self.out),
            Value::Bool(b) => sink.bool(self.out, *b),
            Value::Integer(n) => self.integer(*n)?,
            Value::Float(x) => self.float(*x)?,
            Value::Bytes(bytes) => self.bytes(bytes)?,
            Value::Text(text) => sink.text(self.out, text),
            Value::Simple(n) => {
                let fits = capabilities.simple && !(24..32).contains(n);
                fits.then(|| sink.simple(self.out, *n)).ok_or(Refused)?;
            }
            Value::Array(_) | Value::Map(_) | Value::Tag(..) if depth >= capabilities.depth => {
                return Err(Refused);
            }
            Value::Array(items) => {
                let len = Some(items.len());
                sink.array(self.out, len);
                for item in items {
                    self.value(item, depth + 1)?;
                }
                sink.end_array(self.out, len);
            }
            Value::Map(map) => {
                let len = Some(map.len());
                sink.map(self.out, len);
                for (key, value) in map {
                    match key {
                        Value::Text(text) => sink.key(self.out, text),
                        Value::Bytes(bytes) if capabilities.bytes_as_text => {
                            sink.key(self.out, &latin1(bytes));
                        }
                        _ if capabilities.any_keys => self.value(key, depth + 1)?,
                        _ => return Err(Refused),
                    }
                    self.value(value, depth + 1)?;
                }
                sink.end_map(self.out, len);
            }
            Value::Tag(tag, content) => self.tag(*tag, content, depth)?,
        }
        Ok(())
    }

    /// Writes `tag` around `content`. Out of the way of what is common.
    #[cold]
    #[inline(never)]
    fn tag(&mut self, tag: u64, content: &Value, depth: usize) -> Done {
        if !self.capabilities.tags.contains(tag, content) {
            return Err(Refused);
        }
        self.sink.tag(self.out, tag);
        self.value(content, depth + 1)
    }

    #[inline]
    pub(super) fn integer(&mut self, n: Integer) -> Done {
        if !self.capabilities.has_integer(n) {
            return Err(Refused);
        }
        match n.parts() {
            Ok(n) => self.sink.unsigned(self.out, n),
            Err(n) => self.sink.negative(self.out, n),
        }
        Ok(())
    }

    #[inline]
    pub(super) fn float(&mut self, x: f64) -> Done {
        if !x.is_finite() && !self.capabilities.non_finite {
            return Err(Refused);
        }
        self.sink.float(self.out, x);
        Ok(())
    }

    #[inline]
    pub(super) fn bytes(&mut self, bytes: &[u8]) -> Done {
        match self.capabilities {
            Capabilities {
                bytes_as_text: true,
                ..
            } => self.sink.text(self.out, &latin1(bytes)),
            Capabilities { bytes: true, .. } => self.sink.bytes(self.out, bytes),
            _ => return Err(Refused),
        }
        Ok(())
    }
}
