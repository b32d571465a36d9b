//! What one other node may make this one hold for it in the directory.

/// What a peer may make this node hold in the directory, of its own or as a global node for its slaves. An entry beyond
/// is refused alone, counted and logged; all others stay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryLimits {
    /// Families in which a peer holds keys; 10,000.
    pub families: usize,
    /// Keys; 2,000,000.
    pub keys: usize,
    /// Bytes of keys and values; 256 MiB.
    pub bytes: usize,
    /// Bytes of one key with its value, those of this node included; 1 MiB.
    pub entry: usize,
    /// Families that a peer watches here; 10,000.
    pub watches: usize,
}

impl Default for DirectoryLimits {
    fn default() -> Self {
        Self {
            families: 10_000,
            keys: 2_000_000,
            bytes: 256 << 20,
            entry: 1 << 20,
            watches: 10_000,
        }
    }
}
