//! The end of a shard, for any cause: its node stops, the shard panics, or its runtime is dropped.

use std::sync::Arc;
use std::vec::Drain;

use super::run::Shard;
use super::taken::Taken;
use super::{Item, Op};
use crate::Reason;
use crate::guard::{self, Panicked};
use crate::node::Inner;

/// A running shard, with the items that it has taken from its queue. Dropping it ends the shard: the queue is closed, all
/// ports die, and their watchers and the senders of queued requests are notified.
pub(super) struct Running {
    pub(super) shard: Shard,
    pub(super) taken: Taken,
    index: usize,
    /// The reason with which the ports die.
    reason: Reason,
}

impl Running {
    pub(super) fn new(node: Arc<Inner>, index: usize) -> Self {
        Self {
            reason: node.life.stopped_reason(),
            shard: Shard::new(node, index),
            taken: Taken::default(),
            index,
        }
    }

    /// The shard has panicked in its own code, not in code of the program: the node stops.
    pub(super) fn fail(&mut self, panic: &Panicked) {
        let node = &self.shard.node;
        let why = format!("shard {} panicked: {panic}", self.index);
        self.reason = Reason::transport_error(&node.id, &why);
        node.life.fail(why);
    }

    /// Handles an item that is left when the shard ends. Messages, and code of ports, are lost
    /// with their port.
    fn settle(&mut self, item: Item) {
        match item.op {
            Op::Insert(new) => new.dispose(&self.reason),
            Op::Watch(watcher) if !self.shard.has(&item.port) => {
                self.shard.notify(&item.port, *watcher, &self.reason);
            }
            Op::Run(run) => guard::dispose(run),
            Op::Report(to) => drop(to),
            Op::Turn(to) => drop(to),
            _ => self.shard.handle(item),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shard.ended = true;
        guard::run_or_log("the end of a shard panicked", || self.shard.notify_all());
        let mut items = self.taken.all();
        let shards = self.shard.node.shards.clone();
        shards.queues[self.index].close_and_take(&mut self.taken);
        items.append(&mut self.taken.all());
        for item in items {
            guard::run_or_log("the end of a shard panicked", || self.settle(item));
        }
        for port in self.shard.ports() {
            let reason = self.reason.clone();
            guard::run_or_log("the end of a shard panicked", || {
                self.shard.end_port(&port, reason)
            });
        }
    }
}

/// The items of a chunk while they are processed. After a panic the unprocessed ones are kept for the end of the shard.
pub(super) struct Items<'a> {
    pub(super) items: Drain<'a, Item>,
    pub(super) left: &'a mut Vec<Item>,
}

impl Drop for Items<'_> {
    fn drop(&mut self) {
        self.left.extend(self.items.by_ref());
    }
}

#[cfg(test)]
mod tests {
    use crate::{Context, LocalNode, Message, PortName};

    use super::*;

    /// The failure of a node whose shard finds this item in its queue.
    async fn failure(op: Op) -> Option<String> {
        let node = LocalNode::builder().id("n");
        let node = node.configure(|config| config.shards = 1);
        let node = node.start().await.unwrap();
        let port = node.port(|_: &mut Context<'_>, _: Message| ());
        let gone = node.gone(&port);
        let item = Item::new(port.port().clone(), op);
        node.inner().shards.push(item);
        node.send(&port, ("behind",));
        assert_eq!(gone.await.kind(), Some("transport_error"));
        node.shutdown().await.failure
    }

    #[tokio::test]
    async fn a_chunk_that_does_not_hold_what_it_announces_fails_its_shard() {
        let (times, len) = (3, 4);
        let wire = Op::Wire {
            times: 1,
            at: 0,
            left: 0,
        };
        for op in [Op::Values { times, len }, wire] {
            let failure = failure(op).await.unwrap();
            let expected = "shard 0 panicked: a chunk does not hold what it announces";
            assert_eq!(failure, expected);
        }
    }

    #[tokio::test]
    async fn watchers_that_a_failed_shard_has_not_notified_yet_are_notified() {
        let node = LocalNode::builder().id("n");
        let node = node.configure(|config| config.shards = 1);
        let node = node.start().await.unwrap();
        let port = node.port(|_: &mut Context<'_>, _: Message| ());
        let many: Vec<_> = (0..200).map(|_| node.gone(&port)).collect();
        node.kill(&port, crate::reason!["done"]);
        // In the same chunk.
        let wrong = Op::Values { times: 1, len: 1 };
        let item = Item::new(port.port().clone(), wrong);
        node.inner().shards.push(item);
        for gone in many {
            assert_eq!(gone.await.kind(), Some("done"));
        }
        assert!(node.shutdown().await.failure.is_some());
    }

    #[tokio::test]
    async fn items_that_a_failed_shard_leaves_are_completed() {
        let node = LocalNode::builder().id("n");
        let node = node.configure(|config| config.shards = 1);
        let node = node.start().await.unwrap();
        let wrong = Op::Values { times: 1, len: 1 };
        node.inner()
            .shards
            .push(Item::new(PortName::from("p"), wrong));
        let mut inbox = node.inbox();
        let gone = node.gone(inbox.id());
        let (fired, notified) = tokio::sync::oneshot::channel();
        let watch = node.monitor(inbox.id(), |reason| fired.send(reason).unwrap());
        let reason = gone.await;
        assert_eq!(reason.kind(), Some("transport_error"));
        assert_eq!(notified.await, Ok(reason));
        assert!(inbox.recv().await.is_none());
        assert!(node.ports().await.is_empty());
        drop(watch);
    }
}
