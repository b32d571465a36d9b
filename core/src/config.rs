//! `Config`: the settings of a node with their defaults.

use std::net::SocketAddr;
use std::time::Duration;

use crate::codec::Limits;
use crate::directory::DirectoryLimits;
use crate::error::StartError;
use crate::handshake::AuthMethod;

/// The settings of a node that have defaults. Times and limits are per node unless stated otherwise. `Duration::MAX`
/// means never. `monitor_timeout`, `connect_timeout` and `opening_timeout` must be at least 50 ms, `keepalive_interval` at
/// least 10 ms; otherwise the node does not start.
///
/// ```
/// use std::time::Duration;
/// let builder = aemp::LocalNode::builder().configure(|config| {
///     config.monitor_timeout = Duration::from_secs(10);
/// });
/// ```
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// Time without a sign of life after which a node counts as dead. Also the longest backoff between attempts at a
    /// seed, and the time that messages wait for unreachable seeds. 30 s ([protocol.md section 9]).
    ///
    /// [protocol.md section 9]: crate::protocol#9-configuration
    pub monitor_timeout: Duration,
    /// Total time in which the addresses of a node are dialled before the messages that wait for it fail; 2 s
    /// ([protocol.md section 9]). If a connection is made in that time, its opening may take another `opening_timeout`.
    ///
    /// [protocol.md section 9]: crate::protocol#9-configuration
    #[doc(alias = "connect_interval")]
    pub connect_timeout: Duration,
    /// Limit of the opening of a connection, from its first byte to the last byte of both auth lines; 10 s.
    pub opening_timeout: Duration,
    /// Interval of keepalives (`[]`) on a connection that has nothing else to send; 10 s, and at most a quarter of
    /// `monitor_timeout`, so that the transport detects a dead host in time.
    #[doc(alias = "keepalive")]
    pub keepalive_interval: Duration,
    /// Time after which an idle connection is closed; `None` (the default): never.
    ///
    /// A connection is idle if no message crosses it, no monitor exists over it in either direction, neither end is a
    /// seed of the other, and this node knows an address of the peer. No message is lost by the close, and a later
    /// message connects again. The close happens up to a quarter later, and not before three keepalive intervals: the
    /// peer signals its own use of the connection (calls, monitors, or this node as its seed) by its keepalives, so its
    /// `keepalive_interval` should not be longer than the one of this node.
    pub idle_timeout: Option<Duration>,
    /// Limit of a call that sets none itself by [`within`](crate::Call::within) or [`unlimited`](crate::Call::unlimited);
    /// `None` (the default): none, so it ends with the answer, the death of the port, or the connection.
    pub call_timeout: Option<Duration>,
    /// Treat a peer as dead if its program gives no sign of life within `monitor_timeout`, although its host does; on. A
    /// silent peer is pinged by a `time` request, which a minimal implementation may not answer. If off, dead hosts are
    /// still detected, and peers that accept no bytes for that time ([protocol.md section 9]).
    ///
    /// [protocol.md section 9]: crate::protocol#9-configuration
    #[doc(alias = "hung_check")]
    pub liveness_check: bool,
    /// Limits of the messages of a peer.
    pub limits: Limits,
    /// High-water mark: bytes queued for a peer, or for the ports of this node, above which
    /// [`ready`](crate::LocalNode::ready) waits; 1 MiB. 0 counts as 1, below which an empty queue is.
    pub high_water: usize,
    /// Bytes of messages from this node's own senders that may wait for its ports; 1 GiB. Past it the port that misses a
    /// message is killed with `queue_full LIMIT`. A shard that holds less than half of its share takes messages all the
    /// same, so that up to half as much again may wait. Of a typed message its own size counts, and 256 bytes if it points
    /// to anything.
    pub local_limit: usize,
    /// Bytes queued for a peer at which its connection fails; 64 MiB.
    pub queue_limit: usize,
    /// Bytes held for all peers together, above which the connection with the most bytes is evicted; 1 GiB. Queued bytes
    /// count, incompletely read messages, and monitors on this node's ports; the first 512 KiB of each kind for each
    /// peer do not count.
    pub peers_limit: usize,
    /// Bytes of messages in an inbox at which its port is killed with `inbox_full`; 64 MiB.
    pub inbox_limit: usize,
    /// Monitors that a peer may hold on this node's ports; 100,000.
    pub peer_monitors: usize,
    /// Ports that a peer has had spawned here and that live; 10,000. The same for all peers together is
    /// [`spawned_ports`](Self::spawned_ports).
    pub peer_ports: usize,
    /// Live ports that all peers together may have spawned here; 100,000.
    pub spawned_ports: usize,
    /// Accepted connections that are up; 10,000. A further one is refused before this node sends its auth line.
    #[doc(alias = "links")]
    pub max_accepted_connections: usize,
    /// Limits of what one peer, and all peers together, may store in the directory of this node.
    pub directory: DirectoryLimits,
    /// Accepted connections that are not authenticated yet; 128.
    #[doc(alias = "openings")]
    pub max_pending_handshakes: usize,
    /// Accepted connections that are not authenticated yet, from one address other than loopback; 16.
    pub max_pending_handshakes_per_address: usize,
    /// Nodes to which this node connects on demand at the same time; 4,096. Messages to further nodes fail meanwhile.
    pub connecting: usize,
    /// Concurrent dials to addresses that other nodes have published; 32. Further ones wait, at most for
    /// `monitor_timeout`. Addresses from this node's own program or configuration do not count.
    pub dials: usize,
    /// Minimum length of the secret in bytes; 16 ([protocol.md section 2]).
    ///
    /// [protocol.md section 2]: crate::protocol#2-opening-a-connection
    pub min_secret: usize,
    /// Allow connections without TLS although the node has a certificate, to peers that do not offer TLS; off. Such a
    /// connection needs the secret, and nothing on it is encrypted.
    pub tls_fallback: bool,
    /// Accept the `cleartext` method on loopback connections, and on all connections if TLS is required, with at most ten
    /// failures per second; off. This node itself never offers it.
    pub cleartext: bool,
    /// The auth methods that this node offers, best first; `tls_sha3_512`, `hmac_sha3_512`. Methods that begin with
    /// `tls_` are used only under TLS.
    pub auth_offer: Vec<AuthMethod>,
    /// The auth methods that this node accepts, best first; by default the same. `cleartext` also needs
    /// [`cleartext`](Self::cleartext). With `tls_anon` peers without certificate and secret can connect to this node; they
    /// are marked ([`ConnectionInfo::is_anonymous`](crate::ConnectionInfo::is_anonymous)).
    pub auth_accept: Vec<AuthMethod>,
    /// Send small writes at once, on transports that could delay them (as `TCP_NODELAY`); on.
    pub nodelay: bool,
    /// Refuse a peer that sees this node under another address than that of its socket, or one that it advertises
    /// ([`advertise`](crate::NodeBuilder::advertise)); on. Must be off behind an address translation whose outside address
    /// is not known ([protocol.md section 2], the bridge).
    ///
    /// [protocol.md section 2]: crate::protocol#2-opening-a-connection
    pub check_peeraddr: bool,
    /// Addresses that are this node's own in the check of `peeraddr`, besides that of the connection: those outside of an
    /// address translation. The addresses that it advertises are added at start. None.
    pub own_addresses: Vec<SocketAddr>,
    /// Shards: tasks that run ports; by default as many as the machine has cores.
    pub shards: usize,
}

