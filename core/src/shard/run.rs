//! The task of one shard: it owns its ports and runs them.

use std::iter;
use std::sync::Arc;
use std::vec::Drain;

use aemp_proto::message::Source;
use aemp_proto::token::Rest;
use aemp_proto::value::next_of;

use super::end::{Items, Running};
use super::item::{Chunk, Len, UNKNOWN};
use super::news::News;
use super::ports::{Place, Ports, Slot, Ties};
use super::{Item, NewPort, Watcher, What};
use crate::allowance::log_within;
use crate::budget::{Budget, LOOKS, Turn};
use crate::guard;
use crate::monitor::Action;
use crate::node::{Inner, PortStats};
use crate::peer::Peer;
use crate::port::{Context, Owned, Port};
use crate::watchdog::Worker;
use crate::{Excerpt, Message, PortId, PortName, Reason, Value, reason};

/// So many messages at once are the sign of senders at work.
const BUSY: usize = 16;

/// How many ports are looked up in one go.
const AHEAD: usize = 16;

/// So many watchers are told of deaths before the turn is looked at.
const TOLD: usize = 64;

/// As so many messages one of them counts: it is a message to be encoded, or an item for another queue.
const TELLING: usize = 4;

/// Runs the ports of shard `index` until the node stops.
pub(crate) fn run(node: Arc<Inner>, index: usize) -> impl Future<Output = ()> + Send {
    // Here, so that it ends as it should even if its task is dropped before it began.
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
    let mut looks = 0;
    let mut turn = Turn::new(Budget::SHARD);
    loop {
        if !queue.try_take(taken) {
            if looks > 0 {
                looks -= 1;
                turn.yield_now().await;
                continue;
            }
            turn.wait(queue.take(taken)).await;
        }
        let mut count = 0;
        while let Some(mut chunk) = taken.next_chunk() {
            let given = chunk.given;
            let messages = shard.work_off(&mut chunk, &mut taken.left);
            queue.done(messages, given);
            taken.empty(chunk);
            count += messages;
            turn.spend(messages);
            loop {
                turn.spend(TELLING * shard.told());
                if turn.is_over() {
                    turn.yield_now().await;
                }
                if !shard.tell_more() {
                    break;
                }
            }
        }
        if taken.closed {
            return;
        }
        looks = if count >= BUSY { LOOKS } else { 0 };
    }
}

/// What the messages of a chunk consist of, each from the front.
struct Bodies<'a> {
    values: Drain<'a, Value>,
    bytes: &'a [u8],
    source: Option<Source>,
    /// A message was announced that is not there, or without a source before it.
    broken: bool,
}

impl Bodies<'_> {
    /// The next message from a peer, in memory of its own. `None` only in a chunk that is broken.
    #[inline]
    fn wire(&mut self, at: u32, left: u32) -> Option<Message> {
        let message = self.next_wire(at, left);
        self.broken |= message.is_none();
        message
    }

    #[inline]
    fn next_wire(&mut self, at: u32, left: u32) -> Option<Message> {
        let (len, behind) = self.bytes.split_first_chunk()?;
        let (bytes, behind) = behind.split_at_checked(Len::from_ne_bytes(*len) as usize)?;
        self.bytes = behind;
        let rest = Rest::new(at as usize, (left != UNKNOWN).then_some(left as usize));
        Some(self.source?.message(bytes, rest))
    }

    /// That the chunk holds what its items announce, for that costs messages or gives them to the wrong port. Not inside a
    /// port's guard: it is the shard that fails.
    #[inline]
    fn check(&self, whole: bool) {
        assert!(
            whole && !self.broken,
            "a chunk does not hold what it announces"
        );
    }
}

pub(super) struct Shard {
    pub(super) node: Arc<Inner>,
    ports: Ports,
    worker: Worker,
    /// Who waits to be told of deaths. Nobody when a chunk begins.
    news: News,
    /// How many have been told since that was asked.
    told: usize,
    /// It is at its end: its queue is closed.
    pub(super) ended: bool,
}

