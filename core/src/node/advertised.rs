//! `Advertised`: the addresses that a node publishes in place of those that it has bound.

use std::io;
use std::net::SocketAddr;

use super::checked::parse_all;
use crate::Address;
use crate::error::StartError;

/// The entry that stands for the bound addresses.
const BOUND: &str = "binds";

/// What [`NodeBuilder::advertise`](super::NodeBuilder::advertise) has added. Empty: the bound addresses are published.
pub(super) struct Advertised(Vec<Entry>);

enum Entry {
    Bound,
    Address(Address),
}

impl Advertised {
    pub(super) fn parse(texts: &[String]) -> Result<Self, StartError> {
        let entry = |address: Address| match address.to_string() == BOUND {
            true => Entry::Bound,
            false => Entry::Address(address),
        };
        let entries = parse_all(texts)?.into_iter().map(entry);
        Ok(Self(entries.collect()))
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The addresses themselves, without the bound ones.
    pub(super) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.0.iter().filter_map(|entry| match entry {
            Entry::Bound => None,
            Entry::Address(address) => Some(address),
        })
    }

    /// Those that are socket addresses. A host name is not resolved: a peer sees no names.
    pub(super) fn sockets(&self) -> Vec<SocketAddr> {
        let sockets = self.addresses().map(|address| address.target().parse());
        sockets.filter_map(Result::ok).collect()
    }

    /// The addresses to publish, in the order of the entries, each once.
    pub(super) fn published(&self, bound: &[Address]) -> Vec<Address> {
        if self.is_empty() {
            return bound.to_vec();
        }
        let mut published = Vec::new();
        for entry in &self.0 {
            let addresses = match entry {
                Entry::Bound => bound,
                Entry::Address(address) => std::slice::from_ref(address),
            };
            for address in addresses {
                if !published.contains(address) {
                    published.push(address.clone());
                }
            }
        }
        published
    }
}

/// Checks that the address is the same one to every peer.
pub(super) fn check(address: &Address) -> io::Result<()> {
    match address.target().bytes().all(|byte| byte.is_ascii_digit()) {
        true => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "a port alone is at each peer's own host: write host:port",
        )),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advertised(texts: &[&str]) -> Advertised {
        let texts: Vec<_> = texts.iter().map(|&text| text.to_owned()).collect();
        Advertised::parse(&texts).unwrap()
    }

    #[test]
    fn what_is_advertised_is_published_in_place_of_the_bound_addresses_or_around_them() {
        let bound: [Address; 2] = ["10.0.0.1:4040", "[::1]:4040"].map(|at| at.parse().unwrap());
        for (entries, published) in [
            (&[][..], "10.0.0.1:4040,[::1]:4040"),
            (&["192.0.2.1:4140"], "192.0.2.1:4140"),
            (&["binds"], "10.0.0.1:4040,[::1]:4040"),
            (&["b:1, binds", "a:1"], "b:1,10.0.0.1:4040,[::1]:4040,a:1"),
            (
                &["[::1]:4040", "tcp:[::1]:4040", "binds"],
                "[::1]:4040,10.0.0.1:4040",
            ),
        ] {
            let found = advertised(entries).published(&bound);
            assert_eq!(
                aemp_proto::address::listed(&found),
                published,
                "{entries:?}"
            );
        }
    }

    #[test]
    fn only_socket_addresses_can_be_what_a_peer_sees() {
        let advertised = advertised(&[
            "node.example.net:4040",
            "binds",
            "mem:192.0.2.1:4140",
            "[::1]:1",
        ]);
        let sockets = ["192.0.2.1:4140", "[::1]:1"].map(|at| at.parse().unwrap());
        assert_eq!(advertised.sockets(), sockets);
    }
}
