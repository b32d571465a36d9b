//! `Pulse`: the liveness and the counters of one connection.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

use crate::runtime::wait_until;

/// Written by the link's task, read by any task.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<State>);

#[derive(Debug)]
struct State {
    epoch: Instant,
    /// Time of the last read, in microseconds since `epoch`; the other times as well.
    read_at: AtomicU64,
    /// Time of the last sign of life of the peer.
    alive_at: AtomicU64,
    /// Time of the last read, or of the last write that completed after it had to wait.
    progress_at: AtomicU64,
    reads: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    /// This node does not read at the moment, because its shards have a backlog or too many requests are deferred. More
    /// bytes may be readable.
    parked: AtomicBool,
    written: AtomicU64,
    read: Notify,
    /// Pings sent, and the time of the last one.
    pings: AtomicU64,
    ping_at: AtomicU64,
    /// The end of the first ping sent since the last read, in bytes from the beginning of the link.
    ping_end: AtomicU64,
    /// The last round-trip time, in microseconds; [`NEVER`] before the first.
    round_trip: AtomicU64,
    /// Messages in both directions that were pings or answers to pings.
    probes: AtomicU64,
    odd: AtomicU64,
    refused: AtomicU64,
}

const NEVER: u64 = u64::MAX;

impl Pulse {
    pub(crate) fn new() -> Self {
        Self(Arc::new(State {
            epoch: Instant::now(),
            read_at: AtomicU64::new(0),
            alive_at: AtomicU64::new(0),
            progress_at: AtomicU64::new(0),
            reads: AtomicU64::new(0),
            messages: AtomicU64::new(0),
            bytes: AtomicU64::new(0),
            parked: AtomicBool::new(false),
            written: AtomicU64::new(0),
            read: Notify::new(),
            pings: AtomicU64::new(0),
            ping_at: AtomicU64::new(0),
            ping_end: AtomicU64::new(0),
            round_trip: AtomicU64::new(NEVER),
            probes: AtomicU64::new(0),
            odd: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }))
    }

    fn now(&self) -> u64 {
        // Overflows after half a million years.
        self.0.epoch.elapsed().as_micros() as u64
    }

    /// Records a read of `bytes` bytes.
    pub(crate) fn read(&self, bytes: usize) {
        self.0.read_at.store(self.now(), Ordering::Relaxed);
        self.alive();
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.read.notify_waiters();
    }

    /// Counts complete messages that were read.
    pub(crate) fn received(&self, messages: u64) {
        self.0.messages.fetch_add(messages, Ordering::Relaxed);
    }

    /// Counts bytes that the transport has accepted.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.0.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// Bytes that the transport has accepted.
    pub(crate) fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// Records a sign of life of the peer, or a time in which this node could not see one.
    pub(crate) fn alive(&self) {
        self.0.alive_at.store(self.now(), Ordering::Relaxed);
        self.progressed();
    }

    /// Records progress: a write has completed after it had to wait.
    pub(crate) fn progressed(&self) {
        self.0.progress_at.store(self.now(), Ordering::Relaxed);
    }

    /// Sets whether this node does not read at the moment. While it does not, it sees no sign of life.
    pub(crate) fn park(&self, parked: bool) {
        self.0.parked.store(parked, Ordering::Relaxed);
        self.alive();
        self.0.read.notify_waiters();
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.0.parked.load(Ordering::Relaxed)
    }

    /// Time since the last sign of life.
    pub(crate) fn since_alive(&self) -> Duration {
        self.since(&self.0.alive_at)
    }

    /// Time since the last progress in either direction.
    pub(crate) fn since_progress(&self) -> Duration {
        self.since(&self.0.progress_at)
    }

    /// Time since the last ping.
    pub(crate) fn since_ping(&self) -> Duration {
        self.since(&self.0.ping_at)
    }

    fn since(&self, then: &AtomicU64) -> Duration {
        let then = then.load(Ordering::Relaxed);
        Duration::from_micros(self.now().saturating_sub(then))
    }

    /// Begins a ping. Returns its number.
    pub(crate) fn next_ping(&self) -> u64 {
        self.count_probes(1);
        1 + self.0.pings.fetch_add(1, Ordering::Relaxed)
    }

    /// The ping is in the queue and ends at byte `end` from the beginning of the link.
    pub(crate) fn ping_queued(&self, end: u64) {
        let before = self.0.ping_at.swap(self.now(), Ordering::Relaxed);
        if self.0.read_at.load(Ordering::Relaxed) >= before {
            self.0.ping_end.store(end, Ordering::Relaxed);
        }
    }

    /// The end of the first ping sent since the last read, in bytes from the beginning of the link.
    pub(crate) fn ping_end(&self) -> u64 {
        self.0.ping_end.load(Ordering::Relaxed)
    }

    /// The peer has answered the ping `number`. Returns false if that is not the last one.
    pub(crate) fn pong(&self, number: u64) -> bool {
        self.count_probes(1);
        let pings = self.0.pings.load(Ordering::Relaxed);
        if number != pings || pings == 0 {
            return false;
        }
        let round_trip = self.now() - self.0.ping_at.load(Ordering::Relaxed);
        self.0.round_trip.store(round_trip, Ordering::Relaxed);
        true
    }

    /// Counts messages that are pings or answers to pings.
    pub(crate) fn count_probes(&self, count: u64) {
        self.0.probes.fetch_add(count, Ordering::Relaxed);
    }

    /// Messages in both directions without pings and their answers; `sent` is the number of all sent messages.
    pub(crate) fn payload_messages(&self, sent: u64) -> u64 {
        let probes = self.0.probes.load(Ordering::Relaxed);
        sent.wrapping_add(self.messages()).wrapping_sub(probes)
    }

    /// Counts a request that this node does not understand.
    pub(crate) fn count_odd(&self) {
        self.0.odd.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn odd(&self) -> u64 {
        self.0.odd.load(Ordering::Relaxed)
    }

    /// Counts a request or relay that this node has refused.
    pub(crate) fn count_refused(&self) {
        self.0.refused.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn refused(&self) -> u64 {
        self.0.refused.load(Ordering::Relaxed)
    }

    pub(crate) fn messages(&self) -> u64 {
        self.0.messages.load(Ordering::Relaxed)
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.0.bytes.load(Ordering::Relaxed)
    }

    /// Time since the last read.
    pub(crate) fn since_read(&self) -> Duration {
        self.since(&self.0.read_at)
    }

    /// The last round-trip time of a ping.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let round_trip = self.0.round_trip.load(Ordering::Relaxed);
        (round_trip != NEVER).then(|| Duration::from_micros(round_trip))
    }

    /// Resolves at the next read after this call, or when this node stops reading.
    pub(crate) fn next_read(&self) -> impl Future<Output = ()> + use<> {
        let state = self.0.clone();
        let before = state.reads.load(Ordering::Relaxed);
        async move {
            let has_read = || {
                state.reads.load(Ordering::Relaxed) != before
                    || state.parked.load(Ordering::Relaxed)
            };
            wait_until(&state.read, has_read).await;
        }
    }
}
