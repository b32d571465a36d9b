//! `Roster`: the children of a supervisor by name. Shared by the handle, which adds and removes, and the keeper, which takes
//! these changes and is alone in removing entries: an entry has the index of the keeper's child.

use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

use super::Spec;
use crate::error::ChildError;
use crate::{PortId, Text};

pub(super) struct Roster(Mutex<State>);

struct State {
    entries: Vec<Entry>,
    ended: bool,
}

/// A child as the handle sees it.
pub(super) struct Entry {
    name: Text,
    port: Option<PortId>,
    /// Until the keeper has taken it.
    spec: Option<Spec>,
    /// The calls that wait for its removal. It is to be removed if there are any.
    removals: Vec<oneshot::Sender<()>>,
}

impl Entry {
    fn new(spec: Spec) -> Self {
        Self {
            name: spec.name.clone(),
            port: None,
            spec: Some(spec),
            removals: Vec::new(),
        }
    }

    /// Tells the calls that wait for it that it is removed.
    pub(super) fn removed(self) {
        for waiting in self.removals {
            // The call may have been dropped.
            let _ = waiting.send(());
        }
    }
}

impl Roster {
    pub(super) fn new(specs: Vec<Spec>) -> Self {
        Self(Mutex::new(State {
            entries: specs.into_iter().map(Entry::new).collect(),
            ended: false,
        }))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn port(&self, name: &str) -> Option<PortId> {
        let state = self.lock();
        let entry = state.entries.iter().find(|entry| entry.name == name);
        entry.and_then(|entry| entry.port.clone())
    }

    pub(super) fn ports(&self) -> Vec<PortId> {
        let state = self.lock();
        let ports = state.entries.iter().filter_map(|entry| entry.port.clone());
        ports.collect()
    }

    pub(super) fn add(&self, spec: Spec) -> Result<(), ChildError> {
        let mut state = self.lock();
        if state.ended {
            return Err(ChildError::Ended);
        }
        if state.entries.iter().any(|entry| entry.name == spec.name) {
            let name = spec.name.clone();
            return Err(ChildError::NameInUse { name });
        }
        state.entries.push(Entry::new(spec));
        Ok(())
    }

    /// Marks a child as to be removed. What it returns is told so; it fails when the supervisor ends before.
    pub(super) fn remove(&self, name: &str) -> Result<oneshot::Receiver<()>, ChildError> {
        let mut state = self.lock();
        if state.ended {
            return Err(ChildError::Ended);
        }
        let entry = state.entries.iter_mut().find(|entry| entry.name == name);
        let entry = entry.ok_or_else(|| ChildError::Unknown { name: name.into() })?;
        let (waiting, removed) = oneshot::channel();
        entry.removals.push(waiting);
        Ok(removed)
    }

    /// The children that were added since the last call, in their order behind the others, and the indices of those to remove.
    pub(super) fn changes(&self) -> (Vec<Spec>, Vec<usize>) {
        let mut state = self.lock();
        let entries = &mut state.entries;
        let added = entries.iter_mut().filter_map(|entry| entry.spec.take());
        let added = added.collect();
        let leaving = (0..entries.len()).filter(|at| !entries[*at].removals.is_empty());
        (added, leaving.collect())
    }

    pub(super) fn set_port(&self, at: usize, port: Option<PortId>) {
        self.lock().entries[at].port = port;
    }

    pub(super) fn take(&self, at: usize) -> Entry {
        self.lock().entries.remove(at)
    }

    /// The supervisor has ended. Returns the entries, which may hold values of the program.
    pub(super) fn end(&self) -> Vec<Entry> {
        let mut state = self.lock();
        state.ended = true;
        std::mem::take(&mut state.entries)
    }
}
