//! `Endpoint`: the address of an HTTP endpoint. `ReadyWhen`: when a supervisor is told that a node is ready. Both are for the
//! command, which runs nodes; a program's own node ignores them.

use std::fmt;
use std::net::Ipv6Addr;

use aemp_core::Text;

/// The address at which the command answers HTTP for a node that it runs: `HOST:PORT`, where `*` as host stands for every
/// address of the machine, loopback included.
///
/// ```
/// use aemp::profile::Endpoint;
/// let every = Endpoint::parse("*:8080").unwrap();
/// assert_eq!((every.host(), every.port()), (None, 8080));
/// let one = Endpoint::parse("[::1]:8080").unwrap();
/// assert_eq!((one.host(), one.to_string().as_str()), (Some("::1"), "[::1]:8080"));
/// assert_eq!(Endpoint::parse("8080"), None);
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    host: Option<Text>,
    port: u16,
}

impl Endpoint {
    /// Reads `HOST:PORT`. `None` without a host, or with a port that is not 1 to 65535: who asks has to know it.
    pub fn parse(text: &str) -> Option<Self> {
        let (host, port) = text.rsplit_once(':')?;
        let port = port.parse().ok().filter(|port| *port > 0)?;
        let in_brackets = host.strip_prefix('[').and_then(|ip| ip.strip_suffix(']'));
        let host = match (host, in_brackets) {
            ("*", _) => None,
            (_, Some(ip)) => Some(ip.parse::<Ipv6Addr>().ok()?.to_string().into()),
            (name, None) if is_name(name) => Some(Text::from(name)),
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// The host's name or IP address, an IPv6 address without brackets; `None` for every address of the machine.
    pub fn host(&self) -> Option<&str> {
        self.host.as_deref()
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.host() {
            None => write!(f, "*:{}", self.port),
            Some(host) if host.contains(':') => write!(f, "[{host}]:{}", self.port),
            Some(host) => write!(f, "{host}:{}", self.port),
        }
    }
}

/// Whether it can be a host's name, or is an IPv4 address.
fn is_name(text: &str) -> bool {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    !text.is_empty() && text.chars().all(is_part)
}

/// When a node that the command runs says that it is ready.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum ReadyWhen {
    /// It listens at all of its binds.
    #[default]
    Listening,
    /// It also has a connection to one of its seeds, or has none, or is one itself: the first, or another one that has a connection to
    /// any node.
    Joined,
}

impl ReadyWhen {
    /// The one called `name`.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Listening, Self::Joined]
            .into_iter()
            .find(|when| when.name() == name)
    }

    /// Its name in a configuration.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Listening => "listening",
            Self::Joined => "joined",
        }
    }
}
