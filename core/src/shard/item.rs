//! `Item` and `Chunk`: what travels in a shard's queue.

use std::sync::Arc;

use aemp_proto::codec::Prefix;
use aemp_proto::message::{COPY_BELOW, Parts, Source};
use aemp_proto::monitor::MonitorKey;
use aemp_proto::token::Rest;
use aemp_proto::value::append;
use tokio::sync::oneshot;

use super::PortStats;
use crate::codec::Incoming;
use crate::guard;
use crate::message::Values;
use crate::monitor::Action;
use crate::port::Port;
use crate::{Message, PortName, Reason, Value, message::Wire};

/// Items, and values beside them, in a full chunk. A queue that grows by chunks copies nothing, and used ones come
/// back still in the cache.
pub(super) const CHUNK: usize = 256;

/// Bytes in a full chunk.
const BYTES: usize = 32 << 10;

/// Items, and bytes beside them, of a batch that becomes a chunk as it is and is not copied behind another.
const BATCH: usize = 32;
const BATCH_BYTES: usize = 4 << 10;

/// A number of elements that only their end tells.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// The length of a message in `bytes`.
pub(super) type Len = u32;

/// Messages with more values than this stay in the allocation they are in.
const LONG: usize = 16;

/// Things to do, in order.
///
/// What is in it crosses from one core to another, so little memory is speed. Messages of values are taken apart:
/// all their values lie one behind the other in `values`, and messages of the same length to the same port are one
/// item. Short ones from peers lie in `bytes`, and those that begin alike are one item. So no memory that one thread
/// took is given back by another, which is slow.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(super) items: Vec<Item>,
    pub(super) values: Vec<Value>,
    pub(super) bytes: Vec<u8>,
    /// Where the last message from a peer was from.
    source: Option<Source>,
    /// Messages and other things to do.
    count: usize,
    /// About how many bytes readers gave with them.
    pub(super) given: usize,
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
    /// Short messages from a peer, so many. In the chunk's `bytes` each has its length in front ([`Len`]), its elements
    /// begin `at` and are `left` in number, or [`UNKNOWN`].
    Wire { times: u32, at: u32, left: u32 },
    /// A long message from a peer, with its part of the receive buffer.
    LongWire(Wire),
    /// Where the short messages that follow are from.
    From(Box<Source>),
    /// The port comes to life.
    Insert(Box<NewPort>),
    /// The port dies. No port of that name: nothing happens.
    Kill(Box<Reason>),
    /// Tell someone when the port dies. No port of that name: tell at once.
    Watch(Box<Watcher>),
    /// A monitor of this node ends.
    Unwatch(MonitorKey),
    /// Another node takes monitors back.
    UnwatchRemote(RemoteKey, Asked),
    /// A monitor's callback.
    Fire(Box<(Action, Reason)>),
    /// Say which ports there are.
    Report(Box<oneshot::Sender<Vec<PortStats>>>),
}

/// How many of a peer's monitors on a port end: it may have asked more than once (protocol.md section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asked {
    /// One.
    Once,
    /// All: its connection is lost.
    All,
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
        matches!(
            self,
            Self::Values { .. } | Self::Wire { .. } | Self::Long(_) | Self::LongWire(_)
        )
    }
}

impl Chunk {
    /// An empty one with room for what `other` has.
    pub(super) fn like(other: &Self) -> Self {
        Self {
            items: Vec::with_capacity(other.items.len()),
            values: Vec::with_capacity(other.values.len()),
            bytes: Vec::with_capacity(other.bytes.len()),
            source: None,
            count: 0,
            given: 0,
        }
    }

