//! TCP for aemp.
