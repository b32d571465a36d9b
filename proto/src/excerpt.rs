//! `Excerpt`: text from outside as logs and errors show it.

use std::fmt::{self, Write};

/// Shows text that a peer or a stranger has written, or may have: at most 1,000 bytes of it, in which nothing breaks a
/// line, moves a cursor, or is invisible. All that this library logs of a peer's text goes through it; programs that log
/// names, reasons and tags from elsewhere do well to use it, too.
///
/// `Display` shows the text as it is but for that, `Debug` in quotes. A precision is another limit in bytes, as in
/// `{:.60}`. What is longer ends in three dots, and is not even formatted.
///
/// ```
/// use aemp_proto::{Excerpt, reason};
/// let why = reason!["die", "\x1b[2Jall is well\n2031-01-01 INFO up"];
/// assert_eq!(Excerpt(&why).to_string(), r"die: \u{1b}[2Jall is well\n2031-01-01 INFO up");
/// assert_eq!(format!("{:.6?}", Excerpt("too long")), r#""too lo"..."#);
/// ```
#[derive(Clone, Copy)]
pub struct Excerpt<T>(pub T);

/// Bytes that are shown without a precision.
const LONGEST: usize = 1000;

impl<T: fmt::Display> fmt::Display for Excerpt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let cut = self.show(f, false)?;
        f.write_str(if cut { "..." } else { "" })
    }
}

impl<T: fmt::Display> fmt::Debug for Excerpt<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_char('"')?;
        let cut = self.show(f, true)?;
        f.write_str(if cut { "\"..." } else { "\"" })
    }
}

impl<T: fmt::Display> Excerpt<T> {
    /// True if there is more than could be shown.
    fn show(&self, f: &mut fmt::Formatter<'_>, quoted: bool) -> Result<bool, fmt::Error> {
        let mut shown = Shown {
            room: f.precision().unwrap_or(LONGEST),
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

/// What is written to it arrives escaped; an error ends what is too long.
struct Shown<'a, 'f> {
    to: &'a mut fmt::Formatter<'f>,
    room: usize,
    quoted: bool,
    cut: bool,
}

impl Shown<'_, '_> {
    fn put(&mut self, text: &str) -> fmt::Result {
        match self.room.checked_sub(text.len()) {
            Some(room) => {
                self.room = room;
                self.to.write_str(text)
            }
            None => {
                self.cut = true;
                Err(fmt::Error)
            }
        }
    }
}

impl Write for Shown<'_, '_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for c in text.chars() {
            let escaped = is_unsafe(c) || (self.quoted && matches!(c, '"' | '\\'));
            match escaped {
                true => {
                    let mut short = String::new();
                    // Invisible characters that this does not escape have their number.
                    let _ = write!(short, "{}", c.escape_debug());
                    if !short.is_ascii() {
                        short = c.escape_unicode().to_string();
                    }
                    self.put(&short)?;
                }
                false => self.put(c.encode_utf8(&mut [0; 4]))?,
            }
        }
        Ok(())
    }
}

/// Whether a terminal or a log may do something else with the character than show it: control characters, line
/// separators, marks of writing direction, and other characters that are invisible.
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
        // Six bytes of an escape do not fit, and none of them is shown.
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
