//! `ConvertError`: why a value cannot be converted to or from the type of another library. The conversions are in the
//! codec crates, which depend on the libraries.

use std::fmt::{self, Display, Formatter};

use crate::value::{MAX_DEPTH, step};
use crate::{Excerpt, Value};

/// Why a value cannot be converted exactly, for example from a [`Value`] to a `serde_json::Value` or back. The error
/// has the path of the element and its kind.
///
/// A conversion makes the error at the element, and adds a step for each array and map on the way out:
///
/// ```
/// use aemp::convert::ConvertError;
/// let error = ConvertError::lacking("bytes", "JSON").below_index(1).below_key(&"payload".into());
/// assert_eq!(error.to_string(), "the value at .payload[1] holds bytes, which JSON has no form for");
/// assert_eq!(error.path(), ".payload[1]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value{}{} {}", if self.0.steps.is_empty() { "" } else { " at " }, self.path(), self.0.problem)]
pub struct ConvertError(Box<At>);

/// Boxed, because a recursive conversion has a result on the stack for each level.
#[derive(Debug, Clone, PartialEq, Eq)]
struct At {
    problem: Problem,
    /// The path, innermost step first.
    steps: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Lacking { what: String, target: &'static str },
    Deep,
}

/// The steps of a long path that are shown at either end.
const SHOWN_STEPS: usize = 8;

impl ConvertError {
    /// `target` cannot represent the element, which is `what`, such as `bytes`.
    pub fn lacking(what: impl Display, target: &'static str) -> Self {
        let what = format!("{:.80}", Excerpt(what));
        Self::new(Problem::Lacking { what, target })
    }

    /// The allowed nesting depth inside an array, a map or a tag whose own allowed depth is `depth`. Conversions begin
    /// with [`MAX_DEPTH`](crate::value::MAX_DEPTH), so that no value exhausts the stack.
    ///
    /// # Errors
    /// If `depth` is 0.
    pub fn depth_inside(depth: usize) -> Result<usize, Self> {
        depth.checked_sub(1).ok_or_else(|| Self::new(Problem::Deep))
    }

    fn new(problem: Problem) -> Self {
        let steps = Vec::new();
        Self(Box::new(At { problem, steps }))
    }

    /// Adds a step for an array: the error is in its element `at`.
    #[must_use]
    pub fn below_index(self, at: usize) -> Self {
        self.prepend_step(format!("[{at}]"))
    }

    /// Adds a step for a map: the error is in the value of `key`.
    #[must_use]
    pub fn below_key(self, key: &Value) -> Self {
        self.prepend_step(step(key))
    }

    /// Adds a step for a map: the error is in a key.
    #[must_use]
    pub fn in_key(self) -> Self {
        self.prepend_step("{key}".to_owned())
    }

    fn prepend_step(mut self, step: String) -> Self {
        self.0.steps.push(step);
        self
    }

    /// The path of the element, such as `.payload[1]`. Empty if the element is the whole value. A long path has `...`
    /// in its middle.
    pub fn path(&self) -> String {
        let mut steps: Vec<&str> = self.0.steps.iter().rev().map(String::as_str).collect();
        if steps.len() > 2 * SHOWN_STEPS {
            let end = steps.len() - SHOWN_STEPS;
            steps.splice(SHOWN_STEPS..end, ["..."]);
        }
        steps.concat()
    }
}

impl Display for Problem {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Lacking { what, target } => {
                write!(f, "holds {what}, which {target} has no form for")
            }
            Self::Deep => write!(f, "nests deeper than the limit of {MAX_DEPTH}"),
        }
    }
}
