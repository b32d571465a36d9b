//! `Group`: ports that do the same work, found by the name of their family.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use aemp_proto::directory::{Change, LISTENERS};
use serde::de::DeserializeOwned;

use super::{Directory, FamilyWatch, Registration};
use crate::error::DirectoryError;
use crate::node::{Call, Inner};
use crate::{IntoMessage, PortId, Text, Value};

/// A group of ports: a family of the directory whose keys are port IDs; from
/// [`LocalNode::group`](crate::LocalNode::group).
///
/// ```
/// # async fn example(node: aemp_core::LocalNode) -> aemp_core::Result<()> {
/// use aemp_core::routes;
/// let worker = node.port(routes().on("job", |_, (n,): (u64,)| println!("job {n}")));
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

    /// Makes `port` a member as long as the guard is kept and the port lives.
    ///
    /// # Errors
    /// If there can be no family of the group's name.
    pub fn join(&self, port: &PortId) -> Result<Registration, DirectoryError> {
        self.directory.register(&self.family, port, ())
    }

    /// The members, which from then on are those that live. Waits until the network has told who they are, at most
    /// `monitor_timeout`.
    ///
    /// # Errors
    /// If there can be no family of the group's name, or nobody told in time.
    pub async fn live(&self) -> Result<Members, DirectoryError> {
        self.live_within(self.directory.node.config.monitor_timeout)
            .await
    }

    /// The same with another limit.
    ///
    /// # Errors
    /// As [`live`](Self::live).
    pub async fn live_within(&self, limit: Duration) -> Result<Members, DirectoryError> {
        Directory::check_family(&self.family)?;
        // First, so that what it says is there when the members are.
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
            listed: None,
            ports: Vec::new(),
            open: BTreeMap::new(),
            turn: 0,
        };
        state.apply(first.ok_or(DirectoryError::Stopped)?);
        Ok(Members {
            group: self.clone(),
            state: Mutex::new(state),
        })
    }
}

/// The living members of a group, a set that follows the network: each use looks at what has changed.
///
/// A member is gone when its port dies, its guard is dropped, or its node is lost to the network, as soon as that is
/// known here. What was sent to it shortly before may be lost; a monitor or a call tells.
pub struct Members {
    group: Group,
    state: Mutex<State>,
}

struct State {
    watch: FamilyWatch,
    /// Follows where nodes listen.
    listeners: FamilyWatch,
    /// The nodes that listen somewhere, once the network has told.
    listed: Option<BTreeSet<Text>>,
    /// In order.
    ports: Vec<PortId>,
    /// How many leases there are.
    open: BTreeMap<PortId, usize>,
    /// Whose turn it is, of [`Members::any`].
    turn: usize,
}

impl State {
    fn apply(&mut self, change: Change) {
        if change.whole {
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
        // Behind the members, whose nodes are told of before them.
        while let Some(change) = self.listeners.try_recv() {
            self.apply_listeners(change);
        }
    }

    fn apply_listeners(&mut self, change: Change) {
        let listed = self.listed.get_or_insert_default();
        if change.whole {
            listed.clear();
        }
        for gone in &change.deleted {
            listed.remove(gone);
        }
        for (node, addresses) in change.set {
            match addresses.as_array().is_some_and(<[Value]>::is_empty) {
                true => listed.remove(&node),
                false => listed.insert(node),
            };
        }
    }

    /// Whether `node` can send to `port`, as far as is known.
    fn reaches(&self, node: &Inner, port: &PortId) -> bool {
        let id = port.node();
        let listed = self.listed.as_ref();
        if *id == node.id || listed.is_none_or(|listed| listed.contains(id.as_str())) {
            return true;
        }
        let peer = node.network.known_peer(id);
        peer.is_some_and(|peer| peer.link().is_some() || !peer.addresses().is_empty())
    }

    /// The first member from `at` on, and around, that `node` can reach.
    fn reachable_from(&self, node: &Inner, at: usize) -> Option<PortId> {
        let (before, behind) = self.ports.split_at(at.min(self.ports.len()));
        let mut from = behind.iter().chain(before);
        from.find(|port| self.reaches(node, port)).cloned()
    }
}

impl Members {
    fn lock(&self) -> MutexGuard<'_, State> {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.refresh();
        state
    }

    /// Who is in the group now, in order of their IDs.
    pub fn ports(&self) -> Vec<PortId> {
        self.lock().ports.clone()
    }

