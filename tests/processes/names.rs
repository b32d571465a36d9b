//! A seed's name that stands for all nodes of a cluster, the node itself among them.

use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp::stats::SeedState;
use aemp::transport::{Listener, SocketConfig, Stream, Transport, async_trait};
use aemp::{Address, LocalNode, Tcp};

use crate::nodes::{SECRET, soon};

/// The name.
const CLUSTER: &str = "cluster:4040";

/// TCP with a name server of its own, which knows one name.
#[derive(Clone, Default)]
struct Named(Arc<Mutex<Vec<SocketAddr>>>);

#[async_trait]
impl Transport for Named {
    fn scheme(&self) -> &str {
        "tcp"
    }

    async fn listen(&self, at: &Address, options: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        Tcp::new().listen(at, options).await
    }

    async fn connect(&self, to: &Address, options: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        assert_eq!(to.to_string(), CLUSTER);
        let known = self.0.lock().unwrap().clone();
        let mut error = io::ErrorKind::AddrNotAvailable.into();
        for address in known.iter().filter(|at| !options.avoid.contains(at)) {
            let address = address.to_string().parse().unwrap();
            match Tcp::new().connect(&address, options).await {
                Ok(stream) => return Ok(stream),
                Err(failed) => error = failed,
            }
        }
        Err(error)
    }

    fn can_avoid(&self) -> bool {
        true
    }
}

impl Named {
    fn set(&self, addresses: &[SocketAddr]) {
        *self.0.lock().unwrap() = addresses.to_vec();
    }

    async fn node(&self, id: &str) -> (LocalNode, SocketAddr) {
        self.node_with(id, SECRET).await
    }

    async fn node_with(&self, id: &str, secret: &str) -> (LocalNode, SocketAddr) {
        let node = aemp::node().id(id).secret(secret).transport(self.clone());
        let node = node.configure(|config| config.opening_timeout = Duration::from_secs(1));
        let node = node.bind("127.0.0.1:0").start().await.unwrap();
        let at = node.addresses()[0].to_string().parse().unwrap();
        (node, at)
    }
}

async fn until(node: &LocalNode, what: &str, is_it: impl Fn(&SeedState) -> bool) {
    let waited = async {
        while !is_it(&node.seeds()[0].state) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(60), waited).await;
    assert!(done.is_ok(), "{what}: {:?}", node.seeds());
}

#[tokio::test]
async fn behind_its_own_address_a_node_finds_those_of_the_others() {
    let names = Named::default();
    let ((_a, a_at), (b, b_at)) = (names.node("a").await, names.node("b").await);
    names.set(&[b_at, a_at]);
    b.add_seed(CLUSTER.parse().unwrap());
    let a = SeedState::Connected("a".parse().unwrap());
    until(&b, "connected", |state| *state == a).await;
    // Nothing was refused, and each of the two is a global node, as somebody's seed is.
    assert_eq!(b.stats().refused_connections, 0);
    soon(b.joined()).await.unwrap();
}

#[tokio::test]
async fn the_first_of_a_cluster_is_its_own_seed_until_there_are_others() {
    let names = Named::default();
    let ((a, a_at), (b, b_at)) = (names.node("a").await, names.node("b").await);
    soon(a.shutdown()).await;
    // The name has one address, and then that of a node that is no longer there.
    for addresses in [&[b_at][..], &[b_at, a_at], &[a_at, b_at]] {
        names.set(addresses);
        b.add_seed(CLUSTER.parse().unwrap());
        until(&b, "itself", |state| *state == SeedState::Itself).await;
        soon(b.joined()).await.unwrap();
        b.remove_seed(&CLUSTER.parse().unwrap());
    }
    b.add_seed(CLUSTER.parse().unwrap());
    until(&b, "itself", |state| *state == SeedState::Itself).await;
    let (_c, c_at) = names.node("c").await;
    names.set(&[b_at, c_at]);
    let c = SeedState::Connected("c".parse().unwrap());
    until(&b, "connected", |state| *state == c).await;
}

#[tokio::test]
async fn behind_a_node_that_refuses_and_one_that_is_silent_others_are_found() {
    let names = Named::default();
    let ((a, a_at), (b, b_at)) = (names.node("a").await, names.node("b").await);
    let (_stranger, stranger_at) = names
        .node_with("stranger", "another secret of theirs")
        .await;
    // The system connects what nobody accepts.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let silent_at = silent.local_addr().unwrap();
    names.set(&[silent_at, stranger_at, b_at, a_at]);
    b.add_seed(CLUSTER.parse().unwrap());
    let connected = SeedState::Connected("a".parse().unwrap());
    until(&b, "connected", |state| *state == connected).await;

    // With nobody else that answers, the node says what is wrong with the others rather than that it is its own seed.
    soon(a.shutdown()).await;
    b.remove_seed(&CLUSTER.parse().unwrap());
    for addresses in [
        &[stranger_at, b_at][..],
        &[b_at, stranger_at, a_at],
        &[silent_at, stranger_at],
    ] {
        names.set(addresses);
        b.add_seed(CLUSTER.parse().unwrap());
        let is_refused = |state: &SeedState| matches!(state, SeedState::Refused(_));
        until(&b, "refused", is_refused).await;
        b.remove_seed(&CLUSTER.parse().unwrap());
    }
}
