//! A line of the shell as words, each with its place: the first is the command's name, all others are values in
//! diagnostic notation, or texts where they are none.

use aemp::Value;
use aemp::notation::read;

use crate::arguments::is_address;
use crate::failure::Failure;

/// A word, and the column at which it begins, counted from 1.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Word {
    pub(super) column: usize,
    pub(super) value: Value,
}

/// Splits a line at white space. What begins like a list, a map, a text in quotation marks, bytes or a tag has to be one,
/// and may have white space in it.
pub(super) fn words(line: &str) -> Result<Vec<Word>, Failure> {
    let mut words = Vec::new();
    let mut at = 0;
    while let Some(begin) = next_word(line, at) {
        let end = bare_end(line, begin);
        let bare = &line[begin..end];
        let (value, end) = if words.is_empty() {
            (bare.into(), end)
        } else {
            value(line, begin, end)?
        };
        words.push(Word {
            column: column(line, begin),
            value,
        });
        at = end;
    }
    Ok(words)
}

/// The value that begins at `begin`, and where it ends. The word that begins there ends at `bare_end`.
fn value(line: &str, begin: usize, bare_end: usize) -> Result<(Value, usize), Failure> {
    let bare = &line[begin..bare_end];
    match read(line, begin) {
        Ok((value, end)) if next_is_space(line, end) => Ok((value, end)),
        _ if !is_notation(bare) || is_address(bare) => Ok((bare.into(), bare_end)),
        Ok((_, end)) => {
            let found = line[end..].chars().next().unwrap_or_default();
            Err(wrong(
                column(line, end),
                &format!("expected white space behind the value, found {found:?}"),
            ))
        }
        Err(error) => Err(Failure::Usage(error.to_string())),
    }
}

/// Whether a word can be meant as nothing but a value in diagnostic notation.
fn is_notation(bare: &str) -> bool {
    let digits = bare.strip_prefix('-').unwrap_or(bare);
    let behind = digits.trim_start_matches(|c: char| c.is_ascii_digit());
    let tag = behind.len() < bare.len() && behind.starts_with('(');
    // One that is too large is a mistake. With a 0 in front it is something else than a number.
    let integer = behind.is_empty() && !digits.is_empty() && !digits.starts_with('0');
    let begins = ["[", "{", "\"", "h'", "b64'", "simple("];
    tag || integer || is_float(digits) || begins.iter().any(|begin| bare.starts_with(begin))
}

/// Whether a word without its sign is a number of JSON with a point or an exponent.
fn is_float(word: &str) -> bool {
    let (mantissa, exponent) = match word.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (word, None),
    };
    let (whole, fraction) = match mantissa.split_once('.') {
        Some((whole, fraction)) => (whole, Some(fraction)),
        None => (mantissa, None),
    };
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = |text: &str| digits(text.strip_prefix(['+', '-']).unwrap_or(text));
    digits(whole)
        && (whole == "0" || !whole.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(unsigned)
        && (fraction.is_some() || exponent.is_some())
}

/// An error at a column.
pub(super) fn wrong(column: usize, why: &str) -> Failure {
    Failure::Usage(format!("column {column}: {why}"))
}

/// The column of the byte `at`.
pub(super) fn column(line: &str, at: usize) -> usize {
    line[..at].chars().count() + 1
}

fn next_word(line: &str, from: usize) -> Option<usize> {
    let begin = line[from..].find(|c: char| !c.is_whitespace())?;
    Some(from + begin)
}

fn bare_end(line: &str, begin: usize) -> usize {
    let end = line[begin..].find(char::is_whitespace);
    end.map_or(line.len(), |end| begin + end)
}

fn next_is_space(line: &str, at: usize) -> bool {
    line[at..].chars().next().is_none_or(char::is_whitespace)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The values of a line behind the command, in diagnostic notation.
    fn values(line: &str) -> Result<Vec<String>, String> {
        let words = words(line).map_err(|error| error.to_string())?;
        Ok(words[1..]
            .iter()
            .map(|word| word.value.to_string())
            .collect())
    }

    #[test]
    fn words_are_values_or_else_texts() {
        let cases: &[(&str, &[&str])] = &[
            ("self", &[]),
            ("  call\tworker#echo  hi ", &[r#""worker#echo""#, r#""hi""#]),
            (
                "call x 7 -7 1.5 true null 007 1.2.3",
                &[
                    r#""x""#,
                    "7",
                    "-7",
                    "1.5",
                    "true",
                    "null",
                    r#""007""#,
                    r#""1.2.3""#,
                ],
            ),
            (
                "x 127.0.0.1:4040 nullable 7#x -x",
                &[
                    r#""127.0.0.1:4040""#,
                    r#""nullable""#,
                    r#""7#x""#,
                    r#""-x""#,
                ],
            ),
            (
                r#"x "a b" ["c d", {1: 2}] {"e": 1}"#,
                &[r#""a b""#, r#"["c d", {1: 2}]"#, r#"{"e": 1}"#],
            ),
            (
                "x h'00 ff' 32(\"a b\") undefined NaN 'l h b64",
                &[
                    "h'00ff'",
                    "32(\"a b\")",
                    "undefined",
                    "NaN",
                    r#""'l""#,
                    r#""h""#,
                    r#""b64""#,
                ],
            ),
            (
                "x 18446744073709551615 -18446744073709551616",
                &["18446744073709551615", "-18446744073709551616"],
            ),
        ];
        for (line, expected) in cases {
            let expected = expected.iter().map(|text| (*text).to_owned()).collect();
            assert_eq!(values(line), Ok(expected), "{line}");
        }
        // A command's name is never a value.
        assert_eq!(words("7").unwrap()[0].value, "7".into());
        assert_eq!(words(" \t").unwrap(), []);
    }

    #[test]
    fn what_begins_like_a_value_has_to_be_one() {
        let cases = [
            ("call x {\"a\":}", "column 13: expected a value, found '}'"),
            ("é x [1 2]", "column 8: expected ',' or ']', found '2'"),
            (
                "x \"a\"b",
                "column 6: expected white space behind the value, found 'b'",
            ),
            ("x h'0'", "column 5: the last byte is not complete"),
            ("x 1(", "column 5: expected a value, found the end"),
            (
                "x 18446744073709551616",
                "column 3: an integer is from -18446744073709551616 to 18446744073709551615",
            ),
        ];
        for (line, error) in cases {
            assert_eq!(values(line), Err(error.to_owned()), "{line}");
        }
    }

    #[test]
    fn every_word_knows_its_column() {
        let words = words("call é#x  [1, 2] 3").unwrap();
        let columns: Vec<_> = words.iter().map(|word| word.column).collect();
        assert_eq!(columns, [1, 6, 11, 18]);
    }
}
