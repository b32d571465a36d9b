//! Taps: copies of the messages that cross a node's links.
//!
//! This is the interface for programs. Without a tap a link only checks one flag. With a tap it pushes into a bounded
//! queue (`queue`), and neither waits nor fails.

mod queue;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::deadline::Deadline;
use crate::traffic::ConnectionInfo;
use crate::{NodeId, Text};
use queue::TapQueue;
pub(crate) use queue::Taps;

/// The shortest interval between two [`Tapped::Missed`].
const MISSED_INTERVAL: Duration = Duration::from_secs(1);

/// The filter and the limits of a [`Tap`].
///
/// ```
/// let options = aemp::tap::TapConfig::new().matching("seed#echo").rate(10).size(1000);
/// ```
#[derive(Debug, Clone)]
#[must_use = "options do nothing until they are given to `LocalNode::tap`"]
#[doc(alias = "TapOptions")]
pub struct TapConfig {
    matching: Text,
    rate: u32,
    size: usize,
    viewer: Option<NodeId>,
}

impl TapConfig {
    /// All messages, at most 1,000 per second, up to 64 KiB of each.
    pub fn new() -> Self {
        Self {
            matching: Text::default(),
            rate: 1000,
            size: 64 << 10,
            viewer: None,
        }
    }

    /// Shows only messages whose peer ID, receiving port ID or tag contains `part`.
    pub fn matching(mut self, part: impl Into<Text>) -> Self {
        self.matching = part.into();
        self
    }

    /// Shows at most so many messages per second.
    pub fn rate(mut self, messages: u32) -> Self {
        self.rate = messages;
        self
    }

    /// Shows at most so many bytes of a message; longer ones are truncated.
    pub fn size(mut self, bytes: usize) -> Self {
        self.size = bytes;
        self
    }

    /// Declares that the program forwards the tapped messages to this node. Then neither this tap nor another one of the
    /// tapped node shows messages on the link to it; otherwise each forwarded message would cause another one. Nodes that
    /// tap each other in a ring can still cause such a loop, limited by their rates.
    pub fn viewer(mut self, node: NodeId) -> Self {
        self.viewer = Some(node);
        self
    }
}

impl Default for TapConfig {
    fn default() -> Self {
        Self::new()
    }
}

/// An item of a [`Tap`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub enum Tapped {
    /// A link is up. A tap begins with all links that are already up. It comes before the messages of the link.
    Up(ConnectionInfo),
    /// A message that crossed a link.
    Message(TappedMessage),
    /// A link is down.
    #[non_exhaustive]
    Down {
        /// The peer.
        peer: NodeId,
        /// The link's [`ConnectionInfo::generation`].
        generation: u64,
        /// The reason.
        reason: Text,
    },
    /// So many messages were not shown, because they exceeded the rate, or the tap was read too slowly. Links are always
    /// shown, possibly late.
    Missed(u64),
}

/// The direction of a message, as this node sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From this node to the peer.
    Sent,
    /// From the peer to this node.
    Received,
}

/// A message that crossed a link.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct TappedMessage {
    /// The other end of the link.
    pub peer: NodeId,
    /// The link's [`ConnectionInfo::generation`].
    pub generation: u64,
    /// Whether it was sent to the peer or received from it.
    pub direction: Direction,
    /// When it was encoded for the link, or read from it.
    pub at: SystemTime,
    /// Its whole length in bytes.
    pub len: usize,
    /// The message in the wire format of the link's codec: one array, whose first element is the port's name. Truncated
    /// to the size limit of the options.
    pub bytes: Bytes,
}

/// Messages that cross the links of a node; see [`LocalNode::tap`](crate::LocalNode::tap). Dropping it ends the tap.
///
/// ```no_run
/// # async fn example(node: aemp::LocalNode) {
/// use aemp::tap::{TapConfig, Tapped};
///
/// let mut tap = node.tap(TapConfig::new());
/// while let Some(item) = tap.recv().await {
///     match item {
///         Tapped::Message(message) => println!("{}: {} bytes", message.peer, message.len),
///         Tapped::Missed(count) => println!("{count} messages were too many to show"),
///         other => println!("{other:?}"),
///     }
/// }
/// # }
/// ```
#[derive(Debug)]
#[must_use = "a tap ends when it is dropped"]
pub struct Tap {
    taps: Arc<Taps>,
    tap: Arc<TapQueue>,
    runtime: Handle,
    /// The links that were up at the start.
    initial: VecDeque<ConnectionInfo>,
    queue: mpsc::UnboundedReceiver<Tapped>,
    /// When the number of missed messages was checked last.
    checked: Instant,
}

impl Tap {
    pub(crate) fn start(
        taps: &Arc<Taps>,
        (node, runtime): (&NodeId, &Handle),
        options: TapConfig,
        links: impl FnOnce() -> Vec<ConnectionInfo>,
    ) -> Self {
        let (tap, queue) = TapQueue::new(node.clone(), options);
        taps.add(tap.clone());
        // Some links may have been reported since the tap was added, with their first message.
        let mut initial: VecDeque<_> = links().into();
        initial.retain(|info| tap.is_new(info));
        Self {
            taps: taps.clone(),
            tap,
            runtime: runtime.clone(),
            initial,
            queue,
            checked: Instant::now(),
        }
    }

    /// The next item; `None` when the node has stopped, or when more than 65,536 link events were not read.
    ///
    /// # Cancel safety
    /// Dropping the future loses nothing.
    pub async fn recv(&mut self) -> Option<Tapped> {
        if let Some(info) = self.initial.pop_front() {
            return Some(Tapped::Up(info));
        }
        loop {
            if self.checked.elapsed() >= MISSED_INTERVAL {
                self.checked = Instant::now();
                if let Some(missed) = self.missed() {
                    return Some(missed);
                }
            }
            let next = {
                // The tap may be read outside of the runtime.
                let _timers = self.runtime.enter();
                Deadline::At(self.checked + MISSED_INTERVAL).timeout(self.queue.recv())
            };
            let Some(next) = next.await else {
                continue;
            };
            if let Some(tapped) = &next {
                self.tap.count_taken(tapped);
            }
            return next.or_else(|| self.missed());
        }
    }

    fn missed(&self) -> Option<Tapped> {
        let missed = self.tap.take_missed();
        (missed > 0).then_some(Tapped::Missed(missed))
    }
}

impl Drop for Tap {
    fn drop(&mut self) {
        self.taps.remove(&self.tap);
    }
}
