//! Supervision: restarts ports that die. It is built on monitors.
//!
//! [`Supervision`] lists the children and the rules, [`LocalNode::supervise`](crate::LocalNode::supervise) starts it, and
//! [`Supervisor`] is the handle. A supervisor is a port: it can be monitored, and be a child of another one. The plan
//! ([`aemp_proto::supervision`]) decides the steps, without ports and without a clock; `keeper` is the port that executes
//! them.

mod keeper;

use std::fmt::Display;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use crate::node::{Inner, LocalNode};
use crate::{PortId, Text};

use aemp_proto::supervision::{Restart, Rules, Strategy};
use keeper::Keeper;

/// The children of a supervisor, and the rules of their restarts.
///
/// A child is a function that creates a port and returns its ID: a port of this node ([`port`](LocalNode::port)), of
/// another node ([`spawn`](LocalNode::spawn)), or another supervisor. It is called again when the port has died or
/// messages to it may have been lost, unless its [`Restart`] says otherwise. Children are started in the order in which they were added, and stopped in the
/// reverse order.
///
/// ```
/// # async fn example(node: aemp::LocalNode, server: aemp::NodeId) {
/// use std::time::Duration;
/// use aemp::{Supervision, routes};
///
/// let workers = node.supervise(
///     Supervision::one_for_one()
///         .restart_limit(5, Duration::from_secs(10))
///         .backoff(Duration::from_millis(100), Duration::from_secs(5))
///         .child("here", |node| node.port_of(routes().on("job", |_, (n,): (u64,)| println!("{n}"))))
///         .child("there", move |node| node.spawn(&server, "pool::worker", ("w1",))),
/// );
/// let failed = node.gone(workers.id());
/// workers.stop().await;
/// # }
/// ```
#[must_use = "nothing is supervised until it is given to a node"]
pub struct Supervision {
    rules: Rules,
    children: Vec<(Text, Restart, Make)>,
}

type Make = Box<dyn FnMut(&LocalNode) -> Result<PortId, String> + Send>;

impl Supervision {
    /// When a child dies, only that child is restarted.
    pub fn one_for_one() -> Self {
        Self::new(Strategy::OneForOne)
    }

    /// When a child dies, all others are stopped, in the reverse order, and then all are started again.
    pub fn one_for_all() -> Self {
        Self::new(Strategy::OneForAll)
    }

    /// When a child dies, the children after it are stopped, in the reverse order, and started again with it: for children
    /// that depend on those before them.
    ///
    /// ```
    /// # fn example(node: aemp::LocalNode) {
    /// use aemp::{Supervision, routes};
    /// let site = node.supervise(
    ///     Supervision::rest_for_one()
    ///         .child("store", |node| node.port_of(routes()))
    ///         .child("cache", |node| node.port_of(routes()))  // is restarted with the store
    ///         .child("front", |node| node.port_of(routes())), // is restarted with either
    /// );
    /// # site.detach();
    /// # }
    /// ```
    pub fn rest_for_one() -> Self {
        Self::new(Strategy::RestForOne)
    }

    fn new(strategy: Strategy) -> Self {
        Self {
            rules: Rules {
                strategy,
                ..Rules::default()
            },
            children: Vec::new(),
        }
    }

    /// Limits restarts: after more than `most` restarts within `period` the children are stopped, and the supervisor dies
    /// with the reason `restart_limit NAME`, followed by the elements of that child's last reason. By default 5 within
    /// 10 s.
    #[doc(alias = "intensity")]
    #[doc(alias = "restarts")]
    pub fn restart_limit(mut self, most: usize, period: Duration) -> Self {
        self.rules.max_restarts = most;
        self.rules.period = period;
        self
    }

    /// Sets the backoff before a restart: `first`, doubled with each further restart of that child up to `longest`. It is
    /// reset after the child has lived for the period of [`restart_limit`](Self::restart_limit). By default 100 ms and 5 s.
    pub fn backoff(mut self, first: Duration, longest: Duration) -> Self {
        self.rules.min_backoff = first;
        self.rules.max_backoff = longest;
        self
    }

