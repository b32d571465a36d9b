//! Turns errors of the system into texts that say what to do. The node prefixes them with the address as it was written.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;

/// The error of listening on `at`.
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

/// The error of creating a socket for `at`. [`ErrorKind::Unsupported`]: the system lacks the address family.
pub(crate) fn socket(at: SocketAddr, error: &io::Error) -> io::Error {
    if error.raw_os_error() == Some(EAFNOSUPPORT) {
        let family = if at.is_ipv4() { "IPv4" } else { "IPv6" };
        let text = format!("{at} cannot be used, as {family} is off on this machine");
        return io::Error::new(ErrorKind::Unsupported, text);
    }
    let text = format!("no socket for {at} to be had: {error}");
    io::Error::new(error.kind(), text)
}

/// `EAFNOSUPPORT`, which has no [`ErrorKind`].
const EAFNOSUPPORT: i32 = if cfg!(windows) {
    10047
} else if cfg!(any(target_os = "linux", target_os = "android")) {
    97
} else {
    47
};

/// The error of connecting to `to`.
pub(crate) fn connect(to: SocketAddr, error: &io::Error) -> io::Error {
    let (ip, port) = (to.ip(), to.port());
    let text = match error.kind() {
        ErrorKind::ConnectionRefused => {
            let what = format!("connection refused: nothing listens on port {port} of {ip}");
            match ip.to_canonical().is_loopback() {
                true => format!("{what}; binds to * leave out loopback"),
                false => what,
            }
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

/// The error for several addresses of one name, all of which have failed.
pub(crate) fn all(errors: &[io::Error]) -> io::Error {
    let kind = errors.first().map_or(ErrorKind::NotFound, io::Error::kind);
    let each: Vec<_> = errors.iter().map(ToString::to_string).collect();
    io::Error::new(kind, each.join("; "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_error_says_what_to_do() {
        let at = |text: &str| text.parse().unwrap();
        let of = |kind: ErrorKind| io::Error::from(kind);
        let (v4, v6, low) = (at("10.0.0.1:4040"), at("[::1]:4040"), at("10.0.0.1:80"));
        for (error, expected) in [
            (
                bind(v4, &of(ErrorKind::AddrInUse)),
                "port 4040 on 10.0.0.1 is in use by another program: choose another, or stop that one",
            ),
            (
                bind(at("10.0.0.1:0"), &of(ErrorKind::AddrInUse)),
                "every port on 10.0.0.1 that the system may choose is in use: name one",
            ),
            (
                bind(low, &of(ErrorKind::PermissionDenied)),
                "this program may not use port 80: choose one from 1024 up, or give it that right",
            ),
            (
                bind(v4, &of(ErrorKind::PermissionDenied)),
                "10.0.0.1:4040 cannot be listened on: permission denied",
            ),
            (
                socket(v6, &io::Error::from_raw_os_error(EAFNOSUPPORT)),
                "[::1]:4040 cannot be used, as IPv6 is off on this machine",
            ),
            (
                connect(v4, &of(ErrorKind::TimedOut)),
                "no answer from 10.0.0.1: the host is down, or a firewall drops what is sent to port 4040",
            ),
            (
                connect(v6, &of(ErrorKind::NetworkUnreachable)),
                "no way to ::1: network unreachable",
            ),
        ] {
            assert_eq!(error.to_string(), expected);
        }
    }

    #[test]
    fn the_errors_of_several_addresses_stand_side_by_side() {
        let refused = io::Error::from(ErrorKind::ConnectionRefused);
        let errors = ["[::1]:1", "192.0.2.1:1"].map(|at| connect(at.parse().unwrap(), &refused));
        let error = all(&errors);
        assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
        assert_eq!(
            error.to_string(),
            "connection refused: nothing listens on port 1 of ::1; binds to * leave out loopback; \
             connection refused: nothing listens on port 1 of 192.0.2.1"
        );
    }
}
