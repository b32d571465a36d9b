//! The slave role: the master, what it is asked, and what it answers.

use std::time::Duration;

use super::left::Left;
use super::machine::{Machine, Role};
use super::name;
use super::output::Output;
use super::request::{self, Family, Update};
use crate::value::Values;
use crate::{NodeId, Text, Value};

impl Machine {
    /// A seed is connected.
    pub(super) fn greet_seed(&mut self, now: Duration, node: NodeId) {
        // It has to be a global node (protocol.md section 6).
        self.send(&node, request::be_global());
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.seed = true;
        }
        self.wait_for(&node);
        self.choose_master(now);
    }

    /// Takes a connected seed as the master, if there is none.
    pub(super) fn choose_master(&mut self, now: Duration) {
        if self.role != Role::Searching {
            return;
        }
        let seeds = self.peers.iter().filter(|(_, peer)| peer.seed);
        // One that has said that it is global can answer at once; of several, each node has its own favourite.
        let rank = |node: &NodeId| mixed(&self.own, node);
        let Some(master) = seeds.max_by_key(|(node, peer)| (peer.global, rank(node))) else {
            return;
        };
        let master = master.0.clone();
        self.role = Role::Slave(master.clone());
        self.to_network.clear();
        self.send_database(now, &master);
        let watches: Vec<_> = self.watched.keys().map(request::watch).collect();
        let queries: Vec<_> = self
            .questions
            .iter()
            .map(|(id, question)| request::query(question.query, &question.family, *id))
            .collect();
        let finds: Vec<_> = self.sought.iter().map(request::find).collect();
        for request in watches.into_iter().chain(queries).chain(finds) {
            self.ask_master(request);
        }
    }

    /// Sends the master a request, if there is one; what is open is repeated when there is.
    pub(super) fn ask_master(&mut self, request: Values) {
        if let Role::Slave(master) = &self.role {
            let master = master.clone();
            self.send(&master, request);
        }
    }

    fn expect_master(&self, from: &NodeId) -> Result<(), String> {
        match &self.role {
            Role::Slave(master) if master == from => Ok(()),
            _ => Err(String::from("it is not this node's master")),
        }
    }

    pub(super) fn on_found(
        &mut self,
        from: &NodeId,
        node: &Text,
        addresses: Option<Vec<Text>>,
    ) -> Result<(), String> {
        self.expect_master(from)?;
        let sought = NodeId::new(node)
            .ok()
            .and_then(|node| self.sought.take(&node));
        let Some(node) = sought else {
            return Err(String::from("nobody asked for this node"));
        };
        self.push(Output::Found { node, addresses });
        Ok(())
    }

    pub(super) fn on_reply(
        &mut self,
        from: &NodeId,
        id: &Value,
        answer: Value,
    ) -> Result<(), String> {
        self.expect_master(from)?;
        let id = match id {
            Value::Text(text) => text.parse().ok(),
            other => other.as_u64(),
        };
        let Some((question, _)) = id.and_then(|id| self.questions.remove_entry(&id)) else {
            return Err(String::from("nobody asked this"));
        };
        let perl = self.is_perl(from);
        let mut left = Left::default();
        let answer = match answer {
            Value::Map(map) => {
                let entries = entries(map.into_iter().collect(), perl, &mut left);
                let entries = entries.filter_map(|(key, value)| Some((key, value?)));
                Value::Map(entries.collect())
            }
            Value::Array(items) => {
                let items = items.into_iter().map(|item| name::value(item, perl));
                let fit = |item| left.take(name::expect_json(&item).map(|()| item));
                Value::Array(items.filter_map(fit).collect())
            }
            // A Perl master answers so for a family that it does not know.
            _ => Value::Null,
        };
        self.push(Output::Answer { question, answer });
        left.outcome()
    }

    pub(super) fn on_content(
        &mut self,
        from: &NodeId,
        (family, pairs): Family,
    ) -> Result<(), String> {
        self.expect_master(from)?;
        let perl = self.is_perl(from);
        let watched = self.watched.get_mut(&family);
        let watched = watched.ok_or_else(|| String::from("nobody watches this family"))?;
        let mut left = Left::default();
        let entries = entries(pairs, perl, &mut left);
        let content = entries.filter_map(|(key, value)| Some((key, value?)));
        let change = watched.content(content.collect());
        self.push_change(family, change);
        left.outcome()
    }

    pub(super) fn on_changed(&mut self, from: &NodeId, update: Update) -> Result<(), String> {
        self.expect_master(from)?;
        let perl = self.is_perl(from);
        let watched = self.watched.get_mut(&update.family);
        // A Perl master goes on after its slave was away (protocol.md section 6).
        let watched = watched.ok_or_else(|| String::from("nobody watches this family"))?;
        let mut left = Left::default();
        let mut keys: Vec<_> = entries(update.set, perl, &mut left).collect();
        let deleted = update.deleted.into_iter();
        keys.extend(deleted.filter_map(|key| Some((left.take(name::key(key, perl))?, None))));
        let change = watched.changed(keys.into_iter());
        self.push_change(update.family, change);
        left.outcome()
    }

    pub(super) fn is_perl(&self, node: &NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.perl)
    }
}

/// The entries of a family as a master tells them. Of a value that is refused, the old one is gone.
fn entries(
    pairs: Vec<(Value, Value)>,
    perl: bool,
    left: &mut Left,
) -> impl Iterator<Item = (Text, Option<Value>)> {
    pairs.into_iter().filter_map(move |(key, value)| {
        let (key, value) = left.take(name::entry(key, value, perl))?;
        Some((key, left.take(value)))
    })
}

/// A number that two nodes have together (FNV-1a), so that slaves spread over their seeds, and always the same way.
fn mixed(own: &NodeId, other: &NodeId) -> u64 {
    let bytes = own.as_str().bytes().chain(other.as_str().bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
