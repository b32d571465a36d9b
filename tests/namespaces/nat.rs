//! Two nodes on either side of a router that translates addresses, and an attacker to whom it leads instead: a host within
//! dials the router, which passes the connection on in its own name (`dnat` and `masquerade` of nftables).

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use aemp::{LocalNode, NodeBuilder, NodeEvent, PortId, routes};
use tokio::net::{TcpListener, TcpStream};

use crate::certificates::{own, plain};
use crate::log::Log;
use crate::middle::{Change, PLAIN, TLS, join};
use crate::netns::{CERTIFICATE, Host, Namespaces, part};
use crate::nodes::{SECRET, port, soon};
use crate::stranger::Stranger;

/// The host within, the one outside, and that of the attacker, each with its network.
const HOSTS: [(&str, u8); 3] = [("inside", 1), ("outside", 2), ("attacker", 3)];

/// Where a host listens.
fn at(host: &str) -> String {
    let (_, net) = HOSTS.iter().find(|(name, _)| *name == host).unwrap();
    format!("10.79.{net}.2:4040")
}

/// Where the host within dials: the router.
const ROUTER: &str = "10.79.1.1:4040";

/// Where the host within is published: the router's other side.
const PUBLISHED: &str = "10.79.2.1:4040";

/// The hosts around the router, which leads to `to` who dials it from within.
fn router(to: &str) -> Namespaces {
    let mut hosts = Namespaces::new("aempr");
    hosts.add("router");
    for (host, net) in HOSTS {
        hosts.add(host);
        let there = hosts.of("router");
        let link = format!("link add eth type veth peer name {host} netns {there}");
        hosts.ip(host, &link);
        hosts.ip(
            "router",
            &format!("address add 10.79.{net}.1/24 dev {host}"),
        );
        hosts.ip("router", &format!("link set {host} up"));
        hosts.ip(host, &format!("address add 10.79.{net}.2/24 dev eth"));
        hosts.ip(host, "link set eth up");
        hosts.ip(host, &format!("route add default via 10.79.{net}.1"));
    }
    hosts.run("router", "tee /proc/sys/net/ipv4/ip_forward", "1");
    let rules = format!(
        "add table ip nat\n\
         add chain ip nat before {{ type nat hook prerouting priority -100 ; }}\n\
         add rule ip nat before iifname \"inside\" tcp dport 4040 dnat to {}\n\
         add rule ip nat before iifname \"outside\" tcp dport 4040 dnat to {}\n\
         add chain ip nat after {{ type nat hook postrouting priority 100 ; }}\n\
         add rule ip nat after masquerade\n",
        at(to),
        at("inside")
    );
    hosts.run("router", "nft -f -", &rules);
    hosts
}

/// Starts a part of [`play`] on the host of this name, and waits until it is there.
fn start(hosts: &Namespaces, host: &str, how: &str) -> Host {
    static PEM: LazyLock<String> = LazyLock::new(|| own("aemp", plain).pem([]));
    let host = hosts.start(host, "nat::play", &format!("{host} {how}"), &PEM);
    host.hear_until(|line| line == "here");
    host
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_connection_through_a_router_is_refused_where_addresses_are_compared_and_the_reason_says_what_to_do()
 {
    let hosts = router("outside");
    let outside = start(&hosts, "outside", "checked");
    let inside = start(&hosts, "inside", "checked");
    let why = inside.hear_until(|line| line.starts_with("not joined"));
    // From within the router looks like the node, which sees the router.
    for part in [
        "\"outside\" sees this node as \"10.79.2.1:",
        "10.79.1.2:",
        "check_peeraddr",
    ] {
        assert!(why.contains(part), "{why}");
    }
    let why = outside.hear_until(|line| line.contains("a connection was refused"));
    for part in [
        "\"inside\" sees this node as \"10.79.1.1:4040\"",
        "10.79.2.2:4040",
        "check_peeraddr",
    ] {
        assert!(why.contains(part), "{why}");
    }
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_connection_through_a_router_comes_up_without_the_comparison() {
    let hosts = router("outside");
    for how in ["unchecked", "encrypted"] {
        let _outside = start(&hosts, "outside", how);
        let inside = start(&hosts, "inside", how);
        inside.hear_until(|line| line == "answered confidential");
    }
}

#[test]
#[ignore = "needs root and network namespaces"]
fn nodes_with_published_ports_connect_where_they_advertise_them_and_addresses_are_compared() {
    let hosts = router("outside");
    let _outside = start(&hosts, "outside", "advertised");
    let inside = start(&hosts, "inside", "advertised");
    inside.hear_until(|line| line == "answered confidential");
}

/// What stays open without TLS: the router leads to the attacker, who reads, and writes in the name of a node.
#[test]
#[ignore = "needs root and network namespaces"]
fn somebody_behind_the_router_is_in_the_middle_of_what_is_not_encrypted() {
    let hosts = router("attacker");
    let outside = start(&hosts, "outside", "unchecked");
    let attacker = start(&hosts, "attacker", "unchecked");
    let inside = start(&hosts, "inside", "unchecked");
    inside.hear_until(|line| line == "answered confidential");
    outside.hear_until(|line| line == "heard forged");
    drop(inside);
    attacker.hear_until(|line| line == "read true");
}

#[test]
#[ignore = "needs root and network namespaces"]
fn somebody_behind_the_router_can_neither_read_nor_write_what_is_encrypted() {
    let hosts = router("attacker");
    let outside = start(&hosts, "outside", "encrypted");
    let attacker = start(&hosts, "attacker", "encrypted");
    let inside = start(&hosts, "inside", "encrypted");
    inside.hear_until(|line| line == "answered confidential");
    // What he adds to it ends the connection.
    let why = outside.hear_until(|line| line.starts_with("heard") || line.starts_with("gone"));
    assert!(why.contains("changed on the way"), "{why}");
    drop(inside);
    attacker.hear_until(|line| line == "read false");
}

#[test]
#[ignore = "needs root and network namespaces"]
fn the_secret_in_clear_text_is_refused_from_another_host() {
    let hosts = router("outside");
    let outside = start(&hosts, "outside", "unchecked");
    let stranger = start(&hosts, "attacker", "stranger");
    stranger.hear_until(|line| line == "read false");
    outside.hear_until(|line| line.contains("\"x\" authenticates with \"cleartext\""));
}

/// What runs on a host.
#[test]
#[ignore = "runs inside the others"]
fn play() {
    let Some(part) = part() else {
        return;
    };
    let [host, how] = &part[..] else {
        panic!("{part:?}");
    };
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        match (&**host, &**how) {
            ("outside", how) => outside(how).await,
            ("inside", how) => inside(how).await,
            (_, "stranger") => stranger().await,
            (_, how) => attacker(how).await,
        }
    });
}

