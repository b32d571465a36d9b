//! `Token` and `WireFormat`: how the core reads the bytes of a message, whatever the codec.

use std::borrow::Cow;

/// One step in reading a message: a scalar, or the start or end of what has parts.
///
/// Nothing in it is smaller than a word, on purpose: bytes beside the discriminant would make every move of a token
/// wait for the stores before it (measured: half the time of reading a small message).
#[derive(Debug, Clone, PartialEq)]
pub enum Token<'a> {
    /// `null`.
    Null,
    /// `true`.
    True,
    /// `false`.
    False,
    /// This number.
    Unsigned(u64),
    /// The number -1 minus this one: CBOR's major type 1, and all that integers below zero need.
    Negative(u64),
    /// A float.
    Float(f64),
    /// Bytes, whole. Those borrowed from the message's bytes can be shared with it.
    Bytes(Cow<'a, [u8]>),
    /// A text, whole.
    Text(Cow<'a, str>),
    /// An array begins: so many values follow, or, if that is not known, values up to an [`End`](Self::End).
    Array(Option<usize>),
    /// A map begins: so many pairs of key and value follow, or pairs up to an [`End`](Self::End).
    Map(Option<usize>),
    /// A tag, whose value follows.
    Tag(u64),
    /// A simple value, up to 255.
    Simple(u64),
    /// The end of an array or a map whose length was not said. Those of a known length have none.
    End,
}

/// What a codec can do with the bytes of one whole message that its decoder has found well-formed.
///
/// The core reads messages through it, dynamic values and typed ones alike. It has no state; a `static` of it is
/// what messages refer to.
pub trait WireFormat: Send + Sync {
    /// Reads the token at `at` and moves `at` behind it.
    ///
    /// `bytes` is what the decoder gave to [`Received::from_wire`](super::Received::from_wire): the message's
    /// array with the port's name in front; `at` is 0 or where the last call left it.
    ///
    /// `None` says that there is no token, or none that is well-formed. Since the decoder has checked the message,
    /// that is a fault of the codec; it must not panic.
    fn token<'a>(&self, bytes: &'a [u8], at: &mut usize) -> Option<Token<'a>>;
}
