//! `Pulse`: the signs of life of one connection, and what it has carried so far.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Written by the link's task, read by whoever wants to know.
#[derive(Debug, Clone)]
pub(crate) struct Pulse(Arc<State>);

#[derive(Debug)]
struct State {
    epoch: Instant,
    /// When something was read last, in microseconds from the beginning; the other times are of that kind as well.
    read_at: AtomicU64,
    /// When the peer gave a sign of life last.
    alive_at: AtomicU64,
    /// When bytes were read last, or taken that had waited.
    progress_at: AtomicU64,
    reads: AtomicU64,
    messages: AtomicU64,
    bytes: AtomicU64,
    /// This end does not read for a while, since its shards have too much to do or too many answers wait: there may be
    /// more to read.
    parked: AtomicBool,
    written: AtomicU64,
    read: Notify,
    /// How many requests for a sign of life went out, and when the last did.
    pings: AtomicU64,
    ping_at: AtomicU64,
    /// Where the first question ends that was asked since the last read, in bytes from the link's beginning.
    ping_end: AtomicU64,
    /// How long the last answer took; [`NEVER`] before the first.
    round_trip: AtomicU64,
    /// How many messages, in both directions, were questions for a sign of life and answers to them.
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
        // Half a million years fit.
        self.0.epoch.elapsed().as_micros() as u64
    }

    /// So many bytes were read.
    pub(crate) fn read(&self, bytes: usize) {
        self.0.read_at.store(self.now(), Ordering::Relaxed);
        self.alive();
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        self.0.bytes.fetch_add(bytes as u64, Ordering::Relaxed);
        self.0.read.notify_waiters();
    }

    /// So many whole messages were read.
    pub(crate) fn received(&self, messages: u64) {
        self.0.messages.fetch_add(messages, Ordering::Relaxed);
    }

    /// The transport took so many bytes.
    pub(crate) fn wrote(&self, bytes: usize) {
        self.0.written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    /// How many bytes the transport has taken.
    pub(crate) fn written(&self) -> u64 {
        self.0.written.load(Ordering::Relaxed)
    }

    /// The peer gave a sign of life, or may have and could not be heard.
    pub(crate) fn alive(&self) {
        self.0.alive_at.store(self.now(), Ordering::Relaxed);
        self.progressed();
    }

    /// Bytes were taken that had waited.
    pub(crate) fn progressed(&self) {
        self.0.progress_at.store(self.now(), Ordering::Relaxed);
    }

    /// Says that the reader waits for our own shards, or no longer does. Meanwhile no sign of life can come.
    pub(crate) fn park(&self, parked: bool) {
        self.0.parked.store(parked, Ordering::Relaxed);
        self.alive();
        self.0.read.notify_waiters();
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.0.parked.load(Ordering::Relaxed)
    }

    /// For how long there was no sign of life.
    pub(crate) fn since_alive(&self) -> Duration {
        self.since(&self.0.alive_at)
    }

    /// For how long nothing moved in either direction.
    pub(crate) fn since_progress(&self) -> Duration {
        self.since(&self.0.progress_at)
    }

    /// For how long the peer was not asked for one.
    pub(crate) fn since_ping(&self) -> Duration {
        self.since(&self.0.ping_at)
    }

    fn since(&self, then: &AtomicU64) -> Duration {
        let then = then.load(Ordering::Relaxed);
        Duration::from_micros(self.now().saturating_sub(then))
    }

    /// The peer is asked for a sign of life; the number of the question.
    pub(crate) fn next_ping(&self) -> u64 {
        self.count_probes(1);
        1 + self.0.pings.fetch_add(1, Ordering::Relaxed)
    }

    /// The question is in the queue and ends at byte `end` from the link's beginning.
    pub(crate) fn ping_queued(&self, end: u64) {
        let before = self.0.ping_at.swap(self.now(), Ordering::Relaxed);
        if self.0.read_at.load(Ordering::Relaxed) >= before {
            self.0.ping_end.store(end, Ordering::Relaxed);
        }
    }

    /// Where the first question ends that was asked since the last read.
    pub(crate) fn ping_end(&self) -> u64 {
        self.0.ping_end.load(Ordering::Relaxed)
    }

    /// The peer answers question `number`. False if that is not the last one.
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

    /// So many messages more were mere signs of life.
    pub(crate) fn count_probes(&self, count: u64) {
        self.0.probes.fetch_add(count, Ordering::Relaxed);
    }

    /// How many messages have crossed for the sake of something else, of which `sent` went out in all.
    pub(crate) fn payload_messages(&self, sent: u64) -> u64 {
        let probes = self.0.probes.load(Ordering::Relaxed);
        sent.wrapping_add(self.messages()).wrapping_sub(probes)
    }

    /// A request came that means nothing here.
    pub(crate) fn count_odd(&self) {
        self.0.odd.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn odd(&self) -> u64 {
        self.0.odd.load(Ordering::Relaxed)
    }

    /// A request or relay was not carried out.
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

    /// For how long nothing was read.
    pub(crate) fn since_read(&self) -> Duration {
        self.since(&self.0.read_at)
    }

    /// How long the last answer to a question took.
    pub(crate) fn round_trip(&self) -> Option<Duration> {
        let round_trip = self.0.round_trip.load(Ordering::Relaxed);
        (round_trip != NEVER).then(|| Duration::from_micros(round_trip))
    }

    /// Resolves at the next read after this call, or when nothing can be read for our own sake.
    pub(crate) fn next_read(&self) -> impl Future<Output = ()> + use<> {
        let state = self.0.clone();
        let before = state.reads.load(Ordering::Relaxed);
        async move {
            loop {
                let read = state.read.notified();
                tokio::pin!(read);
                read.as_mut().enable();
                if state.reads.load(Ordering::Relaxed) != before
                    || state.parked.load(Ordering::Relaxed)
                {
                    return;
                }
                read.await;
            }
        }
    }
}
