//! Scalars for serde's visitors, and the lenient reading of scalars from AnyEvent::MP nodes.

use std::borrow::Cow;

use serde::de::{Error as _, Unexpected, Visitor};

use super::{Integer, ParseError, numeral};
use crate::text::latin1;

/// A value without parts.
#[derive(Debug, Clone)]
pub(crate) enum Scalar<'a> {
    Null,
    Bool(bool),
    Integer(Integer),
    Float(f64),
    Bytes(Cow<'a, [u8]>),
    Text(Cow<'a, str>),
}

/// The type that a visitor asks its deserializer for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Want {
    Any,
    Bool,
    Integer,
    Float(Precision),
    Text,
    Bytes,
    /// A map whose keys are names of fields.
    Struct,
    Other,
}

/// The precision of a float that is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Precision {
    Single,
    Double,
}

impl Precision {
    /// The integer as a float of this precision, if it is exact.
    fn exactly(self, n: Integer) -> Option<f64> {
        n.as_f64()
            .filter(|x| self == Self::Double || f64::from(*x as f32) == *x)
    }
}

impl<'a> Scalar<'a> {
    /// Passes the scalar to `visitor`, which asks for a `want`.
    ///
    /// `lenient` is for messages of AnyEvent::MP nodes, which have one kind of scalar (protocol.md section 3). It
    /// converts the kind of a scalar, and never changes the number or the text that it means:
    /// * Bytes become a text if a text is asked for ([`perl_text`]); for any other type but bytes, if they are UTF-8.
    /// * A number becomes a text if a text is asked for, in Perl's form.
    /// * A text of a number becomes the number if one is asked for: an integer if it is one exactly (`42.0` is); a
    ///   float if digits alone are represented exactly, or the nearest float if it has a decimal point or an exponent.
    /// * A float without a fraction becomes an integer, and an integer that a float represents exactly becomes a float.
    /// * `1`, `0` and the empty text become booleans if one is asked for.
    /// * A text of code points up to 0xFF becomes bytes, one for each, if bytes are asked for.
    pub(crate) fn visit<'de, V: Visitor<'de>>(
        self,
        want: Want,
        lenient: bool,
        visitor: V,
    ) -> Result<V::Value, ParseError> {
        let scalar = if lenient { self.bend(want) } else { self };
        match scalar {
            Self::Null => visitor.visit_unit(),
            Self::Bool(b) => visitor.visit_bool(b),
            Self::Integer(n) => visit_integer(n, want, visitor),
            Self::Float(x) => visitor.visit_f64(x),
            // serde's `String` accepts UTF-8 bytes from any peer.
            Self::Bytes(bytes) if want == Want::Text => Err(ParseError::invalid_type(
                Unexpected::Bytes(&bytes),
                &visitor,
            )),
            Self::Bytes(Cow::Borrowed(bytes)) => visitor.visit_bytes(bytes),
            Self::Bytes(Cow::Owned(bytes)) => visitor.visit_byte_buf(bytes),
            Self::Text(Cow::Borrowed(text)) => visitor.visit_str(text),
            Self::Text(Cow::Owned(text)) => visitor.visit_string(text),
        }
    }

