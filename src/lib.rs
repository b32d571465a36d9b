//! Erlang-style messaging with pluggable transports and codecs.

pub use aemp_core::*;
