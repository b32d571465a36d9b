//! Messages over loopback TCP, from one node to another in the same process, beside the least that a program can do
//! with the same bytes: encode, batch, write; read, decode, look at it. Both ends look at every message; a run in
//! which one is lost, repeated or overtaken has no ratio.

mod common;

use std::sync::Arc;

use aemp::{Context, LocalNode, Message, PortId};
use bytes::{Buf, Bytes, BytesMut};
use common::cbor;
use common::outcome::Outcome;
use common::rounds::{Bench, report};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

const SMALL: u64 = 200_000;
const LARGE: u64 = 200;
const ROUNDS: usize = 9;

/// The bytes of a large message.
const MIB: usize = 1 << 20;

/// How many bytes the loop by hand collects before it writes them, and has room for in one read.
const BATCH: usize = 64 << 10;

/// After how many small messages a sender asks whether it is too fast.
const ASK: u64 = 100;

const PORT: &str = "dBjvXzl0aSf1";
const TAG: &str = "measure";

/// The texts that make a message 92 bytes long.
const JSON: &str = "the quick brown fox jumps over the lazy dog, an";
const CBOR: &str = "the quick brown fox jumps over the lazy dog, and so.";

/// A small message as it is received: tag, three numbers, text.
type Shape = (String, u64, i64, f64, String);

/// The small message number `n`.
fn shape(n: u64, text: &str) -> (&'static str, u64, i64, f64, &str) {
    (TAG, FIRST + n, -42, 0.1, text)
}

/// So that all numbers are of one length.
const FIRST: u64 = 1_000_000;

/// Checks that messages come once each and in order.
struct Check {
    next: u64,
    count: u64,
    text: &'static str,
    outcome: Arc<Outcome>,
}

impl Check {
    fn new(count: u64, text: &'static str, outcome: &Arc<Outcome>) -> Self {
        let outcome = outcome.clone();
        Self {
            next: 0,
            count,
            text,
            outcome,
        }
    }

    fn small(&mut self, (tag, n, second, third, text): &Shape) {
        let rest = tag == TAG && *second == -42 && *third == 0.1 && text == self.text;
        self.number(if rest {
            n.wrapping_sub(FIRST)
        } else {
            u64::MAX
        });
    }

    fn large(&mut self, n: u64, payload: &[u8]) {
        let ends = (payload.first(), payload.last()) == (Some(&1), Some(&2));
        let right = payload.len() == MIB && ends;
        self.number(if right { n } else { u64::MAX });
    }

    fn number(&mut self, n: u64) {
        if n != self.next {
            self.outcome.wrong();
        }
        self.next += 1;
        if self.next == self.count {
            self.next = 0;
            self.outcome.done();
        }
    }
}

fn payload() -> Bytes {
    let mut payload = vec![0; MIB];
    payload[0] = 1;
    payload[MIB - 1] = 2;
    payload.into()
}

/// Two nodes that speak one codec, and ports on the second.
struct Nodes {
    from: LocalNode,
    _to: LocalNode,
    text: &'static str,
    small: PortId,
    large: PortId,
    outcome: Arc<Outcome>,
}

impl Nodes {
    async fn new(codec: &str, text: &'static str) -> Self {
        let node = |id: &str| {
            let secret = "correct horse battery staple";
            aemp::node()
                .id(format!("{id}-{codec}"))
                .secret(secret)
                .codecs([codec])
        };
        let to = node("to")
            .bind("127.0.0.1:0")
            .start()
            .await
            .expect("it starts");
        let at = to.addresses()[0].to_string();
        let from = node("from").seed(at).start().await.expect("it starts");
        from.joined().await.expect("they connect");
        let outcome = Arc::default();
        let mut check = Check::new(SMALL, text, &outcome);
        let small = to.port_named(PORT, move |_: &mut Context<'_>, message: Message| {
            message.parse::<Shape>().map(|shape| check.small(&shape))
        });
        let mut check = Check::new(LARGE, "", &outcome);
        let large = to.port_named("large", move |_: &mut Context<'_>, message: Message| {
            message.into_values().map(|values| match &*values {
                [_, n, aemp::Value::Bytes(payload)] => {
                    check.large(n.as_u64().unwrap_or(u64::MAX), payload)
                }
                _ => check.number(u64::MAX),
            })
        });
        Self {
            from,
            _to: to,
            text,
            small: small.expect("the name is free"),
            large: large.expect("the name is free"),
            outcome,
        }
    }

    async fn small(&self) {
        let (node, port, text) = (self.from.clone(), self.small.clone(), self.text);
        let producer = tokio::spawn(async move {
            for n in 0..SMALL {
                node.send(&port, shape(n, text));
                if n % ASK == 0 {
                    node.ready(port.node()).await;
                }
            }
        });
        self.outcome.of(1).await;
        producer.await.expect("no panic");
    }

    async fn large(&self, payload: &Bytes) {
        let (node, port, payload) = (self.from.clone(), self.large.clone(), payload.clone());
        let producer = tokio::spawn(async move {
            for n in 0..LARGE {
                node.send(&port, ("blob", n, payload.clone()));
                node.ready(port.node()).await;
            }
        });
        self.outcome.of(1).await;
        producer.await.expect("no panic");
    }
}

