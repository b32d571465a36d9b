//! `HandshakeError`: why an opening failed, for the operator of the node. AEMP does not send errors on the wire, so
//! this is the only report. No error contains a secret or a proof.

use std::net::SocketAddr;
use std::time::Duration;

use super::checks::ANONYMOUS;
use super::{AuthMethod, Line, MAX_LINE, Role};
use crate::{Excerpt, NodeId, ParseIdError};

/// Why an opening failed. The caller adds the remote address.
///
/// Text of the peer is shortened, and its control characters are escaped.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// Our settings do not make a valid greeting.
    #[error("cannot open a connection: {0}")]
    Settings(String),

    /// A line exceeds [`MAX_LINE`].
    #[error("the peer's {line} is longer than {MAX_LINE} bytes: it is no AEMP node, or attacks")]
    #[non_exhaustive]
    LineTooLong {
        /// The line.
        line: Line,
    },

    /// The first field is not `aemp`.
    #[error("the peer does not speak AEMP: expected protocol \"aemp\", found {found}")]
    #[non_exhaustive]
    Protocol {
        /// The field.
        found: String,
    },

    /// The peer opens a raw data connection (protocol.md section 8).
    #[error(
        "the peer opens a data connection (protocol \"aemp-dataconn\"), and this node takes none"
    )]
    DataConnection,

    /// The second field is not `1`.
    #[error("the peer speaks version {found} of AEMP, this node speaks version \"1\" only")]
    #[non_exhaustive]
    Version {
        /// The field.
        found: String,
    },

    /// The greeting has too few fields.
    #[error(
        "the peer's greeting has {found} fields, expected at least 5: \
         protocol, version, node ID, auth methods, framings"
    )]
    #[non_exhaustive]
    Fields {
        /// The number of fields.
        found: usize,
    },

    /// The third field is not a valid node ID.
    #[error("the peer's greeting names no valid node")]
    NodeId(#[from] ParseIdError),

    /// The third field is not UTF-8.
    #[error("the peer's greeting names no valid node: {found} is not UTF-8")]
    #[non_exhaustive]
    NodeIdBytes {
        /// The field.
        found: String,
    },

    /// The peer sent our nonce back (check 5).
    #[error("the peer sends our own nonce line back: an echo, or an attack")]
    Echo,

    /// The peer has our node ID (check 3): it is this node itself, or another node with the same ID.
    #[error(
        "the peer says that it is {node:?}, which is this node's own ID: \
         this node dialled itself, or another node has the same ID",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    Myself {
        /// The ID.
        node: NodeId,
        /// The peer's nonce line. If it is one of the driver's own nonces, the node has dialled itself; otherwise
        /// another node claims the same ID. The peer is not verified yet, and anyone can claim an ID.
        nonce: Box<[u8]>,
    },

    /// The value of the key `role` is unknown.
    #[error(
        "{node:?} sends role={found}, expected \"d\" (it dialled) or \"a\" (it accepted)",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    RoleValue {
        /// The peer.
        node: NodeId,
        /// The value.
        found: String,
    },

    /// Both ends dialled, or both accepted: something between them connects two dialers or two listeners.
    #[error(
        "{node:?} says that it {did} this connection, and so did this node: \
         something between the two connects them to each other",
        did = .role.verb(),
        node = .node.as_str()
    )]
    #[non_exhaustive]
    SameRole {
        /// The peer.
        node: NodeId,
        /// The role of both.
        role: Role,
    },

    /// The peer sees another address for this node than its own: something between them relays the connection.
    #[error(
        "{node:?} sees this node as {found}, but its own address in this connection is {ours}: something stands \
         between the two; if that is a known address translation or relay, add the address outside of it to advertise, or switch \
         check_peeraddr off",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    PeerAddress {
        /// The peer.
        node: NodeId,
        /// Our address as the peer sees it.
        found: String,
        /// Our address.
        ours: SocketAddr,
    },

    /// We have a certificate, and the peer does not offer TLS.
    #[error(
        "{node:?} does not offer TLS, and this node has a certificate: \
         give it one too, or allow plain connections with tls_fallback",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    TlsMissing {
        /// The peer.
        node: NodeId,
    },

    /// The peer accepts no auth method that we can produce.
    #[error(
        "no auth method in common: {node:?} accepts {theirs}, this node can produce {ours}{hint}",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    NoCommonAuth {
        /// The peer.
        node: NodeId,
        /// The peer's list.
        theirs: String,
        /// Our list.
        ours: String,
        /// A hint for the operator.
        hint: &'static str,
    },

    /// The peer reads no codec that we can write.
    #[error(
        "no codec in common: {node:?} reads {theirs}, this node writes {ours}",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    NoCommonFraming {
        /// The peer.
        node: NodeId,
        /// The peer's list.
        theirs: String,
        /// Our list.
        ours: String,
    },

    /// The auth line has less than three fields.
    #[error(
        "the auth line of {node:?} has {found} fields, expected at least 3: method, proof, framing",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    AuthFields {
        /// The peer.
        node: NodeId,
        /// The number of fields.
        found: usize,
    },

    /// The peer authenticates with a method that we did not offer.
    #[error(
        "{node:?} authenticates with {found}, but this node accepts {offered} here",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    AuthNotOffered {
        /// The peer.
        node: NodeId,
        /// The peer's method.
        found: String,
        /// The methods that we accept.
        offered: String,
    },

    /// The peer authenticates with a method whose proof is a certificate, and presented none under TLS.
    #[error(
        "{node:?} authenticates with {method}, which is no proof without a certificate, and it presented none",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    NoCertificate {
        /// The peer.
        node: NodeId,
        /// The peer's method.
        method: AuthMethod,
    },

    /// An anonymous peer has the node ID of a member.
    #[error(
        "{node:?} authenticates with tls_anon, which proves nothing, under an ID that a member could have: the ID of an \
         anonymous node begins with {ANONYMOUS:?}",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    AnonymousName {
        /// The peer.
        node: NodeId,
    },

    /// An anonymous peer wants a proof of the secret.
    #[error(
        "{node:?} authenticates with tls_anon and accepts only {method} from this node, which proves the secret to nobody \
         who proves nothing: it has to accept tls_sha3_512",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    SecretForAnonymous {
        /// The peer.
        node: NodeId,
        /// The method that it accepts.
        method: AuthMethod,
    },

    /// The proof is not lower-case hexadecimal.
    #[error("the {method} proof of {node:?} is not lower-case hexadecimal", node = .node.as_str())]
    #[non_exhaustive]
    ProofForm {
        /// The peer.
        node: NodeId,
        /// The peer's method.
        method: AuthMethod,
    },

    /// The proof is wrong.
    #[error(
        "{node:?} did not prove itself (its {method} proof does not match): {check}",
        check = hint(.method),
        node = .node.as_str()
    )]
    #[non_exhaustive]
    ProofWrong {
        /// The peer.
        node: NodeId,
        /// The peer's method.
        method: AuthMethod,
    },

    /// The peer wants to send in a framing that we did not offer.
    #[error(
        "{node:?} wants to send in framing {found}, but this node reads {offered}",
        node = .node.as_str()
    )]
    #[non_exhaustive]
    FramingNotOffered {
        /// The peer.
        node: NodeId,
        /// The peer's framing.
        found: String,
        /// Our list.
        offered: String,
    },

    /// The peer closed the connection.
    #[error("{}", .0.closed())]
    Closed(Stage),

    /// The opening exceeded its deadline.
    #[error("{} within {limit:?}", .stage.timed_out())]
    #[non_exhaustive]
    TimedOut {
        /// The stage of the opening.
        stage: Stage,
        /// The time limit of the whole opening.
        limit: Duration,
    },
}