impl Shard {
    pub(super) fn new(node: Arc<Inner>) -> Self {
        Self {
            worker: Worker::new(&node.id, &node.runtime),
            node,
            ports: Ports::default(),
            news: News::default(),
            told: 0,
            ended: false,
        }
    }

    /// The ports that live.
    pub(super) fn ports(&self) -> Vec<PortName> {
        self.ports.names()
    }

    pub(super) fn has(&mut self, port: &PortName) -> bool {
        self.ports.get_mut(port).is_some()
    }

    /// Does all that is in `chunk`, and says how many things that were. What a panic leaves of it comes to `left`.
    fn work_off(&mut self, chunk: &mut Chunk, left: &mut Vec<Item>) -> usize {
        let _working = self.worker.enter();
        let mut count = 0;
        let Chunk {
            items,
            values,
            bytes,
            ..
        } = chunk;
        let mut body = Bodies {
            values: values.drain(..),
            bytes,
            source: None,
            broken: false,
        };
        let mut items = Items {
            items: items.drain(..),
            left,
        };
        loop {
            let (places, found) = self.look_ahead(items.items.as_slice());
            for place in &places[..found] {
                if let Some(item) = items.items.next() {
                    count += self.messages(*place, item, &mut body);
                }
            }
            if found < AHEAD {
                match items.items.next() {
                    Some(Item {
                        what: What::From(source),
                        ..
                    }) => body.source = Some(*source),
                    Some(item) => {
                        count += 1;
                        self.handle(item);
                    }
                    None => break,
                }
            }
        }
        body.check(body.values.as_slice().is_empty() && body.bytes.is_empty());
        drop((body, items));
        chunk.clear();
        count
    }

    /// Finds the ports of the messages that are next, up to an item that is none.
    #[inline]
    fn look_ahead(&self, items: &[Item]) -> ([Place; AHEAD], usize) {
        let ahead = items.iter().take(AHEAD);
        let ahead = ahead.take_while(|item| item.what.is_message());
        // In steps that do not wait for each other's memory.
        let (mut hashes, mut places) = ([None; AHEAD], [Place::NONE; AHEAD]);
        let mut found = 0;
        let mut before: Option<&PortName> = None;
        for item in ahead {
            // To the same port as the message before: in the same place.
            let again = before == Some(&item.port);
            hashes[found] = (!again).then(|| self.ports.hash(&item.port));
            before = Some(&item.port);
            found += 1;
        }
        let mut place = Place::NONE;
        for (at, item) in items.iter().take(found).enumerate() {
            if let Some(hash) = hashes[at] {
                place = self.ports.find(&item.port, hash);
            }
            places[at] = place;
        }
        (places, found)
    }

    /// Delivers the messages of `item`, and says how many that were.
    #[inline]
    fn messages(&mut self, place: Place, item: Item, body: &mut Bodies<'_>) -> usize {
        let Item { port, what } = item;
        self.worker.does(port.as_str());
        match what {
            What::Values { times, len } => {
                body.check(body.values.len() >= times as usize * len as usize);
                let next = |_| next_of(&mut body.values, len as usize).into();
                self.deliver(place, &port, (0..times).map(next));
                times as usize
            }
            What::Wire { times, at, left } => {
                let next = |_| body.wire(at, left);
                self.deliver(place, &port, (0..times).map_while(next));
                body.check(true);
                times as usize
            }
            What::LongWire(wire) => {
                self.deliver(place, &port, iter::once(wire.into()));
                1
            }
            What::Long(values) => {
                self.deliver(place, &port, iter::once((*values).into()));
                1
            }
            _ => 0,
        }
    }

    pub(super) fn handle(&mut self, item: Item) {
        let Item { port, what } = item;
        self.worker.does(port.as_str());
        match what {
            // Their place is looked for first.
            What::Values { .. } | What::Wire { .. } | What::Long(_) | What::LongWire(_) => {}
            What::From(_) => {}
            What::Insert(new) => self.insert(port, *new),
            What::Kill(reason) => self.bury(&port, *reason),
            What::Watch(watcher) => self.watch(port, *watcher),
            What::Unwatch(key) => self.unwatch(&port, |ties| ties.remove(key)),
            What::UnwatchPeer(generation, asked) => {
                self.unwatch(&port, |ties| ties.remove_peer(generation, asked));
            }
            What::Fire(fired) => self.call(fired.0, fired.1),
            // Who asked may have given up.
            What::Report(to) => drop(to.send(self.report())),
        }
    }

