//! `Profile`: a resolved configuration, with a type for each key.

use std::fmt;
use std::net::SocketAddr;
use std::time::Duration;

use aemp_core::handshake::{AuthMethod, Secret};
use aemp_core::policy::Rules;
use aemp_core::settings::{DefaultBinds, Service};
use aemp_core::{Address, Config, NodeId, Text};

use super::layers::Effective;
use super::{Endpoint, Key, ProfileError, ReadyWhen, Warning, node_id, read};

/// Where a node without `binds` listens: on every address but loopback ([protocol.md section 9]), and where neither a secret
/// nor a certificate guards it on loopback only.
///
/// [protocol.md section 9]: aemp_core::protocol#9-configuration
pub const DEFAULT_BINDS: DefaultBinds = DefaultBinds {
    guarded: "*",
    unguarded: "127.0.0.1:*",
};

/// The resolved configuration of a node ([protocol.md section 9]). Created by
/// [`Sources::resolve`](super::Sources::resolve), applied by [`NodeBuilder::fill`](aemp_core::NodeBuilder::fill).
///
/// [protocol.md section 9]: aemp_core::protocol#9-configuration
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Profile {
    /// The profile's name; by default the host's name.
    pub name: String,
    /// The node's ID, with `%n` and `%u` replaced.
    pub node_id: NodeId,
    /// Addresses to listen on; without `binds` [`DEFAULT_BINDS`].
    pub binds: Vec<String>,
    /// Whether `binds` is not set, so that what guards the node when it starts decides.
    pub listens_by_default: bool,
    /// Seeds: addresses to which the node keeps a connection.
    pub seeds: Vec<String>,
    /// The shared secret, of at least `min_secret` bytes.
    pub secret: Option<Secret>,
    /// Further secrets that are accepted, each of at least `min_secret` bytes.
    pub secret_accept: Vec<Secret>,
    /// The private key and certificates.
    pub cert: Option<Certificate>,
    /// Services to run at start, in this order.
    pub services: Vec<Service>,
    /// Time after which an unreachable node counts as down.
    pub monitor_timeout: Duration,
    /// Total time in which the addresses of a node are dialled.
    pub connect_interval: Duration,
    /// The codecs to offer and accept, best first; `None` for all codecs of the node.
    pub framing_format: Option<Vec<Text>>,
    /// Auth methods that the node offers.
    pub auth_offer: Vec<AuthMethod>,
    /// Auth methods that the node accepts.
    pub auth_accept: Vec<AuthMethod>,
    /// Whether to batch small writes. aemp always does.
    pub autocork: bool,
    /// Whether small writes are sent at once (`TCP_NODELAY`).
    pub nodelay: bool,
    /// Minimum length of the secret in bytes.
    pub min_secret: usize,
    /// Whether plain connections are allowed although there is a certificate.
    pub tls_fallback: bool,
    /// Whether silent peers count as dead.
    pub hung_check: bool,
    /// Whether peers that see the node under another address than its own or an advertised one are refused.
    pub check_peeraddr: bool,
    /// Addresses to publish in place of those bound, for which `binds` among them stands.
    pub advertise: Vec<String>,
    /// Where the command answers HTTP for the node, if it runs it.
    pub health: Option<Endpoint>,
    /// When the command says that the node is ready, if it runs it.
    pub ready_when: ReadyWhen,
    /// Whether peers are prevented from calling functions.
    pub secure: bool,
    /// What peers may do, if the configuration says so.
    pub allow: Option<Rules>,
    /// Warnings about the configuration.
    pub warnings: Vec<Warning>,
}

/// A private key, its certificate and CA certificates, in PEM. `Debug` does not show them.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate(Text);

impl Certificate {
    /// The PEM text.
    pub fn as_pem(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Certificate(..)")
    }
}

impl Profile {
    /// The addresses of `advertise` that are socket addresses, which are the node's own in the check of `peeraddr`.
    pub fn own_addresses(&self) -> Vec<SocketAddr> {
        let advertise = self.advertise.iter();
        let addresses = advertise.filter_map(|text| text.parse::<Address>().ok());
        addresses
            .filter_map(|address| address.target().parse().ok())
            .collect()
    }

