//! `LineReader`: reads one line of the opening from bytes that arrive in any pieces.

use std::fmt;

/// The longest line of an opening, in bytes, including its terminator ([protocol.md section 2]).
///
/// [protocol.md section 2]: crate::protocol#2-opening-a-connection
pub const MAX_LINE: usize = 4096;

/// A line of the opening.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line {
    /// The first line: protocol, version, node ID, auth methods, framings, keys.
    Greeting,
    /// The second line.
    Nonce,
    /// The third line: auth method, proof, framing.
    Auth,
}

impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Greeting => "greeting line",
            Self::Nonce => "nonce line",
            Self::Auth => "auth line",
        })
    }
}

/// Collects the bytes of a line. It visits each byte once, in however many pieces the bytes arrive.
#[derive(Default)]
pub(super) struct LineReader(Vec<u8>);

/// Without the bytes, which can be a secret in clear text.
impl fmt::Debug for LineReader {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LineReader({} bytes)", self.0.len())
    }
}

/// The result of [`LineReader::read`].
pub(super) enum Read {
    /// All input was consumed, and the line is not complete.
    More,
    /// The line is complete, without its terminator LF or CR LF. `used` bytes of the input were consumed.
    Line { used: usize, line: Box<[u8]> },
    /// The line is longer than [`MAX_LINE`]; its start.
    TooLong(Vec<u8>),
}

impl LineReader {
    pub(super) fn read(&mut self, input: &[u8]) -> Read {
        let room = input.len().min(MAX_LINE - self.0.len());
        let end = input[..room].iter().position(|&byte| byte == b'\n');
        let used = end.map_or(room, |end| end + 1);
        self.0.extend_from_slice(&input[..used]);
        if end.is_none() {
            return match self.0.len() {
                MAX_LINE => Read::TooLong(std::mem::take(&mut self.0)),
                _ => Read::More,
            };
        }
        let mut line = std::mem::take(&mut self.0);
        line.pop();
        if line.last() == Some(&b'\r') {
            line.pop();
        }
        let line = line.into_boxed_slice();
        Read::Line { used, line }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Option<(usize, Vec<u8>)> {
        match LineReader::default().read(input) {
            Read::Line { used, line } => Some((used, line.into_vec())),
            _ => None,
        }
    }

    #[test]
    fn a_line_ends_in_lf_or_cr_lf_and_takes_nothing_that_follows() {
        assert_eq!(read(b"a\nb"), Some((2, b"a".to_vec())));
        assert_eq!(read(b"a\r\nb"), Some((3, b"a".to_vec())));
        assert_eq!(read(b"a\r\r\n"), Some((4, b"a\r".to_vec())));
        assert_eq!(read(b"\n\n"), Some((1, b"".to_vec())));
        assert_eq!(read(b"a\r"), None);
    }

    #[test]
    fn the_bytes_of_a_line_are_not_shown() {
        let mut reader = LineReader::default();
        reader.read(b"cleartext;secret");
        assert_eq!(format!("{reader:?}"), "LineReader(16 bytes)");
    }

    #[test]
    fn a_line_of_4096_bytes_with_its_ending_passes_and_one_of_4097_fails() {
        let mut line = vec![b'x'; MAX_LINE - 1];
        line.push(b'\n');
        assert_eq!(read(&line).unwrap().0, MAX_LINE);
        line.insert(0, b'x');
        for cut in [1, 4095, 4096, 4097] {
            let mut reader = LineReader::default();
            let outcomes: Vec<_> = line.chunks(cut).map(|part| reader.read(part)).collect();
            let mut ends = outcomes.iter().filter(|read| !matches!(read, Read::More));
            assert!(matches!(ends.next(), Some(Read::TooLong(_))), "cut {cut}");
        }
    }
}
