//! `Directory`: the directory's interface for programs.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aemp_proto::directory::{QueryKind, Refused, Role, is_family, is_known_family};
use serde::Serialize;

use super::{Driver, Query, Registration, Watch, ask};
use crate::error::DirectoryError;
use crate::node::Inner;
use crate::value::to_value;
use crate::{NodeId, PortId, Text, Value};

/// The directory that all nodes of a network share: families of keys and values; from
/// [`LocalNode::directory`](crate::LocalNode::directory).
///
/// An entry belongs to the node that set it. It is removed when that node deletes it, stops, or loses the connection to
/// its global node. Names of families match `[A-Za-z][A-Za-z0-9_:]*`. Keys are texts; values are anything that JSON can
/// carry. A change by this node is visible to this node at once only if it is a global node; otherwise it first goes
/// through the network.
///
/// If several nodes set the same key, all nodes see one value: among nodes with the same global node the last one that
/// was set, otherwise the one of the global node with the lowest ID. Keys that contain their owner avoid such
/// conflicts.
///
/// Its methods panic within the `Serialize` of a message to another node, and in a codec: both run under the lock of a connection.
///
/// ```
/// # async fn example(node: aemp::LocalNode) -> aemp::Result<()> {
/// let directory = node.directory();
/// directory.set("config", "limit", 20)?;
/// let limits = directory.family("config").await?;
/// assert_eq!(limits["limit"].as_i64(), Some(20));
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Directory {
    pub(super) node: Arc<Inner>,
}

/// The role of a node in the directory ([protocol.md section 6]).
///
/// [protocol.md section 6]: crate::protocol#6-seeds-global-nodes-the-directory
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryRole {
    /// It has no seeds and is not a seed of another node: it sees only its own entries.
    Alone,
    /// None of its seeds is connected.
    Searching,
    /// It is served by this global node, its master.
    #[doc(alias = "slave")]
    Client(NodeId),
    /// It holds the merged directory and serves other nodes.
    Global,
}

impl Directory {
    pub(crate) fn new(node: Arc<Inner>) -> Self {
        Self { node }
    }

    /// The current role of this node.
    pub fn role(&self) -> DirectoryRole {
        match self.node.directory.role() {
            Role::Alone => DirectoryRole::Alone,
            Role::Searching => DirectoryRole::Searching,
            Role::Slave(master) => DirectoryRole::Client(master),
            Role::Global => DirectoryRole::Global,
        }
    }

    /// Makes this node a global node permanently. A node also becomes global when another node uses it as a seed.
    #[doc(alias = "become_global")]
    #[doc(alias = "global")]
    pub fn serve_directory(&self) {
        self.node.directory.become_global(&self.node);
    }

    /// Sets an entry of this node, or replaces its value.
    ///
    /// If the entry exceeds the limits of this node's global node (`Config::directory` there), that node refuses and
    /// logs it, and no other node sees it.
    ///
    /// # Errors
    /// If `family` is not a valid name, or the value cannot be serialized, cannot be carried by JSON, or is too large.
    #[doc(alias = "db_set")]
    pub fn set(
        &self,
        family: &str,
        key: impl Into<Text>,
        value: impl Serialize,
    ) -> Result<(), DirectoryError> {
        self.put(&family.into(), &key.into(), &value, Driver::set)
    }

    /// Deletes an entry of this node. Entries of other nodes with the same key stay.
    #[doc(alias = "db_del")]
    pub fn delete(&self, family: &str, key: impl Into<Text>) {
        self.delete_all(family, [key]);
    }

    /// Deletes several entries of this node at once.
    pub fn delete_all<K: Into<Text>>(&self, family: &str, keys: impl IntoIterator<Item = K>) {
        let keys: Vec<Text> = keys.into_iter().map(Into::into).collect();
        self.node
            .directory
            .delete(&self.node, &family.into(), &keys);
    }

    /// Sets an entry whose key is the port's ID. It is deleted when the guard is dropped or the port dies.
    ///
    /// # Errors
    /// As [`set`](Self::set).
    #[doc(alias = "db_reg")]
    pub fn register(
        &self,
        family: &str,
        port: &PortId,
        value: impl Serialize,
    ) -> Result<Registration, DirectoryError> {
        let (family, key) = (Text::from(family), Text::from(port.to_string()));
        self.put(&family, &key, &value, Driver::register)?;
        Ok(Registration::new(&self.node, family, key, port))
    }

    /// Queries all entries of a family, by key. The result is empty for an unknown family.
    #[doc(alias = "db_family")]
    pub fn family(&self, family: &str) -> Query<BTreeMap<Text, Value>> {
        Query::new(&self.node, QueryKind::Family, family, ask::pairs)
    }

    /// Queries the keys of a family.
    #[doc(alias = "db_keys")]
    pub fn keys(&self, family: &str) -> Query<Vec<Text>> {
        Query::new(&self.node, QueryKind::Keys, family, ask::keys)
    }

    /// Queries the values of a family.
    #[doc(alias = "db_values")]
    pub fn values(&self, family: &str) -> Query<Vec<Value>> {
        Query::new(&self.node, QueryKind::Values, family, ask::values)
    }

    /// The families that this node holds, with their numbers of entries: those of the whole network if it is a global
    /// node, otherwise its own. The families of the nodes themselves (`'l`, `'g`) are included.
    pub fn sizes(&self) -> BTreeMap<Text, usize> {
        self.node.directory.sizes()
    }

    /// Watches a family: yields its content, then each change. `'l` (node IDs and their addresses) and `'g` (global
    /// nodes) can be watched as well. A global node limits the families that one slave can watch (its
    /// `Config::directory`); beyond the limit no change arrives here, and the global node logs a line.
    ///
    /// # Errors
    /// If `family` is not a valid name.
    #[doc(alias = "db_mon")]
    pub fn watch(&self, family: &str) -> Result<Watch, DirectoryError> {
        if is_known_family(family) {
            return Ok(Watch::new(&self.node, family.into()));
        }
        Err(DirectoryError::Family {
            family: family.into(),
        })
    }

    /// Serializes `value` and sets the entry by `hold`.
    fn put(
        &self,
        family: &Text,
        key: &Text,
        value: &impl Serialize,
        hold: impl FnOnce(&Driver, &Arc<Inner>, &Text, Text, Value) -> Result<(), Refused>,
    ) -> Result<(), DirectoryError> {
        let entry = || (family.clone(), key.clone());
        let value = to_value(value).map_err(|error| {
            let (family, key) = entry();
            DirectoryError::Serialize { family, key, error }
        })?;
        let held = hold(&self.node.directory, &self.node, family, key.clone(), value);
        held.map_err(|refused| {
            let (family, key) = entry();
            match refused {
                Refused::Family => DirectoryError::Family {
                    family: family.to_string(),
                },
                Refused::NotJson(what) => DirectoryError::Value { family, key, what },
                Refused::TooLarge { bytes, limit } => DirectoryError::TooLarge {
                    family,
                    key,
                    bytes,
                    limit,
                },
            }
        })
    }

    pub(super) fn check_family(family: &str) -> Result<(), DirectoryError> {
        match is_family(family) {
            true => Ok(()),
            false => Err(DirectoryError::Family {
                family: family.into(),
            }),
        }
    }
}

impl fmt::Debug for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Directory({:?})", self.role())
    }
}
