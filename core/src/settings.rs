//! The interface of configurations: [`Settings`], and [`ConfigSource`], which changes them when a node starts. The
//! format, location and resolution of a configuration are outside of this crate: `aemp-profile` implements the one of
//! AnyEvent::MP.

use std::fmt;

use aemp_proto::handshake::secret_text;
use aemp_proto::text::latin1;
use zeroize::Zeroizing;

use crate::handshake::{Secret, SecretError};
use crate::policy::Rules;
use crate::{Config, StartError, Text, Value};

/// The source of a node's configuration: a file with profiles, or any other. It is passed to
/// [`NodeBuilder::profiles`](crate::NodeBuilder::profiles), and called at start if the program sets a profile or a value.
///
/// ```
/// use aemp::settings::{Asked, ConfigSource, Settings};
/// use aemp::{LocalNode, StartError};
/// struct Fixed;
/// impl ConfigSource for Fixed {
///     fn configure(&self, _: &Asked, settings: &mut Settings) -> Result<(), StartError> {
///         settings.id = Some("fixed".to_owned());
///         settings.config.liveness_check = false;
///         Ok(())
///     }
/// }
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> aemp::Result<()> {
/// let node = LocalNode::builder().id("other").profiles(Fixed).profile("any").start().await?;
/// assert_eq!(node.id().as_str(), "fixed");
/// # Ok(())
/// # }
/// ```
pub trait ConfigSource: Send + Sync {
    /// Changes `settings`, which hold the settings of the builder, to those with which the node starts. It may block:
    /// it is called on a thread for blocking work.
    ///
    /// # Errors
    /// [`StartError::ReadProfile`] if the configuration cannot be read, [`StartError::Profile`] if it is wrong. Then
    /// the node does not start.
    fn configure(&self, asked: &Asked, settings: &mut Settings) -> Result<(), StartError>;
}

/// The request of a program to a [`ConfigSource`].
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Asked {
    /// The profile; `None` if only values were set.
    pub profile: Option<ProfileName>,
    /// Keys and values, in the order of the calls of [`NodeBuilder::value`](crate::NodeBuilder::value).
    pub values: Vec<(Text, Value)>,
    /// Random letters and digits, different for each process, to build a node ID from.
    pub word: String,
}

/// The profile that a program selects.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProfileName {
    /// The profile with the name of the host.
    Host,
    /// The profile with this name.
    Named(String),
}

/// A configuration that has been read, for [`NodeBuilder::fill`](crate::NodeBuilder::fill).
pub trait Fill {
    /// Replaces the values in `settings` by its own.
    fn fill(self, settings: &mut Settings);
}

/// The settings of a starting node that a configuration can change.
#[derive(Debug, Default)]
#[non_exhaustive]
pub struct Settings {
    /// The node's ID; `None` for a generated one.
    pub id: Option<String>,
    /// Addresses to listen on.
    pub binds: Vec<String>,
    /// Where to listen if `binds` is empty; `None` for nowhere.
    pub default_binds: Option<DefaultBinds>,
    /// Addresses to which the node keeps a connection.
    pub seeds: Vec<String>,
    /// Addresses to publish in place of those bound; see [`NodeBuilder::advertise`](crate::NodeBuilder::advertise).
    pub advertise: Vec<String>,
    /// Names of the codecs to use, best first; `None` for all.
    pub codecs: Option<Vec<String>>,
    /// The settings that have defaults.
    pub config: Config,
    /// What peers may do, unless the program has set a policy.
    pub rules: Rules,
    /// Services to run at start, in this order.
    pub services: Vec<Service>,
    /// Warnings about the configuration, which the starting node logs.
    pub warnings: Vec<String>,
    /// A feature that the configuration needs and this version does not have. If set, the node does not start.
    pub unsupported: Option<Unsupported>,
    secret: Option<SecretSource>,
    secret_accept: Vec<SecretSource>,
    certificate: Option<Pem>,
}

impl Settings {
    /// The private key and the certificates, in PEM.
    pub fn certificate_text(&self) -> Option<&str> {
        self.certificate.as_ref().map(|pem| pem.0.as_str())
    }

