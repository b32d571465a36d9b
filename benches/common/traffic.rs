//! Messages from one node to another in the same process, beside the least that a program can do with the same bytes over a
//! stream of its own: encode, batch, write; read, decode, look at it.

use std::sync::Arc;

use aemp::{Context, LocalNode, Message, NodeBuilder, PortId, PortRef};
use bytes::{Buf, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::cbor;
use super::outcome::Outcome;

pub(crate) const SMALL: u64 = 200_000;
pub(crate) const LARGE: u64 = 200;
pub(crate) const ROUNDS: usize = 9;

/// The bytes of a large message.
const MIB: usize = 1 << 20;

/// How many bytes the loop by hand collects before it writes them, and has room for in one read.
const BATCH: usize = 64 << 10;

/// After how many small messages a sender asks whether it is too fast.
const ASK: u64 = 100;

pub(crate) const PORT: &str = "dBjvXzl0aSf1";

/// The name of the typed port, which is as long.
const TYPED: &str = "dBjvXzl0aSf2";
const TAG: &str = "measure";

/// The texts that make a message 92 bytes long.
pub(crate) const JSON: &str = "the quick brown fox jumps over the lazy dog, an";
pub(crate) const CBOR: &str = "the quick brown fox jumps over the lazy dog, and so.";

/// A small message as it is received: tag, three numbers, text.
pub(crate) type Shape = (String, u64, i64, f64, String);

/// The small message number `n`.
pub(crate) fn shape(n: u64, text: &str) -> (&'static str, u64, i64, f64, &str) {
    (TAG, FIRST + n, -42, 0.1, text)
}

/// The small message as a type of its own, with the same bytes.
#[derive(serde::Serialize, serde::Deserialize)]
pub(crate) enum Told<T> {
    #[serde(rename = "measure")]
    Measure(u64, i64, f64, T),
}

/// So that all numbers are of one length.
const FIRST: u64 = 1_000_000;

/// Checks that messages come once each and in order.
pub(crate) struct Check {
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

    pub(crate) fn small(&mut self, (tag, n, second, third, text): &Shape) {
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

pub(crate) fn payload() -> Bytes {
    let mut payload = vec![0; MIB];
    payload[0] = 1;
    payload[MIB - 1] = 2;
    payload.into()
}

/// Two nodes that speak one codec, and ports on the second.
pub(crate) struct Nodes {
    from: LocalNode,
    _to: LocalNode,
    text: &'static str,
    small: PortId,
    typed: PortRef<Told<&'static str>>,
    large: PortId,
    outcome: Arc<Outcome>,
}

impl Nodes {
    /// Nodes that speak `codec`, changed by `change`.
    pub(crate) async fn new(
        codec: &str,
        text: &'static str,
        change: impl Fn(NodeBuilder) -> NodeBuilder,
    ) -> Self {
        let node = |id: &str| {
            let secret = "correct horse battery staple";
            let node = aemp::node()
                .id(format!("{id}-{codec}"))
                .secret(secret)
                .codecs([codec]);
            change(node)
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
        let mut check = Check::new(SMALL, text, &outcome);
        let typed = to.typed_port_named(TYPED, move |_, Told::Measure(n, second, third, text)| {
            check.small(&(TAG.into(), n, second, third, text));
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
            typed: PortRef::unchecked(typed.expect("the name is free").into()),
            large: large.expect("the name is free"),
            outcome,
        }
    }

    pub(crate) async fn small(&self) {
        let (node, port, text) = (self.from.clone(), self.small.clone(), self.text);
        let producer = tokio::spawn(async move {
            for n in 0..SMALL {
                node.send(&port, shape(n, text));
                if n % ASK == 0 {
                    node.ready(port.node()).await.expect("it runs");
                }
            }
        });
        self.outcome.of(1).await;
        producer.await.expect("no panic");
    }

    /// The same messages to a typed port.
    pub(crate) async fn typed(&self) {
        let (node, port, text) = (self.from.clone(), self.typed.clone(), self.text);
        let producer = tokio::spawn(async move {
            for n in 0..SMALL {
                node.tell(&port, Told::Measure(FIRST + n, -42, 0.1, text));
                if n % ASK == 0 {
                    node.ready(port.id().node()).await.expect("it runs");
                }
            }
        });
        self.outcome.of(1).await;
        producer.await.expect("no panic");
    }

    pub(crate) async fn large(&self, payload: &Bytes) {
        let (node, port, payload) = (self.from.clone(), self.large.clone(), payload.clone());
        let producer = tokio::spawn(async move {
            for n in 0..LARGE {
                node.send(&port, ("blob", n, payload.clone()));
                node.ready(port.node()).await.expect("it runs");
            }
        });
        self.outcome.of(1).await;
        producer.await.expect("no panic");
    }
}

/// Two ends of a connection by hand.
pub(crate) async fn connection() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("loopback");
    let at = listener.local_addr().expect("it is bound");
    let (dialled, accepted) = tokio::join!(TcpStream::connect(at), listener.accept());
    let (dialled, (accepted, _)) = (dialled.expect("it listens"), accepted.expect("it dials"));
    for stream in [&dialled, &accepted] {
        stream.set_nodelay(true).expect("a socket has that option");
    }
    (dialled, accepted)
}

/// What a stream of a connection by hand is.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// Appends the message of the shape to a buffer.
pub(crate) type Encode = fn(&mut Vec<u8>, u64, &str);

/// Takes the messages of the shape that are whole out of a buffer.
pub(crate) type Decode = fn(&mut BytesMut, &mut Check);

pub(crate) async fn small_by_hand<S: Stream>(
    (mut to, mut from): (S, S),
    text: &'static str,
    encode: Encode,
    decode: Decode,
) {
    let outcome = Arc::default();
    let mut check = Check::new(SMALL, text, &outcome);
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
                to.flush().await.expect("no error");
                buffer.clear();
            }
        }
        to.shutdown().await.expect("no error");
    });
    outcome.of(1).await;
    producer.await.expect("no panic");
    receiver.await.expect("no panic");
}

pub(crate) async fn large_by_hand<S: Stream>((mut to, mut from): (S, S), payload: &Bytes) {
    let outcome = Arc::default();
    let mut check = Check::new(LARGE, "", &outcome);
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
            to.flush().await.expect("no error");
        }
        to.shutdown().await.expect("no error");
    });
    outcome.of(1).await;
    producer.await.expect("no panic");
    receiver.await.expect("no panic");
}

pub(crate) fn cbor_out(out: &mut Vec<u8>, n: u64, last: &str) {
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

pub(crate) fn cbor_in(src: &mut BytesMut, check: &mut Check) {
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
