//! `TcpListener`: the sockets of one bind, and what comes in on any of them.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, ready};

use aemp_core::Address;
use aemp_core::transport::{Listener, Stream};
use async_trait::async_trait;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener as Inner;

use crate::stream::TcpStream;
use crate::tcp::Settings;
use crate::{explain, resolve};

/// Connections that the system completes before we accept them; it may hold fewer.
const BACKLOG: i32 = 1024;

/// How many ports of the system's choice are tried to find one that is free on every address.
const CHOICES: usize = 16;

/// After so many dead connections in a row an error is reported, so that a broken system is seen.
const DEAD_IN_A_ROW: usize = 256;

pub(crate) struct TcpListener {
    sockets: Vec<Inner>,
    addresses: Vec<Address>,
    /// Which socket is asked first, so that a flood on one does not starve the others.
    turn: usize,
    settings: Settings,
}

/// Listens on all of `addresses` that this machine has. Port 0 becomes one port for all of them, if the system
/// has one that is free on each.
pub(crate) fn bind(addresses: &[SocketAddr], settings: Settings) -> io::Result<TcpListener> {
    let mut last = false;
    for choice in 1..=CHOICES {
        last = choice == CHOICES;
        if let Some(sockets) = bind_all(addresses, last)? {
            return TcpListener::new(sockets, settings);
        }
    }
    debug_assert!(!last, "the last choice takes any port");
    Err(ErrorKind::AddrInUse.into())
}

/// `None`: the port that the system chose for the first address is in use on another. With `any` that one gets
/// a port of its own.
fn bind_all(addresses: &[SocketAddr], any: bool) -> io::Result<Option<Vec<Inner>>> {
    let mut sockets: Vec<Inner> = Vec::with_capacity(addresses.len());
    let mut chosen = None;
    let mut missing = Vec::new();
    for &at in addresses {
        let shared = chosen.filter(|_| at.port() == 0);
        let mut bound = bind_one(with_port(at, shared));
        if shared.is_some() && matches!(&bound, Err(e) if e.kind() == ErrorKind::AddrInUse) {
            if !any {
                return Ok(None);
            }
            bound = bind_one(at);
        }
        match bound {
            Ok(socket) => {
                if chosen.is_none() && at.port() == 0 {
                    chosen = Some(socket.local_addr()?.port());
                }
                sockets.push(socket);
            }
            // One of several may have gone since it was found, or IPv6 may be off.
            Err(error) if is_missing(&error) => missing.push(error),
            Err(error) => return Err(error),
        }
    }
    if sockets.is_empty() {
        return Err(explain::all(&missing));
    }
    Ok(Some(sockets))
}

fn with_port(mut at: SocketAddr, port: Option<u16>) -> SocketAddr {
    if let Some(port) = port {
        at.set_port(port);
    }
    at
}

/// The address, or its whole family, is not there. The latter has no kind of its own.
fn is_missing(error: &io::Error) -> bool {
    !matches!(
        error.kind(),
        ErrorKind::AddrInUse | ErrorKind::PermissionDenied | ErrorKind::InvalidInput
    )
}

fn bind_one(at: SocketAddr) -> io::Result<Inner> {
    let open = || {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // On Unix: bind although connections of our predecessor linger. Elsewhere it would let two programs share.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if at.is_ipv6() {
            // IPv4 has a socket of its own.
            socket.set_only_v6(true)?;
        }
        Ok(socket)
    };
    let socket = open().map_err(|error| explain::socket(at, &error))?;
    let listen = || {
        socket.bind(&at.into())?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| explain::bind(at, &error))?;
    Inner::from_std(socket.into())
}

impl TcpListener {
    fn new(sockets: Vec<Inner>, settings: Settings) -> io::Result<Self> {
        let mut addresses = Vec::new();
        for socket in &sockets {
            for address in reached_at(socket.local_addr()?)? {
                addresses.push(Address::new("tcp", &address.to_string()));
            }
        }
        Ok(Self {
            sockets,
            addresses,
            turn: 0,
            settings,
        })
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        for _ in 0..DEAD_IN_A_ROW {
            match ready!(self.poll_any(cx)) {
                Ok((stream, peer)) => match TcpStream::new(stream, peer, self.settings) {
                    Ok(stream) => return Poll::Ready(Ok(stream)),
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Poll::Ready(Err(error)),
                },
                Err(error) if is_of_the_connection(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let text = format!("{DEAD_IN_A_ROW} connections in a row were dead when accepted");
        Poll::Ready(Err(io::Error::new(ErrorKind::ConnectionAborted, text)))
    }

    fn poll_any(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(tokio::net::TcpStream, SocketAddr)>> {
        let count = self.sockets.len();
        for step in 0..count {
            let at = (self.turn + step) % count;
            if let Poll::Ready(accepted) = self.sockets[at].poll_accept(cx) {
                self.turn = (at + 1) % count;
                return Poll::Ready(accepted);
            }
        }
        Poll::Pending
    }
}

#[async_trait]
impl Listener for TcpListener {
    fn addresses(&self) -> Vec<Address> {
        self.addresses.clone()
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        let stream = poll_fn(|cx| self.poll_accept(cx)).await?;
        Ok(Box::new(stream))
    }
}

/// How others reach a socket that is bound to `at`: the unspecified address stands for all of this machine's.
fn reached_at(at: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    if !at.ip().is_unspecified() {
        return Ok(vec![at]);
    }
    let same = |ip: &IpAddr| ip.is_ipv4() == at.is_ipv4();
    let mut found: Vec<_> = resolve::interfaces()?.into_iter().filter(same).collect();
    if found.is_empty() {
        found.push(if at.is_ipv4() {
            IpAddr::V4(std::net::Ipv4Addr::LOCALHOST)
        } else {
            IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)
        });
    }
    Ok(found.into_iter().map(|ip| (ip, at.port()).into()).collect())
}

/// The peer has left between our accepting the connection and our setting its options.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidInput | ErrorKind::NotConnected | ErrorKind::ConnectionReset
    )
}

/// An error that `accept` passes on from one connection which died in the queue, rather than one of the listener.
/// Linux reports pending network errors this way too, and says to try again.
fn is_of_the_connection(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    // EPROTO, ENONET, ENOPROTOOPT, EHOSTDOWN: no kind stands for them.
    if matches!(error.raw_os_error(), Some(71 | 64 | 92 | 112)) {
        return true;
    }
    matches!(
        error.kind(),
        ErrorKind::ConnectionAborted
            | ErrorKind::ConnectionReset
            | ErrorKind::Interrupted
            | ErrorKind::HostUnreachable
            | ErrorKind::NetworkUnreachable
            | ErrorKind::NetworkDown
            | ErrorKind::PermissionDenied
    )
}
