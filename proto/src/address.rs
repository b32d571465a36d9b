//! `Address`: the address at which a node listens or can be reached: the scheme of a transport, and the rest.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Text;
use crate::excerpt::is_unsafe;

/// The longest address, in bytes. For comparison: a DNS name has at most 255, the path of a Unix socket 108.
const MAX_ADDRESS: usize = 1024;

/// The address at which a node listens or can be reached: `tcp:host:port`, or `host:port`, which means TCP ([protocol.md
/// section 1]). Only the transport interprets the part after the scheme.
///
/// A text is parsed as `scheme:rest` if it begins with a lower-case name and a colon, and the rest is more than a port
/// (digits or `*`).
///
/// ```
/// use aemp::Address;
/// let plain: Address = "127.0.0.1:4040".parse()?;
/// assert_eq!((plain.scheme(), plain.target()), ("tcp", "127.0.0.1:4040"));
/// assert_eq!(plain, "tcp:127.0.0.1:4040".parse()?);
/// let other: Address = "pipe:/run/app".parse()?;
/// assert_eq!((other.scheme(), other.target()), ("pipe", "/run/app"));
/// # Ok::<(), aemp::error::ParseAddressError>(())
/// ```
///
/// [protocol.md section 1]: crate::protocol#1-names
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Address {
    scheme: Text,
    target: Text,
}

impl Address {
    /// The address `target` of the transport with this scheme.
    ///
    /// # Errors
    /// If the scheme is not a lower-case name, or the target is empty, has white space or invisible characters, or is too
    /// long.
    pub fn new(scheme: &str, target: &str) -> Result<Self, ParseAddressError> {
        let text = format!("{scheme}:{target}");
        match is_scheme(scheme) && !target.is_empty() && is_allowed(&text) {
            true => Ok(Self::parsed(scheme, target)),
            false => Err(ParseAddressError::new(&text)),
        }
    }

    fn parsed(scheme: &str, target: &str) -> Self {
        Self {
            scheme: scheme.into(),
            target: target.into(),
        }
    }

    /// The name of the transport.
    pub fn scheme(&self) -> &str {
        &self.scheme
    }

    /// The part after the scheme, which only the transport interprets.
    pub fn target(&self) -> &str {
        &self.target
    }
}

/// The addresses as one text, separated by commas.
pub fn listed(addresses: &[Address]) -> String {
    let texts: Vec<String> = addresses.iter().map(Address::to_string).collect();
    texts.join(",")
}

/// The rank of an address among the addresses of one node; lower is better. First those that other networks can reach,
/// then link-local ones, then loopback. An address that is not a socket address, such as a host name, ranks first,
/// since its reach is unknown.
pub fn rank(address: &Address) -> u8 {
    let socket: Option<SocketAddr> = address.target.parse().ok();
    match socket.map(|socket| socket.ip().to_canonical()) {
        Some(ip) if ip.is_loopback() => 2,
        Some(IpAddr::V4(ip)) if ip.is_link_local() => 1,
        Some(IpAddr::V6(ip)) if ip.is_unicast_link_local() => 1,
        _ => 0,
    }
}

impl FromStr for Address {
    type Err = ParseAddressError;
    fn from_str(text: &str) -> Result<Self, ParseAddressError> {
        if text.is_empty() || !is_allowed(text) {
            return Err(ParseAddressError::new(text));
        }
        Ok(match text.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) && !is_port(rest) => {
                Self::parsed(scheme, rest)
            }
            _ => Self::parsed("tcp", text),
        })
    }
}

/// The TCP address of a socket.
impl From<SocketAddr> for Address {
    fn from(address: SocketAddr) -> Self {
        Self::parsed("tcp", &address.to_string())
    }
}

impl From<Address> for String {
    fn from(address: Address) -> Self {
        address.to_string()
    }
}

impl Serialize for Address {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Address {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Text::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

impl TryFrom<&str> for Address {
    type Error = ParseAddressError;
    fn try_from(text: &str) -> Result<Self, ParseAddressError> {
        text.parse()
    }
}

/// Whether an address may consist of these characters.
fn is_allowed(text: &str) -> bool {
    let refused = |c: char| c.is_whitespace() || is_unsafe(c);
    text.len() <= MAX_ADDRESS && !text.contains(refused)
}

fn is_scheme(text: &str) -> bool {
    let word = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-' || b == b'+';
    text.starts_with(|c: char| c.is_ascii_lowercase()) && text.bytes().all(word)
}

fn is_port(text: &str) -> bool {
    text == "*" || text.bytes().all(|b| b.is_ascii_digit())
}

/// TCP addresses are displayed without the scheme, as AnyEvent::MP nodes write them.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.scheme != "tcp" {
            write!(f, "{}:", self.scheme)?;
        }
        f.write_str(&self.target)
    }
}

impl fmt::Debug for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Address({self})")
    }
}

/// A text that is not a valid address.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no address: write host:port, or scheme:... for another transport than TCP")]
pub struct ParseAddressError(String);

impl ParseAddressError {
    fn new(text: &str) -> Self {
        Self(text.chars().take(60).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plain_address_is_tcp() {
        for text in [
            "localhost:4040",
            "[::1]:4040",
            "*:4040",
            "*",
            "4040",
            "host:*",
            "10.0.0.1:*",
            "h-1:80",
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.scheme(), address.target()), ("tcp", text));
            assert_eq!(address.to_string(), text);
        }
    }

    #[test]
    fn a_scheme_is_kept() {
        for (text, scheme, rest) in [
            ("tcp:h:1", "tcp", "h:1"),
            ("unix:/a:b", "unix", "/a:b"),
            ("tcp:[::1]:1", "tcp", "[::1]:1"),
        ] {
            let address: Address = text.parse().unwrap();
            assert_eq!((address.scheme(), address.target()), (scheme, rest));
        }
    }

    #[test]
    fn what_reaches_farther_goes_first() {
        let mut all = [
            "127.0.0.1:1",
            "[fe80::1%2]:1",
            "[::1]:1",
            "[::ffff:127.0.0.1]:1",
            "169.254.1.1:1",
            "10.0.0.1:1",
            "unix:/run/a",
            "host:1",
            "[2001:db8::1]:1",
        ]
        .map(|text| text.parse::<Address>().unwrap());
        all.sort_by_key(rank);
        assert_eq!(
            all.map(|address| address.to_string()),
            [
                "10.0.0.1:1",
                "unix:/run/a",
                "host:1",
                "[2001:db8::1]:1",
                "[fe80::1%2]:1",
                "169.254.1.1:1",
                "127.0.0.1:1",
                "[::1]:1",
                "[::ffff:127.0.0.1]:1",
            ]
        );
    }

    #[test]
    fn white_space_is_refused() {
        let error = "a b:1".parse::<Address>().unwrap_err().to_string();
        assert_eq!(
            error,
            "\"a b:1\" is no address: write host:port, or scheme:... for another transport than TCP"
        );
        assert!("".parse::<Address>().is_err());
    }
}
