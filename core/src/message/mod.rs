//! `Message`: what one `send` carries: a list of elements, the first of which is by convention a text, its tag
//! (protocol.md section 4).

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use crate::Value;
use crate::codec::WireFormat;

/// The elements of a message as dynamic values. Up to three need no allocation.
pub type Values = SmallVec<[Value; 3]>;

/// A message: a list of elements.
#[derive(Clone)]
pub struct Message(Body);

#[derive(Clone)]
enum Body {
    /// Dynamic values.
    Values(Values),
    /// Bytes as they came from the wire: found well-formed and within the limits, looked at when asked.
    Wire(Wire),
}

#[derive(Clone)]
struct Wire {
    bytes: Bytes,
    format: Arc<dyn WireFormat>,
    /// From an AnyEvent::MP node, so that byte strings may stand for text (protocol.md section 3).
    perl: bool,
}

impl Message {
    /// A message of `bytes`, one whole array with the port's name in front, which `format` can read.
    pub fn from_wire(bytes: Bytes, format: Arc<dyn WireFormat>, perl: bool) -> Self {
        Self(Body::Wire(Wire {
            bytes,
            format,
            perl,
        }))
    }
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.0 {
            Body::Values(values) => f.debug_list().entries(values).finish(),
            Body::Wire(wire) => write!(f, "{} bytes, perl: {}", wire.bytes.len(), wire.perl),
        }
    }
}

impl From<Values> for Message {
    fn from(values: Values) -> Self {
        Self(Body::Values(values))
    }
}
