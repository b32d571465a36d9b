//! `Writer`: writes one message as a codec's bytes, from values or, through serde, from any type.
//!
//! It refuses a value that the codec cannot carry exactly, and one that is nested too deep. To be fast it keeps no
//! paths and no reasons: the caller builds the message as values to find both (`frame`). Rare cases are refused as
//! well, and written from values: tags, simple values, and types that announce another number of elements than they
//! have.

use std::fmt;

use bytes::BytesMut;
use serde::ser::{self, Serialize};

use super::{Capabilities, TokenWriter};
use crate::PortId;
use crate::text::latin1;
use crate::value::serializer::Place;
use crate::value::target::{Form, Plain, Target};
use crate::value::{EncodeError, Value, Values, is_simple, to_values};

/// A type with `Serialize`, as a trait object.
///
/// Every such type implements it. Only the core calls it; a codec passes it on. A message costs one dynamic call to it,
/// and one to the [`TokenWriter`] for each token.
pub trait Emit: sealed::Sealed {
    /// Writes the message that the value becomes; see [`to_values`].
    ///
    /// # Errors
    /// If the codec cannot carry it, or it has to be written from values. The caller truncates the buffer.
    #[doc(hidden)]
    fn emit(&self, to: &mut Writer<'_>) -> Result<(), Refused>;

    /// The elements as values.
    #[doc(hidden)]
    fn to_values(&self) -> Result<Values, EncodeError>;
}

mod sealed {
    pub trait Sealed {}
}

impl<T: Serialize + ?Sized> sealed::Sealed for T {}

impl<T: Serialize + ?Sized> Emit for T {
    fn emit(&self, to: &mut Writer<'_>) -> Result<(), Refused> {
        self.serialize(Place::message(to))?;
        to.close();
        Ok(())
    }

    fn to_values(&self) -> Result<Values, EncodeError> {
        to_values(self)
    }
}

/// Refused, without a reason: see the module.
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

type Done = Result<(), Refused>;

/// Writes one message.
#[doc(hidden)]
pub struct Writer<'a> {
    pub(crate) sink: &'static dyn TokenWriter,
    pub(crate) out: &'a mut BytesMut,
    pub(crate) capabilities: &'a Capabilities,
    pub(crate) port: &'a str,
    pub(crate) reply: Option<&'a PortId>,
    /// The number of elements of the message's array, port and reply included, if it was announced.
    pub(crate) len: Option<usize>,
}

impl fmt::Debug for Writer<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer")
            .field("port", &self.port)
            .finish_non_exhaustive()
    }
}

