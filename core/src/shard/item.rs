//! `Item` and `Chunk`: what travels in a shard's queue.

use std::sync::Arc;

use crate::message::{Parts, Values};
use crate::monitor::{Action, MonitorKey};
use crate::peer::{Generation, Peer};
use crate::port::Port;
use crate::{Message, PortName, Reason, Value, message::Wire};

/// Items, and values beside them, in a full chunk. A queue that grows by chunks copies nothing, and used ones come
/// back still in the cache.
pub(super) const CHUNK: usize = 256;

/// Messages with more values than this stay in the allocation they are in.
const LONG: usize = 16;

/// Things to do, in order.
///
/// What is in it crosses from one core to another, so little memory is speed. Messages of values are taken apart:
/// all their values lie one behind the other in `values`, and messages of the same length to the same port are one
/// item.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(super) items: Vec<Item>,
    pub(super) values: Vec<Value>,
}

/// Something to do for a port.
pub(crate) struct Item {
    pub(crate) port: PortName,
    pub(crate) what: What,
}

const _: () = assert!(size_of::<Item>() == 40);

/// What to do for a port. All but messages are rare, and have their own allocation where they are large.
pub(crate) enum What {
    /// Messages, so many and of so many values each, which are in the chunk's `values`.
    Values { times: u32, len: u32 },
    /// A message of many values.
    Long(Box<Values>),
    /// A message from a peer.
    Wire(Box<Wire>),
    /// The port comes to life.
    Insert(Box<NewPort>),
    /// The port dies. No port of that name: nothing happens.
    Kill(Box<Reason>),
    /// Tell someone when the port dies. No port of that name: tell at once.
    Watch(Box<Watcher>),
    /// A monitor of this node ends.
    Unwatch(MonitorKey),
    /// A peer takes one of its monitors back.
    UnwatchPeer(Box<(Arc<Peer>, Generation)>),
    /// A monitor's callback, run in the place of the port it watched.
    Fire(Box<(Action, Reason)>),
}

impl Item {
    #[inline]
    pub(crate) fn new(port: PortName, what: What) -> Self {
        Self { port, what }
    }
}

impl What {
    #[inline]
    pub(super) fn is_message(&self) -> bool {
        matches!(self, Self::Values { .. } | Self::Long(_) | Self::Wire(_))
    }
}

impl Chunk {
    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= CHUNK || self.values.len() >= CHUNK
    }

    #[inline]
    pub(super) fn push(&mut self, item: Item) {
        self.items.push(item);
    }

    /// Adds a message for `port`.
    #[inline]
    pub(super) fn deliver(&mut self, port: &PortName, message: Message) {
        let what = match message.into_parts() {
            Parts::Values(values) if values.len() <= LONG => {
                let added = values.len() as u32;
                values.move_to(&mut self.values);
                if self.again(port, added) {
                    return;
                }
                What::Values {
                    times: 1,
                    len: added,
                }
            }
            Parts::Values(values) => What::Long(Box::new(values)),
            Parts::Wire(wire) => What::Wire(wire),
        };
        self.items.push(Item::new(port.clone(), what));
    }

    /// Whether the last item can stand for one more message.
    #[inline]
    fn again(&mut self, port: &PortName, added: u32) -> bool {
        match self.items.last_mut() {
            Some(Item {
                port: last,
                what: What::Values { times, len },
            }) if *len == added && added > 0 && last == port => {
                *times += 1;
                true
            }
            // Messages without values would never fill a chunk.
            _ => false,
        }
    }

    /// Moves everything from `other` behind what is here.
    pub(super) fn append(&mut self, other: &mut Self) {
        self.items.append(&mut other.items);
        self.values.append(&mut other.values);
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.values.clear();
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
