//! The table against a node behind a socket: a member sends the input. What the decoder finds arrives, an error ends that
//! connection with a reason that names the member, and no other connection notices.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use aemp::{Context, LocalNode, Message, NodeEvent, NodeEvents, PortId, Reason, reason};
use tokio::net::TcpStream;

use crate::corpus::{Case, Outcome, cases, limits};
use crate::decoders::elements;
use crate::nodes::{SECRET, link, port, soon};
use crate::stranger::Stranger;

/// The node that the inputs are sent to, and another one that is connected to it.
struct Pair {
    victim: LocalNode,
    at: SocketAddr,
    bystander: LocalNode,
    /// The elements of the messages for port `p`.
    arrived: Arc<Mutex<Vec<String>>>,
    events: NodeEvents,
}

impl Pair {
    async fn start() -> Self {
        let victim = aemp::node().id("victim").secret(SECRET).bind("127.0.0.1:0");
        let victim = victim.configure(|config| {
            config.cleartext = true;
            config.limits = limits();
        });
        let victim = victim.start().await.unwrap();
        let arrived = Arc::new(Mutex::new(Vec::new()));
        let keep = arrived.clone();
        let sink = move |cx: &mut Context<'_>, message: Message| match message.tag().as_deref() {
            Some("so far?") => {
                let (reply,): (PortId,) = message.parse_args().unwrap();
                cx.send(&reply, ());
            }
            _ => keep.lock().unwrap().push(elements(&message)),
        };
        victim.port_named("p", sink).unwrap();
        let mut events = victim.events();
        let at = victim.addresses()[0].to_string();
        let bystander = aemp::node().id("bystander").secret(SECRET).seed(&*at);
        let bystander = bystander.start().await.unwrap();
        // The bystander may see the connection before the victim does.
        match soon(events.recv()).await.unwrap() {
            NodeEvent::Up(link) => assert_eq!(link.peer(), "bystander"),
            other => panic!("{other:?}"),
        }
        Self {
            victim,
            at: at.parse().unwrap(),
            bystander,
            arrived,
            events,
        }
    }

    /// Lets node `id` send the input of `case`, in one piece or byte by byte. Returns the messages that arrived and the reason
    /// of the connection's end.
    async fn hear(&mut self, id: &str, case: &Case, bytewise: bool) -> (Vec<String>, Reason) {
        let socket = TcpStream::connect(self.at).await.unwrap();
        socket.set_nodelay(true).unwrap();
        let mut socket = Stranger::from(socket);
        socket.greet(id, case.codec.name()).await;
        let size = if bytewise { 1 } else { case.input.len() };
        for piece in case.input.chunks(size) {
            socket.send(piece).await;
        }
        // After an error the node closes by itself.
        if !matches!(case.outcome.last(), Some(Outcome::Error(_))) {
            socket.close().await;
        }
        socket.closed().await;
        let why = loop {
            match soon(self.events.recv()).await.unwrap() {
                NodeEvent::Up(link) => assert_eq!(link.peer(), id),
                NodeEvent::Down { node, reason, .. } => {
                    assert_eq!(node.as_str(), id);
                    break reason;
                }
                other => panic!("{other:?}"),
            }
        };
        // The answer comes after all that arrived before.
        let answer = self.bystander.call(port("victim#p"), ("so far?",));
        let () = soon(answer).await.unwrap();
        (std::mem::take(&mut *self.arrived.lock().unwrap()), why)
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_input_arrives_or_ends_its_own_connection() {
    let mut pair = Pair::start().await;
    let before = link(&pair.victim, "bystander").await.generation();
    let mut number = 0;
    for case in cases() {
        for bytewise in [false, true] {
            number += 1;
            let id = format!("x{number}");
            let (arrived, why) = pair.hear(&id, &case, bytewise).await;
            let what = format!("{}: {}, {bytewise}", case.codec.name(), case.what);
            let mut messages = Vec::new();
            let mut text = "the peer closed the connection";
            for part in &case.outcome {
                match part {
                    Outcome::Message(elements) => messages.push(elements.clone()),
                    Outcome::Error(error) => text = error,
                    Outcome::Waits => {}
                }
            }
            assert_eq!(arrived, messages, "{what}");
            assert_eq!(why, reason!["transport_error", id, text], "{what}");
        }
    }
    assert!(number > 700, "{number} connections");
    let after = link(&pair.victim, "bystander").await;
    assert_eq!(after.generation(), before);
    pair.bystander.shutdown().await;
    pair.victim.shutdown().await;
}
