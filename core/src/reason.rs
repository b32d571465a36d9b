//! `Reason`: why a port died.

use std::fmt;
use std::sync::Arc;

use crate::{NodeId, Value, message::Values};

/// Why a port died, or what a monitor is told: a list of values, by convention a text that names the kind
/// and then details. It is data, not an error; an empty one means an ordinary end.
///
/// Kinds in use (protocol.md section 5): `die TEXT`, `unhandled_message TEXT`, `no_such_port TEXT PORT`, and,
/// when messages to a node may have been lost, `transport_error NODE TEXT`. Clones share the values.
///
/// ```
/// use aemp_core::reason;
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

    pub(crate) fn no_such_port(port: &crate::PortId) -> Self {
        reason![
            "no_such_port",
            "cannot monitor nonexistent port",
            port.to_string()
        ]
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
/// let why = aemp_core::reason!["quota", 17, true];
/// assert_eq!(why.values().len(), 3);
/// ```
#[macro_export]
macro_rules! reason {
    ($($value:expr),* $(,)?) => {
        [$($crate::Value::from($value)),*].into_iter().collect::<$crate::Reason>()
    };
}
use reason;
