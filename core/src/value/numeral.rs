//! Numbers as text, as AnyEvent::MP nodes write them (protocol.md section 3).

/// What Perl writes for the greatest double, whose 15 digits make it a little greater than that.
const GREATEST: &str = "1.79769313486232e+308";

/// The float that a Perl node means by `text`, which has the form of a JSON number.
///
/// It is the nearest one. Perl writes 15 digits, which are beyond the range where the number is the greatest double: what
/// is no greater than `1.79769313486232e+308` is that double, and what is beyond it infinity.
///
/// ```
/// use aemp_core::codec::perl_float;
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

/// The tenth part of a number, which is within the range where the number is a little beyond it.
fn tenth(text: &str) -> Option<f64> {
    let (digits, exponent) = text.split_once(['e', 'E']).unwrap_or((text, "0"));
    let exponent = exponent.parse::<i64>().ok()?;
    format!("{digits}e{}", exponent.saturating_sub(1))
        .parse()
        .ok()
}

#[cfg(test)]
mod tests {
    use super::*;

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
}
