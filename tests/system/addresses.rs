//! Nodes with several addresses: which of them is published first and tried first, and that a silent one costs little.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use aemp::transport::{Listener, SocketConfig, Stream, Transport};
use aemp::{Address, LocalNode, NodeId, PortId, routes};
use async_trait::async_trait;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::time::Instant;

use crate::common::{Network, linked, node, soon, unlinked, until};
use crate::nodes::port;
use crate::stranger::Stranger;

/// A network, the transport `name`, whose addresses are looked up at each attempt. Clones are the same.
#[derive(Clone)]
struct Names {
    network: Network,
    /// What each name stands for: places where somebody may listen. `silent` never answers.
    table: Arc<Mutex<Vec<(&'static str, &'static str)>>>,
    asked: Arc<Mutex<Vec<String>>>,
    pending: Arc<AtomicUsize>,
}

impl Names {
    fn new(network: &Network, table: &[(&'static str, &'static str)]) -> Self {
        Self {
            network: network.clone(),
            table: Arc::new(Mutex::new(table.to_vec())),
            asked: Arc::default(),
            pending: Arc::default(),
        }
    }

    /// From now on `name` stands for `place`.
    fn set(&self, name: &'static str, place: &'static str) {
        let mut table = self.table.lock().unwrap();
        table.retain(|(known, _)| *known != name);
        table.push((name, place));
    }

    /// What has been asked for since the last time.
    fn asked(&self) -> Vec<String> {
        std::mem::take(&mut *self.asked.lock().unwrap())
    }
}

/// Counts an attempt that is under way.
struct Pending(Arc<AtomicUsize>);

impl Pending {
    fn new(count: &Arc<AtomicUsize>) -> Self {
        count.fetch_add(1, Ordering::Relaxed);
        Self(count.clone())
    }
}

impl Drop for Pending {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl Transport for Names {
    fn scheme(&self) -> &str {
        "name"
    }

    async fn listen(&self, _: &Address, _: &SocketConfig) -> std::io::Result<Box<dyn Listener>> {
        Err(std::io::ErrorKind::Unsupported.into())
    }

