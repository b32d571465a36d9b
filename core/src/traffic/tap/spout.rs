//! The links' end of taps: what is shown of what crosses them, and how much of it may wait.
//!
//! Called by links, most often under the lock of their peer. Locks are taken in this order: a peer's, the list of taps, one
//! tap's flow.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use aemp_proto::codec::Shown;
use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::Instant;

use super::{TapOptions, Tapped, TappedMessage};
use crate::NodeId;
use crate::codec::{Codec, Limits, PeerInfo};
use crate::traffic::LinkInfo;

/// So many messages wait for whoever reads a tap, and so many bytes of them; of one that is longer, that one.
const MESSAGES: usize = 1024;
const BYTES: usize = 4 << 20;

/// Past so many links that came or went while nobody looked, nobody will: the tap ends.
const LINKS: usize = 1 << 16;

/// What a rate is counted in.
const SECOND: Duration = Duration::from_secs(1);

/// The links' end of a tap.
#[derive(Debug)]
pub(super) struct Spout {
    /// The tapped node.
    node: NodeId,
    options: TapOptions,
    flow: Mutex<Flow>,
}

#[derive(Debug)]
struct Flow {
    /// What may wait in it is counted here. Taken when the node stops.
    sender: Option<mpsc::UnboundedSender<Tapped>>,
    /// The links that were told of, by generation.
    known: HashSet<u64>,
    /// What waits: messages, their bytes, links that came or went.
    messages: usize,
    bytes: usize,
    links: usize,
    /// When the last second began, and how much was shown in it.
    since: Instant,
    shown: u32,
    missed: u64,
}

impl Spout {
    pub(super) fn new(
        node: NodeId,
        options: TapOptions,
    ) -> (Arc<Self>, mpsc::UnboundedReceiver<Tapped>) {
        let (sender, queue) = mpsc::unbounded_channel();
        let flow = Mutex::new(Flow {
            sender: Some(sender),
            known: HashSet::new(),
            messages: 0,
            bytes: 0,
            links: 0,
            since: Instant::now(),
            shown: 0,
            missed: 0,
        });
        let spout = Self {
            node,
            options,
            flow,
        };
        (Arc::new(spout), queue)
    }

    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a link was not told of yet. It is from now on.
    pub(super) fn is_new(&self, info: &LinkInfo) -> bool {
        self.flow().known.insert(info.generation())
    }

    /// Something was taken out of the queue.
    pub(super) fn taken(&self, tapped: &Tapped) {
        let mut flow = self.flow();
        match tapped {
            Tapped::Message(message) => {
                flow.messages -= 1;
                flow.bytes -= message.bytes.len();
            }
            Tapped::Up(_) | Tapped::Down { .. } => flow.links -= 1,
            Tapped::Missed(_) => {}
        }
    }

    pub(super) fn take_missed(&self) -> u64 {
        std::mem::take(&mut self.flow().missed)
    }

    /// Whether all that crosses a link is to be shown, whatever it is.
    fn wants_all(&self, info: &LinkInfo) -> bool {
        let part = &*self.options.matching;
        part.is_empty() || info.peer().as_str().contains(part)
    }

    /// Whether a message is to be shown by its port's ID or tag.
    fn wants(&self, info: &LinkInfo, sent: bool, message: &Shown<'_>) -> bool {
        let part = &*self.options.matching;
        let node = if sent { info.peer() } else { &self.node };
        let port = node.port(message.port.clone());
        let tag = message.tag.as_ref();
        port.to_string().contains(part) || tag.is_some_and(|tag| tag.contains(part))
    }

    /// Shows a message, if there is room for it.
    fn show(&self, info: &LinkInfo, sent: bool, bytes: &[u8]) {
        let mut flow = self.flow();
        if flow.since.elapsed() >= SECOND {
            (flow.since, flow.shown) = (Instant::now(), 0);
        }
        let shown = &bytes[..bytes.len().min(self.options.size)];
        if flow.shown >= self.options.rate || !flow.has_room(shown.len()) {
            flow.missed += 1;
            return;
        }
        flow.shown += 1;
        flow.messages += 1;
        flow.bytes += shown.len();
        // One that was about to close when the tap began was not told of.
        flow.up(info);
        flow.push(Tapped::Message(TappedMessage {
            peer: info.peer().clone(),
            generation: info.generation(),
            sent,
            at: SystemTime::now(),
            len: bytes.len(),
            bytes: Bytes::copy_from_slice(shown),
        }));
    }
}

