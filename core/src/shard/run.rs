//! The task of one shard: it owns its ports and runs them.

use std::iter;
use std::sync::Arc;

use aemp_proto::id::is_reply;
use aemp_proto::not_encoded;
use aemp_proto::value::next_of;

use super::bodies::Bodies;
use super::end::{Items, Running};
use super::item::Chunk;
use super::notifications::Notifications;
use super::ports::{Observers, Ports, Slot, SlotIndex};
use super::{Item, NewPort, Op, PortStats, Run};
use crate::allowance::log_within;
use crate::budget::{Budget, Turn, YIELDS_BEFORE_SLEEP};
use crate::codec::EncodeError;
use crate::guard;
use crate::node::Inner;
use crate::port::{Context, Owned, Pool, ShardPort};
use crate::trace::TraceContext;
use crate::traffic::Entered;
use crate::watchdog::Worker;
use crate::{Excerpt, Message, PortName, Reason, reason};

/// Messages in one take from which on senders count as busy, and the shard yields before it sleeps.
const BUSY_MESSAGES: usize = 16;

/// Ports looked up before the first of them runs.
const LOOKAHEAD: usize = 16;

/// The cost of one notification, in messages: it encodes a message, or pushes an item to another queue.
const NOTIFICATION_COST: usize = 4;

/// Runs the ports of shard `index` until the node stops.
pub(crate) fn run(node: Arc<Inner>, index: usize) -> impl Future<Output = ()> + Send {
    // Made outside of the future, so that its `Drop` runs even if the task is dropped before its first poll.
    let mut running = Running::new(node, index);
    async move {
        if let Err(panic) = guard::complete(work(&mut running, index)).await {
            running.fail(&panic);
        }
    }
}

async fn work(Running { shard, taken, .. }: &mut Running, index: usize) {
    let shards = shard.node.shards.clone();
    let queue = &shards.queues[index];
    let mut yields = 0;
    let mut turn = Turn::new(Budget::SHARD);
    loop {
        if !queue.try_take(taken) {
            if yields > 0 {
                yields -= 1;
                turn.yield_now().await;
                continue;
            }
            turn.wait(queue.take(taken)).await;
        }
        let mut count = 0;
        while let Some(mut chunk) = taken.next_chunk() {
            let (pushed, local) = (chunk.pushed, chunk.counted);
            let messages = shard.process(&mut chunk, &mut taken.left);
            queue.done(messages, pushed);
            shards.local_done(index, local);
            taken.recycle(chunk);
            count += messages;
            turn.spend(messages);
            loop {
                turn.spend(NOTIFICATION_COST * shard.notified());
                if turn.is_exhausted() {
                    turn.yield_now().await;
                }
                if !shard.notify_some() {
                    break;
                }
            }
        }
        if taken.closed {
            return;
        }
        yields = if count >= BUSY_MESSAGES {
            YIELDS_BEFORE_SLEEP
        } else {
            0
        };
    }
}

pub(super) struct Shard {
    pub(super) node: Arc<Inner>,
    pub(super) ports: Ports,
    pub(super) worker: Worker,
    /// Watchers to be notified of deaths. Empty when a chunk begins.
    pub(super) notifications: Notifications,
    /// Watchers notified since [`notified`](Self::notified) was called last.
    pub(super) notified: usize,
    /// The shard is ending: its queue is closed.
    pub(super) ended: bool,
}

impl Shard {
    pub(super) fn new(node: Arc<Inner>, index: usize) -> Self {
        let worker = Worker::new(&node.id, &node.life.runtime);
        node.shards.set_steps(index, worker.steps());
        Self {
            worker,
            node,
            ports: Ports::default(),
            notifications: Notifications::default(),
            notified: 0,
            ended: false,
        }
    }

    /// The names of all live ports.
    pub(super) fn ports(&self) -> Vec<PortName> {
        self.ports.names()
    }

