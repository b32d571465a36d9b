//! `Endpoint`: the parsed text of a TCP address (protocol.md section 1).

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::str::FromStr;

/// A host and a port to listen on or connect to, not resolved yet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    pub(crate) host: Host,
    /// `None` if the system chooses the port.
    pub(crate) port: Option<u16>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Host {
    /// `*`: every address of this machine except loopback.
    Every,
    /// No host: the addresses of this machine's own name.
    Own,
    Ip(IpAddr),
    /// A name, or an IPv6 address with a zone (`fe80::1%eth0`), which only the system can resolve.
    Name(String),
}

impl FromStr for Endpoint {
    type Err = io::Error;

    fn from_str(text: &str) -> io::Result<Self> {
        if !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit()) {
            let port = port(text)?;
            return Ok(Self {
                host: Host::Own,
                port,
            });
        }
        if let Some(rest) = text.strip_prefix('[') {
            let Some((inner, rest)) = rest.split_once(']') else {
                return Err(wrong(format!(
                    "{text:?} lacks the \"]\" after its IPv6 address"
                )));
            };
            let port = match rest.strip_prefix(':') {
                Some(digits) => port(digits)?,
                None if rest.is_empty() => None,
                None => {
                    return Err(wrong(format!(
                        "{rest:?} follows the IPv6 address: write [{inner}]:port"
                    )));
                }
            };
            let host = v6(inner)?;
            return Ok(Self { host, port });
        }
        let (name, port) = match text.rsplit_once(':') {
            Some((name, _)) if name.contains(':') => {
                return Err(wrong(format!(
                    "{text:?} has more than one colon: write an IPv6 address in brackets, as in [::1]:4040"
                )));
            }
            Some((name, digits)) => (name, port(digits)?),
            None => (text, None),
        };
        let host = host(name)?;
        Ok(Self { host, port })
    }
}

fn port(text: &str) -> io::Result<Option<u16>> {
    if text == "*" {
        return Ok(None);
    }
    // `parse` alone would accept a sign.
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match text.parse() {
        Ok(0) if digits => Ok(None),
        Ok(port) if digits => Ok(Some(port)),
        _ => Err(wrong(format!(
            "{text:?} is no port: write a number from 1 to 65535, or * for one that the system chooses"
        ))),
    }
}

fn host(text: &str) -> io::Result<Host> {
    if text.is_empty() {
        return Err(wrong(
            "there is no host: write host:port, *:port for every address of this machine, or the port alone for \
             its own name",
        ));
    }
    if text == "*" {
        return Ok(Host::Every);
    }
    if let Ok(ip) = text.parse::<Ipv4Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    // The system would accept "127.1" and "1" as addresses, which is almost never intended.
    if text.bytes().all(|b| b.is_ascii_digit() || b == b'.') {
        return Err(wrong(format!(
            "{text:?} is no IPv4 address: write four numbers from 0 to 255"
        )));
    }
    if text.contains(['[', ']', '/', ',', '*']) {
        return Err(wrong(format!("{text:?} is no host name")));
    }
    Ok(Host::Name(text.to_owned()))
}

fn v6(text: &str) -> io::Result<Host> {
    if let Ok(ip) = text.parse::<Ipv6Addr>() {
        return Ok(Host::Ip(ip.into()));
    }
    match text.split_once('%') {
        Some((ip, zone)) if ip.parse::<Ipv6Addr>().is_ok() && !zone.is_empty() => {
            Ok(Host::Name(text.to_owned()))
        }
        _ => Err(wrong(format!(
            "{text:?} is no IPv6 address, and only those stand in brackets"
        ))),
    }
}

fn wrong(text: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidInput, text.into())
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.host {
            Host::Every => f.write_str("*")?,
            Host::Own => {}
            Host::Ip(IpAddr::V4(ip)) => write!(f, "{ip}")?,
            Host::Ip(IpAddr::V6(ip)) => write!(f, "[{ip}]")?,
            Host::Name(name) if name.contains(':') => write!(f, "[{name}]")?,
            Host::Name(name) => f.write_str(name)?,
        }
        match self.port {
            Some(port) if self.host == Host::Own => write!(f, "{port}"),
            Some(port) => write!(f, ":{port}"),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> (Host, Option<u16>) {
        let endpoint: Endpoint = text.parse().unwrap();
        (endpoint.host, endpoint.port)
    }

    fn error(text: &str) -> String {
        let error = text.parse::<Endpoint>().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::InvalidInput);
        error.to_string()
    }

    #[test]
    fn every_form_of_a_bind() {
        let name = |name: &str| Host::Name(name.to_owned());
        let ip = |ip: &str| Host::Ip(ip.parse().unwrap());
        for (text, host, port) in [
            ("localhost:4040", name("localhost"), Some(4040)),
            ("a-b.example.org:1", name("a-b.example.org"), Some(1)),
            ("localhost", name("localhost"), None),
            ("localhost:*", name("localhost"), None),
            ("localhost:0", name("localhost"), None),
            ("127.0.0.1:65535", ip("127.0.0.1"), Some(65535)),
            ("127.0.0.1", ip("127.0.0.1"), None),
            ("0.0.0.0:4040", ip("0.0.0.0"), Some(4040)),
            ("[::1]:4040", ip("::1"), Some(4040)),
            ("[::1]:*", ip("::1"), None),
            ("[::1]", ip("::1"), None),
            ("[fe80::1%eth0]:4040", name("fe80::1%eth0"), Some(4040)),
            ("*:4040", Host::Every, Some(4040)),
            ("*:*", Host::Every, None),
            ("*", Host::Every, None),
            ("4040", Host::Own, Some(4040)),
        ] {
            assert_eq!(parse(text), (host, port), "{text}");
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        for (text, expected) in [
            (
                "h:65536",
                "\"65536\" is no port: write a number from 1 to 65535, or * for one that the system chooses",
            ),
            (
                "h:",
                "\"\" is no port: write a number from 1 to 65535, or * for one that the system chooses",
            ),
            (
                "h:+80",
                "\"+80\" is no port: write a number from 1 to 65535, or * for one that the system chooses",
            ),
            (
                "99999",
                "\"99999\" is no port: write a number from 1 to 65535, or * for one that the system chooses",
            ),
            (
                "::1:4040",
                "\"::1:4040\" has more than one colon: write an IPv6 address in brackets, as in [::1]:4040",
            ),
            (
                "[::1:4040",
                "\"[::1:4040\" lacks the \"]\" after its IPv6 address",
            ),
            (
                "[::1]4040",
                "\"4040\" follows the IPv6 address: write [::1]:port",
            ),
            (
                "[localhost]:1",
                "\"localhost\" is no IPv6 address, and only those stand in brackets",
            ),
            (
                "300.0.0.1:1",
                "\"300.0.0.1\" is no IPv4 address: write four numbers from 0 to 255",
            ),
            (
                "127.1:1",
                "\"127.1\" is no IPv4 address: write four numbers from 0 to 255",
            ),
            ("a,b:1", "\"a,b\" is no host name"),
            (
                ":4040",
                "there is no host: write host:port, *:port for every address of this machine, or the port alone \
                 for its own name",
            ),
        ] {
            assert_eq!(error(text), expected, "{text}");
        }
        assert!(error("").starts_with("there is no host"));
    }

    #[test]
    fn a_place_shows_as_it_was_written() {
        for text in [
            "h:1",
            "[::1]:1",
            "*:1",
            "*",
            "4040",
            "[fe80::1%2]:1",
            "1.2.3.4",
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), text);
        }
    }
}
