//! Catches panics of a [`ValueFormat`] that writes, and returns them as errors of the message.

use std::sync::Arc;

use super::{BoxError, Capabilities, Encoder, Head, Out, ValueFormat};
use crate::{Value, guard};

/// Wraps `encoder`, so that a panic of its format is an error.
pub(crate) fn guarded(encoder: Encoder) -> Encoder {
    match encoder {
        Encoder::Values(format) => Encoder::Values(Arc::new(Guarded(format))),
        other => other,
    }
}

/// A format that returns a panic in `write` as an error.
pub(super) struct Guarded(pub(super) Arc<dyn ValueFormat>);

impl ValueFormat for Guarded {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn capabilities(&self) -> Capabilities {
        self.0.capabilities()
    }

    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, BoxError> {
        self.0.head(bytes)
    }

    fn write(&self, message: &Value, out: &mut Out<'_>) -> Result<(), BoxError> {
        guard::run(|| self.0.write(message, out))
            .unwrap_or_else(|panic| Err(format!("a panic: {panic}").into()))
    }

    fn read(&self, bytes: &[u8]) -> Result<Value, BoxError> {
        self.0.read(bytes)
    }
}
