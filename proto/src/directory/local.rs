//! The calls of programs on this node.

use std::collections::BTreeMap;
use std::time::Duration;

use super::entry::size_of_entry;
use super::machine::{Machine, Question, Role};
use super::name::{self, LISTENERS};
use super::output::Output;
use super::request::{self, QueryKind};
use super::watched::Change;
use crate::{NodeId, Text, Value};

/// Why this node cannot hold an entry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// Programs cannot write to a family of this name.
    Family,
    /// JSON cannot represent this part of the value.
    NotJson(String),
    /// Key and value together exceed the limit for an entry.
    TooLarge {
        /// Their size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

impl Machine {
    /// Sets `key` to `value` as an entry of this node.
    ///
    /// # Errors
    /// The entry is invalid or too large.
    pub fn set(
        &mut self,
        now: Duration,
        family: &Text,
        key: Text,
        value: Value,
    ) -> Result<(), Refused> {
        if !name::is_family(family) {
            return Err(Refused::Family);
        }
        if let Some(what) = name::not_json(&value) {
            return Err(Refused::NotJson(what));
        }
        let (bytes, limit) = (size_of_entry(&key, &value), self.settings.max_entry());
        if bytes > limit {
            return Err(Refused::TooLarge { bytes, limit });
        }
        self.set_own_entry(now, family, key, value);
        self.flush_due(now);
        Ok(())
    }

    /// This node listens at these addresses. A node that does not listen has no entry, because a log catcher of
    /// AnyEvent::MP would try to connect to it for ever ([protocol.md section 5]).
    ///
    /// [protocol.md section 5]: crate::protocol#5-the-node-port--and-the-node-protocol
    pub fn listens(&mut self, now: Duration, addresses: Vec<Text>) {
        let (family, key) = (Text::from_static(LISTENERS), self.own.as_str().into());
        let addresses: Vec<Value> = addresses.into_iter().map(Value::from).collect();
        match addresses.is_empty() {
            true => self.delete_own_entry(now, &family, key),
            false => self.set_own_entry(now, &family, key, addresses.into()),
        }
        self.flush_due(now);
    }

    /// Deletes entries of this node.
    pub fn delete(&mut self, now: Duration, family: &Text, keys: &[Text]) {
        for key in keys {
            self.delete_own_entry(now, family, key.clone());
        }
        self.flush_due(now);
    }

    /// Sets an entry of this node, in any family.
    pub(super) fn set_own_entry(&mut self, now: Duration, family: &Text, key: Text, value: Value) {
        let affected = self.store.set(&self.own, family, key.clone(), value);
        self.queue_change(now, family, key, affected);
    }

    /// Deletes an entry of this node, if it exists.
    pub(super) fn delete_own_entry(&mut self, now: Duration, family: &Text, key: Text) {
        if self.store.holds(&self.own, family, &key) {
            let affected = self.store.delete(&self.own, family, &key);
            self.queue_change(now, family, key, affected);
        }
    }

    /// Queries a family. The answer is an [`Output::Answer`] with this ID, at the latest when there is a master.
    pub fn ask(&mut self, id: u64, query: QueryKind, family: Text) {
        if self.is_complete() {
            let answer = query.answer(self.store.family(&family));
            self.push(Output::Answer {
                question: id,
                answer,
            });
            return;
        }
        self.ask_master(request::query(query, &family, id));
        self.questions.insert(id, Question { query, family });
    }

    /// Cancels a query: its answer is not needed.
    pub fn cancel_ask(&mut self, id: u64) {
        self.questions.remove(&id);
    }

    /// Looks up the addresses of a node. The answer is an [`Output::Found`].
    pub fn find(&mut self, node: &NodeId) {
        if self.is_complete() {
            let addresses = self.listeners(node);
            let node = node.clone();
            self.push(Output::Found { node, addresses });
        } else if self.lookups.insert(node.clone()) {
            self.ask_master(request::find(node));
        }
    }

    /// Cancels a lookup: its answer is not needed.
    pub fn cancel_find(&mut self, node: &NodeId) {
        self.lookups.remove(node);
    }

    /// The addresses of `node`: empty if the node does not listen, `None` if they are unknown. A slave or global node
    /// that is connected to us and has no entry does not listen.
    pub(super) fn listeners(&self, node: &NodeId) -> Option<Vec<Text>> {
        match self.store.visible(LISTENERS, node.as_str()) {
            Some(seen) => request::addresses(seen),
            None => {
                let peer = self.peers.get(node);
                let registered = peer.is_some_and(|peer| peer.slave || peer.global);
                registered.then(Vec::new)
            }
        }
    }

    /// Whether other nodes can connect to `node`, that is whether it listens. `None` unless this node is global and
    /// settled.
    pub fn is_reachable(&self, node: &NodeId) -> Option<bool> {
        let is_global = self.role == Role::Global && self.is_complete();
        let listens = || self.listeners(node).is_some_and(|at| !at.is_empty());
        is_global.then(listens)
    }

    /// Watches a family for programs on this node. Returns the content if it is known; otherwise it comes as an
    /// [`Output::Changed`].
    pub fn watch(&mut self, family: &Text) -> Option<Change> {
        if let Some(watched) = self.watched.get(family) {
            return watched.whole_content();
        }
        let content = self.is_complete().then(|| self.content(family));
        let watched = self.watched.entry(family.clone()).or_default();
        if let Some(content) = content {
            return watched.set_content(content);
        }
        self.ask_master(request::watch(family));
        None
    }

    /// Stops watching a family: no program watches it.
    pub fn unwatch(&mut self, family: &Text) {
        if self.watched.remove(family).is_some() {
            self.ask_master(request::unwatch(family));
        }
    }

    /// The visible values of a family.
    fn content(&self, family: &str) -> BTreeMap<Text, Value> {
        let entries = self.store.family(family);
        entries
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// The store has all entries of the network now: answers open queries, and sends the content of watched families.
    pub(super) fn answer_all(&mut self, now: Duration) {
        for (question, Question { query, family }) in std::mem::take(&mut self.questions) {
            let answer = query.answer(self.store.family(&family));
            self.push(Output::Answer { question, answer });
        }
        for node in std::mem::take(&mut self.lookups) {
            let addresses = self.listeners(&node);
            self.push(Output::Found { node, addresses });
        }
        let families: Vec<Text> = self.watched.keys().cloned().collect();
        for family in families {
            let content = self.content(&family);
            let watched = self.watched.get_mut(&family);
            let change = watched.and_then(|watched| watched.set_content(content));
            self.push_change(family, change);
        }
        self.flush_due(now);
    }
}
