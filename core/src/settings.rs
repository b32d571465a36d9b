//! What a configuration can tell a builder: [`Settings`], and [`ConfigSource`], which is asked for them when a node starts.
//! How a configuration is written, found and resolved is no business of this crate: `aemp-profile` has the one that
//! AnyEvent::MP has, too.

use std::fmt;

use aemp_proto::handshake::secret_text;
use aemp_proto::text::latin1;

use crate::handshake::{Secret, SecretError};
use crate::{Config, StartError, Text, Value};

/// Where a node that is about to start gets its configuration: a file with profiles, or whatever a program has. It is
/// given to [`Builder::profiles`](crate::Builder::profiles), and asked if the program names a profile or gives a value.
///
/// ```
/// use aemp_core::settings::{Asked, ConfigSource, Settings};
/// use aemp_core::{LocalNode, StartError};
/// struct Fixed;
/// impl ConfigSource for Fixed {
///     fn configure(&self, _: &Asked, settings: &mut Settings) -> Result<(), StartError> {
///         settings.id = Some("fixed".to_owned());
///         settings.config.hung_check = false;
///         Ok(())
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aemp_core::Result<()> {
/// let node = LocalNode::builder().id("other").profiles(Fixed).profile("any").start().await?;
/// assert_eq!(node.id().as_str(), "fixed");
/// # Ok(())
/// # }
/// ```
pub trait ConfigSource: Send + Sync {
    /// Changes `settings`, which are what the program has told the builder, into those that the node starts with. It may
    /// block: a starting node calls it where that disturbs nobody.
    ///
    /// # Errors
    /// [`StartError::ReadProfile`] if the configuration cannot be read, [`StartError::Profile`] if it is wrong. The node
    /// does not start then.
    fn configure(&self, asked: &Asked, settings: &mut Settings) -> Result<(), StartError>;
}

/// What a program asks of a [`ConfigSource`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Asked {
    /// The profile; `None` if only values were given.
    pub profile: Option<ProfileName>,
    /// Values by key, in the order in which [`Builder::value`](crate::Builder::value) was given them.
    pub values: Vec<(Text, Value)>,
    /// Letters and digits that no other process has, to make an ID of.
    pub word: String,
}

/// Which profile a program wants.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileName {
    /// That of the host's name.
    Host,
    /// The one of this name.
    Named(String),
}

/// A configuration that has been read, which [`Builder::fill`](crate::Builder::fill) takes over.
pub trait Fill {
    /// Puts all that it says in the place of what `settings` say.
    fn fill(self, settings: &mut Settings);
}

/// What a node that starts is told, as far as a configuration can.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// The node's ID; `None` for one that is made up.
    pub id: Option<String>,
    /// Addresses to listen on.
    pub binds: Vec<String>,
    /// Addresses to keep a connection to.
    pub seeds: Vec<String>,
    /// The codecs to use of those there are, best first; `None` for all.
    pub codecs: Option<Vec<String>>,
    /// All settings that have defaults.
    pub config: Config,
    /// What to run at start, in this order.
    pub services: Vec<Service>,
    /// What is odd in the configuration: lines for the log of a node that starts.
    pub warnings: Vec<String>,
    /// What the configuration asks for and this version does not have: the node does not start.
    pub unsupported: Option<Unsupported>,
    secret: Option<SecretSource>,
}

impl Settings {
    /// The shared secret as a text, one character for each byte, as [`Secret::from_text`] reads it.
    pub fn secret_text(&self) -> Option<String> {
        self.secret.as_ref().map(SecretSource::as_text)
    }

    /// Sets the shared secret, of which `min_secret` is not asked again, or takes it away.
    pub fn set_secret(&mut self, secret: Option<Secret>) {
        self.secret = secret.map(SecretSource::Checked);
    }

    pub(crate) fn give_secret(&mut self, secret: SecretSource) {
        self.secret = Some(secret);
    }

    /// The secret, if there is one. Fails if it is shorter than `min_secret`.
    pub(crate) fn take_secret(&mut self) -> Result<Option<Secret>, SecretError> {
        let secret = self.secret.take();
        let checked = secret.map(|secret| secret.check(self.config.min_secret));
        checked.transpose()
    }
}

/// A function to run at start.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// The name that it is registered under, by [`Builder::service`](crate::Builder::service).
    pub name: Text,
    /// What it is called with.
    pub arguments: Vec<Value>,
}

/// Something that a configuration asks for and cannot have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unsupported {
    /// The key.
    pub key: &'static str,
    /// What is missing, and what to do.
    pub why: &'static str,
}

/// A secret as it was given.
pub(crate) enum SecretSource {
    Text(String),
    Bytes(Vec<u8>),
    /// Its length was held against the `min_secret` that came with it.
    Checked(Secret),
}

impl SecretSource {
    fn check(self, min: usize) -> Result<Secret, SecretError> {
        match self {
            Self::Text(text) => Secret::from_text(&text, min),
            Self::Bytes(bytes) => Secret::new(bytes, min),
            Self::Checked(secret) => Ok(secret),
        }
    }

    fn as_text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Bytes(bytes) => latin1(bytes),
            Self::Checked(secret) => secret_text(secret),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}