    /// The ports that live. One that panics when it is asked dies.
    fn report(&mut self) -> Vec<PortStats> {
        let (mut report, mut dead) = (Vec::new(), Vec::new());
        for slot in self.ports.iter() {
            match guard::run(|| slot.stats()) {
                Ok(stats) => report.push(stats),
                Err(panic) => dead.push((slot.name.clone(), panic)),
            }
        }
        for (port, panic) in dead {
            self.bury(&port, panic.into());
        }
        report
    }

    fn insert(&mut self, port: PortName, new: NewPort) {
        let ties = new.on_end.map(|on_end| Box::new(Ties::ending(on_end)));
        let slot = Slot {
            name: port.clone(),
            port: new.port,
            owned: None,
            ties,
            messages: 0,
        };
        if let Err(refused) = self.ports.insert(slot) {
            drop(Self::dispose(refused, &Reason::normal()));
            log_within!(self.node.logs.members, WARN, target: "aemp::port", port = %Excerpt(&port), "a port of that name exists, the new one is dropped");
            return;
        }
        let started = self
            .ports
            .get_mut(&port)
            .and_then(|slot| slot.start(&self.node, &port));
        if let Some(reason) = started {
            log_within!(self.node.logs.members, WARN, target: "aemp::port", port = %Excerpt(&port), reason = %Excerpt(&reason), "a port did not start");
            self.bury(&port, reason);
        }
    }

    /// Lets the port at `place` receive messages, as far as it lives.
    #[inline]
    fn deliver(
        &mut self,
        place: Place,
        port: &PortName,
        mut messages: impl Iterator<Item = Message>,
    ) {
        let reason = match self.ports.at(place) {
            Some(slot) => {
                let worker = &self.worker;
                let mut messages = messages.by_ref().inspect(|_| worker.goes_on());
                slot.receive(&self.node, port, &mut messages)
            }
            None => {
                tracing::trace!(target: "aemp::port", port = %Excerpt(port), "message for a port that does not exist");
                None
            }
        };
        if let Some(reason) = reason {
            self.bury(port, reason);
        }
        // Dropped, as AEMP says (protocol.md section 4).
        messages.for_each(drop);
    }

    /// Ends a port: what it owns goes, then its watchers are told.
    pub(super) fn bury(&mut self, port: &PortName, reason: Reason) {
        let Some(slot) = self.ports.remove(port) else {
            return;
        };
        if !reason.is_normal() {
            tracing::debug!(target: "aemp::port", port = %Excerpt(port), reason = %Excerpt(&reason), "port died");
        }
        let Some(mut watchers) = Self::dispose(slot, &reason) else {
            return;
        };
        #[cfg(aemp_faults)]
        if aemp_proto::faults::is(aemp_proto::faults::Fault::PanicUntold)
            && reason.kind() == Some("die")
        {
            return;
        }
        // Those that are few at once, unless others come first.
        while self.news.is_empty() && (self.told < TOLD || self.ended) {
            let Some(watcher) = watchers.next() else {
                return;
            };
            self.tell(port, watcher, &reason);
        }
        self.news.push(port, reason, watchers);
    }

    /// How many have been told of a death since the last call.
    fn told(&mut self) -> usize {
        std::mem::take(&mut self.told)
    }

    /// Tells some of those who wait for it. False if nobody did.
    fn tell_more(&mut self) -> bool {
        if self.news.is_empty() {
            return false;
        }
        let _working = self.worker.enter();
        for _ in 0..TOLD {
            let Some((port, watcher, reason)) = self.news.next() else {
                break;
            };
            self.tell(&port, watcher, &reason);
        }
        true
    }

    /// Tells all who wait for it.
    pub(super) fn tell_all(&mut self) {
        while self.tell_more() {}
    }

