//! `Item` and `Chunk`: the contents of a shard's queue.

use std::sync::Arc;

use aemp_proto::codec::Prefix;
use aemp_proto::message::{COPY_BELOW, Parts, Source};
use aemp_proto::monitor::MonitorKey;
use aemp_proto::token::Rest;
use aemp_proto::value::append;
use tokio::sync::oneshot;

use super::PortStats;
use super::pools::Pools;
use crate::codec::Incoming;
use crate::guard;
use crate::message::{IntoMessage, Values};
use crate::monitor::Action;
use crate::port::{Context, ShardPort};
use crate::trace::TraceContext;
use crate::{Message, PortName, Reason, Value, message::RawMessage};

/// Items in a full chunk, and also values in one. A queue that grows by chunks copies nothing, and recycled chunks are
/// still in the cache.
pub(super) const CHUNK_ITEMS: usize = 256;

/// Bytes of messages in a full chunk.
const CHUNK_BYTES: usize = 32 << 10;

/// Bytes that the values of a full chunk's messages keep alive, where they are large.
const MAX_CHUNK_LOCAL: usize = 256 << 10;

/// Items, or bytes of messages, from which on a batch becomes a chunk of its own; a smaller one is copied to the end of
/// the last chunk.
const MIN_BATCH_ITEMS: usize = 32;
const MIN_BATCH_BYTES: usize = 4 << 10;

/// The number of elements is not known before all are read.
pub(super) const UNKNOWN: u32 = u32::MAX;

/// The length prefix of a message in [`Chunk::bytes`], in bytes.
pub(super) type Len = u32;

/// Values of a message that are copied into the chunk at most; a longer message keeps its own allocation.
const MAX_COPIED_VALUES: usize = 16;

/// A list of operations, in order.
///
/// Its memory moves from one core to another, so a small size is speed. Messages of values are flattened: `values` holds
/// the values of all messages in sequence, and consecutive messages of the same length to the same port share one item.
/// `bytes` holds the short messages from peers, and consecutive ones with an equal beginning share one item; `moved` holds
/// the messages of typed senders of this node. So memory is freed by the thread that allocated it; cross-thread frees are
/// slow.
#[derive(Default)]
pub(crate) struct Chunk {
    pub(super) items: Vec<Item>,
    pub(super) values: Vec<Value>,
    pub(super) bytes: Vec<u8>,
    pub(super) moved: Pools,
    /// The source of the last message from a peer.
    source: Option<Source>,
    /// Messages and other operations.
    count: usize,
    /// Bytes that readers count for these items, approximately.
    pub(super) pushed: usize,
    /// Bytes that the values of messages from senders of this node keep alive, approximately.
    pub(super) local: usize,
    /// How many bytes of local messages were added to the queue's count when this chunk was full.
    pub(super) counted: usize,
}

/// An operation on a port.
pub(crate) struct Item {
    pub(crate) port: PortName,
    pub(crate) op: Op,
}

const _: () = assert!(size_of::<Item>() == 40);

/// An operation on a port. All but messages are rare; a large one has its own allocation.
pub(crate) enum Op {
    /// `times` messages of `len` values each, which are in the chunk's `values`.
    Values { times: u32, len: u32 },
    /// `times` messages that are the next values in pool `pool` of the chunk's `moved`.
    Moved { times: u32, pool: u32 },
    /// A message of many values.
    Long(Box<Values>),
    /// `times` short messages from a peer. In the chunk's `bytes` each is prefixed by its length ([`Len`]). Its elements
    /// begin at offset `at`; there are `left` of them, or [`UNKNOWN`].
    Wire { times: u32, at: u32, left: u32 },
    /// A long message from a peer, which refers to its part of the receive buffer.
    LongWire(RawMessage),
    /// Enters a span of this trace for the next message of the chunk, which is to the same port.
    Enter(Box<TraceContext>),
    /// Exits that span. Directly behind the message, so that none that follows shares its item.
    Exit,
    /// The source of the short messages that follow.
    From(Box<Source>),
    /// Starts the port.
    Insert(Box<NewPort>),
    /// Kills the port. Does nothing if no port has that name.
    Kill(Box<Reason>),
    /// Kills the port: a message for it found no room.
    NoRoom,
    /// Notifies the watcher when the port dies; at once if no port has that name.
    Watch(Box<Watcher>),
    /// Removes a monitor of this node.
    Unwatch(MonitorKey),
    /// Removes monitors of another node.
    UnwatchRemote(RemoteKey, UnwatchCount),
    /// Calls a monitor's callback.
    Fire(Box<(Action, Reason)>),
    /// Runs code of the port, as part of it. Dropped if no port has that name.
    Run(Box<Run>),
    /// Reports all ports of the shard.
    Report(Box<oneshot::Sender<Vec<PortStats>>>),
    /// Tells that the shard has come to this item.
    Turn(oneshot::Sender<()>),
}

