//! Taps: who follows what crosses a node's links.
//!
//! A link looks at one flag; only while there is a tap does it do more, and then it neither waits nor fails: a tap has
//! room for so many messages, and counts what does not fit.

use std::collections::{HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::sync::mpsc;
use tokio::time::{Instant, timeout_at};

use crate::codec::{Codec, Found, Incoming, Limits, PeerInfo};
use crate::link::LinkInfo;
use crate::{NodeId, Text};

/// So much waits for whoever reads a tap.
const QUEUE: usize = 1024;

/// Of which so much is for links that come and go.
const FOR_LINKS: usize = 64;

/// What a rate is counted in.
const SECOND: Duration = Duration::from_secs(1);

/// How often it is told how much was missed, at most.
const TELL: Duration = SECOND;

/// What a [`Tap`] shows, and how much of it at most.
///
/// ```
/// let options = aemp_core::TapOptions::new().matching("seed#echo").rate(10).size(1000);
/// ```
#[derive(Debug, Clone)]
pub struct TapOptions {
    matching: Text,
    rate: u32,
    size: usize,
    viewer: Option<NodeId>,
}

impl TapOptions {
    /// All messages, 1,000 in a second at most, up to 64 KiB of each.
    pub fn new() -> Self {
        Self {
            matching: Text::default(),
            rate: 1000,
            size: 64 << 10,
            viewer: None,
        }
    }

    /// Shows only messages of which the peer's node ID, the ID of the port that they are for, or the tag contains `part`.
    pub fn matching(mut self, part: impl Into<Text>) -> Self {
        self.matching = part.into();
        self
    }

    /// Shows so many messages in a second at most.
    pub fn rate(mut self, messages: u32) -> Self {
        self.rate = messages;
        self
    }

    /// Shows so many bytes of a message at most; of a longer one the beginning.
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// What is shown is sent on to this node: neither this tap nor another shows what crosses the link to it, or each
    /// message would be followed by one that tells of it.
    pub fn viewer(mut self, node: NodeId) -> Self {
        self.viewer = Some(node);
        self
    }
}

impl Default for TapOptions {
    fn default() -> Self {
        Self::new()
    }
}

/// What a [`Tap`] shows.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Tapped {
    /// A link that is up, at first each that was up before. It comes before the messages on it.
    Up(LinkInfo),
    /// A message that crossed a link.
    Message(TappedMessage),
    /// A link is down.
    Down {
        /// To whom.
        peer: NodeId,
        /// Which ([`LinkInfo::generation`]).
        generation: u64,
        /// Why.
        reason: Text,
    },
    /// So many messages were not shown, since they came faster than the rate, or than the tap was read.
    Missed(u64),
}

/// A message that crossed a link.
#[derive(Debug, Clone)]
pub struct TappedMessage {
    /// The other end of the link.
    pub peer: NodeId,
    /// Which link ([`LinkInfo::generation`]).
    pub generation: u64,
    /// Whether it went to the peer. Else it came from there.
    pub sent: bool,
    /// When it was handed to the link, or read from it.
    pub at: SystemTime,
    /// How long it is, in bytes.
    pub len: usize,
    /// The message as it is on the wire in the link's codec: one array, whose first element is the port's name.
    /// The beginning only where it is longer than the options say.
    pub bytes: Bytes,
}

/// Messages as they cross the links of a node; see [`LocalNode::tap`](crate::LocalNode::tap). Dropping it ends it.
#[derive(Debug)]
pub struct Tap {
    taps: Arc<Taps>,
    spout: Arc<Spout>,
    /// The links that were up at the start.
    first: VecDeque<LinkInfo>,
    /// The links that were told of, by generation.
    known: HashSet<u64>,
    queue: mpsc::Receiver<Tapped>,
    /// When it was looked last whether anything was missed.
    looked: Instant,
}

impl Tap {
    pub(super) fn start(
        taps: &Arc<Taps>,
        node: &NodeId,
        options: TapOptions,
        links: impl FnOnce() -> Vec<LinkInfo>,
    ) -> Self {
        let (sender, queue) = mpsc::channel(QUEUE);
        let spout = Arc::new(Spout {
            node: node.clone(),
            options,
            flow: Mutex::new(Flow {
                sender: Some(sender),
                since: Instant::now(),
                shown: 0,
                missed: 0,
            }),
        });
        taps.add(spout.clone());
        // One that comes up between is told of twice, and `recv` passes over that.
        Self {
            taps: taps.clone(),
            spout,
            first: links().into(),
            known: HashSet::new(),
            queue,
            looked: Instant::now(),
        }
    }

    /// What comes next; `None` when the node has stopped.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Tapped> {
        while let Some(info) = self.first.pop_front() {
            if self.known.insert(info.generation()) {
                return Some(Tapped::Up(info));
            }
        }
        loop {
            if self.looked.elapsed() >= TELL {
                self.looked = Instant::now();
                if let Some(missed) = self.missed() {
                    return Some(missed);
                }
            }
            let Ok(next) = timeout_at(self.looked + TELL, self.queue.recv()).await else {
                continue;
            };
            let Some(tapped) = next else {
                return self.missed();
            };
            let is_known = match &tapped {
                Tapped::Up(info) => self.known.insert(info.generation()),
                Tapped::Down { generation, .. } => self.known.remove(generation),
                Tapped::Message(message) if !self.known.contains(&message.generation) => {
                    // Its link was gone before it could be told of.
                    self.spout.flow().missed += 1;
                    false
                }
                Tapped::Message(_) | Tapped::Missed(_) => true,
            };
            if is_known {
                return Some(tapped);
            }
        }
    }

    fn missed(&self) -> Option<Tapped> {
        let missed = std::mem::take(&mut self.spout.flow().missed);
        (missed > 0).then_some(Tapped::Missed(missed))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.taps.remove(&self.spout);
    }
}

