//! `Capabilities`: the values that a codec can carry, the check against them, and the replacement of other values.

use std::fmt;

use crate::value::de::UNDEFINED;
use crate::value::{
    EncodeError, Integer, MAX_DEPTH, Map, Value, Values, is_simple, shortened, step,
};

/// The values that a codec carries exactly. Any other value is an error for the message that contains it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Capabilities {
    /// Byte strings.
    pub bytes: bool,
    /// Byte strings are written as texts with one character for each byte (Latin-1), also as keys: the peer's language
    /// has one type for both.
    pub bytes_as_text: bool,
    /// The peer does not distinguish byte strings from texts: a message of another such peer is relayed to it
    /// unchanged.
    pub one_string_type: bool,
    /// Tags.
    pub tags: Tags,
    /// Simple values other than `false`, `true` and `null`.
    pub simple: bool,
    /// Map keys other than texts.
    pub any_keys: bool,
    /// NaN and the infinities.
    pub non_finite: bool,
    /// The smallest integer.
    pub min_integer: Integer,
    /// The greatest integer.
    pub max_integer: Integer,
    /// The maximum nesting of arrays, maps and tags, the message's own array included.
    pub depth: usize,
    /// Whether the excluded values are those that the peer cannot read, and not those that the codec cannot represent.
    /// Errors say which.
    pub of_peer: bool,
}

/// The tagged values that a codec can carry.
#[derive(Clone, Copy)]
#[non_exhaustive]
pub enum Tags {
    /// None.
    None,
    /// All.
    All,
    /// Those for which the function returns true, given the tag and its content. The parts of the content are checked
    /// on their own.
    Only(fn(u64, &Value) -> bool),
}

impl Tags {
    /// Whether the codec can carry `tag` with `content`.
    #[inline]
    pub fn contains(self, tag: u64, content: &Value) -> bool {
        match self {
            Self::None => false,
            Self::All => true,
            Self::Only(are) => are(tag, content),
        }
    }
}

impl PartialEq for Tags {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::None, Self::None) | (Self::All, Self::All) => true,
            (Self::Only(one), Self::Only(other)) => std::ptr::fn_addr_eq(*one, *other),
            _ => false,
        }
    }
}

impl Eq for Tags {}

impl fmt::Debug for Tags {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::All => "All",
            Self::Only(_) => "Only",
        })
    }
}

impl Capabilities {
    /// Every [`Value`], nested up to [`MAX_DEPTH`].
    pub const ALL: Self = Self {
        bytes: true,
        bytes_as_text: false,
        one_string_type: false,
        tags: Tags::All,
        simple: true,
        any_keys: true,
        non_finite: true,
        min_integer: Integer::MIN,
        max_integer: Integer::MAX,
        depth: MAX_DEPTH,
        of_peer: false,
    };

    /// The values of JSON: no byte strings, tags or simple values; text keys only; finite floats; integers from -2^63
    /// to 2^64-1.
    pub const JSON: Self = Self {
        bytes: false,
        bytes_as_text: false,
        one_string_type: false,
        tags: Tags::None,
        simple: false,
        any_keys: false,
        non_finite: false,
        min_integer: Integer::negative(i64::MAX as u64),
        max_integer: Integer::MAX,
        depth: MAX_DEPTH,
        of_peer: false,
    };

    /// Checks the elements of a message for a codec called `codec`.
    ///
    /// # Errors
    /// For the first value that the codec cannot carry, with the path to it.
    ///
    /// ```
    /// use aemp::{Value, codec::Capabilities};
    /// let payload = [("payload", bytes::Bytes::from_static(b"\xff"))];
    /// let list = Value::from(vec![1.into(), Value::Map(payload.into_iter().collect())]);
    /// let error = Capabilities::JSON.check(&["log".into(), 7.into(), list], "json").unwrap_err();
    /// assert_eq!(
    ///     error.to_string(),
    ///     "element 2 at [1].payload holds bytes, and this connection speaks json, which has none"
    /// );
    /// ```
    pub fn check(&self, elements: &[Value], codec: &str) -> Result<(), EncodeError> {
        for (at, value) in elements.iter().enumerate() {
            self.check_at(value, 1)
                .map_err(|refusal| refusal.into_error(at, codec, self))?;
        }
        Ok(())
    }

    /// The elements, with every value that the codec cannot carry replaced by its diagnostic notation, a text.
    ///
    /// ```
    /// use aemp::{Value, codec::Capabilities};
    /// let bytes = Value::from(bytes::Bytes::from_static(b"\xff"));
    /// let fit = Capabilities::JSON.to_lossy(&["die".into(), bytes]);
    /// assert_eq!(fit[1], Value::from("h'ff'"));
    /// ```
    pub fn to_lossy(&self, elements: &[Value]) -> Values {
        elements.iter().map(|value| self.fit_at(value, 1)).collect()
    }

