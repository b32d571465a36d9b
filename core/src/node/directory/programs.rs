//! What programs and connectors want of the directory: entries set and registered, questions, watches of families.

use std::sync::Arc;

use aemp_proto::directory::{Query, Refused};
use tokio::sync::oneshot;

use super::driver::Driver;
use super::watch::Feed;
use crate::node::Inner;
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

    /// Sets an entry that stays until [`unregister`](Self::unregister) has been called as often.
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

    /// Asks what is in a family. Who drops the receiver calls [`give_up`](Self::give_up).
    pub(super) fn ask(
        &self,
        node: &Arc<Inner>,
        query: Query,
        family: Text,
    ) -> (u64, oneshot::Receiver<Value>) {
        let (answer, answered) = oneshot::channel();
        self.step(node, |state, _| {
            let id = state.next;
            state.next += 1;
            if !state.closed {
                state.questions.insert(id, answer);
                state.machine.ask(id, query, family);
            }
            (id, answered)
        })
    }

    pub(super) fn give_up(&self, id: u64) {
        let mut state = self.lock();
        state.questions.remove(&id);
        state.machine.cancel_ask(id);
    }

    /// Where `peer` listens, if the network knows; nowhere, if the list is empty. `None` as well if the node stops.
    pub(crate) async fn find(&self, node: &Arc<Inner>, peer: &NodeId) -> Option<Vec<Text>> {
        let (told, found) = oneshot::channel();
        self.step(node, |state, _| {
            if !state.closed {
                let waiting = state.sought.entry(peer.clone()).or_default();
                waiting.push(told);
                state.machine.find(peer);
            }
        });
        let _given_up = GivenUp { driver: self, peer };
        found.await.ok().flatten()
    }

    /// Lets `feed` be told of a family from now on.
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

    /// A feed of this family is gone.
    pub(super) fn unwatch(&self, node: &Arc<Inner>, family: &Text) {
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

/// Takes a question for a node's listeners back when the last who waits for it is gone.
struct GivenUp<'a> {
    driver: &'a Driver,
    peer: &'a NodeId,
}

impl Drop for GivenUp<'_> {
    fn drop(&mut self) {
        let mut state = self.driver.lock();
        let Some(waiting) = state.sought.get_mut(self.peer) else {
            return;
        };
        waiting.retain(|told| !told.is_closed());
        if waiting.is_empty() {
            state.sought.remove(self.peer);
            state.machine.cancel_find(self.peer);
        }
    }
}
