//! The public interface of the transport, on loopback.
#![allow(clippy::unwrap_used)]

use std::future::Future;
use std::io;
use std::io::IoSlice;
use std::time::Duration;

use aemp_core::Address;
use aemp_core::transport::{Listener, SocketConfig, Stream, Transport};
use aemp_transport_tcp::Tcp;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Deadline of each wait: far longer than needed, so that a test that hangs fails with a message.
const DEADLINE: Duration = Duration::from_secs(20);

async fn soon<F: Future>(future: F) -> F::Output {
    let done = tokio::time::timeout(DEADLINE, future).await;
    done.expect("not done within 20 s")
}

fn options() -> SocketConfig {
    SocketConfig::new(Duration::from_secs(30))
}

async fn listen(at: &str) -> io::Result<Box<dyn Listener>> {
    Tcp::new().listen(&at.parse().unwrap(), &options()).await
}

async fn connect(to: &Address) -> io::Result<Box<dyn Stream>> {
    soon(Tcp::new().connect(to, &options())).await
}

/// A listener on `at`, and both ends of a connection to it.
async fn pair(at: &str) -> (Box<dyn Listener>, Box<dyn Stream>, Box<dyn Stream>) {
    let mut listener = listen(at).await.unwrap();
    let dialled = connect(&listener.addresses()[0]).await.unwrap();
    let accepted = soon(listener.accept()).await.unwrap();
    (listener, dialled, accepted)
}

fn without_ipv6() -> bool {
    let missing = std::net::TcpListener::bind("[::1]:0").is_err();
    if missing {
        println!("skipped: this system has no IPv6 loopback");
    }
    missing
}

fn port(address: &Address) -> u16 {
    address
        .target()
        .rsplit_once(':')
        .unwrap()
        .1
        .parse()
        .unwrap()
}

async fn both_ways(at: &str) {
    let (_listener, mut dialled, mut accepted) = pair(at).await;
    assert_eq!(dialled.local(), accepted.peer());
    assert_eq!(dialled.peer(), accepted.local());
    let mut buffer = [0; 4];
    dialled.write_all(b"ping").await.unwrap();
    soon(accepted.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"ping");
    accepted.write_all(b"pong").await.unwrap();
    soon(dialled.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"pong");
}

#[tokio::test]
async fn bytes_go_both_ways_over_ipv4() {
    both_ways("127.0.0.1:*").await;
}

#[tokio::test]
async fn bytes_go_both_ways_over_ipv6() {
    if !without_ipv6() {
        both_ways("[::1]").await;
    }
}

#[tokio::test]
async fn an_ipv6_address_is_published_in_brackets() {
    if without_ipv6() {
        return;
    }
    let listener = listen("[::1]:*").await.unwrap();
    let address = &listener.addresses()[0];
    assert_eq!(address.scheme(), "tcp");
    assert_eq!(address.target(), format!("[::1]:{}", port(address)));
}

#[tokio::test]
async fn a_name_with_several_addresses_listens_on_all_with_one_port() {
    let mut listener = listen("localhost:*").await.unwrap();
    let addresses = listener.addresses();
    println!("localhost: {addresses:?}");
    assert!(
        addresses
            .iter()
            .all(|other| port(other) == port(&addresses[0]))
    );
    for address in &addresses {
        let dialled = connect(address).await.unwrap();
        let accepted = soon(listener.accept()).await.unwrap();
        assert_eq!(dialled.local(), accepted.peer());
    }
}

#[tokio::test]
async fn connecting_goes_on_to_the_next_address_of_a_name() {
    // If the name also resolves to ::1, that address refuses.
    let mut listener = listen("127.0.0.1:*").await.unwrap();
    let port = port(&listener.addresses()[0]);
    let dialled = connect(&format!("localhost:{port}").parse().unwrap())
        .await
        .unwrap();
    let accepted = soon(listener.accept()).await.unwrap();
    assert_eq!(dialled.local(), accepted.peer());
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let first = listen("127.0.0.1:*").await.unwrap();
    let address = first.addresses().remove(0);
    let error = listen(address.target()).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::AddrInUse);
    let expected = format!(
        "port {} on 127.0.0.1 is in use by another program: choose another, or stop that one",
        port(&address)
    );
    assert_eq!(error.to_string(), expected);
}

#[tokio::test]
async fn an_address_of_another_machine_is_named() {
    // TEST-NET-2: no host has it.
    let error = listen("198.51.100.201:*").await.err().unwrap();
    assert_eq!(
        error.to_string(),
        "198.51.100.201 is no address of this machine: write one that is, or * for all but loopback"
    );
}

#[tokio::test]
async fn a_name_that_nobody_has_is_named() {
    // RFC 6761: no name exists in `invalid`.
    let error = listen("nobody.invalid:4040").await.err().unwrap();
    let text = error.to_string();
    assert!(
        text.starts_with("the name \"nobody.invalid\" cannot be looked up ("),
        "{text}"
    );
    assert!(
        text.ends_with("): check the spelling and the name server, or write an address"),
        "{text}"
    );
}

