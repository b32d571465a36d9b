//! Catches panics in code of the program, such as a codec or the `Serialize` of a message. No other code of this crate
//! catches panics.

use std::any::Any;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::Reason;

/// The text of a panic.
#[derive(Debug, Clone)]
pub struct Panicked(String);

impl Panicked {
    #[cold]
    fn with(payload: Box<dyn Any + Send>) -> Self {
        let text = payload.downcast_ref::<&str>().copied();
        let text = text.or_else(|| payload.downcast_ref::<String>().map(String::as_str));
        let text = text.unwrap_or("a panic without text").to_owned();
        // The destructor of the payload is code of the program too, and may panic. The payload of that panic is leaked.
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

/// Runs `code`.
///
/// # Errors
/// If it panics.
#[inline]
pub fn run<T>(code: impl FnOnce() -> T) -> Result<T, Panicked> {
    catch_unwind(AssertUnwindSafe(code)).map_err(Panicked::with)
}