impl Flow {
    fn has_room(&self, bytes: usize) -> bool {
        self.messages < MESSAGES && (self.bytes + bytes <= BYTES || self.messages == 0)
    }

    fn up(&mut self, info: &LinkInfo) {
        if self.known.insert(info.generation()) {
            self.push_link(Tapped::Up(info.clone()));
        }
    }

    fn down(&mut self, info: &LinkInfo, reason: &str) {
        if self.known.remove(&info.generation()) {
            self.push_link(Tapped::Down {
                peer: info.peer().clone(),
                generation: info.generation(),
                reason: reason.into(),
            });
        }
    }

    fn push_link(&mut self, tapped: Tapped) {
        if self.links >= LINKS {
            self.sender = None;
        }
        self.links += 1;
        self.push(tapped);
    }

    fn push(&mut self, tapped: Tapped) {
        if let Some(sender) = &self.sender {
            // Whoever reads it is about to go.
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
    spouts: Vec<Arc<Spout>>,
    /// The node has stopped.
    closed: bool,
}

impl Taps {
    /// Whether there is any.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, spout: Arc<Spout>) {
        let mut list = self.list();
        if list.closed {
            spout.flow().sender = None;
            return;
        }
        list.spouts.push(spout);
        self.on.store(true, Ordering::Relaxed);
    }

    pub(super) fn remove(&self, spout: &Arc<Spout>) {
        let mut list = self.list();
        list.spouts.retain(|other| !Arc::ptr_eq(other, spout));
        self.on.store(!list.spouts.is_empty(), Ordering::Relaxed);
    }

    /// Ends them all: the node has stopped.
    pub(crate) fn close(&self) {
        let mut list = self.list();
        list.closed = true;
        self.on.store(false, Ordering::Relaxed);
        for spout in list.spouts.drain(..) {
            spout.flow().sender = None;
        }
    }

    /// A link is up. Before anything is sent on it.
    pub(crate) fn up(&self, info: &LinkInfo) {
        if self.is_on() {
            for spout in &self.list().spouts {
                spout.flow().up(info);
            }
        }
    }

    /// A link is down.
    pub(crate) fn down(&self, info: &LinkInfo, reason: &str) {
        if self.is_on() {
            for spout in &self.list().spouts {
                spout.flow().down(info, reason);
            }
        }
    }

    /// A message was found in what a link has brought.
    #[cold]
    pub(crate) fn received(&self, info: &LinkInfo, message: &Shown<'_>) {
        self.show(info, false, message.bytes, |spout| {
            spout.wants(info, false, message)
        });
    }

    /// A message in these bytes, written by `codec`, goes out on a link.
    #[cold]
    pub(crate) fn sent(&self, info: &LinkInfo, codec: &dyn Codec, bytes: &[u8]) {
        self.show(info, true, bytes, |spout| {
            // Our own messages need not keep within what a peer's must.
            let mut limits = Limits::default();
            (limits.message_size, limits.items) = (usize::MAX, usize::MAX);
            let facts = PeerInfo::new(info.peer().clone(), "");
            let mut decoder = codec.decoder(&limits, &facts);
            let found = decoder.find(bytes);
            let shown = found
                .as_ref()
                .ok()
                .and_then(|found| Shown::of(found, bytes));
            shown.is_some_and(|shown| spout.wants(info, true, &shown))
        });
    }

    fn show(&self, info: &LinkInfo, sent: bool, bytes: &[u8], wants: impl Fn(&Spout) -> bool) {
        let list = self.list();
        let is_viewer = |spout: &Arc<Spout>| spout.options.viewer.as_ref() == Some(info.peer());
        if list.spouts.iter().any(is_viewer) {
            return;
        }
        for spout in &list.spouts {
            if spout.wants_all(info) || wants(spout) {
                spout.show(info, sent, bytes);
            }
        }
    }
}
