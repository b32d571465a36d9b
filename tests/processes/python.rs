//! The client in Python, `clients/python/aemp.py`: calls, what it is sent unasked, and who it does not talk to.

use std::net::SocketAddr;
use std::process::{Output, Stdio};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::process::Command;

use super::{SECRET, echo, seed, soon};

const CLIENTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/clients/python");

/// Runs a program that has `Peer`, and `address` and `secret` for it.
async fn python(address: SocketAddr, secret: &str, program: &str) -> Output {
    let head = format!(
        "import sys; sys.path.insert(0, {CLIENTS:?}); from aemp import Peer; address = ({:?}, {}); secret = {secret:?}\n",
        address.ip().to_string(),
        address.port()
    );
    let mut command = Command::new("python3");
    command
        .args(["-B", "-c", &(head + program)])
        .stdin(Stdio::null())
        .kill_on_drop(true);
    soon(command.output()).await.unwrap()
}

fn printed(output: &Output) -> (String, String) {
    let [out, err] = [&output.stdout, &output.stderr].map(|bytes| String::from_utf8_lossy(bytes));
    (out.trim().to_owned(), err.trim().to_owned())
}

fn address(node: &aemp::LocalNode) -> SocketAddr {
    node.addresses()[0].target().parse().unwrap()
}

#[tokio::test]
#[ignore = "needs python3"]
async fn a_client_in_python_calls_a_port_and_gets_what_it_did_not_ask_for() {
    let node = seed(&["json"]).await;
    echo(&node);
    // A port that watches the one that asks, so that requests for the client's node port come between.
    let watching = node.port_of_named(
        "watching",
        aemp::routes().on("me", |cx, (port,): (aemp::PortId,)| {
            cx.monitor(&port, |_| ());
            cx.send(&port, ("watched",));
        }),
    );
    watching.unwrap();
    let program = r#"
peer = Peer("python", address, secret)
peer.send("watching", "me", "python#a")
big = "[]{}\"\\ \u2603" * 20_000
peer.send("echo", "echo", [big, [1, [2, {"three": [None, True]}]]], "python#b")
peer.send("echo", "echo", "last", "python#b")
requests = 0
for message in peer.messages():
    match message:
        case ["a", "watched"]: print("watched")
        case ["b", [text, nested]] if text == big: print("big", nested)
        case ["b", "last"]: break
        case ["", *_] | []: requests += 1
print("requests", requests > 0)
"#;
    let (out, err) = printed(&python(address(&node), SECRET, program).await);
    assert_eq!(
        out, "watched\nbig [1, [2, {'three': [None, True]}]]\nrequests True",
        "{err}"
    );
}

#[tokio::test]
#[ignore = "needs python3"]
async fn a_client_in_python_talks_to_nobody_without_the_secret() {
    let node = seed(&["json"]).await;
    let connect = "Peer(\"python\", address, secret)";
    let (out, err) = printed(&python(address(&node), "another secret, as long", connect).await);
    let refused = "ConnectionError: another secret, or closed";
    assert!(out.is_empty() && err.ends_with(refused), "{out} {err}");

    // One that has no secret, and sends back what it is sent.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mirror = listener.local_addr().unwrap();
    tokio::spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        let mut bytes = [0; 4096];
        while let Ok(len @ 1..) = stream.read(&mut bytes).await {
            let _ = stream.write_all(&bytes[..len]).await;
        }
    });
    let (out, err) = printed(&python(mirror, SECRET, connect).await);
    assert!(out.is_empty() && err.ends_with(refused), "{out} {err}");
}