/// The links' end of a tap.
#[derive(Debug)]
struct Spout {
    /// The tapped node.
    node: NodeId,
    options: TapOptions,
    flow: Mutex<Flow>,
}

#[derive(Debug)]
struct Flow {
    /// Taken when the node stops.
    sender: Option<mpsc::Sender<Tapped>>,
    /// When the last second began, and how much was shown in it.
    since: Instant,
    shown: u32,
    missed: u64,
}

impl Spout {
    fn flow(&self) -> MutexGuard<'_, Flow> {
        self.flow.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a message is one to be shown.
    fn wants(&self, info: &LinkInfo, sent: bool, message: &Incoming<'_>) -> bool {
        let part = &*self.options.matching;
        if part.is_empty() || info.peer().as_str().contains(part) {
            return true;
        }
        let node = if sent { info.peer() } else { &self.node };
        node.port(message.port().clone()).to_string().contains(part)
            || message
                .to_message()
                .tag()
                .is_some_and(|tag| tag.contains(part))
    }

    /// Shows a message, if there is room for it.
    fn show(&self, info: &LinkInfo, sent: bool, message: &Incoming<'_>) {
        let mut flow = self.flow();
        if flow.since.elapsed() >= SECOND {
            (flow.since, flow.shown) = (Instant::now(), 0);
        }
        if flow.shown >= self.options.rate || flow.room() <= FOR_LINKS {
            flow.missed += 1;
            return;
        }
        flow.shown += 1;
        let bytes = message.bytes();
        let shown = &bytes[..bytes.len().min(self.options.size)];
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
    fn room(&self) -> usize {
        self.sender.as_ref().map_or(0, mpsc::Sender::capacity)
    }

    fn push(&mut self, tapped: Tapped) {
        if let Some(sender) = &self.sender
            && sender.try_send(tapped).is_err()
        {
            self.missed += 1;
        }
    }
}

/// The taps of a node.
#[derive(Debug, Default)]
pub(crate) struct Taps {
    on: AtomicBool,
    spouts: Mutex<Vec<Arc<Spout>>>,
    closed: AtomicBool,
}

impl Taps {
    /// Whether there is any.
    #[inline]
    pub(crate) fn is_on(&self) -> bool {
        self.on.load(Ordering::Relaxed)
    }

    fn spouts(&self) -> MutexGuard<'_, Vec<Arc<Spout>>> {
        self.spouts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn add(&self, spout: Arc<Spout>) {
        let mut spouts = self.spouts();
        if self.closed.load(Ordering::Relaxed) {
            spout.flow().sender = None;
            return;
        }
        spouts.push(spout);
        self.on.store(true, Ordering::Relaxed);
    }

    fn remove(&self, spout: &Arc<Spout>) {
        let mut spouts = self.spouts();
        spouts.retain(|other| !Arc::ptr_eq(other, spout));
        self.on.store(!spouts.is_empty(), Ordering::Relaxed);
    }

    /// Ends them all: the node has stopped.
    pub(super) fn close(&self) {
        let mut spouts = self.spouts();
        self.closed.store(true, Ordering::Relaxed);
        self.on.store(false, Ordering::Relaxed);
        for spout in spouts.drain(..) {
            spout.flow().sender = None;
        }
    }

    /// A link is up. Before anything is sent on it.
    pub(crate) fn up(&self, info: &LinkInfo) {
        self.link(|| Tapped::Up(info.clone()));
    }

    /// A link is down.
    pub(crate) fn down(&self, info: &LinkInfo, reason: &str) {
        self.link(|| Tapped::Down {
            peer: info.peer().clone(),
            generation: info.generation(),
            reason: reason.into(),
        });
    }

    fn link(&self, tapped: impl Fn() -> Tapped) {
        if self.is_on() {
            for spout in &*self.spouts() {
                spout.flow().push(tapped());
            }
        }
    }

    /// A message was found in what a link has brought.
    #[cold]
    pub(crate) fn received(&self, info: &LinkInfo, message: &Incoming<'_>) {
        self.show(info, false, message);
    }

    /// A message in these bytes, written by `codec`, goes out on a link.
    #[cold]
    pub(crate) fn sent(&self, info: &LinkInfo, codec: &dyn Codec, bytes: &[u8]) {
        // Our own messages need not keep within what a peer's must.
        let mut limits = Limits::default();
        (limits.message_size, limits.items) = (usize::MAX, usize::MAX);
        let facts = PeerInfo::new(info.peer().clone(), "");
        if let Ok(Found::Message { message, .. }) = codec.decoder(&limits, &facts).find(bytes) {
            self.show(info, true, &message);
        }
    }

    fn show(&self, info: &LinkInfo, sent: bool, message: &Incoming<'_>) {
        let spouts = self.spouts();
        let is_viewer = |spout: &Arc<Spout>| spout.options.viewer.as_ref() == Some(info.peer());
        if spouts.iter().any(is_viewer) {
            return;
        }
        for spout in &*spouts {
            if spout.wants(info, sent, message) {
                spout.show(info, sent, message);
            }
        }
    }
}
