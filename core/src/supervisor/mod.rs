//! Supervision: restarts ports that die. It is built on monitors.
//!
//! [`Supervision`] lists the children and the rules, [`LocalNode::supervise`](crate::LocalNode::supervise) starts it, and
//! [`Supervisor`] is the handle. A supervisor is a port: it can be monitored, and be a child of another one. The plan
//! ([`aemp_proto::supervision`]) decides the steps, without ports and without a clock; `keeper` is the port that executes
//! them, and `roster` what it shares with the handle.

mod keeper;
mod roster;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::error::ChildError;
use crate::node::{Inner, LocalNode};
use crate::{PortId, Report, Text};

use aemp_proto::supervision::{Restart, Rules, Strategy};
use keeper::Keeper;
use roster::Roster;

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
    children: Vec<Spec>,
}

impl fmt::Debug for Supervision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let children = self.children.iter().map(|child| &child.name);
        f.debug_list().entries(children).finish()
    }
}

struct Spec {
    name: Text,
    restart: Restart,
    make: Make,
}

type Make = Box<dyn FnMut(&LocalNode) -> Result<PortId, String> + Send>;

impl Supervision {
    /// When a child dies, only that child is restarted.
    pub fn one_for_one() -> Self {
        Self::new(Strategy::OneForOne)
    }

    /// When a child dies, all others are stopped, in the reverse order, and then all are started again.
    #[doc(alias = "all_for_one")]
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
        self.children.push(Spec::new(name.into(), restart, make));
        self
    }
}

impl Spec {
    fn new<M, C>(name: Text, restart: Restart, mut make: M) -> Self
    where
        M: FnMut(&LocalNode) -> C + Send + 'static,
        C: IntoChild,
    {
        let make = Box::new(move |node: &LocalNode| make(node).into_child());
        Self {
            name,
            restart,
            make,
        }
    }
}

/// The return type of a child's function: the ID of its port, or a `Result` with it.
#[diagnostic::on_unimplemented(
    message = "a child cannot be `{Self}`",
    label = "its function returns `{Self}`",
    note = "return the ID of its port, `|node| node.port(..)`, or a `Result<PortId, E>`: `|node| node.spawn(\"server\", \"worker\", ())`"
)]
pub trait IntoChild: sealed::IntoChild {}

#[diagnostic::do_not_recommend]
impl<T: sealed::IntoChild> IntoChild for T {}

mod sealed {
    use super::PortId;

    pub trait IntoChild {
        /// The ID, or the text of the error.
        fn into_child(self) -> Result<PortId, String>;
    }
}

impl sealed::IntoChild for PortId {
    fn into_child(self) -> Result<PortId, String> {
        Ok(self)
    }
}

impl<E: Into<Box<dyn Error + Send + Sync>>> sealed::IntoChild for Result<PortId, E> {
    fn into_child(self) -> Result<PortId, String> {
        self.map_err(|error| Report(&*error.into()).to_string())
    }
}

/// The handle of a supervisor, which also adds and removes children. Dropping it stops the supervisor and its children.
///
/// ```
/// # async fn example(node: aemp::LocalNode) -> Result<(), aemp::error::ChildError> {
/// use aemp::{Restart, Supervision, routes};
/// let pool = node.supervise(Supervision::one_for_one().child("first", |node| node.port_of(routes())));
/// pool.add("second", |node| node.port_of(routes()))?;
/// // For a session: when its port has died, the supervisor has forgotten it.
/// pool.add_with("session 7", Restart::Temporary, |node| node.port_of(routes()))?;
/// pool.remove("first").await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "children are stopped when their supervisor is dropped; keep it, or call `detach`"]
pub struct Supervisor {
    id: PortId,
    node: Arc<Inner>,
    roster: Arc<Roster>,
    detached: bool,
}

impl fmt::Debug for Supervisor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Supervisor")
            .field("id", &self.id)
            .field("children", &self.children())
            .finish_non_exhaustive()
    }
}

impl LocalNode {
    /// Starts a supervisor. Its children may be ports of this node or of others.
    pub fn supervise(&self, supervision: Supervision) -> Supervisor {
        Supervisor::start(self.inner(), supervision)
    }
}

impl Supervisor {
    pub(crate) fn start(node: &Arc<Inner>, supervision: Supervision) -> Self {
        let Supervision { rules, children } = supervision;
        let roster = Arc::new(Roster::new(children));
        Self {
            id: node.add_port(Keeper::new(node, rules, roster.clone())),
            node: node.clone(),
            roster,
            detached: false,
        }
    }

    /// The supervisor's own port. It dies with `restart_limit NAME ...` when a child dies too often.
    pub fn id(&self) -> &PortId {
        &self.id
    }

    /// The port of the child called `name`, if it is alive. It changes with each restart.
    pub fn child(&self, name: &str) -> Option<PortId> {
        self.roster.port(name)
    }

    /// The ports of all live children, in the order in which they were added.
    pub fn children(&self) -> Vec<PortId> {
        self.roster.ports()
    }

    /// Adds a child after the others, as [`Supervision::child`] does. It is started soon, or after a restart that is under way.
    ///
    /// # Errors
    /// A child has the name, or the supervisor has ended.
    pub fn add<M, C>(&self, name: impl Into<Text>, make: M) -> Result<(), ChildError>
    where
        M: FnMut(&LocalNode) -> C + Send + 'static,
        C: IntoChild,
    {
        self.add_with(name, Restart::Permanent, make)
    }

    /// Adds a child after the others, as [`Supervision::child_with`] does.
    ///
    /// # Errors
    /// As for [`add`](Self::add).
    pub fn add_with<M, C>(
        &self,
        name: impl Into<Text>,
        restart: Restart,
        make: M,
    ) -> Result<(), ChildError>
    where
        M: FnMut(&LocalNode) -> C + Send + 'static,
        C: IntoChild,
    {
        self.roster.add(Spec::new(name.into(), restart, make))?;
        self.node.send(&self.id, (keeper::CHANGED,));
        Ok(())
    }

    /// Stops a child with the reason `shutdown`, whatever depends on it, and returns when it has ended. It is not restarted, and
    /// its name is free.
    ///
    /// # Cancel safety
    /// Once polled, the child is removed even if the future is dropped.
    ///
    /// # Errors
    /// No child has the name, or the supervisor has ended, also if it ends meanwhile.
    pub async fn remove(&self, name: &str) -> Result<(), ChildError> {
        let removed = self.roster.remove(name)?;
        self.node.send(&self.id, (keeper::CHANGED,));
        removed.await.map_err(|_| ChildError::Ended)
    }

    /// Stops the children one after the other, in the reverse order, with the reason `shutdown`, and then the supervisor.
    ///
    /// # Cancel safety
    /// Dropping the future, awaited before or not, stops them all the same.
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
