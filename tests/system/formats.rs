//! Nodes that speak a codec by way of values: what they agree on, and what a hostile peer or a faulty format does to its
//! own connection and to no other.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp::codec::{BoxError, Capabilities, Head, Out, ValueCodec, ValueFormat};
use aemp::tap::{TapConfig, Tapped};
use aemp::{LocalNode, Message, NodeBuilder, Notify, PortId, Value, reason, routes};
use bytes::Bytes;

use crate::codec_msgpack::MsgPack;
use crate::common::{Network, linked, node, soon};
use crate::stranger::Stranger;

/// A node that prefers MessagePack and has all other codecs.
fn packed(id: &str, network: &Network) -> NodeBuilder {
    let codec = ValueCodec::new(MsgPack).unwrap();
    let node = node(id, network).codec(codec);
    node.codecs(["msgpack", "cbor", "json"])
}

/// A port that answers with what it is given.
fn echo(node: &LocalNode) -> PortId {
    node.port_of(routes().on("echo", |cx, (what, reply): (Value, PortId)| {
        cx.send(&reply, (what,))
    }))
}

async fn answers(node: &LocalNode, echo: &PortId) {
    let (n,): (u32,) = soon(node.call(echo, ("echo", 7))).await.unwrap();
    assert_eq!(n, 7);
}

#[tokio::test]
async fn each_connection_speaks_the_best_that_both_ends_have() {
    let network = Network::default();
    let a = packed("a", &network).bind("mem:a").start().await.unwrap();
    let b = packed("b", &network).seed("mem:a").start().await.unwrap();
    let c = node("c", &network).seed("mem:a").start().await.unwrap();
    let at_a = echo(&a);
    for (node, codec) in [(&b, "msgpack"), (&c, "cbor")] {
        soon(node.joined()).await.unwrap();
        let link = &node.connections()[0];
        assert_eq!((link.send_codec(), link.recv_codec()), (codec, codec));
        let bytes = Value::from(Bytes::from_static(b"\0\xff"));
        let all = Value::from(vec![bytes, f64::INFINITY.into(), u64::MAX.into()]);
        let call = node.call(&at_a, ("echo", &all));
        let (back,): (Value,) = soon(call).await.unwrap();
        assert_eq!(back, all);
        let large = "x".repeat(1 << 20);
        let (back,): (String,) = soon(node.call(&at_a, ("echo", &large))).await.unwrap();
        assert_eq!(back.len(), large.len());
    }
    // What the node itself says is shown in place of what the format lacks.
    let mut inbox = b.inbox();
    let _watch = b.monitor(&at_a, Notify(inbox.id(), ("died",)));
    answers(&b, &at_a).await;
    a.kill(&at_a, reason![Value::Tag(5, Box::new(7.into()))]);
    let told = soon(inbox.recv()).await.unwrap().into_values().unwrap();
    assert_eq!(told[..], ["died".into(), "5(7)".into()]);
}

#[tokio::test]
async fn a_message_passes_from_any_codec_to_any_other() {
    let network = Network::default();
    let a = packed("a", &network).bind("mem:a").start().await.unwrap();
    let b = packed("b", &network).seed("mem:a").start().await.unwrap();
    let c = node("c", &network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap();
    soon(c.joined()).await.unwrap();
    linked(&a, "c").await;
    for (from, to) in [(&b, &c), (&c, &b)] {
        let mut inbox = to.inbox();
        let target = inbox.id().clone();
        let forward = a.port(move |cx: &mut aemp::Context<'_>, message: Message| {
            cx.send(&target, message);
        });
        from.send(&forward, ("order", [1.5, 2.5], "x"));
        let got = soon(inbox.recv()).await.unwrap();
        let got: (String, Vec<f64>, String) = got.parse().unwrap();
        assert_eq!(got, ("order".into(), vec![1.5, 2.5], "x".into()));
    }
}