/// The stage of an opening that ended because the peer closed the connection, or by its deadline.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// The peer's greeting was not complete.
    #[non_exhaustive]
    Greeting {
        /// Received bytes.
        received: usize,
    },
    /// The TLS handshake was not complete.
    Tls(NodeId),
    /// The peer's auth line had not arrived. The peer offers TLS, and this node does not.
    WithoutTls(NodeId),
    /// The peer's auth line had not arrived, and the peer had not received ours.
    BeforeAuth(NodeId),
    /// Our auth line was sent. The peer's, which the peer sends after it has verified ours, had not arrived.
    AuthSent(NodeId),
    /// The peer was verified, and our auth line was not sent.
    Verified(NodeId),
    /// Both auth lines were sent, and no message had arrived.
    Opened(NodeId),
}

impl Stage {
    fn closed(&self) -> String {
        let node = self.node();
        match self {
            Self::Greeting { received: 0 } => {
                "the peer closed the connection without a greeting".into()
            }
            Self::Greeting { received } => {
                format!(
                    "the peer closed the connection within its greeting, after {received} bytes"
                )
            }
            Self::Tls(_) => format!(
                "{node:?} closed the connection before TLS was up (AEMP nodes never say why): see its log"
            ),
            Self::WithoutTls(_) => format!(
                "{node:?} closed the connection after the greetings: it has a certificate, and this node has none, so that \
                 it does not offer TLS; set cert here, the same as there or one of the same CA"
            ),
            Self::BeforeAuth(_) => format!(
                "{node:?} refused our greeting (it closed the connection before its auth line; \
                 AEMP nodes never say why): see its log, and compare auth methods and codecs; or it has another connection to this node ID"
            ),
            // A peer that ended and a peer that refused our proof look the same from here.
            Self::AuthSent(_) => format!(
                "{node:?} closed the connection before it said anything (AEMP nodes never say why): it ended, \
                 its secret differs, or another node has this node's ID; its log may say more"
            ),
            Self::Opened(_) => format!(
                "{node:?} closed the connection before it sent a message, although both had proved themselves \
                 (AEMP nodes never say why): it ended, or another node has this node's ID; its log may say more"
            ),
            Self::Verified(_) => {
                format!("{node:?} closed the connection before this node's auth line was out")
            }
        }
    }

