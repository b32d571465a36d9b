//! `Entropy`: the source of a node's random bytes. Tests can replace it.

use std::sync::Arc;

/// A function that fills a slice with random bytes.
pub(crate) type Fill = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Entropy(Fill);

impl Entropy {
    pub(crate) fn new(fill: Fill) -> Self {
        Self(fill)
    }

    /// Random bytes from the operating system.
    pub(crate) fn system() -> Result<Self, getrandom::Error> {
        // Called once here, so that a system without a random source fails at start and not at the first connection.
        getrandom::u64()?;
        Ok(Self(Arc::new(|bytes| {
            // After one success the call does not fail on any known system; predictable bytes would be worse than a
            // panic.
            getrandom::fill(bytes).expect("the system's random source works after start");
        })))
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// `N` random letters and digits, of almost 6 bits each.
    pub(crate) fn alphanumeric<const N: usize>(&self) -> String {
        const LETTERS: &[u8; 62] =
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        self.bytes::<N>()
            .iter()
            .map(|b| char::from(LETTERS[usize::from(*b) % 62]))
            .collect()
    }

    /// A random factor between `low` and `high`.
    pub(crate) fn between(&self, low: f64, high: f64) -> f64 {
        let unit = u32::from_le_bytes(self.bytes()) as f64 / u32::MAX as f64;
        low + (high - low) * unit
    }
}