    /// How many things to do that are.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= CHUNK || self.values.len() >= CHUNK || self.bytes.len() >= BYTES
    }

    pub(super) fn is_batch(&self) -> bool {
        self.items.len() >= BATCH || self.bytes.len() >= BATCH_BYTES
    }

    #[inline]
    pub(super) fn push(&mut self, item: Item) {
        self.count += 1;
        self.items.push(item);
    }

    /// Adds a message for `port`.
    #[inline]
    pub(super) fn deliver(&mut self, port: &PortName, message: Message) {
        self.count += 1;
        let what = match Parts::from(message) {
            Parts::Values(values) if values.len() <= LONG => {
                let added = values.len() as u32;
                append(values, &mut self.values);
                if self.again(port, added) {
                    return;
                }
                What::Values {
                    times: 1,
                    len: added,
                }
            }
            Parts::Values(values) => What::Long(Box::new(values)),
            Parts::Wire(wire) if wire.bytes().len() < COPY_BELOW => {
                return self.wire(port, wire.bytes(), Source::of(&wire), Rest::of(&wire));
            }
            Parts::Wire(wire) => What::LongWire(wire),
        };
        self.items.push(Item::new(port.clone(), what));
    }

    /// Adds a message that is still in its connection's buffer. If it is said to begin as the one before, that one was
    /// the last that was added here, if anything was.
    #[inline]
    pub(super) fn incoming(&mut self, message: Incoming<'_>) {
        self.count += 1;
        let prefix = Prefix::of(&message);
        if prefix.again
            && let Some(Item {
                port,
                what: What::Wire { times, at, left },
            }) = self.items.last_mut()
        {
            let (begin, number) = place(prefix.rest);
            assert!(
                (*at, *left) == (begin, number),
                "another message came in between"
            );
            debug_assert_eq!(*port, *prefix.port);
            *times += 1;
            return self.append_bytes(message.bytes());
        }
        self.wire(prefix.port, message.bytes(), prefix.source, prefix.rest);
    }

    /// Adds a message from a peer for `port`: its bytes, and what is known of them.
    #[inline]
    fn wire(&mut self, port: &PortName, bytes: &[u8], source: Source, rest: Rest) {
        if self.source.is_none_or(|last| !last.is(source)) {
            self.source = Some(source);
            let from = What::From(Box::new(source));
            self.items.push(Item::new(PortName::NODE_PORT, from));
        }
        self.append_bytes(bytes);
        let (begin, number) = place(rest);
        match self.items.last_mut() {
            Some(Item {
                port: last,
                what: What::Wire { times, at, left },
            }) if (*at, *left) == (begin, number) && last == port => *times += 1,
            _ => self.items.push(Item::new(
                port.clone(),
                What::Wire {
                    times: 1,
                    at: begin,
                    left: number,
                },
            )),
        }
    }

    #[inline]
    fn append_bytes(&mut self, message: &[u8]) {
        let len = message.len() as Len;
        self.bytes.extend_from_slice(&len.to_ne_bytes());
        self.bytes.extend_from_slice(message);
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
        self.bytes.append(&mut other.bytes);
        self.count += std::mem::take(&mut other.count);
        // Its first message says where it is from.
        self.source = other.source.take().or(self.source);
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.values.clear();
        self.bytes.clear();
        self.source = None;
        self.count = 0;
        self.given = 0;
    }
}

/// Where the elements of a message begin and how many they are, as [`What::Wire`] has it.
#[inline]
fn place(rest: Rest) -> (u32, u32) {
    let (begin, number) = rest.parts();
    (begin as u32, number.map_or(UNKNOWN, |number| number as u32))
}

/// What is called with the reason of a port's death.
pub(crate) type OnEnd = Box<dyn FnOnce(&Reason) + Send>;

/// A port before its shard has it.
pub(crate) struct NewPort {
    pub(crate) port: Box<dyn Port>,
    /// Called when the port has died, before its watchers are told.
    pub(crate) on_end: Option<OnEnd>,
}

impl NewPort {
    /// Drops the port, which no shard has taken or will take.
    pub(crate) fn dispose(self, reason: &Reason) {
        guard::dispose(self.port);
        if let Some(on_end) = self.on_end {
            guard::log("a port's end panicked", || on_end(reason));
        }
    }
}

/// Who is told when a port dies.
pub(crate) enum Watcher {
    /// A monitor of this node.
    Local(MonitorKey, Action),
    /// Another node, under a key that no other connection has.
    Remote(Arc<dyn RemoteWatcher>, RemoteKey),
}

/// Another node that watches ports of this one.
pub(crate) trait RemoteWatcher: Send + Sync {
    /// A port has died that is watched under `key`.
    fn port_died(self: Arc<Self>, key: RemoteKey, port: &PortName, reason: &Reason);
}

/// What a [`RemoteWatcher`] watches ports under: the number of its connection.
pub(crate) type RemoteKey = u64;
