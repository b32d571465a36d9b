//! `Left`: what could not be taken of a request whose other entries were.

/// Entries that were refused alone: not their sender's to say, too large, or not what JSON can carry.
#[derive(Default)]
pub(super) struct Left {
    entries: usize,
    why: &'static str,
}

impl Left {
    pub(super) fn add(&mut self, why: &'static str) {
        self.entries += 1;
        self.why = why;
    }

    /// The value, unless it is refused.
    pub(super) fn take<T>(&mut self, outcome: Result<T, &'static str>) -> Option<T> {
        outcome.map_err(|why| self.add(why)).ok()
    }

    pub(super) fn outcome(self) -> Result<(), String> {
        match self.entries {
            0 => Ok(()),
            n => Err(format!("{n} entries were not taken: {}", self.why)),
        }
    }
}