fn node(id: &str, how: &str) -> NodeBuilder {
    let node = aemp::node().id(id).secret(SECRET);
    let unchecked = |node: NodeBuilder| node.configure(|config| config.check_peeraddr = false);
    match how {
        "checked" => node,
        "advertised" if id == "inside" => node.bind(at(id)).advertise(PUBLISHED),
        "advertised" => node.advertise(ROUTER),
        "unchecked" => unchecked(node),
        _ => unchecked(node).certificate(std::env::var(CERTIFICATE).unwrap()),
    }
}

/// A node that listens, and says what it logs, which messages of the attacker it hears, and which connections end.
async fn outside(how: &str) {
    let log = Log::everywhere();
    let node = node("outside", how).bind(at("outside"));
    let node = node.configure(|config| config.cleartext = true);
    let node = node.start().await.unwrap();
    let echo = routes()
        .on("echo", |cx, (text, reply): (String, PortId)| {
            cx.send(&reply, (text,))
        })
        .on("large", |_, (_,): (String,)| ())
        .on("forged", |_, ()| println!("@ heard forged"));
    node.port_of_named("heard", echo).unwrap();
    let mut events = node.events();
    println!("@ here");
    loop {
        tokio::select! {
            event = events.recv() => if let Some(NodeEvent::Down { reason, .. }) = event {
                println!("@ gone {reason}");
            },
            () = tokio::time::sleep(Duration::from_millis(10)) => {}
        }
        for line in log.take() {
            println!("@ {line}");
        }
    }
}

/// A node that dials the router, and sends what is confidential, and more than a handshake has.
async fn inside(how: &str) {
    let node: LocalNode = node("inside", how).seed(ROUTER).start().await.unwrap();
    println!("@ here");
    if let Err(error) = soon(node.joined()).await {
        println!("@ not joined: {}", aemp::error::Report(&*error.error));
    } else {
        let asked = node.call(port("outside#heard"), ("echo", "confidential"));
        let (text,): (String,) = soon(asked).await.unwrap();
        println!("@ answered {text}");
        node.send(port("outside#heard"), ("large", "x".repeat(HANDSHAKE)));
    }
    std::future::pending().await
}

/// More bytes than a handshake of TLS has.
const HANDSHAKE: usize = 100_000;

/// Joins who is led to him to the node outside, adds a message of his own to what it says, and says whether he has read
/// anything.
async fn attacker(how: &str) {
    let listener = TcpListener::bind(at("attacker")).await.unwrap();
    println!("@ here");
    while let Ok((from_inside, _)) = listener.accept().await {
        let to_outside = TcpStream::connect(at("outside")).await.unwrap();
        let (lines, forge) = match how {
            "encrypted" => (TLS, forge(HANDSHAKE)),
            _ => (PLAIN, forge(0)),
        };
        tokio::spawn(async move {
            let [_, said] = join([to_outside, from_inside], lines, forge).await;
            let read = said.windows(12).any(|part| part == b"confidential");
            println!("@ read {read}");
        });
    }
}

/// Glues `["heard", "forged"]` in CBOR to the auth line, or to what follows the first `after` bytes behind the greeting.
fn forge(after: usize) -> Change {
    let come = AtomicUsize::new(0);
    Arc::new(move |end, number, mut bytes| {
        if (end, number >= 2) == (1, true) {
            let before = come.fetch_add(bytes.len(), Ordering::Relaxed);
            if before <= after && before + bytes.len() > after {
                bytes.extend(b"\x82\x65heard\x66forged");
            }
        }
        bytes
    })
}

/// Says the secret in clear text, and whether the node answers to it.
async fn stranger() {
    let mut socket = Stranger::from(TcpStream::connect(at("outside")).await.unwrap());
    println!("@ here");
    socket.prove("x", "json").await;
    let (_greeting, _nonce) = (socket.line().await, socket.line().await);
    println!("@ read {}", !socket.line().await.is_empty());
}
