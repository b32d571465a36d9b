//! Numbers as text: how AnyEvent::MP nodes write them, and the exact integer or float that such a text means.
//!
//! Perl has one kind of scalar. It is sent as a number or as a text, depending on its last use (protocol.md section 3).

use super::Integer;

/// The greatest double as Perl writes it. Rounded to 15 digits it is slightly greater than the double.
const GREATEST: &str = "1.79769313486232e+308";

/// The float that a Perl node means by `text`, which has the form of a JSON number: the nearest float.
///
/// Perl writes 15 digits, and those of the greatest double are beyond the range of floats. So a number up to
/// `1.79769313486232e+308` is the greatest double, and a number beyond it is infinity.
///
/// ```
/// use aemp::value::perl_float;
/// assert_eq!(perl_float("-1.79769313486232e+308"), Some(f64::MIN));
/// assert_eq!(perl_float("1.8e308"), Some(f64::INFINITY));
/// assert_eq!(perl_float("one"), None);
/// ```
pub fn perl_float(text: &str) -> Option<f64> {
    let x: f64 = text.parse().ok()?;
    let reaches = |tenth: f64| Some(tenth.abs()) <= self::tenth(GREATEST);
    if x.is_infinite() && tenth(text).is_some_and(reaches) {
        return Some(f64::MAX.copysign(x));
    }
    Some(x)
}

/// A tenth of a number that may be slightly beyond the range of floats.
fn tenth(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = exponent.parse::<i64>().ok()?;
    format!("{digits}e{}", exponent.saturating_sub(1))
        .parse()
        .ok()
}

/// `text` as an integer, if it means one exactly: `42` and `-7`, but also `42.0` and `1e3`.
pub(super) fn integer(text: &str) -> Option<Integer> {
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (mantissa, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits = [whole, fraction].concat();
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    // The number is `digits` times ten to the power of `scale`.
    let scale = exponent
        .parse::<i64>()
        .ok()?
        .checked_sub(fraction.len() as i64)?;
    let behind = usize::try_from(scale.saturating_neg()).unwrap_or(0);
    let (digits, rest) = digits.split_at(digits.len().saturating_sub(behind));
    if !rest.bytes().all(|byte| byte == b'0') {
        return None;
    }
    let digits = digits.trim_start_matches('0');
    if digits.is_empty() {
        return Some(0.into());
    }
    let power = 10_i128.checked_pow(u32::try_from(scale).unwrap_or(0))?;
    let n = digits.parse::<i128>().ok()?.checked_mul(power)?;
    Integer::try_from(if negative { -n } else { n }).ok()
}

/// `text` as a float. Digits alone are an integer, which a float must be able to represent exactly. With a decimal
/// point or an exponent it is the nearest float.
pub(super) fn float(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    // `parse` also accepts names, such as "inf", and a plus sign.
    if !digits.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    let x = perl_float(text).filter(|x| x.is_finite())?;
    if digits.bytes().all(|byte| byte.is_ascii_digit()) {
        let digits = digits.trim_start_matches('0');
        let exact = format!("{:.0}", x.abs());
        return (exact == digits || exact == "0" && digits.is_empty()).then_some(x);
    }
    Some(x)
}

/// `x` as Perl writes it: in 15 digits, or in 17 if 15 would be another number. `None` for infinities and NaN.
pub(super) fn text(x: f64) -> Option<String> {
    if !x.is_finite() {
        return None;
    }
    let short = general(x, 15);
    let exact = short.parse() == Ok(x);
    Some(if exact { short } else { general(x, 17) })
}

/// C's `%.{digits}g`.
fn general(x: f64, digits: usize) -> String {
    let scientific = format!("{x:.*e}", digits - 1);
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    if !(-4..digits as i64).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{}e{sign}{:02}", trimmed(mantissa), exponent.abs());
    }
    let behind = (digits as i64 - 1 - exponent) as usize;
    trimmed(&format!("{x:.behind$}")).to_owned()
}

