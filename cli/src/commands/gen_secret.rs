//! `gensecret`: a new secret, made and never shown.

use super::{Description, Takes, change};
use crate::random::random;

/// 256 bits (protocol.md section 2, weak spots).
const BYTES: usize = 32;

pub(super) const GEN_SECRET: Description = Description {
    name: "gensecret",
    arguments: "",
    about: "Make a random secret of 256 bits, and set it without showing it",
    examples: &["gensecret", "profile seed gensecret"],
    takes: Takes::Exactly(0),
    prepare: |line, _| {
        let secret: String = random::<BYTES>()?
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(Some(change(line, move |document, scope| {
            document.set(scope, "secret", secret.into());
            Ok(())
        })))
    },
};