#[tokio::test]
async fn a_tap_shows_the_bytes_of_a_format() {
    let network = Network::default();
    let a = packed("a", &network).bind("mem:a").start().await.unwrap();
    let b = packed("b", &network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap();
    linked(&a, "b").await;
    let inbox = a.inbox();
    let taps = [&a, &b].map(|node| node.tap(TapConfig::new().matching("urgent")));
    b.send(inbox.id(), ("other", 1));
    b.send(inbox.id(), ("urgent", 2));
    for mut tap in taps {
        let message = loop {
            match soon(tap.recv()).await.unwrap() {
                Tapped::Message(message) => break message,
                _ => continue,
            }
        };
        assert!(message.bytes.starts_with(b"\x93"), "{:?}", message.bytes);
        assert!(
            message.bytes.ends_with(b"\xa6urgent\x02"),
            "{:?}",
            message.bytes
        );
    }
}

#[tokio::test]
async fn hostile_bytes_end_their_connection_alone() {
    let cases: [(&str, Vec<u8>, &str); 7] = [
        (
            "long-string",
            b"\x92\xa1p\xdb\xff\xff\xff\xff".into(),
            "longer than the limit",
        ),
        (
            "long-array",
            b"\x92\xa1p\xdd\xff\xff\xff\xff".into(),
            "more than the limit",
        ),
        (
            "long-message",
            b"\xdd\xff\xff\xff\xff".into(),
            "more than the limit",
        ),
        (
            "deep",
            [&b"\x92\xa1p"[..], &[0x91; 600]].concat(),
            "nests deeper",
        ),
        (
            "many",
            [&b"\x92\xa1p\xdd\x00\x0f\x42\x40"[..], &[0xc0; 100]].concat(),
            "more than the limit",
        ),
        (
            "extension",
            b"\x92\xa1p\xd4\x01\x01".into(),
            "an extension (0xd4)",
        ),
        ("json", b"[\"p\",1]".into(), "a message is an array"),
    ];
    let network = Network::default();
    let a = packed("a", &network).bind("mem:a");
    let a = a.configure(|config| config.cleartext = true);
    let a = a.start().await.unwrap();
    let b = packed("b", &network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap();
    let at_a = echo(&a);
    let lost = b.gone(&at_a);
    for (id, bytes, why) in cases {
        let mut stranger = Stranger::join_in("msgpack", &network, "a", id).await;
        linked(&a, id).await;
        let gone = a.gone(id);
        stranger.send(&bytes).await;
        stranger.closed().await;
        let reason = soon(gone).await.to_string();
        assert!(reason.contains(why), "{id}: {reason}");
        answers(&b, &at_a).await;
    }
    // Less than it announces keeps what came, and no more.
    let mut stranger = Stranger::join_in("msgpack", &network, "a", "slow").await;
    stranger.send(b"\x92\xa1p\xdb\x00\x80\x00\x00x").await;
    answers(&b, &at_a).await;
    linked(&a, "slow").await;
    drop(stranger);
    let still = tokio::time::timeout(Duration::ZERO, lost).await;
    assert!(still.is_err(), "the connection of b was lost: {still:?}");
}

/// MessagePack with a fault that is switched on later.
struct Faulty(Arc<Mutex<&'static str>>);

impl ValueFormat for Faulty {
    fn name(&self) -> &str {
        "msgpack"
    }
    fn capabilities(&self) -> Capabilities {
        MsgPack.capabilities()
    }
    fn head(&self, bytes: &[u8]) -> Result<Option<Head>, BoxError> {
        let fault = *self.0.lock().unwrap();
        match fault {
            "head panics" => panic!("head panics"),
            "no bytes" => Ok(Some(Head::Scalar(0))),
            "no end" => Ok(None),
            "too long" => Ok(Some(Head::Message(usize::MAX))),
            _ => MsgPack.head(bytes),
        }
    }
    fn write(&self, message: &Value, out: &mut Out<'_>) -> Result<(), BoxError> {
        let fault = *self.0.lock().unwrap();
        MsgPack.write(message, out)?;
        assert!(fault != "write panics", "{fault}");
        Ok(())
    }
    fn read(&self, bytes: &[u8]) -> Result<Value, BoxError> {
        let fault = *self.0.lock().unwrap();
        match fault {
            "read panics" => panic!("read panics"),
            "read fails" => Err("it is Tuesday".into()),
            "no array" => Ok(7.into()),
            "too deep" => Ok((0..1_000_000).fold(vec![].into(), |inner: Value, _| {
                vec!["port".into(), inner].into()
            })),
            _ => MsgPack.read(bytes),
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_faulty_format_ends_its_connection_with_a_reason_and_no_other() {
    let network = Network::default();
    let fault = Arc::new(Mutex::new(""));
    let b = node("b", &network).codec(ValueCodec::new(Faulty(fault.clone())).unwrap());
    let b = b
        .codecs(["msgpack", "cbor"])
        .bind("mem:b")
        .start()
        .await
        .unwrap();
    let a = packed("a", &network).seed("mem:b").start().await.unwrap();
    let c = node("c", &network).seed("mem:b").start().await.unwrap();
    soon(a.joined()).await.unwrap();
    soon(c.joined()).await.unwrap();
    let (at_a, at_b) = (echo(&a), echo(&b));
    answers(&a, &at_b).await;
    let lost = c.gone(&at_b);
    let cases = [
        ("head panics", "head panics"),
        ("no bytes", "a head without bytes"),
        ("no end", "no head ends within 64 bytes"),
        ("too long", "longer than the limit"),
        ("read panics", "read panics"),
        ("read fails", "it is Tuesday"),
        ("no array", "a message is an array"),
        ("too deep", "nests deeper than the limit"),
    ];
    for (name, why) in cases {
        linked(&a, "b").await;
        linked(&b, "a").await;
        let gone = b.gone(&at_a);
        *fault.lock().unwrap() = name;
        a.send(&at_b, ("nothing", "x".repeat(100)));
        let reason = soon(gone).await.to_string();
        assert!(reason.contains(why), "{name}: {reason}");
        // The other connection goes on meanwhile.
        answers(&c, &at_b).await;
        *fault.lock().unwrap() = "";
        linked(&a, "b").await;
        answers(&a, &at_b).await;
    }
    // A message that is not written is left out of what goes out.
    linked(&b, "a").await;
    *fault.lock().unwrap() = "write panics";
    let error = b.try_send(&at_a, ("echo", 1, "b#")).unwrap_err();
    let error = aemp::error::Report(&error).to_string();
    assert!(error.contains("msgpack: a panic: write panics"), "{error}");
    *fault.lock().unwrap() = "";
    answers(&b, &at_a).await;
    let still = tokio::time::timeout(Duration::ZERO, lost).await;
    assert!(still.is_err(), "the connection of c was lost: {still:?}");
}
