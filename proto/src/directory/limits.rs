//! Limits on what peers can make this node store for the directory.

/// How much a peer can make this node store in the directory. An entry over a limit is rejected, counted and logged; the
/// other entries of the same request are stored.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DirectoryLimits {
    /// Families in which a peer can hold keys. Default: 1,000.
    pub families: usize,
    /// Keys that a peer can hold. Default: 100,000.
    pub keys: usize,
    /// Bytes of keys and values that a peer can hold. Default: 64 MiB.
    pub bytes: usize,
    /// Bytes of one key with its value. It also applies to the entries of this node. Default: 1 MiB.
    pub entry: usize,
    /// Multiplier for global nodes, which also send the entries of their slaves. Default: 32.
    pub of_global: usize,
    /// Multiplier for all peers together, as one member can connect under many node IDs. Default: 64.
    pub of_all: usize,
    /// Families that a peer can watch on this node. Default: 10,000.
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
