//! What stands between two nodes: it glues bytes together, flips them, cuts the connection, or is slow.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp::stats::SeedState;
use aemp::{LocalNode, NodeBuilder, Value};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use crate::certificates::{own, plain};
use crate::log::Log;
use crate::nodes::{link, soon};
use crate::pair::{Dialer, ROLES, ask, listen, node, until};
use crate::relay::{From, Pass, relay};

fn relayed(node: NodeBuilder) -> NodeBuilder {
    node.configure(|config| config.check_peeraddr = false)
}

/// Two nodes with a relay between them; the second dials.
async fn start(role: Dialer, pass: Pass) -> (LocalNode, LocalNode) {
    let pem = own("aemp", plain).pem([]);
    let (b, a) = role.nonces(node("b", &pem), node("a", &pem));
    let (a, address) = listen(relayed(a)).await;
    let address = relay(&address, pass).await;
    let b = relayed(b).seed(address).start().await.unwrap();
    (a, b)
}

/// The length of a greeting: two lines.
fn greeting(bytes: &[u8]) -> Option<usize> {
    let mut ends = bytes.iter().enumerate().filter(|(_, byte)| **byte == b'\n');
    ends.nth(1).map(|(at, _)| at + 1)
}

#[tokio::test]
async fn bytes_that_are_glued_to_the_nonce_line_belong_to_tls() {
    for role in ROLES {
        // What the client sends is held until its first bytes of TLS are there as well.
        let client = match role {
            Dialer::Client => From::Dialer,
            Dialer::Server => From::Acceptor,
        };
        let held = Mutex::new(Vec::new());
        let glued = Arc::new(AtomicUsize::new(0));
        let count = glued.clone();
        let pass: Pass = Arc::new(move |from, _, piece| {
            if from != client || count.load(Ordering::Relaxed) > 0 {
                return Some(piece);
            }
            let mut held = held.lock().unwrap();
            held.extend(piece);
            match greeting(&held) {
                Some(length) if held.len() > length => {
                    count.store(held.len() - length, Ordering::Relaxed);
                    Some(std::mem::take(&mut held))
                }
                _ => Some(Vec::new()),
            }
        });
        let (a, b) = start(role, pass).await;
        soon(b.joined()).await.unwrap();
        assert!(glued.load(Ordering::Relaxed) > 100);
        assert_eq!(ask(&b, "a", 1).await, Value::from(1));
        assert!(link(&a, "b").await.tls().is_some());
    }
}

#[tokio::test]
async fn no_connection_comes_up_if_a_byte_of_the_tls_handshake_is_changed() {
    let mut tried = 0;
    for role in ROLES {
        for from in [From::Dialer, From::Acceptor] {
            for at in (0..600).step_by(37) {
                let changed = Arc::new(AtomicBool::new(false));
                let set = changed.clone();
                let all = Mutex::new(Vec::new());
                let pass: Pass = Arc::new(move |who, offset, mut piece| {
                    if who != from {
                        return Some(piece);
                    }
                    let mut all = all.lock().unwrap();
                    all.extend_from_slice(&piece);
                    let start = greeting(&all).unwrap();
                    let place = (start + at).checked_sub(offset);
                    if let Some(byte) = place.and_then(|place| piece.get_mut(place))
                        && !is_version(&all[start..], at)
                    {
                        *byte ^= 0x20;
                        set.store(true, Ordering::Relaxed);
                    }
                    Some(piece)
                });
                let (a, b) = start(role, pass).await;
                let joined = soon(b.joined()).await;
                if changed.load(Ordering::Relaxed) {
                    assert!(joined.is_err(), "{role:?} {from:?} {at}");
                    assert!(a.connections().is_empty());
                    tried += 1;
                }
            }
        }
    }
    assert!(tried > 60, "{tried}");
}

/// Whether the byte `at` is the version in the head of a record, which TLS 1.3 ignores.
fn is_version(tls: &[u8], at: usize) -> bool {
    let mut head = 0;
    while let Some(&[_, _, _, high, low]) = tls.get(head..head + 5) {
        if (head + 1..head + 3).contains(&at) {
            return true;
        }
        head += 5 + usize::from(u16::from_be_bytes([high, low]));
    }
    false
}

#[tokio::test]
async fn a_byte_that_is_changed_later_ends_the_link_and_monitors_fire() {
    for role in ROLES {
        let armed = Arc::new(AtomicUsize::new(0));
        let now = armed.clone();
        let pass: Pass = Arc::new(move |who, _, mut piece| {
            if who == From::Dialer && now.swap(0, Ordering::Relaxed) == 1 {
                *piece.last_mut().unwrap() ^= 1;
            }
            Some(piece)
        });
        let (a, b) = start(role, pass).await;
        soon(b.joined()).await.unwrap();
        assert_eq!(ask(&b, "a", 1).await, Value::from(1));
        let gone = a.gone("b#port");
        armed.store(1, Ordering::Relaxed);
        b.send("a#echo", ("never arrives",));
        let why = soon(gone).await.to_string();
        assert!(
            why.ends_with("what the peer sent was changed on the way: it cannot be decrypted"),
            "{why}"
        );
    }
}

