//! `Tcp`: the transport with its settings.

use std::io;

use aemp_core::Address;
use aemp_core::transport::{Listener, SocketConfig, Stream, Transport};
use async_trait::async_trait;

use crate::endpoint::Endpoint;
use crate::keepalive::KeepaliveOptions;
use crate::settings::Settings;
use crate::{connect, listener, resolve};

/// TCP, the transport with the scheme `tcp`.
///
/// # Addresses
///
/// | address | listening | connecting |
/// | --- | --- | --- |
/// | `host:port` | on every address of the name | to the first of them that answers |
/// | `1.2.3.4:port`, `[::1]:port` | on that address | to that address |
/// | `*:port` | on every address of this machine except loopback and IPv6 link-local ones | an error |
/// | `port` (only digits) | on the addresses of this machine's own name | to the first of them that answers |
/// | `host:*`, `host`, `*` | on a port that the system chooses | an error |
///
/// * A listener resolves `*` and names once. Connecting resolves a name each time.
/// * `0.0.0.0:port` and `[::]:port` also accept connections for addresses that the machine gets later. The IPv6 one
///   accepts no IPv4 connections.
/// * A listener publishes its addresses in this order: public IPv4, private IPv4, IPv6, unique local IPv6, link-local,
///   loopback.
/// * A system-chosen port is the same on all addresses of one listener, if possible.
/// * A listener skips addresses of a name that this machine does not have. If it has none of them, that is an error.
/// * Connecting tries a name's addresses in the system's order: the next one after the last has failed or after 250 ms.
///   The first connection is used.
///
/// # Dead hosts
///
/// A connection fails about [`dead_after`](aemp_core::transport::SocketConfig::dead_after), clamped to 2 s to one day, after
/// the peer's host has become silent (power, cable, a firewall).
///
/// On Linux the failure comes at this time, plus or minus a quarter, for 5 s and more (the kernel counts whole seconds):
///
/// * on an idle connection, which is probed at every eighth of this time (30 s: 3 s);
/// * on one with unacknowledged bytes, if the first of these was sent at most a quarter of this time after the host
///   became silent. Bytes first sent later have their own timeout.
///
/// A program that reads slowly does not count as dead. A program that reads nothing for this time while bytes wait for it
/// does, although its host is alive: `TCP_USER_TIMEOUT` cannot distinguish the two.
///
/// On other systems an idle connection fails in time, and one with unacknowledged bytes when the system gives up, which
/// takes minutes.
///
/// ```
/// use std::time::Duration;
/// use aemp::transport::{SocketConfig, Transport};
/// use aemp::Tcp;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tcp = Tcp::new();
/// let options = SocketConfig::new(Duration::from_secs(10));
/// let mut listener = tcp.listen(&"127.0.0.1:*".parse()?, &options).await?;
/// let published = listener.addresses();
/// let mut dialled = tcp.connect(&published[0], &options).await?;
/// let mut accepted = listener.accept().await?;
///
/// dialled.write_all(b"hello").await?;
/// dialled.shutdown().await?;
/// let mut text = String::new();
/// accepted.read_to_string(&mut text).await?;
/// assert_eq!(text, "hello");
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Tcp {
    nodelay: bool,
}

impl Tcp {
    /// TCP with `TCP_NODELAY` on.
    pub fn new() -> Self {
        Self { nodelay: true }
    }

    /// Sets `TCP_NODELAY` (on by default): small writes are sent at once and do not wait for acknowledgements. A node
    /// batches messages itself, so turning it off only adds delay.
    pub fn nodelay(mut self, on: bool) -> Self {
        self.nodelay = on;
        self
    }
}

impl Default for Tcp {
    fn default() -> Self {
        Self::new()
    }
}

impl Tcp {
    fn settings(&self, options: &SocketConfig) -> Settings {
        Settings {
            nodelay: self.nodelay && options.nodelay,
            keepalive: KeepaliveOptions::new(options.dead_after),
        }
    }
}

#[async_trait]
impl Transport for Tcp {
    fn scheme(&self) -> &str {
        "tcp"
    }

    fn check_listen(&self, at: &Address) -> io::Result<()> {
        at.target().parse::<Endpoint>().map(drop)
    }

    fn check_connect(&self, to: &Address) -> io::Result<()> {
        resolve::check_connect(&to.target().parse()?).map(drop)
    }

    async fn listen(&self, at: &Address, options: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        let endpoint: Endpoint = at.target().parse()?;
        let addresses = resolve::to_listen(&endpoint).await?;
        let listener = listener::bind(&addresses, self.settings(options))?;
        Ok(Box::new(listener))
    }

    async fn connect(&self, to: &Address, options: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        let endpoint: Endpoint = to.target().parse()?;
        let mut addresses = resolve::to_connect(&endpoint).await?;
        addresses.retain(|address| !options.avoid.contains(address));
        if addresses.is_empty() {
            let text = "there is no address but those to be avoided";
            return Err(io::Error::new(io::ErrorKind::AddrNotAvailable, text));
        }
        let stream = connect::connect(&addresses, self.settings(options)).await?;
        Ok(Box::new(stream))
    }

    fn can_avoid(&self) -> bool {
        true
    }
}
