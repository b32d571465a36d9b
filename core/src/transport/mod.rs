//! What carries bytes between nodes: the traits [`Transport`], [`Listener`] and [`Stream`].
//!
//! A transport supplies a byte stream and nothing else: greeting, authentication, codecs, limits, reconnecting
//! and monitors are the node's.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite};

use crate::Address;

/// A way to reach other processes, known by the scheme of its addresses.
#[async_trait]
pub trait Transport: Send + Sync {
    /// The scheme of this transport's addresses, such as `tcp`.
    fn scheme(&self) -> &str;

    /// Binds `at`. The node starts to accept later; until then connections wait in the listener's queue.
    ///
    /// # Errors
    /// Say what is wrong with the address or who has it already; the node adds the address.
    async fn listen(&self, at: &Address, options: &Options) -> io::Result<Box<dyn Listener>>;

    /// Connects to `to`. Called anew for each attempt, so a name that `to` holds is looked up here and not kept. The node
    /// bounds the time; a dropped future must leave nothing behind.
    async fn connect(&self, to: &Address, options: &Options) -> io::Result<Box<dyn Stream>>;
}

/// What a node asks of the connections that a transport makes or accepts for it.
#[derive(Debug, Clone)]
#[non_exhaustive]
pub struct Options {
    /// After how long a connection fails whose other end has vanished without a word, as far as the transport can
    /// tell: the node's `monitor_timeout`.
    pub dead_after: Duration,
    /// Whether small writes go out at once, where the transport could hold them back.
    pub nodelay: bool,
}

impl Options {
    /// The options of a node that waits `dead_after` for a sign of life.
    pub fn new(dead_after: Duration) -> Self {
        Self {
            dead_after,
            nodelay: true,
        }
    }
}

/// A bound address.
#[async_trait]
pub trait Listener: Send {
    /// The addresses at which others reach this listener, best first. They are published in the network.
    fn addresses(&self) -> Vec<Address>;

    /// Waits for the next connection. After an error the node waits a little and calls again.
    ///
    /// # Cancel safety
    /// Dropping the future loses no connection.
    async fn accept(&mut self) -> io::Result<Box<dyn Stream>>;
}

/// A connection: bytes both ways, in order. An error of either direction ends it. A node that closes shuts its writing
/// direction down and reads to the end of the other; what was written before must arrive.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin {
    /// Our socket address on this connection, if this transport has such addresses.
    fn local(&self) -> Option<SocketAddr> {
        None
    }

    /// The other end's socket address, if this transport has such addresses.
    fn peer(&self) -> Option<SocketAddr> {
        None
    }

    /// How many of the bytes that were written the other end's system has not confirmed; `None`, the default, if this
    /// transport cannot tell. The node asks now and then.
    ///
    /// What is confirmed lies at the other end, where the program can read it. So the node can tell a peer that has a
    /// question and does not answer from one that a slow connection has not brought it to yet. Without an answer here,
    /// bytes that are taken after they had to wait count as a sign of life of the peer: right where only the program at
    /// the other end makes room for more, late where buffers of the system do.
    fn unconfirmed(&self) -> Option<u64> {
        None
    }
}

/// The transports of a node, by scheme.
#[derive(Clone, Default)]
pub(crate) struct Transports(Vec<Arc<dyn Transport>>);

impl Transports {
    /// Adds a transport, in the place of one with the same scheme if there is one.
    pub(crate) fn add(&mut self, transport: Arc<dyn Transport>) {
        self.0.retain(|t| t.scheme() != transport.scheme());
        self.0.push(transport);
    }

    /// The transport for `address`.
    pub(crate) fn of(&self, address: &Address) -> io::Result<&dyn Transport> {
        let found = self.0.iter().find(|t| t.scheme() == address.scheme());
        found.map(|t| &**t).ok_or_else(|| {
            let known: Vec<_> = self.0.iter().map(|t| t.scheme()).collect();
            let text = format!(
                "no transport for scheme {:?}, this node has {known:?}",
                address.scheme()
            );
            io::Error::new(io::ErrorKind::Unsupported, text)
        })
    }
}