    /// Adds a child that is always restarted, which is [`Restart::Permanent`]. `make` runs on a shard, so it must not block; its
    /// error counts as a death. Names should differ: of several children with one name, [`Supervisor::child`] finds the first.
    pub fn child<M, C>(self, name: impl Into<Text>, make: M) -> Self
    where
        M: FnMut(&LocalNode) -> C + Send + 'static,
        C: IntoChild,
    {
        self.child_with(name, Restart::Permanent, make)
    }

    /// Adds a child, as [`child`](Self::child) does, and says when it is restarted.
    ///
    /// ```
    /// # fn example(node: aemp::LocalNode) {
    /// use aemp::{Reason, Restart, Supervision, routes};
    ///
    /// // Until it is done: it ends normally, without a reason.
    /// let import = |node: &aemp::LocalNode| node.port_of(routes().on("done", |cx, ()| cx.stop(Reason::normal())));
    /// let team = node.supervise(
    ///     Supervision::one_for_one()
    ///         .child("server", |node| node.port_of(routes()))
    ///         .child_with("import", Restart::Transient, import)
    ///         .child_with("greeting", Restart::Temporary, |node| node.port(|_, message| println!("{message:?}"))),
    /// );
    /// # team.detach();
    /// # }
    /// ```
    pub fn child_with<M, C>(mut self, name: impl Into<Text>, restart: Restart, make: M) -> Self
    where
        M: FnMut(&LocalNode) -> C + Send + 'static,
        C: IntoChild,
    {
        self.children.push((name.into(), restart, boxed(make)));
        self
    }
}

fn boxed<C: IntoChild>(mut make: impl FnMut(&LocalNode) -> C + Send + 'static) -> Make {
    Box::new(move |node| make(node).into_child())
}

/// The return type of a child's function: the ID of its port, or a `Result` with it.
#[diagnostic::on_unimplemented(
    message = "a child cannot be `{Self}`",
    label = "its function returns `{Self}`",
    note = "return the ID of its port, `|node| node.port(..)`, or a `Result<PortId, E>`: `|node| node.spawn(\"server\", \"worker\", ())`"
)]
pub trait IntoChild {
    /// Converts it to the ID.
    ///
    /// # Errors
    /// The text of the error, if there is no port.
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

/// The handle of a supervisor. Dropping it stops the supervisor and its children.
#[must_use = "children are stopped when their supervisor is dropped; keep it, or call `detach`"]
pub struct Supervisor {
    id: PortId,
    node: Arc<Inner>,
    live_ports: LivePorts,
    detached: bool,
}

/// The children by name, with their live ports.
type LivePorts = Arc<Mutex<Vec<(Text, Option<PortId>)>>>;

impl LocalNode {
    /// Starts a supervisor. Its children may be ports of this node or of others.
    pub fn supervise(&self, supervision: Supervision) -> Supervisor {
        Supervisor::start(self.inner(), supervision)
    }
}

impl Supervisor {
    pub(crate) fn start(node: &Arc<Inner>, supervision: Supervision) -> Self {
        let Supervision { rules, children } = supervision;
        let names = children.iter().map(|(name, _, _)| (name.clone(), None));
        let live_ports: LivePorts = Arc::new(Mutex::new(names.collect()));
        let keeper = Keeper::new(node, rules, children, live_ports.clone());
        Self {
            id: node.add_port(keeper),
            node: node.clone(),
            live_ports,
            detached: false,
        }
    }

    /// The supervisor's own port. It dies with `restart_limit NAME ...` when a child dies too often.
    pub fn id(&self) -> &PortId {
        &self.id
    }

    /// The port of the child called `name`, if it is alive. It changes with each restart.
    pub fn child(&self, name: &str) -> Option<PortId> {
        let live_ports = self
            .live_ports
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let child = live_ports.iter().find(|(n, _)| n == name);
        child.and_then(|(_, port)| port.clone())
    }

    /// The ports of all live children, in the order in which they were added.
    pub fn children(&self) -> Vec<PortId> {
        let live_ports = self
            .live_ports
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        live_ports
            .iter()
            .filter_map(|(_, port)| port.clone())
            .collect()
    }

    /// Stops the children one after the other, in the reverse order, with the reason `shutdown`, and then the supervisor.
    pub async fn stop(self) {
        let gone = self.node.gone(&self.id);
        drop(self);
        gone.await;
    }

    /// Keeps the supervisor without its handle, until a child dies too often or the node stops.
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