    pub(super) fn read(
        name: &str,
        host: &str,
        word: &str,
        from: Effective<'_>,
    ) -> Result<Self, ProfileError> {
        let config = Config::default();
        let flag =
            |key, default| Ok::<_, ProfileError>(from.get(key, read::flag)?.unwrap_or(default));
        let list = |key| from.get(key, read::addresses);
        let time =
            |key, default| Ok::<_, ProfileError>(from.get(key, read::seconds)?.unwrap_or(default));

        let node_id = match from.get(Key::NodeId, read::text)? {
            Some(id) => node_id::expand(&id, host, word)?,
            // The host's name, if no profile is named.
            None if name == host => node_id::expand("%n/", host, word)?,
            None => node_id::expand(&format!("{name}/"), host, word)?,
        };
        let min_secret = from.get(Key::MinSecret, read::count)?;
        let min_secret = min_secret.unwrap_or(config.min_secret);
        let secret = match from.get(Key::Secret, read::text)? {
            Some(text) => Some(Secret::from_text(&text, min_secret)?),
            None => None,
        };
        let accepted = from.get(Key::SecretAccept, read::texts)?;
        let accepted = accepted.unwrap_or_default().into_iter();
        let secret_accept = accepted
            .map(|text| Secret::from_text(&text, min_secret))
            .collect::<Result<_, _>>()?;
        let cert = from.get(Key::Cert, read::text)?.map(Certificate);
        let binds = list(Key::Binds)?;
        let is_guarded = secret.is_some() || cert.is_some();
        let mut profile = Self {
            name: name.to_owned(),
            listens_by_default: binds.is_none(),
            binds: binds.unwrap_or_else(|| vec![DEFAULT_BINDS.of(is_guarded).to_owned()]),
            seeds: list(Key::Seeds)?.unwrap_or_default(),
            secret,
            secret_accept,
            cert,
            services: from.get(Key::Services, read::services)?.unwrap_or_default(),
            monitor_timeout: time(Key::MonitorTimeout, config.monitor_timeout)?,
            connect_interval: time(Key::ConnectInterval, config.connect_timeout)?,
            framing_format: from.get(Key::FramingFormat, read::names)?,
            auth_offer: from
                .get(Key::AuthOffer, read::methods)?
                .unwrap_or(config.auth_offer),
            auth_accept: from
                .get(Key::AuthAccept, read::methods)?
                .unwrap_or(config.auth_accept),
            autocork: flag(Key::Autocork, false)?,
            nodelay: flag(Key::Nodelay, config.nodelay)?,
            min_secret,
            tls_fallback: flag(Key::TlsFallback, config.tls_fallback)?,
            hung_check: flag(Key::HungCheck, config.liveness_check)?,
            check_peeraddr: flag(Key::CheckPeeraddr, config.check_peeraddr)?,
            advertise: list(Key::Advertise)?.unwrap_or_default(),
            health: from.get(Key::Health, read::endpoint)?,
            ready_when: from
                .get(Key::ReadyWhen, read::ready_when)?
                .unwrap_or_default(),
            secure: flag(Key::Secure, false)?,
            allow: from.get(Key::Allow, |value| read::rules(value).ok())?,
            warnings: from.warnings,
            node_id,
        };
        profile.check_effects();
        Ok(profile)
    }

    /// Adds warnings for values that are valid but have no effect, and removes framings that exist only in Perl.
    fn check_effects(&mut self) {
        if let Some(framings) = &mut self.framing_format {
            let perl_only: Vec<_> = framings
                .extract_if(.., |name| *name == "storable")
                .collect();
            let left_out = perl_only.into_iter().map(|name| Warning::Framing {
                name: name.to_string(),
            });
            self.warnings.extend(left_out);
        }
        if self.autocork {
            self.warnings.push(Warning::NoEffect {
                key: Key::Autocork.name(),
                why: "a node gathers what it sends in any case",
            });
        }
    }
}
