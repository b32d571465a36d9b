//! The task of one shard: it owns its ports and runs them.

use std::iter;
use std::sync::Arc;

use aemp_proto::value::next_of;

use super::bodies::Bodies;
use super::end::{Items, Running};
use super::item::Chunk;
use super::news::News;
use super::ports::{Place, Ports, Slot, Ties};
use super::{Item, NewPort, PortStats, What};
use crate::allowance::log_within;
use crate::budget::{Budget, LOOKS, Turn};
use crate::guard;
use crate::node::Inner;
use crate::port::{Context, Owned, Port};
use crate::watchdog::Worker;
use crate::{Excerpt, Message, PortName, Reason};

/// So many messages at once are the sign of senders at work.
const BUSY: usize = 16;

/// How many ports are looked up in one go.
const AHEAD: usize = 16;

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

pub(super) struct Shard {
    pub(super) node: Arc<Inner>,
    pub(super) ports: Ports,
    pub(super) worker: Worker,
    /// Who waits to be told of deaths. Nobody when a chunk begins.
    pub(super) news: News,
    /// How many have been told since that was asked.
    pub(super) told: usize,
    /// It is at its end: its queue is closed.
    pub(super) ended: bool,
}

impl Shard {
    pub(super) fn new(node: Arc<Inner>) -> Self {
        Self {
            worker: Worker::new(&node.id, &node.life.runtime),
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
            What::UnwatchRemote(key, asked) => {
                self.unwatch(&port, |ties| ties.remove_remote(key, asked));
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
            log_within!(self.node.network.logs.members, WARN, target: "aemp::port", port = %Excerpt(&port), "a port of that name exists, the new one is dropped");
            return;
        }
        let started = self
            .ports
            .get_mut(&port)
            .and_then(|slot| slot.start(&self.node, &port));
        if let Some(reason) = started {
            log_within!(self.node.network.logs.members, WARN, target: "aemp::port", port = %Excerpt(&port), reason = %Excerpt(&reason), "a port did not start");
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
