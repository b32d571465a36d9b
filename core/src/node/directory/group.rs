//! `Group`: ports that do the same work, found by the name of their family in the directory.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aemp_proto::directory::{Change, LISTENERS};
use serde::de::DeserializeOwned;

use super::{Directory, Registration, Watch};
use crate::error::{DirectoryError, Stopped};
use crate::node::{Call, Inner};
use crate::{IntoMessage, PortId, Text, Value};

/// A group of ports: a family of the directory whose keys are port IDs; from
/// [`LocalNode::group`](crate::LocalNode::group).
///
/// ```
/// # async fn example(node: aemp::LocalNode) -> aemp::Result<()> {
/// use aemp::routes;
/// let worker = node.port_of(routes().on("job", |_, (n,): (u64,)| println!("job {n}")));
/// let _member = node.group("workers").join(&worker)?;
///
/// let workers = node.group("workers").live().await?;
/// workers.any().send(("job", 7))?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Group {
    directory: Directory,
    family: Text,
}

impl Group {
    pub(crate) fn new(node: Arc<Inner>, family: &str) -> Self {
        Self {
            directory: Directory::new(node),
            family: family.into(),
        }
    }

    /// Makes `port` a member until the guard is dropped or the port dies.
    ///
    /// # Errors
    /// If the group's name is not a valid name of a family.
    pub fn join(&self, port: &PortId) -> Result<Registration, DirectoryError> {
        self.directory.register(&self.family, port, ())
    }

    /// The members of the group, a set that is updated from then on. Waits until the directory has sent the members, at
    /// most `monitor_timeout`.
    ///
    /// # Errors
    /// If the group's name is not a valid name of a family, or the members did not arrive in time.
    ///
    /// # Cancel safety
    /// Dropping the future ends the watch.
    #[doc(alias = "subscribe")]
    pub async fn live(&self) -> Result<Members, DirectoryError> {
        self.live_within(self.directory.node.config.monitor_timeout)
            .await
    }

    /// The members of the group, with another limit than [`live`](Self::live).
    ///
    /// # Errors
    /// As [`live`](Self::live).
    pub async fn live_within(&self, limit: Duration) -> Result<Members, DirectoryError> {
        Directory::check_family(&self.family)?;
        // Watched first, so that its first change is there when the members are.
        let listeners = self.directory.watch(LISTENERS)?;
        let mut watch = self.directory.watch(&self.family)?;
        let node = self.directory.node.clone();
        let first = node.within(limit, watch.recv()).await;
        let first = first.ok_or_else(|| DirectoryError::TimedOut {
            family: self.family.clone(),
            limit,
            why: String::from("no global node has told who is in the group"),
        })?;
        let mut state = State {
            watch,
            listeners,
            listening: None,
            ports: Vec::new(),
            leases: BTreeMap::new(),
            next: 0,
        };
        state.apply(first.ok_or(Stopped)?);
        Ok(Members {
            group: self.clone(),
            state: Mutex::new(state),
        })
    }
}

/// The live members of a group. Each call first applies the changes that have arrived from the directory.
///
/// A member is removed when its port dies, its guard is dropped, or its node leaves the network, as soon as this node
/// learns of it. Messages sent to it shortly before may be lost; a monitor or a call detects that.
///
/// ```no_run
/// # async fn example(node: aemp::LocalNode) -> Result<(), aemp::directory::DirectoryError> {
/// let workers = node.group("workers").live().await?;
/// println!("{} workers are there", workers.ports().len());
/// workers.any().send(("work", 41))?;           // In turn.
/// let least = workers.least_loaded().lease()?; // Counts as its load until it is dropped.
/// node.send(least.port(), ("work", 42));
/// # Ok(())
/// # }
/// ```
pub struct Members {
    group: Group,
    state: Mutex<State>,
}

struct State {
    watch: Watch,
    /// Watches the addresses of nodes.
    listeners: Watch,
    /// The nodes that listen; `None` before the directory has sent them.
    listening: Option<BTreeSet<Text>>,
    /// The members, sorted.
    ports: Vec<PortId>,
    /// The number of leases of each member.
    leases: BTreeMap<PortId, usize>,
    /// The round-robin position of [`Members::any`] and [`Members::least_loaded`].
    next: usize,
}

