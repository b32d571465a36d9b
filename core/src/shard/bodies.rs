//! `Bodies`: reads the messages of a chunk out of its shared buffers.

use std::vec::Drain;

use aemp_proto::message::Source;
use aemp_proto::token::Rest;

use super::item::{Len, UNKNOWN};
use super::pools::Pools;
use crate::port::Pool;
use crate::{Message, Value};

/// The values and bytes of a chunk's messages. Messages are read from the front.
pub(super) struct Bodies<'a> {
    pub(super) values: Drain<'a, Value>,
    pub(super) bytes: &'a [u8],
    pub(super) moved: &'a mut Pools,
    pub(super) source: Option<Source>,
    /// An item announced a message that the chunk does not hold, or that no source precedes.
    pub(super) broken: bool,
}

impl Bodies<'_> {
    /// The next message from a peer, copied into its own allocation. `None` only if the chunk is broken.
    #[inline]
    pub(super) fn wire(&mut self, at: u32, left: u32) -> Option<Message> {
        let message = self.next_wire(at, left);
        self.broken |= message.is_none();
        message
    }

    #[inline]
    fn next_wire(&mut self, at: u32, left: u32) -> Option<Message> {
        let (len, behind) = self.bytes.split_first_chunk()?;
        let (bytes, behind) = behind.split_at_checked(Len::from_ne_bytes(*len) as usize)?;
        self.bytes = behind;
        let rest = Rest::new(at as usize, (left != UNKNOWN).then_some(left as usize));
        Some(self.source?.message(bytes, rest))
    }

    /// The pool at `index`, whose first `times` values are the next messages. `None` only if the chunk is broken.
    #[inline]
    pub(super) fn pool(&mut self, index: u32, times: u32) -> Option<&mut dyn Pool> {
        let pool = self.moved.at(index, times);
        self.broken |= pool.is_none();
        pool
    }

    /// Asserts that the chunk holds the messages that its items announce; otherwise messages are lost or reach the wrong
    /// port. Called outside of a port's guard, so that the shard fails and not the port.
    #[inline]
    pub(super) fn check(&self, whole: bool) {
        assert!(
            whole && !self.broken,
            "a chunk does not hold what it announces"
        );
    }
}
