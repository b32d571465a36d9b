//! The values that AnyEvent::MP nodes can read (protocol.md section 3). They decode with CBOR::XS; version 1.86 was
//! tested.
//!
//! After a value that makes their decoder fail, all further messages of the connection are lost without an error. Some
//! values are read as other values, and some keep the whole node busy or terminate it.

use aemp_core::codec::{Capabilities, Tags};
use aemp_core::{Integer, Value};

/// The values that can be sent to them: no simple values, no integers below -2^63, and only tags that they read
/// correctly.
pub(crate) const CAPABILITIES: Capabilities = {
    let mut capabilities = Capabilities::ALL;
    capabilities.one_string_type = true;
    capabilities.simple = false;
    capabilities.min_integer = MIN_INTEGER;
    capabilities.tags = Tags::Only(reads);
    capabilities.of_peer = true;
    capabilities
};

/// -2^63. Integers below it are read as other numbers.
const MIN_INTEGER: Integer = Integer::negative(i64::MAX as u64);

/// Bytes of the longest integer in a byte string. Reading takes quadratic time, a second for ten thousand bytes.
const MAX_INTEGER_BYTES: usize = 1024;

/// Greatest absolute exponent of a decimal fraction. All its digits are written out when it is used as a text.
const MAX_EXPONENT: i64 = 1000;

/// Seconds since 1970 of the beginning of 1900 and the end of 9999. Perl accepts no other dates.
const SECONDS_RANGE: (i64, i64) = (-2_208_988_800, 253_402_300_799);

/// Whether Perl reads `tag` around `content` as the same value.
fn reads(tag: u64, content: &Value) -> bool {
    match tag {
        0 => content.as_str().is_some_and(is_date),
        1 => is_seconds(content),
        2 => is_natural(content),
        4 => is_decimal(content),
        // Read as -n instead of -1 - n.
        3 => false,
        // Rounded to 40 digits, and a large exponent takes minutes. 264 is 4 with an exponent of any length.
        5 | 264 | 265 => false,
        30 => is_fraction(content),
        // Classes, and references to earlier values, numbered as CBOR::XS writes them.
        25 | 26 | 28 | 29 | 256 => false,
        // Needs the Perl module URI, which few nodes have.
        32 => false,
        // Read as the content (21 to 23, 55799), a reference to it (22098), or an object of tag and content.
        _ => true,
    }
}

/// Whether it is `YYYY-MM-DDThh:mm:ss` with an optional fraction, and `Z` or `+hh:mm`, of an existing day.
fn is_date(text: &str) -> bool {
    let Some((whole, rest)) = text.split_at_checked(19) else {
        return false;
    };
    let number = |at: usize, len: usize| digits(&whole[at..at + len]);
    let has_marks = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':')]
        .iter()
        .all(|&(at, mark)| whole.as_bytes()[at] == mark);
    if !whole.is_ascii() || !has_marks {
        return false;
    }
    let (Some(year), Some(month), Some(day)) = (number(0, 4), number(5, 2), number(8, 2)) else {
        return false;
    };
    let within = |number: Option<u32>, end: u32| number.is_some_and(|number| number < end);
    // Perl refuses leap seconds.
    let is_time =
        within(number(11, 2), 24) && within(number(14, 2), 60) && within(number(17, 2), 60);
    let zone = match rest.strip_prefix('.') {
        None => rest,
        Some(fraction) => {
            let zone = fraction.trim_start_matches(|c: char| c.is_ascii_digit());
            if zone.len() == fraction.len() {
                return false;
            }
            zone
        }
    };
    let is_zone = match (zone, zone.strip_prefix(['+', '-'])) {
        ("Z", _) => true,
        (_, Some(offset)) => offset.split_once(':').is_some_and(|(hours, minutes)| {
            let two = hours.len() == 2 && minutes.len() == 2;
            two && within(digits(hours), 24) && within(digits(minutes), 60)
        }),
        _ => false,
    };
    year >= 1900 && (1..=days(year, month)).contains(&day) && is_time && is_zone
}

/// The number of days of the month; 0 if there is no such month.
fn days(year: u32, month: u32) -> u32 {
    let leap = year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    match month {
        2 => 28 + u32::from(leap),
        4 | 6 | 9 | 11 => 30,
        1..=12 => 31,
        _ => 0,
    }
}

/// The number that `text` consists of; `None` if it has other characters than digits.
fn digits(text: &str) -> Option<u32> {
    let all = text.bytes().all(|byte| byte.is_ascii_digit());
    all.then(|| text.parse().ok()).flatten()
}

fn is_seconds(content: &Value) -> bool {
    let (first, last) = SECONDS_RANGE;
    match content {
        Value::Integer(n) => (Integer::from(first)..=Integer::from(last)).contains(n),
        Value::Float(x) => (first as f64..=last as f64).contains(x),
        _ => false,
    }
}

/// The bytes of an unsigned integer of bounded length. Perl does not read an empty byte string as zero.
fn is_natural(content: &Value) -> bool {
    matches!(content, Value::Bytes(bytes) if (1..=MAX_INTEGER_BYTES).contains(&bytes.len()))
}

/// An integer, or a long one in bytes.
fn is_integer(content: &Value) -> bool {
    match content {
        Value::Integer(n) => *n >= MIN_INTEGER,
        Value::Tag(2, bytes) => is_natural(bytes),
        _ => false,
    }
}

