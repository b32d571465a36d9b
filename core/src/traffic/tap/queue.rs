//! The links' side of taps: selects the messages to show, and pushes them into bounded queues.
//!
//! Called by links, mostly under the lock of their peer. Locks are taken in this order: a peer, the list of taps, one
//! tap's state.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aemp_proto::codec::Shown;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{Direction, TapConfig, Tapped, TappedMessage};
use crate::NodeId;
use crate::codec::{Codec, Limits, PeerInfo};
use crate::traffic::ConnectionInfo;

/// Messages and bytes that wait for the reader of a tap at most. One longer message is accepted if none waits.
const MAX_MESSAGES: usize = 1024;
const MAX_BYTES: usize = 4 << 20;

/// Unread link events at which the tap ends: its reader is assumed to be gone.
const MAX_LINK_EVENTS: usize = 1 << 16;

/// The unit of the rate limit.
const SECOND: Duration = Duration::from_secs(1);

/// The links' side of a tap.
#[derive(Debug)]
pub(super) struct TapQueue {
    /// The tapped node.
    node: NodeId,
    options: TapConfig,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    /// The channel to the tap. It is unbounded; the counters below bound it. Taken when the node stops.
    sender: Option<mpsc::UnboundedSender<Tapped>>,
    /// The reported links, by generation.
    known: HashSet<u64>,
    /// Waiting items: messages, their bytes, link events.
    messages: usize,
    bytes: usize,
    link_events: usize,
    /// The beginning of the current second, and the messages shown in it.
    since: Instant,
    shown: u32,
    missed: u64,
}

impl TapQueue {
    pub(super) fn new(
        node: NodeId,
        options: TapConfig,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Tapped>) {
        let (sender, queue) = mpsc::unbounded_channel();
        let state = Mutex::new(State {
            sender: Some(sender),
            known: HashSet::new(),
            messages: 0,
            bytes: 0,
            link_events: 0,
            since: Instant::now(),
            shown: 0,
            missed: 0,
        });
        let tap = Self {
            node,
            options,
            state,
        };
        (Arc::new(tap), queue)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Marks a link as reported. Returns whether it was not reported before.
    pub(super) fn is_new(&self, info: &ConnectionInfo) -> bool {
        self.state().known.insert(info.generation())
    }

    /// Counts an item that was taken from the queue.
    pub(super) fn count_taken(&self, tapped: &Tapped) {
        let mut state = self.state();
        match tapped {
            Tapped::Message(message) => {
                state.messages -= 1;
                state.bytes -= message.bytes.len();
            }
            Tapped::Up(_) | Tapped::Down { .. } => state.link_events -= 1,
            Tapped::Missed(_) => {}
        }
    }

    pub(super) fn take_missed(&self) -> u64 {
        std::mem::take(&mut self.state().missed)
    }

    /// Whether all messages of a link match the filter.
    fn matches_link(&self, info: &ConnectionInfo) -> bool {
        let part = &*self.options.matching;
        part.is_empty() || info.peer().as_str().contains(part)
    }

    /// Whether a message matches the filter by its port's ID or its tag.
    fn matches(&self, info: &ConnectionInfo, direction: Direction, message: &Shown<'_>) -> bool {
        let part = &*self.options.matching;
        let node = match direction {
            Direction::Sent => info.peer(),
            Direction::Received => &self.node,
        };
        let port = node.port(message.port.clone());
        let tag = message.tag.as_ref();
        port.to_string().contains(part) || tag.is_some_and(|tag| tag.contains(part))
    }

    /// Shows a message, if there is room for it.
    fn show(&self, info: &ConnectionInfo, direction: Direction, bytes: &[u8]) {
        let mut state = self.state();
        if state.since.elapsed() >= SECOND {
            (state.since, state.shown) = (Instant::now(), 0);
        }
        let shown = &bytes[..bytes.len().min(self.options.size)];
        if state.shown >= self.options.rate || !state.has_room(shown.len()) {
            state.missed += 1;
            return;
        }
        state.shown += 1;
        state.messages += 1;
        state.bytes += shown.len();
        // A link that was about to close when the tap began has not been reported.
        state.up(info);
        state.push(Tapped::Message(TappedMessage {
            peer: info.peer().clone(),
            generation: info.generation(),
            direction,
            at: SystemTime::now(),
            len: bytes.len(),
            bytes: Bytes::copy_from_slice(shown),
        }));
    }
}

impl State {
    fn has_room(&self, bytes: usize) -> bool {
        self.messages < MAX_MESSAGES && (self.bytes + bytes <= MAX_BYTES || self.messages == 0)
    }

