//! Where in a message the value is that a format's library has refused: found by writing the parts alone.

use bytes::BytesMut;

use super::ValueFormat;
use super::format::write;
use crate::token::step;
use crate::value::{EncodeError, Value};

/// How many steps are looked for: each may cost as much as the message did.
const STEPS: usize = 8;

/// After so many bytes of parts the search ends where it is, so that what a peer has relayed costs no more.
const SEARCHED: usize = 1 << 20;

/// The error for `message`, which `format` has refused with `why`.
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
    for steps in 0..=STEPS {
        let Some(part) = search.part(at) else { break };
        path += &match (steps, part.step) {
            // The port is no element.
            (0, Step::Index(0)) => break,
            (0, Step::Index(n)) => (n - 1).to_string(),
            (steps, step) => format!("{}{}", if steps == 1 { " at " } else { "" }, step.text()),
        };
        (at, why) = (part.value, part.why);
    }
    match path.is_empty() {
        true => EncodeError::Serialize(format!("{codec}: {why}")),
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

/// A part that is refused.
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
    /// The first part of `value` that is refused alone.
    fn part<'v>(&mut self, value: &'v Value) -> Option<Part<'v>> {
        match value {
            Value::Array(items) => {
                let mut items = items.iter().enumerate();
                items.find_map(|(at, item)| self.refuses(Step::Index(at), item))
            }
            Value::Map(map) => map.iter().find_map(|(key, value)| {
                self.refuses(Step::Key, key)
                    .or_else(|| self.refuses(Step::Of(key), value))
            }),
            Value::Tag(_, content) => self.refuses(Step::Content, content),
            _ => None,
        }
    }

    fn refuses<'v>(&mut self, step: Step<'v>, value: &'v Value) -> Option<Part<'v>> {
        if self.searched > SEARCHED {
            return None;
        }
        self.out.clear();
        let written = write(self.format, value, &mut self.out);
        self.searched += self.out.len() + 1;
        let why = written.err()?;
        Some(Part { step, value, why })
    }
}
