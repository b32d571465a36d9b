//! Errors of the system in words that say what to do. The node puts the address as it was written in front.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// Why `at` cannot be listened on.
pub(crate) fn bind(at: SocketAddr, error: &io::Error) -> io::Error {
    let (ip, port) = (at.ip(), at.port());
    let text = match error.kind() {
        ErrorKind::AddrInUse if port == 0 => {
            format!("every port on {ip} that the system may choose is in use: name one")
        }
        ErrorKind::AddrInUse => {
            format!(
                "port {port} on {ip} is in use by another program: choose another, or stop that one"
            )
        }
        ErrorKind::PermissionDenied if (1..1024).contains(&port) => {
            format!(
                "this program may not use port {port}: choose one from 1024 up, or give it that right"
            )
        }
        ErrorKind::AddrNotAvailable => {
            format!(
                "{ip} is no address of this machine: write one that is, or * for all but loopback"
            )
        }
        _ => format!("{at} cannot be listened on: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// Why no socket could be made to use `at`.
pub(crate) fn socket(at: SocketAddr, error: &io::Error) -> io::Error {
    let family = if at.is_ipv4() { "IPv4" } else { "IPv6" };
    let text = format!("no {family} socket for {at} to be had: {error}");
    io::Error::new(error.kind(), text)
}

/// Why `to` cannot be connected to.
pub(crate) fn connect(to: SocketAddr, error: &io::Error) -> io::Error {
    let (ip, port) = (to.ip(), to.port());
    let text = match error.kind() {
        ErrorKind::ConnectionRefused => {
            format!("connection refused: nothing listens on port {port} of {ip}")
        }
        ErrorKind::TimedOut => {
            format!(
                "no answer from {ip}: the host is down, or a firewall drops what is sent to port {port}"
            )
        }
        ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable => {
            format!("no way to {ip}: {error}")
        }
        _ => format!("{to} cannot be connected to: {error}"),
    };
    io::Error::new(error.kind(), text)
}

/// Of several addresses of one name, each has failed.
pub(crate) fn all(errors: &[io::Error]) -> io::Error {
    let kind = errors.first().map_or(ErrorKind::NotFound, io::Error::kind);
    let each: Vec<_> = errors.iter().map(ToString::to_string).collect();
    io::Error::new(kind, each.join("; "))
}
