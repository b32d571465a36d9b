//! A relay between two nodes, which passes their bytes on as the test says. They must not compare addresses
//! (`check_peeraddr`).

use std::sync::Arc;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};

/// From whom bytes come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum From {
    Dialer,
    Acceptor,
}

/// A piece of the stream as it was read, and where it begins in its direction; what it returns is passed on. `None` ends
/// both directions.
pub(crate) type Pass = Arc<dyn Fn(From, usize, Vec<u8>) -> Option<Vec<u8>> + Send + Sync>;

/// Listens for dialers of the node at `to`. Its address.
pub(crate) async fn relay(to: &str, pass: Pass) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let to = to.to_owned();
    tokio::spawn(async move {
        while let Ok((dialer, _)) = listener.accept().await {
            let acceptor = TcpStream::connect(&to).await.unwrap();
            let (from_dialer, to_dialer) = dialer.into_split();
            let (from_acceptor, to_acceptor) = acceptor.into_split();
            let there = copy(from_dialer, to_acceptor, From::Dialer, pass.clone());
            let back = copy(from_acceptor, to_dialer, From::Acceptor, pass.clone());
            // The end of one by `None` ends the other, whose halves are dropped with it.
            tokio::spawn(async move {
                tokio::select! {
                    Ended::Cut = there => {}
                    Ended::Cut = back => {}
                    else => {}
                }
            });
        }
    });
    address
}

enum Ended {
    /// By the test.
    Cut,
    /// By one of the nodes.
    Closed,
}

async fn copy(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, who: From, pass: Pass) -> Ended {
    let mut at = 0;
    let mut buffer = vec![0; 64 << 10];
    while let Ok(read @ 1..) = from.read(&mut buffer).await {
        let Some(piece) = pass(who, at, buffer[..read].to_vec()) else {
            return Ended::Cut;
        };
        at += read;
        if to.write_all(&piece).await.is_err() {
            break;
        }
    }
    let _ = to.shutdown().await;
    Ended::Closed
}
