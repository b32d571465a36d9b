//! `Item`: what travels in a shard's queue.

use std::sync::Arc;

use crate::monitor::{Action, MonitorKey};
use crate::peer::{Generation, Peer};
use crate::port::Port;
use crate::{Message, PortName, Reason};

/// Something to do for a port.
pub(crate) enum Item {
    /// A message.
    Deliver(PortName, Message),
    /// The port comes to life.
    Insert(PortName, Box<NewPort>),
    /// The port dies. No port of that name: nothing happens.
    Kill(PortName, Reason),
    /// Tell someone when the port dies. No port of that name: tell at once.
    Watch(PortName, Watcher),
    /// A monitor of this node ends.
    Unwatch(PortName, MonitorKey),
    /// A peer takes one of its monitors back.
    UnwatchPeer(PortName, Arc<Peer>, Generation),
    /// A monitor's callback, run in the place of the port it watched.
    Fire(PortName, Action, Reason),
}

impl Item {
    pub(crate) fn port(&self) -> &PortName {
        match self {
            Self::Deliver(port, _)
            | Self::Insert(port, _)
            | Self::Kill(port, _)
            | Self::Watch(port, _)
            | Self::Unwatch(port, _)
            | Self::UnwatchPeer(port, ..)
            | Self::Fire(port, ..) => port,
        }
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