/// Minimum of the keepalive interval.
const MIN_KEEPALIVE: Duration = Duration::from_millis(10);

impl Config {
    /// Minimum of the timeouts for operations over a network, 50 ms: shorter ones would always expire.
    pub const LEAST_TIME: Duration = Duration::from_millis(50);

    /// The interval of keepalives.
    pub(crate) fn keepalive(&self) -> Duration {
        self.keepalive_interval.min(self.monitor_timeout / 4)
    }

    /// Checks the minimum of each time.
    ///
    /// # Errors
    /// Names the first time that is too short.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let times = [
            ("monitor_timeout", self.monitor_timeout, Self::LEAST_TIME),
            ("connect_timeout", self.connect_timeout, Self::LEAST_TIME),
            ("opening_timeout", self.opening_timeout, Self::LEAST_TIME),
            ("keepalive_interval", self.keepalive_interval, MIN_KEEPALIVE),
        ];
        match times.into_iter().find(|(_, time, least)| time < least) {
            Some((key, time, least)) => Err(StartError::TooShort { key, time, least }),
            None => Ok(()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            monitor_timeout: Duration::from_secs(30),
            connect_timeout: Duration::from_secs(2),
            opening_timeout: Duration::from_secs(10),
            keepalive_interval: Duration::from_secs(10),
            idle_timeout: None,
            call_timeout: None,
            liveness_check: true,
            limits: Limits::default(),
            high_water: 1 << 20,
            local_limit: 1 << 30,
            queue_limit: 64 << 20,
            peers_limit: 1 << 30,
            inbox_limit: 64 << 20,
            peer_monitors: 100_000,
            peer_ports: 10_000,
            spawned_ports: 100_000,
            max_accepted_connections: 10_000,
            directory: DirectoryLimits::default(),
            max_pending_handshakes: 128,
            max_pending_handshakes_per_address: 16,
            connecting: 4096,
            dials: 32,
            min_secret: 16,
            tls_fallback: false,
            cleartext: false,
            auth_offer: AuthMethod::DEFAULT.to_vec(),
            auth_accept: AuthMethod::DEFAULT.to_vec(),
            nodelay: true,
            check_peeraddr: true,
            own_addresses: Vec::new(),
            shards: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}
