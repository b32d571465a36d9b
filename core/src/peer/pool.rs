//! `Pool`: how many bytes are held for all peers of a node together: what waits to be sent to them, what was read of
//! messages that are not whole, and their monitors. One member can come under many names, so a limit for each is not
//! enough. Past the limit the connection goes that most is held for, so that others lose nothing.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::{Generation, Link, Peer};
use crate::node::Inner;

/// Bytes of each kind that each peer has without being counted, so that ordinary traffic shares nothing.
const FREE: usize = 512 << 10;

/// In such steps more is taken.
const STEP: usize = 1 << 20;

/// The bytes that are taken for all peers of one node.
pub(crate) struct Pool {
    limit: usize,
    taken: AtomicUsize,
    /// More is taken than there is.
    over: Notify,
}

impl Pool {
    /// Pool for so many bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            limit,
            taken: AtomicUsize::new(0),
            over: Notify::new(),
        }
    }

    fn is_over(&self) -> bool {
        self.taken.load(Ordering::Relaxed) > self.limit
    }
}

/// Whether a reader that was told to hold `most` bytes has to say that it holds `bytes`.
#[inline]
pub(crate) fn is_recount_due(most: usize, bytes: usize) -> bool {
    bytes > most || bytes + 2 * STEP < most
}

/// What may be held of one kind for one peer: [`FREE`], and what is taken of the pool, which is given back when this is
/// dropped.
pub(super) struct Share {
    pool: Arc<Pool>,
    taken: usize,
}

impl Share {
    pub(super) fn of(pool: &Arc<Pool>) -> Self {
        Self {
            pool: pool.clone(),
            taken: 0,
        }
    }

    /// How many bytes may be held before more has to be taken.
    pub(super) fn bytes(&self) -> usize {
        FREE + self.taken
    }

    /// Takes what so many bytes need. If there is not as much, the largest is evicted soon.
    #[cold]
    pub(super) fn grow(&mut self, bytes: usize) {
        let more = bytes.saturating_sub(self.bytes()).next_multiple_of(STEP);
        self.taken += more;
        self.pool.taken.fetch_add(more, Ordering::Relaxed);
        if self.pool.is_over() {
            self.pool.over.notify_one();
        }
    }

    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Takes or gives back what is right for so many bytes.
    pub(super) fn fit(&mut self, bytes: usize) {
        if bytes > self.bytes() {
            self.grow(bytes);
        } else {
            self.shrink(bytes);
        }
    }

    /// Gives back what so many bytes do not need, if it is much. Whether it was.
    pub(super) fn shrink(&mut self, bytes: usize) -> bool {
        if self.taken == 0 {
            return false;
        }
        let spare = self.bytes().saturating_sub(bytes.max(FREE));
        let less = spare / STEP * STEP;
        // One step is kept, so that what comes and goes is not counted each time.
        if less <= STEP {
            return false;
        }
        let less = (less - STEP).min(self.taken);
        self.taken -= less;
        self.pool.taken.fetch_sub(less, Ordering::Relaxed);
        true
    }

    /// Gives back all.
    pub(super) fn clear(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        self.pool.taken.fetch_sub(taken, Ordering::Relaxed);
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Peer {
    /// The reader of connection `generation` holds so many bytes. How many it may hold before it says so again; see
    /// [`is_recount_due`].
    pub(crate) fn reads(&self, generation: Generation, bytes: usize) -> usize {
        match self.lock().up(generation) {
            Some(up) if up.failed.is_none() => {
                up.reading.fit(bytes);
                up.reading.bytes()
            }
            _ => bytes,
        }
    }

    /// How much of the pool is taken for this peer.
    fn pooled(&self) -> usize {
        match &self.lock().link {
            Link::Down => 0,
            Link::Waiting(waiting) => waiting.pooled(),
            Link::Up(up) => {
                let next = up.closing.as_ref().map_or(0, |next| next.pooled());
                up.out.pooled() + next + up.watches_share.taken() + up.reading.taken()
            }
        }
    }

    /// Gives up what is held for this peer.
    fn evict(&self, text: &str) {
        let mut state = self.lock();
        match &mut state.link {
            Link::Down => {}
            Link::Waiting(_) => self.give_up(&mut state, text),
            Link::Up(up) => up.fail(text.into()),
        }
    }
}

/// Ends the connection that most is held for whenever more is held for all peers of `node` than `peers_limit`.
pub(crate) async fn evict_largest(node: Arc<Inner>) {
    let pool = &node.pool;
    let text = format!(
        "more than {} bytes are held for all peers (peers_limit), and most for this one",
        pool.limit
    );
    loop {
        tokio::select! {
            biased;
            () = node.stop.cancelled() => return,
            () = pool.over.notified() => {}
        }
        while pool.is_over() {
            let peers = node.peers().into_iter().map(|peer| (peer.pooled(), peer));
            match peers.max_by_key(|(taken, _)| *taken) {
                Some((taken, peer)) if taken > 0 => peer.evict(&text),
                // What was taken has just been given back.
                _ => break,
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_queue_takes_it_gives_back() {
        let pool = Arc::new(Pool::new(3 * STEP));
        let mut share = Share::of(&pool);
        share.grow(FREE);
        assert_eq!((share.bytes(), pool.is_over()), (FREE, false));
        share.grow(FREE + 1);
        assert_eq!(share.bytes(), FREE + STEP);
        share.grow(FREE + 4 * STEP);
        assert!(pool.is_over());
        assert!(share.shrink(FREE + STEP));
        assert_eq!(share.bytes(), FREE + 2 * STEP);
        assert!(!share.shrink(FREE + STEP));
        assert!(share.shrink(0));
        assert_eq!(share.bytes(), FREE + STEP);
        drop(share);
        assert_eq!(pool.taken.load(Ordering::Relaxed), 0);
    }
}
