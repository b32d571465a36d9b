//! `Reason`: why a port died.

use std::error::Error;
use std::sync::Arc;
use std::{fmt, slice};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::message::{cost_of, costs_at_most};
use crate::value::{Value, Values, serialize_fields};
use crate::{NodeId, Report};

/// The largest size of a reason between nodes, as [`cost_of`] counts it. Each node that watches the port gets the
/// reason, so one kill by a member is queued many times.
const MAX_REASON: usize = 4 << 10;

/// The part of it that is reserved for the note that elements are left out.
const NOTE_SIZE: usize = 128;

/// Bytes of a text that are kept in a reason over the limit.
const MAX_TEXT: usize = 1000;

/// Why a port died, or why a monitor fired: a list of values, by convention a text that names the kind, and then
/// details. A reason is data, not an error. An empty reason means a normal end.
///
/// The kinds in use, which stay as they are; ports add their own:
///
/// | reason | meaning | whose |
/// | --- | --- | --- |
/// | (empty) | a normal end | [protocol.md section 5] |
/// | `die TEXT` | a handler failed or panicked | [protocol.md section 5] |
/// | `unhandled_message TEXT` | no handler takes the message | [protocol.md section 5] |
/// | `no_such_port TEXT PORT` | it was never there, or has ended before | [protocol.md section 5] |
/// | `transport_error NODE TEXT` | messages to the node may be lost; the port may live | [protocol.md section 5] |
/// | `encode_error NODE TEXT` | a message to the port could not be encoded | ours |
/// | `refused TEXT` | the node's policy does not permit a monitor or a call | ours |
/// | `inbox_full LIMIT` | an inbox was over its limit | ours |
/// | `queue_full LIMIT` | a message of the port's own node found no room in the queues of its ports | ours |
///
/// In a message a reason is the list of its values: `enum Job { Lost { worker: PortId, reason: Reason } }`. Clones share
/// the values.
///
/// On the same node a reason is delivered unchanged. Between nodes it is limited to 4 KiB, since it is sent to every
/// node that watches the port: in a longer reason, texts are cut after 1,000 bytes, other large elements are replaced
/// by `(left out: ...)`, and so are the last elements if there are too many.
///
/// ```
/// use aemp::reason;
/// let why = reason!["out_of_paper", 2];
/// assert_eq!(why.kind(), Some("out_of_paper"));
/// assert_eq!(why.to_string(), r#"out_of_paper: 2"#);
/// ```
///
/// [protocol.md section 5]: crate::protocol#5-the-node-port--and-the-node-protocol
#[derive(Clone, PartialEq, Default)]
pub struct Reason(Option<Arc<[Value]>>);

impl Reason {
    /// A normal end, which does not kill linked ports.
    pub fn normal() -> Self {
        Self::default()
    }

    /// The reason of a port whose handler has failed: `die TEXT`.
    pub fn die(text: impl fmt::Display) -> Self {
        reason!["die", text.to_string()]
    }

    /// `die TEXT` of an error and its sources.
    fn failed(error: &dyn Error) -> Self {
        Self::die(Report(error))
    }

    /// The reason of monitors that fire because messages to `node` may be lost.
    pub fn transport_error(node: &NodeId, text: impl fmt::Display) -> Self {
        reason!["transport_error", node.as_str(), text.to_string()]
    }

    /// Whether this is a normal end.
    pub fn is_normal(&self) -> bool {
        self.0.is_none()
    }

    /// Whether messages to the port's node may be lost: `transport_error NODE TEXT`. The port may be alive.
    pub fn is_transport_error(&self) -> bool {
        self.kind() == Some("transport_error")
    }

    /// Whether there is no such port, as it was never there or has ended before: `no_such_port TEXT PORT`.
    pub fn is_no_such_port(&self) -> bool {
        self.kind() == Some("no_such_port")
    }

    /// Whether the port's handler failed or panicked: `die TEXT`.
    pub fn is_failure(&self) -> bool {
        self.kind() == Some("die")
    }

    /// Whether the port got a message that it does not handle: `unhandled_message TEXT`.
    pub fn is_unhandled_message(&self) -> bool {
        self.kind() == Some("unhandled_message")
    }

    /// The kind: the first value, if it is a text.
    pub fn kind(&self) -> Option<&str> {
        self.values().first().and_then(Value::as_str)
    }

    /// All values.
    pub fn values(&self) -> &[Value] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// The reason of monitors that fire because a message to `node` cannot be encoded.
pub fn not_encoded(node: &NodeId, error: impl fmt::Display) -> Reason {
    reason!["encode_error", node.as_str(), error.to_string()]
}

/// The reason as it is sent to other nodes: shortened if it is over the limit. The cost does not depend on its length.
pub fn abridged(reason: &Reason) -> Reason {
    let values = reason.values();
    if costs_at_most(MAX_REASON, values) {
        return reason.clone();
    }
    let mut left = MAX_REASON - NOTE_SIZE;
    let mut short = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let value = abridged_element(value);
        let cost = cost_of(slice::from_ref(&value));
        if cost > left {
            let rest = values.len() - at;
            short.push(Value::from(format!("(left out: {rest} more elements)")));
            break;
        }
        left -= cost;
        short.push(value);
    }
    short.into_iter().collect()
}

/// As the list of its values. As a whole message these are the elements, and nested an array.
impl Serialize for Reason {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serialize_fields(self.values(), serializer)
    }
}

