//! Strangers at the door of a node.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::socket::Socket;
use crate::victim::Victim;
use crate::{alone, soon};

/// The longest that a member may take to get in.
const IN: Duration = Duration::from_secs(1);

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
    let _alone = alone().await;
    let victim = Victim::start(&[]).await;
    let at = victim.at;
    let before = victim.descriptors();
    let strangers: Vec<_> = (1..=128).map(|n| tokio::spawn(stand(n, at))).collect();
    // They hold every place.
    let full = async {
        while victim.descriptors() < before + 128 {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(full).await;
    // Others who have a long way to go: a quarter of a second for each answer.
    let way = Duration::from_millis(250);
    for n in 1..=4 {
        let mut socket = Socket::dial(Ipv4Addr::new(127, 2, 0, n), at).await.unwrap();
        tokio::time::sleep(way).await;
        socket.introduce(&format!("x{n}"), "json").await;
        let (greeting, _nonce) = (socket.line().await, socket.line().await);
        assert!(
            greeting.starts_with("aemp;1;victim;"),
            "attempt {n}: {greeting:?}"
        );
        tokio::time::sleep(way).await;
        socket.authenticate("json").await;
        let proof = socket.line().await;
        assert!(
            proof.starts_with("hmac_sha3_512;"),
            "attempt {n}: {proof:?}"
        );
        let begun = Instant::now();
        victim.member(&format!("member{n}")).await;
        let took = begun.elapsed();
        println!("in after {took:.1?}");
        assert!(took < IN, "{took:?}");
    }
    for stranger in strangers {
        stranger.abort();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_answers_at_a_seed_without_the_secret_does_not_keep_out_the_node_that_it_says_it_is() {
    let _alone = alone().await;
    let impostor = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let seed = impostor.local_addr().unwrap().to_string();
    let victim = Victim::start(&[("AEMP_SEED", seed)]).await;
    let (stream, _) = soon(impostor.accept()).await.unwrap();
    let mut impostor = Socket::from(stream);
    // Of two openings the one goes on that the node with the lower ID has dialled: the one to the impostor.
    impostor.introduce("x", "json").await;
    for _ in 0..3 {
        assert_ne!(impostor.line().await, "", "the node proves itself first");
    }
    let begun = Instant::now();
    victim.member("x").await;
    let took = begun.elapsed();
    println!("in after {took:.1?}");
    assert!(took < Duration::from_secs(3) + IN, "{took:?}");
}
