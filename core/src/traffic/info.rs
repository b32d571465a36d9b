//! `ConnectionInfo`: the properties of a connection that is up.

use std::net::SocketAddr;
use std::sync::Arc;

use super::pulse::Pulse;
use crate::codec::PeerInfo;
use crate::handshake::{AuthMethod, Established, Role};
use crate::transport::TlsInfo;
use crate::{NodeId, Text};
use aemp_proto::faulty;

/// A connection to a peer that is authenticated and carries messages.
///
/// ```
/// # fn example(node: aemp::LocalNode) {
/// for connection in node.connections() {
///     let (writes, reads) = (connection.send_codec(), connection.recv_codec());
///     let encrypted = connection.tls().is_some();
///     println!("{}: {writes} out, {reads} in, encrypted: {encrypted}", connection.peer());
/// }
/// # }
/// ```
#[derive(Debug, Clone)]
#[doc(alias = "LinkInfo")]
pub struct ConnectionInfo {
    peer: PeerInfo,
    sends: Text,
    receives: Text,
    role: Role,
    auth: [AuthMethod; 2],
    greetings: Arc<[Box<str>; 2]>,
    address: Option<SocketAddr>,
    tls: Option<Arc<TlsInfo>>,
    generation: u64,
    reads_traces: bool,
    pulse: Pulse,
}

impl ConnectionInfo {
    pub(crate) fn new(
        established: &Established,
        address: Option<SocketAddr>,
        tls: Option<TlsInfo>,
    ) -> Self {
        let peer = established.peer();
        Self {
            peer: PeerInfo::new(peer.node().clone(), peer.provider()),
            sends: established.sends().into(),
            receives: established.receives().into(),
            role: established.role(),
            auth: [established.auth_sent(), established.auth_received()],
            greetings: Arc::new([established.greeting(), peer.line()].map(text)),
            address,
            tls: tls.map(Arc::new),
            generation: 0,
            reads_traces: peer.reads_traces(),
            pulse: Pulse::new(),
        }
    }

    pub(crate) fn numbered(mut self, generation: u64) -> Self {
        self.generation = generation;
        self
    }

    /// The peer's node ID.
    pub fn peer(&self) -> &NodeId {
        &self.peer.node
    }

    /// The peer's program and version; empty if the peer does not send them.
    #[doc(alias = "provider")]
    pub fn agent(&self) -> &str {
        &self.peer.agent
    }

    /// Whether the peer is an AnyEvent::MP node.
    pub fn is_perl(&self) -> bool {
        self.peer.is_perl()
    }

    /// The codec of sent messages: the first one in the peer's list that this node has ([protocol.md section 2]). The peer
    /// orders the list, this node chooses.
    ///
    /// [protocol.md section 2]: crate::protocol#2-opening-a-connection
    pub fn send_codec(&self) -> &str {
        &self.sends
    }

    /// The codec of received messages: the peer's choice from this node's list.
    pub fn recv_codec(&self) -> &str {
        &self.receives
    }

    /// The role of this node in the handshake.
    pub fn role(&self) -> Role {
        self.role
    }

    /// The method by which the peer authenticated.
    pub fn peer_auth(&self) -> AuthMethod {
        self.auth[1]
    }

    /// The method by which this node authenticated to the peer.
    pub fn auth_sent(&self) -> AuthMethod {
        self.auth[0]
    }

    /// Whether the peer is anonymous: it has proved neither the secret nor a certificate (`tls_anon`). Its node ID is what
    /// it claims.
    pub fn is_anonymous(&self) -> bool {
        self.peer_auth() == AuthMethod::TlsAnon && !faulty!(AnonymousUnmarked)
    }

    /// The properties of TLS and the peer's certificate; `None` if the connection is not encrypted.
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// This node's greeting line, without its line ending.
    pub fn greeting_sent(&self) -> &str {
        &self.greetings[0]
    }

    /// The peer's greeting line, without its line ending. Invalid UTF-8 is replaced.
    pub fn greeting_received(&self) -> &str {
        &self.greetings[1]
    }

    /// The peer's socket address, if the transport has such addresses.
    pub fn address(&self) -> Option<SocketAddr> {
        self.address
    }

    /// The generation: the number of this connection among all connections of this node, from 1 on, in the order in which
    /// they came up. A later connection to the same peer has a higher number.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Whether the peer reads the contexts of traces, and may: what a vendor writes into them is not for strangers.
    pub(crate) fn reads_traces(&self) -> bool {
        self.reads_traces && !self.is_anonymous()
    }

    pub(crate) fn pulse(&self) -> &Pulse {
        &self.pulse
    }
}

fn text(line: &[u8]) -> Box<str> {
    String::from_utf8_lossy(line).into()
}