impl Writer<'_> {
    /// Begins the message, which has `len` elements besides the port and the reply.
    #[inline]
    fn open(&mut self, len: Option<usize>) {
        self.len = len.map(|len| 1 + len + usize::from(self.reply.is_some()));
        self.sink.message(self.out, self.len);
        self.sink.text(self.out, self.port);
    }

    /// Ends the message.
    #[inline]
    fn close(&mut self) {
        if let Some(reply) = self.reply {
            self.reply(reply);
        }
        self.sink.end_array(self.out, self.len);
    }

    #[inline(never)]
    fn reply(&mut self, reply: &PortId) {
        self.sink.text(self.out, &reply.to_string());
    }

    /// Writes the message of these elements.
    pub(crate) fn values(&mut self, values: &[Value]) -> Done {
        self.open(Some(values.len()));
        for value in values {
            self.value(value, 1)?;
        }
        self.close();
        Ok(())
    }

    /// Writes `value`, which is `depth` levels deep. Recursive, up to the limit on nesting.
    fn value(&mut self, value: &Value, depth: usize) -> Done {
        let (sink, capabilities) = (self.sink, self.capabilities);
        match value {
            Value::Null => self.scalar(Plain::Null)?,
            Value::Bool(b) => self.scalar(Plain::Bool(*b))?,
            Value::Integer(n) => self.scalar(Plain::Integer(*n))?,
            Value::Float(x) => self.scalar(Plain::Float(*x))?,
            Value::Bytes(bytes) => self.scalar(Plain::Bytes(bytes))?,
            Value::Text(text) => sink.text(self.out, text),
            Value::Simple(n) => {
                let fits = capabilities.simple && is_simple(*n);
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

    /// Writes `tag` and `content`. Not inlined, because tags are rare.
    #[cold]
    #[inline(never)]
    fn tag(&mut self, tag: u64, content: &Value, depth: usize) -> Done {
        if !self.capabilities.tags.contains(tag, content) {
            return Err(Refused);
        }
        self.sink.tag(self.out, tag);
        self.value(content, depth + 1)
    }
}

impl Target for Writer<'_> {
    type Error = Refused;
    type Built = ();
    type Message = ();
    type Items = Parts;
    type Pairs = Parts;
    const RARE: bool = false;

    #[inline]
    fn limit(&self) -> usize {
        self.capabilities.depth
    }
    fn too_deep(&self) -> Refused {
        Refused
    }

    #[inline]
    fn one(&mut self) {
        self.open(Some(1));
    }
    fn message_of((): ()) {}
    #[inline(always)]
    fn scalar(&mut self, scalar: Plain<'_>) -> Done {
        let (sink, capabilities) = (self.sink, self.capabilities);
        match scalar {
            Plain::Null => sink.null(self.out),
            Plain::Bool(b) => sink.bool(self.out, b),
            Plain::Integer(n) if capabilities.has_integer(n) => match n.parts() {
                Ok(n) => sink.unsigned(self.out, n),
                Err(n) => sink.negative(self.out, n),
            },
            Plain::Float(x) if x.is_finite() || capabilities.non_finite => {
                sink.float(self.out, x);
            }
            Plain::Bytes(bytes) if capabilities.bytes_as_text => {
                sink.text(self.out, &latin1(bytes));
            }
            Plain::Bytes(bytes) if capabilities.bytes => sink.bytes(self.out, bytes),
            _ => return Err(Refused),
        }
        Ok(())
    }
    #[inline(always)]
    fn text(&mut self, text: &str) -> Done {
        self.sink.text(self.out, text);
        Ok(())
    }
    fn simple(&mut self, (): (), _: bool) -> Done {
        Err(Refused)
    }

    #[inline(always)]
    fn array(&mut self, form: Form, len: Option<usize>) -> Parts {
        match form {
            Form::Message => self.open(len),
            _ => {
                self.begin(form);
                self.sink.array(self.out, len);
            }
        }
        Parts { len, come: 0 }
    }
    #[inline(always)]
    fn push(items: &mut Parts, (): ()) {
        items.come += 1;
    }
    #[inline(always)]
    fn count(items: &Parts) -> usize {
        items.come
    }
    #[inline(always)]
    fn end_message(&mut self, items: Parts) -> Done {
        self.end(items, Form::Message)
    }
    #[inline(always)]
    fn end_array(&mut self, items: Parts, form: Form) -> Done {
        self.sink.end_array(self.out, items.len);
        self.end(items, form)
    }

    #[inline(always)]
    fn map(&mut self, form: Form, len: Option<usize>) -> Parts {
        self.begin(form);
        self.sink.map(self.out, len);
        Parts { len, come: 0 }
    }
    #[inline]
    fn key(&mut self, name: &'static str) {
        self.sink.key(self.out, name);
    }
    #[inline]
    fn any_key<S: Serialize + ?Sized>(&mut self, key: &S, depth: usize) -> Done {
        if self.capabilities.any_keys {
            return key.serialize(Place::key(self, depth));
        }
        key.serialize(Place::key(&mut TextKey(self), depth))
    }
    #[inline(always)]
    fn add(pairs: &mut Parts, (): (), (): ()) {
        pairs.come += 1;
    }
    #[inline(always)]
    fn end_named(&mut self, name: &'static str, pairs: Parts) -> Done {
        self.end_map(pairs, Form::AfterName(name))
    }
    #[inline(always)]
    fn end_map(&mut self, pairs: Parts, form: Form) -> Done {
        self.sink.end_map(self.out, pairs.len);
        self.end(pairs, form)
    }
}

/// The announced number of elements or pairs, and the number written so far.
pub(crate) struct Parts {
    len: Option<usize>,
    come: usize,
}

impl Writer<'_> {
    /// Writes what precedes the content of a variant.
    #[inline(always)]
    fn begin(&mut self, form: Form) {
        match form {
            Form::Variant(name) => {
                self.sink.map(self.out, Some(1));
                self.sink.key(self.out, name);
            }
            Form::AfterName(name) => {
                self.open(Some(2));
                self.sink.text(self.out, name);
            }
            _ => {}
        }
    }

    /// Writes the end of the map around the content of a variant. Refuses an array or a map whose number of parts was
    /// not the announced one.
    #[inline(always)]
    fn end(&mut self, parts: Parts, form: Form) -> Done {
        if let Form::Variant(_) = form {
            self.sink.end_map(self.out, Some(1));
        }
        match parts.len.is_none_or(|len| len == parts.come) {
            true => Ok(()),
            false => Err(Refused),
        }
    }
}

/// Writes a key for a codec whose keys are texts, and refuses every other key.
struct TextKey<'w, 'a>(&'w mut Writer<'a>);

impl Target for TextKey<'_, '_> {
    type Error = Refused;
    type Built = ();
    type Message = ();
    type Items = ();
    type Pairs = ();
    const RARE: bool = false;

    fn limit(&self) -> usize {
        // Nothing nests.
        0
    }
    fn too_deep(&self) -> Refused {
        Refused
    }
    fn one(&mut self) {}
    fn message_of((): ()) {}
    #[inline(always)]
    fn scalar(&mut self, scalar: Plain<'_>) -> Done {
        let Writer {
            sink,
            out,
            capabilities,
            ..
        } = &mut *self.0;
        match scalar {
            Plain::Bytes(bytes) if capabilities.bytes_as_text => sink.key(out, &latin1(bytes)),
            _ => return Err(Refused),
        }
        Ok(())
    }
    #[inline(always)]
    fn text(&mut self, text: &str) -> Done {
        self.0.sink.key(self.0.out, text);
        Ok(())
    }
    fn simple(&mut self, (): (), _: bool) -> Done {
        Err(Refused)
    }
    fn array(&mut self, _: Form, _: Option<usize>) {}
    fn push((): &mut (), (): ()) {}
    fn count((): &()) -> usize {
        0
    }
    fn end_message(&mut self, (): ()) -> Done {
        Err(Refused)
    }
    fn end_array(&mut self, (): (), _: Form) -> Done {
        Err(Refused)
    }
    fn map(&mut self, _: Form, _: Option<usize>) {}
    fn key(&mut self, _: &'static str) {}
    fn add((): &mut (), (): (), (): ()) {}
    fn end_named(&mut self, _: &'static str, (): ()) -> Done {
        Err(Refused)
    }
    fn end_map(&mut self, (): (), _: Form) -> Done {
        Err(Refused)
    }
}
