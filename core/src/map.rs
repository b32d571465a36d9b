//! Hash maps with a hash that is fast for short keys and still seeded at random, since peers choose names.

/// A hash whose seed is given, where a test has to know what comes out.
pub(crate) use foldhash::fast::FixedState as SeededState;
pub(crate) use foldhash::fast::RandomState;

pub(crate) type HashMap<K, V> = std::collections::HashMap<K, V, RandomState>;
pub(crate) type HashSet<K> = std::collections::HashSet<K, RandomState>;
