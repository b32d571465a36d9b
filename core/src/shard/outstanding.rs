//! `Outstanding`: the bytes that one reader has given to one shard and that the shard has not processed yet.
//!
//! A shard processes the items of its readers in the order of arrival and counts their bytes in one counter. A reader
//! remembers the values of that counter at which its own bytes end, and so can tell how many of them are left. The shard
//! keeps no account per reader.

use std::collections::VecDeque;

/// Bytes recorded as one part: all of them count as outstanding until the last one is processed.
const STEP: usize = 16 << 10;

#[derive(Default)]
pub(super) struct Outstanding {
    parts: VecDeque<Part>,
    bytes: usize,
}

struct Part {
    bytes: usize,
    /// The shard's count of processed bytes after these.
    end: u64,
}

impl Outstanding {
    /// Records bytes that are processed once the shard's count has reached `end`.
    pub(super) fn add(&mut self, bytes: usize, end: u64) {
        self.bytes += bytes;
        match self.parts.back_mut() {
            Some(last) if last.bytes + bytes <= STEP => {
                last.bytes += bytes;
                last.end = end;
            }
            _ => self.parts.push_back(Part { bytes, end }),
        }
    }

    /// Removes the parts that are processed when the shard's count is `done`.
    pub(super) fn settle(&mut self, done: u64) {
        while let Some(part) = self.parts.pop_front_if(|part| part.end <= done) {
            self.bytes -= part.bytes;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The shard's count at which fewer than `most` of these bytes are left.
    pub(super) fn until_below(&self, most: usize) -> u64 {
        let (mut left, mut end) = (self.bytes, 0);
        for part in &self.parts {
            if left < most {
                break;
            }
            left -= part.bytes;
            end = part.end;
        }
        end
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn processed_bytes_are_no_longer_outstanding() {
        let mut outstanding = Outstanding::default();
        assert_eq!((outstanding.bytes(), outstanding.until_below(1)), (0, 0));
        // Bytes of another reader come in between.
        outstanding.add(STEP, 100_000);
        outstanding.add(STEP, 200_000);
        outstanding.add(1, 200_001);
        assert_eq!(outstanding.bytes(), 2 * STEP + 1);
        assert_eq!(outstanding.until_below(3 * STEP), 0);
        assert_eq!(outstanding.until_below(2 * STEP), 100_000);
        assert_eq!(outstanding.until_below(1), 200_001);
        outstanding.settle(199_999);
        assert_eq!(outstanding.bytes(), STEP + 1);
        outstanding.settle(200_001);
        assert_eq!(outstanding.bytes(), 0);
    }

    #[test]
    fn small_amounts_are_recorded_in_few_parts() {
        let mut outstanding = Outstanding::default();
        for n in 1..=10_000 {
            outstanding.add(100, 1000 * n);
            outstanding.settle(1000 * n.saturating_sub(5000));
        }
        // At least the bytes that are left, and little more.
        assert!((500_000..500_000 + STEP).contains(&outstanding.bytes()));
        assert!(outstanding.parts.len() <= 500_000 / STEP + 2);
    }
}
