//! Hash maps with a hash function that is fast for short keys, and randomly seeded, since peers choose the keys.

/// A fixed seed, for deterministic tests.
pub use foldhash::fast::FixedState as SeededState;
pub use foldhash::fast::RandomState;

/// A hash map with a random seed.
pub type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A hash set with a random seed.
pub type HashSet<K> = std::collections::HashSet<K, RandomState>;
