//! Seeds: the addresses that a node keeps a connection to, from the start or from some later time on.

use std::io::ErrorKind;
use std::time::Duration;

use aemp::handshake::{HandshakeError, Stage};
use aemp::stats::SeedState;
use aemp::{Address, ConnectError, LocalNode, NodeId};
use tokio::time::Instant;

use crate::common::{Network, linked, node, soon, unlinked, until};

fn address(text: &str) -> Address {
    text.parse().unwrap()
}

fn state(node: &LocalNode, of: &str) -> Option<SeedState> {
    let mut seeds = node.seeds().into_iter();
    seeds.find(|s| s.address == address(of)).map(|s| s.state)
}

fn connected(to: &str) -> Option<SeedState> {
    Some(SeedState::Connected(NodeId::new(to).unwrap()))
}

#[tokio::test]
async fn a_seed_given_at_run_time_is_connected_to_and_another_time_ignored() {
    let network = Network::default();
    let _a = node("a", &network).bind("mem:a").start().await.unwrap();
    let b = node("b", &network).start().await.unwrap();
    soon(b.joined()).await.unwrap();
    assert!(b.seeds().is_empty() && b.connections().is_empty());

    assert!(b.add_seed(address("mem:a")));
    assert!(!b.add_seed(address("mem:a")));
    assert_eq!(state(&b, "mem:a"), Some(SeedState::Trying));
    soon(b.joined()).await.unwrap();
    linked(&b, "a").await;
    assert_eq!(state(&b, "mem:a"), connected("a"));
    assert_eq!(b.seeds().len(), 1);
}

#[tokio::test]
async fn a_seed_named_twice_in_the_builder_is_one() {
    let network = Network::default();
    let _a = node("a", &network).bind("mem:a").start().await.unwrap();
    let b = node("b", &network).seed("mem:a").seed("mem:a,mem:a");
    let b = b.start().await.unwrap();
    soon(b.joined()).await.unwrap();
    assert_eq!(b.seeds().len(), 1);
}

#[tokio::test]
async fn what_became_of_each_seed_is_told() {
    let network = Network::default();
    let _a = node("a", &network).bind("mem:a").start().await.unwrap();
    let _c = node("c", &network)
        .secret("another secret of enough bytes")
        .bind("mem:c")
        .start()
        .await
        .unwrap();
    let mut silent = network.accept_at("silent");
    let b = node("b", &network).bind("mem:b");
    let seeds = ["mem:a", "mem:b", "mem:c", "mem:nobody", "mem:silent"];
    let b = seeds
        .iter()
        .fold(b, |b, seed| b.seed(*seed))
        .start()
        .await
        .unwrap();
    let _held = soon(silent.recv()).await.unwrap();
    let settled = || {
        let mut seeds = b.seeds().into_iter().map(|seed| seed.state);
        seeds.by_ref().take(4).all(|s| s != SeedState::Trying)
    };
    until("four seeds have answered or not", settled).await;
    assert_eq!(state(&b, "mem:a"), connected("a"));
    assert_eq!(state(&b, "mem:b"), Some(SeedState::Itself));
    let Some(SeedState::Refused(why)) = state(&b, "mem:c") else {
        panic!("{:?}", state(&b, "mem:c"));
    };
    assert!(
        matches!(
            &why,
            ConnectError::Handshake(HandshakeError::Closed(Stage::AuthSent(c))) if c == "c"
        ),
        "{why:?}"
    );
    assert!(why.to_string().contains("its secret differs"), "{why}");
    let Some(SeedState::Failed(ConnectError::Io(error))) = state(&b, "mem:nobody") else {
        panic!("{:?}", state(&b, "mem:nobody"));
    };
    assert_eq!(error.kind(), ErrorKind::ConnectionRefused);
    assert_eq!(state(&b, "mem:silent"), Some(SeedState::Trying));
    let order: Vec<_> = b.seeds().iter().map(|s| s.address.to_string()).collect();
    assert_eq!(order, seeds);
}