    pub(super) fn has(&mut self, port: &PortName) -> bool {
        self.ports.get_mut(port).is_some()
    }

    /// Processes all items of `chunk`. Returns the number of operations. If the shard panics, the remaining items are
    /// moved to `left`.
    fn process(&mut self, chunk: &mut Chunk, left: &mut Vec<Item>) -> usize {
        let _working = self.worker.enter();
        let mut count = 0;
        let Chunk {
            items,
            values,
            bytes,
            moved,
            ..
        } = chunk;
        let mut body = Bodies {
            values: values.drain(..),
            bytes,
            moved,
            source: None,
            broken: false,
        };
        let mut items = Items {
            items: items.drain(..),
            left,
        };
        let mut span = None;
        loop {
            let (indices, found) = self.look_ahead(items.items.as_slice());
            for index in &indices[..found] {
                if let Some(item) = items.items.next() {
                    count += self.messages(*index, item, &mut body);
                }
            }
            if found < LOOKAHEAD {
                match items.items.next() {
                    Some(Item {
                        op: Op::From(source),
                        ..
                    }) => body.source = Some(*source),
                    Some(Item {
                        port,
                        op: Op::Enter(context),
                    }) => span = self.enter(&port, context),
                    Some(Item { op: Op::Exit, .. }) => span = None,
                    Some(item) => {
                        count += 1;
                        self.handle(item);
                    }
                    None => break,
                }
            }
        }
        let whole = body.values.as_slice().is_empty() && body.bytes.is_empty();
        body.check(whole && body.moved.are_empty());
        drop((body, items, span));
        chunk.clear();
        count
    }

    /// Enters a span for the next message, which is to `port`; none if the port is dead, or keeps the trace.
    #[cold]
    fn enter(&mut self, port: &PortName, context: Box<TraceContext>) -> Option<Entered> {
        let slot = self.ports.get_mut(port)?;
        let context = slot.port.keep_context(context)?;
        Some(Entered::new(self.node.span(Some(&context), port)))
    }

    /// Finds the ports of the next messages, up to the first item that is not a message.
    #[inline]
    fn look_ahead(&self, items: &[Item]) -> ([SlotIndex; LOOKAHEAD], usize) {
        let ahead = items.iter().take(LOOKAHEAD);
        let ahead = ahead.take_while(|item| item.op.is_message());
        // Hash all names first, then search: the cache misses of each step overlap.
        let (mut hashes, mut indices) = ([None; LOOKAHEAD], [SlotIndex::NONE; LOOKAHEAD]);
        let mut found = 0;
        let mut previous: Option<&PortName> = None;
        for item in ahead {
            // Same port as the previous message: reuse its slot.
            let same = previous == Some(&item.port);
            hashes[found] = (!same).then(|| self.ports.hash(&item.port));
            previous = Some(&item.port);
            found += 1;
        }
        let mut index = SlotIndex::NONE;
        for (at, item) in items.iter().take(found).enumerate() {
            if let Some(hash) = hashes[at] {
                index = self.ports.find(&item.port, hash);
            }
            indices[at] = index;
        }
        (indices, found)
    }

    /// Delivers the messages of `item`. Returns their number.
    #[inline]
    fn messages(&mut self, index: SlotIndex, item: Item, body: &mut Bodies<'_>) -> usize {
        let Item { port, op } = item;
        self.worker.begin_item(port.as_str());
        match op {
            Op::Values { times, len } => {
                body.check(body.values.len() >= times as usize * len as usize);
                let next = |_| next_of(&mut body.values, len as usize).into();
                self.deliver(index, &port, (0..times).map(next));
                times as usize
            }
            Op::Wire { times, at, left } => {
                let next = |_| body.wire(at, left);
                self.deliver(index, &port, (0..times).map_while(next));
                body.check(true);
                times as usize
            }
            Op::Moved { times, pool } => {
                if let Some(pool) = body.pool(pool, times) {
                    self.deliver_moved(index, &port, times, pool);
                }
                body.check(true);
                times as usize
            }
            Op::LongWire(wire) => {
                self.deliver(index, &port, iter::once(wire.into()));
                1
            }
            Op::Long(values) => {
                self.deliver(index, &port, iter::once((*values).into()));
                1
            }
            _ => 0,
        }
    }

