//! Hash maps with a hash that is fast for short keys and still seeded at random, since peers choose names.

/// A hash whose seed is given, where a test has to know what comes out.
pub use foldhash::fast::FixedState as SeededState;
pub use foldhash::fast::RandomState;

/// A hash map with a random seed.
pub type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
/// A hash set with a random seed.
pub type HashSet<K> = std::collections::HashSet<K, RandomState>;
