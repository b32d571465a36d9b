//! `DeferredRequests`: requests of a peer that are answered when its queue has room.
//!
//! A request costs its sender some bytes and this node up to megabytes for the answer. So while the queue to the peer is
//! above its high-water mark, requests are deferred; other messages of the peer are processed. When too many requests are
//! deferred, the link stops reading, which slows the peer down. Two nodes that send requests to each other could deadlock
//! like that, so if the peer reads nothing either, further requests are refused.

use std::collections::VecDeque;

use aemp_proto::message::cost_of_message;

use crate::Message;

/// Deferred requests of one link at most.
const MAX_REQUESTS: usize = 1024;

/// Bytes of the deferred requests of one link, by the cost of their messages; no further request is deferred once it is reached.
const MAX_BYTES: usize = 256 << 10;

/// Bytes of the largest request that is deferred; common ones take some hundred.
const MAX_REQUEST_BYTES: usize = 8 << 10;

#[derive(Default)]
pub(crate) struct DeferredRequests {
    requests: VecDeque<Message>,
    bytes: usize,
    is_refusing: bool,
    is_behind: bool,
}

impl DeferredRequests {
    pub(crate) fn is_empty(&self) -> bool {
        self.requests.is_empty()
    }

    fn is_full(&self) -> bool {
        self.requests.len() >= MAX_REQUESTS || self.bytes >= MAX_BYTES
    }

    /// Whether reading has to stop until a request is answered or the directory has caught up.
    pub(crate) fn blocks_reading(&self) -> bool {
        self.is_behind() || self.is_full() && !self.is_refusing
    }

    /// Whether the directory still processes requests of the peer.
    pub(crate) fn is_behind(&self) -> bool {
        self.is_behind
    }

    /// Sets whether all input of the peer waits for the directory.
    pub(crate) fn set_behind(&mut self, behind: bool) {
        self.is_behind = behind;
    }

    /// Refuses further requests instead of blocking, until one is answered.
    pub(crate) fn refuse(&mut self) {
        self.is_refusing = true;
    }

    /// Defers a request. Returns false if there is no room.
    pub(crate) fn push(&mut self, request: Message) -> bool {
        let bytes = cost_of_message(&request);
        if self.is_full() || bytes > MAX_REQUEST_BYTES {
            return false;
        }
        self.bytes += bytes;
        self.requests.push_back(request);
        true
    }

    /// Removes the oldest request.
    pub(crate) fn pop(&mut self) -> Option<Message> {
        let request = self.requests.pop_front()?;
        self.bytes -= cost_of_message(&request);
        self.is_refusing = false;
        Some(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request(text: impl Into<crate::Value>) -> Message {
        Message::from_iter([text.into()])
    }

    #[test]
    fn deferred_requests_are_bounded_and_in_order() {
        let mut held = DeferredRequests::default();
        for n in 0..MAX_REQUESTS as u64 {
            assert!(!held.blocks_reading());
            assert!(held.push(request(n)));
        }
        assert!(held.blocks_reading());
        assert!(!held.push(request("more")));
        held.refuse();
        assert!(!held.blocks_reading());
        assert!(!held.push(request("more")));
        for n in 0..MAX_REQUESTS as u64 {
            assert_eq!(held.pop().unwrap().parse::<(u64,)>().unwrap(), (n,));
        }
        assert!(held.is_empty() && held.bytes == 0);
        assert!(!held.push(request("x".repeat(MAX_REQUEST_BYTES))));
        while !held.blocks_reading() {
            assert!(held.push(request("x".repeat(MAX_REQUEST_BYTES / 2))));
        }
        assert!(held.bytes < MAX_BYTES + MAX_REQUEST_BYTES);
    }
}
