//! What one codec can carry and the other cannot, or nobody: who is told.

use aemp::{CallError, Context, LocalNode, Message, Notify, PortId, reason, routes};

use crate::common::{Network, node, soon};

/// Node `a`, to which JSON goes out, and `b`, which is connected to it.
async fn pair(network: &Network) -> (LocalNode, LocalNode) {
    let a = node("a", network).bind("mem:a").codecs(["json"]);
    let a = a.start().await.unwrap();
    let b = node("b", network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap();
    (a, b)
}

#[tokio::test]
async fn a_monitor_tells_another_node_whatever_the_reason_holds() {
    let network = Network::default();
    let (a, b) = pair(&network).await;
    let mut inbox = a.inbox();
    let port = b.port(|_: &mut Context<'_>, _: Message| ());
    let _watch = b.monitor(&port, Notify(inbox.id(), ("died", 7)));
    b.kill(&port, reason![bytes::Bytes::from_static(b"\0"), f64::NAN]);
    let told = soon(inbox.recv()).await.unwrap().into_values().unwrap();
    let expected = ["died".into(), 7.into(), "h'00'".into(), "NaN".into()];
    assert_eq!(told[..], expected);
}

/// Fails to serialise.
struct Unsaid;

impl serde::Serialize for Unsaid {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("it is a secret"))
    }
}

#[tokio::test]
async fn a_call_whose_answer_cannot_be_encoded_ends_with_the_reason() {
    let network = Network::default();
    let (a, b) = pair(&network).await;
    let answers = routes()
        .on("bytes", |cx, (reply,): (PortId,)| {
            cx.send(&reply, (bytes::Bytes::from_static(b"\0"),));
        })
        .on("secret", |cx, (reply,): (PortId,)| {
            cx.send(&reply, (Unsaid,))
        });
    let port = b.port_of(answers);
    for (caller, tag, why) in [
        (&a, "bytes", "this connection speaks json, which has none"),
        (&a, "secret", "it is a secret"),
        (&b, "secret", "it is a secret"),
    ] {
        match soon(caller.call::<()>(&port, (tag,))).await {
            Err(CallError::Gone { reason, .. }) => {
                assert_eq!(reason.kind(), Some("encode_error"));
                assert!(reason.to_string().contains(why), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
    // Ports that take no answer are none of the sender's business.
    let inbox = a.inbox();
    let gone = a.gone(inbox.id());
    b.send(inbox.id(), (bytes::Bytes::from_static(b"\0"),));
    b.send(inbox.id(), ("well",));
    let mut inbox = inbox;
    assert_eq!(
        soon(inbox.recv()).await.unwrap().tag().as_deref(),
        Some("well")
    );
    drop(gone);
}