    fn timed_out(&self) -> String {
        let node = self.node();
        match self {
            Self::Greeting { received: 0 } => "the peer sent no greeting".into(),
            Self::Greeting { received } => {
                format!("the peer sent {received} bytes of its greeting and not the rest")
            }
            Self::Tls(_) => format!("TLS with {node:?} did not come up"),
            Self::WithoutTls(_) | Self::BeforeAuth(_) | Self::AuthSent(_) => {
                format!("{node:?} sent no auth line")
            }
            Self::Verified(_) | Self::Opened(_) => {
                format!("the connection with {node:?} was not decided")
            }
        }
    }

    /// The peer's node ID; empty if it is not known yet.
    fn node(&self) -> &str {
        match self {
            Self::Greeting { .. } => "",
            Self::Tls(node)
            | Self::WithoutTls(node)
            | Self::BeforeAuth(node)
            | Self::AuthSent(node)
            | Self::Verified(node)
            | Self::Opened(node) => node.as_str(),
        }
    }
}

fn hint(method: &AuthMethod) -> &'static str {
    match method.needs_secret() {
        true => "check that both have the same secret",
        false => "something between the two changed the greetings",
    }
}

/// Text of a peer in quotes: shortened, with control characters escaped.
pub(super) fn excerpt(found: &[u8]) -> String {
    const MAX_EXCERPT: usize = 60;
    let text = String::from_utf8_lossy(found);
    format!("{:.*?}", MAX_EXCERPT, Excerpt(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_peer_sent_is_shown_short_and_escaped() {
        assert_eq!(excerpt(b"GET /\r\x1b[31m"), r#""GET /\r\u{1b}[31m""#);
        assert_eq!(excerpt(b""), r#""""#);
        assert_eq!(excerpt(b"\xff"), "\"\u{fffd}\"");
        let long = excerpt(&[b'x'; 5000]);
        assert_eq!(long, format!("\"{}\"...", "x".repeat(60)));
    }
}
