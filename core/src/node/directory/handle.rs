//! `Directory`: what programs do with the directory.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use aemp_proto::directory::{Query, Refused, Role, is_family, is_known_family};
use serde::Serialize;

use super::{Ask, Driver, FamilyWatch, Registration, ask};
use crate::error::DirectoryError;
use crate::node::Inner;
use crate::value::to_value;
use crate::{NodeId, PortId, Text, Value};

/// The directory that all nodes of a network share: families of keys and values; from
/// [`LocalNode::directory`](crate::LocalNode::directory).
///
/// An entry belongs to the node that set it, and is gone when that node deletes it, stops, or is lost by the global
/// node that works for it. Families are named `[A-Za-z][A-Za-z0-9_:]*`. Keys are texts, values what JSON can carry. All
/// that is set here is seen here at once only if this node is a global one; otherwise it goes through the network.
///
/// Where several nodes hold one key, one value is seen everywhere: of nodes with the same global node what was set last,
/// else that of the global node with the lowest ID. Keys that name their owner avoid the question.
///
/// ```
/// # async fn example(node: aemp_core::LocalNode) -> aemp_core::Result<()> {
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

/// What a node is in the directory (protocol.md section 6).
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum DirectoryRole {
    /// It has no seeds, and nobody uses it as one: it sees what it has set itself.
    Alone,
    /// None of its seeds is connected.
    Searching,
    /// This global node works for it.
    Slave(NodeId),
    /// It holds the merged directory, and works for others.
    Global,
}

impl Directory {
    pub(crate) fn new(node: Arc<Inner>) -> Self {
        Self { node }
    }

    /// What this node is in the directory now.
    pub fn role(&self) -> DirectoryRole {
        match self.node.directory.role() {
            Role::Alone => DirectoryRole::Alone,
            Role::Searching => DirectoryRole::Searching,
            Role::Slave(master) => DirectoryRole::Slave(master),
            Role::Global => DirectoryRole::Global,
        }
    }

    /// Makes this node a global node, which it stays. A node becomes one by itself when another uses it as a seed.
    pub fn become_global(&self) {
        self.node.directory.become_global(&self.node);
    }

    /// Sets an entry of this node's own, in the place of the one that it had.
    ///
    /// Beyond what its global node lets it hold (`Config::directory` there), an entry is refused and logged there, and
    /// seen by nobody.
    ///
    /// # Errors
    /// If there can be no such family, or the value does not serialise, is not what JSON can carry, or is too large.
    #[doc(alias = "db_set")]
    pub fn set(
        &self,
        family: &str,
        key: impl Into<Text>,
        value: impl Serialize,
    ) -> Result<(), DirectoryError> {
        self.put(&family.into(), &key.into(), &value, Driver::set)
    }

    /// Deletes an entry of this node's own. One that another node holds stays.
    #[doc(alias = "db_del")]
    pub fn delete(&self, family: &str, key: impl Into<Text>) {
        self.delete_all(family, [key]);
    }

    /// Deletes several of them at once.
    pub fn delete_all<K: Into<Text>>(&self, family: &str, keys: impl IntoIterator<Item = K>) {
        let keys: Vec<Text> = keys.into_iter().map(Into::into).collect();
        self.node
            .directory
            .delete(&self.node, &family.into(), &keys);
    }

    /// Sets an entry whose key is the port's ID, which is deleted when the guard is dropped or the port dies.
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

    /// Asks for all that is in a family, by key. Of an unknown family that is nothing.
    #[doc(alias = "db_family")]
    pub fn family(&self, family: &str) -> Ask<BTreeMap<Text, Value>> {
        Ask::new(&self.node, Query::Family, family, ask::pairs)
    }

    /// Asks for the keys of a family.
    #[doc(alias = "db_keys")]
    pub fn keys(&self, family: &str) -> Ask<Vec<Text>> {
        Ask::new(&self.node, Query::Keys, family, ask::keys)
    }

    /// Asks for the values of a family.
    #[doc(alias = "db_values")]
    pub fn values(&self, family: &str) -> Ask<Vec<Value>> {
        Ask::new(&self.node, Query::Values, family, ask::values)
    }

    /// The families of which this node holds entries, and how many: as a global node those of the whole network, otherwise
    /// its own. Those of the nodes themselves (`'l`, `'g`) are among them.
    pub fn sizes(&self) -> BTreeMap<Text, usize> {
        self.node.directory.sizes()
    }

    /// Follows a family: all that is in it, then each change. `'l` (node IDs and where they listen) and `'g` (global
    /// nodes) can be followed as well. A global node tells a slave of so many families only as its `Config::directory`
    /// says; of others there is silence here and a line in its log.
    ///
    /// # Errors
    /// If there can be no such family.
    #[doc(alias = "db_mon")]
    pub fn watch(&self, family: &str) -> Result<FamilyWatch, DirectoryError> {
        if is_known_family(family) {
            return Ok(FamilyWatch::new(&self.node, family.into()));
        }
        Err(DirectoryError::Family {
            family: family.into(),
        })
    }

    /// Holds an entry, by `hold`.
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
