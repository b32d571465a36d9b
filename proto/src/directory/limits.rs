//! What one other node, and all of them, may make this one hold in the directory.

/// What a peer may make this node hold in the directory, of its own or as a global node for its slaves. An entry beyond
/// is refused alone, counted and logged; all others stay.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryLimits {
    /// Families in which a peer holds keys; 1,000.
    pub families: usize,
    /// Keys; 100,000.
    pub keys: usize,
    /// Bytes of keys and values; 64 MiB.
    pub bytes: usize,
    /// Bytes of one key with its value, those of this node included; 1 MiB.
    pub entry: usize,
    /// How many times as much a global node holds, since that is what its slaves do; 32.
    pub of_global: usize,
    /// How many times as much all peers together hold, as one member can come under many names; 64.
    pub of_all: usize,
    /// Families that a peer watches here; 10,000.
    pub watches: usize,
}

impl Default for DirectoryLimits {
    fn default() -> Self {
        Self {
            families: 1000,
            keys: 100_000,
            bytes: 64 << 20,
            entry: 1 << 20,
            of_global: 32,
            of_all: 64,
            watches: 10_000,
        }
    }
}
