//! `Integer`: the integers that CBOR has without tags, -2^64 to 2^64-1.

use std::cmp::Ordering;
use std::fmt;

/// An integer from -2^64 to 2^64-1.
///
/// ```
/// use aemp::Integer;
/// let n = Integer::from(-7);
/// assert_eq!(i64::try_from(n), Ok(-7));
/// assert!(u64::try_from(n).is_err());
/// assert_eq!(Integer::MIN.to_string(), "-18446744073709551616");
/// ```
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Integer {
    /// Whether the number is -1 - `rest`, which is how CBOR encodes negative integers (RFC 8949 major type 1).
    negative: bool,
    rest: u64,
}

impl Integer {
    /// -2^64.
    pub const MIN: Self = Self {
        negative: true,
        rest: u64::MAX,
    };
    /// 2^64-1.
    pub const MAX: Self = Self {
        negative: false,
        rest: u64::MAX,
    };

    /// The number -1 - `rest`.
    pub const fn negative(rest: u64) -> Self {
        Self {
            negative: true,
            rest,
        }
    }

    /// The number in CBOR's major types 0 and 1: `Ok(n)` for the number n.
    ///
    /// # Errors
    /// `Err(n)` for the number -1 - n.
    pub const fn parts(self) -> Result<u64, u64> {
        if self.negative {
            Err(self.rest)
        } else {
            Ok(self.rest)
        }
    }

    /// The number as a float, if a float can represent it exactly.
    pub fn as_f64(self) -> Option<f64> {
        let exact = i128::from(self);
        let float = exact as f64;
        (float as i128 == exact).then_some(float)
    }
}

impl PartialOrd for Integer {
    #[inline]
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Integer {
    #[inline]
    fn cmp(&self, other: &Self) -> Ordering {
        match (self.negative, other.negative) {
            (false, false) => self.rest.cmp(&other.rest),
            (false, true) => Ordering::Greater,
            (true, false) => Ordering::Less,
            (true, true) => other.rest.cmp(&self.rest),
        }
    }
}

macro_rules! unsigned {
    ($($t:ty),*) => {$(
        impl From<$t> for Integer {
            fn from(n: $t) -> Self {
                Self { negative: false, rest: n as u64 }
            }
        }
    )*};
}

macro_rules! signed {
    ($($t:ty),*) => {$(
        impl From<$t> for Integer {
            fn from(n: $t) -> Self {
                let n = n as i64;
                // `!n` is -1 - n, which is not negative for a negative n.
                if n < 0 { Self::negative(!n as u64) } else { Self::from(n as u64) }
            }
        }
    )*};
}

macro_rules! narrow {
    ($($t:ty),*) => {$(
        impl TryFrom<Integer> for $t {
            type Error = IntegerRangeError;
            fn try_from(n: Integer) -> Result<Self, IntegerRangeError> {
                i128::from(n).try_into().map_err(|_| IntegerRangeError(n.to_string()))
            }
        }
    )*};
}

unsigned!(u8, u16, u32, u64, usize);
signed!(i8, i16, i32, i64, isize);
narrow!(u8, u16, u32, u64, usize, i8, i16, i32, i64, isize);

impl From<Integer> for i128 {
    fn from(n: Integer) -> Self {
        match n.parts() {
            Ok(n) => Self::from(n),
            Err(n) => -1 - Self::from(n),
        }
    }
}

impl TryFrom<i128> for Integer {
    type Error = IntegerRangeError;
    fn try_from(n: i128) -> Result<Self, IntegerRangeError> {
        let (negative, rest) = if n < 0 { (true, !n) } else { (false, n) };
        let rest = rest
            .try_into()
            .map_err(|_| IntegerRangeError(n.to_string()))?;
        Ok(Self { negative, rest })
    }
}

impl TryFrom<u128> for Integer {
    type Error = IntegerRangeError;
    fn try_from(n: u128) -> Result<Self, IntegerRangeError> {
        let n = u64::try_from(n).map_err(|_| IntegerRangeError(n.to_string()))?;
        Ok(n.into())
    }
}

impl fmt::Display for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        i128::from(*self).fmt(f)
    }
}

impl fmt::Debug for Integer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The integer is outside the range of the target type.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the integer {0} is out of range")]
pub struct IntegerRangeError(String);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_whole_range_goes_there_and_back() {
        let edges = [
            -(1i128 << 64),
            i128::from(i64::MIN),
            -1,
            0,
            1,
            i128::from(i64::MAX),
            (1i128 << 64) - 1,
        ];
        for n in edges {
            assert_eq!(i128::from(Integer::try_from(n).unwrap()), n);
        }
        for n in [-(1i128 << 64) - 1, 1i128 << 64] {
            assert!(Integer::try_from(n).is_err());
        }
        assert_eq!(
            Integer::from(i64::MIN),
            Integer::try_from(i128::from(i64::MIN)).unwrap()
        );
    }

    #[test]
    fn a_float_is_given_only_where_it_is_exact() {
        assert_eq!(Integer::from(3).as_f64(), Some(3.0));
        assert_eq!(Integer::from((1i64 << 53) + 1).as_f64(), None);
        assert_eq!(Integer::MIN.as_f64(), Some(-18446744073709551616.0));
        assert_eq!(Integer::MAX.as_f64(), None);
    }
}