    async fn connect(&self, to: &Address, _: &SocketConfig) -> std::io::Result<Box<dyn Stream>> {
        let _pending = Pending::new(&self.pending);
        self.asked.lock().unwrap().push(to.target().to_owned());
        let found = {
            let table = self.table.lock().unwrap();
            let found = table.iter().find(|(name, _)| *name == to.target());
            found.map(|(_, place)| *place)
        };
        match found {
            Some("silent") => std::future::pending().await,
            Some(place) => Ok(Box::new(self.network.dial(place)?)),
            None => Err(std::io::Error::new(
                std::io::ErrorKind::NotFound,
                "no such name",
            )),
        }
    }
}

async fn listening(network: &Network, id: &str, at: &str) -> (LocalNode, PortId) {
    let node = node(id, network)
        .bind(format!("mem:{at}"))
        .start()
        .await
        .unwrap();
    let port =
        node.port_of(routes().on("ask", |cx, (reply,): (PortId,)| cx.send(&reply, ("here",))));
    (node, port)
}

async fn dialling(network: &Network, names: &Names, addresses: &[&str]) -> LocalNode {
    let b = node("b", network)
        .transport(names.clone())
        .start()
        .await
        .unwrap();
    tell(&b, addresses);
    b
}

fn tell(b: &LocalNode, addresses: &[&str]) {
    let a: NodeId = "a".parse().unwrap();
    b.set_peer_addresses(&a, addresses.iter().map(|text| text.parse().unwrap()));
}

/// How long a call from `b` takes, which has to connect.
async fn reached(b: &LocalNode, port: &PortId) -> Duration {
    let begun = Instant::now();
    let (_,): (String,) = soon(b.call(port, ("ask",))).await.unwrap();
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn an_address_that_fails_gives_way_at_once_and_a_silent_one_after_a_moment() {
    let network = Network::default();
    let (_a, port) = listening(&network, "a", "a").await;
    let names = Names::new(&network, &[("mute", "silent"), ("right", "a")]);
    let b = dialling(&network, &names, &["name:unknown", "name:right"]).await;
    assert_eq!(reached(&b, &port).await, Duration::ZERO);
    assert_eq!(names.asked(), ["unknown", "right"]);

    let c = node("c", &network).transport(names.clone());
    let c = c.start().await.unwrap();
    tell(&c, &["name:mute", "name:right"]);
    assert_eq!(reached(&c, &port).await, Duration::from_millis(250));
    assert_eq!(names.asked(), ["mute", "right"]);
    assert_eq!(names.pending.load(Ordering::Relaxed), 0, "the loser ends");
}

#[tokio::test(start_paused = true)]
async fn what_worked_last_is_tried_first() {
    let network = Network::default();
    let (a, port) = listening(&network, "a", "a").await;
    let names = Names::new(&network, &[("mute", "silent"), ("right", "a")]);
    let all = ["name:mute", "name:right", "name:unknown"];
    let b = dialling(&network, &names, &all).await;
    reached(&b, &port).await;
    drop(a);
    unlinked(&b, "a").await;
    names.asked();

    let (a, port) = listening(&network, "a", "a").await;
    assert_eq!(reached(&b, &port).await, Duration::ZERO);
    assert_eq!(names.asked(), ["right"]);
    drop(a);
    unlinked(&b, "a").await;

    // Told again, or of others as well.
    tell(&b, &["name:new", "name:mute", "name:right"]);
    let (a, port) = listening(&network, "a", "a").await;
    reached(&b, &port).await;
    assert_eq!(names.asked(), ["right"]);
    drop(a);
    unlinked(&b, "a").await;
    // One that is told no more is tried no more.
    tell(&b, &["name:new"]);
    soon(b.gone(&port)).await;
    assert!(names.asked().iter().all(|name| name == "new"));
}

#[tokio::test(start_paused = true)]
async fn who_answers_nowhere_is_given_up_in_time_with_what_happened_at_each_address() {
    let network = Network::default();
    let names = Names::new(&network, &[("mute", "silent"), ("nobody", "nobody")]);
    let all = ["name:mute", "name:nobody", "name:unknown"];
    let b = dialling(&network, &names, &all).await;
    let begun = Instant::now();
    let why = soon(b.gone("a#x")).await.to_string();
    assert_eq!(begun.elapsed(), Duration::from_secs(2));
    assert_eq!(
        why,
        "transport_error: a, name:mute: no connection within 2s (connect_interval); \
         name:nobody: connection refused; name:unknown: no such name"
    );
    // The two that fail at once are tried again and again meanwhile.
    let asked = names.asked();
    for name in ["nobody", "unknown"] {
        let times = asked.iter().filter(|asked| *asked == name).count();
        assert!((5..=10).contains(&times), "{name}: {times}");
    }
    assert_eq!(names.pending.load(Ordering::Relaxed), 0);
}

#[tokio::test(start_paused = true)]
async fn a_node_that_comes_up_meanwhile_is_reached_although_another_address_is_silent() {
    let network = Network::default();
    let names = Names::new(&network, &[("mute", "silent"), ("right", "a")]);
    let b = dialling(&network, &names, &["name:mute", "name:right"]).await;
    let gone = b.gone("a#nobody");
    tokio::time::sleep(Duration::from_secs(1)).await;
    let (_a, _) = listening(&network, "a", "a").await;
    assert_eq!(soon(gone).await.kind(), Some("no_such_port"));
}

/// Of two openings to one node that go on side by side, one gets our auth line, and the other ends before it.
#[tokio::test(start_paused = true)]
async fn of_two_attempts_that_are_answered_one_alone_gets_our_proof() {
    let network = Network::default();
    let mut doors = [network.accept_at("a1"), network.accept_at("a2")];
    let b = node("b", &network)
        .configure(|config| config.cleartext = true)
        .start()
        .await
        .unwrap();
    tell(&b, &["mem:a1", "mem:a2"]);
    let gone = b.gone(PortId::from("a".parse::<NodeId>().unwrap()));

    let mut first = Stranger::from(soon(doors[0].recv()).await.unwrap());
    let begun = Instant::now();
    let mut second = Stranger::from(soon(doors[1].recv()).await.unwrap());
    assert_eq!(begun.elapsed(), Duration::from_millis(250));
    let greeting = b"aemp;1;a;hmac_sha3_512;json\nnonce\n";
    // Whichever greets first goes on.
    second.send(greeting).await;
    let (_, _) = (second.line().await, second.line().await);
    assert!(second.line().await.starts_with("hmac_sha3_512;"));
    first.send(greeting).await;
    let (_, _) = (first.line().await, first.line().await);
    let proof = crate::stranger::cleartext(crate::common::SECRET, "json");
    second.send(format!("{proof}\n").as_bytes()).await;
    linked(&b, "a").await;
    assert_eq!(first.line().await, "");

    drop(second);
    assert_eq!(soon(gone).await.kind(), Some("transport_error"));
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_anew_at_each_attempt_at_a_peer() {
    let network = Network::default();
    let names = Names::new(&network, &[("a", "nobody")]);
    let b = dialling(&network, &names, &["name:a"]).await;
    let (a, port) = listening(&network, "a", "first").await;
    let call = b.call::<(String,)>(&port, ("ask",)).into_future();
    let call = tokio::spawn(call);
    until("it was tried", || !names.asked().is_empty()).await;
    names.set("a", "first");
    soon(call).await.unwrap().unwrap();
    assert_eq!(names.asked(), ["a"]);
    drop(a);
    unlinked(&b, "a").await;

    let (_a, port) = listening(&network, "a", "second").await;
    names.set("a", "second");
    reached(&b, &port).await;
    assert_eq!(names.asked(), ["a"]);
}

#[tokio::test(start_paused = true)]
async fn a_name_is_looked_up_anew_at_each_attempt_at_a_seed() {
    let network = Network::default();
    let names = Names::new(&network, &[]);
    let b = node("b", &network)
        .transport(names.clone())
        .seed("name:seed")
        .start()
        .await
        .unwrap();
    let why = aemp::error::Report(&soon(b.joined()).await.unwrap_err()).to_string();
    assert!(why.contains("no such name"), "{why}");
    let (a, _) = listening(&network, "a", "first").await;
    names.set("seed", "first");
    linked(&b, "a").await;
    drop(a);
    unlinked(&b, "a").await;

    // Another node has taken its place.
    let (_c, _) = listening(&network, "c", "second").await;
    names.set("seed", "second");
    linked(&b, "c").await;
    let asked = names.asked();
    assert!(asked.len() >= 3, "{asked:?}");
}

#[tokio::test]
async fn addresses_are_published_best_first_whatever_the_order_of_the_binds() {
    let network = Network::default();
    let node = node("a", &network)
        .bind("127.0.0.1:*")
        .bind("mem:a")
        .bind("mem:169.254.1.1:4")
        .bind("mem:10.0.0.1:4")
        .start()
        .await
        .unwrap();
    let published = node.addresses();
    let published: Vec<_> = published.iter().map(Address::to_string).collect();
    let [a, ten, local, loopback] = published.as_slice() else {
        panic!("{published:?}");
    };
    assert_eq!(
        [a.as_str(), ten, local],
        ["mem:a", "mem:10.0.0.1:4", "mem:169.254.1.1:4"]
    );
    assert!(loopback.starts_with("127.0.0.1:"));
}

/// Passes what comes to the returned address on to the one that is set then, as a port that a host publishes does.
async fn relay() -> (String, Arc<OnceLock<Address>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let inside = Arc::new(OnceLock::<Address>::new());
    let to = inside.clone();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            let mut to = TcpStream::connect(to.get().unwrap().target())
                .await
                .unwrap();
            tokio::spawn(async move { copy_bidirectional(&mut from, &mut to).await });
        }
    });
    (at, inside)
}

