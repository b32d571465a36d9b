//! Typed messages to CBOR, straight into the buffer.
//!
//! What is rare is refused here and left to the way of values, which also finds out what was wrong if something
//! was: tags, simple values, integers beyond CBOR's, and types that announce another number of elements than they
//! have.

use std::fmt;

use aemp_core::Integer;
use aemp_core::codec::MAX_DEPTH;
use bytes::BytesMut;
use serde::ser::{self, Serialize, Serializer};

use crate::write::{byte, float, head, text};

/// The enum that stands for tags in serde, as in ciborium.
const TAG: &str = "@@TAG@@";

const BREAK: u8 = 0xff;

/// Why does not matter: see the module.
#[derive(Debug)]
pub(crate) struct Refused;

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("left to values")
    }
}

impl std::error::Error for Refused {}

impl ser::Error for Refused {
    fn custom<T: fmt::Display>(_: T) -> Self {
        Self
    }
}

type Done = Result<(), Refused>;

/// Appends to `out` at a place that is `depth` levels deep.
pub(crate) struct Ser<'a> {
    pub(crate) out: &'a mut BytesMut,
    pub(crate) depth: usize,
}

impl<'a> Ser<'a> {
    /// Opens an array (major type 4) or a map (5).
    fn open(self, major: u8, len: Option<usize>) -> Result<Parts<'a>, Refused> {
        if self.depth >= MAX_DEPTH {
            return Err(Refused);
        }
        match len {
            Some(len) => head(self.out, major, len as u64),
            None => byte(self.out, major << 5 | 31),
        }
        Ok(Parts {
            out: self.out,
            depth: self.depth + 1,
            left: len,
        })
    }

    /// Opens the map of one pair from the name of an enum's variant to its content.
    fn variant(self, of: &str, name: &str) -> Result<Self, Refused> {
        if of == TAG || self.depth >= MAX_DEPTH {
            return Err(Refused);
        }
        head(self.out, 5, 1);
        text(self.out, name);
        Ok(Self {
            out: self.out,
            depth: self.depth + 1,
        })
    }
}

macro_rules! integers {
    ($($method:ident: $t:ty),*) => {$(
        #[inline]
        fn $method(self, n: $t) -> Done {
            match Integer::try_from(n).map_err(|_| Refused)?.parts() {
                Ok(n) => head(self.out, 0, n),
                Err(n) => head(self.out, 1, n),
            }
            Ok(())
        }
    )*};
}

impl<'a> Serializer for Ser<'a> {
    type Ok = ();
    type Error = Refused;
    type SerializeSeq = Parts<'a>;
    type SerializeTuple = Parts<'a>;
    type SerializeTupleStruct = Parts<'a>;
    type SerializeTupleVariant = Parts<'a>;
    type SerializeMap = Parts<'a>;
    type SerializeStruct = Parts<'a>;
    type SerializeStructVariant = Parts<'a>;

    integers!(
        serialize_i8: i8, serialize_i16: i16, serialize_i32: i32, serialize_i64: i64,
        serialize_u8: u8, serialize_u16: u16, serialize_u32: u32, serialize_u64: u64,
        serialize_i128: i128, serialize_u128: u128
    );

    fn serialize_bool(self, b: bool) -> Done {
        byte(self.out, 0xf4 | u8::from(b));
        Ok(())
    }
    fn serialize_f32(self, x: f32) -> Done {
        self.serialize_f64(x.into())
    }
    fn serialize_f64(self, x: f64) -> Done {
        float(self.out, x);
        Ok(())
    }
    fn serialize_char(self, c: char) -> Done {
        text(self.out, c.encode_utf8(&mut [0; 4]));
        Ok(())
    }
    fn serialize_str(self, content: &str) -> Done {
        text(self.out, content);
        Ok(())
    }
    fn serialize_bytes(self, bytes: &[u8]) -> Done {
        head(self.out, 2, bytes.len() as u64);
        self.out.extend_from_slice(bytes);
        Ok(())
    }
    fn serialize_none(self) -> Done {
        self.serialize_unit()
    }
    fn serialize_unit(self) -> Done {
        byte(self.out, 0xf6);
        Ok(())
    }
    fn serialize_unit_struct(self, _: &'static str) -> Done {
        self.serialize_unit()
    }
    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Done {
        value.serialize(self)
    }
    fn serialize_unit_variant(self, _: &'static str, _: u32, name: &'static str) -> Done {
        text(self.out, name);
        Ok(())
    }
    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        value: &T,
    ) -> Done {
        value.serialize(self.variant(of, name)?)
    }
    fn serialize_seq(self, len: Option<usize>) -> Result<Parts<'a>, Refused> {
        self.open(4, len)
    }
    fn serialize_tuple(self, len: usize) -> Result<Parts<'a>, Refused> {
        self.open(4, Some(len))
    }
    fn serialize_tuple_struct(self, _: &'static str, len: usize) -> Result<Parts<'a>, Refused> {
        self.open(4, Some(len))
    }
    fn serialize_tuple_variant(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Parts<'a>, Refused> {
        self.variant(of, name)?.open(4, Some(len))
    }
    fn serialize_map(self, len: Option<usize>) -> Result<Parts<'a>, Refused> {
        self.open(5, len)
    }
    fn serialize_struct(self, _: &'static str, len: usize) -> Result<Parts<'a>, Refused> {
        self.open(5, Some(len))
    }
    fn serialize_struct_variant(
        self,
        of: &'static str,
        _: u32,
        name: &'static str,
        len: usize,
    ) -> Result<Parts<'a>, Refused> {
        self.variant(of, name)?.open(5, Some(len))
    }
}

/// The parts of an array or a map.
pub(crate) struct Parts<'a> {
    out: &'a mut BytesMut,
    depth: usize,
    /// How many elements or pairs are to come, where that was said.
    left: Option<usize>,
}

impl Parts<'_> {
    #[inline]
    fn add<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        value.serialize(Ser {
            out: self.out,
            depth: self.depth,
        })
    }

    /// An element or a pair begins.
    #[inline]
    fn count(&mut self) -> Done {
        if let Some(left) = &mut self.left {
            *left = left.checked_sub(1).ok_or(Refused)?;
        }
        Ok(())
    }

    fn close(self) -> Done {
        match self.left {
            Some(0) => Ok(()),
            Some(_) => Err(Refused),
            None => {
                byte(self.out, BREAK);
                Ok(())
            }
        }
    }
}

macro_rules! elements {
    ($($trait:ident $add:ident),*) => {$(
        impl ser::$trait for Parts<'_> {
            type Ok = ();
            type Error = Refused;
            #[inline]
            fn $add<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
                self.count()?;
                self.add(value)
            }
            fn end(self) -> Done {
                self.close()
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
        impl ser::$trait for Parts<'_> {
            type Ok = ();
            type Error = Refused;
            fn serialize_field<T: Serialize + ?Sized>(&mut self, name: &'static str, value: &T) -> Done {
                self.count()?;
                text(self.out, name);
                self.add(value)
            }
            fn end(self) -> Done {
                self.close()
            }
        }
    )*};
}

fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Parts<'_> {
    type Ok = ();
    type Error = Refused;
    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Done {
        self.count()?;
        self.add(key)
    }
    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Done {
        self.add(value)
    }
    fn end(self) -> Done {
        self.close()
    }
}
