//! Writes CBOR: heads and scalars in their shortest forms, and definite lengths if the length is known.

use aemp_core::codec::TokenWriter;
use bytes::BytesMut;

/// Writes tokens.
pub(crate) struct Tokens;

const BREAK: u8 = 0xff;

impl TokenWriter for Tokens {
    fn message(&self, out: &mut BytesMut, len: Option<usize>) {
        open(out, 4, len);
    }
    fn null(&self, out: &mut BytesMut) {
        byte(out, 0xf6);
    }
    fn bool(&self, out: &mut BytesMut, b: bool) {
        byte(out, 0xf4 | u8::from(b));
    }
    fn unsigned(&self, out: &mut BytesMut, n: u64) {
        head(out, 0, n);
    }
    fn negative(&self, out: &mut BytesMut, n: u64) {
        head(out, 1, n);
    }
    fn float(&self, out: &mut BytesMut, x: f64) {
        float(out, x);
    }
    fn text(&self, out: &mut BytesMut, text: &str) {
        string(out, 3, text.as_bytes());
    }
    fn bytes(&self, out: &mut BytesMut, bytes: &[u8]) {
        string(out, 2, bytes);
    }
    fn key(&self, out: &mut BytesMut, text: &str) {
        string(out, 3, text.as_bytes());
    }
    fn array(&self, out: &mut BytesMut, len: Option<usize>) {
        open(out, 4, len);
    }
    fn end_array(&self, out: &mut BytesMut, len: Option<usize>) {
        close(out, len);
    }
    fn map(&self, out: &mut BytesMut, len: Option<usize>) {
        open(out, 5, len);
    }
    fn end_map(&self, out: &mut BytesMut, len: Option<usize>) {
        close(out, len);
    }
    fn tag(&self, out: &mut BytesMut, tag: u64) {
        head(out, 6, tag);
    }
    fn simple(&self, out: &mut BytesMut, n: u8) {
        head(out, 7, n.into());
    }
}

/// Opens an array (major type 4) or a map (5).
#[inline]
fn open(out: &mut BytesMut, major: u8, len: Option<usize>) {
    match len {
        Some(len) => head(out, major, len as u64),
        None => byte(out, major << 5 | 31),
    }
}

#[inline]
fn close(out: &mut BytesMut, len: Option<usize>) {
    if len.is_none() {
        byte(out, BREAK);
    }
}

#[inline]
fn byte(out: &mut BytesMut, byte: u8) {
    out.extend_from_slice(&[byte]);
}

/// Appends a head in its shortest form. Each branch has a constant length, so it compiles to one or two stores.
#[inline(always)]
fn head(out: &mut BytesMut, major: u8, argument: u64) {
    match argument {
        0..24 => byte(out, major << 5 | argument as u8),
        24..=0xff => out.extend_from_slice(&[major << 5 | 24, argument as u8]),
        _ => large_head(out, major << 5, argument),
    }
}

/// Appends a head whose argument does not fit into one byte.
#[inline]
fn large_head(out: &mut BytesMut, major: u8, argument: u64) {
    match argument {
        0..=0xffff => {
            let [a, b] = (argument as u16).to_be_bytes();
            out.extend_from_slice(&[major | 25, a, b]);
        }
        0x1_0000..=0xffff_ffff => {
            let [a, b, c, d] = (argument as u32).to_be_bytes();
            out.extend_from_slice(&[major | 26, a, b, c, d]);
        }
        _ => long_head(out, major | 27, argument),
    }
}

/// Appends a head of nine bytes.
#[inline]
fn long_head(out: &mut BytesMut, initial: u8, argument: u64) {
    let [a, b, c, d, e, f, g, h] = argument.to_be_bytes();
    out.extend_from_slice(&[initial, a, b, c, d, e, f, g, h]);
}

/// Appends bytes (major type 2) or a text (3).
#[inline]
fn string(out: &mut BytesMut, major: u8, content: &[u8]) {
    head(out, major, content.len() as u64);
    out.extend_from_slice(content);
}

/// Appends a float in the shortest form that represents it exactly.
fn float(out: &mut BytesMut, x: f64) {
    let single = x as f32;
    if x.is_nan() {
        out.extend_from_slice(&[0xf9, 0x7e, 0x00]);
    } else if f64::from(single) != x {
        long_head(out, 0xfb, x.to_bits());
    } else if let Some(half) = half(single) {
        let [high, low] = half.to_be_bytes();
        out.extend_from_slice(&[0xf9, high, low]);
    } else {
        let [a, b, c, d] = single.to_be_bytes();
        out.extend_from_slice(&[0xfa, a, b, c, d]);
    }
}

/// The bits of `x` as a half-precision float, if it can be represented exactly. `x` is not NaN.
fn half(x: f32) -> Option<u16> {
    let bits = x.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = (bits >> 23 & 0xff) as i32 - 127;
    let fraction = bits & 0x7f_ffff;
    match exponent {
        // Zero. A subnormal single is far below the smallest half.
        -127 => (fraction == 0).then_some(sign),
        128 => Some(sign | 0x7c00),
        -14..=15 => {
            let short = (fraction >> 13) as u16;
            let exact = fraction & 0x1fff == 0;
            exact.then_some(sign | ((exponent + 15) as u16) << 10 | short)
        }
        // Subnormal halfs are multiples of 2^-24.
        -24..=-15 => {
            let whole = fraction | 0x80_0000;
            let shift = (-exponent - 1) as u32;
            let exact = whole.trailing_zeros() >= shift;
            exact.then(|| sign | (whole >> shift) as u16)
        }
        _ => None,
    }
}