/// How many of a peer's monitors on a port are removed; a peer may set several on one port (protocol.md section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum UnwatchCount {
    /// One.
    One,
    /// All of them: the connection of the peer is lost.
    All,
}

impl Item {
    #[inline]
    pub(crate) fn new(port: PortName, op: Op) -> Self {
        Self { port, op }
    }
}

impl Op {
    #[inline]
    pub(super) fn is_message(&self) -> bool {
        matches!(
            self,
            Self::Values { .. }
                | Self::Wire { .. }
                | Self::Moved { .. }
                | Self::Long(_)
                | Self::LongWire(_)
        )
    }
}

impl Chunk {
    /// An empty chunk with capacity for the contents of `other`.
    pub(super) fn with_capacity_of(other: &Self) -> Self {
        Self {
            items: Vec::with_capacity(other.items.len()),
            values: Vec::with_capacity(other.values.len()),
            bytes: Vec::with_capacity(other.bytes.len()),
            moved: Pools::default(),
            source: None,
            count: 0,
            pushed: 0,
            local: 0,
            counted: 0,
        }
    }

    /// Bytes of messages from senders of this node.
    #[inline]
    pub(super) fn local(&self) -> usize {
        self.local + self.moved.cost()
    }

    /// The number of operations; each message counts.
    pub(super) fn len(&self) -> usize {
        self.count
    }

    pub(super) fn is_empty(&self) -> bool {
        self.items.is_empty()
    }

    #[inline]
    pub(super) fn is_full(&self) -> bool {
        self.items.len() >= CHUNK_ITEMS
            || self.values.len() >= CHUNK_ITEMS
            || self.bytes.len() >= CHUNK_BYTES
            || self.moved.len() >= CHUNK_ITEMS
            || self.moved.bytes() >= CHUNK_BYTES
            || self.local >= MAX_CHUNK_LOCAL
    }

    pub(super) fn is_batch(&self) -> bool {
        self.items.len() >= MIN_BATCH_ITEMS || self.bytes.len() >= MIN_BATCH_BYTES
    }

    #[inline]
    pub(super) fn push(&mut self, item: Item) {
        self.count += 1;
        self.items.push(item);
    }

    /// The message for `port` that is added next belongs to a trace. Then call [`exit`](Self::exit).
    #[cold]
    pub(super) fn enter(&mut self, port: &PortName, context: Box<TraceContext>) {
        self.items.push(Item::new(port.clone(), Op::Enter(context)));
    }

    /// Later messages do not belong to that trace.
    #[cold]
    pub(super) fn exit(&mut self) {
        self.items.push(Item::new(PortName::NODE_PORT, Op::Exit));
    }

    /// Adds a message for `port`.
    #[inline]
    pub(super) fn deliver(&mut self, port: &PortName, message: Message) {
        self.count += 1;
        let op = match Parts::from(message) {
            Parts::Values(values) if values.len() <= MAX_COPIED_VALUES => {
                let added = values.len() as u32;
                append(values, &mut self.values);
                if self.extend_last(port, added) {
                    return;
                }
                Op::Values {
                    times: 1,
                    len: added,
                }
            }
            Parts::Values(values) => Op::Long(Box::new(values)),
            Parts::Wire(wire) if wire.bytes().len() < COPY_BELOW => {
                return self.wire(port, wire.bytes(), Source::of(&wire), Rest::of(&wire));
            }
            Parts::Wire(wire) => Op::LongWire(wire),
        };
        self.items.push(Item::new(port.clone(), op));
    }

    /// Adds a message for `port` as the Rust value that it is.
    #[inline]
    pub(super) fn deliver_moved<M>(&mut self, port: &PortName, message: M)
    where
        M: IntoMessage + Send + 'static,
    {
        self.count += 1;
        let added = self.moved.push(message);
        match self.items.last_mut() {
            Some(Item {
                port: last,
                op: Op::Moved { times, pool },
            }) if *pool == added && last == port => *times += 1,
            _ => {
                let (times, pool) = (1, added);
                let op = Op::Moved { times, pool };
                self.items.push(Item::new(port.clone(), op));
            }
        }
    }