    /// Checks the value itself, without its parts, at a place `depth` levels deep. The error says what is wrong with
    /// it.
    fn refuse(&self, value: &Value, depth: usize) -> Option<What> {
        match value {
            Value::Integer(n) if !self.has_integer(*n) => {
                Some(What::Lacking(format!("the integer {n}")))
            }
            Value::Float(x) if !self.non_finite && !x.is_finite() => {
                Some(What::Lacking(format!("the float {value}")))
            }
            Value::Bytes(_) if !self.has_bytes() => Some(What::Lacking("bytes".into())),
            Value::Tag(tag, content) if !self.tags.contains(*tag, content) => {
                Some(What::Lacking(match self.tags {
                    Tags::Only(_) => format!("the tag {tag} around {}", shortened(content)),
                    _ => format!("the tag {tag}"),
                }))
            }
            Value::Simple(n) if !self.simple || !is_simple(*n) => Some(What::Lacking(match *n {
                UNDEFINED => "the simple value undefined".into(),
                n => format!("the simple value {n}"),
            })),
            Value::Array(_) | Value::Map(_) | Value::Tag(..) if depth >= self.depth => {
                Some(What::Deep)
            }
            _ => None,
        }
    }

    #[inline]
    pub(crate) fn has_bytes(&self) -> bool {
        self.bytes || self.bytes_as_text
    }

    #[inline]
    pub(crate) fn has_integer(&self, n: Integer) -> bool {
        self.min_integer <= n && n <= self.max_integer
    }

    /// Recursive, up to the limit on nesting.
    fn check_at(&self, value: &Value, depth: usize) -> Result<(), Refusal> {
        if let Some(what) = self.refuse(value, depth) {
            return Err(Refusal {
                what,
                steps: vec![],
            });
        }
        match value {
            Value::Array(items) => {
                for (at, item) in items.iter().enumerate() {
                    self.check_at(item, depth + 1)
                        .map_err(|refusal| refusal.below(format!("[{at}]")))?;
                }
            }
            Value::Map(map) => {
                for (key, value) in map {
                    self.check_key(key, depth + 1)?;
                    self.check_at(value, depth + 1)
                        .map_err(|refusal| refusal.below(step(key)))?;
                }
            }
            Value::Tag(_, value) => self.check_at(value, depth + 1)?,
            _ => {}
        }
        Ok(())
    }

    fn check_key(&self, key: &Value, depth: usize) -> Result<(), Refusal> {
        if self.any_keys {
            return self
                .check_at(key, depth)
                .map_err(|refusal| refusal.below("{key}".into()));
        }
        match key {
            Value::Text(_) => Ok(()),
            Value::Bytes(_) if self.bytes_as_text => Ok(()),
            _ => Err(Refusal {
                what: What::Lacking(format!("the key {}, which is no text", shortened(key))),
                steps: vec![],
            }),
        }
    }

    fn fit_at(&self, value: &Value, depth: usize) -> Value {
        if self.refuse(value, depth).is_some() {
            return Value::from(value.to_string());
        }
        match value {
            Value::Array(items) => {
                let items = items.iter().map(|item| self.fit_at(item, depth + 1));
                Value::Array(items.collect())
            }
            Value::Map(map) => {
                let pairs = map.iter().map(|(key, value)| {
                    let key = match key {
                        Value::Text(_) => key.clone(),
                        Value::Bytes(_) if self.bytes_as_text => key.clone(),
                        _ if self.any_keys => self.fit_at(key, depth + 1),
                        _ => Value::from(key.to_string()),
                    };
                    (key, self.fit_at(value, depth + 1))
                });
                Value::Map(pairs.collect::<Map>())
            }
            Value::Tag(tag, content) => {
                let fit = self.fit_at(content, depth + 1);
                // The tag may not accept the replacement of its content.
                match self.tags.contains(*tag, &fit) {
                    true => Value::Tag(*tag, Box::new(fit)),
                    false => Value::from(value.to_string()),
                }
            }
            other => other.clone(),
        }
    }
}

/// Why a codec cannot carry a value.
enum What {
    /// The codec cannot represent it.
    Lacking(String),
    /// It is nested too deep.
    Deep,
}

struct Refusal {
    what: What,
    /// The steps, innermost first.
    steps: Vec<String>,
}

/// The number of steps that are shown at each end of a path.
const SHOWN: usize = 8;

impl Refusal {
    fn below(mut self, step: String) -> Self {
        self.steps.push(step);
        self
    }

