//! What programs on this node do with the directory.

use std::collections::BTreeMap;
use std::time::Duration;

use super::entry::size_of_entry;
use super::machine::{Machine, Question, Role};
use super::name::{self, LISTENERS};
use super::output::Output;
use super::request::{self, Query};
use super::watched::Change;
use crate::{NodeId, Text, Value};

/// Why an entry of this node's own is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refused {
    /// The name of the family is no name that programs may use.
    Family,
    /// The value is more than JSON can carry; what that is.
    NotJson(String),
    /// Key and value are larger than an entry may be.
    TooLarge {
        /// Their size in bytes.
        bytes: usize,
        /// The limit in bytes.
        limit: usize,
    },
}

impl Machine {
    /// Holds `key` with `value` in the name of this node.
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
        let (bytes, limit) = (size_of_entry(&key, &value), self.settings.largest_entry());
        if bytes > limit {
            return Err(Refused::TooLarge { bytes, limit });
        }
        self.hold(now, family, key, value);
        self.pump(now);
        Ok(())
    }

    /// This node listens there. One that listens nowhere has no entry: a log catcher of AnyEvent::MP would try it for ever
    /// (protocol.md section 5).
    pub fn listens(&mut self, now: Duration, addresses: Vec<Text>) {
        let (family, key) = (Text::from_static(LISTENERS), self.own.as_str().into());
        let addresses: Vec<Value> = addresses.into_iter().map(Value::from).collect();
        match addresses.is_empty() {
            true => self.release(now, &family, key),
            false => self.hold(now, &family, key, addresses.into()),
        }
        self.pump(now);
    }

    /// Holds these no longer.
    pub fn delete(&mut self, now: Duration, family: &Text, keys: &[Text]) {
        for key in keys {
            self.release(now, family, key.clone());
        }
        self.pump(now);
    }

    /// Holds an entry in this node's name, of any family.
    pub(super) fn hold(&mut self, now: Duration, family: &Text, key: Text, value: Value) {
        let told = self.store.set(&self.own, family, key.clone(), value);
        self.tell(now, family, key, told);
    }

    /// Holds it no longer, if it did.
    pub(super) fn release(&mut self, now: Duration, family: &Text, key: Text) {
        if self.store.holds(&self.own, family, &key) {
            let told = self.store.delete(&self.own, family, &key);
            self.tell(now, family, key, told);
        }
    }

    /// Asks what is in a family. The answer comes as an output; it may take until there is a master.
    pub fn ask(&mut self, id: u64, query: Query, family: Text) {
        if self.knows_all() {
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

    /// Nobody waits for the answer any more.
    pub fn give_up(&mut self, id: u64) {
        self.questions.remove(&id);
    }

    /// Asks where a node listens.
    pub fn find(&mut self, node: &NodeId) {
        if self.knows_all() {
            let addresses = self.listeners(node);
            let node = node.clone();
            self.push(Output::Found { node, addresses });
        } else if self.sought.insert(node.clone()) {
            self.ask_master(request::find(node));
        }
    }

    /// Nobody waits for that any more.
    pub fn give_up_finding(&mut self, node: &NodeId) {
        self.sought.remove(node);
    }

    /// Where `node` listens, if that is known; nowhere, if it is connected to us and has not said.
    pub(super) fn listeners(&self, node: &NodeId) -> Option<Vec<Text>> {
        match self.store.seen(LISTENERS, node.as_str()) {
            Some(seen) => request::addresses(seen),
            None => {
                let peer = self.peers.get(node);
                let registered = peer.is_some_and(|peer| peer.slave || peer.global);
                registered.then(Vec::new)
            }
        }
    }

    /// Whether others can connect to `node`. `None` where this node does not know what all have said.
    pub fn is_reachable(&self, node: &NodeId) -> Option<bool> {
        let is_global = self.role == Role::Global && self.knows_all();
        let listens = || self.listeners(node).is_some_and(|at| !at.is_empty());
        is_global.then(listens)
    }

    /// Begins to watch a family for the programs here, if it is not watched yet. Its content is given, or comes as an
    /// output.
    pub fn watch(&mut self, family: &Text) -> Option<Change> {
        if let Some(watched) = self.watched.get(family) {
            return watched.begin();
        }
        let content = self.knows_all().then(|| self.content(family));
        let watched = self.watched.entry(family.clone()).or_default();
        if let Some(content) = content {
            return watched.content(content);
        }
        self.ask_master(request::watch(family));
        None
    }

    /// No program watches the family any more.
    pub fn unwatch(&mut self, family: &Text) {
        if self.watched.remove(family).is_some() {
            self.ask_master(request::unwatch(family));
        }
    }

    /// All that is seen in a family.
    fn content(&self, family: &str) -> BTreeMap<Text, Value> {
        let entries = self.store.family(family);
        entries
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect()
    }

    /// All that the network holds is known now: answers what is open, and tells of what is watched.
    pub(super) fn answer_all(&mut self, now: Duration) {
        for (question, Question { query, family }) in std::mem::take(&mut self.questions) {
            let answer = query.answer(self.store.family(&family));
            self.push(Output::Answer { question, answer });
        }
        for node in std::mem::take(&mut self.sought) {
            let addresses = self.listeners(&node);
            self.push(Output::Found { node, addresses });
        }
        let families: Vec<Text> = self.watched.keys().cloned().collect();
        for family in families {
            let content = self.content(&family);
            let watched = self.watched.get_mut(&family);
            let change = watched.and_then(|watched| watched.content(content));
            self.push_change(family, change);
        }
        self.pump(now);
    }
}
