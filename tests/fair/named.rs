//! Addresses that a member names.

use std::time::{Duration, Instant};

use tokio::net::TcpListener;

use crate::process::echo;
use crate::socket::Socket;
use crate::victim::Victim;
use crate::{SECRET, alone, port, soon};

/// Dials to addresses that others have named, at a time.
const DIALS: usize = 32;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_global_nodes_that_a_member_names_cost_few_descriptors() {
    let _alone = alone().await;
    // On all of 127/8. The system takes connections for it, of which nobody says anything.
    let silent = TcpListener::bind("0.0.0.0:0").await.unwrap();
    let at = silent.local_addr().unwrap().port();
    let victim = Victim::start(&[]).await;
    let honest = victim.member("honest").await;
    let mut x = Socket::join("json", victim.at, "x").await;
    x.send(b"[\"\",\"g_global\"]").await;
    x.until("\"g_set\"").await;
    let nodes: Vec<String> = (0..100)
        .map(|n| {
            let all: Vec<_> = (1..=8)
                .map(|host| format!("\"127.3.{n}.{host}:{at}\""))
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
    let before = victim.descriptors();
    x.send(request.as_bytes()).await;
    let begun = Instant::now();
    let mut most = 0;
    while begun.elapsed() < Duration::from_secs(3) {
        most = most.max(victim.descriptors().saturating_sub(before));
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    println!("{most} descriptors more than before");
    assert!((8..=DIALS).contains(&most), "{most}");

    // Whom the node's own program names is reached meanwhile.
    let b = aemp::node().id("b").secret(SECRET).bind("127.0.0.1:0");
    let b = b.start().await.unwrap();
    b.port_of_named("echo", echo()).unwrap();
    let there = port("victim#echo");
    let meet = ("meet", "b", b.addresses()[0].to_string());
    let (): () = soon(honest.call(&there, meet)).await.unwrap();
    let call = honest.call::<(u64,)>(&there, ("call", port("b#echo"), 7));
    let (n,) = call.within(Duration::from_secs(2)).await.unwrap();
    assert_eq!(n, 7);
}
