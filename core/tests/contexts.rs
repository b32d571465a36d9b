//! What a port does by its context: calls whose answers come to it, and ports that it kills or dies with.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aemp_core::{CallError, Kill, LocalNode, PortId, PortRef, ReplyTo, SendError, reason, routes};

async fn node() -> LocalNode {
    LocalNode::builder().id("n").start().await.unwrap()
}

async fn soon<T>(future: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future.into_future())
        .await
        .expect("within a minute")
}

/// Answers `twice`, and never `never`.
fn doubler(node: &LocalNode) -> PortId {
    node.port_of(
        routes()
            .answer("twice", |_, (n,): (u32,)| 2 * n)
            .on("never", |_, (_,): (PortId,)| ()),
    )
}

#[tokio::test]
async fn an_answer_comes_to_a_closure_of_the_port_which_has_its_context() {
    let node = node().await;
    let doubler = doubler(&node);
    let mut inbox = node.inbox();
    let to = inbox.id().clone();
    let (mut answers, mut sum) = (0, 0);
    let adder = node.port_of(
        routes()
            .on("add", move |cx, (n,): (u32,)| {
                let twice = cx.call(&doubler, ("twice", n));
                cx.spawn_then(twice, move |cx, twice: Result<u32, CallError>| {
                    cx.send(cx.id(), ("twice", twice?));
                    Ok::<_, CallError>(())
                });
            })
            .on("twice", move |cx, (twice,): (u32,)| {
                sum += twice;
                answers += 1;
                if answers == 100 {
                    cx.send(&to, (sum,));
                }
            }),
    );
    for n in 0..100 {
        node.send(&adder, ("add", n));
    }
    let sum = soon(inbox.recv()).await.unwrap();
    assert_eq!(sum.parse(), Ok((2 * (0..100).sum::<u32>(),)));
}

#[tokio::test]
async fn an_answer_is_awaited_in_a_future_of_the_port() {
    let node = node().await;
    let doubler = doubler(&node);
    let twice = node.port_of(
        routes().on("twice", move |cx, (n, reply): (u32, ReplyTo<u32>)| {
            let (node, twice) = (cx.node(), cx.call(&doubler, ("twice", n)));
            cx.spawn(async move {
                reply.send(&node, twice.await?);
                Ok::<_, CallError>(())
            });
        }),
    );
    let n: u32 = soon(node.call(&twice, ("twice", 4))).await.unwrap();
    assert_eq!(n, 8);
}

#[tokio::test]
async fn a_port_asks_a_typed_port() {
    #[derive(serde::Serialize, serde::Deserialize)]
    enum Bank {
        Balance { reply: ReplyTo<u64> },
    }
    let node = node().await;
    let bank: PortRef<Bank> = node.typed_port(|cx, Bank::Balance { reply }| reply.send(cx, 5));
    let mut inbox = node.inbox();
    let to = inbox.id().clone();
    let printer = node.port(move |cx, _| {
        let (balance, to) = (cx.ask(&bank, |reply| Bank::Balance { reply }), to.clone());
        cx.spawn_then(balance, move |cx, balance: Result<u64, CallError>| {
            balance.map(|n| cx.send(&to, ("balance", n)))
        });
    });
    node.send(&printer, ());
    let message = soon(inbox.recv()).await.unwrap();
    assert_eq!(message.parse(), Ok(("balance".to_owned(), 5)));
}

/// Counts how often it is dropped.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test]
async fn the_end_of_a_port_drops_what_waits_for_an_answer() {
    let node = node().await;
    let doubler = doubler(&node);
    let dropped = Arc::new(AtomicUsize::new(0));
    let counted = dropped.clone();
    let port = node.port(move |cx, message| {
        let guard = Dropped(counted.clone());
        let (tag,): (String,) = message.parse()?;
        let call = cx.call(&doubler, (tag,));
        cx.spawn_then(call, move |_, _: Result<u32, CallError>| drop(guard));
        Ok::<_, aemp_core::ParseError>(())
    });
    let gone = node.gone(&port);
    node.send(&port, ("never",));
    node.ports().await;
    assert_eq!(dropped.load(Ordering::SeqCst), 0);
    node.kill(&port, reason!["enough"]);
    soon(gone).await;
    // The task is aborted, and its future dropped by the runtime.
    while dropped.load(Ordering::SeqCst) < 1 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn an_error_or_a_panic_of_the_closure_kills_the_port_and_so_does_what_it_stops() {
    let node = node().await;
    let doubler = doubler(&node);
    for (what, why) in [
        ("error", reason!["die", "no paper"]),
        ("panic", reason!["die", "boom"]),
        ("stop", reason!["enough"]),
    ] {
        let doubler = doubler.clone();
        let port = node.port(move |cx, _| {
            let call = cx.call(&doubler, ("twice", 1));
            cx.spawn_then(call, move |cx, _: Result<u32, CallError>| match what {
                "error" => Err("no paper"),
                "panic" => panic!("boom"),
                _ => {
                    cx.stop(reason!["enough"]);
                    Ok(())
                }
            });
        });
        let gone = node.gone(&port);
        node.send(&port, ());
        assert_eq!(soon(gone).await, why, "{what}");
    }
}

#[tokio::test]
async fn a_port_kills_others_and_is_told_of_texts_that_are_no_port_ids() {
    let node = node().await;
    let (a, b) = (node.port(|_, _| ()), node.port(|_, _| ()));
    let gone = [node.gone(&a), node.gone(&b)];
    let mut inbox = node.inbox();
    let to = inbox.id().to_string();
    let killer = node.port(move |cx, _| {
        // The second dies with the first.
        cx.monitor(&a, Kill(&b));
        cx.kill(&a, reason!["killed"]);
        let wrong = cx.try_send("no spaces", ("lost",)).unwrap_err();
        assert!(matches!(wrong, SendError::NoPortId { .. }));
        cx.try_send(&to, ("told",))
    });
    node.send(&killer, ());
    for gone in gone {
        assert_eq!(soon(gone).await, reason!["killed"]);
    }
    let told = soon(inbox.recv()).await.unwrap();
    assert_eq!(told.tag().as_deref(), Some("told"));
}