#[tokio::test]
async fn a_refused_connection_is_said() {
    let listener = listen("127.0.0.1:*").await.unwrap();
    let address = listener.addresses().remove(0);
    drop(listener);
    let error = connect(&address).await.err().unwrap();
    assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    let port = port(&address);
    assert_eq!(
        error.to_string(),
        format!(
            "connection refused: nothing listens on port {port} of 127.0.0.1; binds to * leave out loopback"
        )
    );
}

#[tokio::test]
async fn a_restart_binds_at_once() {
    let (listener, mut dialled, mut accepted) = pair("127.0.0.1:*").await;
    let address = listener.addresses().remove(0);
    // The listening side closes first: its end lingers in TIME_WAIT on the port.
    accepted.shutdown().await.unwrap();
    let mut rest = Vec::new();
    soon(dialled.read_to_end(&mut rest)).await.unwrap();
    dialled.shutdown().await.unwrap();
    soon(accepted.read_to_end(&mut rest)).await.unwrap();
    drop((listener, dialled, accepted));
    let again = listen(address.target()).await.unwrap();
    assert_eq!(again.addresses(), [address]);
}

#[tokio::test]
async fn a_graceful_close_arrives_after_all_data() {
    let (_listener, mut dialled, mut accepted) = pair("127.0.0.1:*").await;
    let sent = vec![7; 4 << 20];
    let expected = sent.len();
    let write = async {
        dialled.write_all(&sent).await.unwrap();
        dialled.shutdown().await.unwrap();
        // The other direction is still open.
        let mut answer = String::new();
        dialled.read_to_string(&mut answer).await.unwrap();
        answer
    };
    let read = async {
        let mut received = Vec::new();
        accepted.read_to_end(&mut received).await.unwrap();
        accepted.write_all(b"had it all").await.unwrap();
        accepted.shutdown().await.unwrap();
        received.len()
    };
    let (answer, received) = soon(async { tokio::join!(write, read) }).await;
    assert_eq!((answer.as_str(), received), ("had it all", expected));
}

#[tokio::test]
async fn several_slices_go_out_in_one_write() {
    let (_listener, mut dialled, mut accepted) = pair("127.0.0.1:*").await;
    assert!(dialled.is_write_vectored());
    let slices = [IoSlice::new(b"one "), IoSlice::new(b"two")];
    assert_eq!(dialled.write_vectored(&slices).await.unwrap(), 7);
    let mut buffer = [0; 7];
    soon(accepted.read_exact(&mut buffer)).await.unwrap();
    assert_eq!(&buffer, b"one two");
}

#[tokio::test]
async fn an_address_to_be_avoided_is_not_connected_to() {
    let listener = listen("127.0.0.1:*").await.unwrap();
    let address = listener.addresses().remove(0);
    let mut options = options();
    options.avoid.push(address.target().parse().unwrap());
    let connected = Tcp::new().connect(&address, &options).await;
    let Err(error) = connected else {
        panic!("connected")
    };
    assert_eq!(error.kind(), io::ErrorKind::AddrNotAvailable);
    assert_eq!(
        error.to_string(),
        "there is no address but those to be avoided"
    );
}

#[tokio::test]
async fn a_dropped_accept_loses_no_connection() {
    let mut listener = listen("127.0.0.1:*").await.unwrap();
    let address = listener.addresses().remove(0);
    let mut dialled = Vec::new();
    let mut accepted = Vec::new();
    for round in 0..50 {
        // Polled once and dropped, before and after the connection has arrived.
        let early = tokio::time::timeout(Duration::ZERO, listener.accept()).await;
        assert!(early.is_err(), "round {round}: nobody has connected");
        let stream = connect(&address).await.unwrap();
        dialled.push(stream.local());
        if let Ok(stream) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
            accepted.push(stream.unwrap().peer());
        } else {
            accepted.push(soon(listener.accept()).await.unwrap().peer());
        }
    }
    assert_eq!(dialled, accepted);
}

#[tokio::test]
async fn connections_wait_until_they_are_accepted() {
    let mut listener = listen("127.0.0.1:*").await.unwrap();
    let address = listener.addresses().remove(0);
    let mut dialled = Vec::new();
    for _ in 0..100 {
        dialled.push(connect(&address).await.unwrap());
    }
    for stream in &dialled {
        let accepted = soon(listener.accept()).await.unwrap();
        assert_eq!(accepted.peer(), stream.local());
    }
}

#[tokio::test]
async fn a_connection_that_was_reset_in_the_queue_disturbs_no_other() {
    let mut listener = listen("127.0.0.1:*").await.unwrap();
    let address = listener.addresses().remove(0);
    let reset = std::net::TcpStream::connect(address.target()).unwrap();
    socket2::SockRef::from(&reset)
        .set_linger(Some(Duration::ZERO))
        .unwrap();
    drop(reset);
    let stream = connect(&address).await.unwrap();
    let accept = async {
        loop {
            let accepted = listener.accept().await.unwrap();
            if accepted.peer() == stream.local() {
                return;
            }
        }
    };
    soon(accept).await;
}
