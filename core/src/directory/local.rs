//! What programs on this node do with the directory.

use std::collections::BTreeMap;
use std::time::Duration;

use super::machine::{Machine, Output, Question, Role};
use super::name::{self, LISTENERS};
use super::request::{self, Query};
use super::store::size_of_entry;
use super::watched::Change;
use crate::{NodeId, Text, Value};

/// Why an entry of this node's own is refused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Refused {
    Family,
    NotJson(String),
    TooLarge { bytes: usize, limit: usize },
}

impl Machine {
    /// Holds `key` with `value` in the name of this node.
    pub(crate) fn set(
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
        let own = self.own.clone();
        let told = self.store.set(&own, family, key.clone(), value);
        self.tell_own(now, family, key, told);
        self.pump(now);
        Ok(())
    }

    /// This node listens there.
    pub(crate) fn listens(&mut self, now: Duration, addresses: Vec<Text>) {
        let own = self.own.clone();
        let (family, key) = (Text::from_static(LISTENERS), Text::from(own.as_str()));
        let addresses: Vec<Value> = addresses.into_iter().map(Value::from).collect();
        let told = self.store.set(&own, &family, key.clone(), addresses.into());
        self.tell_own(now, &family, key, told);
        self.pump(now);
    }

    /// Holds these no longer.
    pub(crate) fn delete(&mut self, now: Duration, family: &Text, keys: &[Text]) {
        let own = self.own.clone();
        for key in keys {
            if self.store.holds(&own, family, key) {
                let told = self.store.delete(&own, family, key);
                self.tell_own(now, family, key.clone(), told);
            }
        }
        self.pump(now);
    }

    fn tell_own(&mut self, now: Duration, family: &Text, key: Text, told: super::store::Told) {
        if matches!(self.role, Role::Slave(_)) {
            self.to_master.changed(now, family, key.clone());
        }
        self.tell(now, family, key, told);
    }

    /// Asks what is in a family. The answer comes as an output; it may take until there is a master.
    pub(crate) fn ask(&mut self, id: u64, query: Query, family: Text) {
        if self.knows_all() {
            let answer = query.answer(self.store.family(&family));
            self.push(Output::Answer {
                question: id,
                answer,
            });
            return;
        }
        if let Role::Slave(master) = self.role.clone() {
            self.send(&master, request::query(query, &family, id));
        }
        self.questions.insert(id, Question { query, family });
    }

    /// Nobody waits for the answer any more.
    pub(crate) fn give_up(&mut self, id: u64) {
        self.questions.remove(&id);
    }

    /// Asks where a node listens.
    pub(crate) fn find(&mut self, node: &NodeId) {
        if self.knows_all() {
            let addresses = self.listeners(node);
            let node = node.clone();
            self.push(Output::Found { node, addresses });
        } else if self.sought.insert(node.clone())
            && let Role::Slave(master) = self.role.clone()
        {
            self.send(&master, request::find(node));
        }
    }

    /// Nobody waits for that any more.
    pub(crate) fn give_up_finding(&mut self, node: &NodeId) {
        self.sought.remove(node);
    }

    pub(super) fn listeners(&self, node: &NodeId) -> Vec<Text> {
        let seen = self.store.seen(LISTENERS, node.as_str());
        seen.map(request::addresses).unwrap_or_default()
    }

    /// Begins to watch a family for the programs here, if it is not watched yet. Its content is given, or comes as an
    /// output.
    pub(crate) fn watch(&mut self, family: &Text) -> Option<Change> {
        if let Some(watched) = self.watched.get(family) {
            return watched.begin();
        }
        let watched = self.watched.entry(family.clone()).or_default();
        match &self.role {
            Role::Slave(master) => {
                let master = master.clone();
                self.send(&master, request::watch(family));
                None
            }
            Role::Searching => None,
            Role::Global | Role::Alone => {
                if self.settling.is_some() {
                    return None;
                }
                let content = self.store.family(family);
                watched.content(
                    content
                        .map(|(key, value)| (key.clone(), value.clone()))
                        .collect(),
                )
            }
        }
    }

    /// No program watches the family any more.
    pub(crate) fn unwatch(&mut self, family: &Text) {
        if self.watched.remove(family).is_some()
            && let Role::Slave(master) = self.role.clone()
        {
            self.send(&master, request::unwatch(family));
        }
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
            let content: BTreeMap<Text, Value> = self
                .store
                .family(&family)
                .map(|(key, value)| (key.clone(), value.clone()))
                .collect();
            let change = self
                .watched
                .get_mut(&family)
                .and_then(|watched| watched.content(content));
            self.push_change(family, change);
        }
        self.pump(now);
    }
}