    /// Sets or removes the private key and the certificates, in PEM. See [`NodeBuilder::certificate`](crate::NodeBuilder::certificate).
    pub fn set_certificate(&mut self, pem: Option<String>) {
        self.certificate = pem.map(|pem| Pem(Zeroizing::new(pem)));
    }

    /// The shared secret as text, with one character per byte, as read by [`Secret::from_text`].
    pub fn secret_text(&self) -> Option<String> {
        self.secret.as_ref().map(SecretSource::as_text)
    }

    /// Sets or removes the shared secret. Its length is not checked against `min_secret` again.
    pub fn set_secret(&mut self, secret: Option<Secret>) {
        self.secret = secret.map(SecretSource::Checked);
    }

    /// The further accepted secrets as texts, like [`secret_text`](Self::secret_text).
    pub fn secret_accept_texts(&self) -> Vec<String> {
        self.secret_accept
            .iter()
            .map(SecretSource::as_text)
            .collect()
    }

    /// Replaces the further accepted secrets. Their length is not checked against `min_secret` again.
    pub fn set_secret_accept(&mut self, secrets: Vec<Secret>) {
        self.secret_accept = secrets.into_iter().map(SecretSource::Checked).collect();
    }

    pub(crate) fn set_secret_source(&mut self, secret: SecretSource) {
        self.secret = Some(secret);
    }

    pub(crate) fn accept_secret_source(&mut self, secret: SecretSource) {
        self.secret_accept.push(secret);
    }

    /// Takes the secret, if there is one, and the further accepted ones. Fails if one is shorter than `min_secret`.
    pub(crate) fn take_secrets(&mut self) -> Result<(Option<Secret>, Vec<Secret>), SecretError> {
        let min = self.config.min_secret;
        let secret = self.secret.take().map(|secret| secret.check(min));
        let accepted = std::mem::take(&mut self.secret_accept);
        let accepted = accepted.into_iter().map(|secret| secret.check(min));
        Ok((secret.transpose()?, accepted.collect::<Result<_, _>>()?))
    }
}

/// A service: a function that the node runs at start.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Service {
    /// The name under which it is registered by [`NodeBuilder::service`](crate::NodeBuilder::service).
    pub name: Text,
    /// The arguments of the call.
    pub arguments: Vec<Value>,
}

impl Service {
    /// The service `name` with these arguments.
    pub fn new(name: impl Into<Text>, arguments: Vec<Value>) -> Self {
        let name = name.into();
        Self { name, arguments }
    }
}

/// Where a node without `binds` listens. Which of the two holds is known only when the node starts, since its program can
/// set a secret or TLS as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DefaultBinds {
    /// The address where a secret or a certificate guards the node.
    pub guarded: &'static str,
    /// The address, on loopback, where neither does. The starting node logs it.
    pub unguarded: &'static str,
}

impl DefaultBinds {
    /// The address for a node that a secret or a certificate guards, or for one that neither does.
    pub const fn of(self, is_guarded: bool) -> &'static str {
        match is_guarded {
            true => self.guarded,
            false => self.unguarded,
        }
    }
}

/// A feature that a configuration needs and this version does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Unsupported {
    /// The key.
    pub key: &'static str,
    /// The missing feature, and what to do.
    pub why: &'static str,
}

impl Unsupported {
    /// `key` needs a feature that is missing: `why` names it, and what to do.
    pub fn new(key: &'static str, why: &'static str) -> Self {
        Self { key, why }
    }
}

/// A private key and certificates, in PEM. `Debug` does not show them.
struct Pem(Zeroizing<String>);

impl fmt::Debug for Pem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Pem(..)")
    }
}

/// A secret as it was set.
pub(crate) enum SecretSource {
    Text(Zeroizing<String>),
    Bytes(Zeroizing<Vec<u8>>),
    /// Its length was checked against its own `min_secret`.
    Checked(Secret),
}

impl SecretSource {
    fn check(self, min: usize) -> Result<Secret, SecretError> {
        match self {
            Self::Text(text) => Secret::from_text(&text, min),
            Self::Bytes(mut bytes) => Secret::new(std::mem::take(&mut *bytes), min),
            Self::Checked(secret) => Ok(secret),
        }
    }

    fn as_text(&self) -> String {
        match self {
            Self::Text(text) => text.to_string(),
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
