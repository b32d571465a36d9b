//! A type whose `Serialize` calls the node again, while its message is written for another node.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::mpsc;
use std::time::Duration;

use aemp::codec::EncodeError;
use aemp::{LocalNode, Message, PortId, Reason, SendError, reason};
use serde::{Serialize, Serializer};
use tokio::runtime::Runtime;

use crate::common::{Network, linked, node, soon};

/// Longer than anything here takes, but for a deadlock.
const LIMIT: Duration = Duration::from_secs(20);

/// Runs a closure when it is serialised.
struct Nested<F>(F);

impl<F: Fn()> Serialize for Nested<F> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        (self.0)();
        serializer.serialize_str("nested")
    }
}

/// Node `a`, which is connected to `b` and can reach `c`, on a runtime of their own.
struct Scene {
    a: LocalNode,
    b: LocalNode,
    inbox: aemp::Inbox,
    runtime: Option<Runtime>,
}

impl Drop for Scene {
    fn drop(&mut self) {
        // A deadlocked thread must not hold up the test.
        self.runtime.take().unwrap().shutdown_background();
    }
}

impl Scene {
    fn new(is_linked: bool) -> Self {
        let runtime = Runtime::new().unwrap();
        let (a, b, inbox) = runtime.block_on(async {
            let network = Network::default();
            let b = node("b", &network).bind("mem:b").start().await.unwrap();
            let a = node("a", &network).peer("b", "mem:b").peer("c", "mem:c");
            let a = a.start().await.unwrap();
            let inbox = b.inbox();
            if is_linked {
                a.send(inbox.id(), ("hello",));
                linked(&a, "b").await;
            }
            (a, b, inbox)
        });
        let mut scene = Self {
            a,
            b,
            inbox,
            runtime: Some(runtime),
        };
        if is_linked {
            assert_eq!(scene.next().tag().as_deref(), Some("hello"));
        }
        scene
    }

    fn run<T>(&self, future: impl Future<Output = T>) -> T {
        self.runtime.as_ref().unwrap().block_on(soon(future))
    }

    fn next(&mut self) -> Message {
        let runtime = self.runtime.as_ref().unwrap();
        runtime.block_on(soon(self.inbox.recv())).unwrap()
    }

    /// Sends to `b` a message that does `inside` while it is written. Returns what came of it, a panic as its text.
    fn send<T: Send + 'static>(
        &self,
        inside: impl Fn(&LocalNode, &PortId) -> T + Send + 'static,
    ) -> (Result<Result<(), SendError>, String>, Option<T>) {
        let (node, to) = (self.a.clone(), self.inbox.id().clone());
        let (done, outcome) = mpsc::channel();
        let (tell, told) = mpsc::channel();
        std::thread::spawn(move || {
            let message = ("outer", Nested(|| drop(tell.send(inside(&node, &to)))));
            let sent = catch_unwind(AssertUnwindSafe(|| node.try_send(&to, message)));
            let text = |panic: Box<dyn std::any::Any + Send>| {
                let text = panic.downcast_ref::<String>().cloned();
                text.or_else(|| panic.downcast_ref::<&str>().map(|text| text.to_string()))
            };
            drop(done.send(sent.map_err(|panic| text(panic).unwrap_or_default())));
        });
        let outcome = outcome.recv_timeout(LIMIT).expect("no deadlock");
        (outcome, told.try_recv().ok())
    }

    fn expect_outer(&mut self) {
        let message = self.next();
        assert_eq!(message.tag().as_deref(), Some("outer"));
        assert_eq!(message.parse::<(String, String)>().unwrap().1, "nested");
    }
}

fn is_nested(sent: &Result<(), SendError>) -> bool {
    let Err(SendError::Encode { error, .. }) = sent else {
        return false;
    };
    assert!(error.to_string().contains("Serialize"), "{error}");
    matches!(error, EncodeError::Nested)
}

#[test]
fn a_message_that_a_serialize_sends_to_another_node_is_an_error_and_the_outer_one_arrives() {
    for is_linked in [true, false] {
        let mut scene = Scene::new(is_linked);
        for other in ["", "c#p"] {
            let (outer, inner) = scene.send(move |node, to| match other {
                "" => node.try_send(to, ("inner",)),
                other => node.try_send(other, ("inner",)),
            });
            assert_eq!(outer, Ok(Ok(())));
            assert!(is_nested(&inner.unwrap()));
            scene.expect_outer();
        }
        // To a port of the node itself nothing is written.
        let mut here = scene.a.inbox();
        let to = here.id().clone();
        let (outer, inner) = scene.send(move |node, _| node.try_send(&to, ("inner",)));
        assert_eq!((outer, inner), (Ok(Ok(())), Some(Ok(()))));
        scene.expect_outer();
        assert!(scene.run(here.recv()).is_some());
    }
}