    fn into_error(mut self, element: usize, codec: &str, to: &Capabilities) -> EncodeError {
        self.steps.reverse();
        if self.steps.len() > 2 * SHOWN {
            let end = self.steps.len() - SHOWN;
            self.steps.splice(SHOWN..end, ["...".to_owned()]);
        }
        let mut path = element.to_string();
        if !self.steps.is_empty() {
            path += " at ";
            path.extend(self.steps);
        }
        match self.what {
            What::Lacking(what) if to.of_peer => EncodeError::Unreadable { path, what },
            What::Lacking(what) => EncodeError::Unfit {
                path,
                what,
                codec: codec.into(),
            },
            What::Deep => EncodeError::TooDeep {
                path,
                limit: to.depth,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bytes::Bytes;

    fn refused(value: impl Into<Value>) -> String {
        let error = Capabilities::JSON.check(&["tag".into(), value.into()], "json");
        error.unwrap_err().to_string()
    }

    #[test]
    fn what_json_lacks_is_refused_with_its_path() {
        let end = ", and this connection speaks json, which has none";
        let key = |k: Value, v: Value| Value::Map(vec![(k, v)].into());
        let bytes = || Value::from(Bytes::from_static(b"\xff"));
        let cases = [
            (bytes(), "element 1 holds bytes"),
            (
                Value::Simple(23),
                "element 1 holds the simple value undefined",
            ),
            (Value::from(f64::NAN), "element 1 holds the float NaN"),
            (
                Value::from(f64::NEG_INFINITY),
                "element 1 holds the float -Infinity",
            ),
            (
                Value::from(Integer::MIN),
                "element 1 holds the integer -18446744073709551616",
            ),
            (Value::Tag(5, Box::default()), "element 1 holds the tag 5"),
            (
                key(1.into(), 2.into()),
                "element 1 holds the key 1, which is no text",
            ),
            (
                key("a b".into(), bytes()),
                r#"element 1 at ["a b"] holds bytes"#,
            ),
            (
                key("a".into(), vec![Value::Null, bytes()].into()),
                "element 1 at .a[1] holds bytes",
            ),
        ];
        for (value, says) in cases {
            assert!(
                Capabilities::ALL
                    .check(std::slice::from_ref(&value), "cbor")
                    .is_ok()
            );
            let fit = Capabilities::JSON.to_lossy(std::slice::from_ref(&value));
            assert!(Capabilities::JSON.check(&fit, "json").is_ok(), "{fit:?}");
            assert_eq!(refused(value), format!("{says}{end}"));
        }
    }

    #[test]
    fn what_the_peer_cannot_read_is_refused_with_its_path() {
        // A peer that reads tag 1 only around integers that are not negative.
        let mut peer = Capabilities::ALL;
        peer.of_peer = true;
        peer.min_integer = 0.into();
        peer.tags = Tags::Only(|tag, content| tag == 1 && matches!(content, Value::Integer(_)));
        let tagged = |tag, content: Value| Value::Tag(tag, Box::new(content));
        let map = |key: Value, value: Value| Value::Map(vec![(key, value)].into());
        let end = ", which the peer cannot read";
        let cases = [
            (
                tagged(1, "text".into()),
                r#"element 1 holds the tag 1 around "text""#,
            ),
            (
                vec![Value::Null, tagged(2, 1.into())].into(),
                "element 1 at [1] holds the tag 2 around 1",
            ),
            (
                map(tagged(2, 1.into()), 1.into()),
                "element 1 at {key} holds the tag 2 around 1",
            ),
            (
                map("a".into(), tagged(2, "x".repeat(99).into())),
                &format!(
                    r#"element 1 at .a holds the tag 2 around "{}..."#,
                    "x".repeat(39)
                ),
            ),
            (tagged(1, (-1).into()), "element 1 holds the integer -1"),
        ];
        for (value, says) in cases {
            let elements = ["tag".into(), value];
            let error = peer.check(&elements, "cbor").unwrap_err().to_string();
            assert_eq!(error, format!("{says}{end}"));
            let fit = peer.to_lossy(&elements);
            assert_eq!(peer.check(&fit, "cbor"), Ok(()), "{fit:?}");
        }
        // A tag that does not accept the replacement of its content is replaced as a whole.
        let fit = peer.to_lossy(&[tagged(1, (-1).into())]);
        assert_eq!(fit[0], Value::from("1(-1)"));
        let good = map(tagged(1, 2.into()), tagged(1, 3.into()));
        assert_eq!(peer.check(&[good], "cbor"), Ok(()));
    }

    #[test]
    fn depth_is_checked_without_a_deep_stack() {
        let nested = |levels| (0..levels).fold(Value::from(1), |inner, _| vec![inner].into());
        let check = |levels| Capabilities::ALL.check(&[nested(levels)], "cbor");
        assert_eq!(check(MAX_DEPTH - 1), Ok(()));
        let error = check(MAX_DEPTH).unwrap_err().to_string();
        assert!(
            error.ends_with("nests deeper than the limit of 512"),
            "{error}"
        );
        assert!(error.len() < 150, "{error}");
        let fit = Capabilities::ALL.to_lossy(&[nested(5000)]);
        assert_eq!(Capabilities::ALL.check(&fit, "cbor"), Ok(()));
    }
}