impl<'de> Deserialize<'de> for Reason {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Values::deserialize(deserializer).map(Self::from)
    }
}

impl From<Values> for Reason {
    fn from(values: Values) -> Self {
        values.into_iter().collect()
    }
}

impl<T: Into<Value>> FromIterator<T> for Reason {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let values: Arc<[Value]> = values.into_iter().map(Into::into).collect();
        Self((!values.is_empty()).then_some(values))
    }
}

/// `die TEXT`, where the text has the error and its sources: `cannot save: disk full`.
impl<E: Error> From<E> for Reason {
    fn from(error: E) -> Self {
        Self::failed(&error)
    }
}

/// What becomes a [`Reason`]: a reason itself, any error, a boxed error (`Box<dyn Error + Send + Sync>`,
/// `anyhow::Error`), and a text. All but a reason become `die TEXT`, where the text has the error and its sources.
///
/// `Box<dyn Error>` without `Send + Sync` does not: Rust has no conversion for it.
///
/// ```
/// use aemp::reason;
/// use aemp::traits::IntoReason;
/// assert_eq!("no paper".into_reason(), reason!["die", "no paper"]);
/// assert_eq!(reason!["no_paper", 2].into_reason(), reason!["no_paper", 2]);
/// ```
#[diagnostic::on_unimplemented(
    message = "`{Self}` does not become the reason of a port's death",
    label = "neither a `Reason`, nor an error, nor a text",
    note = "return a `Reason` (`reason![\"kind\", ..]`), an error, `Box<dyn Error + Send + Sync>`, `anyhow::Error`, or a text",
    note = "`Box<dyn Error>` needs `+ Send + Sync`"
)]
pub trait IntoReason {
    /// Converts it to the reason.
    fn into_reason(self) -> Reason;
}

impl IntoReason for Reason {
    fn into_reason(self) -> Reason {
        self
    }
}

// Coherent as `Reason` is of this crate, and no error.
#[diagnostic::do_not_recommend]
impl<E: Into<Box<dyn Error + Send + Sync>>> IntoReason for E {
    fn into_reason(self) -> Reason {
        Reason::failed(&*self.into())
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, details)) = self.values().split_first() else {
            return f.write_str("ordinary end");
        };
        write_plain(first, f)?;
        for (n, value) in details.iter().enumerate() {
            f.write_str(if n == 0 { ": " } else { ", " })?;
            write_plain(value, f)?;
        }
        Ok(())
    }
}

/// Shortens an element of a reason over the limit.
fn abridged_element(value: &Value) -> Value {
    match value {
        Value::Text(text) if text.len() > MAX_TEXT => {
            let kept = &text[..text.floor_char_boundary(MAX_TEXT)];
            Value::from(format!("{kept}... ({} bytes)", text.len()))
        }
        Value::Bytes(bytes) if bytes.len() > MAX_TEXT => {
            Value::from(format!("(left out: {} bytes)", bytes.len()))
        }
        other if !costs_at_most(2 * MAX_TEXT, slice::from_ref(other)) => {
            Value::from("(left out: too large)")
        }
        other => other.clone(),
    }
}

/// Writes a text without quotes, since people read reasons.
fn write_plain(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match value.as_str() {
        Some(text) => f.write_str(text),
        None => write!(f, "{value}"),
    }
}

impl fmt::Debug for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Reason({self})")
    }
}

/// Makes a [`Reason`] from expressions that convert to [`Value`](crate::Value).
///
/// ```
/// let why = aemp::reason!["quota", 17, true];
/// assert_eq!(why.values().len(), 3);
/// ```
#[macro_export]
macro_rules! reason {
    ($($value:expr),* $(,)?) => {
        [$($crate::Value::from($value)),*].into_iter().collect::<$crate::Reason>()
    };
}
use reason;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_short_reason_passes_as_it_is_and_a_long_one_cut() {
        let short = reason!["die", "\u{e9}".repeat(1500), vec![Value::from(1)]];
        assert_eq!(abridged(&short), short);
        let long = || Value::from("\u{e9}".repeat(MAX_REASON));
        let cut = abridged(&reason!["die", long(), vec![long()], bytes(5000), 7]);
        let kept = format!("{}... (8192 bytes)", "\u{e9}".repeat(MAX_TEXT / 2));
        let (large, bytes) = ("(left out: too large)", "(left out: 5000 bytes)");
        assert_eq!(cut, reason!["die", kept, large, bytes, 7]);
        let odd = abridged(&reason!["a".to_owned() + &"\u{e9}".repeat(MAX_REASON)]);
        assert!(odd.to_string().starts_with("a\u{e9}"));
    }

    #[test]
    fn what_was_cut_is_not_cut_again() {
        for long in [
            reason!["x".repeat(MAX_REASON + 1)],
            (0..100_000).map(Value::from).collect(),
            (0..100).map(|_| Value::from("x".repeat(900))).collect(),
            (0..10).map(|_| bytes(MAX_REASON)).collect(),
        ] {
            let cut = abridged(&long);
            assert!(costs_at_most(MAX_REASON, cut.values()));
            assert_eq!(abridged(&cut), cut);
        }
    }

    fn bytes(len: usize) -> Value {
        Value::from(bytes::Bytes::from(vec![0; len]))
    }
}