    /// The members of which this node knows that it cannot reach them: theirs listens nowhere, and the two have no
    /// connection. They are never chosen and sent nothing, as long as that is so.
    pub fn unreachable(&self) -> Vec<PortId> {
        let state = self.lock();
        let ports = state.ports.iter();
        ports
            .filter(|port| !state.reaches(self.node(), port))
            .cloned()
            .collect()
    }

    /// How many they are.
    pub fn len(&self) -> usize {
        self.lock().ports.len()
    }

    /// Whether there is nobody.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Waits until somebody has come or gone since the last use. False if the node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn changed(&mut self) -> bool {
        let state = self.state.get_mut().unwrap_or_else(PoisonError::into_inner);
        match state.watch.recv().await {
            Some(change) => {
                state.apply(change);
                true
            }
            None => false,
        }
    }

    /// One after the other in turn.
    pub fn any(&self) -> Pick<'_> {
        let mut state = self.lock();
        state.turn = state.turn.wrapping_add(1);
        let at = state.turn % state.ports.len().max(1);
        self.pick(state.reachable_from(self.node(), at))
    }

    /// One at random.
    pub fn random(&self) -> Pick<'_> {
        let state = self.lock();
        let at = self
            .node()
            .links
            .entropy
            .between(0.0, state.ports.len() as f64) as usize;
        self.pick(state.reachable_from(self.node(), at))
    }

    /// The one with the fewest leases: calls that are not answered yet and [`Lease`]s that are held, of this `Members`.
    /// Of several, one after the other.
    pub fn least_loaded(&self) -> Pick<'_> {
        let mut state = self.lock();
        state.turn = state.turn.wrapping_add(1);
        let count = state.ports.len().max(1);
        let from = state.turn % count;
        let (before, behind) = state.ports.split_at(from.min(state.ports.len()));
        let load = |port: &&PortId| state.open.get(*port).copied().unwrap_or_default();
        let all = behind.iter().chain(before);
        let reachable = all.filter(|port| state.reaches(self.node(), port));
        self.pick(reachable.min_by_key(load).cloned())
    }

    /// Sends a message to all that can be reached, and says to how many. One that cannot be encoded for a member's
    /// connection is treated as [`LocalNode::send`](crate::LocalNode::send) does.
    ///
    /// # Errors
    /// If the message cannot be built; then it was sent to nobody.
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

/// A member that was chosen, or nobody.
#[derive(Debug)]
#[must_use = "nothing is sent to a member that is only chosen"]
pub struct Pick<'m> {
    members: &'m Members,
    port: Option<PortId>,
}

impl<'m> Pick<'m> {
    /// Whom.
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

    /// Sends it a message, and says whom it was.
    ///
    /// # Errors
    /// If the group is empty or nobody in it can be reached, or the message cannot be encoded.
    pub fn send(self, message: impl IntoMessage) -> Result<PortId, DirectoryError> {
        let node = self.members.node().clone();
        let port = self.chosen()?;
        node.try_send(&port, message, None)?;
        Ok(port)
    }

    /// Calls it, as [`LocalNode::call`](crate::LocalNode::call) does. Until the call is dropped it counts as load.
    ///
    /// # Errors
    /// If the group is empty, or nobody in it can be reached.
    pub fn call<M: IntoMessage + 'm, T: DeserializeOwned>(
        self,
        message: M,
    ) -> Result<Call<'m, M, T>, DirectoryError> {
        let lease = self.lease()?;
        let node = lease.members.node().clone();
        let to = lease.port.clone();
        Ok(Call::new(node, to, message).with_guard(Box::new(lease)))
    }

    /// Makes it count as load as long as the lease is held.
    ///
    /// # Errors
    /// If the group is empty, or nobody in it can be reached.
    pub fn lease(self) -> Result<Lease<'m>, DirectoryError> {
        let members = self.members;
        let port = self.chosen()?;
        *members.lock().open.entry(port.clone()).or_default() += 1;
        Ok(Lease { members, port })
    }
}

/// Counts as load of a member until it is dropped.
#[derive(Debug)]
pub struct Lease<'m> {
    members: &'m Members,
    port: PortId,
}

impl Lease<'_> {
    /// Whose load.
    pub fn port(&self) -> &PortId {
        &self.port
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        let mut state = self.members.lock();
        if let Some(open) = state.open.get_mut(&self.port) {
            *open -= 1;
            if *open == 0 {
                state.open.remove(&self.port);
            }
        }
    }
}
