//! Finds the value in a message that a format has refused to write, by writing the parts of the message one by one.

use bytes::BytesMut;

use super::ValueFormat;
use super::format::write;
use crate::value::step;
use crate::value::{EncodeError, Value};

/// The longest path that is searched for. Each step can cost as much as writing the message.
const MAX_STEPS: usize = 8;

/// The number of written bytes after which the search ends: peers can relay messages that are refused, and searching
/// must stay cheap.
const MAX_SEARCHED: usize = 1 << 20;

/// The error for `message`, which `format` has refused for the reason `why`.
#[cold]
pub(super) fn refused(
    message: &Value,
    format: &dyn ValueFormat,
    codec: &str,
    mut why: String,
) -> EncodeError {
    let mut search = Search {
        format,
        out: BytesMut::new(),
        searched: 0,
    };
    let mut path = String::new();
    let mut at = message;
    for steps in 0..=MAX_STEPS {
        let Some(part) = search.refused_part(at) else {
            break;
        };
        path += &match (steps, part.step) {
            // The port's name does not count as an element.
            (0, Step::Index(0)) => break,
            (0, Step::Index(n)) => (n - 1).to_string(),
            (steps, step) => format!("{}{}", if steps == 1 { " at " } else { "" }, step.text()),
        };
        (at, why) = (part.value, part.why);
    }
    match path.is_empty() {
        true => EncodeError::serialize(format!("{codec}: {why}")),
        false => EncodeError::Refused {
            path,
            why: why.into(),
            codec: codec.into(),
        },
    }
}

struct Search<'f> {
    format: &'f dyn ValueFormat,
    out: BytesMut,
    searched: usize,
}

/// A part that the format refuses to write.
struct Part<'v> {
    step: Step<'v>,
    value: &'v Value,
    why: String,
}

enum Step<'v> {
    Index(usize),
    Key,
    Of(&'v Value),
    Content,
}

impl Step<'_> {
    fn text(&self) -> String {
        match self {
            Self::Index(at) => format!("[{at}]"),
            Self::Key => "{key}".into(),
            Self::Of(key) => step(key),
            Self::Content => String::new(),
        }
    }
}

impl Search<'_> {
    /// The first direct part of `value` that the format refuses to write.
    fn refused_part<'v>(&mut self, value: &'v Value) -> Option<Part<'v>> {
        match value {
            Value::Array(items) => {
                let mut items = items.iter().enumerate();
                items.find_map(|(at, item)| self.try_part(Step::Index(at), item))
            }
            Value::Map(map) => map.iter().find_map(|(key, value)| {
                self.try_part(Step::Key, key)
                    .or_else(|| self.try_part(Step::Of(key), value))
            }),
            Value::Tag(_, content) => self.try_part(Step::Content, content),
            _ => None,
        }
    }

    fn try_part<'v>(&mut self, step: Step<'v>, value: &'v Value) -> Option<Part<'v>> {
        if self.searched > MAX_SEARCHED {
            return None;
        }
        self.out.clear();
        let written = write(self.format, value, &mut self.out);
        self.searched += self.out.len() + 1;
        let why = written.err()?;
        Some(Part { step, value, why })
    }
}
