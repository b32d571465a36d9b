//! Messages over loopback TCP, from one node to another in the same process, beside the least that a program can do
//! with the same bytes: encode, batch, write; read, decode, look at it. Both ends look at every message; a run in
//! which one is lost, repeated or overtaken has no ratio.

mod common;

use bytes::{Buf, BytesMut};
use common::rounds::{Bench, report};
use common::traffic::{
    CBOR, Check, Decode, Encode, JSON, LARGE, Nodes, PORT, ROUNDS, SMALL, cbor_in, cbor_out,
    connection, large_by_hand, payload, shape, small_by_hand,
};

fn json_out(out: &mut Vec<u8>, n: u64, text: &str) {
    let (tag, first, second, third, text) = shape(n, text);
    serde_json::to_writer(out, &(PORT, tag, first, second, third, text)).expect("to memory");
}

fn json_in(src: &mut BytesMut, check: &mut Check) {
    type Whole = (String, String, u64, i64, f64, String);
    let mut messages = serde_json::Deserializer::from_slice(src).into_iter::<Whole>();
    let mut used = 0;
    while let Some(Ok((port, tag, first, second, third, text))) = messages.next() {
        assert_eq!(port, PORT);
        check.small(&(tag, first, second, third, text));
        used = messages.byte_offset();
    }
    src.advance(used);
}

/// The same bytes by a tuple and by a type. By themselves, in turns, and to ports of one shard, so that they differ in nothing
/// else.
async fn tuple_and_type(title: &str, codec: &str, text: &'static str) {
    let nodes = Nodes::new(codec, text, |node| {
        node.configure(|config| config.shards = 1)
    })
    .await;
    let mut bench = Bench::new(["a tuple", "a typed port"]);
    for _ in 0..ROUNDS {
        bench.time(0, nodes.small()).await;
        bench.time(1, nodes.typed()).await;
        bench.time(1, nodes.typed()).await;
        bench.time(0, nodes.small()).await;
    }
    report(title, &bench, SMALL);
    println!(
        "  {:.2}x the rate of the tuple with a typed port (goal: at least 1.0)\n",
        bench.ratio(0, 1)
    );
}

#[tokio::main(flavor = "multi_thread", worker_threads = 2)]
async fn main() {
    for (codec, text, encode, decode) in [
        ("json", JSON, json_out as Encode, json_in as Decode),
        ("cbor", CBOR, cbor_out, cbor_in),
    ] {
        let mut one = Vec::new();
        encode(&mut one, 0, text);
        assert_eq!(one.len(), 92);
        let nodes = Nodes::new(codec, text, |node| node).await;
        let mut bench = Bench::new(["by hand", "nodes"]);
        for _ in 0..ROUNDS {
            let by_hand = async { small_by_hand(connection().await, text, encode, decode).await };
            bench.time(0, by_hand).await;
            bench.time(1, nodes.small()).await;
        }
        report(&format!("remote one-way, {codec}, 92 bytes"), &bench, SMALL);
        println!(
            "  {:.2}x the rate of the loop by hand (goal: at least 0.6)\n",
            bench.ratio(0, 1)
        );
        let title = format!("remote one-way, {codec}, 92 bytes, a tuple and a type");
        tuple_and_type(&title, codec, text).await;
        if codec == "cbor" {
            let payload = payload();
            let mut bench = Bench::new(["raw copy", "nodes"]);
            for _ in 0..ROUNDS {
                let by_hand = async { large_by_hand(connection().await, &payload).await };
                bench.time(0, by_hand).await;
                bench.time(1, nodes.large(&payload)).await;
            }
            report("remote one-way, cbor, 1 MiB of bytes", &bench, LARGE);
            println!(
                "  {:.2}x the rate of the raw copy (goal: at least 0.7)",
                bench.ratio(0, 1)
            );
        }
    }
}
