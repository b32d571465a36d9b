//! `ValueFormat`: the interface of a data format that `aemp_core::codec::ValueCodec` makes a codec of.

use std::{fmt, io};

use bytes::BytesMut;

use crate::Value;
use crate::token::Capabilities;

/// An error of the library that implements a format.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// A data format, such as MessagePack, of which `aemp_core::codec::ValueCodec` makes a codec; its documentation has an
/// example.
///
/// A message is one array on the stream, whose first element is the port's name. The codec finds the end of a message
/// by its heads, within the [`Limits`](super::Limits), passes the message to [`read`](Self::read), and checks the
/// limits again on the returned value. It checks a message to send against the [`capabilities`](Self::capabilities)
/// before it calls [`write`](Self::write).
///
/// All functions are called from several threads at once. An error or a panic of `head` or `read` closes the
/// connection; one of `write` is an error of that message only.
pub trait ValueFormat: Send + Sync {
    /// The name of the codec in greetings. It must not contain white space, `;` or `,`.
    fn name(&self) -> &str;

    /// The values that [`write`](Self::write) and [`read`](Self::read) preserve exactly. A message with other values is
    /// not sent; the error has the path to them.
    ///
    /// Begin with [`Capabilities::ALL`] or [`Capabilities::JSON`] and change fields. `bytes_as_text` counts as false.
    /// Set `depth` to the nesting that the library can read: many stop at 128 or 256 levels.
    fn capabilities(&self) -> Capabilities;

    /// Reads the head at the start of `bytes`: the next head of a message, or the first head of the next message.
    /// `bytes` is never empty; it has the received bytes of the connection, but at most [`Head::MAX_LEN`] of them.
    ///
    /// `None` asks for more bytes. With `MAX_LEN` bytes, `None` is an error.
    ///
    /// # Errors
    /// If the bytes are not well-formed. Also refuse a first byte that begins no array: then a peer with another
    /// protocol is detected at once.
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, BoxError>;

    /// Appends `message`, an array, to `out`.
    ///
    /// # Errors
    /// If the format cannot represent a value in the message. The message is not sent, and the written bytes are
    /// removed.
    fn write(&self, message: &Value, out: &mut Out<'_>) -> Result<(), BoxError>;

    /// Reads `bytes`, which are one complete message.
    ///
    /// Allocate memory for the bytes that are there, and not for a length that they announce. If the format uses
    /// [`Head::Message`], the nesting was not checked before, and `read` must refuse nesting that would exhaust its
    /// stack.
    ///
    /// # Errors
    /// If the bytes are not well-formed.
    fn read(&self, bytes: &[u8]) -> Result<Value, BoxError>;
}

/// The next part of a message: a scalar, or the beginning or end of an array, a map or a tag. Lengths are in bytes, at
/// least 1, and can exceed the received bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Head {
    /// The length of a whole message, for formats whose messages begin with their length. Valid only as the first head
    /// of a message.
    Message(usize),
    /// The length of a scalar with its content.
    Scalar(usize),
    /// The length of the beginning of an array without its elements, and the number of elements; `None` if an
    /// [`End`](Self::End) follows them.
    Array(usize, Option<u64>),
    /// The length of the beginning of a map without its pairs, and the number of pairs; `None` if an [`End`](Self::End)
    /// follows them.
    Map(usize, Option<u64>),
    /// The length of a tag without its value.
    Tag(usize),
    /// The length of the end of an array or map of unknown length.
    End(usize),
}

impl Head {
    /// The most bytes that are passed to [`ValueFormat::head`]. The bound makes the work for a message linear in its
    /// size in however many pieces it arrives.
    pub const MAX_LEN: usize = 64;
}

/// Appends `value` to `out` in `format`. On an error the caller removes the written bytes.
///
/// # Errors
/// The text of the format's own error.
pub fn write(format: &dyn ValueFormat, value: &Value, out: &mut BytesMut) -> Result<(), String> {
    let written = format.write(value, &mut Out(out));
    written.map_err(|error| error.to_string())
}

/// The output of [`ValueFormat::write`]: an [`io::Write`] that appends to the send queue of the connection and never
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