    /// Adds a message that is still in its connection's buffer. A message marked as beginning like the previous one
    /// (`again`) must follow that one directly in this chunk, or begin the chunk.
    #[inline]
    pub(super) fn incoming(&mut self, message: Incoming<'_>) {
        self.count += 1;
        let prefix = Prefix::of(&message);
        if prefix.again
            && let Some(Item {
                port,
                op: Op::Wire { times, at, left },
            }) = self.items.last_mut()
        {
            let (begin, number) = position(prefix.rest);
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

    /// Adds a message from a peer for `port`: its bytes, its source, and the position of its elements.
    #[inline]
    fn wire(&mut self, port: &PortName, bytes: &[u8], source: Source, rest: Rest) {
        if self.source.is_none_or(|last| !last.is(source)) {
            self.source = Some(source);
            let from = Op::From(Box::new(source));
            self.items.push(Item::new(PortName::NODE_PORT, from));
        }
        self.append_bytes(bytes);
        let (begin, number) = position(rest);
        match self.items.last_mut() {
            Some(Item {
                port: last,
                op: Op::Wire { times, at, left },
            }) if (*at, *left) == (begin, number) && last == port => *times += 1,
            _ => self.items.push(Item::new(
                port.clone(),
                Op::Wire {
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

    /// Counts one more message in the last item, if that has the same port and length. Returns false otherwise.
    #[inline]
    fn extend_last(&mut self, port: &PortName, added: u32) -> bool {
        match self.items.last_mut() {
            Some(Item {
                port: last,
                op: Op::Values { times, len },
            }) if *len == added && added > 0 && last == port => {
                *times += 1;
                true
            }
            // Messages without values are not merged: they would never fill a chunk.
            _ => false,
        }
    }

    /// Moves the contents of `other`, a chunk of a reader, to the end of this chunk.
    pub(super) fn append(&mut self, other: &mut Self) {
        debug_assert_eq!(other.moved.len(), 0, "a peer moves no Rust values");
        self.items.append(&mut other.items);
        self.values.append(&mut other.values);
        self.bytes.append(&mut other.bytes);
        self.count += std::mem::take(&mut other.count);
        // The first message of `other` is preceded by its source.
        self.source = other.source.take().or(self.source);
    }

    pub(super) fn clear(&mut self) {
        self.items.clear();
        self.values.clear();
        self.bytes.clear();
        self.moved.clear();
        self.source = None;
        self.count = 0;
        self.pushed = 0;
        self.local = 0;
        self.counted = 0;
    }
}

/// The offset and number of a message's elements, in the form of [`Op::Wire`].
#[inline]
fn position(rest: Rest) -> (u32, u32) {
    let (begin, number) = rest.parts();
    (begin as u32, number.map_or(UNKNOWN, |number| number as u32))
}

/// Code of a port, for [`Op::Run`].
pub(crate) type Run = Box<dyn FnOnce(&mut Context<'_>) -> Result<(), Reason> + Send>;

/// A callback that receives the reason of a port's death.
pub(crate) type OnEnd = Box<dyn FnOnce(&Reason) + Send>;

/// A port on its way to its shard.
pub(crate) struct NewPort {
    pub(crate) port: Box<dyn ShardPort>,
    /// Called when the port has died, before its watchers are notified.
    pub(crate) on_end: Option<OnEnd>,
}

impl NewPort {
    /// Drops a port that is in no shard.
    pub(crate) fn dispose(self, reason: &Reason) {
        guard::dispose(self.port);
        if let Some(on_end) = self.on_end {
            guard::run_or_log("a port's end panicked", || on_end(reason));
        }
    }
}

/// A receiver of the notification that a port has died.
pub(crate) enum Watcher {
    /// A monitor of this node.
    Local(MonitorKey, Action),
    /// Another node, with the key of its connection.
    Remote(Arc<dyn RemoteWatcher>, RemoteKey),
}

/// Another node that watches ports of this one.
pub(crate) trait RemoteWatcher: Send + Sync {
    /// Called when `port`, which is watched under `key`, has died.
    fn port_died(self: Arc<Self>, key: RemoteKey, port: &PortName, reason: &Reason);
}

/// Identifies the connection of a [`RemoteWatcher`]; unique among all connections.
pub(crate) type RemoteKey = u64;
