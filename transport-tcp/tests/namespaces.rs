//! Tests that need a separate network: `*`, and hosts that become silent. Run them with
//! `cargo test -p aemp-transport-tcp --test namespaces -- --ignored`, as root, where `ip` can make namespaces.
#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod lab;

use std::cell::Cell;
use std::time::{Duration, Instant};

use aemp_core::Address;
use aemp_core::transport::{Listener, SocketConfig, Stream, Transport};
use aemp_transport_tcp::Tcp;
use lab::{At, Lab, PART, say};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const DEAD_AFTER: Duration = Duration::from_secs(8);

/// `dead_after` minus and plus a quarter.
const IN_TIME: std::ops::RangeInclusive<f64> = 6.0..=10.0;

// Tests

#[test]
#[ignore = "needs root and network namespaces"]
fn every_means_all_addresses_but_loopback() {
    let lab = Lab::new();
    lab.ip(At::A, "address add 10.77.1.9/24 dev eth");
    let server = lab.start(At::A, "serve *");
    let addresses = server.hear("listening");
    let port = addresses.rsplit_once(':').unwrap().1;
    assert_eq!(
        addresses,
        format!("10.77.1.2:{port} 10.77.1.9:{port} [fd77:1::2]:{port}")
    );
    for address in addresses.split(' ') {
        lab.start(At::B, &format!("reach {address}"))
            .hear("reached");
    }
    for address in ["127.0.0.1", "[::1]"] {
        let visitor = lab.start(At::A, &format!("reach {address}:{port}"));
        visitor.hear("failed: connection refused");
    }
}

