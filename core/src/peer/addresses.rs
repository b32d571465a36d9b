//! `Addresses`: where a peer can be reached.

use std::sync::Arc;

use super::Peer;
use crate::Address;

/// Where one peer can be reached.
#[derive(Default)]
pub(super) struct Addresses {
    known: Vec<Address>,
    /// Where the directory said that it listens, for the next attempt.
    found: Vec<Address>,
    /// The address that gave a connection last.
    reached_at: Option<Address>,
    /// The directory knows where it listens.
    is_findable: bool,
}

impl Addresses {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether a connection can be had again once this one is closed.
    pub(super) fn lead_back(&self) -> bool {
        self.is_findable || !self.known.is_empty()
    }
}

impl Peer {
    /// Connects to the peer at `addresses`, unless it is connected or about to be.
    pub(crate) fn connect_to(self: &Arc<Self>, addresses: Vec<Address>) {
        let mut state = self.lock();
        state.addresses.found = addresses;
        state.machine.want();
        self.settle(state);
    }

    /// The directory has said where this peer listens, and will again.
    pub(crate) fn can_be_found(&self) {
        self.lock().addresses.is_findable = true;
    }

    /// Where the directory has said that it listens, to be used once: it may listen elsewhere by the next time.
    pub(crate) fn take_found(&self) -> Vec<Address> {
        std::mem::take(&mut self.lock().addresses.found)
    }

    /// Where to connect to, best first: what worked last, then in the order given.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let state = self.lock();
        let mut known = state.addresses.known.clone();
        // Stable; `false` sorts first.
        known.sort_by_key(|address| Some(address) != state.addresses.reached_at.as_ref());
        known
    }

    /// `address` gave a connection.
    pub(crate) fn reached_at(&self, address: &Address) {
        self.lock().addresses.reached_at = Some(address.clone());
    }

    pub(crate) fn add_address(&self, address: Address) {
        self.lock().addresses.known.push(address);
    }

    pub(crate) fn set_addresses(&self, addresses: Vec<Address>) {
        self.lock().addresses.known = addresses;
    }
}
