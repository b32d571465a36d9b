//! `ConnectError`: why this node has no connection to another one.

use std::io;
use std::mem::discriminant;
use std::sync::Arc;
use std::time::Duration;

use crate::guard::Panicked;
use crate::handshake::HandshakeError;
use crate::{Address, NodeId, Report, Text};

/// Why this node has no connection to another one: what [`SeedError`](crate::SeedError),
/// [`SeedState`](crate::SeedState) and [`NodeEvent::Unreachable`](crate::NodeEvent::Unreachable) hold.
///
/// A node tries its seeds again by itself, and a node to which something is sent. A program matches to tell what passes
/// from what somebody has to change:
///
/// ```
/// use aemp::ConnectError;
/// use aemp::handshake::HandshakeError;
///
/// /// What to tell the operator; `None`: it may be well in a moment.
/// fn advice(error: &ConnectError) -> Option<&'static str> {
///     match error {
///         // Nobody listens there yet, the network is slow, or the node is being restarted.
///         ConnectError::Io(_) | ConnectError::TimedOut { .. } | ConnectError::Lost { .. } => None,
///         ConnectError::Handshake(HandshakeError::ProofWrong { .. }) => Some("give both nodes the same secret"),
///         ConnectError::Handshake(HandshakeError::Protocol { .. }) => Some("that is no node: is the port right?"),
///         ConnectError::Handshake(_) | ConnectError::Tls { .. } => Some("the two refuse each other: see both logs"),
///         ConnectError::WrongNode { .. } | ConnectError::IdTaken { .. } => Some("check the IDs of the nodes"),
///         ConnectError::NoTransport { .. } => Some("enable the transport, or change the address"),
///         _ => None,
///     }
/// }
///
/// # async fn example(node: aemp::LocalNode) -> aemp::Result<()> {
/// if let Err(error) = node.joined().await {
///     // The node goes on trying, which helps where there is no advice.
///     if let Some(advice) = advice(&error.error) {
///         eprintln!("{}: {advice}", error.address);
///         return Err(error.into());
///     }
/// }
/// # Ok(())
/// # }
/// ```
///
/// Two errors are equal if they are of one kind and say the same.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ConnectError {
    /// The transport does not connect: nobody listens there, the host's name does not resolve, or the host is out of
    /// reach.
    #[error(transparent)]
    Io(Arc<io::Error>),
    /// The transport has not connected in time.
    #[error("no connection within {limit:?} ({key})")]
    #[non_exhaustive]
    TimedOut {
        /// The limit.
        limit: Duration,
        /// The field of [`Config`](crate::Config) that sets it, or the key of the configuration file.
        key: &'static str,
    },
    /// The node has no transport for the scheme of the address.
    #[error("no transport for scheme {scheme:?}, this node has {known:?}")]
    #[non_exhaustive]
    NoTransport {
        /// The scheme.
        scheme: Text,
        /// The schemes that the node has.
        known: Vec<Text>,
    },
    /// The handshake failed: what answers is no AEMP node, or one of the two refuses the other.
    #[error(transparent)]
    Handshake(#[from] HandshakeError),
    /// The stream failed during the handshake.
    #[error("the connection failed during the opening")]
    Broken(#[source] Arc<io::Error>),
    /// TLS failed, or one of the two refuses the certificate of the other.
    #[error("TLS with {:?} failed", node.as_str())]
    #[non_exhaustive]
    Tls {
        /// The peer.
        node: NodeId,
        /// The error of TLS.
        #[source]
        error: Arc<io::Error>,
    },
    /// Another node answers at the address than the one that was to be reached.
    #[error("{:?} answers there, not {:?}", found.as_str(), expected.as_str())]
    #[non_exhaustive]
    WrongNode {
        /// The node that was to be reached.
        expected: NodeId,
        /// The node that answers.
        found: NodeId,
    },
    /// Another node has the ID of this one.
    #[error(
        "the peer says that it is {:?}, which is this node's own ID, and it is another node: give each an ID of its own",
        node.as_str()
    )]
    #[non_exhaustive]
    IdTaken {
        /// The ID.
        node: NodeId,
    },
    /// Another connection to the node is open and alive, and is used instead.
    #[error(
        "{:?} has another connection that is open and alive: it connected twice, or two nodes have this ID",
        node.as_str()
    )]
    #[non_exhaustive]
    OtherConnection {
        /// The peer.
        node: NodeId,
    },
    /// The policy of this node does not permit the peer to connect.
    #[error("the policy of this node does not permit {:?} to connect", node.as_str())]
    #[non_exhaustive]
    NotPermitted {
        /// The peer.
        node: NodeId,
    },
    /// The connection was up, and is lost.
    #[error("{reason}")]
    #[non_exhaustive]
    Lost {
        /// The text that monitors get in `transport_error NODE TEXT`.
        reason: Text,
    },
    /// No address of the node is known.
    #[error("no known address{}", failed("; seed ", seeds))]
    #[non_exhaustive]
    NoAddress {
        /// The seeds that could know it and are not connected, each with its error.
        seeds: Vec<(Address, Self)>,
    },
    /// The node listens nowhere, and has no connection to this node.
    #[error("it listens nowhere, and has no connection to this node")]
    NotListening,
    /// This node's dial policy allows none of the addresses that the node has published.
    #[error(
        "this node's dial policy allows none of its addresses: {}",
        aemp_proto::address::listed(addresses)
    )]
    #[non_exhaustive]
    DialPolicy {
        /// The addresses.
        addresses: Vec<Address>,
    },
    /// All addresses of the node failed.
    #[error("{}", failed("; ", addresses).trim_start_matches("; "))]
    #[non_exhaustive]
    Unreachable {
        /// The addresses that were dialled, each with its last error.
        addresses: Vec<(Address, Self)>,
    },
    /// Too many connections are being made at once.
    #[error("{what} ({key})")]
    #[non_exhaustive]
    Busy {
        /// The limit, in words.
        what: String,
        /// The field of [`Config`](crate::Config) that sets it.
        key: &'static str,
    },
    /// Something panicked, such as the transport.
    #[error("a panic: {text}")]
    #[non_exhaustive]
    Panicked {
        /// The text of the panic.
        text: String,
    },
    /// This node stopped.
    #[error("this node stopped")]
    Stopped,
}

/// `; seed ADDRESS: ERROR` for each.
fn failed(before: &str, errors: &[(Address, ConnectError)]) -> String {
    let texts = errors.iter();
    let texts = texts.map(|(at, error)| format!("{before}{at}: {}", Report(error)));
    texts.collect()
}

impl ConnectError {
    pub(crate) fn panicked(panic: Panicked) -> Self {
        let text = panic.to_string();
        Self::Panicked { text }
    }

    pub(crate) fn no_transport(address: &Address, known: Vec<Text>) -> Self {
        let scheme = address.scheme().into();
        Self::NoTransport { scheme, known }
    }

    /// Whether a node answers and one of the two refuses the other, so that a further attempt rarely helps.
    pub(crate) fn is_refusal(&self) -> bool {
        matches!(
            self,
            Self::Handshake(_) | Self::IdTaken { .. } | Self::Tls { .. }
        )
    }
}

impl PartialEq for ConnectError {
    // Errors of the system cannot be compared.
    fn eq(&self, other: &Self) -> bool {
        discriminant(self) == discriminant(other)
            && Report(self).to_string() == Report(other).to_string()
    }
}

impl Eq for ConnectError {}