/// An exponent and a mantissa.
fn is_decimal(content: &Value) -> bool {
    let Some([exponent, mantissa]) = content.as_array() else {
        return false;
    };
    let fits = |exponent: i64| (-MAX_EXPONENT..=MAX_EXPONENT).contains(&exponent);
    exponent.as_i64().is_some_and(fits) && is_integer(mantissa)
}

/// A numerator and a positive denominator.
fn is_fraction(content: &Value) -> bool {
    let Some([numerator, denominator]) = content.as_array() else {
        return false;
    };
    is_integer(numerator) && matches!(denominator, Value::Integer(n) if *n > Integer::from(0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notation::parse;

    /// Parses `notation`, a tag around its content.
    fn is_read(notation: &str) -> bool {
        let Value::Tag(tag, content) = parse(notation).unwrap() else {
            panic!("{notation} has no tag");
        };
        reads(tag, &content)
    }

    #[test]
    fn a_tag_that_arrives_as_what_it_is_may_go_to_perl() {
        let good = [
            r#"0("2013-03-21T20:04:00Z")"#,
            r#"0("2013-03-21T20:04:00.25Z")"#,
            r#"0("2012-02-29T23:59:59-11:30")"#,
            r#"0("1900-01-01T00:00:00+00:00")"#,
            "1(0)",
            "1(-2208988800)",
            "1(253402300799)",
            "1(1.5)",
            "2(h'01')",
            "2(h'ffffffffffffffffff')",
            "4([-2, 27315])",
            "4([1000, -9223372036854775808])",
            "4([0, 2(h'ffffffffffffffffff')])",
            "30([-1, 3])",
            "21(h'00')",
            "22098(1)",
            "22098(22098([]))",
            r#"55799({"a": 1})"#,
            r#"24("x")"#,
            "37(h'00')",
            "1000(null)",
        ];
        for notation in good {
            assert!(is_read(notation), "{notation}");
        }
    }

    #[test]
    fn a_tag_that_deafens_a_perl_node_or_arrives_as_something_else_may_not() {
        let bad = [
            // Contents of the wrong type.
            r#"0("today")"#,
            r#"0("")"#,
            "0(1)",
            "0(h'32303133')",
            r#"1("0")"#,
            "1([])",
            "1({})",
            "1(null)",
            "1(true)",
            "1(1(0))",
            r#"2("1")"#,
            "2(1)",
            "2([])",
            "2(h'')",
            "4(1)",
            "4({})",
            "4([])",
            "4([1])",
            "4([1, 2, 3])",
            "4([1, 1.5])",
            r#"4([1, "1"])"#,
            "4([null, 1])",
            "30([1, 0])",
            "30([1, -3])",
            "30({})",
            // Invalid dates, and dates that Perl refuses.
            r#"0("2013-03-21")"#,
            r#"0("2013-03-21T20:04:00")"#,
            r#"0("2013-03-21t20:04:00z")"#,
            r#"0("2013-03-21 20:04:00Z")"#,
            r#"0("2013-03-21T20:04Z")"#,
            r#"0("2013-03-21T20:04:00.Z")"#,
            r#"0("2013-03-21T20:04:00Z ")"#,
            r#"0("2013-03-21T20:04:00+1:00")"#,
            r#"0("2013-03-21T20:04:00+24:00")"#,
            r#"0("2013-02-29T20:04:00Z")"#,
            r#"0("2013-13-01T20:04:00Z")"#,
            r#"0("2013-00-01T20:04:00Z")"#,
            r#"0("2013-01-00T20:04:00Z")"#,
            r#"0("2013-12-31T24:00:00Z")"#,
            r#"0("2013-12-31T23:60:00Z")"#,
            r#"0("2016-12-31T23:59:60Z")"#,
            r#"0("1899-12-31T23:59:59Z")"#,
            r#"0("+013-12-31T23:59:59Z")"#,
            "0(\"201\u{e9}-12-31T23:59:59Z\")",
            "1(-2208988801)",
            "1(253402300800)",
            "1(18446744073709551615)",
            "1(NaN)",
            "1(Infinity)",
            "1(1e300)",
            // Numbers that keep the node busy or terminate it.
            "4([1001, 1])",
            "4([-1001, 1])",
            "4([9223372036854775807, 1])",
            "4([18446744073709551615, 1])",
            "5([1000000, 1])",
            "5([0, 1])",
            "264([2(h'01'), 1])",
            "265([0, 1])",
            // Numbers that are read as other numbers.
            "3(h'01')",
            "4([0, 3(h'01')])",
            "4([0, -9223372036854775809])",
            // References to classes, modules, and earlier strings and values.
            "25(0)",
            "25(\"x\")",
            r#"26(["Class", 1])"#,
            "26(0)",
            "28([29(0)])",
            "28(1)",
            "29(0)",
            r#"32("http://example.com/")"#,
            "256([25(7)])",
            r#"256(["x"])"#,
        ];
        for notation in bad {
            assert!(!is_read(notation), "{notation}");
        }
        let long = Value::from(bytes::Bytes::from(vec![1; MAX_INTEGER_BYTES + 1]));
        assert!(!reads(2, &long));
    }
}
