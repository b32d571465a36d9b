//! `Wire`: one direction of a simulated connection: bytes on their way, and what can happen to them.

use std::collections::VecDeque;
use std::io;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

use crate::flood::Flood;
use crate::random::Random;

/// How a direction is at the moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Well,
    /// The writer has closed: what is under way arrives, then the end.
    Closed,
    /// Nothing arrives any more, and nobody says so.
    Silent,
    /// Reset: what was under way is lost, and both ends are told.
    Reset,
}

pub(crate) struct Wire {
    /// Bytes on their way, each with when it arrives.
    chunks: VecDeque<(Instant, VecDeque<u8>)>,
    under_way: usize,
    /// How many bytes fit on the way.
    capacity: usize,
    latency: Duration,
    /// Until when nothing arrives, as if the reader had stopped.
    stalled: Option<Instant>,
    health: Health,
    /// When the end arrives, once the writer has closed.
    closed: Option<Instant>,
    /// What has happened as was fated, until somebody asks.
    struck: Option<Health>,
    /// What happens after so many more bytes were written.
    fate: Option<(usize, Health)>,
    random: Random,
    /// What comes without end once all else has been read.
    flood: Option<Flood>,
    /// What was read of floods, until somebody asks.
    flooded: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
    alarm: Option<Pin<Box<Sleep>>>,
}

impl Wire {
    /// Holds as much as systems do.
    pub(crate) fn widen(&mut self) {
        self.capacity = 1 << 20;
    }

    pub(crate) fn new(mut random: Random, fate: Option<(usize, Health)>) -> Self {
        let capacity = *random.pick(&[64, 512, 4 << 10, 64 << 10]).unwrap_or(&512);
        let latency = Duration::from_micros(random.between(10, 20_000));
        Self {
            chunks: VecDeque::new(),
            under_way: 0,
            capacity: capacity as usize,
            latency,
            stalled: None,
            health: Health::Well,
            closed: None,
            struck: None,
            fate,
            random,
            flood: None,
            flooded: 0,
            reader: None,
            writer: None,
            alarm: None,
        }
    }

    pub(crate) fn health(&self) -> Health {
        self.health
    }

    /// How much more fits on the way.
    pub(crate) fn room(&self) -> usize {
        self.capacity.saturating_sub(self.under_way)
    }

    pub(crate) fn flood(&mut self, flood: Flood) {
        if self.health == Health::Well {
            self.flood = Some(flood);
            self.wake();
        }
    }

    /// What was read of floods since this was asked last.
    pub(crate) fn flooded(&mut self) -> u64 {
        std::mem::take(&mut self.flooded)
    }

    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }

    /// Changes what happens to the direction, unless something worse has.
    pub(crate) fn strike(&mut self, health: Health) {
        if matches!(self.health, Health::Well) || health == Health::Reset {
            self.health = health;
            self.flood = None;
            self.closed = (health == Health::Closed).then(|| Instant::now() + self.latency);
            if health == Health::Reset {
                self.chunks.clear();
                self.under_way = 0;
            }
            self.wake();
        }
    }

    /// Nothing arrives for so long.
    pub(crate) fn stall(&mut self, time: Duration) {
        let until = Instant::now() + time;
        self.stalled = Some(self.stalled.map_or(until, |stalled| stalled.max(until)));
        self.wake();
    }

    /// Goes on at once and fast, unless it is broken.
    pub(crate) fn flow(&mut self) {
        self.stalled = None;
        self.fate = None;
        self.capacity = 64 << 10;
        self.latency = Duration::from_micros(10);
        self.wake();
    }

    /// What has happened as was fated, asked for the first time.
    pub(crate) fn struck(&mut self) -> Option<Health> {
        self.struck.take()
    }

    /// Writes some of `bytes`. Says what was written.
    pub(crate) fn poll_write(&mut self, cx: &Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self.health {
            Health::Reset => return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
            Health::Closed => return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
            Health::Well | Health::Silent => {}
        }
        let room = self.capacity - self.under_way.min(self.capacity);
        if room == 0 {
            self.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let mut count = bytes.len().min(room);
        if count > 1 && self.random.chance(20) {
            count = self.random.between(1, count as u64) as usize;
        }
        if let Some((left, health)) = &mut self.fate {
            count = count.min(*left);
            *left -= count;
            if *left == 0 {
                let health = *health;
                self.fate = None;
                self.struck = Some(health);
                self.take(&bytes[..count]);
                self.strike(health);
                return match (health, count) {
                    (Health::Reset, _) => Poll::Ready(Err(io::ErrorKind::ConnectionReset.into())),
                    (_, 0) => self.poll_write(cx, bytes),
                    _ => Poll::Ready(Ok(count)),
                };
            }
        }
        self.take(&bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn take(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.under_way += bytes.len();
        if self.health != Health::Silent {
            let arrives = Instant::now() + self.latency;
            self.chunks
                .push_back((arrives, bytes.iter().copied().collect()));
            if let Some(reader) = self.reader.take() {
                reader.wake();
            }
        }
    }

    /// Reads up to `most` bytes; none is the end.
    pub(crate) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        most: usize,
    ) -> Poll<io::Result<Vec<u8>>> {
        if self.health == Health::Reset {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        }
        let now = Instant::now();
        let stalls = self.stalled.is_some_and(|until| until > now);
        if self.chunks.is_empty()
            && !stalls
            && let Some(flood) = &mut self.flood
        {
            if let Some((bytes, counts)) = flood.read(most) {
                self.flooded += counts;
                return Poll::Ready(Ok(bytes));
            }
            self.flood = None;
        }
        let next = self.chunks.front().map(|(arrives, _)| *arrives);
        let due = next.or(self.closed);
        let due = due.map(|due| self.stalled.map_or(due, |stalled| stalled.max(due)));
        // What goes silent keeps what was under way from arriving, too.
        let due = due.filter(|_| self.health != Health::Silent);
        match due {
            Some(due) if due <= now => {
                let mut most = most;
                if most > 1 && self.random.chance(10) {
                    most = self.random.between(1, most.min(64) as u64) as usize;
                }
                let Some((_, chunk)) = self.chunks.front_mut() else {
                    // The end.
                    return Poll::Ready(Ok(Vec::new()));
                };
                let count = chunk.len().min(most);
                let bytes = chunk.drain(..count).collect();
                if chunk.is_empty() {
                    self.chunks.pop_front();
                }
                self.under_way -= count;
                if let Some(writer) = self.writer.take() {
                    writer.wake();
                }
                Poll::Ready(Ok(bytes))
            }
            Some(due) => {
                self.reader = Some(cx.waker().clone());
                let alarm = self.alarm.insert(Box::pin(sleep_until(due)));
                match alarm.as_mut().poll(cx) {
                    Poll::Ready(()) => self.poll_read(cx, most),
                    Poll::Pending => Poll::Pending,
                }
            }
            None => {
                self.reader = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}
