//! `TcpListener`: the sockets of one bind, and the connections accepted on any of them.

use std::future::poll_fn;
use std::io::{self, ErrorKind};
use std::net::{IpAddr, SocketAddr};
use std::task::{Context, Poll, ready};

use aemp_core::Address;
use aemp_core::transport::{Listener, Stream};
use async_trait::async_trait;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::TcpListener as Inner;

use crate::settings::Settings;
use crate::stream::TcpStream;
use crate::{explain, resolve};

/// Connections that the system completes before they are accepted; its own limit may be lower.
const BACKLOG: i32 = 1024;

/// Attempts to find a system-chosen port that is free on every address.
const PORT_ATTEMPTS: usize = 16;

/// Consecutive dead connections after which an error is reported, so that a broken system is visible.
const MAX_DEAD_IN_A_ROW: usize = 256;

pub(crate) struct TcpListener {
    sockets: Vec<Inner>,
    addresses: Vec<Address>,
    /// The socket to poll first (round-robin), so that a flood on one socket does not starve the others.
    next: usize,
    settings: Settings,
}

/// Listens on all of `addresses` that this machine has. Port 0 becomes the same port for all of them, if the system
/// finds one that is free on each.
pub(crate) fn bind(addresses: &[SocketAddr], settings: Settings) -> io::Result<TcpListener> {
    for _ in 0..PORT_ATTEMPTS {
        if let Some(sockets) = bind_all(addresses, Ports::Shared)? {
            return TcpListener::new(sockets, settings);
        }
    }
    let sockets = bind_all(addresses, Ports::Any)?;
    TcpListener::new(sockets.unwrap_or_default(), settings)
}

#[derive(Clone, Copy, PartialEq)]
enum Ports {
    /// The same system-chosen port for all addresses.
    Shared,
    /// Another port for an address on which that one is in use.
    Any,
}