#[tokio::test]
async fn two_seeds_that_are_one_node_are_both_connected_to_it() {
    let network = Network::default();
    let _a = node("a", &network)
        .bind("mem:a")
        .bind("mem:a2")
        .start()
        .await
        .unwrap();
    let b = node("b", &network).seed("mem:a").seed("mem:a2");
    let b = b.start().await.unwrap();
    for seed in ["mem:a", "mem:a2"] {
        until("it is connected", || state(&b, seed) == connected("a")).await;
    }
    assert_eq!(b.connections().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_removed_seed_keeps_its_connection_and_is_not_connected_to_again() {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").start().await.unwrap();
    let b = node("b", &network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap();
    assert!(!b.remove_seed(&address("mem:nobody")));
    assert!(b.remove_seed(&address("mem:a")));
    assert!(!b.remove_seed(&address("mem:a")));
    assert!(b.seeds().is_empty());
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(b.connections()[0].generation(), 1);

    drop(a);
    unlinked(&b, "a").await;
    let mut visitors = network.accept_at("a");
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(visitors.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn removing_a_seed_ends_the_attempts_and_adding_it_begins_anew() {
    let network = Network::default();
    let b = node("b", &network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap_err();
    assert!(b.remove_seed(&address("mem:a")));
    // A node without seeds has joined.
    soon(b.joined()).await.unwrap();
    let _a = node("a", &network).bind("mem:a").start().await.unwrap();
    tokio::time::sleep(Duration::from_secs(600)).await;
    assert!(b.connections().is_empty());

    let begun = Instant::now();
    assert!(b.add_seed(address("mem:a")));
    soon(b.joined()).await.unwrap();
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test]
async fn who_waits_to_join_a_seed_that_is_removed_waits_no_longer() {
    let network = Network::default();
    let mut silent = network.accept_at("silent");
    let b = node("b", &network)
        .seed("mem:silent")
        .start()
        .await
        .unwrap();
    let _held = soon(silent.recv()).await.unwrap();
    let (joined, _) =
        soon(async { tokio::join!(b.joined(), async { b.remove_seed(&address("mem:silent")) }) })
            .await;
    joined.unwrap();
}

#[tokio::test]
async fn a_node_that_has_stopped_takes_seeds_and_connects_to_none() {
    let network = Network::default();
    let b = node("b", &network).start().await.unwrap();
    soon(b.clone().shutdown()).await;
    assert!(b.add_seed(address("mem:a")));
    let failed = SeedState::Failed(ConnectError::Stopped);
    assert_eq!(state(&b, "mem:a"), Some(failed));
}

/// As a program waits for its network: each round of attempts is told once, and a seed that was there is waited for.
#[tokio::test(start_paused = true)]
async fn joined_in_a_loop_tells_each_failure_once_and_no_old_one() {
    let network = Network::default();
    let b = node("b", &network).seed("mem:a").start().await.unwrap();
    let mut told = Vec::new();
    for _ in 0..3 {
        soon(b.joined()).await.unwrap_err();
        told.push(Instant::now());
    }
    // Each is of an attempt of its own, which a pause came before.
    for pair in told.windows(2) {
        assert!(pair[1] - pair[0] >= Duration::from_millis(500), "{told:?}");
    }
    // Two that wait at a time hear of the same attempt.
    let (one, other) = tokio::join!(soon(b.joined()), soon(b.joined()));
    assert_eq!(one.unwrap_err().error, other.unwrap_err().error);

    let a = node("a", &network).bind("mem:a").start().await.unwrap();
    let waited = async { while b.joined().await.is_err() {} };
    soon(waited).await;
    a.shutdown().await;
    unlinked(&b, "a").await;
    // However many attempts fail meanwhile.
    let mut joined = Box::pin(b.joined());
    let early = tokio::time::timeout(Duration::from_secs(20), &mut joined).await;
    assert!(early.is_err(), "{early:?}");
    assert!(matches!(state(&b, "mem:a"), Some(SeedState::Failed(_))));
    let a = node("a", &network).bind("mem:a").start().await.unwrap();
    soon(joined).await.unwrap();
    assert_eq!(state(&b, "mem:a"), connected("a"));

    // A seed that comes back and refuses this node is no loss that passes by itself.
    a.shutdown().await;
    unlinked(&b, "a").await;
    let a = node("a", &network).secret("another secret of enough bytes");
    let _a = a.bind("mem:a").start().await.unwrap();
    let error = soon(b.joined()).await.unwrap_err().error;
    assert!(matches!(*error, ConnectError::Handshake(_)), "{error:?}");

    // Nor does a node that has stopped join, and a loop around it holds up nobody.
    b.clone().shutdown().await;
    let other = tokio::spawn(async {});
    for _ in 0..3 {
        let error = soon(b.joined()).await.unwrap_err().error;
        assert!(matches!(*error, ConnectError::Stopped), "{error:?}");
    }
    assert!(other.is_finished());
}
