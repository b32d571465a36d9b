//! Transports carry bytes between nodes: the traits [`Transport`], [`Listener`] and [`Stream`]. [`Secure`] encrypts any of
//! their streams.
//!
//! A transport supplies only a byte stream. The node provides greeting, authentication, codecs, limits, reconnects and
//! monitors.

mod secure;

pub use secure::{Certificate, Prefixed, Secure, SecureConfig, Secured, TlsInfo};

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

/// What the traits of this module are written with: implementations need it.
#[doc(no_inline)]
pub use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::{Address, Text};

/// A means of connecting to other processes, identified by the scheme of its addresses.
///
/// A transport around TCP that says where this node connects to. One of its own implements [`Stream`] and [`Listener`] too:
///
/// ```
/// use std::io;
/// use aemp::transport::{Listener, SocketConfig, Stream, Transport, async_trait};
/// use aemp::{Address, Tcp};
///
/// struct Told(Tcp);
///
/// #[async_trait]
/// impl Transport for Told {
///     fn scheme(&self) -> &str {
///         self.0.scheme()
///     }
///     async fn listen(&self, at: &Address, options: &SocketConfig) -> io::Result<Box<dyn Listener>> {
///         self.0.listen(at, options).await
///     }
///     async fn connect(&self, to: &Address, options: &SocketConfig) -> io::Result<Box<dyn Stream>> {
///         println!("connecting to {to}");
///         self.0.connect(to, options).await
///     }
/// }
///
/// // It replaces the transport with the same scheme.
/// let builder = aemp::node().transport(Told(Tcp::new()));
/// # drop(builder);
/// ```
#[async_trait]
pub trait Transport: Send + Sync {
    /// The scheme of this transport's addresses, such as `tcp`.
    fn scheme(&self) -> &str;

    /// Checks the form of an address to listen on, without the system: it is called when a node is configured.
    ///
    /// # Errors
    /// The error that [`listen`](Self::listen) would return for this address on every machine. By default there is none.
    fn check_listen(&self, at: &Address) -> io::Result<()> {
        let _ = at;
        Ok(())
    }

    /// Checks the form of an address to connect to, as [`check_listen`](Self::check_listen) does of one to listen on.
    ///
    /// # Errors
    /// The error that [`connect`](Self::connect) would return for this address on every machine. By default there is none.
    fn check_connect(&self, to: &Address) -> io::Result<()> {
        let _ = to;
        Ok(())
    }

    /// Binds `at`. The node starts to accept later; until then connections wait in the listener's queue.
    ///
    /// # Errors
    /// The error should describe the problem, for example who uses the address already; the node adds the address.
    async fn listen(&self, at: &Address, options: &SocketConfig) -> io::Result<Box<dyn Listener>>;

    /// Connects to `to`. Called for each attempt, so a host name in `to` is resolved here each time. The node limits the
    /// time; dropping the future must release all resources.
    async fn connect(&self, to: &Address, options: &SocketConfig) -> io::Result<Box<dyn Stream>>;

    /// Whether a name can stand for several socket addresses, of which [`connect`](Self::connect) leaves out those in
    /// [`SocketConfig::avoid`]; it is an error then if no other is left. Where it does, a node tries all that a seed's name
    /// stands for. By default it does not.
    fn can_avoid(&self) -> bool {
        false
    }
}

/// The options for connections that a transport makes or accepts.
#[derive(Debug, Clone)]
#[non_exhaustive]
#[doc(alias = "Options")]
pub struct SocketConfig {
    /// Time after which a connection to a dead host has to fail, if the transport can detect that: the node's
    /// `monitor_timeout`.
    pub dead_after: Duration,
    /// Whether to send small writes at once, if the transport could delay them.
    pub nodelay: bool,
    /// Socket addresses not to connect to ([`Transport::can_avoid`]): this node has tried them in vain, or answers there
    /// itself. Empty in the first attempt at a name.
    pub avoid: Vec<SocketAddr>,
}

impl SocketConfig {
    /// A configuration with this `dead_after`, and `nodelay` on.
    pub fn new(dead_after: Duration) -> Self {
        Self {
            dead_after,
            nodelay: true,
            avoid: Vec::new(),
        }
    }
}

/// A bound address.
#[async_trait]
pub trait Listener: Send {
    /// The addresses at which others reach this listener, best first. The node publishes them in the network.
    fn addresses(&self) -> Vec<Address>;

    /// Waits for the next connection. After an error the node pauses briefly and calls it again.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    async fn accept(&mut self) -> io::Result<Box<dyn Stream>>;
}

/// A connection: an ordered byte stream in each direction. An error in either direction ends it. To close a connection,
/// the node shuts down its writing direction and reads the other one to its end; bytes written before must arrive.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// The local socket address, if this transport has socket addresses.
    fn local(&self) -> Option<SocketAddr> {
        None
    }

    /// The peer's socket address, if this transport has socket addresses.
    fn peer(&self) -> Option<SocketAddr> {
        None
    }

    /// The number of written bytes that the peer's host has not acknowledged; `None`, the default, if this transport
    /// does not know. The node calls it periodically.
    ///
    /// Acknowledged bytes are at the peer's host, where its program can read them. So the node can distinguish a peer
    /// that does not answer a ping from one to which a slow connection has not delivered the ping yet. With `None`, a
    /// write that completes after it had to wait counts as a sign of life of the peer. That is right if only the peer's
    /// program makes room for more bytes; if buffers of the system do, a hung peer is detected later.
    fn unconfirmed(&self) -> Option<u64> {
        None
    }
}

/// The transports of a node, by scheme.
#[derive(Clone, Default)]
pub(crate) struct Transports(Vec<Arc<dyn Transport>>);

impl Transports {
    /// Adds a transport, or replaces the one with the same scheme.
    pub(crate) fn add(&mut self, transport: Arc<dyn Transport>) {
        self.0.retain(|t| t.scheme() != transport.scheme());
        self.0.push(transport);
    }

    /// The transport for `address`; the schemes that there are if it has another one.
    pub(crate) fn of(&self, address: &Address) -> Result<&dyn Transport, Vec<Text>> {
        let found = self.0.iter().find(|t| t.scheme() == address.scheme());
        found
            .map(|t| &**t)
            .ok_or_else(|| self.0.iter().map(|t| t.scheme().into()).collect())
    }
}
