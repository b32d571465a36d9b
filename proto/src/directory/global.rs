//! The global role: slaves, other global nodes, and the watches and queries of peers.

use std::collections::BTreeSet;
use std::time::Duration;

use super::backlog::Source;
use super::entry::size_of_entry;
use super::machine::{Machine, Role};
use super::name::{self, GLOBALS, LISTENERS};
use super::output::{Level, Output};
use super::request::{self, QueryKind, Update};
use super::work::Task;
use crate::{NodeId, Text, Value};

/// Addresses in one entry of the family of listeners.
const MAX_ADDRESSES: usize = 64;

/// Global nodes that one global node can name.
const MAX_GLOBALS: usize = 1000;

impl Machine {
    /// Takes the global role. A node keeps it until it stops.
    pub fn become_global(&mut self, now: Duration) {
        if std::mem::replace(&mut self.role, Role::Global) == Role::Global {
            return;
        }
        self.start_settling(now);
        self.to_network.clear();
        let peers = self.peers.values_mut();
        peers.for_each(|peer| peer.backlog.cancel_all(Source::Ours));
        let own = Text::from(self.own.as_str());
        self.set_own_entry(now, &Text::from_static(GLOBALS), own, Value::Null);
        let peers: Vec<(NodeId, bool)> = self
            .peers
            .iter()
            .map(|(node, peer)| (node.clone(), peer.global))
            .collect();
        let to: Vec<NodeId> = peers.iter().map(|(node, _)| node.clone()).collect();
        self.send_to_all(to, request::global());
        for (node, _) in peers.into_iter().filter(|(_, global)| *global) {
            self.join_global(now, &node);
        }
        self.end_settling_if_done(now);
        self.flush_due(now);
    }

    pub(super) fn handle_global(&mut self, from: &NodeId) -> Result<(), String> {
        let Some(peer) = self.peers.get_mut(from) else {
            return Ok(());
        };
        if peer.global {
            return Err(String::from("it has said before that it is a global node"));
        }
        let watches = std::mem::take(&mut peer.watches);
        // A global node has no master: it watches nothing here, and sends its entries again.
        peer.backlog.cancel_all(Source::Visible);
        self.forget_watches(from, &watches);
        self.prepend_task(from, Task::MarkGlobal);
        self.prepend_task(from, Task::Forget);
        Ok(())
    }

    /// A peer has sent `g_global`, and its entries are deleted: treats it as a global node.
    pub(super) fn mark_global(&mut self, now: Duration, node: &NodeId) {
        let Some(peer) = self.peers.get_mut(node) else {
            return;
        };
        peer.slave = false;
        peer.global = true;
        if self.role == Role::Global {
            self.join_global(now, node);
        }
    }

    /// This node and `node` are both global: sends our entries and expects those of `node`.
    fn join_global(&mut self, now: Duration, node: &NodeId) {
        self.store.add_owner(node, false);
        self.wait_for(node);
        self.mesh.add_connected(now, node);
        self.keep(node, true);
        let key = Text::from(node.as_str());
        self.set_own_entry(now, &Text::from_static(GLOBALS), key, Value::Null);
        self.send_database(now, node);
        self.expect_set(now, node);
    }

    /// A global node is disconnected.
    pub(super) fn remove_global(&mut self, now: Duration, node: &NodeId) {
        self.delete_own_entry(now, &Text::from_static(GLOBALS), node.as_str().into());
        self.delete_own_entry(now, &Text::from_static(LISTENERS), node.as_str().into());
    }

    pub(super) fn handle_slave(
        &mut self,
        now: Duration,
        from: &NodeId,
        families: Vec<(Value, Value)>,
    ) -> Result<(), String> {
        self.become_global(now);
        let Some(peer) = self.peers.get_mut(from) else {
            return Ok(());
        };
        if peer.global {
            return Err(String::from("a global node is its own master"));
        }
        peer.slave = true;
        let perl = peer.perl;
        if perl {
            // Nodes of this project keep the connection to their seed open themselves.
            self.keep(from, true);
        }
        self.store.add_owner(from, true);
        self.begin_replacement(from, families, false);
        Ok(())
    }

    pub(super) fn handle_set(
        &mut self,
        from: &NodeId,
        families: Vec<(Value, Value)>,
    ) -> Result<(), String> {
        self.expect_global(from)?;
        self.silences.set_received(from);
        self.begin_replacement(from, families, true);
        Ok(())
    }

