//! `Item`: what travels in a shard's queue.

use std::sync::Arc;

use crate::monitor::{Action, MonitorKey};
use crate::peer::{Generation, Peer};
use crate::port::Port;
use crate::{Message, PortName, Reason};

/// Something to do for a port.
///
/// It crosses from one core to another in the queue, so it fills one cache line and no more.
#[repr(align(64))]
pub(crate) struct Item {
    pub(crate) port: PortName,
    pub(crate) what: What,
}

const _: () = assert!(size_of::<Item>() == 64);

/// What to do for a port. All but messages are rare, and what is large in them has its own allocation.
pub(crate) enum What {
    /// A message.
    Deliver(Message),
    /// The port comes to life.
    Insert(Box<NewPort>),
    /// The port dies. No port of that name: nothing happens.
    Kill(Reason),
    /// Tell someone when the port dies. No port of that name: tell at once.
    Watch(Box<Watcher>),
    /// A monitor of this node ends.
    Unwatch(MonitorKey),
    /// A peer takes one of its monitors back.
    UnwatchPeer(Arc<Peer>, Generation),
    /// A monitor's callback, run in the place of the port it watched.
    Fire(Box<(Action, Reason)>),
}

impl Item {
    #[inline]
    pub(crate) fn new(port: PortName, what: What) -> Self {
        Self { port, what }
    }
}

/// What is called with the reason of a port's death.
pub(crate) type OnEnd = Box<dyn FnOnce(&Reason) + Send>;

/// A port before its shard has it.
pub(crate) struct NewPort {
    pub(crate) port: Box<dyn Port>,
    /// Called when the port has died, before its watchers are told.
    pub(crate) on_end: Option<OnEnd>,
}

/// Who wants to know of a port's death.
pub(crate) enum Watcher {
    /// A monitor of this node.
    Local(MonitorKey, Action),
    /// A peer, over the connection of this generation.
    Peer(Arc<Peer>, Generation),
}
