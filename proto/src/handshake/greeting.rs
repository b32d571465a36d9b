//! The greeting line: writing ours, and parsing the peer's (protocol.md section 2).

use std::borrow::Cow;
use std::net::SocketAddr;
use std::ops::Range;

use super::error::excerpt;
use super::{AuthMethod, HandshakeError, Opening, Role, Tls};
use crate::NodeId;

/// The peer, as its greeting describes it. The peer is verified only when the connection is
/// [`Established`](super::Established).
///
/// It stores the received line, at most 4 KiB.
#[derive(Debug)]
pub struct Peer {
    node: NodeId,
    line: Box<[u8]>,
    auths: Range<usize>,
    framings: Range<usize>,
}

impl Peer {
    /// Parses a greeting line, and checks protocol, version, number of fields and node ID.
    pub(super) fn parse(line: Box<[u8]>) -> Result<Self, HandshakeError> {
        let mut fields = fields(&line);
        let mut next = |found| fields.next().ok_or(HandshakeError::Fields { found });
        let protocol = next(0)?;
        match &line[protocol.clone()] {
            b"aemp" => {}
            b"aemp-dataconn" => return Err(HandshakeError::DataConnection),
            other => return Err(Self::not_aemp(other)),
        }
        let version = &line[next(1)?];
        if version != b"1" {
            let found = excerpt(version);
            return Err(HandshakeError::Version { found });
        }
        let node = &line[next(2)?];
        let node = std::str::from_utf8(node).map_err(|_| HandshakeError::NodeIdBytes {
            found: excerpt(node),
        })?;
        let node = NodeId::new(node)?;
        let auths = next(3)?;
        let framings = next(4)?;
        drop(fields);
        Ok(Self {
            node,
            auths,
            framings,
            line,
        })
    }

    /// The error for a line that does not begin like a greeting.
    pub(super) fn not_aemp(line: &[u8]) -> HandshakeError {
        let protocol = line.split(|&byte| byte == b';').next().unwrap_or(line);
        let found = excerpt(protocol);
        HandshakeError::Protocol { found }
    }

    /// The peer's node ID.
    pub fn node(&self) -> &NodeId {
        &self.node
    }

    /// The value of a greeting key, unescaped. If a key is repeated, the last value counts. Bytes that are not UTF-8
    /// are replaced.
    ///
    /// Known keys are `provider`, `peeraddr`, `tls`, `mproto`, `gproto`, `dataconn_id`, and `role` and
    /// `trace` of this project.
    pub fn key(&self, name: &str) -> Option<String> {
        let keys = self.line.get(self.framings.end + 1..)?;
        let value = |field: &Range<usize>| {
            let field = keys[field.clone()].strip_prefix(name.as_bytes())?;
            field.strip_prefix(b"=").map(unescape)
        };
        fields(keys).filter_map(|field| value(&field)).last()
    }

    /// The peer's program and version; empty if the greeting has none.
    pub fn provider(&self) -> String {
        self.key("provider").unwrap_or_default()
    }

    /// Whether the peer is an AnyEvent::MP node, whose strings need conversion ([protocol.md section 3]).
    ///
    /// [protocol.md section 3]: crate::protocol#3-framings
    pub fn is_perl(&self) -> bool {
        self.provider().starts_with("AE-")
    }

    /// Whether the peer offers TLS: `tls=1.x`.
    pub fn offers_tls(&self) -> bool {
        self.key("tls").is_some_and(|tls| tls.starts_with("1."))
    }

    /// Whether the greeting has a role, as greetings of this project do. Only such a peer applies the rule of
    /// [`rivals`](super::rivals).
    pub fn says_role(&self) -> bool {
        self.key("role").is_some()
    }

    /// Whether the peer reads trace contexts: `trace=1`
    /// ([`node_protocol::TRACE`](crate::node_protocol::TRACE)).
    pub fn reads_traces(&self) -> bool {
        self.key("trace").as_deref() == Some("1")
    }

    /// The auth methods that the peer accepts, best first, including unknown ones.
    pub fn auths(&self) -> impl Iterator<Item = &str> {
        tokens(&self.line[self.auths.clone()])
    }

    /// The framings that the peer reads, best first.
    pub fn framings(&self) -> impl Iterator<Item = &str> {
        tokens(&self.line[self.framings.clone()])
    }