    /// All entries of a `g_set` are stored.
    pub(super) fn handle_database_done(&mut self, now: Duration, from: &NodeId) {
        // The entries may name further global nodes, which send theirs as well.
        self.step_mesh(now);
        // A full `g_set` is followed by updates; then settling ends by time.
        if self.store.usage(from).bytes < self.settings.max_batch() {
            self.stop_waiting_for(now, from);
        }
    }

    fn expect_global(&self, from: &NodeId) -> Result<(), String> {
        match self.peers.get(from) {
            Some(peer) if peer.global && self.role == Role::Global => Ok(()),
            Some(peer) if !peer.global => Err(String::from("it is not a global node")),
            _ => Err(String::from("this node is not a global node")),
        }
    }

    pub(super) fn handle_update(&mut self, from: &NodeId, update: Update) -> Result<(), String> {
        let perl = match self.peers.get(from) {
            Some(peer) if peer.slave => peer.perl,
            Some(peer) if peer.perl && !peer.global => {
                // An AnyEvent::MP seed sends updates when it is dialled, and then all its entries.
                let why = "a change before it has said that it is global";
                self.reject(from, Level::Debug, why);
                return Ok(());
            }
            Some(peer) => {
                let perl = peer.perl;
                self.expect_global(from)?;
                perl
            }
            None => return Ok(()),
        };
        self.begin_update(from, update, perl);
        Ok(())
    }