/// Binds all addresses. `None`, with [`Ports::Shared`] only, if the port chosen for the first address is in use on
/// another.
fn bind_all(addresses: &[SocketAddr], ports: Ports) -> io::Result<Option<Vec<Inner>>> {
    let mut sockets: Vec<Inner> = Vec::with_capacity(addresses.len());
    let mut chosen = None;
    let mut missing = Vec::new();
    for &at in addresses {
        let shared = chosen.filter(|_| at.port() == 0);
        let mut bound = bind_one(with_port(at, shared));
        if shared.is_some() && matches!(&bound, Err(e) if e.kind() == ErrorKind::AddrInUse) {
            if ports == Ports::Shared {
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
            // An address may have been removed since it was found, or IPv6 may be off.
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

/// Whether this machine lacks the address or its address family, or (`InvalidInput`) the address needs an interface.
fn is_missing(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::AddrNotAvailable | ErrorKind::Unsupported | ErrorKind::InvalidInput
    )
}

fn bind_one(at: SocketAddr) -> io::Result<Inner> {
    let open = || {
        let socket = Socket::new(Domain::for_address(at), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        // On Unix: bind although connections of an earlier process linger. Elsewhere two programs could share the port.
        #[cfg(unix)]
        socket.set_reuse_address(true)?;
        if at.is_ipv6() {
            // IPv4 has a separate socket.
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
        let mut reached = Vec::new();
        for socket in &sockets {
            reached.extend(published_for(socket.local_addr()?)?);
        }
        reached.sort_by_key(|address| resolve::rank(&address.ip()));
        let addresses = reached.into_iter().map(Address::from).collect();
        Ok(Self {
            sockets,
            addresses,
            next: 0,
            settings,
        })
    }

    fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<TcpStream>> {
        for _ in 0..MAX_DEAD_IN_A_ROW {
            match ready!(self.poll_any(cx)) {
                Ok((stream, peer)) => match TcpStream::new(stream, peer, self.settings) {
                    Ok(stream) => return Poll::Ready(Ok(stream)),
                    Err(error) if is_gone(&error) => {}
                    Err(error) => return Poll::Ready(Err(error)),
                },
                Err(error) if is_connection_error(&error) => {}
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
        let text = format!("{MAX_DEAD_IN_A_ROW} connections in a row were dead when accepted");
        Poll::Ready(Err(io::Error::new(ErrorKind::ConnectionAborted, text)))
    }

    fn poll_any(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<(tokio::net::TcpStream, SocketAddr)>> {
        let count = self.sockets.len();
        for step in 0..count {
            let at = (self.next + step) % count;
            if let Poll::Ready(accepted) = self.sockets[at].poll_accept(cx) {
                self.next = (at + 1) % count;
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

/// The addresses at which others reach a socket that is bound to `at`. The unspecified address stands for all addresses
/// of this machine. The zone of a link-local address is left out: it is the index of an interface of this machine.
fn published_for(at: SocketAddr) -> io::Result<Vec<SocketAddr>> {
    if !at.ip().is_unspecified() {
        return Ok(vec![(at.ip(), at.port()).into()]);
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

/// Whether the peer has closed the connection after it was accepted and before its options were set.
fn is_gone(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        ErrorKind::InvalidInput | ErrorKind::NotConnected | ErrorKind::ConnectionReset
    )
}

/// Whether `accept` reports an error of one connection that died in the queue, and not of the listener. Linux also
/// reports pending network errors this way; its documentation says to retry.
fn is_connection_error(error: &io::Error) -> bool {
    #[cfg(target_os = "linux")]
    // EPROTO, ENONET, ENOPROTOOPT, EHOSTDOWN: these have no `ErrorKind`.
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

#[cfg(test)]
mod tests {
    use std::net::SocketAddrV6;
    use std::time::Duration;

    use socket2::SockRef;

    use super::*;
    use crate::keepalive::KeepaliveOptions;

    fn settings() -> Settings {
        Settings {
            nodelay: true,
            keepalive: KeepaliveOptions::new(Duration::from_secs(30)),
        }
    }

    fn addresses(all: &[&str]) -> Vec<SocketAddr> {
        all.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn several_addresses_share_the_chosen_port() {
        let each = addresses(&["127.0.0.1:0", "127.0.0.2:0", "127.0.0.3:0"]);
        let listener = bind(&each, settings()).unwrap();
        let bound: Vec<_> = listener
            .sockets
            .iter()
            .map(|socket| socket.local_addr().unwrap())
            .collect();
        assert_eq!(bound.len(), 3);
        assert!(bound.iter().all(|at| at.port() == bound[0].port()));
        let published: Vec<_> = bound.iter().map(SocketAddr::to_string).collect();
        let addresses = listener.addresses();
        let listed: Vec<_> = addresses.iter().map(Address::target).collect();
        assert_eq!(listed, published);
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_busy_socket_does_not_starve_the_others() {
        let each = addresses(&["127.0.0.1:0", "127.0.0.2:0"]);
        let mut listener = bind(&each, settings()).unwrap();
        let dial = |at: &Address| std::net::TcpStream::connect(at.target()).unwrap();
        let at = listener.addresses();
        let _first: Vec<_> = (0..4).map(|_| dial(&at[0])).collect();
        let _second: Vec<_> = (0..2).map(|_| dial(&at[1])).collect();
        let mut order = Vec::new();
        for _ in 0..6 {
            let stream = listener.accept().await.unwrap();
            order.push(stream.local().unwrap().to_string());
        }
        let [one, two] = [at[0].target(), at[1].target()];
        assert_eq!(order, [one, two, one, two, one, one]);
    }

    #[tokio::test]
    async fn an_address_that_is_missing_is_left_out_and_none_left_is_an_error() {
        // TEST-NET-2: no host has these.
        let listener = bind(&addresses(&["198.51.100.201:0", "127.0.0.1:0"]), settings()).unwrap();
        assert_eq!(listener.sockets.len(), 1);
        let none = bind(
            &addresses(&["198.51.100.201:0", "198.51.100.202:0"]),
            settings(),
        );
        let text = none.err().unwrap().to_string();
        assert_eq!(
            text,
            "198.51.100.201 is no address of this machine: write one that is, or * for all but loopback; \
             198.51.100.202 is no address of this machine: write one that is, or * for all but loopback"
        );
    }

    #[tokio::test]
    async fn a_named_port_in_use_on_any_address_is_an_error() {
        let first = bind(&addresses(&["127.0.0.1:0"]), settings()).unwrap();
        let taken = first.sockets[0].local_addr().unwrap();
        let error = bind(&[taken], settings()).err().unwrap();
        assert_eq!(error.kind(), ErrorKind::AddrInUse);
    }

    #[cfg(unix)]
    #[tokio::test]
    async fn listeners_may_bind_again_at_once() {
        let listener = bind(&addresses(&["127.0.0.1:0"]), settings()).unwrap();
        let socket = SockRef::from(&listener.sockets[0]);
        assert!(socket.reuse_address().unwrap());
    }

    #[test]
    fn a_link_local_address_is_published_without_the_index_of_an_interface() {
        let at = SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), 4040, 7, 2));
        let published = published_for(at).unwrap();
        assert_eq!(published, addresses(&["[fe80::1]:4040"]));
    }

    #[test]
    fn errors_of_a_connection_are_told_from_those_of_the_listener() {
        assert!(is_connection_error(&ErrorKind::ConnectionAborted.into()));
        #[cfg(target_os = "linux")]
        {
            let error = io::Error::from_raw_os_error;
            for code in [64, 71, 92, 100, 101, 103, 112, 113] {
                assert!(is_connection_error(&error(code)), "{:?}", error(code));
            }
            // Too many open files, in this program and in the system; no memory.
            for code in [24, 23, 12] {
                assert!(!is_connection_error(&error(code)), "{:?}", error(code));
            }
        }
    }
}
