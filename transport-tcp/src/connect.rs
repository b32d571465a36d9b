//! Connecting to the addresses of one name, in the manner of Happy Eyeballs (RFC 8305): one after the other, with a short
//! delay between them.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::explain;
use crate::settings::Settings;
use crate::stream::TcpStream;

/// Delay between the attempts of two addresses. Half of it would suffice in most networks; a longer one would be
/// noticed by a user who waits.
const ATTEMPT_DELAY: Duration = Duration::from_millis(250);

/// Concurrent attempts. A name can have any number of addresses.
const MAX_CONCURRENT: usize = 4;

/// Connects to the first of `addresses` that answers. Dropping the future aborts all attempts.
pub(crate) async fn connect(addresses: &[SocketAddr], settings: Settings) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    // Dropping the set with this future aborts its tasks.
    let mut running = JoinSet::new();
    let mut errors = Vec::new();
    let mut next = Instant::now();
    loop {
        if running.is_empty() || (Instant::now() >= next && running.len() < MAX_CONCURRENT) {
            match waiting.next() {
                Some(address) => {
                    running.spawn(connect_one(*address, settings));
                }
                None if running.is_empty() => return Err(explain::all(&errors)),
                None => {}
            }
            next = Instant::now() + ATTEMPT_DELAY;
        }
        tokio::select! {
            Some(done) = running.join_next() => match done.unwrap_or_else(|ended| Err(io::Error::other(ended))) {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    errors.push(error);
                    next = Instant::now();
                }
            },
            () = sleep_until(next), if running.len() < MAX_CONCURRENT => {}
        }
    }
}

async fn connect_one(to: SocketAddr, settings: Settings) -> io::Result<TcpStream> {
    let socket = if to.is_ipv4() {
        TcpSocket::new_v4()
    } else {
        TcpSocket::new_v6()
    };
    let socket = socket.map_err(|error| explain::socket(to, &error))?;
    let connected = async {
        let inner = socket.connect(to).await?;
        // If no process listens on the port, the system may choose it as the local port: then TCP connects the socket
        // with itself.
        if inner.local_addr()? == to {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        TcpStream::new(inner, to, settings)
    };
    connected
        .await
        .map_err(|error| explain::connect(to, &error))
}
