//! `Token` and `TokenReader`: how the core reads the bytes of a message of any codec.

/// One step in reading a message: a scalar, or the start or the end of an array or a map.
///
/// A token is a kind and one integer, so that a dynamic call, one for each value of a message, returns it in registers.
/// Therefore a float is given as its bits, and a string as its position.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Token {
    /// `null`.
    Null,
    /// `true`.
    True,
    /// `false`.
    False,
    /// A number that is not negative.
    Unsigned(u64),
    /// The number -1 minus this one: CBOR's major type 1, for negative integers.
    Negative(u64),
    /// A float, as its bits ([`f64::to_bits`]).
    Float(u64),
    /// A byte string of this length, which ends where the token ends.
    Bytes(usize),
    /// A text of this length in bytes, which ends where the token ends.
    Text(usize),
    /// A text of this length in bytes, which ends one byte before the token: a quote follows.
    Quoted(usize),
    /// A byte string in several parts, which begins at this position; [`TokenReader::join`] returns its content.
    BrokenBytes(usize),
    /// A text in several parts or with escapes, likewise.
    BrokenText(usize),
    /// The start of an array with this number of elements.
    Array(usize),
    /// The start of an array whose elements end with an [`End`](Self::End).
    OpenArray,
    /// The start of a map with this number of pairs.
    Map(usize),
    /// The start of a map whose pairs end with an [`End`](Self::End).
    OpenMap,
    /// A tag. Its content follows.
    Tag(u64),
    /// A simple value, up to 255.
    Simple(u64),
    /// The end of an array or a map of unknown length. Those of known length have no end token.
    End,
}

/// Reads the bytes of one complete message, which the codec's decoder has found to be well-formed.
///
/// The core reads messages through it, into values and into types. It has no state: messages refer to a `static`.
///
/// A reader of the bytes of CBOR's small unsigned integers and arrays:
///
/// ```
/// use aemp::codec::{Token, TokenReader};
///
/// struct Numbers;
///
/// impl TokenReader for Numbers {
///     fn token(&self, bytes: &[u8], at: &mut usize) -> Option<Token> {
///         let (token, len) = match bytes.get(*at..)? {
///             [n @ 0..=0x17, ..] => (Token::Unsigned(u64::from(*n)), 1),
///             [0x18, n, ..] => (Token::Unsigned(u64::from(*n)), 2),
///             [array @ 0x80..=0x97, ..] => (Token::Array(usize::from(array - 0x80)), 1),
///             _ => return None,
///         };
///         *at += len;
///         Some(token)
///     }
///     fn join(&self, _: &[u8]) -> Option<Vec<u8>> {
///         None // It has no strings.
///     }
/// }
///
/// let (bytes, mut at) = ([0x82, 0x01, 0x18, 0x64], 0);
/// assert_eq!(Numbers.token(&bytes, &mut at), Some(Token::Array(2)));
/// assert_eq!(Numbers.token(&bytes, &mut at), Some(Token::Unsigned(1)));
/// assert_eq!(Numbers.token(&bytes, &mut at), Some(Token::Unsigned(100)));
/// assert_eq!(at, 4);
/// ```
#[doc(alias = "WireFormat")]
pub trait TokenReader: Send + Sync {
    /// Reads the token at `at`, and advances `at` past it.
    ///
    /// `bytes` is the message as the decoder found it: an array that begins with the port's name. `at` is 0 or the
    /// value that the last call left.
    ///
    /// `None`: there is no token, or a malformed one. As the decoder has checked the message, that is a fault of the
    /// codec; it must not panic.
    fn token(&self, bytes: &[u8], at: &mut usize) -> Option<Token>;

    /// The content of `string`, a string in several parts or with escapes that [`token`](Self::token) found. The
    /// content of a text must be UTF-8.
    ///
    /// `None` as for [`token`](Self::token).
    fn join(&self, string: &[u8]) -> Option<Vec<u8>>;
}
