//! Any type into a [`Writer`], by serde: what is a scalar, an array or a map there, and where a message is flat.

use serde::ser::{self, Impossible, Serialize, Serializer};

use super::writer::{Done, Refused, Writer};
use crate::Integer;
use crate::text::latin1;
use crate::value::mark::TAG;

/// A place in a message, so many levels deep. At depth 0 it is the message itself, which has the flat form that
/// [`to_values`](crate::value::to_values) describes.
pub(super) struct Place<'w, 'a> {
    pub(super) to: &'w mut Writer<'a>,
    pub(super) depth: usize,
}

impl<'w, 'a> Place<'w, 'a> {
    /// Writes what has no parts: here, or as the one element of the message.
    #[inline]
    fn scalar(self, put: impl FnOnce(&mut Writer<'a>) -> Done) -> Done {
        if self.depth > 0 {
            return put(self.to);
        }
        self.to.open(Some(1));
        put(self.to)?;
        self.to.close(Some(1));
        Ok(())
    }

    #[inline]
    fn integer(self, n: impl TryInto<Integer>) -> Done {
        self.scalar(|to| to.integer(n.try_into().map_err(|_| Refused)?))
    }

    /// Goes one level deeper.
    #[inline]
    fn deeper(&mut self) -> Done {
        if self.depth >= self.to.capabilities.depth {
            return Err(Refused);
        }
        self.depth += 1;
        Ok(())
    }

    #[inline]
    fn parts(self, len: Option<usize>, ends: Ends) -> Parts<'w, 'a> {
        Parts {
            to: self.to,
            depth: self.depth,
            len,
            come: 0,
            keyed: false,
            ends,
        }
    }

    /// Begins an array, which is the message itself at depth 0.
    #[inline]
    fn array(mut self, len: Option<usize>) -> Result<Parts<'w, 'a>, Refused> {
        if self.depth == 0 {
            self.to.open(len);
            self.depth = 1;
            return Ok(self.parts(len, Ends::Message));
        }
        self.deeper()?;
        self.to.sink.array(self.to.out, len);
        Ok(self.parts(len, Ends::Array))
    }

    /// Begins a map, which is the message's one element at depth 0.
    fn map(mut self, len: Option<usize>) -> Result<Parts<'w, 'a>, Refused> {
        let ends = match self.depth {
            0 => {
                self.to.open(Some(1));
                self.depth = 1;
                Ends::MapIn(1)
            }
            _ => Ends::Map,
        };
        self.deeper()?;
        self.to.sink.map(self.to.out, len);
        Ok(self.parts(len, ends))
    }

    /// Begins a variant's map of one pair, from its name to its content, which follows.
    fn variant(&mut self, of: &str, name: &str) -> Done {
        if of == TAG {
            return Err(Refused);
        }
        self.deeper()?;
        self.to.sink.map(self.to.out, Some(1));
        self.to.sink.key(self.to.out, name);
        Ok(())
    }
}

macro_rules! integers {
    ($($method:ident: $t:ty),* $(,)?) => {$(
        #[inline]
        fn $method(self, n: $t) -> Done {
            self.integer(n)
        }
    )*};
}

impl<'w, 'a> Serializer for Place<'w, 'a> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Parts<'w, 'a>;
    type SerializeTuple = Parts<'w, 'a>;
    type SerializeTupleStruct = Parts<'w, 'a>;
    type SerializeTupleVariant = Parts<'w, 'a>;
    type SerializeMap = Parts<'w, 'a>;
    type SerializeStruct = Parts<'w, 'a>;
    type SerializeStructVariant = Parts<'w, 'a>;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64, serialize_i128: i128,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64, serialize_u128: u128,
    );

    fn serialize_bool(self, b: bool) -> Done {
        self.scalar(|to| {
            to.sink.bool(to.out, b);
            Ok(())
        })
    }
    fn serialize_f32(self, x: f32) -> Done {
        self.serialize_f64(x.into())
    }
    #[inline]
    fn serialize_f64(self, x: f64) -> Done {
        self.scalar(|to| to.float(x))
    }
    fn serialize_char(self, c: char) -> Done {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }
    #[inline]
    fn serialize_str(self, text: &str) -> Done {
        self.scalar(|to| {
            to.sink.text(to.out, text);
            Ok(())
        })
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        self.scalar(|to| to.bytes(bytes))
    }
    fn serialize_none(self) -> Done {
        self.scalar(|to| {
            to.sink.null(to.out);
            Ok(())
        })
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_unit(self) -> Done {
        if self.depth > 0 {
            return self.serialize_none();
        }
        self.to.open(Some(0));
        self.to.close(Some(0));
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.serialize_unit()
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Done {
        self.serialize_str(name)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        mut self,
        of: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Done {
        if self.depth == 0 && of != TAG {
            self.to.open(Some(2));
            self.to.sink.text(self.to.out, name);
            let (to, depth) = (&mut *self.to, 1);
            value.serialize(Place { to, depth })?;
            self.to.close(Some(2));
            return Ok(());
        }
        self.variant(of, name)?;
        let (to, depth) = (&mut *self.to, self.depth);
        value.serialize(Place { to, depth })?;
        self.to.sink.end_map(self.to.out, Some(1));
        Ok(())
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Parts<'w, 'a>, Refused> {
        self.array(len)
    }
    #[inline]
    fn serialize_tuple(self, len: usize) -> Result<Parts<'w, 'a>, Refused> {
        self.array(Some(len))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Parts<'w, 'a>, Refused> {
        self.array(Some(len))
    }
    fn serialize_tuple_variant(
        mut self,
        of: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Parts<'w, 'a>, Refused> {
        if self.depth == 0 && of != TAG {
            let mut parts = self.array(Some(1 + len))?;
            parts.add(name)?;
            return Ok(parts);
        }
        self.variant(of, name)?;
        self.deeper()?;
        self.to.sink.array(self.to.out, Some(len));
        Ok(self.parts(Some(len), Ends::ArrayInMap))
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Parts<'w, 'a>, Refused> {
        self.map(len)
    }
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Parts<'w, 'a>, Refused> {
        self.map(Some(len))
    }
    fn serialize_struct_variant(
        mut self,
        of: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Parts<'w, 'a>, Refused> {
        let ends = if self.depth == 0 {
            self.to.open(Some(2));
            self.to.sink.text(self.to.out, name);
            self.depth = 1;
            Ends::MapIn(2)
        } else {
            self.variant(of, name)?;
            Ends::MapInMap
        };
        self.deeper()?;
        self.to.sink.map(self.to.out, Some(len));
        Ok(self.parts(Some(len), ends))
    }
}

/// What the end of an array or a map ends.
enum Ends {
    /// The message.
    Message,
    Array,
    /// A variant's array, and the map of one pair around it.
    ArrayInMap,
    Map,
    /// A map, and with it the message of so many elements, of which it is the last.
    MapIn(usize),
    /// A variant's map, and the map of one pair around it.
    MapInMap,
}

/// The parts of an array or a map.
pub(super) struct Parts<'w, 'a> {
    to: &'w mut Writer<'a>,
    depth: usize,
    /// How many elements or pairs were announced.
    len: Option<usize>,
    /// How many have come.
    come: usize,
    /// A key has come, and its value has not.
    keyed: bool,
    ends: Ends,
}

impl Parts<'_, '_> {
    /// The next element.
    #[inline]
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.come += 1;
        self.put(value)
    }

    /// The value of a field or a key.
    #[inline]
    fn put<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(Place {
            to: self.to,
            depth: self.depth,
        })
    }

    #[inline]
    fn finish(self) -> Done {
        let Self {
            to,
            len,
            come,
            keyed,
            ..
        } = self;
        // Of the rest, `values` knows how many there are.
        if keyed || len.is_some_and(|len| len != come) {
            return Err(Refused);
        }
        match self.ends {
            Ends::Message => to.close(len),
            Ends::Array => to.sink.end_array(to.out, len),
            Ends::ArrayInMap => {
                to.sink.end_array(to.out, len);
                to.sink.end_map(to.out, Some(1));
            }
            Ends::Map => to.sink.end_map(to.out, len),
            Ends::MapIn(elements) => {
                to.sink.end_map(to.out, len);
                to.close(Some(elements));
            }
            Ends::MapInMap => {
                to.sink.end_map(to.out, len);
                to.sink.end_map(to.out, Some(1));
            }
        }
        Ok(())
    }
}

macro_rules! elements {
    ($($trait:ident $add:ident),*) => {$(
        impl ser::$trait for Parts<'_, '_> {
            type Ok = ();
            type Error = Refused;
            #[inline]
            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.add(value)
            }
            #[inline]
            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

elements!(
    SerializeSeq serialize_element, SerializeTuple serialize_element,
    SerializeTupleStruct serialize_field, SerializeTupleVariant serialize_field
);

macro_rules! fields {
    ($($trait:ident),*) => {$(
        impl ser::$trait for Parts<'_, '_> {
            type Ok = ();
            type Error = Refused;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
                self.to.sink.key(self.to.out, name);
                self.add(value)
            }
            fn end(self) -> Done {
                self.finish()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Parts<'_, '_> {
    type Ok = ();
    type Error = Refused;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        if std::mem::replace(&mut self.keyed, true) {
            return Err(Refused);
        }
        self.come += 1;
        if self.to.capabilities.any_keys {
            return self.put(key);
        }
        key.serialize(TextKey(self.to))
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        if !std::mem::take(&mut self.keyed) {
            return Err(Refused);
        }
        self.put(value)
    }
    fn end(self) -> Done {
        self.finish()
    }
}

/// The key of a map of a codec that has texts as keys only.
struct TextKey<'w, 'a>(&'w mut Writer<'a>);

macro_rules! refused {
    ($($method:ident($($t:ty),*)),* $(,)?) => {$(
        fn $method(self, $(_: $t),*) -> Done {
            Err(Refused)
        }
    )*};
}

macro_rules! no_parts {
    ($($method:ident($($t:ty),*)),* $(,)?) => {$(
        fn $method(self, $(_: $t),*) -> Result<Impossible<(), Refused>, Refused> {
            Err(Refused)
        }
    )*};
}

impl Serializer for TextKey<'_, '_> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Impossible<(), Refused>;
    type SerializeTuple = Impossible<(), Refused>;
    type SerializeTupleStruct = Impossible<(), Refused>;
    type SerializeTupleVariant = Impossible<(), Refused>;
    type SerializeMap = Impossible<(), Refused>;
    type SerializeStruct = Impossible<(), Refused>;
    type SerializeStructVariant = Impossible<(), Refused>;

    refused!(
        serialize_bool(bool),
        serialize_unit_struct(&'static str),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_i128(i128),
        serialize_u128(u128),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_none(),
        serialize_unit(),
    );
    no_parts!(
        serialize_seq(Option<usize>),
        serialize_tuple(usize),
        serialize_tuple_struct(&'static str, usize),
        serialize_tuple_variant(&'static str, u32, &'static str, usize),
        serialize_map(Option<usize>),
        serialize_struct(&'static str, usize),
        serialize_struct_variant(&'static str, u32, &'static str, usize),
    );

    fn serialize_str(self, text: &str) -> Done {
        self.0.sink.key(self.0.out, text);
        Ok(())
    }
    fn serialize_char(self, c: char) -> Done {
        self.serialize_str(c.encode_utf8(&mut [0; 4]))
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        match self.0.capabilities.bytes_as_text {
            true => self.serialize_str(&latin1(bytes)),
            false => Err(Refused),
        }
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Done {
        self.serialize_str(name)
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        _: &'static str,
        _: &T,
    ) -> Done {
        Err(Refused)
    }
}
