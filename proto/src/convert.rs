//! `ConvertError`: why a value has no counterpart in the type of another library. The conversions themselves are in the
//! codec crates, beside the libraries.

use std::fmt::{self, Display, Formatter};

use crate::token::step;
use crate::value::MAX_DEPTH;
use crate::{Excerpt, Value};

/// A value that another type cannot hold exactly: a [`Value`] that is to be, say, a `serde_json::Value`, or the other way
/// round. It says where in the value the element is and what.
///
/// Who writes a conversion makes one at the element and adds a step for each array and map on the way out:
///
/// ```
/// use aemp_proto::ConvertError;
/// let error = ConvertError::lacking("bytes", "JSON").below_index(1).below_key(&"payload".into());
/// assert_eq!(error.to_string(), "the value at .payload[1] holds bytes, which JSON has no form for");
/// assert_eq!(error.path(), ".payload[1]");
/// ```
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the value{}{} {}", if self.0.steps.is_empty() { "" } else { " at " }, self.path(), self.0.problem)]
pub struct ConvertError(Box<At>);

/// In a box, as a deep conversion has a result on the stack for each level.
#[derive(Debug, Clone, PartialEq, Eq)]
struct At {
    problem: Problem,
    /// From the inside out.
    steps: Vec<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Problem {
    Lacking { what: String, target: &'static str },
    Deep,
}

/// How many steps of a path are shown from either end of it.
const SHOWN: usize = 8;

impl ConvertError {
    /// The element is `what`, such as `bytes`, and `target` has no form for it.
    pub fn lacking(what: impl Display, target: &'static str) -> Self {
        let what = format!("{:.80}", Excerpt(what));
        Self::new(Problem::Lacking { what, target })
    }

    /// How deep the elements of an array, a map or a tag may nest where it may nest `depth` deep itself. Conversions begin
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

    /// The same error of the array whose element `at` this is.
    #[must_use]
    pub fn below_index(self, at: usize) -> Self {
        self.below(format!("[{at}]"))
    }

    /// The same error of the map that has this at `key`.
    #[must_use]
    pub fn below_key(self, key: &Value) -> Self {
        self.below(step(key))
    }

    /// The same error of the map that has this in a key, which is no text.
    #[must_use]
    pub fn in_key(self) -> Self {
        self.below("{key}".to_owned())
    }

    fn below(mut self, step: String) -> Self {
        self.0.steps.push(step);
        self
    }

    /// Where the element is: `.payload[1]`. Empty where it is the whole value; long paths have `...` in their middle.
    pub fn path(&self) -> String {
        let mut steps: Vec<&str> = self.0.steps.iter().rev().map(String::as_str).collect();
        if steps.len() > 2 * SHOWN {
            let end = steps.len() - SHOWN;
            steps.splice(SHOWN..end, ["..."]);
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
