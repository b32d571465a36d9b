//! Supervision: ports that are started again when they die, as small helpers over monitors.
//!
//! [`Supervision`] says what to keep alive and how, [`LocalNode::supervise`](crate::LocalNode::supervise) begins it, and
//! [`Supervisor`] is the handle. A supervisor is a port: it can be monitored, and be another's child. What to do when
//! is decided in `plan`, which knows no ports and no clock; `keeper` is the port that carries it out.

mod keeper;

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::node::{Inner, LocalNode};
use crate::{PortId, Text};

use aemp_proto::supervision::Rules;
use keeper::Keeper;

/// What to keep alive, and how.
///
/// A child is a function that makes a port and gives its ID: of this node ([`port`](LocalNode::port)), of another
/// ([`spawn`](LocalNode::spawn)), or another supervisor. It is called again when the port has died, or messages to it may
/// have been lost. Children are started in the order they were added and stopped in the reverse order.
///
/// ```
/// # async fn example(node: aemp_core::LocalNode, server: aemp_core::NodeId) {
/// use std::time::Duration;
/// use aemp_core::{Supervision, routes};
///
/// let workers = node.supervise(
///     Supervision::one_for_one()
///         .restarts(5, Duration::from_secs(10))
///         .backoff(Duration::from_millis(100), Duration::from_secs(5))
///         .child("here", |node| node.port(routes().on("job", |_, (n,): (u64,)| println!("{n}"))))
///         .child("there", move |node| node.spawn(&server, "pool::worker", ("w1",))),
/// );
/// let failed = node.gone(workers.id());
/// workers.stop().await;
/// # }
/// ```
#[must_use = "nothing is supervised until it is given to a node"]
pub struct Supervision {
    rules: Rules,
    children: Vec<(Text, Make)>,
}

type Make = Box<dyn FnMut(&LocalNode) -> Result<PortId, String> + Send>;

impl Supervision {
    /// A child that dies is started again, alone.
    pub fn one_for_one() -> Self {
        Self::new(false)
    }

    /// When a child dies all others are stopped, in the reverse order, and all are started again.
    pub fn all_for_one() -> Self {
        Self::new(true)
    }

    fn new(together: bool) -> Self {
        Self {
            rules: Rules {
                together,
                ..Rules::default()
            },
            children: Vec::new(),
        }
    }

    /// More than `most` restarts within `period` are too many: the children are stopped, and the supervisor dies with
    /// the reason `restart_limit NAME` and the elements of that child's last reason. 5 within 10 s by default.
    pub fn restarts(mut self, most: usize, period: Duration) -> Self {
        self.rules.most = most;
        self.rules.period = period;
        self
    }

    /// How long to wait before a restart: `first`, doubled with every further one of that child up to `longest`, until
    /// it has lived for the period of [`restarts`](Self::restarts). 100 ms and 5 s by default.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.rules.first = first;
        self.rules.longest = longest;
        self
    }

    /// A child that comes to an ordinary end, without a reason, is done and not started again.
    pub fn until_done(mut self) -> Self {
        self.rules.until_done = true;
        self
    }

    /// Adds a child. `make` runs on a shard, so it must not block; its error counts as a death.
    pub fn child<M, C>(mut self, name: impl Into<Text>, mut make: M) -> Self
    where
        M: FnMut(&LocalNode) -> C + Send + 'static,
        C: IntoChild,
    {
        let make: Make = Box::new(move |node| make(node).into_child());
        self.children.push((name.into(), make));
        self
    }
}

/// What the function of a child may give: its port's ID, or a `Result` with it.
pub trait IntoChild {
    /// The ID, or what went wrong.
    ///
    /// # Errors
    /// If there is no port.
    fn into_child(self) -> Result<PortId, String>;
}

impl IntoChild for PortId {
    fn into_child(self) -> Result<PortId, String> {
        Ok(self)
    }
}

impl<E: Display> IntoChild for Result<PortId, E> {
    fn into_child(self) -> Result<PortId, String> {
        self.map_err(|error| error.to_string())
    }
}

/// Stops its supervisor, and so the children, when dropped.
#[must_use = "children are stopped when their supervisor is dropped; keep it, or call `detach`"]
pub struct Supervisor {
    id: PortId,
    node: Arc<Inner>,
    living: Living,
    detached: bool,
}

/// The children that live, by name.
type Living = Arc<Mutex<Vec<(Text, Option<PortId>)>>>;

impl LocalNode {
    /// Begins to keep ports alive, here or elsewhere, as `supervision` says.
    pub fn supervise(&self, supervision: Supervision) -> Supervisor {
        Supervisor::start(self.inner(), supervision)
    }
}

impl Supervisor {
    pub(crate) fn start(node: &Arc<Inner>, supervision: Supervision) -> Self {
        let Supervision { rules, children } = supervision;
        let names = children.iter().map(|(name, _)| (name.clone(), None));
        let living: Living = Arc::new(Mutex::new(names.collect()));
        let keeper = Keeper::new(node, rules, children, living.clone());
        Self {
            id: node.add_port(keeper),
            node: node.clone(),
            living,
            detached: false,
        }
    }

    /// The supervisor's own port: it dies with `restart_limit NAME ...` when a child dies too often.
    pub fn id(&self) -> &PortId {
        &self.id
    }

    /// The port of the child called `name`, while it lives. It changes with each restart.
    pub fn child(&self, name: &str) -> Option<PortId> {
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        let child = living.iter().find(|(n, _)| n == name);
        child.and_then(|(_, port)| port.clone())
    }

    /// The ports of all children that live, in the order they were added.
    pub fn children(&self) -> Vec<PortId> {
        let living = self.living.lock().unwrap_or_else(PoisonError::into_inner);
        living.iter().filter_map(|(_, port)| port.clone()).collect()
    }

    /// Stops the children in the reverse order, each with the reason `shutdown` and once the one after it has ended, and
    /// then the supervisor.
    pub async fn stop(self) {
        let gone = self.node.gone(&self.id);
        drop(self);
        gone.await;
    }

    /// Lets the supervisor live until a child dies too often, or the node stops.
    pub fn detach(mut self) {
        self.detached = true;
    }
}

impl Drop for Supervisor {
    fn drop(&mut self) {
        if !self.detached {
            self.node.send(&self.id, (keeper::STOP,));
        }
    }
}
