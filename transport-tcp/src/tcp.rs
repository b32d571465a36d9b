//! `Tcp`: the transport with its settings.

use std::io;

use aemp_core::Address;
use aemp_core::transport::{Listener, Options, Stream, Transport};
use async_trait::async_trait;

use crate::life::Life;
use crate::place::Place;
use crate::settings::Settings;
use crate::{connect, listener, resolve};

/// TCP, the transport with the scheme `tcp`.
///
/// # Addresses
///
/// | address | listening | connecting |
/// | --- | --- | --- |
/// | `host:port` | on every address that the name stands for | to the first of them that answers |
/// | `1.2.3.4:port`, `[::1]:port` | on that address | to that address |
/// | `*:port` | on every address of this machine but loopback and IPv6 link-local ones | an error |
/// | `port` (digits alone) | on the addresses of this machine's own name | to them |
/// | `host:*`, `host`, `*` | on a port that the system chooses | an error |
///
/// * What a listener's `*` and names stand for is looked up once; to connect, a name is looked up each time.
///   `0.0.0.0:port` and `[::]:port` also take connections for
///   addresses that the machine gets later; the IPv6 one takes no IPv4 connections.
/// * A listener publishes what reaches farthest first: public IPv4 addresses, private ones, IPv6, unique local IPv6,
///   link-local, loopback.
/// * A port chosen by the system is the same on all addresses of one listener where that is possible.
/// * Of a name's addresses, those that this machine lacks are left out; only if none is left it is an error.
/// * Connecting tries a name's addresses in the system's order, the next one once the last has failed or 250 ms
///   have passed, and keeps the first that answers.
///
/// # Dead hosts
///
/// A connection fails when its other end's host has vanished without a word (power, cable, a firewall) for about
/// [`dead_after`](aemp_core::transport::Options::dead_after), which is taken between 2 s and a day.
///
/// On Linux the failure comes within this time, a quarter more or less, from 5 s on (the kernel counts whole
/// seconds):
///
/// * on an idle connection, which is probed at every eighth of this time (30 s: 3 s);
/// * on one with bytes that are not acknowledged, if the first of these was sent at most a quarter of this time
///   after the host vanished. Bytes that are first sent later have their own wait of that time.
///
/// A program that reads slowly does not look dead; one that takes nothing for this time, while bytes wait for it,
/// does, although its host lives. That cannot be told apart by `TCP_USER_TIMEOUT`.
///
/// On other systems an idle connection fails in time, one with unacknowledged bytes when the system gives up,
/// which takes minutes.
///
/// ```
/// use std::time::Duration;
/// use aemp_core::transport::{Options, Transport};
/// use aemp_transport_tcp::Tcp;
/// use tokio::io::{AsyncReadExt, AsyncWriteExt};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let tcp = Tcp::new();
/// let options = Options::new(Duration::from_secs(10));
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

    /// Whether small writes go out at once (`TCP_NODELAY`; on) rather than wait for the peer's acknowledgement of
    /// what was sent before. A node gathers messages itself, so that off only adds delay.
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
    fn settings(&self, options: &Options) -> Settings {
        Settings {
            nodelay: self.nodelay && options.nodelay,
            life: Life::new(options.dead_after),
        }
    }
}

#[async_trait]
impl Transport for Tcp {
    fn scheme(&self) -> &str {
        "tcp"
    }

    async fn listen(&self, at: &Address, options: &Options) -> io::Result<Box<dyn Listener>> {
        let place: Place = at.rest().parse()?;
        let addresses = resolve::to_listen(&place).await?;
        let listener = listener::bind(&addresses, self.settings(options))?;
        Ok(Box::new(listener))
    }

    async fn connect(&self, to: &Address, options: &Options) -> io::Result<Box<dyn Stream>> {
        let place: Place = to.rest().parse()?;
        let addresses = resolve::to_connect(&place).await?;
        let stream = connect::connect(&addresses, self.settings(options)).await?;
        Ok(Box::new(stream))
    }
}