    /// The scalar as a text, if it is one; `lenient` as for [`visit`](Self::visit).
    pub(crate) fn text(self, lenient: bool) -> Option<Cow<'a, str>> {
        let scalar = if lenient { self.bend(Want::Text) } else { self };
        match scalar {
            Self::Text(text) => Some(text),
            _ => None,
        }
    }

    /// The name of this kind of value in serde's errors.
    pub(crate) fn unexpected(&self) -> Unexpected<'_> {
        match self {
            Self::Null => Unexpected::Unit,
            Self::Bool(b) => Unexpected::Bool(*b),
            Self::Integer(n) => unexpected_integer(*n),
            Self::Float(x) => Unexpected::Float(*x),
            Self::Bytes(bytes) => Unexpected::Bytes(bytes),
            Self::Text(text) => Unexpected::Str(text),
        }
    }

    /// The scalar that an AnyEvent::MP node means, if a `want` is asked for.
    fn bend(self, want: Want) -> Self {
        let scalar = match (want, self) {
            (Want::Bytes, scalar) => scalar,
            (Want::Text, Self::Bytes(bytes)) => Self::Text(perl_text(bytes)),
            (_, Self::Bytes(bytes)) => text_of(bytes).map_or_else(Self::Bytes, Self::Text),
            (_, scalar) => scalar,
        };
        match (want, scalar) {
            (Want::Bytes, Self::Text(text)) => {
                let latin1: Result<Vec<u8>, _> = text.chars().map(u8::try_from).collect();
                latin1.map_or(Self::Text(text), |bytes| Self::Bytes(bytes.into()))
            }
            (Want::Text, Self::Integer(n)) => Self::Text(n.to_string().into()),
            (Want::Text, Self::Float(x)) => {
                numeral::text(x).map_or(Self::Float(x), |text| Self::Text(text.into()))
            }
            (Want::Integer, Self::Text(text)) => {
                numeral::integer(&text).map_or(Self::Text(text), Self::Integer)
            }
            (Want::Float(precision), Self::Text(text)) => {
                let is_integer = text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
                let float = match numeral::integer(&text).filter(|_| is_integer) {
                    Some(n) => precision.exactly(n),
                    None => numeral::float(&text),
                };
                float.map_or(Self::Text(text), Self::Float)
            }
            (Want::Integer, Self::Float(x)) => integral(x).map_or(Self::Float(x), Self::Integer),
            (Want::Bool, Self::Integer(n)) if n == 0.into() || n == 1.into() => {
                Self::Bool(n == 1.into())
            }
            (Want::Bool, Self::Text(text)) => match &*text {
                "" | "0" => Self::Bool(false),
                "1" => Self::Bool(true),
                _ => Self::Text(text),
            },
            (_, scalar) => scalar,
        }
    }
}

/// The name of this integer in serde's errors.
pub(super) fn unexpected_integer(n: Integer) -> Unexpected<'static> {
    match (n.parts(), i64::try_from(n)) {
        (Ok(n), _) => Unexpected::Unsigned(n),
        (_, Ok(n)) => Unexpected::Signed(n),
        _ => Unexpected::Other("an integer below i64's range"),
    }
}

/// Bytes as text, if they are UTF-8.
pub(crate) fn text_of(bytes: Cow<'_, [u8]>) -> Result<Cow<'_, str>, Cow<'_, [u8]>> {
    match bytes {
        Cow::Borrowed(bytes) => std::str::from_utf8(bytes)
            .map(Cow::Borrowed)
            .map_err(|_| Cow::Borrowed(bytes)),
        Cow::Owned(bytes) => String::from_utf8(bytes)
            .map(Cow::Owned)
            .map_err(|e| Cow::Owned(e.into_bytes())),
    }
}

/// The text of a byte string of an AnyEvent::MP node: decoded as UTF-8, or else as Latin-1 (protocol.md section 3).
pub(crate) fn perl_text(bytes: Cow<'_, [u8]>) -> Cow<'_, str> {
    text_of(bytes).unwrap_or_else(|bytes| latin1(&bytes).into())
}

fn integral(x: f64) -> Option<Integer> {
    let n = x as i128;
    (n as f64 == x).then(|| Integer::try_from(n).ok()).flatten()
}

fn visit_integer<'de, V: Visitor<'de>>(
    n: Integer,
    want: Want,
    visitor: V,
) -> Result<V::Value, ParseError> {
    // serde's floats round integers.
    if let Want::Float(precision) = want {
        return match precision.exactly(n) {
            Some(x) => visitor.visit_f64(x),
            None => {
                let found = format!("integer {n}, which the float cannot represent exactly");
                Err(ParseError::invalid_type(
                    Unexpected::Other(&found),
                    &visitor,
                ))
            }
        };
    }
    match (n.parts(), i64::try_from(n)) {
        (Ok(n), _) => visitor.visit_u64(n),
        (_, Ok(n)) => visitor.visit_i64(n),
        _ => visitor.visit_i128(n.into()),
    }
}