impl State {
    fn apply(&mut self, change: Change) {
        if change.snapshot {
            self.ports.clear();
        }
        let parse = |key: &Text| key.parse::<PortId>().ok();
        let gone: BTreeSet<PortId> = change.deleted.iter().filter_map(parse).collect();
        self.ports.retain(|port| !gone.contains(port));
        self.ports.extend(change.set.keys().filter_map(parse));
        self.ports.sort_unstable();
        self.ports.dedup();
    }

    fn refresh(&mut self) {
        while let Some(change) = self.watch.try_recv() {
            self.apply(change);
        }
        // After the members: the directory sends the addresses of a node before its members.
        while let Some(change) = self.listeners.try_recv() {
            self.apply_listeners(change);
        }
    }

    fn apply_listeners(&mut self, change: Change) {
        let listening = self.listening.get_or_insert_default();
        if change.snapshot {
            listening.clear();
        }
        for gone in &change.deleted {
            listening.remove(gone);
        }
        for (node, addresses) in change.set {
            match addresses.as_array().is_some_and(<[Value]>::is_empty) {
                true => listening.remove(&node),
                false => listening.insert(node),
            };
        }
    }

    /// Whether `node` can send to `port`, as far as it knows.
    fn can_reach(&self, node: &Inner, port: &PortId) -> bool {
        let id = port.node();
        let listening = self.listening.as_ref();
        if *id == node.id || listening.is_none_or(|listening| listening.contains(id.as_str())) {
            return true;
        }
        let peer = node.network.known_peer(id);
        peer.is_some_and(|peer| peer.link().is_some() || !peer.addresses().is_empty())
    }

    /// The first member that `node` can reach, from index `at` on with wrap-around.
    fn reachable_from(&self, node: &Inner, at: usize) -> Option<PortId> {
        let (before, behind) = self.ports.split_at(at.min(self.ports.len()));
        let mut from = behind.iter().chain(before);
        from.find(|port| self.can_reach(node, port)).cloned()
    }
}

impl Members {
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refresh();
        state
    }

    /// The members now, sorted by ID.
    pub fn ports(&self) -> Vec<PortId> {
        self.lock().ports.clone()
    }

    /// The members that this node cannot reach: their nodes do not listen and have no connection to this node. As long as
    /// that is so, they are not chosen, and [`send_all`](Self::send_all) leaves them out.
    pub fn unreachable(&self) -> Vec<PortId> {
        let state = self.lock();
        let ports = state.ports.iter();
        ports
            .filter(|port| !state.can_reach(self.node(), port))
            .cloned()
            .collect()
    }

    /// The number of members.
    pub fn len(&self) -> usize {
        self.lock().ports.len()
    }

    /// Whether the group has no members.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until members have been added or removed since the last use.
    ///
    /// ```
    /// # async fn example(node: aemp::LocalNode) -> aemp::Result<()> {
    /// let mut workers = node.group("workers").live().await?;
    /// while workers.is_empty() {
    ///     workers.changed().await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// If the node has stopped: the members do not change any more.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> Result<(), Stopped> {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        let change = state.watch.recv().await.ok_or(Stopped)?;
        state.apply(change);
        Ok(())
    }

    /// Chooses the members in turn (round-robin).
    #[doc(alias = "round_robin")]
    pub fn any(&self) -> Pick<'_> {
        let mut state = self.lock();
        state.next = state.next.wrapping_add(1);
        let at = state.next % state.ports.len().max(1);
        self.pick(state.reachable_from(self.node(), at))
    }

    /// Chooses a random member.
    pub fn random(&self) -> Pick<'_> {
        let state = self.lock();
        let at = self
            .node()
            .links
            .entropy
            .between(0.0, state.ports.len() as f64) as usize;
        self.pick(state.reachable_from(self.node(), at))
    }

    /// Chooses the member with the fewest leases: unanswered calls and live [`Lease`]s made through this `Members`. Among
    /// equals it chooses in turn.
    pub fn least_loaded(&self) -> Pick<'_> {
        let mut state = self.lock();
        state.next = state.next.wrapping_add(1);
        let count = state.ports.len().max(1);
        let from = state.next % count;
        let (before, behind) = state.ports.split_at(from.min(state.ports.len()));
        let load = |port: &&PortId| state.leases.get(*port).copied().unwrap_or_default();
        let all = behind.iter().chain(before);
        let reachable = all.filter(|port| state.can_reach(self.node(), port));
        self.pick(reachable.min_by_key(load).cloned())
    }

    /// Sends a message to all members that can be reached. Returns their number. If it cannot be encoded for a member's
    /// connection, that is treated as by [`LocalNode::send`](crate::LocalNode::send).
    ///
    /// # Errors
    /// If the message cannot be built. It was sent to no member then.
    pub fn send_all(&self, message: impl IntoMessage) -> Result<usize, DirectoryError> {
        let mut ports = self.ports();
        let unreachable = self.unreachable();
        ports.retain(|port| !unreachable.contains(port));
        let Some(first) = ports.first() else {
            return Ok(0);
        };
        let message = message
            .into_message()
            .map_err(|error| crate::SendError::Encode {
                to: first.clone(),
                error,
            })?;
        for port in &ports {
            self.node().send(port, message.clone());
        }
        Ok(ports.len())
    }

    fn pick(&self, port: Option<PortId>) -> Pick<'_> {
        Pick {
            members: self,
            port,
        }
    }

    fn node(&self) -> &Arc<Inner> {
        &self.group.directory.node
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members")
            .field("group", &self.group.family)
            .field("ports", &self.ports())
            .finish()
    }
}

