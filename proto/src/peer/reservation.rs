//! `Reservation`: the part of the memory pool of all peers that is reserved for one of them.

use std::sync::Arc;

/// Bytes of each kind that a peer can hold without a reservation, so that ordinary traffic does not touch the shared
/// pool. Small in tests, whose messages are.
const UNCOUNTED: usize = if cfg!(test) { 256 } else { 512 << 10 };

/// The unit of reservations, in bytes.
pub const STEP: usize = if cfg!(test) { 256 } else { 1 << 20 };

/// The memory pool that all peers of a node share.
pub trait Pool: Send + Sync {
    /// Reserves memory. It always succeeds: the pool itself evicts peers when its limit is exceeded.
    fn reserve(&self, bytes: usize);

    /// Releases reserved memory.
    fn release(&self, bytes: usize);
}

/// Memory of one kind for one peer: [`UNCOUNTED`] bytes plus the bytes reserved in the pool, which are released on
/// drop.
pub(super) struct Reservation {
    pool: Arc<dyn Pool>,
    reserved: usize,
}

impl Reservation {
    pub(super) fn new(pool: &Arc<dyn Pool>) -> Self {
        Self {
            pool: pool.clone(),
            reserved: 0,
        }
    }

    /// Bytes that can be held before the reservation must grow.
    pub(super) fn capacity(&self) -> usize {
        UNCOUNTED + self.reserved
    }

    /// Bytes reserved in the pool.
    pub(super) fn reserved(&self) -> usize {
        self.reserved
    }

    /// Grows the reservation to a capacity of at least `bytes`.
    #[cold]
    pub(super) fn grow(&mut self, bytes: usize) {
        let more = bytes.saturating_sub(self.capacity()).next_multiple_of(STEP);
        self.reserved += more;
        self.pool.reserve(more);
    }

    /// Grows or shrinks the reservation for `bytes` held bytes.
    pub(super) fn resize(&mut self, bytes: usize) {
        if bytes > self.capacity() {
            self.grow(bytes);
        } else {
            self.shrink(bytes);
        }
    }

    /// Releases memory that `bytes` held bytes do not need, but keeps one spare step: a queue that grows and shrinks
    /// does not touch the pool each time. Returns whether anything was released.
    pub(super) fn shrink(&mut self, bytes: usize) -> bool {
        if self.reserved == 0 {
            return false;
        }
        let spare = self.capacity().saturating_sub(bytes.max(UNCOUNTED));
        let less = spare / STEP * STEP;
        if less <= STEP {
            return false;
        }
        let less = (less - STEP).min(self.reserved);
        self.reserved -= less;
        self.pool.release(less);
        true
    }

    /// Releases the whole reservation.
    pub(super) fn release(&mut self) {
        let reserved = std::mem::take(&mut self.reserved);
        if reserved > 0 {
            self.pool.release(reserved);
        }
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;

    #[derive(Default)]
    struct Counted(AtomicUsize);

    impl Pool for Counted {
        fn reserve(&self, bytes: usize) {
            self.0.fetch_add(bytes, Ordering::Relaxed);
        }

        fn release(&self, bytes: usize) {
            self.0.fetch_sub(bytes, Ordering::Relaxed);
        }
    }

    #[test]
    fn what_a_queue_takes_it_gives_back() {
        let counted = Arc::new(Counted::default());
        let reserved = || counted.0.load(Ordering::Relaxed);
        let pool: Arc<dyn Pool> = counted.clone();
        let mut reservation = Reservation::new(&pool);
        reservation.grow(UNCOUNTED);
        assert_eq!((reservation.capacity(), reserved()), (UNCOUNTED, 0));
        reservation.grow(UNCOUNTED + 1);
        assert_eq!(reservation.capacity(), UNCOUNTED + STEP);
        reservation.grow(UNCOUNTED + 4 * STEP);
        assert_eq!(reserved(), 4 * STEP);
        assert!(reservation.shrink(UNCOUNTED + STEP));
        assert_eq!(reservation.capacity(), UNCOUNTED + 2 * STEP);
        assert!(!reservation.shrink(UNCOUNTED + STEP));
        assert!(reservation.shrink(0));
        assert_eq!(reservation.capacity(), UNCOUNTED + STEP);
        drop(reservation);
        assert_eq!(reserved(), 0);
    }
}
