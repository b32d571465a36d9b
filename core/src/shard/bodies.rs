//! `Bodies`: the messages of a chunk, taken apart as they are in it.

use std::vec::Drain;

use aemp_proto::message::Source;
use aemp_proto::token::Rest;

use super::item::{Len, UNKNOWN};
use crate::Message;
use crate::Value;

/// What the messages of a chunk consist of, each from the front.
pub(super) struct Bodies<'a> {
    pub(super) values: Drain<'a, Value>,
    pub(super) bytes: &'a [u8],
    pub(super) source: Option<Source>,
    /// A message was announced that is not there, or without a source before it.
    pub(super) broken: bool,
}

impl Bodies<'_> {
    /// The next message from a peer, in memory of its own. `None` only in a chunk that is broken.
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

    /// That the chunk holds what its items announce, for that costs messages or gives them to the wrong port. Not inside a
    /// port's guard: it is the shard that fails.
    #[inline]
    pub(super) fn check(&self, whole: bool) {
        assert!(
            whole && !self.broken,
            "a chunk does not hold what it announces"
        );
    }
}
