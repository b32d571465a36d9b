//! Strangers who hold all places at the door.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use crate::SECRET;
use crate::socket::Socket;

/// Each from an address of its own; who is displaced comes again.
async fn stand(n: u8, at: SocketAddr) {
    loop {
        if let Ok(mut socket) = Socket::dial(Ipv4Addr::new(127, 1, 0, n), at).await {
            socket.closed().await;
        }
        // A trickle: a hundred a second at the most, of all of them together.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_and_twenty_eight_addresses_and_a_trickle_keep_nobody_out() {
    let a = aemp::node()
        .id("a")
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .configure(|config| config.cleartext = true);
    let a = a.start().await.unwrap();
    let at: SocketAddr = a.addresses()[0].rest().parse().unwrap();
    let strangers: Vec<_> = (1..=128).map(|n| tokio::spawn(stand(n, at))).collect();
    // They hold every place once the first has come a second time.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    // Others who have a long way to go: a quarter of a second for each answer.
    let way = Duration::from_millis(250);
    for n in 1..=8 {
        let mut socket = Socket::dial(Ipv4Addr::new(127, 2, 0, n), at).await.unwrap();
        tokio::time::sleep(way).await;
        socket.introduce(&format!("x{n}"), "json").await;
        let (greeting, _nonce) = (socket.line().await, socket.line().await);
        assert!(
            greeting.starts_with("aemp;1;a;"),
            "attempt {n}: {greeting:?}"
        );
        tokio::time::sleep(way).await;
        socket.authenticate("json").await;
        let proof = socket.line().await;
        assert!(
            proof.starts_with("hmac_sha3_512;"),
            "attempt {n}: {proof:?}"
        );
    }
    for stranger in strangers {
        stranger.abort();
    }
}
