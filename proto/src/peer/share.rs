//! `Share`: how much of the memory that a node has for all its peers is taken for one of them.

use std::sync::Arc;

/// Bytes of each kind that each peer has without being counted, so that ordinary traffic shares nothing.
const FREE: usize = 512 << 10;

/// Bytes in which memory is taken from the [`Pool`].
pub const STEP: usize = 1 << 20;

/// The memory that all peers of a node share.
pub trait Pool: Send + Sync {
    /// Takes so many bytes, whether there are so many or not: who exceeds a limit is found out by the pool.
    fn take(&self, bytes: usize);

    /// Gives so many bytes back.
    fn give_back(&self, bytes: usize);
}

/// Memory of one kind for one peer: [`FREE`] bytes and what is taken from the pool, which is given back on drop.
pub(super) struct Share {
    pool: Arc<dyn Pool>,
    taken: usize,
}

impl Share {
    pub(super) fn of(pool: &Arc<dyn Pool>) -> Self {
        Self {
            pool: pool.clone(),
            taken: 0,
        }
    }

    /// How many bytes may be held before more has to be taken.
    pub(super) fn bytes(&self) -> usize {
        FREE + self.taken
    }

    /// How many bytes of the pool are taken.
    pub(super) fn taken(&self) -> usize {
        self.taken
    }

    /// Takes what so many bytes need.
    #[cold]
    pub(super) fn grow(&mut self, bytes: usize) {
        let more = bytes.saturating_sub(self.bytes()).next_multiple_of(STEP);
        self.taken += more;
        self.pool.take(more);
    }

    /// Takes or gives back what is right for so many bytes.
    pub(super) fn fit(&mut self, bytes: usize) {
        if bytes > self.bytes() {
            self.grow(bytes);
        } else {
            self.shrink(bytes);
        }
    }

    /// Gives back what so many bytes do not need, if it is more than a step: the last one is kept, so that what comes and
    /// goes is not counted each time. Returns whether anything was given back.
    pub(super) fn shrink(&mut self, bytes: usize) -> bool {
        if self.taken == 0 {
            return false;
        }
        let spare = self.bytes().saturating_sub(bytes.max(FREE));
        let less = spare / STEP * STEP;
        if less <= STEP {
            return false;
        }
        let less = (less - STEP).min(self.taken);
        self.taken -= less;
        self.pool.give_back(less);
        true
    }

    /// Gives back all.
    pub(super) fn clear(&mut self) {
        let taken = std::mem::take(&mut self.taken);
        if taken > 0 {
            self.pool.give_back(taken);
        }
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Pool for Counted {
        fn take(&self, bytes: usize) {
            self.0.fetch_add(bytes, Ordering::Relaxed);
        }

        fn give_back(&self, bytes: usize) {
            self.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_a_queue_takes_it_gives_back() {
        let counted = Arc::new(Counted::default());
        let taken = || counted.0.load(Ordering::Relaxed);
        let pool: Arc<dyn Pool> = counted.clone();
        let mut share = Share::of(&pool);
        share.grow(FREE);
        assert_eq!((share.bytes(), taken()), (FREE, 0));
        share.grow(FREE + 1);
        assert_eq!(share.bytes(), FREE + STEP);
        share.grow(FREE + 4 * STEP);
        assert_eq!(taken(), 4 * STEP);
        assert!(share.shrink(FREE + STEP));
        assert_eq!(share.bytes(), FREE + 2 * STEP);
        assert!(!share.shrink(FREE + STEP));
        assert!(share.shrink(0));
        assert_eq!(share.bytes(), FREE + STEP);
        drop(share);
        assert_eq!(taken(), 0);
    }
}
