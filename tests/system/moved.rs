//! Typed messages between ports of one node: they move as the Rust values that they are, in order with all others.

use std::pin::Pin;
use std::sync::Arc;

use aemp::message::to_values;
use aemp::{
    Context, LocalNode, Message, PortId, PortRef, Reason, ReplyTo, TypedPort, Unhandled, reason,
    typed,
};
use futures_core::Stream;
use serde::{Deserialize, Serialize, Serializer};

use crate::common::*;
use crate::log::Log;

/// A message that cannot be serialised.
#[derive(Serialize, Deserialize, Debug)]
enum Parcel {
    Of(#[serde(serialize_with = "refuse", skip_deserializing)] Arc<str>),
    Open(ReplyTo<Self>),
}

fn refuse<S: Serializer>(_: &Arc<str>, _: S) -> Result<S::Ok, S::Error> {
    Err(serde::ser::Error::custom("it stays here"))
}

async fn alone() -> LocalNode {
    node("n", &Network::default()).start().await.unwrap()
}

#[tokio::test]
async fn a_message_and_an_answer_between_typed_ports_are_not_serialised() {
    let node = alone().await;
    let content: Arc<str> = "a gift".into();
    let mut held = None;
    let shelf = node.typed_port(move |cx, parcel: Parcel| match parcel {
        Parcel::Of(content) => held = Some(content),
        Parcel::Open(reply) => reply.send(cx, Parcel::Of(held.take().unwrap())),
    });
    node.tell(&shelf, Parcel::Of(content.clone()));
    let answer = soon(node.ask(&shelf, Parcel::Open)).await.unwrap();
    let Parcel::Of(back) = answer else {
        panic!("{answer:?}")
    };
    assert!(Arc::ptr_eq(&back, &content));
    // A sender that does not know the type is told.
    let error = node.try_send(shelf.id(), Parcel::Of(content)).unwrap_err();
    let error = aemp::error::Report(&error).to_string();
    assert!(error.contains("it stays here"), "{error}");
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
#[allow(
    clippy::large_enum_variant,
    reason = "a large message is one of the cases"
)]
enum Step {
    Typed(u32),
    Untyped(u32),
    Large(Vec<u8>, [u64; 24]),
}

/// The same messages in another program.
#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Twin {
    Typed(u32),
}

#[tokio::test]
async fn messages_of_all_kinds_and_a_kill_keep_their_order() {
    let node = alone().await;
    let mut inbox = node.typed_inbox::<Step>();
    let twin = PortRef::<Twin>::unchecked(inbox.id().clone());
    let other = node.typed_inbox::<Step>();
    for n in 0..1000 {
        node.tell(inbox.port(), Step::Typed(n));
        node.send(inbox.id(), ("Untyped", n));
        node.tell(other.port(), Step::Typed(n));
        node.tell(&twin, Twin::Typed(n));
        node.tell(inbox.port(), Step::Large(vec![7; 50], [n.into(); 24]));
        node.tell(inbox.port(), Step::Typed(n));
    }
    node.kill(inbox.id(), reason!["enough"]);
    node.tell(inbox.port(), Step::Typed(0));
    for n in 0..1000 {
        let expected = [
            Step::Typed(n),
            Step::Untyped(n),
            Step::Typed(n),
            Step::Large(vec![7; 50], [n.into(); 24]),
            Step::Typed(n),
        ];
        for expected in expected {
            assert_eq!(soon(inbox.recv()).await, Some(expected));
        }
    }
    assert_eq!(soon(inbox.recv()).await, None);
    let ports = soon(node.ports()).await;
    let other = ports.iter().find(|port| port.name == *other.id().port());
    assert_eq!(
        other.map(|port| (port.messages, port.queued)),
        Some((1000, 1000))
    );
}

#[tokio::test]
async fn a_port_of_another_type_gets_the_message_serialised_or_lives_on_without_it() {
    let node = alone().await;
    let mut inbox = node.inbox();
    let there: PortRef<Parcel> = PortRef::unchecked(inbox.id().clone());
    let (log, _guard) = Log::start();
    let linked = node.inbox();
    let _link = node.link(inbox.id(), linked.id());
    node.tell(&there, Parcel::Of("lost".into()));
    let expected = "element 1 cannot be serialised: it stays here";
    until("it is logged", || !log.with(&[expected]).is_empty()).await;
    // The port lives, and those that are linked to it, and it gets what can be serialised.
    assert!(
        soon(node.ports())
            .await
            .iter()
            .any(|port| port.name == *linked.id().port())
    );
    let reply: ReplyTo<Parcel> = from_text("n#nobody");
    node.tell(&there, Parcel::Open(reply));
    let message = soon(inbox.recv()).await.unwrap();
    assert_eq!(
        message.parse::<(String, String)>().unwrap(),
        ("Open".into(), "n#nobody".into())
    );
    // An answer that its asker cannot get ends the call.
    let open = node.port(move |cx: &mut Context<'_>, message: Message| {
        let (_, reply): (String, ReplyTo<Parcel>) = message.parse().unwrap();
        reply.send(cx, Parcel::Of("lost".into()));
    });
    let error = soon(node.call::<u64>(&open, ("open",))).await.unwrap_err();
    let error = aemp::error::Report(&error).to_string();
    assert!(error.contains("it stays here"), "{error}");
}

