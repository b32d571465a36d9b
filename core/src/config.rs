//! `Config`: what a node can be told, with the defaults.

use std::time::Duration;

use crate::DirectoryLimits;
use crate::codec::Limits;
use crate::error::StartError;
use crate::handshake::AuthMethod;

/// The settings of a node that most programs leave alone. Times and limits are per node unless they say otherwise.
/// `Duration::MAX` is never. `monitor_timeout`, `connect_interval` and `opening_timeout` are 50 ms at least, `keepalive` is
/// 10 ms: a node with less does not start.
///
/// ```
/// use std::time::Duration;
/// let builder = aemp_core::LocalNode::builder().configure(|config| {
///     config.monitor_timeout = Duration::from_secs(10);
/// });
/// ```
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Config {
    /// After how long without a sign of life a node counts as dead; also the longest pause between attempts at a
    /// seed, and how long messages wait for seeds that cannot be reached. 30 s (protocol.md section 9).
    pub monitor_timeout: Duration,
    /// For how long in all the addresses of a node are tried before what waits for it fails; 2 s (protocol.md
    /// section 9). Where a connection is made in that time, its opening may take `opening_timeout`.
    pub connect_interval: Duration,
    /// The longest that a connection may take from its first byte to the last of both auth lines; 10 s.
    pub opening_timeout: Duration,
    /// How often a keepalive (`[]`) goes out on a connection that has nothing else to send; 10 s, and at most a
    /// quarter of `monitor_timeout`, so that the transport notices a dead host in time.
    pub keepalive: Duration,
    /// After how long a connection is closed that nobody needs; `None`, never.
    ///
    /// That is one that no message has crossed for that time, across which nothing is monitored in either direction, and
    /// which is not one to a seed at either end. This node has to know an address of the peer. Nothing is lost by it, and
    /// what is sent later connects again. It takes up to a quarter longer, and three keepalives at least: the other end
    /// says by its own (at its `keepalive`, which should not be longer than here) what only it knows, that it calls or
    /// monitors this node, or that this node is a seed of it.
    pub idle_timeout: Option<Duration>,
    /// Treat a peer as dead that gives no sign of life within `monitor_timeout` although its machine does; on. A peer
    /// that is silent is asked for the time then, which a peer of a few lines may not answer. Off, dead hosts are still
    /// noticed, and so is a peer that takes no bytes for that long (protocol.md section 9).
    pub hung_check: bool,
    /// What a peer's messages must keep within.
    pub limits: Limits,
    /// Bytes waiting for a peer above which [`ready`](crate::LocalNode::ready) waits; 1 MiB.
    pub high_water: usize,
    /// Bytes waiting for a peer at which its connection fails; 64 MiB.
    pub queue_limit: usize,
    /// Bytes held for all peers together, past which the connection of the one that most is held for fails; 1 GiB. What
    /// waits to be sent counts, what was read of a message that is not whole, and monitors on our ports; not the first
    /// 512 KiB of each kind for each peer.
    pub peers_limit: usize,
    /// Bytes waiting in an inbox at which its port is killed with `inbox_full`; 64 MiB.
    pub inbox_limit: usize,
    /// Monitors that a peer may hold on our ports; 100,000.
    pub peer_monitors: usize,
    /// Ports that a peer has had spawned here and that live; 10,000. The same for all peers together is
    /// [`spawned_ports`](Self::spawned_ports).
    pub peer_ports: usize,
    /// Ports that all peers together have had spawned here and that live; 100,000.
    pub spawned_ports: usize,
    /// Connections that others have opened and that are up; 10,000. One more is refused before this node proves itself.
    pub links: usize,
    /// What a peer may make this node hold in the directory, and all of them.
    pub directory: DirectoryLimits,
    /// Connections that are not authenticated yet; 128.
    pub openings: usize,
    /// The same from one address other than loopback; 16.
    pub openings_per_address: usize,
    /// Nodes at a time that connections are being made to because something is to be sent to them; 4,096. What is sent to
    /// others meanwhile fails.
    pub connecting: usize,
    /// Dials at a time to addresses that other nodes have named; 32. The others wait, for `monitor_timeout` at most.
    /// Addresses that this node's own program or configuration names do not count.
    pub dials: usize,
    /// The shortest secret in bytes; 16 (protocol.md section 2).
    pub min_secret: usize,
    /// Accept the `cleartext` method on loopback connections, ten failures a second at most; off. It is never offered
    /// by this node itself.
    pub cleartext: bool,
    /// The auth methods that this node produces, best first; `tls_sha3_512`, `hmac_sha3_512`. Those that begin with
    /// `tls_` count only under TLS.
    pub auth_offer: Vec<AuthMethod>,
    /// The auth methods that it accepts, best first; the same. `cleartext` also needs [`cleartext`](Self::cleartext).
    pub auth_accept: Vec<AuthMethod>,
    /// Whether a transport that could hold back small writes sends them at once; on.
    pub nodelay: bool,
    /// Refuse a peer that sees us under another address than our own socket's; on. It has to be off behind
    /// address translation (protocol.md section 2, the bridge).
    pub check_peeraddr: bool,
    /// Tasks that run ports; as many as the machine has cores.
    pub shards: usize,
}

/// The shortest pause between keepalives.
const LEAST_KEEPALIVE: Duration = Duration::from_millis(10);

impl Config {
    /// The shortest time in which something has to happen over a network, 50 ms: with less, nothing would.
    pub const LEAST_TIME: Duration = Duration::from_millis(50);

    /// How often keepalives go out.
    pub(crate) fn keepalive(&self) -> Duration {
        self.keepalive.min(self.monitor_timeout / 4)
    }

    /// That no time is too short to work with.
    ///
    /// # Errors
    /// Name the first that is.
    pub(crate) fn check(&self) -> Result<(), StartError> {
        let times = [
            ("monitor_timeout", self.monitor_timeout, Self::LEAST_TIME),
            ("connect_interval", self.connect_interval, Self::LEAST_TIME),
            ("opening_timeout", self.opening_timeout, Self::LEAST_TIME),
            ("keepalive", self.keepalive, LEAST_KEEPALIVE),
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
            connect_interval: Duration::from_secs(2),
            opening_timeout: Duration::from_secs(10),
            keepalive: Duration::from_secs(10),
            idle_timeout: None,
            hung_check: true,
            limits: Limits::default(),
            high_water: 1 << 20,
            queue_limit: 64 << 20,
            peers_limit: 1 << 30,
            inbox_limit: 64 << 20,
            peer_monitors: 100_000,
            peer_ports: 10_000,
            spawned_ports: 100_000,
            links: 10_000,
            directory: DirectoryLimits::default(),
            openings: 128,
            openings_per_address: 16,
            connecting: 4096,
            dials: 32,
            min_secret: 16,
            cleartext: false,
            auth_offer: AuthMethod::DEFAULT.to_vec(),
            auth_accept: AuthMethod::DEFAULT.to_vec(),
            nodelay: true,
            check_peeraddr: true,
            shards: std::thread::available_parallelism().map_or(1, usize::from),
        }
    }
}
