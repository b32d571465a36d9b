//! `gensecret`: a new secret, made and never shown.

use aemp::profile::Key;

use super::{Description, Takes, generate};
use crate::random::random;

/// 256 bits (protocol.md section 2, weak spots).
const BYTES: usize = 32;

pub(super) const GEN_SECRET: Description = Description {
    name: "gensecret",
    arguments: "",
    about: "Make a random secret of 256 bits, and set it without showing it; over one that is there with --force, or where \
            a terminal can be asked",
    examples: &["gensecret", "profile seed gensecret", "gensecret --force"],
    takes: Takes::Exactly(0),
    prepare: |line, _| {
        let secret: String = random::<BYTES>()?
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        generate::set(line, Key::Secret, secret.into())
    },
};
