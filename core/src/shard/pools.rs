//! `Pools`: the messages of a chunk that move as Rust values, by type.

use std::collections::VecDeque;
use std::mem::needs_drop;

use crate::message::IntoMessage;
use crate::port::Pool;

/// Types of an empty chunk whose memory is kept for reuse, and the bytes of that memory. A chunk with more frees all.
const MAX_KEPT: usize = 8;
const MAX_KEPT_BYTES: usize = 64 << 10;

/// The values of a chunk's typed messages: one pool for each type. A chunk is reused with the memory of its pools, so a
/// message needs no allocation, and memory is freed by the thread that allocated it.
#[derive(Default)]
pub(super) struct Pools {
    pools: Vec<Box<dyn Pool>>,
    /// Values in all pools, and their size in bytes without what they point to.
    len: usize,
    bytes: usize,
    /// The same with an allowance for what they point to.
    cost: usize,
}

/// Bytes that are taken for what a value points to, which only its type knows.
const POINTED_TO: usize = 256;

impl Pools {
    pub(super) fn len(&self) -> usize {
        self.len
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Bytes that the values keep alive, as far as that can be known.
    pub(super) fn cost(&self) -> usize {
        self.cost
    }

    /// Appends a value to the pool of its type. Returns the index of the pool.
    #[inline]
    pub(super) fn push<M: IntoMessage + Send + 'static>(&mut self, value: M) -> u32 {
        self.len += 1;
        self.bytes += size_of::<M>();
        self.cost += size_of::<M>();
        if needs_drop::<M>() {
            self.cost += POINTED_TO;
        }
        for (index, pool) in self.pools.iter_mut().enumerate() {
            if let Some(values) = pool.of::<M>() {
                values.push_back(value);
                return index as u32;
            }
        }
        self.pools.push(Box::new(VecDeque::from([value])));
        self.pools.len() as u32 - 1
    }

    /// The pool at `index`, if it holds at least `count` values.
    #[inline]
    pub(super) fn at(&mut self, index: u32, count: u32) -> Option<&mut dyn Pool> {
        let pool = self.pools.get_mut(index as usize)?;
        (pool.len() >= count as usize).then_some(&mut **pool)
    }

    /// Whether all values were taken.
    pub(super) fn are_empty(&self) -> bool {
        self.pools.iter().all(|pool| pool.len() == 0)
    }

    /// Drops all values, and the memory if it is much.
    pub(super) fn clear(&mut self) {
        (self.len, self.bytes, self.cost) = (0, 0, 0);
        for pool in &mut self.pools {
            pool.discard(pool.len());
        }
        let bytes: usize = self.pools.iter().map(|pool| pool.memory()).sum();
        if self.pools.len() > MAX_KEPT || bytes > MAX_KEPT_BYTES {
            self.pools.clear();
        }
    }
}

impl Drop for Pools {
    fn drop(&mut self) {
        // Each destructor of a value is guarded.
        self.clear();
    }
}