    /// Sets an entry of `from`, within the limits. If the entry is rejected, the old value of the key is deleted,
    /// because it is outdated.
    pub(super) fn set_entry(
        &mut self,
        now: Duration,
        from: &NodeId,
        family: &Text,
        key: Value,
        value: Value,
    ) -> Result<(), &'static str> {
        let Some(peer) = self.peers.get(from) else {
            return Err("its connection is lost");
        };
        let global = peer.global;
        let perl = peer.perl;
        let key = name::key(key, perl).inspect_err(|_| self.spend(0))?;
        let value = match *family == *GLOBALS {
            true => Value::Null,
            false => name::value(value, perl),
        };
        let size = size_of_entry(&key, &value);
        self.spend(size);
        if let Err(why) = self.check_limits(from, global, family, &key, &value, size) {
            if self.store.holds(from, family, &key) {
                self.remove_entry(now, from, family, key);
            }
            return Err(why);
        }
        if *family == *LISTENERS && global && *key == *from.as_str() {
            let addresses = request::addresses(&value);
            self.mesh.set_addresses(from, addresses.unwrap_or_default());
            // Global nodes that are not connected to the peer learn its addresses from this node (protocol.md section
            // 6).
            self.set_own_entry(now, family, key.clone(), value.clone());
        }
        let affected = self.store.set(from, family, key.clone(), value);
        self.queue_change(now, family, key, affected);
        Ok(())
    }

    /// Checks an entry of `from` against the limits. `size` is its size in bytes.
    fn check_limits(
        &self,
        from: &NodeId,
        global: bool,
        family: &Text,
        key: &Text,
        value: &Value,
        size: usize,
    ) -> Result<(), &'static str> {
        match family.as_str() {
            LISTENERS if !is_addresses(value) => {
                return Err("listeners are arrays of at most 64 addresses");
            }
            // A global node also sends the entries of its slaves.
            LISTENERS | GLOBALS if !global && **key != *from.as_str() => {
                return Err("a node's own entries are not for another to set");
            }
            _ => {}
        }
        name::expect_json(value)?;
        if size > self.settings.max_entry() {
            return Err("an entry is too large (directory.entry)");
        }

        let times = if global {
            self.settings.limits.of_global
        } else {
            1
        };
        let limits = &self.settings.limits;
        let usage = self.store.usage(from);
        let before = self.store.held(from, family, key);
        if before.is_none() && usage.keys >= limits.keys.saturating_mul(times) {
            return Err("it holds too many keys (directory.keys)");
        }
        let before_size = before.map_or(0, |before| size_of_entry(key, before));
        if usage.bytes - before_size + size > limits.bytes.saturating_mul(times) {
            return Err("it holds too many bytes (directory.bytes)");
        }
        let all = self.store.usage_of_others();
        if before.is_none() && all.keys >= limits.keys.saturating_mul(limits.of_all) {
            return Err("all peers together hold too many keys (directory.of_all)");
        }
        if all.bytes - before_size + size > limits.bytes.saturating_mul(limits.of_all) {
            return Err("all peers together hold too many bytes (directory.of_all)");
        }
        let mut others = self.store.held_by(from, family);
        if before.is_none() {
            if *family == *GLOBALS && others.by_ref().take(MAX_GLOBALS).count() == MAX_GLOBALS {
                return Err("it names too many global nodes");
            }
            if usage.families >= limits.families.saturating_mul(times) && others.next().is_none() {
                return Err("it holds keys in too many families (directory.families)");
            }
        }
        Ok(())
    }

    pub(super) fn remove_entry(&mut self, now: Duration, from: &NodeId, family: &Text, key: Text) {
        if faulty!(DeletionIgnored) {
            return;
        }
        if *family == *LISTENERS && key == *from.as_str() {
            self.delete_own_entry(now, family, key.clone());
        }
        let affected = self.store.delete(from, family, &key);
        self.queue_change(now, family, key, affected);
    }

    /// Fails unless this node is global.
    fn expect_role(&self) -> Result<(), String> {
        match self.role {
            Role::Global => Ok(()),
            _ => Err(String::from("this node is not a global node")),
        }
    }

    pub(super) fn handle_find(&mut self, from: &NodeId, node: Text) -> Result<(), String> {
        self.expect_role()?;
        let addresses = NodeId::new(&node).ok();
        let addresses = addresses.and_then(|node| self.listeners(&node));
        self.send(from, request::found(node, addresses));
        Ok(())
    }

    pub(super) fn handle_query(
        &mut self,
        from: &NodeId,
        query: QueryKind,
        family: &Text,
        id: Value,
    ) -> Result<(), String> {
        self.expect_role()?;
        let mut bytes = 0;
        let limit = self.settings.max_reply();
        let fits = self.store.family(family).all(|(key, value)| {
            bytes += size_of_entry(key, value);
            bytes <= limit
        });
        if !fits {
            return Err(format!(
                "it asks for more of {family:?} than fits into a message; it can be watched"
            ));
        }
        let answer = query.answer(self.store.family(family));
        self.send(from, request::reply(id, answer));
        Ok(())
    }

    pub(super) fn handle_watch(
        &mut self,
        now: Duration,
        from: &NodeId,
        family: Text,
    ) -> Result<(), String> {
        self.expect_role()?;
        let watched = self.watchers.get(&family);
        let new = !watched.is_some_and(|watchers| watchers.contains(from));
        let limit = self.settings.limits.watches;
        if let Some(peer) = self.peers.get_mut(from)
            && new
        {
            if peer.watches.len() >= limit {
                return Err(format!(
                    "it watches more than {limit} families (directory.watches)"
                ));
            }
            peer.watches.insert(family.clone());
        }
        self.watchers
            .entry(family.clone())
            .or_default()
            .insert(from.clone());
        self.send_family(now, from, family);
        Ok(())
    }

    pub(super) fn handle_unwatch(&mut self, from: &NodeId, family: &Text) -> Result<(), String> {
        let Some(watchers) = self.watchers.get_mut(family) else {
            return Err(String::from("it does not watch this family"));
        };
        if !watchers.remove(from) {
            return Err(String::from("it does not watch this family"));
        }
        if watchers.is_empty() {
            self.watchers.remove(family);
        }
        if let Some(peer) = self.peers.get_mut(from) {
            peer.watches.remove(family);
            peer.backlog.cancel(family);
        }
        Ok(())
    }

    pub(super) fn forget_watches(&mut self, node: &NodeId, watches: &BTreeSet<Text>) {
        for family in watches {
            if let Some(watchers) = self.watchers.get_mut(family)
                && watchers.remove(node)
                && watchers.is_empty()
            {
                self.watchers.remove(family);
            }
        }
    }

    /// Updates the set of known global nodes, and connects to those that are due.
    pub(super) fn step_mesh(&mut self, now: Duration) {
        if self.role != Role::Global {
            return;
        }
        if std::mem::take(&mut self.mesh_changed) {
            let own = self.own.as_str();
            let named = self.store.family(GLOBALS).map(|(key, _)| key);
            let named = named.filter(|key| ***key != *own);
            let named = named.filter_map(|key| NodeId::new(key).ok());
            let peers = &self.peers;
            self.mesh
                .set_named(now, named, |node| peers.contains_key(node));
        }
        for (node, mut addresses) in self.mesh.take_due(now, self.settings.monitor_timeout) {
            let seen = self.listeners(&node).unwrap_or_default();
            if !seen.is_empty() {
                addresses = seen;
            }
            if !addresses.is_empty() {
                self.wait_for(&node);
                self.push(Output::Connect { node, addresses });
            }
        }
    }
}

fn is_addresses(value: &Value) -> bool {
    let is_text = |item: &Value| item.as_str().is_some();
    let items = value.as_array();
    items.is_some_and(|items| items.len() <= MAX_ADDRESSES && items.iter().all(is_text))
}
