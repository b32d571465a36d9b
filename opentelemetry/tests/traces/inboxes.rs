//! Inboxes, which handle no message when it comes: it is taken out with its trace.

use aemp::traits::IntoMessage;
use aemp::{Inbox, Overflow, PortRef};
use tracing::info_span;

use crate::nodes::soon;
use crate::spans::{all, current, find, node};

#[tokio::test]
async fn an_inbox_gives_each_message_with_the_trace_that_it_belongs_to() {
    let node = node("inbox").start().await.unwrap();
    let mut inbox = node.inbox();
    let mut typed: Inbox<(String, u32)> = node.typed_inbox();
    let mut traces = Vec::new();
    for n in 0..4 {
        let send = || {
            node.send(inbox.id(), ("n", n));
            node.tell(typed.port(), (String::from("n"), n));
            // The node port of this node does not come first: the message is serialized.
            node.send(typed.id(), ("m", n));
            current()
        };
        traces.push(match n % 2 {
            0 => info_span!("root").in_scope(send),
            _ => send(),
        });
    }
    // Taken without its trace, which is not that of the next message.
    soon(inbox.recv()).await.unwrap();
    for (n, trace) in traces.iter().enumerate() {
        if n > 0 {
            let (message, span) = soon(inbox.recv_traced()).await.unwrap();
            assert_eq!(message.parse(), Ok(("n".to_owned(), n as u32)));
            assert_eq!(span.in_scope(current), **trace);
        }
        for tag in ["n", "m"] {
            let (message, span) = soon(typed.recv_traced()).await.unwrap();
            assert_eq!(message, (tag.to_owned(), n as u32));
            assert_eq!(span.in_scope(current), **trace);
        }
    }
    // One span for each message that was taken, as a child of its sender's.
    let spans = all(&traces[2], 4).await;
    let taken = find(&spans, "message", &inbox.id().to_string());
    assert_eq!(taken.parent, find(&spans, "root", "").id);
}

/// Sends `message` in a trace.
fn traced(node: &aemp::LocalNode, inbox: &Inbox<impl Send>, message: impl IntoMessage) {
    info_span!("root").in_scope(|| node.send(inbox.id(), message));
}

#[tokio::test]
async fn a_message_that_an_inbox_drops_leaves_no_trace_for_the_next() {
    let node = node("dropping").start().await.unwrap();
    let mut inbox: Inbox<(u32,)> = node.typed_inbox_with(|bounds| {
        bounds.messages = 1;
        bounds.overflow = Overflow::DropNewest;
        bounds.unhandled = aemp::Unhandled::Count;
    });
    traced(&node, &inbox, ("no number",));
    node.send(inbox.id(), (1,));
    traced(&node, &inbox, (2,));
    let is_dropped = async {
        while inbox.dropped() == 0 {
            tokio::task::yield_now().await;
        }
    };
    soon(is_dropped).await;
    let (message, span) = soon(inbox.recv_traced()).await.unwrap();
    assert!(message == (1,) && span.is_disabled());
    node.send(inbox.id(), (3,));
    let (message, span) = soon(inbox.recv_traced()).await.unwrap();
    assert!(message == (3,) && span.is_disabled(), "{message:?}");
}

/// Cannot be sent.
struct Unserializable;

impl serde::Serialize for Unserializable {
    fn serialize<S: serde::Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        Err(serde::ser::Error::custom("never"))
    }
}

#[tokio::test]
async fn a_message_that_cannot_be_converted_leaves_no_trace_for_the_next() {
    let node = node("unserializable").start().await.unwrap();
    let mut inbox = node.inbox();
    let other: PortRef<Unserializable> = PortRef::unchecked(inbox.id().clone());
    info_span!("root").in_scope(|| node.tell(&other, Unserializable));
    node.send(inbox.id(), (1,));
    let (message, span) = soon(inbox.recv_traced()).await.unwrap();
    assert_eq!(message.parse(), Ok((1,)));
    assert!(span.is_disabled());
}
