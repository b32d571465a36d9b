//! `Sink`: how the core writes messages in the form of a codec, token by token: the other half of
//! [`WireFormat`](super::WireFormat).

use bytes::BytesMut;

/// What a codec's bytes look like, one token after the other, appended to a buffer.
///
/// The core calls it in the order of a well-formed message, and with nothing that the codec's
/// [`Capabilities`](super::Capabilities) exclude: what they exclude, a codec need not write. It has no state; a
/// `static` of it serves all connections. What it needs to know of the place, such as whether a comma belongs there,
/// the end of the buffer tells.
///
/// The buffer holds other messages in front, and is cut back to them if the message turns out to be refused.
pub trait Sink: Send + Sync {
    /// A message begins: an array of so many elements, or of as many as will come, with nothing around it. It ends by
    /// [`end_array`](Self::end_array).
    fn message(&self, out: &mut BytesMut, len: Option<usize>);
    /// `null`.
    fn null(&self, out: &mut BytesMut);
    /// `true` or `false`.
    fn bool(&self, out: &mut BytesMut, b: bool);
    /// This number.
    fn unsigned(&self, out: &mut BytesMut, n: u64);
    /// The number -1 minus this one.
    fn negative(&self, out: &mut BytesMut, n: u64);
    /// A float.
    fn float(&self, out: &mut BytesMut, x: f64);
    /// A text.
    fn text(&self, out: &mut BytesMut, text: &str);
    /// Bytes.
    fn bytes(&self, out: &mut BytesMut, bytes: &[u8]);
    /// A text as a map's key. Keys that are no texts come as other values do.
    fn key(&self, out: &mut BytesMut, text: &str);
    /// An array begins, of so many elements, or of as many as will come.
    fn array(&self, out: &mut BytesMut, len: Option<usize>);
    /// The innermost array, which began with this length, ends.
    fn end_array(&self, out: &mut BytesMut, len: Option<usize>);
    /// A map begins, of so many pairs, or of as many as will come.
    fn map(&self, out: &mut BytesMut, len: Option<usize>);
    /// The innermost map, which began with this length, ends.
    fn end_map(&self, out: &mut BytesMut, len: Option<usize>);
    /// A tag, whose value follows.
    fn tag(&self, out: &mut BytesMut, tag: u64);
    /// A simple value, which is none of 20 to 22 and 24 to 31.
    fn simple(&self, out: &mut BytesMut, n: u8);
}
