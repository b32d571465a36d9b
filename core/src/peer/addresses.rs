//! `Addresses`: the addresses of a peer.

use std::sync::{Arc, MutexGuard, PoisonError};

use super::Peer;
use crate::Address;

/// The addresses of one peer.
#[derive(Default)]
pub(super) struct Addresses {
    known: Vec<Address>,
    /// Addresses from the directory, for the next attempt.
    discovered: Vec<Address>,
    /// The address of the last connection.
    reached_at: Option<Address>,
    /// The directory knows the addresses of the peer.
    is_discoverable: bool,
}

impl Addresses {
    pub(super) fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// Whether this node can connect to the peer again after its connection is closed.
    pub(super) fn can_reconnect(&self) -> bool {
        self.is_discoverable || !self.known.is_empty()
    }
}

impl Peer {
    pub(super) fn addresses_lock(&self) -> MutexGuard<'_, Addresses> {
        self.addresses
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to the peer at `addresses`, unless it is connected or connecting.
    pub(crate) fn connect_to(self: &Arc<Self>, addresses: Vec<Address>) {
        self.addresses_lock().discovered = addresses;
        self.with_machine(|machine| machine.want_connection());
    }

    /// Records that the directory knows the addresses of this peer and can be asked again.
    pub(crate) fn set_discoverable(&self) {
        self.addresses_lock().is_discoverable = true;
    }

    /// Takes the addresses from the directory. They are used once, because they may have changed by the next attempt.
    pub(crate) fn take_discovered(&self) -> Vec<Address> {
        std::mem::take(&mut self.addresses_lock().discovered)
    }

    /// The addresses to connect to: first the one of the last connection, then the others in the order in which they were
    /// given.
    pub(crate) fn addresses(&self) -> Vec<Address> {
        let addresses = self.addresses_lock();
        let mut known = addresses.known.clone();
        // Stable; `false` sorts first.
        known.sort_by_key(|address| Some(address) != addresses.reached_at.as_ref());
        known
    }

    /// Records that a connection was made to `address`.
    pub(crate) fn reached_at(&self, address: &Address) {
        self.addresses_lock().reached_at = Some(address.clone());
    }

    pub(crate) fn add_address(&self, address: Address) {
        self.addresses_lock().known.push(address);
    }

    pub(crate) fn set_addresses(&self, addresses: Vec<Address>) {
        self.addresses_lock().known = addresses;
    }
}