    pub(super) fn handle(&mut self, item: Item) {
        let Item { port, op } = item;
        self.worker.begin_item(port.as_str());
        match op {
            // Messages go through `messages`, with the slot that was found.
            Op::Values { .. } | Op::Wire { .. } | Op::Moved { .. } => {}
            Op::Long(_) | Op::LongWire(_) => {}
            Op::From(_) | Op::Enter(_) | Op::Exit => {}
            Op::Insert(new) => self.insert(port, *new),
            Op::Kill(reason) => self.end_port(&port, *reason),
            Op::NoRoom => {
                let limit = self.node.config.local_limit;
                self.end_port(&port, reason!["queue_full", limit as u64]);
            }
            Op::Watch(watcher) => self.watch(port, *watcher),
            Op::Unwatch(key) => self.unwatch(&port, |observers| observers.remove(key)),
            Op::UnwatchRemote(key, count) => {
                self.unwatch(&port, |observers| observers.remove_remote(key, count));
            }
            Op::Fire(fired) => self.call(fired.0, fired.1),
            Op::Run(run) => self.run(&port, *run),
            // The receiver may have been dropped.
            Op::Report(to) => drop(to.send(self.report())),
            Op::Turn(to) => drop(to.send(())),
        }
    }

    /// The statistics of all live ports.
    fn report(&self) -> Vec<PortStats> {
        self.ports.iter().map(Slot::stats).collect()
    }

    fn insert(&mut self, port: PortName, new: NewPort) {
        let observers = new.on_end.map(|on_end| Box::new(Observers::ending(on_end)));
        let slot = Slot {
            name: port.clone(),
            port: new.port,
            owned: None,
            observers,
            messages: 0,
        };
        if let Err(refused) = self.ports.insert(slot) {
            drop(Self::dispose(refused, &Reason::normal()));
            log_within!(self.node.network.logs.members, WARN, target: "aemp::port", port = %Excerpt(&port), "a port of that name exists, the new one is dropped");
            return;
        }
        let started = self
            .ports
            .get_mut(&port)
            .and_then(|slot| slot.once(&self.node, &port, |port, cx| port.start(cx)));
        if let Some(reason) = started {
            log_within!(self.node.network.logs.members, WARN, target: "aemp::port", port = %Excerpt(&port), reason = %Excerpt(&reason), "a port did not start");
            self.end_port(&port, reason);
        }
    }

    fn run(&mut self, port: &PortName, run: Run) {
        let Some(slot) = self.ports.get_mut(port) else {
            return guard::dispose(run);
        };
        let ended = slot.once(&self.node, port, |_, cx| run(cx));
        if let Some(reason) = ended {
            self.end_port(port, reason);
        }
    }

    /// Delivers `messages` to the port at `index`, until they end or the port dies.
    #[inline]
    fn deliver(
        &mut self,
        index: SlotIndex,
        port: &PortName,
        mut messages: impl Iterator<Item = Message>,
    ) {
        self.run_port(index, port, |worker, port, cx| {
            let message = messages.next()?;
            worker.begin_message();
            Some(port.receive(cx, message))
        });
        // Messages to a port that does not exist are dropped (protocol.md section 4).
        messages.for_each(drop);
    }

