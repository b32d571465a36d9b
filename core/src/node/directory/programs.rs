//! The directory's operations for programs and connectors: entries, queries, lookups and watches of families.

use std::sync::Arc;

use aemp_proto::directory::{QueryKind, Refused};
use tokio::sync::oneshot;

use super::driver::Driver;
use super::watch::Feed;
use crate::node::Inner;
use crate::peer::{is_held, when_released};
use crate::{NodeId, Text, Value};

impl Driver {
    pub(super) fn set(
        &self,
        node: &Arc<Inner>,
        family: &Text,
        key: Text,
        value: Value,
    ) -> Result<(), Refused> {
        self.step(node, |state, now| {
            state.machine.set(now, family, key, value)
        })
    }

    pub(super) fn delete(&self, node: &Arc<Inner>, family: &Text, keys: &[Text]) {
        self.step(node, |state, now| state.machine.delete(now, family, keys));
    }

    /// Sets an entry that stays until [`unregister`](Self::unregister) was called once for each call of this.
    pub(super) fn register(
        &self,
        node: &Arc<Inner>,
        family: &Text,
        key: Text,
        value: Value,
    ) -> Result<(), Refused> {
        self.step(node, |state, now| {
            state.machine.set(now, family, key.clone(), value)?;
            *state.registered.entry((family.clone(), key)).or_default() += 1;
            Ok(())
        })
    }

    pub(super) fn unregister(&self, node: &Arc<Inner>, family: &Text, key: &Text) {
        if is_held() {
            let (node, family, key) = (node.clone(), family.clone(), key.clone());
            return when_released(move || node.directory.unregister(&node, &family, &key));
        }
        self.step(node, |state, now| {
            let entry = (family.clone(), key.clone());
            if let Some(guards) = state.registered.get_mut(&entry) {
                *guards -= 1;
                if *guards == 0 {
                    state.registered.remove(&entry);
                    state.machine.delete(now, family, std::slice::from_ref(key));
                }
            }
        });
    }

    /// Sends a query. A caller that drops the receiver has to call [`cancel_query`](Self::cancel_query).
    pub(super) fn ask(
        &self,
        node: &Arc<Inner>,
        query: QueryKind,
        family: Text,
    ) -> (u64, oneshot::Receiver<Value>) {
        let (answer, answered) = oneshot::channel();
        self.step(node, |state, _| {
            let id = state.next;
            state.next += 1;
            if !state.closed {
                state.queries.insert(id, answer);
                state.machine.ask(id, query, family);
            }
            (id, answered)
        })
    }

    pub(super) fn cancel_query(&self, node: &Arc<Inner>, id: u64) {
        if is_held() {
            let node = node.clone();
            return when_released(move || node.directory.cancel_query(&node, id));
        }
        let mut state = self.lock();
        state.queries.remove(&id);
        state.machine.cancel_ask(id);
    }

    /// Looks up the addresses of `peer`. An empty list: the peer does not listen. `None`: not known, or the node stops.
    pub(crate) async fn look_up(&self, node: &Arc<Inner>, peer: &NodeId) -> Option<Vec<Text>> {
        let (sender, found) = oneshot::channel();
        self.step(node, |state, _| {
            if !state.closed {
                let waiting = state.lookups.entry(peer.clone()).or_default();
                waiting.push(sender);
                state.machine.find(peer);
            }
        });
        let _guard = LookupGuard { driver: self, peer };
        found.await.ok().flatten()
    }

    /// Sends the content of a family and its changes to `feed` from now on.
    pub(super) fn watch(&self, node: &Arc<Inner>, family: &Text, feed: &Arc<Feed>) {
        self.step(node, |state, _| {
            if state.closed {
                return feed.close();
            }
            if let Some(content) = state.machine.watch(family) {
                feed.push(content);
            }
            let feeds = state.feeds.entry(family.clone()).or_default();
            feeds.push(Arc::downgrade(feed));
        });
    }

    /// A feed of this family was dropped.
    pub(super) fn unwatch(&self, node: &Arc<Inner>, family: &Text) {
        if is_held() {
            let (node, family) = (node.clone(), family.clone());
            return when_released(move || node.directory.unwatch(&node, &family));
        }
        self.step(node, |state, _| {
            let Some(feeds) = state.feeds.get_mut(family) else {
                return;
            };
            feeds.retain(|feed| feed.strong_count() > 0);
            if feeds.is_empty() {
                state.feeds.remove(family);
                state.machine.unwatch(family);
            }
        });
    }
}

/// Cancels an address lookup when its last receiver is dropped.
struct LookupGuard<'a> {
    driver: &'a Driver,
    peer: &'a NodeId,
}

impl Drop for LookupGuard<'_> {
    fn drop(&mut self) {
        let mut state = self.driver.lock();
        let Some(waiting) = state.lookups.get_mut(self.peer) else {
            return;
        };
        waiting.retain(|sender| !sender.is_closed());
        if waiting.is_empty() {
            state.lookups.remove(self.peer);
            state.machine.cancel_find(self.peer);
        }
    }
}
