//! The steps of the path to an element, for errors: `.name`, `["a key"]`, `[3]`.

use std::fmt::{self, Write};

use super::Value;

/// The step from a map to the value of `key`.
pub(crate) fn step(key: &Value) -> String {
    match key.as_str() {
        Some(name) if is_word(name) => format!(".{name}"),
        _ => format!("[{}]", shortened(key)),
    }
}

fn is_word(text: &str) -> bool {
    let word = text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    word && !text.is_empty() && text.len() <= 40 && !text.as_bytes()[0].is_ascii_digit()
}

/// A value in diagnostic notation, truncated to fit into a line.
pub(crate) fn shortened(value: &Value) -> String {
    let mut line = Line(String::new());
    match write!(line, "{value}") {
        Ok(()) => line.0,
        Err(_) => line.0 + "...",
    }
}

/// Keeps the beginning of what is written, and fails at the limit, so that no long text is built only to be truncated.
struct Line(String);

/// The number of characters of a value that an error shows.
const LINE: usize = 40;

impl Write for Line {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LINE - self.0.chars().count();
        match text.char_indices().nth(room) {
            None => self.0.push_str(text),
            Some((end, _)) => {
                self.0.push_str(&text[..end]);
                return Err(fmt::Error);
            }
        }
        Ok(())
    }
}
