//! `Secret`: the shared secret of a network. Its `Debug` does not show it, and its memory is overwritten when it is dropped.

use std::fmt;
use std::sync::Arc;

use zeroize::Zeroizing;

use crate::text::latin1;

/// The secret that all nodes of a network share: the bytes of the HMAC key. Never empty.
///
/// Clones share one copy of the bytes, which is overwritten with zeros when the last of them is dropped. Copies that the
/// program has made of them before are its own.
///
/// The constructors check its length against the configured `min_secret` ([protocol.md section 9]).
///
/// ```
/// use aemp::handshake::Secret;
/// let error = Secret::from_text("short", 16).unwrap_err().to_string();
/// assert!(error.starts_with("the secret has 5 bytes, at least 16 are needed"));
/// let secret = Secret::from_text("correct horse battery", 16)?;
/// assert_eq!(format!("{secret:?}"), "Secret(..)");
/// # Ok::<(), aemp::handshake::SecretError>(())
/// ```
///
/// [protocol.md section 9]: crate::protocol#9-configuration
#[derive(Clone)]
pub struct Secret(Arc<Zeroizing<Vec<u8>>>);

impl Secret {
    /// A secret of these bytes.
    ///
    /// # Errors
    /// If there are fewer than `min` bytes, or none.
    pub fn new(bytes: impl Into<Vec<u8>>, min: usize) -> Result<Self, SecretError> {
        let bytes: Zeroizing<Vec<u8>> = Zeroizing::new(bytes.into());
        if bytes.is_empty() {
            return Err(SecretError::Empty);
        }
        if bytes.len() < min {
            let length = bytes.len();
            return Err(SecretError::TooShort { length, min });
        }
        Ok(Self(Arc::new(bytes)))
    }

    /// A secret from the text of a configuration. Each character is one byte, as in a Perl node ([protocol.md section
    /// 2]).
    ///
    /// # Errors
    /// As for [`new`](Self::new), and if a character is beyond U+00FF.
    ///
    /// [protocol.md section 2]: crate::protocol#2-opening-a-connection
    pub fn from_text(text: &str, min: usize) -> Result<Self, SecretError> {
        // Of the right capacity from the start: memory that a growing vector leaves behind is not overwritten.
        let mut bytes = Zeroizing::new(Vec::with_capacity(text.len()));
        for c in text.chars() {
            bytes.push(u8::try_from(c).map_err(|_| SecretError::Wide)?);
        }
        Self::new(std::mem::take(&mut *bytes), min)
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        &self.0
    }
}

/// The secret as text for a configuration: one character for each byte. The inverse of [`Secret::from_text`].
pub fn secret_text(secret: &Secret) -> String {
    latin1(secret.bytes())
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// Why a secret cannot be used. The error does not contain the secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SecretError {
    /// The secret is empty.
    #[error("the secret is empty: leave it out, or set one")]
    Empty,
    /// The secret is shorter than `min_secret`.
    #[error(
        "the secret has {length} bytes, at least {min} are needed (min_secret): \
         choose a longer one, the same on every node"
    )]
    #[non_exhaustive]
    TooShort {
        /// The length of the secret, in bytes.
        length: usize,
        /// The least length, in bytes.
        min: usize,
    },
    /// A character is beyond U+00FF and does not fit into a byte.
    #[error(
        "the secret has a character beyond U+00FF: each character is one byte, as in a Perl node"
    )]
    Wide,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_secret_is_one_byte_a_character() {
        let secret = Secret::from_text("caf\u{e9}", 1).unwrap();
        assert_eq!(secret.bytes(), b"caf\xe9");
        assert_eq!(secret_text(&secret), "caf\u{e9}");
    }

    #[test]
    fn an_unusable_secret_is_named_without_showing_it() {
        let cases = [
            ("", "is empty"),
            (
                "hunter2",
                "has 7 bytes, at least 16 are needed (min_secret)",
            ),
            ("\u{263a}hunter2hunter2hunter2", "beyond U+00FF"),
        ];
        for (text, expected) in cases {
            let error = Secret::from_text(text, 16).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        assert_eq!(Secret::new([], 0).unwrap_err(), SecretError::Empty);
    }
}