/// The member of a group that [`Members::any`] or a sibling has chosen, or none: [`send`](Self::send) and [`call`](Self::call)
/// reach it.
#[derive(Debug)]
#[must_use = "nothing is sent to a member that is only chosen"]
pub struct Pick<'m> {
    members: &'m Members,
    port: Option<PortId>,
}

impl<'m> Pick<'m> {
    /// The chosen member.
    pub fn port(&self) -> Option<&PortId> {
        self.port.as_ref()
    }

    fn chosen(self) -> Result<PortId, DirectoryError> {
        let group = self.members.group.family.clone();
        self.port.ok_or_else(|| match self.members.len() {
            0 => DirectoryError::Empty { group },
            members => DirectoryError::Unreachable { group, members },
        })
    }

    /// Sends a message to the member. Returns the member.
    ///
    /// # Errors
    /// If the group is empty, no member can be reached, or the message cannot be encoded.
    pub fn send(self, message: impl IntoMessage) -> Result<PortId, DirectoryError> {
        let node = self.members.node().clone();
        let port = self.chosen()?;
        node.try_send(&port, message, None)?;
        Ok(port)
    }

    /// Calls the member, as [`LocalNode::call`](crate::LocalNode::call) does. The call counts as load until it is
    /// dropped.
    ///
    /// # Errors
    /// If the group is empty, or no member can be reached.
    pub fn call<T: DeserializeOwned + 'm>(
        self,
        message: impl IntoMessage + Send + 'm,
    ) -> Result<Call<'m, T>, DirectoryError> {
        let lease = self.lease()?;
        let node = lease.members.node().clone();
        let to = lease.port.clone();
        Ok(Call::new(node, Ok(to), message).with_guard(Box::new(lease)))
    }

    /// Takes a lease, which counts as load of the member until it is dropped.
    ///
    /// # Errors
    /// If the group is empty, or no member can be reached.
    pub fn lease(self) -> Result<Lease<'m>, DirectoryError> {
        let members = self.members;
        let port = self.chosen()?;
        *members.lock().leases.entry(port.clone()).or_default() += 1;
        Ok(Lease { members, port })
    }
}

/// A lease of a member: counts as its load until dropped.
#[derive(Debug)]
pub struct Lease<'m> {
    members: &'m Members,
    port: PortId,
}

impl Lease<'_> {
    /// The member.
    pub fn port(&self) -> &PortId {
        &self.port
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.members.lock();
        if let Some(leases) = state.leases.get_mut(&self.port) {
            *leases -= 1;
            if *leases == 0 {
                state.leases.remove(&self.port);
            }
        }
    }
}
