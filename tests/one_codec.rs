//! What has to work whichever codecs are enabled, one alone included: two nodes over TCP, with what is there.
#![cfg(any(feature = "json", feature = "cbor"))]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aemp::{PortId, routes};

#[tokio::test]
async fn two_nodes_talk_over_tcp_with_the_codecs_there_are() {
    let node = |id: &str| aemp::node().id(id).secret("correct horse battery staple");
    let server = node("server").bind("127.0.0.1:0").start().await.unwrap();
    let echo = server.port_of(routes().on(
        "echo",
        |cx, (text, n, reply): (String, u64, PortId)| {
            cx.send(&reply, (text, n));
        },
    ));
    let client = node("client")
        .seed(server.addresses()[0].to_string())
        .start()
        .await
        .unwrap();
    let call = client
        .call(&echo, ("echo", "caf\u{e9}", u64::MAX))
        .within(Duration::from_secs(20));
    let (text, n): (String, u64) = call.await.unwrap();
    assert_eq!((&*text, n), ("caf\u{e9}", u64::MAX));
    let best = if cfg!(feature = "cbor") {
        "cbor"
    } else {
        "json"
    };
    assert_eq!(client.connections()[0].send_codec(), best);
}
