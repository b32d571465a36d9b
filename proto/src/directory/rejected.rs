//! `Rejected`: the entries of one request that were rejected while its other entries were stored.

/// Counts rejected entries: not the sender's to set, too large, or not representable in JSON.
#[derive(Default)]
pub(super) struct Rejected {
    entries: usize,
    why: &'static str,
}

impl Rejected {
    pub(super) fn push(&mut self, why: &'static str) {
        self.entries += 1;
        self.why = why;
    }

    /// Returns the value, or counts the error.
    pub(super) fn accept<T>(&mut self, outcome: Result<T, &'static str>) -> Option<T> {
        outcome.map_err(|why| self.push(why)).ok()
    }

    pub(super) fn into_result(self) -> Result<(), String> {
        match self.entries {
            0 => Ok(()),
            n => Err(format!("{n} entries were not taken: {}", self.why)),
        }
    }
}
