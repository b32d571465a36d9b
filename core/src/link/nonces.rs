//! `Nonces`: the nonces that a node has sent lately, by which it knows itself when it meets itself.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::handshake::Nonce;

/// How many are remembered: more than connections can be opening at a time.
const LATELY: usize = 1024;

/// The nonces of a node's latest openings. Anyone can claim a node's ID, but who shows one of these on another
/// connection passes on what this node itself has just said.
#[derive(Default)]
pub(crate) struct Nonces(Mutex<VecDeque<Nonce>>);

impl Nonces {
    pub(super) fn remember(&self, nonce: Nonce) {
        let mut nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.truncate(LATELY - 1);
        nonces.push_front(nonce);
    }

    pub(super) fn contains(&self, nonce: &[u8]) -> bool {
        let nonces = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        nonces.iter().any(|own| own.as_bytes() == nonce)
    }
}
