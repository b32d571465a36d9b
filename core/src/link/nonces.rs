//! `Nonces`: the nonces that a node has sent recently, by which it detects a connection to itself.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::handshake::{Nonce, Role};

/// Nonces kept: more than there can be openings at a time.
const CAPACITY: usize = 1024;

/// The nonces of a node's latest openings. Any peer can claim the ID of this node, but only this node, or a relay of its
/// bytes, can send one of these nonces.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<VecDeque<(Nonce, Role)>>);

impl Nonces {
    pub(super) fn remember(&self, nonce: Nonce, role: Role) {
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.truncate(CAPACITY - 1);
        nonces.push_front((nonce, role));
    }

    /// The role of this node in the opening in which it has sent `nonce`; `None` if it has not.
    pub(super) fn role(&self, nonce: &[u8]) -> Option<Role> {
        let nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let mut own = nonces.iter().filter(|(own, _)| own.as_bytes() == nonce);
        own.next().map(|(_, role)| *role)
    }
}
