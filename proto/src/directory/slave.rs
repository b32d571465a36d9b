//! The slave role: the choice of the master, requests to it, and its answers.

use std::time::Duration;

use super::machine::{Machine, Role};
use super::name;
use super::output::Output;
use super::rejected::Rejected;
use super::request::{self, Family, Update};
use crate::value::Values;
use crate::{NodeId, Text, Value};

impl Machine {
    /// A seed is connected.
    pub(super) fn greet_seed(&mut self, now: Duration, node: NodeId) {
        // A seed must be a global node (protocol.md section 6).
        self.send(&node, request::be_global());
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.seed = true;
        }
        self.wait_for(&node);
        self.choose_master(now);
    }

    /// Chooses a master among the connected seeds, if the node is searching.
    pub(super) fn choose_master(&mut self, now: Duration) {
        if self.role != Role::Searching {
            return;
        }
        let seeds = self.peers.iter().filter(|(_, peer)| peer.seed);
        // A seed that has sent `g_global` can answer at once. Among equals the hash spreads nodes over the seeds.
        let rank = |node: &NodeId| pair_hash(&self.own, node);
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
        let finds: Vec<_> = self.lookups.iter().map(request::find).collect();
        for request in watches.into_iter().chain(queries).chain(finds) {
            self.ask_master(request);
        }
    }

    /// Sends a request to the master, if there is one. Open requests are repeated when a master is chosen.
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

    pub(super) fn handle_found(
        &mut self,
        from: &NodeId,
        node: &Text,
        addresses: Option<Vec<Text>>,
    ) -> Result<(), String> {
        self.expect_master(from)?;
        let sought = NodeId::new(node)
            .ok()
            .and_then(|node| self.lookups.take(&node));
        let Some(node) = sought else {
            return Err(String::from("nobody asked for this node"));
        };
        self.push(Output::Found { node, addresses });
        Ok(())
    }

    pub(super) fn handle_reply(
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
        let mut rejected = Rejected::default();
        let answer = match answer {
            Value::Map(map) => {
                let entries = entries(map.into_iter().collect(), perl, &mut rejected);
                let entries = entries.filter_map(|(key, value)| Some((key, value?)));
                Value::Map(entries.collect())
            }
            Value::Array(items) => {
                let items = items.into_iter().map(|item| name::value(item, perl));
                let fit = |item| rejected.accept(name::expect_json(&item).map(|()| item));
                Value::Array(items.filter_map(fit).collect())
            }
            // A Perl master answers null for an unknown family.
            _ => Value::Null,
        };
        self.push(Output::Answer { question, answer });
        rejected.into_result()
    }

    pub(super) fn handle_content(
        &mut self,
        from: &NodeId,
        (family, pairs): Family,
    ) -> Result<(), String> {
        self.expect_master(from)?;
        let perl = self.is_perl(from);
        let watched = self.watched.get_mut(&family);
        let watched = watched.ok_or_else(|| String::from("nobody watches this family"))?;
        let mut rejected = Rejected::default();
        let entries = entries(pairs, perl, &mut rejected);
        let content = entries.filter_map(|(key, value)| Some((key, value?)));
        let change = watched.set_content(content.collect());
        self.push_change(family, change);
        rejected.into_result()
    }

    pub(super) fn handle_changed(&mut self, from: &NodeId, update: Update) -> Result<(), String> {
        self.expect_master(from)?;
        let perl = self.is_perl(from);
        let watched = self.watched.get_mut(&update.family);
        // A Perl master also sends changes of families that this node watched before it lost the connection
        // (protocol.md section 6).
        let watched = watched.ok_or_else(|| String::from("nobody watches this family"))?;
        let mut rejected = Rejected::default();
        let mut keys: Vec<_> = entries(update.set, perl, &mut rejected).collect();
        let deleted = update.deleted.into_iter();
        keys.extend(deleted.filter_map(|key| Some((rejected.accept(name::key(key, perl))?, None))));
        let change = watched.apply_changes(keys.into_iter());
        self.push_change(update.family, change);
        rejected.into_result()
    }

    pub(super) fn is_perl(&self, node: &NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.perl)
    }
}

/// The entries of a family as the master sends them. A key whose value is rejected has none: its old value is outdated.
fn entries(
    pairs: Vec<(Value, Value)>,
    perl: bool,
    rejected: &mut Rejected,
) -> impl Iterator<Item = (Text, Option<Value>)> {
    pairs.into_iter().filter_map(move |(key, value)| {
        let (key, value) = rejected.accept(name::entry(key, value, perl))?;
        Some((key, rejected.accept(value)))
    })
}

/// A hash of a pair of node IDs (FNV-1a). It spreads slaves over their seeds, the same way each time.
fn pair_hash(own: &NodeId, other: &NodeId) -> u64 {
    let bytes = own.as_str().bytes().chain(other.as_str().bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
