//! Taps: who follows what crosses a node's links.
//!
//! Here is what programs see. A link looks at one flag; only while there is a tap does it do more, and then it neither waits
//! nor fails (`spout`).

mod spout;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::traffic::LinkInfo;
use crate::{NodeId, Text};
use spout::Spout;
pub(crate) use spout::Taps;

/// How often it is told how much was missed, at most.
const TELL: Duration = Duration::from_secs(1);

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

    /// What is shown is sent on to this node: neither this tap nor another of this node shows what crosses the link to it, or
    /// each message would be followed by one that tells of it. Nodes that follow each other in a ring still do that to each
    /// other, up to their rates.
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
    #[non_exhaustive]
    Down {
        /// To whom.
        peer: NodeId,
        /// Which ([`LinkInfo::generation`]).
        generation: u64,
        /// Why.
        reason: Text,
    },
    /// So many messages were not shown, since they came faster than the rate, or than the tap was read. Links are shown all
    /// the same, if late.
    Missed(u64),
}

/// A message that crossed a link.
#[derive(Debug, Clone)]
#[non_exhaustive]
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
    runtime: Handle,
    /// The links that were up at the start.
    first: VecDeque<LinkInfo>,
    queue: mpsc::UnboundedReceiver<Tapped>,
    /// When it was looked last whether anything was missed.
    looked: Instant,
}

impl Tap {
    pub(crate) fn start(
        taps: &Arc<Taps>,
        (node, runtime): (&NodeId, &Handle),
        options: TapOptions,
        links: impl FnOnce() -> Vec<LinkInfo>,
    ) -> Self {
        let (spout, queue) = Spout::new(node.clone(), options);
        taps.add(spout.clone());
        // Some may have been told of since, with their first message.
        let mut first: VecDeque<_> = links().into();
        first.retain(|info| spout.is_new(info));
        Self {
            taps: taps.clone(),
            spout,
            runtime: runtime.clone(),
            first,
            queue,
            looked: Instant::now(),
        }
    }

    /// What comes next; `None` when the node has stopped, or over 65,536 links came or went that were not read of.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Tapped> {
        if let Some(info) = self.first.pop_front() {
            return Some(Tapped::Up(info));
        }
        loop {
            if self.looked.elapsed() >= TELL {
                self.looked = Instant::now();
                if let Some(missed) = self.missed() {
                    return Some(missed);
                }
            }
            let next = {
                // It may be read outside of the runtime.
                let _timers = self.runtime.enter();
                Deadline::At(self.looked + TELL).bound(self.queue.recv())
            };
            let Some(next) = next.await else {
                continue;
            };
            if let Some(tapped) = &next {
                self.spout.taken(tapped);
            }
            return next.or_else(|| self.missed());
        }
    }

    fn missed(&self) -> Option<Tapped> {
        let missed = self.spout.take_missed();
        (missed > 0).then_some(Tapped::Missed(missed))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.taps.remove(&self.spout);
    }
}