#[test]
#[ignore = "needs root and network namespaces"]
fn every_without_any_address_is_an_error() {
    let lab = Lab::new();
    lab.ip(At::A, "address flush dev eth");
    let server = lab.start(At::A, "serve *:4040");
    let error = server.hear("failed:");
    assert_eq!(
        error,
        "this machine has no address but loopback: name one, such as 127.0.0.1, to be reached from here alone, or \
         0.0.0.0 to be reached once it has others"
    );
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_port_alone_is_on_the_own_name() {
    let lab = Lab::new();
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap();
    let name = name.trim();
    lab.hosts(At::A, &format!("127.0.1.1 {name}\n10.77.1.2 {name}\n"));
    let server = lab.start(At::A, "serve 4040");
    assert_eq!(server.hear("listening"), "10.77.1.2:4040");
    lab.start(At::A, "reach 4040").hear("reached");

    lab.hosts(At::B, "");
    let error = lab.start(At::B, "serve 4040").hear("failed:");
    assert!(
        error.starts_with(&format!("the name {name:?} cannot be looked up (")),
        "{error}"
    );
    let advice = "that is this machine's own name; write *:4040 for all its addresses, or name one";
    assert!(error.ends_with(advice), "{error}");
}

#[test]
#[ignore = "needs root and network namespaces"]
fn the_unspecified_addresses_of_both_families_go_side_by_side() {
    let lab = Lab::new();
    let four = lab.start(At::A, "serve 0.0.0.0:4040");
    assert_eq!(four.hear("listening"), "10.77.1.2:4040");
    let six = lab.start(At::A, "serve [::]:4040");
    assert_eq!(six.hear("listening"), "[fd77:1::2]:4040");
    // An address that was added later is served as well.
    lab.ip(At::A, "address add 10.77.1.9/24 dev eth");
    for address in ["10.77.1.9:4040", "[fd77:1::2]:4040"] {
        lab.start(At::B, &format!("reach {address}"))
            .hear("reached");
    }
}

#[test]
#[ignore = "needs root and network namespaces"]
fn addresses_share_a_port_if_one_is_free_on_all() {
    let lab = Lab::new();
    lab.sysctl(At::A, "net.ipv4.ip_local_port_range=40000 40001");
    let first = lab.start(At::A, "serve [fd77:1::2]:40000");
    first.hear("listening");
    // The system can choose 40000 for the first address, but not for the second.
    for _ in 0..8 {
        let server = lab.start(At::A, "serve *");
        assert_eq!(
            server.hear("listening"),
            "10.77.1.2:40001 [fd77:1::2]:40001"
        );
    }
    // Now no port is free on both.
    let second = lab.start(At::A, "serve 10.77.1.2:40001");
    second.hear("listening");
    let server = lab.start(At::A, "serve *");
    assert_eq!(
        server.hear("listening"),
        "10.77.1.2:40000 [fd77:1::2]:40001"
    );
    let full = lab.start(At::A, "serve *").hear("failed:");
    assert_eq!(
        full,
        "every port on 10.77.1.2 that the system may choose is in use: name one"
    );
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_socket_does_not_connect_with_itself() {
    let lab = Lab::new();
    // The system has to choose the port of the target as the local port.
    lab.sysctl(At::A, "net.ipv4.ip_local_port_range=40000 40000");
    let error = lab.start(At::A, "reach 127.0.0.1:40000").hear("failed:");
    assert_eq!(
        error,
        "connection refused: nothing listens on port 40000 of 127.0.0.1; binds to * leave out loopback"
    );
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_silent_address_holds_up_the_next_for_a_moment_only() {
    let lab = Lab::new();
    let server = lab.start(At::A, "serve 10.77.1.2:4040");
    server.hear("listening");
    lab.hosts(At::B, "10.77.1.3 server\n10.77.1.2 server\n");
    lab.ip(At::Router, "route add blackhole 10.77.1.3/32");
    let took = seconds(&lab.start(At::B, "reach server:4040").hear("reached"));
    println!("the second of two addresses: {took} s");
    // The first address alone would take minutes.
    assert!(took < 5.0, "{took}");
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_name_that_moves_is_found_at_its_new_address() {
    let lab = Lab::new();
    lab.ip(At::A, "address add 10.77.1.9/24 dev eth");
    let server = lab.start(At::A, "serve 0.0.0.0:4040");
    server.hear("listening");
    lab.hosts(At::B, "10.77.1.2 server\n");
    let mut visitor = lab.start(At::B, "return server:4040");
    assert_eq!(visitor.hear("at"), "10.77.1.2:4040");
    for (hosts, expected) in [
        ("10.77.1.9 server\n", "10.77.1.9:4040"),
        // No process listens on the first of the two.
        ("10.77.2.1 server\n10.77.1.2 server\n", "10.77.1.2:4040"),
    ] {
        lab.hosts(At::B, hosts);
        visitor.tell("again");
        assert_eq!(visitor.hear("at"), expected);
    }
    lab.hosts(At::B, "");
    visitor.tell("again");
    let error = visitor.hear("failed:");
    assert!(
        error.starts_with("the name \"server\" cannot be looked up ("),
        "{error}"
    );
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_vanished_host_is_noticed_on_an_idle_connection() {
    vanish("idle", "10.77.1.2:*");
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_vanished_host_is_noticed_on_an_idle_connection_over_ipv6() {
    vanish("idle", "[fd77:1::2]:*");
}

/// The last segment of the host is almost one probe interval old: the earliest end of a connection.
#[test]
#[ignore = "needs root and network namespaces"]
fn a_host_that_vanishes_just_before_a_probe_is_not_given_up_early() {
    vanish_after(Duration::from_millis(2850), "idle", "10.77.1.2:*");
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_vanished_host_is_noticed_while_bytes_are_sent() {
    vanish("busy", "10.77.1.2:*");
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_vanished_host_is_noticed_when_the_first_bytes_are_sent_later() {
    vanish("late2", "10.77.1.2:*");
}

/// The link is down at the other end: the host's hardware address cannot be resolved any more.
#[test]
#[ignore = "needs root and network namespaces"]
fn a_vanished_neighbour_is_noticed() {
    for mode in ["idle", "busy"] {
        let lab = Lab::new();
        // The router has the role of the peer: no further hop is in between.
        let mut server = lab.start(At::Router, &format!("serve 10.77.1.1:* {mode}"));
        let address = server.hear("listening");
        let visitor = lab.start(At::A, &format!("visit {address} {mode}"));
        visitor.hear("reached");
        server.hear("accepted");
        // The host's address is removed; the link stays up.
        lab.ip(At::A, "link set eth arp off");
        lab.ip(At::A, "address flush dev eth");
        server.tell("vanished");
        let took = seconds(&server.hear("ended"));
        println!("{mode} neighbour: {took}");
        assert!(IN_TIME.contains(&took), "{mode}: {took}");
    }
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_living_host_stays_connected() {
    let lab = Lab::new();
    let mut server = lab.start(At::A, "serve 10.77.1.2:* idle");
    let address = server.hear("listening");
    let visitor = lab.start(At::B, &format!("visit {address} idle"));
    visitor.hear("reached");
    server.hear("accepted");
    server.tell("vanished");
    assert!(server.silent_for(DEAD_AFTER * 2));
    assert!(visitor.silent_for(Duration::ZERO));
}

#[test]
#[ignore = "needs root and network namespaces"]
fn a_slow_reader_stays_connected_and_one_that_stops_does_not() {
    let lab = Lab::new();
    let mut server = lab.start(At::A, "serve 10.77.1.2:* busy");
    let address = server.hear("listening");
    let mut visitor = lab.start(At::B, &format!("visit {address} slow"));
    visitor.hear("reached");
    server.hear("accepted");
    assert!(
        server.silent_for(DEAD_AFTER * 3),
        "it took bytes now and then"
    );
    visitor.tell("stop");
    visitor.hear("stopped");
    server.tell("vanished");
    let took = seconds(&server.hear("ended"));
    println!("a peer that takes nothing: {took} s");
    assert!(took <= 10.0, "{took}");
}

/// Both ends of a connection detect in time that the path between them is cut.
fn vanish(mode: &str, at: &str) {
    vanish_after(Duration::ZERO, mode, at);
}

fn vanish_after(age: Duration, mode: &str, at: &str) {
    let lab = Lab::new();
    let mut server = lab.start(At::A, &format!("serve {at} {mode}"));
    let address = server.hear("listening");
    let mut visitor = lab.start(At::B, &format!("visit {address} {mode}"));
    visitor.hear("reached");
    server.hear("accepted");
    std::thread::sleep(age);
    lab.cut();
    server.tell("vanished");
    visitor.tell("vanished");
    let ends = [server.hear("ended"), visitor.hear("ended")];
    println!("{mode} {at}, cut after {age:?}: {ends:?}");
    for end in ends {
        assert!(IN_TIME.contains(&seconds(&end)), "{mode}: {end}");
    }
}

fn seconds(word: &str) -> f64 {
    let number = word.split_whitespace().next().unwrap();
    number.parse().unwrap()
}

// Parts

/// Not a test: the program that the tests start inside a namespace.
#[test]
#[ignore = "a part of the other tests, which need root and network namespaces"]
fn play_a_part() {
    let Ok(part) = std::env::var(PART) else {
        return;
    };
    let words: Vec<_> = part.split(' ').collect();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    let done = runtime.block_on(async {
        let tcp = Tcp::new();
        let address: Address = words[1].parse().unwrap();
        match words[0] {
            "serve" => serve(&tcp, &address, words.get(2).copied()).await,
            "return" => come_back(&tcp, &address).await,
            "reach" | "visit" => visit(&tcp, &address, words.get(2).copied()).await,
            other => panic!("no such part: {other}"),
        }
    });
    if let Err(error) = done {
        say(format_args!("failed: {error}"));
    }
    std::process::exit(0);
}

async fn serve(tcp: &Tcp, at: &Address, mode: Option<&str>) -> std::io::Result<()> {
    let mut listener: Box<dyn Listener> = tcp.listen(at, &SocketConfig::new(DEAD_AFTER)).await?;
    let addresses = listener.addresses();
    let shown: Vec<_> = addresses.iter().map(Address::target).collect();
    say(format_args!("listening {}", shown.join(" ")));
    loop {
        let stream = listener.accept().await?;
        if let Some(mode) = mode {
            say("accepted");
            watch(stream, mode).await;
            return Ok(());
        }
    }
}

async fn visit(tcp: &Tcp, to: &Address, mode: Option<&str>) -> std::io::Result<()> {
    let begun = Instant::now();
    let mut stream = tcp.connect(to, &SocketConfig::new(DEAD_AFTER)).await?;
    say(format_args!("reached {:.3}", begun.elapsed().as_secs_f64()));
    match mode {
        Some("slow") => read_slowly(&mut stream).await,
        Some(mode) => watch(stream, mode).await,
        None => {}
    }
    Ok(())
}

/// Connects again at each word `again`, and prints the peer that it has reached.
async fn come_back(tcp: &Tcp, to: &Address) -> std::io::Result<()> {
    loop {
        let stream = tcp.connect(to, &SocketConfig::new(DEAD_AFTER)).await?;
        let peer = stream.peer().unwrap();
        say(format_args!("at {peer}"));
        told("again").await;
    }
}

/// Prints how long after the word `vanished` the connection ended, and its error.
async fn watch(stream: Box<dyn Stream>, mode: &str) {
    let (mut reader, mut writer) = tokio::io::split(stream);
    let read = async {
        let mut buffer = vec![0; 64 << 10];
        loop {
            match reader.read(&mut buffer).await {
                Ok(0) => return String::from("end of file"),
                Ok(_) => {}
                Err(error) => return error.to_string(),
            }
        }
    };
    let since = Cell::new(None::<Instant>);
    let write = async {
        let mut ticks = tokio::time::interval(Duration::from_millis(50));
        let bytes = vec![0; 64 << 10];
        // `late2`: writes once, two seconds after the word.
        let mut late = mode.strip_prefix("late").map(seconds);
        loop {
            ticks.tick().await;
            let passed = since.get().map_or(0.0, |at| at.elapsed().as_secs_f64());
            let due = mode == "busy" || late.is_some_and(|secs| passed >= secs);
            if due && writer.write_all(&bytes).await.is_err() {
                // The read returns the reason.
                std::future::pending::<()>().await;
            }
            late = late.filter(|_| !due);
        }
    };
    let hear = async {
        told("vanished").await;
        since.set(Some(Instant::now()));
        std::future::pending::<()>().await;
    };
    let why = tokio::select! {
        why = read => why,
        () = write => return,
        () = hear => return,
    };
    match since.get() {
        Some(at) => say(format_args!(
            "ended {:.2} {why}",
            at.elapsed().as_secs_f64()
        )),
        None => say(format_args!("ended early: {why}")),
    }
}

/// Reads some bytes every second until the word to stop, then none.
async fn read_slowly(stream: &mut Box<dyn Stream>) {
    let mut buffer = vec![0; 256 << 10];
    let stop = told("stop");
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = tokio::time::sleep(Duration::from_secs(1)) => {
                stream.read_exact(&mut buffer).await.unwrap();
            }
        }
    }
    say("stopped");
    std::future::pending::<()>().await;
}

async fn told(expected: &'static str) {
    let listen = move || {
        let mut line = String::new();
        std::io::stdin().read_line(&mut line).unwrap();
        assert_eq!(line.trim(), expected);
    };
    tokio::task::spawn_blocking(listen).await.unwrap();
}