    fn up(&mut self, info: &ConnectionInfo) {
        if self.known.insert(info.generation()) {
            self.push_link(Tapped::Up(info.clone()));
        }
    }

    fn down(&mut self, info: &ConnectionInfo, reason: &str) {
        if self.known.remove(&info.generation()) {
            self.push_link(Tapped::Down {
                peer: info.peer().clone(),
                generation: info.generation(),
                reason: reason.into(),
            });
        }
    }

    fn push_link(&mut self, tapped: Tapped) {
        if self.link_events >= MAX_LINK_EVENTS {
            self.sender = None;
        }
        self.link_events += 1;
        self.push(tapped);
    }

    fn push(&mut self, tapped: Tapped) {
        if let Some(sender) = &self.sender {
            // The receiver may have been dropped.
            let _ = sender.send(tapped);
        }
    }
}

/// The taps of a node.
#[derive(Debug, Default)]
pub(crate) struct Taps {
    on: AtomicBool,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    queues: Vec<Arc<TapQueue>>,
    /// The node has stopped.
    closed: bool,
}

impl Taps {
    /// Whether there is any tap.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, tap: Arc<TapQueue>) {
        let mut list = self.list();
        if list.closed {
            tap.state().sender = None;
            return;
        }
        list.queues.push(tap);
        self.on.store(true, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, tap: &Arc<TapQueue>) {
        let mut list = self.list();
        list.queues.retain(|other| !Arc::ptr_eq(other, tap));
        self.on.store(!list.queues.is_empty(), Ordering::Relaxed);
    }

    /// Ends all taps: the node has stopped.
    pub(crate) fn close(&self) {
        let mut list = self.list();
        list.closed = true;
        self.on.store(false, Ordering::Relaxed);
        for tap in list.queues.drain(..) {
            tap.state().sender = None;
        }
    }

    /// Reports a link that is up. Called before its first message is sent.
    pub(crate) fn up(&self, info: &ConnectionInfo) {
        if self.is_on() {
            for tap in &self.list().queues {
                tap.state().up(info);
            }
        }
    }

    /// Reports a link that is down.
    pub(crate) fn down(&self, info: &ConnectionInfo, reason: &str) {
        if self.is_on() {
            for tap in &self.list().queues {
                tap.state().down(info, reason);
            }
        }
    }

    /// Shows a message that was received over a link.
    #[cold]
    pub(crate) fn received(&self, info: &ConnectionInfo, message: &Shown<'_>) {
        let direction = Direction::Received;
        self.show(info, direction, message.bytes, |tap| {
            tap.matches(info, direction, message)
        });
    }

    /// Shows a message that is sent over a link; `bytes` were written by `codec`.
    #[cold]
    pub(crate) fn sent(&self, info: &ConnectionInfo, codec: &dyn Codec, bytes: &[u8]) {
        let direction = Direction::Sent;
        self.show(info, direction, bytes, |tap| {
            // The limits for messages of peers do not apply to messages of this node.
            let mut limits = Limits::default();
            (limits.message_size, limits.items) = (usize::MAX, usize::MAX);
            let facts = PeerInfo::new(info.peer().clone(), "");
            let mut decoder = codec.decoder(&limits, &facts);
            let found = decoder.find(bytes);
            let shown = found
                .as_ref()
                .ok()
                .and_then(|found| Shown::of(found, bytes));
            shown.is_some_and(|shown| tap.matches(info, direction, &shown))
        });
    }

    fn show(
        &self,
        info: &ConnectionInfo,
        direction: Direction,
        bytes: &[u8],
        matches: impl Fn(&TapQueue) -> bool,
    ) {
        let list = self.list();
        let is_viewer = |tap: &Arc<TapQueue>| tap.options.viewer.as_ref() == Some(info.peer());
        if list.queues.iter().any(is_viewer) {
            return;
        }
        for tap in &list.queues {
            if tap.matches_link(info) || matches(tap) {
                tap.show(info, direction, bytes);
            }
        }
    }
}
