//! The guard around code that is not ours, such as a codec or a message's `Serialize`: a panic in it is caught here, and
//! nowhere else in this crate.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Reason;

/// What a panic said.
#[derive(Debug, Clone)]
pub struct Panicked(String);

impl Panicked {
    #[cold]
    fn with(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("a panic without text").to_owned();
        // The payload is code of the program's as well: its destructor may panic in turn. That payload is leaked.
        if let Err(second) = catch_unwind(AssertUnwindSafe(|| drop(payload))) {
            std::mem::forget(second);
        }
        Self(text)
    }
}

impl fmt::Display for Panicked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<Panicked> for Reason {
    fn from(panic: Panicked) -> Self {
        Self::die(&panic.0)
    }
}

/// Runs `code`, whose panic hurts nobody else.
#[inline]
pub fn run<T>(code: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(Panicked::with)
}
