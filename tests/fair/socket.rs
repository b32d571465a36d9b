//! `Socket`: the other end of a TCP connection, of which the test says every byte.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpSocket, TcpStream};

use crate::{SECRET, soon};

pub(crate) struct Socket(BufReader<TcpStream>);

impl Socket {
    /// Connects from `source`, an address of this machine.
    pub(crate) async fn dial(source: Ipv4Addr, to: SocketAddr) -> io::Result<Self> {
        let socket = TcpSocket::new_v4()?;
        socket.bind((source, 0).into())?;
        Ok(Self(BufReader::new(socket.connect(to).await?)))
    }

    /// Is let in as node `id` that speaks JSON, by the secret in clear text.
    pub(crate) async fn join(source: Ipv4Addr, to: SocketAddr, id: &str) -> Self {
        let mut socket = Self::dial(source, to).await.unwrap();
        socket.greet(id).await;
        socket.prove().await;
        for _ in 0..3 {
            assert_ne!(socket.line().await, "", "the node closes");
        }
        socket
    }

    pub(crate) async fn greet(&mut self, id: &str) {
        let lines = format!("aemp;1;{id};hmac_sha3_512;json\nnonce\n");
        self.send(lines.as_bytes()).await;
    }

    pub(crate) async fn prove(&mut self) {
        let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
        self.send(format!("cleartext;{hex};json\n").as_bytes())
            .await;
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // The node may have closed: then reading says so.
        let _ = soon(self.0.write_all(bytes)).await;
    }

    /// The next line, empty when the node has closed.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = soon(self.0.read_line(&mut line)).await;
        line
    }

    /// Waits until what has come ends in `end`.
    pub(crate) async fn until(&mut self, end: &str) {
        let all = async {
            let mut come = Vec::new();
            while !come.ends_with(end.as_bytes()) {
                come.push(self.0.read_u8().await.expect("the connection is open"));
            }
        };
        soon(all).await;
    }

    /// Waits until the node has closed.
    pub(crate) async fn closed(&mut self) {
        let _ = self.0.read_to_end(&mut Vec::new()).await;
    }
}
