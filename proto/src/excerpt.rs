//! `Excerpt`: untrusted text in a form that is safe for logs and errors.

use std::fmt::{self, Write};

/// Shows untrusted text, such as text from a peer: at most 1,000 bytes, with characters escaped that break a line, move
/// a cursor, or are invisible. This library uses it for all text of peers in logs. Programs that log names, reasons and
/// tags of peers should use it too.
///
/// `Display` shows the text without quotes, `Debug` with quotes. A precision, as in `{:.60}`, sets another limit in
/// bytes. Longer text ends in three dots; the rest is not formatted at all.
///
/// ```
/// use aemp::reason;
/// use aemp::logs::Excerpt;
/// let why = reason!["die", "\x1b[2Jall is well\n2031-01-01 INFO up"];
/// assert_eq!(Excerpt(&why).to_string(), r"die: \u{1b}[2Jall is well\n2031-01-01 INFO up");
/// assert_eq!(format!("{:.6?}", Excerpt("too long")), r#""too lo"..."#);
/// ```
#[derive(Clone, Copy)]
pub struct Excerpt<T>(pub T);

/// The limit in bytes without a precision.
const MAX_BYTES: usize = 1000;

impl<T: fmt::Display> fmt::Display for Excerpt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.write_escaped(f, false)?;
        f.write_str(if cut { "..." } else { "" })
    }
}

impl<T: fmt::Display> fmt::Debug for Excerpt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let cut = self.write_escaped(f, true)?;
        f.write_str(if cut { "\"..." } else { "\"" })
    }
}

impl<T: fmt::Display> Excerpt<T> {
    /// Writes the text. Returns whether it was cut.
    fn write_escaped(&self, f: &mut fmt::Formatter<'_>, quoted: bool) -> Result<bool, fmt::Error> {
        let mut shown = Escaper {
            remaining: f.precision().unwrap_or(MAX_BYTES),
            to: f,
            quoted,
            cut: false,
        };
        let outcome = write!(shown, "{}", self.0);
        match shown.cut {
            true => Ok(true),
            false => outcome.map(|()| false),
        }
    }
}

/// A writer that escapes, and returns an error at the limit, which ends the formatting.
struct Escaper<'a, 'f> {
    to: &'a mut fmt::Formatter<'f>,
    remaining: usize,
    quoted: bool,
    cut: bool,
}

impl Escaper<'_, '_> {
    fn write_whole(&mut self, text: &str) -> fmt::Result {
        match self.remaining.checked_sub(text.len()) {
            Some(remaining) => {
                self.remaining = remaining;
                self.to.write_str(text)
            }
            None => {
                self.cut = true;
                Err(fmt::Error)
            }
        }
    }
}

impl Write for Escaper<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let escaped = is_unsafe(c) || (self.quoted && matches!(c, '"' | '\\'));
            match escaped {
                true => {
                    let mut short = String::new();
                    // `escape_debug` leaves some invisible characters: these are escaped by number.
                    let _ = write!(short, "{}", c.escape_debug());
                    if !short.is_ascii() {
                        short = c.escape_unicode().to_string();
                    }
                    self.write_whole(&short)?;
                }
                false => self.write_whole(c.encode_utf8(&mut [0; 4]))?,
            }
        }
        Ok(())
    }
}

/// Whether a character is unsafe to print: control characters, line separators, direction marks, and other invisible
/// characters.
pub(crate) fn is_unsafe(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}'
            | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e0fff}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_only_shown_is_escaped() {
        let text = "caf\u{e9} \u{928}\u{93f} \"q\" \\ \t\r\n\x1b[31m\u{9b}\u{202e}\u{200b}\u{2028}\u{e0041}";
        assert_eq!(
            Excerpt(text).to_string(),
            "caf\u{e9} \u{928}\u{93f} \"q\" \\ \\t\\r\\n\\u{1b}[31m\\u{9b}\\u{202e}\\u{200b}\\u{2028}\\u{e0041}"
        );
        assert_eq!(format!("{:?}", Excerpt("a\"\\\n")), r#""a\"\\\n""#);
    }

    #[test]
    fn what_is_long_is_cut_and_not_formatted_further() {
        let long = "x".repeat(1001);
        assert_eq!(Excerpt(&long[..1000]).to_string(), long[..1000]);
        assert_eq!(Excerpt(&long).to_string(), format!("{}...", &long[..1000]));
        assert_eq!(format!("{:.2}", Excerpt("\u{e9}\u{e9}")), "\u{e9}...");
        // The six bytes of an escape do not fit: none of them is shown.
        assert_eq!(format!("{:.5?}", Excerpt("\x1b")), "\"\"...");

        struct Endless;
        impl fmt::Display for Endless {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                loop {
                    f.write_str("more")?;
                }
            }
        }
        assert_eq!(format!("{:.6}", Excerpt(Endless)), "moremo...");
    }
}
