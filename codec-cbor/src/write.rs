//! Writing CBOR: heads and scalars in their shortest forms, and dynamic values.

use aemp_core::codec::{Frame, MAX_DEPTH};
use aemp_core::{PortId, Value};
use bytes::BytesMut;

/// Appends a message of `values` with the port and the reply of `frame`; whether all of it can be carried.
pub(crate) fn values(
    frame: &Frame<'_>,
    values: &[Value],
    simple: bool,
    out: &mut BytesMut,
) -> bool {
    let len = 1 + values.len() + usize::from(frame.reply.is_some());
    head(out, 4, len as u64);
    text(out, frame.port);
    let mut writer = Writer { out, simple };
    if !values.iter().all(|value| writer.value(value, 1)) {
        return false;
    }
    if let Some(reply) = frame.reply {
        port_id(out, reply);
    }
    true
}

/// Appends `node#port`, or the node ID alone for the node port, with no string made for it.
fn port_id(out: &mut BytesMut, id: &PortId) {
    let (node, port) = (id.node().as_str(), id.port().as_str());
    if port.is_empty() {
        return text(out, node);
    }
    head(out, 3, (node.len() + 1 + port.len()) as u64);
    out.extend_from_slice(node.as_bytes());
    out.extend_from_slice(b"#");
    out.extend_from_slice(port.as_bytes());
}

struct Writer<'a> {
    out: &'a mut BytesMut,
    /// Whether simple values are allowed.
    simple: bool,
}

impl Writer<'_> {
    /// Appends `value`, which stands `depth` levels deep; false if something in it cannot be carried.
    fn value(&mut self, value: &Value, depth: usize) -> bool {
        match value {
            Value::Null => {
                byte(self.out, 0xf6);
                true
            }
            Value::Bool(b) => {
                byte(self.out, 0xf4 | u8::from(*b));
                true
            }
            Value::Integer(n) => {
                match n.parts() {
                    Ok(n) => head(self.out, 0, n),
                    Err(n) => head(self.out, 1, n),
                }
                true
            }
            Value::Float(x) => {
                float(self.out, *x);
                true
            }
            Value::Bytes(bytes) => {
                head(self.out, 2, bytes.len() as u64);
                self.out.extend_from_slice(bytes);
                true
            }
            Value::Text(content) => {
                text(self.out, content);
                true
            }
            Value::Simple(n) if self.simple => match n {
                0..24 => {
                    byte(self.out, 0xe0 | n);
                    true
                }
                // 24 to 31 have no well-formed encoding.
                24..32 => false,
                n => {
                    self.out.extend_from_slice(&[0xf8, *n]);
                    true
                }
            },
            Value::Simple(_) => false,
            Value::Array(_) | Value::Map(_) | Value::Tag(..) if depth >= MAX_DEPTH => false,
            Value::Array(items) => {
                head(self.out, 4, items.len() as u64);
                items.iter().all(|item| self.value(item, depth + 1))
            }
            Value::Map(map) => {
                head(self.out, 5, map.len() as u64);
                map.iter()
                    .all(|(key, value)| self.value(key, depth + 1) && self.value(value, depth + 1))
            }
            Value::Tag(tag, value) => {
                head(self.out, 6, *tag);
                self.value(value, depth + 1)
            }
        }
    }
}

#[inline]
pub(crate) fn byte(out: &mut BytesMut, byte: u8) {
    out.extend_from_slice(&[byte]);
}

/// Appends a head in its shortest form.
#[inline]
pub(crate) fn head(out: &mut BytesMut, major: u8, argument: u64) {
    let major = major << 5;
    if argument < 24 {
        out.extend_from_slice(&[major | argument as u8]);
    } else if let Ok(n) = u8::try_from(argument) {
        out.extend_from_slice(&[major | 24, n]);
    } else {
        long_head(out, major, argument);
    }
}

fn long_head(out: &mut BytesMut, major: u8, argument: u64) {
    let mut head = [0; 9];
    head[1..].copy_from_slice(&argument.to_be_bytes());
    let (size, info) = match argument {
        0..=0xffff => (2, 25),
        0x1_0000..=0xffff_ffff => (4, 26),
        _ => (8, 27),
    };
    head[8 - size] = major | info;
    out.extend_from_slice(&head[8 - size..]);
}

#[inline]
pub(crate) fn text(out: &mut BytesMut, text: &str) {
    head(out, 3, text.len() as u64);
    out.extend_from_slice(text.as_bytes());
}

/// Appends a float in the shortest form that keeps it exactly.
pub(crate) fn float(out: &mut BytesMut, x: f64) {
    let single = x as f32;
    if x.is_nan() {
        out.extend_from_slice(&[0xf9, 0x7e, 0x00]);
    } else if f64::from(single) != x {
        let mut bytes = [0xfb; 9];
        bytes[1..].copy_from_slice(&x.to_be_bytes());
        out.extend_from_slice(&bytes);
    } else if let Some(half) = half(single) {
        let [high, low] = half.to_be_bytes();
        out.extend_from_slice(&[0xf9, high, low]);
    } else {
        let mut bytes = [0xfa; 5];
        bytes[1..].copy_from_slice(&single.to_be_bytes());
        out.extend_from_slice(&bytes);
    }
}

/// The bits of `x`, which is no NaN, as a half-precision float if it is one.
fn half(x: f32) -> Option<u16> {
    let bits = x.to_bits();
    let sign = (bits >> 16) as u16 & 0x8000;
    let exponent = (bits >> 23 & 0xff) as i32 - 127;
    let fraction = bits & 0x7f_ffff;
    match exponent {
        // Zero; a subnormal single is far below the least half.
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