/// Two ends of a connection by hand.
async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let at = listener.local_addr().expect("it is bound");
    let (dialled, accepted) = tokio::join!(TcpStream::connect(at), listener.accept());
    let (dialled, (accepted, _)) = (dialled.expect("it listens"), accepted.expect("it dials"));
    for stream in [&dialled, &accepted] {
        stream.set_nodelay(true).expect("a socket has that option");
    }
    (dialled, accepted)
}

/// Appends the message of the shape to a buffer.
type Encode = fn(&mut Vec<u8>, u64, &str);

/// Takes the messages of the shape that are whole out of a buffer.
type Decode = fn(&mut BytesMut, &mut Check);

async fn small_by_hand(text: &'static str, encode: Encode, decode: Decode) {
    let outcome = Arc::default();
    let mut check = Check::new(SMALL, text, &outcome);
    let (mut to, mut from) = connection().await;
    let receiver = tokio::spawn(async move {
        let mut buffer = BytesMut::with_capacity(BATCH);
        while from.read_buf(&mut buffer).await.expect("no error") > 0 {
            decode(&mut buffer, &mut check);
            buffer.reserve(BATCH);
        }
    });
    let producer = tokio::spawn(async move {
        let mut buffer = Vec::with_capacity(2 * BATCH);
        for n in 0..SMALL {
            encode(&mut buffer, n, text);
            if buffer.len() >= BATCH || n + 1 == SMALL {
                to.write_all(&buffer).await.expect("no error");
                buffer.clear();
            }
        }
    });
    outcome.of(1).await;
    producer.await.expect("no panic");
    receiver.await.expect("no panic");
}

async fn large_by_hand(payload: &Bytes) {
    let outcome = Arc::default();
    let mut check = Check::new(LARGE, "", &outcome);
    let (mut to, mut from) = connection().await;
    let payload = payload.clone();
    let receiver = tokio::spawn(async move {
        let mut buffer = vec![0; MIB];
        for n in 0..LARGE {
            from.read_exact(&mut buffer).await.expect("no error");
            check.large(n, &buffer);
        }
    });
    let producer = tokio::spawn(async move {
        for _ in 0..LARGE {
            to.write_all(&payload).await.expect("no error");
        }
    });
    outcome.of(1).await;
    producer.await.expect("no panic");
    receiver.await.expect("no panic");
}

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

fn cbor_out(out: &mut Vec<u8>, n: u64, last: &str) {
    let (tag, first, second, third, last) = shape(n, last);
    cbor::put_head(out, 4, 6);
    cbor::put_text(out, PORT);
    cbor::put_text(out, tag);
    cbor::put_head(out, 0, first);
    cbor::put_head(out, 1, !second as u64);
    out.push(0xfb);
    out.extend(third.to_be_bytes());
    cbor::put_text(out, last);
}

fn cbor_in(src: &mut BytesMut, check: &mut Check) {
    let mut used = 0;
    while let Some(end) = cbor_one(src, used, check) {
        used = end;
    }
    src.advance(used);
}

/// Reads the message at `at`, if it is whole, and says where it ends.
fn cbor_one(src: &[u8], mut at: usize, check: &mut Check) -> Option<usize> {
    let (initial, len) = cbor::head(src, &mut at)?;
    assert!(initial >> 5 == 4 && len == 6);
    assert_eq!(cbor::text(src, &mut at)?, PORT);
    let tag = cbor::text(src, &mut at)?.to_owned();
    let (_, first) = cbor::head(src, &mut at)?;
    let (_, second) = cbor::head(src, &mut at)?;
    let (_, bits) = cbor::head(src, &mut at)?;
    let last = cbor::text(src, &mut at)?.to_owned();
    check.small(&(tag, first, !(second as i64), f64::from_bits(bits), last));
    Some(at)
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
        let nodes = Nodes::new(codec, text).await;
        let mut bench = Bench::new(["by hand", "nodes"]);
        for _ in 0..ROUNDS {
            bench.time(0, small_by_hand(text, encode, decode)).await;
            bench.time(1, nodes.small()).await;
        }
        report(&format!("remote one-way, {codec}, 92 bytes"), &bench, SMALL);
        println!(
            "  {:.2}x the rate of the loop by hand (goal: at least 0.6)\n",
            bench.ratio(0, 1)
        );
        if codec == "cbor" {
            let payload = payload();
            let mut bench = Bench::new(["raw copy", "nodes"]);
            for _ in 0..ROUNDS {
                bench.time(0, large_by_hand(&payload)).await;
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