#[test]
fn a_message_that_a_serialize_sends_without_asking_fires_the_monitors_of_its_port() {
    for is_linked in [true, false] {
        let mut scene = Scene::new(is_linked);
        let (tell, told) = mpsc::channel();
        let watch = move |why: Reason| tell.send(why).unwrap();
        scene.a.monitor(scene.inbox.id(), watch).detach();
        let (outer, _) = scene.send(|node, to| node.send(to, ("inner",)));
        assert_eq!(outer, Ok(Ok(())));
        scene.expect_outer();
        assert_eq!(
            told.recv_timeout(LIMIT).unwrap().kind(),
            Some("encode_error")
        );
    }
}

#[test]
fn kills_and_monitors_of_a_serialize_are_carried_out() {
    for is_linked in [true, false] {
        let mut scene = Scene::new(is_linked);
        let victim = scene.b.inbox();
        let (dies, other) = (victim.id().clone(), victim.id().clone());
        let (tell, told) = mpsc::channel();
        let (outer, _) = scene.send(move |node, _| {
            let tell = tell.clone();
            let kept = node.monitor(&dies, move |why: Reason| tell.send(why).unwrap());
            kept.detach();
            // Ends before it is set.
            drop(node.monitor(&dies, |_: Reason| panic!("it has ended")));
            node.kill(&dies, reason!["enough"]);
        });
        assert_eq!(outer, Ok(Ok(())));
        scene.expect_outer();
        assert_eq!(told.recv_timeout(LIMIT).unwrap(), reason!["enough"]);
        let gone = scene.a.gone(&other);
        assert_eq!(scene.run(gone).kind(), Some("no_such_port"));
    }
}

#[test]
fn what_a_serialize_asks_of_the_node_is_answered_or_a_panic_that_says_why_not() {
    let mut scene = Scene::new(true);
    let (outer, peers) = scene.send(|node, _| {
        let connections = node.connections();
        connections
            .iter()
            .map(|link| link.peer().to_string())
            .collect::<Vec<_>>()
    });
    assert_eq!((outer, peers), (Ok(Ok(())), Some(vec!["b".to_owned()])));
    scene.expect_outer();
    let (outer, _) = scene.send(|node, to| {
        node.set_peer_addresses(to.node(), ["mem:elsewhere".parse().unwrap()]);
    });
    assert_eq!(outer, Ok(Ok(())));
    scene.expect_outer();
    let refused: [fn(&LocalNode); 3] = [
        |node| drop(node.stats()),
        |node| drop(node.directory().set("family", "key", 1)),
        |node| drop(node.group("family").join(&node.inbox().id().clone())),
    ];
    for ask in refused {
        let (outer, _) = scene.send(move |node, _| ask(node));
        let text = outer.unwrap_err();
        assert!(text.contains("Serialize"), "{text}");
    }
    // The next one is not affected.
    let (outer, inner) = scene.send(|node, to| node.try_send(to, ("inner",)));
    assert_eq!(outer, Ok(Ok(())));
    assert!(is_nested(&inner.unwrap()));
    scene.expect_outer();
}

#[test]
fn a_serialize_that_panics_leaves_the_node_as_it_was_and_its_guards_end() {
    let mut scene = Scene::new(true);
    let inbox = scene.a.inbox();
    let member = inbox.id().clone();
    let guards = std::sync::Mutex::new(Some((
        scene.a.group("family").join(&member).unwrap(),
        scene.a.directory().watch("family").unwrap(),
        scene.a.monitor(scene.inbox.id(), |_: Reason| ()),
    )));
    let (outer, _) = scene.send(move |node, to| {
        let _dropped_by_the_panic = guards.lock().unwrap().take();
        let _nested = node.try_send(to, ("inner",));
        panic!("on purpose");
    });
    assert_eq!(
        outer,
        Err::<Result<(), SendError>, _>("on purpose".to_owned())
    );
    let (outer, _) = scene.send(|_, _| ());
    assert_eq!(outer, Ok(Ok(())));
    scene.expect_outer();
    let members = scene.run(scene.a.group("family").live()).unwrap();
    assert!(members.is_empty(), "{members:?}");
}