    /// The received line, without its terminator.
    pub fn line(&self) -> &[u8] {
        &self.line
    }

    /// The list of auth methods, for errors.
    pub(super) fn auths_excerpt(&self) -> String {
        excerpt(&self.line[self.auths.clone()])
    }

    /// The list of framings, for errors.
    pub(super) fn framings_excerpt(&self) -> String {
        excerpt(&self.line[self.framings.clone()])
    }

    pub(super) fn check_role(&self, ours: Role) -> Result<(), HandshakeError> {
        let node = || self.node.clone();
        let role = match self.key("role").as_deref() {
            None => return Ok(()),
            Some("d") => Role::Dialer,
            Some("a") => Role::Acceptor,
            Some(other) => {
                let found = excerpt(other.as_bytes());
                let node = node();
                return Err(HandshakeError::RoleValue { node, found });
            }
        };
        if role == ours && !faulty!(RoleUnchecked | OwnLinesUnchecked) {
            let node = node();
            return Err(HandshakeError::SameRole { node, role });
        }
        Ok(())
    }

    /// Compares `peeraddr`, our address as the peer sees it, with `ours`, and asks whether it `is_another` of this
    /// node's. A greeting without the key passes: the proof covers the greeting, so a relay cannot remove the key.
    pub(super) fn check_address(
        &self,
        ours: SocketAddr,
        is_another: impl Fn(SocketAddr) -> bool,
    ) -> Result<(), HandshakeError> {
        let Some(said) = self.key("peeraddr") else {
            return Ok(());
        };
        let seen = said.parse().map(canonical);
        if seen.is_ok_and(|seen| seen == ours || is_another(seen)) || faulty!(AddressUnchecked) {
            return Ok(());
        }
        Err(HandshakeError::PeerAddress {
            node: self.node.clone(),
            found: excerpt(said.as_bytes()),
            ours,
        })
    }
}

/// Our greeting line, without its terminator.
pub(super) fn write(opening: &Opening, accepted: &[AuthMethod]) -> Vec<u8> {
    let settings = &opening.settings;
    let mut line = format!(
        "aemp;1;{};{};{};provider={};mproto=1;gproto=1;role={}",
        settings.node,
        join(accepted.iter().map(|method| method.name())),
        join(settings.framings.iter().map(|name| name.as_str())),
        escape(&settings.provider),
        opening.role.letter(),
    );
    if let Some(peer) = opening.peer {
        line.push_str(";peeraddr=");
        line.push_str(&canonical(peer).to_string());
    }
    if settings.tls != Tls::Off {
        line.push_str(";tls=1.0");
    }
    if settings.reads_traces {
        line.push_str(";trace=1");
    }
    line.into_bytes()
}

/// An address in a form that both ends agree on: no IPv4-mapped IPv6 address, no zone, no flow label.
pub(super) fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
}

/// A list as greetings contain it.
pub(super) fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(",")
}

/// The positions of the fields of a line.
fn fields(line: &[u8]) -> impl Iterator<Item = Range<usize>> {
    let mut start = 0;
    line.split(|&byte| byte == b';').map(move |field| {
        let range = start..start + field.len();
        start = range.end + 1;
        range
    })
}

/// The names in a list. Names that are not UTF-8 are unknown and skipped.
fn tokens(list: &[u8]) -> impl Iterator<Item = &str> {
    let names = list.split(|&byte| byte == b',');
    names
        .filter_map(|name| std::str::from_utf8(name).ok())
        .filter(|name| !name.is_empty())
}

fn escape(value: &str) -> Cow<'_, str> {
    if !value.contains([';', '%']) {
        return Cow::Borrowed(value);
    }
    Cow::Owned(value.replace('%', "%25").replace(';', "%3b"))
}

