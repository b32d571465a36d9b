//! Where a node's random bytes come from, so that a test can give it its own.

use std::sync::Arc;

/// A source of random bytes. The system's by default.
pub(crate) type Fill = Arc<dyn Fn(&mut [u8]) + Send + Sync>;

#[derive(Clone)]
pub(crate) struct Entropy(Fill);

impl Entropy {
    pub(crate) fn new(fill: Fill) -> Self {
        Self(fill)
    }

    /// Random bytes from the operating system.
    pub(crate) fn system() -> Result<Self, getrandom::Error> {
        // Asked once here, so that a system without a source fails at start and not at the first connection.
        getrandom::u64()?;
        Ok(Self(Arc::new(|bytes| {
            // Once it has worked the call does not fail on any system we know; zeros would be worse than no node.
            getrandom::fill(bytes).expect("the system's random source works after start");
        })))
    }

    pub(crate) fn bytes<const N: usize>(&self) -> [u8; N] {
        let mut bytes = [0; N];
        (self.0)(&mut bytes);
        bytes
    }

    /// `N` random letters and digits, near 6 bits each.
    pub(crate) fn word<const N: usize>(&self) -> String {
        const LETTERS: &[u8; 62] =
            b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        self.bytes::<N>()
            .iter()
            .map(|b| char::from(LETTERS[usize::from(*b) % 62]))
            .collect()
    }

    /// A factor between `low` and `high`.
    pub(crate) fn between(&self, low: f64, high: f64) -> f64 {
        let unit = u32::from_le_bytes(self.bytes()) as f64 / u32::MAX as f64;
        low + (high - low) * unit
    }
}
