//! Calls to ports of another node that are dead, or die: the call fails at once, with a limit or without one.

use std::time::Duration;

use aemp::policy::{Rule, Rules};
use aemp::{CallError, LocalNode, Message, PortId, Reason, reason, routes};

use crate::common::*;

/// No test waits that long.
const LONG: Duration = Duration::from_secs(3600);

/// Two nodes, connected.
async fn pair(rules: Rules) -> (LocalNode, LocalNode) {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").policy(rules);
    let a = a.start().await.unwrap();
    let b = node("b", &network).seed("mem:a").start().await.unwrap();
    soon(b.joined()).await.unwrap();
    (a, b)
}

fn reason_of<T: std::fmt::Debug>(called: Result<T, CallError>) -> Reason {
    match called {
        Err(CallError::Gone { reason, .. }) => reason,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_call_with_a_limit_learns_at_once_that_its_port_is_dead() {
    let (a, b) = pair(Rules::default()).await;
    let absent: PortId = "a#absent".parse().unwrap();
    let called = b.call::<u64>(&absent, ("add", 1)).within(LONG);
    assert!(reason_of(soon(called).await).is_no_such_port());
    // While it is called.
    let dies = a.port(|_, _| Err(reason!["out_of_paper", 7]));
    let called = b.call::<u64>(&dies, ("add", 1)).within(LONG);
    assert_eq!(reason_of(soon(called).await), reason!["out_of_paper", 7]);
    // In the words of a refusal.
    let dies = a.port(|_, _| Err(reason!["refused", "no more orders today"]));
    let called = b.call::<u64>(&dies, ("add", 1)).within(LONG);
    assert_eq!(reason_of(soon(called).await).kind(), Some("refused"));
    // With its node.
    let (heard, hears) = tokio::sync::oneshot::channel::<()>();
    let mut heard = Some(heard);
    let silent = a.port(move |_, _: Message| drop(heard.take()));
    let called = tokio::spawn(
        b.call::<u64>(&silent, ("add", 1))
            .within(LONG)
            .into_future(),
    );
    soon(hears).await.unwrap_err();
    soon(a.shutdown()).await;
    assert!(reason_of(soon(called).await.unwrap()).is_transport_error());
}

#[tokio::test]
async fn a_peer_that_may_send_and_not_monitor_may_call_with_a_limit() {
    let (a, b) = pair(Rules::new([Rule::new([])])).await;
    let port = a.port_of(routes().answer("add", |_, (n,): (u64,)| n + 1));
    let called = b.call::<u64>(&port, ("add", 1)).within(LONG);
    assert_eq!(soon(called).await.unwrap(), 2);
    // Without a limit it would never learn that the port is dead.
    let called = b.call::<u64>(&port, ("add", 1));
    assert_eq!(reason_of(soon(called).await).kind(), Some("refused"));
    a.kill(&port, reason!["done"]);
    let limit = Duration::from_millis(50);
    let called = soon(b.call::<u64>(&port, ("add", 1)).within(limit)).await;
    assert!(
        matches!(called, Err(CallError::TimedOut { .. })),
        "{called:?}"
    );
}
