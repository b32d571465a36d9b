//! Names on the network: `NodeId`, `PortName`, and `PortId`, which is both of them joined by `#` ([protocol.md section
//! 1]).
//!
//! [protocol.md section 1]: crate::protocol#1-names

use std::fmt;
use std::hash::{Hash, Hasher};
use std::str::FromStr;
use std::sync::Arc;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Text;
use crate::excerpt::is_unsafe;
use crate::text::compares_with_text;

/// The longest node ID, in bytes. A greeting line, which contains one, has at most 4096 bytes.
const MAX_NODE_ID: usize = 255;

/// The name of a node, unique in the network. Clones share one allocation.
///
/// The protocol treats it as opaque. IDs that would break a greeting line or a port ID are refused: those with `#`,
/// `;`, `,`, white space, control or invisible characters, the empty ID, and IDs over 255 bytes.
///
/// ```
/// use aemp::NodeId;
/// let id: NodeId = "server".parse()?;
/// assert_eq!(id.as_str(), "server");
/// assert!("no spaces".parse::<NodeId>().is_err());
/// # Ok::<(), aemp::error::ParseIdError>(())
/// ```
#[derive(Clone)]
pub struct NodeId(Arc<str>);

impl NodeId {
    /// A node ID.
    ///
    /// # Errors
    /// If `id` is not a valid node ID.
    pub fn new(id: &str) -> Result<Self, ParseIdError> {
        let wrong = |why| {
            let id = id.chars().take(40).collect();
            ParseIdError { id, why }
        };
        if id.is_empty() {
            return Err(wrong("it is empty"));
        }
        if id.len() > MAX_NODE_ID {
            return Err(wrong("it is longer than 255 bytes"));
        }
        let refused = |c: char| c.is_whitespace() || is_unsafe(c) || matches!(c, '#' | ';' | ',');
        if id.contains(refused) {
            return Err(wrong(
                "it has white space, a control or invisible character, or one of # ; ,",
            ));
        }
        Ok(Self(id.into()))
    }

    /// The ID as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The ID of the port called `name` on this node.
    pub fn port(&self, name: impl Into<PortName>) -> PortId {
        PortId::new(self.clone(), name.into())
    }
}

impl PartialEq for NodeId {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0 == other.0
    }
}

impl Eq for NodeId {}

impl Hash for NodeId {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl PartialOrd for NodeId {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for NodeId {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.0.cmp(&other.0)
    }
}

compares_with_text!(NodeId, PortName);

impl FromStr for NodeId {
    type Err = ParseIdError;
    fn from_str(id: &str) -> Result<Self, ParseIdError> {
        Self::new(id)
    }
}

impl TryFrom<&str> for NodeId {
    type Error = ParseIdError;
    fn try_from(id: &str) -> Result<Self, ParseIdError> {
        Self::new(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for NodeId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NodeId({})", self.as_str())
    }
}

impl Serialize for NodeId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for NodeId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        Self::new(&text).map_err(serde::de::Error::custom)
    }
}

/// The name of a port within its node. The empty name is the node port ([protocol.md section 5]).
/// Generated names are short and stored inline, so a clone does not allocate.
///
/// [protocol.md section 5]: crate::protocol#5-the-node-port--and-the-node-protocol
#[derive(Clone, Default, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortName(Text);

impl PortName {
    /// The node port, which answers the requests of the node protocol.
    pub const NODE_PORT: Self = Self(Text::from_static(""));

    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether this is the empty name.
    pub fn is_node_port(&self) -> bool {
        self.0.is_empty()
    }
}

/// The first character of the names of reply ports. It is not part of AEMP: no other generated name begins with it. A
/// node that cannot encode an answer kills the port if its name begins with this character.
pub const REPLY: char = '?';

/// Whether a port with this name is the reply port of a call.
pub fn is_reply(name: &PortName) -> bool {
    name.0.starts_with(REPLY)
}

impl<T: Into<Text>> From<T> for PortName {
    fn from(name: T) -> Self {
        Self(name.into())
    }
}

impl fmt::Display for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Debug for PortName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortName({})", self.as_str())
    }
}

impl Serialize for PortName {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for PortName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Text::deserialize(deserializer).map(Self)
    }
}

/// The address of a port: its node and its name, written `node#port`. A bare node ID stands for the node port.
///
/// In messages it is a string, which every peer can read and send to.
///
/// ```
/// use aemp::PortId;
/// let id: PortId = "server#echo".parse()?;
/// assert_eq!(id.node().as_str(), "server");
/// assert_eq!(id.port().as_str(), "echo");
/// assert_eq!(id.to_string(), "server#echo");
/// # Ok::<(), aemp::error::ParseIdError>(())
/// ```
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct PortId {
    node: NodeId,
    port: PortName,
}

impl PortId {
    /// The port called `port` on `node`.
    pub fn new(node: NodeId, port: PortName) -> Self {
        Self { node, port }
    }

    /// The node that has the port.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// The port's name within its node.
    pub fn port(&self) -> &PortName {
        &self.port
    }
}

impl FromStr for PortId {
    type Err = ParseIdError;
    /// Splits at the first `#`, as protocol.md section 1 says.
    fn from_str(id: &str) -> Result<Self, ParseIdError> {
        let (node, port) = id.split_once('#').unwrap_or((id, ""));
        Ok(Self::new(NodeId::new(node)?, port.into()))
    }
}

impl TryFrom<&str> for PortId {
    type Error = ParseIdError;
    fn try_from(id: &str) -> Result<Self, ParseIdError> {
        id.parse()
    }
}

impl From<NodeId> for PortId {
    fn from(node: NodeId) -> Self {
        Self::new(node, PortName::NODE_PORT)
    }
}

impl fmt::Display for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.node.as_str())?;
        if self.port.is_node_port() {
            return Ok(());
        }
        f.write_str("#")?;
        f.write_str(self.port.as_str())
    }
}

impl fmt::Debug for PortId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PortId({self})")
    }
}

impl Serialize for PortId {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for PortId {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// A text that is not a valid node ID or port ID.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{id:?} is no node ID: {why}")]
pub struct ParseIdError {
    id: String,
    why: &'static str,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_id_splits_at_the_first_hash() {
        let id: PortId = "a/b#c#d".parse().unwrap();
        assert_eq!(id.node().as_str(), "a/b");
        assert_eq!(id.port().as_str(), "c#d");
        assert_eq!(id.to_string(), "a/b#c#d");
    }

    #[test]
    fn a_bare_node_id_addresses_the_node_port() {
        for text in ["n", "n#"] {
            let id: PortId = text.parse().unwrap();
            assert!(id.port().is_node_port());
            assert_eq!(id.to_string(), "n");
        }
    }

    #[test]
    fn what_would_break_a_greeting_is_no_node_id() {
        for bad in ["", "a b", "a;b", "a,b", "a\n", "\0", &"x".repeat(256)] {
            let error = NodeId::new(bad).unwrap_err().to_string();
            assert!(error.contains("is no node ID"), "{error}");
        }
    }
}
