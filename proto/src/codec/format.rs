//! `ValueFormat`: what a data format's library has to offer for `aemp_core::codec::ValueCodec` to make a codec of it.

use std::{fmt, io};

use bytes::BytesMut;

use crate::Value;
use crate::token::Capabilities;

/// An error of a format's library.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A data format, such as MessagePack, of which `aemp_core::codec::ValueCodec` makes a codec; its documentation has an
/// example.
///
/// A message is one array on the stream, whose first element is the port's name. The codec finds it by its heads, within
/// the [`Limits`](super::Limits), hands it to [`read`](Self::read), and checks the limits again on the value that comes
/// back. What is sent it checks against the [`capabilities`](Self::capabilities) before it calls [`write`](Self::write).
///
/// All functions are called with a connection's own bytes, from several threads at once. An error or a panic of `head` or
/// `read` closes that connection; one of `write` is an error of that message.
pub trait ValueFormat: Send + Sync {
    /// The token that stands for the codec in the greeting: without white space, `;` and `,`.
    fn name(&self) -> &str;

    /// The values that come back from [`read`](Self::read) exactly as they were given to [`write`](Self::write). A message
    /// that holds others is refused, with the path to them.
    ///
    /// Begin with [`Capabilities::ALL`] or [`Capabilities::JSON`] and change fields. `bytes_as_text` counts as false, and
    /// `depth` is to be what the library reads: many stop at 128 or 256 levels.
    fn capabilities(&self) -> Capabilities;

    /// The head that `bytes` begin with: the next one of a message, or the first one of the next message. They are never
    /// empty, and end where the connection's bytes end so far, or after [`Head::MAX_LEN`] bytes.
    ///
    /// `None` asks for more of them. It is an error where `MAX_LEN` bytes are there already.
    ///
    /// # Errors
    /// Where the bytes are not well-formed. A first byte that begins no array is best refused here: a peer that speaks
    /// something else is noticed at once.
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, BoxError>;

    /// Appends `message`, an array, to `out`.
    ///
    /// # Errors
    /// Where the format has no form for a value in it: that message is not sent. What was written is cut off.
    fn write(&self, message: &Value, out: &mut Out<'_>) -> Result<(), BoxError>;

    /// Reads a message that was found by its heads and is all of `bytes`.
    ///
    /// Memory is to be taken for what is there, not for what a length announces. By [`Head::Message`] the nesting was not
    /// checked before: then this has to refuse what nests too deep for its own stack.
    ///
    /// # Errors
    /// Where the bytes are not well-formed.
    fn read(&self, bytes: &[u8]) -> Result<Value, BoxError>;
}

/// The next part of a message: a scalar, or the beginning or end of something that nests. Lengths are in bytes, at least 1,
/// and may be beyond what has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// A whole message, so long with all that is in it: for formats whose messages begin with their length. Only where a
    /// message begins.
    Message(usize),
    /// A scalar: so long with its content.
    Scalar(usize),
    /// The beginning of an array, so long without its elements, and their number, or `None` where an [`End`](Self::End)
    /// follows them.
    Array(usize, Option<u64>),
    /// The beginning of a map, so long, and the number of its pairs, or `None` where an [`End`](Self::End) follows them.
    Map(usize, Option<u64>),
    /// A tag, so long without the value that follows it.
    Tag(usize),
    /// The end of an array or a map without a length.
    End(usize),
}

impl Head {
    /// The most bytes that [`ValueFormat::head`] is given. So the work for a message is linear in its size however its
    /// bytes arrive.
    pub const MAX_LEN: usize = 64;
}

/// Appends `value` to `out` in `format`, or says why not. What was written then is to be cut off.
pub fn write(format: &dyn ValueFormat, value: &Value, out: &mut BytesMut) -> Result<(), String> {
    let written = format.write(value, &mut Out(out));
    written.map_err(|error| error.to_string())
}

/// Where a [`ValueFormat`] writes a message: an [`io::Write`] that appends to what waits for the connection, and never
/// fails.
pub struct Out<'a>(pub(super) &'a mut BytesMut);

impl io::Write for Out<'_> {
    #[inline]
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    #[inline]
    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl fmt::Debug for Out<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Out").finish_non_exhaustive()
    }
}
