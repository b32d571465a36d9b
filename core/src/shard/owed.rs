//! `Owed`: what one reader has given to one shard that is not worked off yet.
//!
//! A shard works off what readers give it in the order in which it came, and counts the bytes. So a reader that remembers
//! how far its own bytes reach can tell how many of them are left, and nobody has to keep accounts for it.

use std::collections::VecDeque;

/// Bytes that are remembered together: they are all there until the last of them are worked off.
const STEP: usize = 16 << 10;

#[derive(Default)]
pub(super) struct Owed {
    parts: VecDeque<Part>,
    bytes: usize,
}

struct Part {
    bytes: usize,
    /// How much the shard has worked off when these are.
    end: u64,
}

impl Owed {
    /// Remembers bytes that are worked off when the shard has done `end` bytes in all.
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

    /// Forgets what is worked off once the shard has done `done` bytes in all.
    pub(super) fn settle(&mut self, done: u64) {
        while let Some(part) = self.parts.pop_front_if(|part| part.end <= done) {
            self.bytes -= part.bytes;
        }
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    /// How much the shard has to have done before less than `most` of these bytes are left.
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
    fn what_is_worked_off_is_no_longer_owed() {
        let mut owed = Owed::default();
        assert_eq!((owed.bytes(), owed.until_below(1)), (0, 0));
        // Another reader's bytes come between.
        owed.add(STEP, 100_000);
        owed.add(STEP, 200_000);
        owed.add(1, 200_001);
        assert_eq!(owed.bytes(), 2 * STEP + 1);
        assert_eq!(owed.until_below(3 * STEP), 0);
        assert_eq!(owed.until_below(2 * STEP), 100_000);
        assert_eq!(owed.until_below(1), 200_001);
        owed.settle(199_999);
        assert_eq!(owed.bytes(), STEP + 1);
        owed.settle(200_001);
        assert_eq!(owed.bytes(), 0);
    }

    #[test]
    fn a_trickle_is_remembered_in_a_few_parts() {
        let mut owed = Owed::default();
        for n in 1..=10_000 {
            owed.add(100, 1000 * n);
            owed.settle(1000 * n.saturating_sub(5000));
        }
        // Never less than what is left, and little more.
        assert!((500_000..500_000 + STEP).contains(&owed.bytes()));
        assert!(owed.parts.len() <= 500_000 / STEP + 2);
    }
}