/// Removes the zeros at the end of the fraction.
fn trimmed(number: &str) -> &str {
    match number.contains('.') {
        true => number.trim_end_matches('0').trim_end_matches('.'),
        false => number,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn what_is_an_integer_exactly_is_one() {
        let integers: [(&str, i128); 17] = [
            ("0", 0),
            ("-0", 0),
            ("42", 42),
            ("-7", -7),
            ("007", 7),
            ("42.0", 42),
            ("42.", 42),
            ("1e3", 1000),
            ("1E+3", 1000),
            ("-1.5e1", -15),
            ("1500e-2", 15),
            ("0.0e-99", 0),
            (".5e1", 5),
            ("9007199254740993.0", (1 << 53) + 1),
            ("1.8446744073709551615e19", u64::MAX.into()),
            ("-18446744073709551616", -(1 << 64)),
            ("00000000000000000000000000000000000000000001", 1),
        ];
        for (text, n) in integers {
            assert_eq!(integer(text).map(i128::from), Some(n), "{text}");
        }
        let none = [
            "",
            "-",
            ".",
            "e",
            "1e",
            "1e+",
            "e3",
            "+1",
            "--1",
            " 1",
            "1 ",
            "1.5",
            "15e-2",
            "0x10",
            "1_000",
            "inf",
            "nan",
            "one",
            "1e99",
            "1e999999999999999999999",
            "1e-1",
            "1.2.3",
            "18446744073709551616",
            "-18446744073709551617",
        ];
        for text in none {
            assert_eq!(integer(text), None, "{text}");
        }
    }

    #[test]
    fn digits_alone_are_a_float_where_one_holds_them_exactly() {
        let floats = [
            ("0", 0.0),
            ("007", 7.0),
            ("9007199254740992", 9007199254740992.0),
            ("18446744073709551616", 18446744073709551616.0),
            ("1.5", 1.5),
            ("-.25", -0.25),
            ("9007199254740993.0", 9007199254740992.0),
            ("1e+300", 1e300),
            ("1e23", 1e23),
            ("1.79769313486232e+308", f64::MAX),
        ];
        for (text, x) in floats {
            assert_eq!(float(text), Some(x), "{text}");
        }
        assert!(float("-0").is_some_and(|x| x == 0.0 && x.is_sign_negative()));
        let none = [
            "",
            "-",
            "9007199254740993",
            "100000000000000000000000",
            "inf",
            "-inf",
            "nan",
            "infinity",
            "+1",
            " 1",
            "1 ",
            "0x10",
            "1_000",
            "1e999",
            "one",
        ];
        for text in none {
            assert_eq!(float(text), None, "{text}");
        }
        let longest = format!("{:.0}", f64::MAX);
        assert_eq!((longest.len(), float(&longest)), (309, Some(f64::MAX)));
    }

    #[test]
    fn the_greatest_double_is_what_perl_writes_for_it() {
        for text in [
            "1.79769313486232e+308",
            "1.79769313486232E308",
            "179769313486232e294",
        ] {
            assert_eq!(perl_float(text), Some(f64::MAX), "{text}");
            assert_eq!(perl_float(&format!("-{text}")), Some(f64::MIN), "{text}");
        }
        let longer = format!("179769313486232{}", "0".repeat(294));
        assert_eq!(perl_float(&longer), Some(f64::MAX));
        for text in [
            "1.79769313486233e+308",
            "1.8e308",
            "1e309",
            "1e99999999999999999999",
        ] {
            assert_eq!(perl_float(text), Some(f64::INFINITY), "{text}");
        }
    }

    #[test]
    fn a_float_is_written_as_perl_writes_it() {
        let texts = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.5, "1.5"),
            (3.0, "3"),
            (-0.1, "-0.1"),
            (1e15, "1e+15"),
            (123456789012345.0, "123456789012345"),
            (0.0001, "0.0001"),
            (0.00001, "1e-05"),
            (1e300, "1e+300"),
            (5e-324, "4.94065645841247e-324"),
            // Rounded to 15 digits these are other numbers.
            (1.0 / 3.0, "0.33333333333333331"),
            (9007199254740993.0, "9007199254740992"),
            (f64::MAX, "1.7976931348623157e+308"),
        ];
        for (x, expected) in texts {
            assert_eq!(text(x).as_deref(), Some(expected));
        }
        for x in [f64::INFINITY, f64::NEG_INFINITY, f64::NAN] {
            assert_eq!(text(x), None);
        }
    }

    proptest! {
        #[test]
        fn a_float_as_text_is_the_same_float(bits: u64) {
            let x = f64::from_bits(bits);
            match text(x) {
                Some(text) => prop_assert_eq!(float(&text).map(f64::to_bits), Some(bits)),
                None => prop_assert!(!x.is_finite()),
            }
        }

        #[test]
        fn an_integer_as_text_is_the_same_integer(n: i64, zeros in 0usize..20) {
            let n = Integer::from(n);
            for text in [n.to_string(), format!("{n}.0"), format!("{n}{}e-{zeros}", "0".repeat(zeros))] {
                prop_assert_eq!(integer(&text), Some(n));
            }
        }
    }
}