fn unescape(value: &[u8]) -> String {
    let text = String::from_utf8_lossy(value);
    text.replace("%3b", ";")
        .replace("%3B", ";")
        .replace("%25", "%")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(line: &[u8]) -> Peer {
        Peer::parse(line.into()).unwrap()
    }

    #[test]
    fn a_greeting_of_anyevent_mp_is_taken_apart() {
        let peer = peer(
            b"aemp;1;nodeB;tls_sha3_512,hmac_sha3_512;cbor,json,storable;\
              peeraddr=127.0.0.1:47452;provider=AE-2.02;gproto=1;mproto=1",
        );
        assert_eq!(peer.node().as_str(), "nodeB");
        assert!(peer.auths().eq(["tls_sha3_512", "hmac_sha3_512"]));
        assert!(peer.framings().eq(["cbor", "json", "storable"]));
        assert!(peer.is_perl() && !peer.offers_tls() && !peer.says_role() && !peer.reads_traces());
        assert_eq!(peer.key("mproto").as_deref(), Some("1"));
        assert_eq!(peer.key("peeraddr").as_deref(), Some("127.0.0.1:47452"));
        assert_eq!(peer.key("proto"), None);
    }

    #[test]
    fn a_greeting_of_five_fields_is_enough() {
        let peer = peer(b"aemp;1;NAME;hmac_sha3_512;json");
        assert_eq!((peer.provider().as_str(), peer.is_perl()), ("", false));
        assert_eq!(peer.key("mproto"), None);
    }

    #[test]
    fn odd_fields_are_ignored_and_bytes_that_are_no_text_do_no_harm() {
        let peer = peer(b"aemp;1;n;a,,\xff,b;,;x;;=;\xfe=\xff;tls;provider=\xe9");
        assert!(peer.auths().eq(["a", "b"]));
        assert_eq!(peer.framings().count(), 0);
        assert_eq!(peer.key("tls"), None);
        assert_eq!(peer.provider(), "\u{fffd}");
    }

    #[test]
    fn values_are_unescaped_once_and_the_node_id_never() {
        let peer = peer(b"aemp;1;a%3bb;m;f;provider=x%3by%3Bz%253b%41;provider2=no");
        assert_eq!(peer.node().as_str(), "a%3bb");
        assert_eq!(peer.provider(), "x;y;z%3b%41");
    }

    #[test]
    fn what_is_escaped_comes_back() {
        for value in ["", "plain", "a;b%c", "%3b", "%253b", "%%;;"] {
            assert!(!escape(value).contains(';'));
            assert_eq!(unescape(escape(value).as_bytes()), value);
        }
    }

    #[test]
    fn the_last_of_two_equal_keys_counts() {
        assert_eq!(
            peer(b"aemp;1;n;m;f;tls=0;tls=1.0").key("tls").unwrap(),
            "1.0"
        );
    }

    #[test]
    fn tls_is_offered_by_version_one_point_anything() {
        for (value, offered) in [("1.0", true), ("1.3", true), ("1", false), ("2.0", false)] {
            let line = format!("aemp;1;n;m;f;tls={value}");
            assert_eq!(peer(line.as_bytes()).offers_tls(), offered, "{value}");
        }
    }

    #[test]
    fn contexts_are_read_by_who_says_so_and_only_in_this_version() {
        for (fields, reads) in [
            (";trace=1", true),
            (";trace=2", false),
            (";trace", false),
            ("", false),
        ] {
            let line = format!("aemp;1;n;m;f{fields}");
            assert_eq!(peer(line.as_bytes()).reads_traces(), reads, "{fields}");
        }
    }

    #[test]
    fn one_address_may_be_written_in_several_ways() {
        let same = [
            ("127.0.0.1:4040", "127.0.0.1:4040"),
            ("[::ffff:127.0.0.1]:4040", "127.0.0.1:4040"),
            ("127.0.0.1:4040", "[::ffff:127.0.0.1]:4040"),
            ("[0:0:0:0:0:0:0:1]:4040", "[::1]:4040"),
            ("[FE80::1]:4040", "[fe80::1%2]:4040"),
        ];
        for (said, ours) in same {
            let line = format!("aemp;1;n;m;f;peeraddr={said}");
            let ours = canonical(ours.parse().unwrap());
            peer(line.as_bytes())
                .check_address(ours, |_| false)
                .unwrap();
        }
        for said in ["127.0.0.1:4041", "127.0.0.2:4040", "localhost:4040", ""] {
            let line = format!("aemp;1;n;m;f;peeraddr={said}");
            let ours = "127.0.0.1:4040".parse().unwrap();
            assert!(
                peer(line.as_bytes())
                    .check_address(ours, |_| false)
                    .is_err(),
                "{said}"
            );
        }
        let nothing_said = peer(b"aemp;1;n;m;f");
        let ours = "127.0.0.1:4040".parse().unwrap();
        nothing_said.check_address(ours, |_| false).unwrap();
    }
}
