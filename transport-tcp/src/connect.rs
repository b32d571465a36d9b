//! Connecting: the addresses of one name, one after the other with a short lead each.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpSocket;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::explain;
use crate::settings::Settings;
use crate::stream::TcpStream;

/// The lead of each address over the next. Half of this would do in most networks; more is felt by a person
/// who waits.
const LEAD: Duration = Duration::from_millis(250);

/// How many of a name's addresses are tried at a time: a name can stand for any number.
const AT_ONCE: usize = 4;

/// Connects to the first of `addresses` that answers. Dropping the future closes what was begun.
pub(crate) async fn connect(addresses: &[SocketAddr], settings: Settings) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    // Dropped with this future, and then its tasks are aborted.
    let mut running = JoinSet::new();
    let mut errors = Vec::new();
    let mut next = Instant::now();
    loop {
        if running.is_empty() || (Instant::now() >= next && running.len() < AT_ONCE) {
            match waiting.next() {
                Some(address) => {
                    running.spawn(connect_one(*address, settings));
                }
                None if running.is_empty() => return Err(explain::all(&errors)),
                None => {}
            }
            next = Instant::now() + LEAD;
        }
        tokio::select! {
            Some(done) = running.join_next() => match done.unwrap_or_else(|ended| Err(io::Error::other(ended))) {
                Ok(stream) => return Ok(stream),
                Err(error) => {
                    errors.push(error);
                    next = Instant::now();
                }
            },
            () = sleep_until(next), if running.len() < AT_ONCE => {}
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
        // A port that nobody listens on may be the one that the system chose for our end: then TCP connects
        // the socket with itself.
        if inner.local_addr()? == to {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        TcpStream::new(inner, to, settings)
    };
    connected
        .await
        .map_err(|error| explain::connect(to, &error))
}
