//! Addresses that a member names.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;

use crate::SECRET;
use crate::socket::Socket;

/// A listener on all of 127/8 that says nothing; gives its port, and counts the connections that are open, and the most
/// that were.
async fn silent() -> (u16, Arc<[AtomicUsize; 2]>) {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let counts = Arc::new([AtomicUsize::new(0), AtomicUsize::new(0)]);
    let shared = counts.clone();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let counts = shared.clone();
            let open = 1 + counts[0].fetch_add(1, Ordering::Relaxed);
            counts[1].fetch_max(open, Ordering::Relaxed);
            tokio::spawn(async move {
                let _ = stream.read_to_end(&mut Vec::new()).await;
                counts[0].fetch_sub(1, Ordering::Relaxed);
            });
        }
    });
    (port, counts)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_global_nodes_that_a_member_names_cost_few_descriptors() {
    let (port, counts) = silent().await;
    let a = aemp::node()
        .id("a")
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .configure(|config| config.cleartext = true);
    let a = a.start().await.unwrap();
    a.directory().become_global();
    let at = a.addresses()[0].rest().parse().unwrap();
    let mut x = Socket::join("json", at, "x").await;
    x.send(b"[\"\",\"g_global\"]").await;
    x.until("\"g_set\"").await;
    let nodes: Vec<String> = (0..100)
        .map(|n| {
            let all: Vec<_> = (1..=8)
                .map(|at| format!("\"127.3.{n}.{at}:{port}\""))
                .collect();
            format!("\"n{n}\":[{}]", all.join(","))
        })
        .collect();
    let globals: Vec<_> = (0..100).map(|n| format!("\"n{n}\":null")).collect();
    let request = format!(
        "[\"\",\"g_set\",{{\"'g\":{{{}}},\"'l\":{{{}}}}}]",
        globals.join(","),
        nodes.join(",")
    );
    x.send(request.as_bytes()).await;
    tokio::time::sleep(Duration::from_secs(4)).await;
    let most = counts[1].load(Ordering::Relaxed);
    // One may still be closing at the other end while the next is opened.
    assert!((8..=64).contains(&most), "{most} connections at a time");

    // Whom this node's own program names is reached meanwhile.
    let b = aemp::node()
        .id("b")
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .start()
        .await
        .unwrap();
    a.add_peer(b.id(), [b.addresses()[0].clone()]);
    let asked = a.call::<_, (f64,)>(&b.id().clone().into(), ("time",));
    asked.within(Duration::from_secs(2)).await.unwrap();
}
