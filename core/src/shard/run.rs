//! The task of one shard: it owns its ports and runs them.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use tokio::task::yield_now;

use super::item::OnEnd;
use super::queue::Taken;
use super::{Item, NewPort, Watcher};
use crate::map::HashMap;
use crate::monitor::{Action, MonitorKey};
use crate::node::Inner;
use crate::peer::Peer;
use crate::port::{Context, Owned, Port};
use crate::{Message, PortId, PortName, Reason};

/// How often a shard without work lets other tasks run before it sleeps: waking it costs its senders more.
const PATIENCE: usize = 4;

/// Runs the ports of shard `index` until the node stops.
pub(crate) async fn run(node: Arc<Inner>, index: usize) {
    let shards = node.shards.clone();
    let queue = &shards.queues[index];
    let mut shard = Shard {
        node,
        ports: HashMap::default(),
    };
    let mut taken = Taken::default();
    loop {
        for _ in 0..PATIENCE {
            if queue.has_items() {
                break;
            }
            yield_now().await;
        }
        queue.take(&mut taken).await;
        while let Some(mut chunk) = taken.next_chunk() {
            for item in chunk.drain(..) {
                shard.handle(item);
            }
            taken.empty(chunk);
            // Between chunks other tasks have their turn, however long the queue is.
            yield_now().await;
        }
        queue.done(&taken);
        if taken.closed {
            return shard.end();
        }
    }
}

struct Shard {
    node: Arc<Inner>,
    ports: HashMap<PortName, Slot>,
}

/// A living port. Most own nothing and are watched by nobody, so that has its own allocation.
struct Slot {
    port: Box<dyn Port>,
    owned: Option<Box<Owned>>,
    ties: Option<Box<Ties>>,
}

#[derive(Default)]
struct Ties {
    watchers: Vec<Watcher>,
    on_end: Option<OnEnd>,
}

impl Shard {
    #[inline]
    fn handle(&mut self, item: Item) {
        match item {
            Item::Deliver(port, message) => self.deliver(port, message),
            Item::Insert(port, new) => self.insert(port, *new),
            Item::Kill(port, reason) => self.bury(&port, reason),
            Item::Watch(port, watcher) => self.watch(port, watcher),
            Item::Unwatch(port, key) => self.unwatch(&port, |watcher| watcher.is(key)),
            Item::UnwatchPeer(port, peer, generation) => {
                self.unwatch(&port, |w| matches!(w, Watcher::Peer(p, g) if Arc::ptr_eq(p, &peer) && *g == generation));
            }
            Item::Fire(_, action, reason) => self.call(action, reason),
        }
    }

    fn insert(&mut self, port: PortName, new: NewPort) {
        if self.ports.contains_key(&port) {
            tracing::warn!(target: "aemp::port", %port, "a port of that name exists, the new one is dropped");
            return;
        }
        let ties = new.on_end.map(|f| {
            Box::new(Ties {
                watchers: Vec::new(),
                on_end: Some(f),
            })
        });
        self.ports.insert(
            port,
            Slot {
                port: new.port,
                owned: None,
                ties,
            },
        );
    }

    #[inline]
    fn deliver(&mut self, port: PortName, message: Message) {
        let Some(slot) = self.ports.get_mut(&port) else {
            // Dropped, as AEMP says (protocol.md section 4).
            tracing::trace!(target: "aemp::port", %port, "message for a port that does not exist");
            return;
        };
        let mut cx = Context::new(&self.node, &port, &mut slot.owned);
        let outcome = catch_unwind(AssertUnwindSafe(|| slot.port.receive(&mut cx, message)));
        let killed = cx.into_killed();
        let reason = match outcome {
            Ok(Ok(())) => match killed {
                Some(reason) => reason,
                None => return,
            },
            Ok(Err(reason)) => reason,
            Err(panic) => Reason::die(panic_text(&*panic)),
        };
        self.bury(&port, reason);
    }

    /// Ends a port: what it owns goes, then its watchers are told.
    fn bury(&mut self, port: &PortName, reason: Reason) {
        let Some(slot) = self.ports.remove(port) else {
            return;
        };
        if !reason.is_normal() {
            tracing::debug!(target: "aemp::port", port = %port, %reason, "port died");
        }
        // The port's own destructor is user code as well.
        let dropped = catch_unwind(AssertUnwindSafe(|| drop((slot.port, slot.owned))));
        if let Err(panic) = dropped {
            tracing::warn!(target: "aemp::port", %port, "a port panicked as it was dropped: {}", panic_text(&*panic));
        }
        let Some(ties) = slot.ties else { return };
        if let Some(on_end) = ties.on_end {
            on_end(&reason);
        }
        for watcher in ties.watchers {
            self.tell(port, watcher, &reason);
        }
    }

    fn watch(&mut self, port: PortName, watcher: Watcher) {
        match self.ports.get_mut(&port) {
            Some(slot) => slot.ties.get_or_insert_default().watchers.push(watcher),
            None => {
                let id = PortId::new(self.node.id.clone(), port.clone());
                self.tell(&port, watcher, &Reason::no_such_port(&id));
            }
        }
    }

    fn unwatch(&mut self, port: &PortName, which: impl Fn(&Watcher) -> bool) {
        let Some(ties) = self.ports.get_mut(port).and_then(|slot| slot.ties.as_mut()) else {
            return;
        };
        // One only: a peer that asked twice takes back once (protocol.md section 5).
        if let Some(at) = ties.watchers.iter().position(which) {
            ties.watchers.remove(at);
        }
    }

    fn tell(&self, port: &PortName, watcher: Watcher, reason: &Reason) {
        match watcher {
            Watcher::Local(_, action) => self.node.fire(port, action, reason.clone()),
            Watcher::Peer(peer, generation) => Peer::port_died(&peer, generation, port, reason),
        }
    }

    /// Runs a callback. One that panics hurts nobody else.
    fn call(&self, action: Action, reason: Reason) {
        if let Err(panic) = catch_unwind(AssertUnwindSafe(|| self.node.act(action, reason))) {
            tracing::error!(target: "aemp::monitor", "a monitor's callback panicked: {}", panic_text(&*panic));
        }
    }

    /// The node stops: what is left of the ports is dropped, and whoever waits for one is told.
    fn end(mut self) {
        let names: Vec<_> = self.ports.keys().cloned().collect();
        for port in names {
            self.bury(
                &port,
                Reason::transport_error(&self.node.id, "node stopped"),
            );
        }
    }
}

impl Watcher {
    fn is(&self, key: MonitorKey) -> bool {
        matches!(self, Self::Local(k, _) if *k == key)
    }
}

/// What a panic said.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("a panic without text")
}