fn from_text<T: for<'de> Deserialize<'de>>(text: &str) -> T {
    Message::from_iter([text]).parse().unwrap()
}

#[tokio::test]
async fn what_a_typed_port_does_with_others_is_its_choice() {
    let node = alone().await;
    let text = r#"element 0: expected one of Typed, found text "Odd""#;
    // By default, an inbox as well.
    let mut inbox = node.typed_inbox::<Twin>();
    let gone = node.gone(inbox.id());
    node.send(inbox.id(), ("Odd",));
    assert_eq!(soon(gone).await, reason!["unhandled_message", text]);
    assert_eq!(soon(inbox.recv()).await, None);
    for how in [Unhandled::Count, Unhandled::Log] {
        let mut inbox = node.typed_inbox_with::<Twin>(|bounds| bounds.unhandled = how);
        let (told, mut twins) = tokio::sync::mpsc::unbounded_channel();
        let port = typed(move |_, twin: Twin| told.send(twin).unwrap()).unhandled(how);
        let port = node.typed_port_of(port);
        // And of a port of handlers: a tag that it has not, and an argument that does not fit.
        let tags = aemp::routes().on("Typed", |_, _: u32| ()).unhandled(how);
        let tags = node.port_of(tags);
        node.send(&tags, ("Odd",));
        node.send(&tags, ("Typed", "one"));
        for port in [inbox.port(), &port] {
            node.send(port.id(), ("Odd",));
            node.tell(port, Twin::Typed(1));
        }
        let next = std::future::poll_fn(|cx| Pin::new(&mut inbox).poll_next(cx));
        assert_eq!(soon(next).await, Some(Twin::Typed(1)));
        assert_eq!(soon(twins.recv()).await, Some(Twin::Typed(1)));
        let ports = soon(node.ports()).await;
        for (id, unhandled) in [(inbox.id(), 1), (port.id(), 1), (&tags, 2)] {
            let port = ports.iter().find(|port| port.name == *id.port()).unwrap();
            assert_eq!((port.messages, port.unhandled), (2, unhandled), "{how:?}");
        }
    }
}

#[tokio::test]
async fn a_typed_port_has_a_beginning_and_an_end() {
    struct Watched {
        tell: PortId,
    }
    impl TypedPort for Watched {
        type Message = Twin;
        fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
            cx.send(&self.tell, ("start", cx.id()));
            Ok(())
        }
        fn receive(&mut self, cx: &mut Context<'_>, Twin::Typed(n): Twin) -> Result<(), Reason> {
            cx.send(&self.tell, ("receive", n));
            Err(reason!["number", n])
        }
        fn stop(&mut self, cx: &mut Context<'_>, reason: &Reason) {
            cx.send(&self.tell, ("stop", reason));
        }
    }
    let node = alone().await;
    let mut inbox = node.inbox();
    let tell = inbox.id().clone();
    let port = node
        .typed_port_of_named("watched", Watched { tell })
        .unwrap();
    let watch = node.monitor(port.id(), aemp::Notify(inbox.id(), ("fired",)));
    node.tell(&port, Twin::Typed(5));
    let mut next = async || soon(inbox.recv()).await.unwrap().into_values().unwrap();
    assert_eq!(next().await, values(("start", "n#watched")));
    assert_eq!(next().await, values(("receive", 5)));
    // The port's own end comes before its monitors.
    assert_eq!(next().await, values(("stop", ("number", 5))));
    assert_eq!(next().await, values(("fired", "number", 5)));
    drop(watch);
}

fn values(message: impl Serialize) -> aemp::Values {
    to_values(&message).unwrap()
}

#[tokio::test]
async fn moved_messages_count_against_the_bytes_of_an_inbox() {
    let node = node("n", &Network::default()).configure(|config| config.inbox_limit = 1 << 20);
    let node = node.start().await.unwrap();
    // Of an untyped message all is known.
    let inbox = node.inbox();
    let gone = node.gone(inbox.id());
    for _ in 0..20 {
        node.tell(inbox.port(), Message::from_iter(["x".repeat(100 << 10)]));
    }
    assert_eq!(soon(gone).await, reason!["inbox_full", 1 << 20]);
    // Of a typed one its own size, which is never nothing.
    let inbox = node.typed_inbox_with::<()>(|bounds| bounds.bytes = 100);
    let gone = node.gone(inbox.id());
    for _ in 0..100 {
        node.tell(inbox.port(), ());
    }
    assert_eq!(soon(gone).await, reason!["inbox_full", 100]);
}

#[tokio::test]
async fn a_message_to_the_node_itself_is_serialised() {
    let node = alone().await;
    let there: PortRef<Parcel> = PortRef::unchecked(node.id().clone().into());
    let error = node
        .try_tell(&there, Parcel::Of("lost".into()))
        .unwrap_err();
    let error = aemp::error::Report(&error).to_string();
    assert!(error.contains("it stays here"), "{error}");
}
