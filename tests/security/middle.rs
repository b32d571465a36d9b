//! The attacker in the middle: he joins two connections, and changes what is said.

use std::sync::Arc;

use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};

/// What becomes of a line of the end 0 or 1, with its number (0 greeting, 1 nonce, 2 auth line) and its LF; what follows the lines
/// comes in pieces of any length, with the number of the line after the last.
pub(crate) type Change = Arc<dyn Fn(usize, usize, Vec<u8>) -> Vec<u8> + Send + Sync>;

/// The lines of an opening without TLS.
pub(crate) const PLAIN: usize = 3;

/// The lines that TLS leaves readable.
pub(crate) const TLS: usize = 2;

/// Changes nothing.
pub(crate) fn nothing() -> Change {
    Arc::new(|_, _, bytes| bytes)
}

/// Joins the two until both have closed, and returns what each has said. Both hear the greeting of the other before
/// either can close.
pub(crate) async fn join(ends: [TcpStream; 2], lines: usize, change: Change) -> [Vec<u8>; 2] {
    let [(from_one, to_one), (from_other, to_other)] = ends.map(TcpStream::into_split);
    let (mut one, mut other) = (BufReader::new(from_one), BufReader::new(from_other));
    let (first, second) = (greeting(&mut one).await, greeting(&mut other).await);
    let there = pass(0, first, one, to_other, lines, &change);
    let back = pass(1, second, other, to_one, lines, &change);
    let (there, back) = tokio::join!(there, back);
    [there, back]
}

async fn line(from: &mut BufReader<OwnedReadHalf>) -> Vec<u8> {
    let mut line = Vec::new();
    let _ = from.read_until(b'\n', &mut line).await;
    line
}

async fn greeting(from: &mut BufReader<OwnedReadHalf>) -> [Vec<u8>; 2] {
    [line(from).await, line(from).await]
}

async fn pass(
    end: usize,
    greeting: [Vec<u8>; 2],
    mut from: BufReader<OwnedReadHalf>,
    mut to: OwnedWriteHalf,
    lines: usize,
    change: &Change,
) -> Vec<u8> {
    let mut said = greeting.concat();
    // An end that has closed closes the other direction as well, where its reader sees it.
    for (number, line) in greeting.into_iter().enumerate() {
        let _ = to.write_all(&change(end, number, line)).await;
    }
    for number in 2..lines {
        let line = line(&mut from).await;
        said.extend(&line);
        let _ = to.write_all(&change(end, number, line)).await;
    }
    while let Ok(piece @ [_, ..]) = from.fill_buf().await {
        let piece = piece.to_vec();
        from.consume(piece.len());
        said.extend(&piece);
        let _ = to.write_all(&change(end, lines, piece)).await;
    }
    let _ = to.shutdown().await;
    said
}
