//! The slave role: the master, what it is asked, and what it answers.

use std::collections::BTreeMap;

use super::machine::{Machine, Output, Role};
use super::name;
use super::request::{self, Family, Update};
use crate::message::Values;
use crate::{NodeId, Text, Value};

impl Machine {
    /// A seed is connected.
    pub(super) fn greet_seed(&mut self, node: NodeId) {
        // It has to be a global node (protocol.md section 6).
        self.send(&node, request::be_global());
        if let Some(peer) = self.peers.get_mut(&node) {
            peer.seed = true;
        }
        self.wait_for(&node);
        self.choose_master();
    }

    /// Takes a connected seed as the master, if there is none.
    pub(super) fn choose_master(&mut self) {
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
        self.to_master.clear();
        self.send_database(&master, "g_slave");
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
            let to = vec![master.clone()];
            self.push(Output::Send { to, request });
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
        let answer = name::value(answer, self.is_perl(from));
        self.push(Output::Answer { question, answer });
        Ok(())
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
        let content: BTreeMap<Text, Value> = pairs
            .into_iter()
            .filter_map(|(key, value)| Some((name::key(key, perl)?, name::value(value, perl))))
            .collect();
        let change = watched.content(content);
        self.push_change(family, change);
        Ok(())
    }

    pub(super) fn on_changed(&mut self, from: &NodeId, update: Update) -> Result<(), String> {
        self.expect_master(from)?;
        let perl = self.is_perl(from);
        let watched = self.watched.get_mut(&update.family);
        // A Perl master goes on after its slave was away (protocol.md section 6).
        let watched = watched.ok_or_else(|| String::from("nobody watches this family"))?;
        let set = update.set.into_iter().filter_map(|(key, value)| {
            Some((name::key(key, perl)?, Some(name::value(value, perl))))
        });
        let deleted = update.deleted.into_iter();
        let deleted = deleted.filter_map(|key| Some((name::key(key, perl)?, None)));
        let change = watched.changed(set.chain(deleted));
        self.push_change(update.family, change);
        Ok(())
    }

    pub(super) fn is_perl(&self, node: &NodeId) -> bool {
        self.peers.get(node).is_some_and(|peer| peer.perl)
    }
}

/// A number that two nodes have together (FNV-1a), so that slaves spread over their seeds, and always the same way.
fn mixed(own: &NodeId, other: &NodeId) -> u64 {
    let bytes = own.as_str().bytes().chain(other.as_str().bytes());
    bytes.fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    })
}