    /// Delivers the first `times` values of `pool` to the port at `index`, as they are or as messages.
    #[inline]
    fn deliver_moved(
        &mut self,
        index: SlotIndex,
        port: &PortName,
        times: u32,
        pool: &mut dyn Pool,
    ) {
        let end = pool.len().saturating_sub(times as usize);
        let mut refused = None;
        self.run_port(index, port, |worker, port, cx| {
            if pool.len() <= end {
                return None;
            }
            worker.begin_message();
            if let Some(result) = port.receive_moved(cx, pool) {
                return Some(result);
            }
            match pool.next_message()? {
                Ok(message) => Some(port.receive(cx, message)),
                Err(error) => {
                    refused = Some(error);
                    Some(Ok(()))
                }
            }
        });
        pool.discard(pool.len().saturating_sub(end));
        if let Some(error) = refused {
            if let Some(slot) = self.ports.at(index) {
                slot.port.forget_context();
            }
            self.report_not_converted(port, &error);
        }
    }

    /// Runs the port at `index` for each message that `next` delivers to it, until `next` returns `None` or the port dies.
    #[inline]
    fn run_port(
        &mut self,
        index: SlotIndex,
        port: &PortName,
        mut next: impl FnMut(&Worker, &mut dyn ShardPort, &mut Context<'_>) -> Option<Received>,
    ) {
        let Some(slot) = self.ports.at(index) else {
            tracing::trace!(target: "aemp::port", port = %Excerpt(port), "message for a port that does not exist");
            return;
        };
        let worker = &self.worker;
        let reason = slot.receive(&self.node, port, |port, cx| next(worker, port, cx));
        if let Some(reason) = reason {
            self.end_port(port, reason);
        }
    }

    /// A typed message to `port`, which is no port of that type, could not be converted.
    #[cold]
    fn report_not_converted(&mut self, port: &PortName, error: &EncodeError) {
        log_within!(self.node.network.logs.members, WARN, target: "aemp::port", port = %Excerpt(port), error = %Excerpt(error), "a typed message to an untyped port was not delivered");
        if is_reply(port) {
            self.end_port(port, not_encoded(&self.node.id, error));
        }
    }
}

/// The result of a handler.
type Received = Result<(), Reason>;

impl Slot {
    fn stats(&self) -> PortStats {
        let observers = self.observers.as_deref();
        let owned = self.owned.as_deref();
        PortStats {
            name: self.name.clone(),
            messages: self.messages,
            queued: self.port.queued(),
            unhandled: owned.map_or(0, |owned| owned.unhandled),
            watchers: observers.map_or(0, Observers::watchers),
            tasks: owned.map_or(0, Owned::tasks),
            monitors: owned.map_or(0, Owned::monitors),
        }
    }

    /// Runs code of the port. Returns the reason if it dies of that.
    fn once(
        &mut self,
        node: &Arc<Inner>,
        port: &PortName,
        run: impl FnOnce(&mut dyn ShardPort, &mut Context<'_>) -> Received,
    ) -> Option<Reason> {
        guarded(|| {
            let mut cx = Context::new(node, port, &mut self.owned);
            let done = run(&mut *self.port, &mut cx);
            done.err().or_else(|| cx.into_stopped())
        })
    }

    /// Receives a message each time `next` is called, until that returns `None` or the port dies. Returns the reason of its
    /// death.
    #[inline]
    fn receive(
        &mut self,
        node: &Arc<Inner>,
        port: &PortName,
        mut next: impl FnMut(&mut dyn ShardPort, &mut Context<'_>) -> Option<Received>,
    ) -> Option<Reason> {
        guarded(|| {
            loop {
                let mut cx = Context::new(node, port, &mut self.owned);
                let received = next(&mut *self.port, &mut cx)?;
                self.messages += 1;
                let died = received.err().or_else(|| cx.into_stopped());
                if died.is_some() {
                    return died;
                }
            }
        })
    }
}

/// Runs a port's code. A panic in it kills the port and affects nothing else.
#[inline]
fn guarded(run: impl FnOnce() -> Option<Reason>) -> Option<Reason> {
    guard::run(run).unwrap_or_else(|panic| Some(panic.into()))
}
