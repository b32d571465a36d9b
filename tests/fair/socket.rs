//! `Socket`: the other end of a TCP connection, of which the test says every byte.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::{TcpSocket, TcpStream};

pub(crate) type Socket = crate::stranger::Stranger<TcpStream>;

impl Socket {
    /// Connects from `source`, an address of this machine.
    pub(crate) async fn dial(source: Ipv4Addr, to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        Ok(Self::from(socket.connect(to).await?))
    }

    /// Is let in as node `id` that speaks `framing`, by the secret in clear text.
    pub(crate) async fn join(framing: &str, to: SocketAddr, id: &str) -> Self {
        let mut socket = Self::dial(Ipv4Addr::LOCALHOST, to).await.unwrap();
        socket.greet(id, framing).await;
        socket
    }
}
