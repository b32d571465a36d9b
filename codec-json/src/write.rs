//! Writes JSON in the style of serde_json: no white space, the shortest numbers that keep their value, only required
//! escapes.

use aemp_core::codec::TokenWriter;
use bytes::{BufMut, BytesMut};

use crate::scalar::plain_run;

/// Writes tokens.
pub(crate) struct Tokens;

impl TokenWriter for Tokens {
    fn message(&self, out: &mut BytesMut, _: Option<usize>) {
        byte(out, b'[');
    }
    fn null(&self, out: &mut BytesMut) {
        comma(out);
        out.extend_from_slice(b"null");
    }
    fn bool(&self, out: &mut BytesMut, b: bool) {
        comma(out);
        out.extend_from_slice(if b { b"true" } else { b"false" });
    }
    fn unsigned(&self, out: &mut BytesMut, n: u64) {
        comma(out);
        out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
    }
    fn negative(&self, out: &mut BytesMut, n: u64) {
        comma(out);
        // -1 - n.
        let n = !i128::from(n);
        match i64::try_from(n) {
            Ok(n) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
            Err(_) => out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes()),
        }
    }
    fn float(&self, out: &mut BytesMut, x: f64) {
        comma(out);
        // Writing a float to memory does not fail.
        let _ = serde_json::to_writer(out.writer(), &x);
    }
    fn text(&self, out: &mut BytesMut, content: &str) {
        comma(out);
        text(out, content);
    }
    /// Never called: JSON has no byte strings ([`Capabilities::JSON`](aemp_core::codec::Capabilities::JSON)).
    fn bytes(&self, _: &mut BytesMut, _: &[u8]) {}
    fn key(&self, out: &mut BytesMut, content: &str) {
        comma(out);
        text(out, content);
        byte(out, b':');
    }
    fn array(&self, out: &mut BytesMut, _: Option<usize>) {
        comma(out);
        byte(out, b'[');
    }
    fn end_array(&self, out: &mut BytesMut, _: Option<usize>) {
        byte(out, b']');
    }
    fn map(&self, out: &mut BytesMut, _: Option<usize>) {
        comma(out);
        byte(out, b'{');
    }
    fn end_map(&self, out: &mut BytesMut, _: Option<usize>) {
        byte(out, b'}');
    }
    /// Never called: JSON has no tags.
    fn tag(&self, _: &mut BytesMut, _: u64) {}
    /// Never called: JSON has no simple values.
    fn simple(&self, _: &mut BytesMut, _: u8) {}
}

#[inline]
fn byte(out: &mut BytesMut, byte: u8) {
    out.extend_from_slice(&[byte]);
}

/// Writes a comma if a value precedes. The last byte tells: no value ends with `[`, `{` or `:`.
#[inline]
fn comma(out: &mut BytesMut) {
    if !matches!(out.last(), Some(b'[' | b'{' | b':')) {
        byte(out, b',');
    }
}

#[inline]
fn text(out: &mut BytesMut, content: &str) {
    if plain_run(content.as_bytes()) < content.len() {
        // Writing a text to memory does not fail.
        let _ = serde_json::to_writer(out.writer(), content);
        return;
    }
    out.reserve(content.len() + 2);
    byte(out, b'"');
    out.extend_from_slice(content.as_bytes());
    byte(out, b'"');
}