#[tokio::test]
async fn through_a_relay_those_connect_that_advertise_its_address_and_no_others() {
    let network = Network::default();
    let (outside, inside) = relay().await;
    let a = node("a", &network).bind("127.0.0.1:*").advertise(&outside);
    let a = a.start().await.unwrap();
    let bound = a.addresses().remove(0);
    assert_ne!(bound.to_string(), outside);
    inside.set(bound).unwrap();
    // The relay dials from its own host, at a port that nobody knows before.
    let b = node("b", &network).seed(&outside).advertise("127.0.0.1:1");
    let b = b.start().await.unwrap();
    soon(b.joined()).await.unwrap();
    assert_eq!(b.connections()[0].peer(), "a");

    let other = node("other", &network).seed(&outside).start().await;
    let other = other.unwrap();
    let error = soon(other.joined()).await.unwrap_err();
    let error = aemp::error::Report(&*error.error).to_string();
    assert!(
        error.contains("add the address outside of it to advertise, or switch check_peeraddr off"),
        "{error}"
    );
}

#[tokio::test]
async fn others_learn_what_is_advertised_in_place_of_what_is_bound_and_connect_there() {
    let network = Network::default();
    let seed = node("seed", &network).bind("mem:seed").start().await;
    let seed = seed.unwrap();
    seed.directory().serve_directory();
    let joined = async |id: &str, binds: &[&str], advertise: &[&str]| {
        let builder = node(id, &network).seed("mem:seed");
        let builder = binds.iter().fold(builder, |builder, at| builder.bind(*at));
        let builder = advertise.iter().fold(builder, |b, at| b.advertise(*at));
        let node = builder.start().await.unwrap();
        soon(node.joined()).await.unwrap();
        node
    };
    let _bound = joined("bound", &["mem:b"], &[]).await;
    let _replaced = joined("replaced", &["mem:inside"], &["mem:outside"]).await;
    let _besides = joined("besides", &["mem:i", "mem:j"], &["mem:o,binds", "mem:p"]).await;
    let _relayed = joined("relayed", &[], &["mem:relay"]).await;
    let reader = joined("reader", &[], &[]).await;
    let expected = [
        ("besides", "mem:o mem:i mem:j mem:p"),
        ("bound", "mem:b"),
        ("relayed", "mem:relay"),
        ("replaced", "mem:outside"),
        ("seed", "mem:seed"),
    ];
    let all = async || loop {
        let family = reader.directory().family("'l").await.unwrap();
        let found = family.iter().map(|(id, addresses)| {
            let addresses = addresses.as_array().unwrap().iter();
            let texts: Vec<_> = addresses.map(|at| at.as_str().unwrap()).collect();
            (id.to_string(), texts.join(" "))
        });
        let mut found: Vec<_> = found.collect();
        found.sort();
        if found.len() == expected.len() {
            return found;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    let found = soon(all()).await;
    let found: Vec<_> = found.iter().map(|(id, at)| (&**id, &**at)).collect();
    assert_eq!(found, expected);
    // What listens outside passes it on, here by being another listener of the network.
    let mut dialled = network.accept_at("outside");
    reader.send(port("replaced#any"), ("x",));
    soon(dialled.recv()).await.unwrap();
}