    /// Drops a port and what it owns, and gives those who watched it, if anybody did.
    fn dispose(
        slot: Slot,
        reason: &Reason,
    ) -> Option<impl Iterator<Item = Watcher> + Send + use<>> {
        let Slot {
            port,
            owned,
            mut ties,
            ..
        } = slot;
        if let Some(owned) = owned {
            guard::dispose(owned);
        }
        let on_end = ties.as_mut().and_then(|ties| ties.on_end.take());
        NewPort { port, on_end }.dispose(reason);
        let watched = ties.filter(|ties| ties.watchers() > 0);
        watched.map(|ties| ties.into_watchers())
    }

    fn watch(&mut self, port: PortName, watcher: Watcher) {
        match self.ports.get_mut(&port) {
            Some(slot) => slot.ties.get_or_insert_default().add(watcher),
            None => {
                let id = PortId::new(self.node.id.clone(), port.clone());
                let why = "cannot monitor nonexistent port";
                let reason = reason!["no_such_port", why, &id];
                match self.news.is_empty() {
                    true => self.tell(&port, watcher, &reason),
                    // It may have watched a port of that name that has died before.
                    false => self.news.push(&port, reason, iter::once(watcher)),
                }
            }
        }
    }

    fn unwatch(&mut self, port: &PortName, remove: impl FnOnce(&mut Ties)) {
        let slot = self.ports.get_mut(port);
        if let Some(ties) = slot.and_then(|slot| slot.ties.as_mut()) {
            remove(ties);
        }
    }

    pub(super) fn tell(&mut self, port: &PortName, watcher: Watcher, reason: &Reason) {
        self.told += 1;
        match watcher {
            // No shard would take it.
            Watcher::Local(_, action) if self.ended => self.call(action, reason.clone()),
            Watcher::Local(_, action) => self.node.fire(port, action, reason.clone()),
            Watcher::Peer(peer, generation) => Peer::port_died(&peer, generation, port, reason),
        }
    }

    /// Runs a callback. One that panics hurts nobody else.
    fn call(&self, action: Action, reason: Reason) {
        let act = || self.node.act(action, reason);
        guard::log("a monitor's callback panicked", act);
    }
}

impl Slot {
    fn stats(&self) -> PortStats {
        let ties = self.ties.as_deref();
        let owned = self.owned.as_deref();
        PortStats {
            name: self.name.clone(),
            messages: self.messages,
            queued: self.port.queued(),
            watchers: ties.map_or(0, Ties::watchers),
            tasks: owned.map_or(0, Owned::tasks),
            monitors: owned.map_or(0, Owned::monitors),
        }
    }

    /// Lets the port start, and gives the reason if it dies of that.
    fn start(&mut self, node: &Arc<Inner>, port: &PortName) -> Option<Reason> {
        guarded(|| self.step(node, port, |port, cx| port.start(cx)))
    }

    /// Receives messages up to the last, or to the one that the port dies of, and then gives the reason.
    #[inline]
    fn receive(
        &mut self,
        node: &Arc<Inner>,
        port: &PortName,
        messages: &mut impl Iterator<Item = Message>,
    ) -> Option<Reason> {
        guarded(|| {
            messages.find_map(|message| {
                self.messages += 1;
                self.step(node, port, |port, cx| port.receive(cx, message))
            })
        })
    }

    #[inline]
    fn step(
        &mut self,
        node: &Arc<Inner>,
        port: &PortName,
        run: impl FnOnce(&mut dyn Port, &mut Context<'_>) -> Result<(), Reason>,
    ) -> Option<Reason> {
        let mut cx = Context::new(node, port, &mut self.owned);
        match run(&mut *self.port, &mut cx) {
            Err(reason) => Some(reason),
            Ok(()) => cx.into_killed(),
        }
    }
}

/// Runs a port's code, whose panic kills the port and hurts nobody else.
#[inline]
fn guarded(run: impl FnOnce() -> Option<Reason>) -> Option<Reason> {
    guard::run(run).unwrap_or_else(|panic| Some(panic.into()))
}