#[tokio::test]
async fn a_cut_connection_is_not_taken_for_a_closed_one() {
    for role in ROLES {
        let cut = Arc::new(AtomicUsize::new(0));
        let now = cut.clone();
        let pass: Pass =
            Arc::new(move |_, _, piece| (now.load(Ordering::Relaxed) == 0).then_some(piece));
        let (a, b) = start(role, pass).await;
        soon(b.joined()).await.unwrap();
        assert_eq!(ask(&b, "a", 1).await, Value::from(1));
        let (at_a, at_b) = (a.gone("b#port"), b.gone("a#echo"));
        cut.store(1, Ordering::Relaxed);
        b.send("a#echo", ("never arrives",));
        for (gone, node) in [(at_a, "b"), (at_b, "a")] {
            let why = soon(gone).await.to_string();
            let expected = format!(
                "transport_error: {node}, the peer ended the connection without closing TLS: it was cut off, or its program ended"
            );
            assert_eq!(why, expected);
        }
    }
}

#[tokio::test]
async fn a_slow_handshake_is_closed_at_the_deadline() {
    let (log, _guard) = Log::start();
    let pem = own("aemp", plain).pem([]);
    let quick = node("a", &pem).configure(|config| {
        config.opening_timeout = Duration::from_millis(300);
    });
    let (_, quick) = Dialer::Client.nonces(aemp::node(), quick);
    let (_a, address) = listen(quick).await;
    // A stranger that is the client, whose bytes of TLS come one by one.
    let mut stranger = TcpStream::connect(&address).await.unwrap();
    let lines = b"aemp;1;slow;tls_sha3_512;cbor;tls=1.0\n\n";
    stranger.write_all(lines).await.unwrap();
    let (mut read, mut write) = stranger.into_split();
    tokio::spawn(async move {
        // The head of a record of 512 bytes, and then its content.
        for byte in [22, 3, 1, 2, 0].into_iter().chain(std::iter::repeat(1)) {
            if write.write_all(&[byte]).await.is_err() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    let _ = soon(read.read_to_end(&mut Vec::new())).await;
    let refused = || !log.with(&["a connection was refused"]).is_empty();
    until("the refusal is logged", refused).await;
    let line = log.with(&["a connection was refused"]).concat();
    assert!(
        line.contains("TLS with \"slow\" did not come up within 300ms"),
        "{line}"
    );
}

#[tokio::test]
async fn what_is_no_tls_is_refused_with_words() {
    let (log, _guard) = Log::start();
    let pem = own("aemp", plain).pem([]);
    let (_a, address) = listen(node("a", &pem)).await;
    // The one with an empty nonce line is the client; the other is dialled and is the server.
    let mut stranger = TcpStream::connect(&address).await.unwrap();
    let lines = b"aemp;1;x;tls_sha3_512;cbor;tls=1.0\n\nhmac_sha3_512;00;cbor\n";
    stranger.write_all(lines).await.unwrap();
    let _ = soon(stranger.read_to_end(&mut Vec::new())).await;
    let refused = || !log.with(&["a connection was refused"]).is_empty();
    until("the refusal is logged", refused).await;
    let line = log.with(&["a connection was refused"]).concat();
    let expected =
        "TLS with \"x\" failed: what the peer sends is not TLS, or was changed on the way";
    assert!(line.contains(expected), "{line}");

    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let seed = listener.local_addr().unwrap().to_string();
    let b = node("b", &pem).seed(seed).start().await.unwrap();
    let (mut stranger, _) = soon(listener.accept()).await.unwrap();
    let lines = b"aemp;1;x;tls_sha3_512;cbor;tls=1.0\n~\nHTTP/1.1 400 Bad Request\r\n\r\n";
    stranger.write_all(lines).await.unwrap();
    let error = aemp::error::Report(&*soon(b.joined()).await.unwrap_err().error).to_string();
    assert!(error.contains(expected), "{error}");
    // And one that closes at once.
    let (mut stranger, _) = soon(listener.accept()).await.unwrap();
    stranger
        .write_all(b"aemp;1;x;tls_sha3_512;cbor;tls=1.0\n~\n")
        .await
        .unwrap();
    drop(stranger);
    let closed = || {
        let Some(SeedState::Refused(error)) = b.seeds().pop().map(|seed| seed.state) else {
            return false;
        };
        error
            .to_string()
            .contains("closed the connection before TLS was up")
    };
    until("the end is reported", closed).await;
}
