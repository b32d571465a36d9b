//! `Token` and `WireFormat`: how the core reads the bytes of a message, whatever the codec.

/// One step in reading a message: a scalar, or the start or end of what has parts.
///
/// It is a kind and one number, so that it travels in registers: it comes out of a dynamic call, one for each value of
/// a message. Hence floats are bits, and strings are not here but say where they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
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
    /// The float of these bits ([`f64::to_bits`]).
    Float(u64),
    /// A byte string: the so many bytes that end where the token ends.
    Bytes(usize),
    /// A text: the so many bytes that end where the token ends.
    Text(usize),
    /// A text: the so many bytes that end one byte before the token does, with a quote.
    Quoted(usize),
    /// A byte string that is not in one piece and begins at this place; [`WireFormat::join`] gives its content.
    BrokenBytes(usize),
    /// A text that is not in one piece, or written with escapes, likewise.
    BrokenText(usize),
    /// An array of so many values begins.
    Array(usize),
    /// An array begins, whose values go on up to an [`End`](Self::End).
    OpenArray,
    /// A map of so many pairs of key and value begins.
    Map(usize),
    /// A map begins, whose pairs go on up to an [`End`](Self::End).
    OpenMap,
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
    /// `bytes` is the message as the decoder found it: the array with the port's name in front; `at` is 0 or where the
    /// last call left it.
    ///
    /// `None` says that there is no token, or none that is well-formed. Since the decoder has checked the message,
    /// that is a fault of the codec; it must not panic.
    fn token(&self, bytes: &[u8], at: &mut usize) -> Option<Token>;

    /// The content of the broken string that `token` found and that is all of `string`. That of a text must be UTF-8.
    ///
    /// `None` as for [`token`](Self::token).
    fn join(&self, string: &[u8]) -> Option<Vec<u8>>;
}
