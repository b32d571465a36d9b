//! `Reason`: why a port died.

use std::sync::Arc;
use std::{fmt, slice};

use crate::NodeId;
use crate::message::{cost_of, costs_at_most};
use crate::value::{Value, Values};

/// What a reason may cost that passes between nodes ([`cost_of`]). Each node that watches the port gets it, so that one
/// kill of a member's goes out many times, and all of it waits for somebody.
const LONGEST: usize = 4 << 10;

/// Of that, for the word that elements are missing.
const NOTE: usize = 128;

/// Bytes of a text in a reason that is longer.
const LONGEST_TEXT: usize = 1000;

/// Why a port died, or what a monitor is told: a list of values, by convention a text that names the kind
/// and then details. It is data, not an error; an empty one means an ordinary end.
///
/// Kinds in use (protocol.md section 5): `die TEXT`, `unhandled_message TEXT`, `no_such_port TEXT PORT`, and,
/// when messages to a node may have been lost, `transport_error NODE TEXT`. Clones share the values.
///
/// On its own node a reason arrives as it was given. Between nodes it is told to everybody who watches the port, so no more
/// than 4 KiB of it pass: in a longer one texts are cut after 1,000 bytes, other large elements stand as `(left out: ...)`,
/// and so do the last elements where there are too many.
///
/// ```
/// use aemp_proto::reason;
/// let why = reason!["out_of_paper", 2];
/// assert_eq!(why.kind(), Some("out_of_paper"));
/// assert_eq!(why.to_string(), r#"out_of_paper: 2"#);
/// ```
#[derive(Clone, PartialEq, Default)]
pub struct Reason(Option<Arc<[Value]>>);

impl Reason {
    /// An ordinary end, which does not kill linked ports.
    pub fn normal() -> Self {
        Self::default()
    }

    /// The reason of a port whose handler failed: `die TEXT`.
    pub fn die(text: impl fmt::Display) -> Self {
        reason!["die", text.to_string()]
    }

    /// The reason that monitors get when messages to `node` may have been lost.
    pub fn transport_error(node: &NodeId, text: impl fmt::Display) -> Self {
        reason!["transport_error", node.as_str(), text.to_string()]
    }

    /// Whether this is an ordinary end.
    pub fn is_normal(&self) -> bool {
        self.0.is_none()
    }

    /// The first value, if it is a text: what kind of reason this is.
    pub fn kind(&self) -> Option<&str> {
        self.values().first().and_then(Value::as_str)
    }

    /// All values.
    pub fn values(&self) -> &[Value] {
        self.0.as_deref().unwrap_or_default()
    }
}

/// What those are told who wait for a message to `node` that cannot be encoded.
pub fn not_encoded(node: &NodeId, error: impl fmt::Display) -> Reason {
    reason!["encode_error", node.as_str(), error.to_string()]
}

/// `reason` as it passes between nodes: cut if it is long. That costs the same however long it is.
pub fn abridged(reason: &Reason) -> Reason {
    let values = reason.values();
    if costs_at_most(LONGEST, values) {
        return reason.clone();
    }
    let mut left = LONGEST - NOTE;
    let mut short = Vec::new();
    for (at, value) in values.iter().enumerate() {
        let value = element(value);
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

impl From<Values> for Reason {
    fn from(values: Values) -> Self {
        values.into_iter().collect()
    }
}

impl FromIterator<Value> for Reason {
    fn from_iter<I: IntoIterator<Item = Value>>(values: I) -> Self {
        let values: Arc<[Value]> = values.into_iter().collect();
        Self((!values.is_empty()).then_some(values))
    }
}

impl<E: std::error::Error> From<E> for Reason {
    fn from(error: E) -> Self {
        Self::die(error)
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((first, details)) = self.values().split_first() else {
            return f.write_str("ordinary end");
        };
        show(first, f)?;
        for (n, value) in details.iter().enumerate() {
            f.write_str(if n == 0 { ": " } else { ", " })?;
            show(value, f)?;
        }
        Ok(())
    }
}

/// An element of a reason that is too long as a whole, cut.
fn element(value: &Value) -> Value {
    match value {
        Value::Text(text) if text.len() > LONGEST_TEXT => {
            let kept = &text[..text.floor_char_boundary(LONGEST_TEXT)];
            Value::from(format!("{kept}... ({} bytes)", text.len()))
        }
        Value::Bytes(bytes) if bytes.len() > LONGEST_TEXT => {
            Value::from(format!("(left out: {} bytes)", bytes.len()))
        }
        other if !costs_at_most(2 * LONGEST_TEXT, slice::from_ref(other)) => {
            Value::from("(left out: too large)")
        }
        other => other.clone(),
    }
}

/// Text without quotes: reasons are read by people.
fn show(value: &Value, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// Makes a [`Reason`] of anything that converts to [`Value`]s.
///
/// ```
/// let why = aemp_proto::reason!["quota", 17, true];
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
        let long = || Value::from("\u{e9}".repeat(LONGEST));
        let cut = abridged(&reason!["die", long(), vec![long()], bytes(5000), 7]);
        let kept = format!("{}... (8192 bytes)", "\u{e9}".repeat(LONGEST_TEXT / 2));
        let (large, bytes) = ("(left out: too large)", "(left out: 5000 bytes)");
        assert_eq!(cut, reason!["die", kept, large, bytes, 7]);
        let odd = abridged(&reason!["a".to_owned() + &"\u{e9}".repeat(LONGEST)]);
        assert!(odd.to_string().starts_with("a\u{e9}"));
    }

    #[test]
    fn what_was_cut_is_not_cut_again() {
        for long in [
            reason!["x".repeat(LONGEST + 1)],
            (0..100_000).map(Value::from).collect(),
            (0..100).map(|_| Value::from("x".repeat(900))).collect(),
            (0..10).map(|_| bytes(LONGEST)).collect(),
        ] {
            let cut = abridged(&long);
            assert!(costs_at_most(LONGEST, cut.values()));
            assert_eq!(abridged(&cut), cut);
        }
    }

    fn bytes(len: usize) -> Value {
        Value::from(bytes::Bytes::from(vec![0; len]))
    }
}
