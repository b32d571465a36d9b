//! `TokenWriter`: how a codec writes messages, token by token. The counterpart of [`TokenReader`](super::TokenReader).

use bytes::BytesMut;

/// Appends the bytes of a message to a buffer, one token at a time.
///
/// The core calls the methods in the order of a well-formed message, and never with a value that the codec's
/// [`Capabilities`](super::Capabilities) exclude; a codec need not implement those. A sink has no state: one `static`
/// serves all connections. Where a codec needs context, such as whether a comma is due, it looks at the end of the
/// buffer.
///
/// The buffer contains earlier messages. If a message turns out to be refused, the core truncates the buffer to them.
///
/// The parts of a writer of JSON that show its use of the buffer, in which it finds what came before:
///
/// ```
/// use bytes::BytesMut;
///
/// /// A comma, unless this is the first element.
/// fn comma(out: &mut BytesMut) {
///     if !matches!(out.last(), None | Some(b'[' | b'{' | b':')) {
///         out.extend_from_slice(b",");
///     }
/// }
///
/// fn unsigned(out: &mut BytesMut, n: u64) {
///     comma(out);
///     out.extend_from_slice(n.to_string().as_bytes());
/// }
///
/// let mut out = BytesMut::from("[");
/// unsigned(&mut out, 1);
/// unsigned(&mut out, 2);
/// assert_eq!(out, "[1,2");
/// ```
#[doc(alias = "Sink")]
pub trait TokenWriter: Send + Sync {
    /// Begins a message: an array of `len` elements, or of an unknown number, at the top level. It ends with
    /// [`end_array`](Self::end_array).
    fn message(&self, out: &mut BytesMut, len: Option<usize>);
    /// `null`.
    fn null(&self, out: &mut BytesMut);
    /// `true` or `false`.
    fn bool(&self, out: &mut BytesMut, b: bool);
    /// The number `n`.
    fn unsigned(&self, out: &mut BytesMut, n: u64);
    /// The number -1 - `n`.
    fn negative(&self, out: &mut BytesMut, n: u64);
    /// A float.
    fn float(&self, out: &mut BytesMut, x: f64);
    /// A text.
    fn text(&self, out: &mut BytesMut, text: &str);
    /// Bytes.
    fn bytes(&self, out: &mut BytesMut, bytes: &[u8]);
    /// A text as the key of a map. Other keys are written like values.
    fn key(&self, out: &mut BytesMut, text: &str);
    /// Begins an array of `len` elements, or of an unknown number.
    fn array(&self, out: &mut BytesMut, len: Option<usize>);
    /// Ends the innermost array, which began with `len`.
    fn end_array(&self, out: &mut BytesMut, len: Option<usize>);
    /// Begins a map of `len` pairs, or of an unknown number.
    fn map(&self, out: &mut BytesMut, len: Option<usize>);
    /// Ends the innermost map, which began with `len`.
    fn end_map(&self, out: &mut BytesMut, len: Option<usize>);
    /// A tag. Its content follows.
    fn tag(&self, out: &mut BytesMut, tag: u64);
    /// A simple value other than 20 to 22 and 24 to 31.
    fn simple(&self, out: &mut BytesMut, n: u8);
}
