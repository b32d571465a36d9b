//! The times that a program can give: the longest means never, and those that are too short are refused.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aemp_core::{
    Call, CallError, Config, Context, LocalNode, Message, PortId, PortRef, ReplyTo, StartError,
    Supervision, reason, routes,
};

#[tokio::test]
async fn a_time_that_is_too_short_is_refused_with_its_key_and_the_least() {
    type Change = fn(&mut Config, Duration);
    let keys: [(_, Change, _); 4] = [
        (
            "monitor_timeout",
            |config, time| config.monitor_timeout = time,
            50,
        ),
        (
            "connect_timeout",
            |config, time| config.connect_timeout = time,
            50,
        ),
        (
            "opening_timeout",
            |config, time| config.opening_timeout = time,
            50,
        ),
        (
            "keepalive_interval",
            |config, time| config.keepalive_interval = time,
            10,
        ),
    ];
    for (key, change, least) in keys {
        let least = Duration::from_millis(least);
        let start = |time| {
            LocalNode::builder()
                .configure(|config| change(config, time))
                .start()
        };
        for short in [Duration::ZERO, least - Duration::from_nanos(1)] {
            let error = start(short).await.unwrap_err();
            let expected = format!("{key} is {short:?}, and has to be {least:?} at least");
            assert!(matches!(error, StartError::TooShort { .. }) && error.to_string() == expected);
        }
        start(least).await.unwrap();
    }
}

#[test]
fn a_runtime_without_timers_is_refused() {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.build().unwrap();
    let error = runtime.block_on(LocalNode::builder().start()).unwrap_err();
    assert!(matches!(error, StartError::NoTimers), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_longest_time_means_never() {
    const NEVER: Duration = Duration::MAX;
    let node = LocalNode::builder().start().await.unwrap();
    let mut inbox = node.inbox();
    let to = inbox.id().clone();
    let _timers = [
        node.send_after(NEVER, &to, ("late",)),
        node.send_every(NEVER, &to, ("late",)),
    ];
    let echo = node.port_of(
        routes()
            .on("echo", |cx, (reply,): (PortId,)| cx.send(&reply, ()))
            .on_start(move |cx| {
                cx.send_after(NEVER, &to, ("late",));
                cx.send_every(NEVER, &to, ("late",));
            }),
    );
    node.call::<()>(&echo, ("echo",))
        .within(NEVER)
        .await
        .unwrap();
    assert!(node.directory().keys("family").within(NEVER).await.is_ok());
    assert!(node.group("group").live_within(NEVER).await.is_ok());
    let mortal = |node: &LocalNode| node.port(|_: &mut Context<'_>, _: Message| ());
    let supervision = Supervision::one_for_one()
        .restart_limit(1, NEVER)
        .backoff(NEVER, NEVER);
    let supervisor = node.supervise(supervision.child("mortal", mortal));
    let child = loop {
        match supervisor.child("mortal") {
            Some(child) => break child,
            None => tokio::task::yield_now().await,
        }
    };
    node.kill(&child, reason!["once"]);
    let gone = node.gone(supervisor.id());
    assert!(
        tokio::time::timeout(Duration::from_secs(1 << 32), gone)
            .await
            .is_err()
    );
    assert!(inbox.try_recv().is_none() && supervisor.child("mortal").is_none());
    node.clone().shutdown_within(NEVER).await;
}

/// A node whose calls have this limit, and a port of it that never answers.
async fn silent(limit: Option<Duration>) -> (LocalNode, PortId) {
    let node = LocalNode::builder().id("n");
    let node = node.configure(|config| config.call_timeout = limit);
    let node = node.start().await.unwrap();
    let silent = node.port(|_: &mut Context<'_>, _: Message| ());
    (node, silent)
}

async fn limit_of<T: std::fmt::Debug>(call: Call<'_, T>) -> Duration {
    match call.await {
        Err(CallError::TimedOut { limit, .. }) => limit,
        other => panic!("{other:?}"),
    }
}

async fn waits<T>(call: Call<'_, T>) -> bool {
    let hour = Duration::from_secs(3600);
    tokio::time::timeout(hour, call).await.is_err()
}

#[tokio::test(start_paused = true)]
async fn calls_have_the_limit_of_the_node_unless_they_have_their_own_or_none() {
    let (five, one) = (Duration::from_secs(5), Duration::from_secs(1));
    let (node, port) = silent(Some(five)).await;
    let call = || node.call::<()>(&port, ("get",));
    let begun = tokio::time::Instant::now();
    assert_eq!(limit_of(call()).await, five);
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(limit_of(call().within(one)).await, one);
    assert!(waits(call().unlimited()).await);
    assert_eq!(limit_of(call().unlimited().within(one)).await, one);
    assert_eq!(limit_of(call()).await, five);
    // Whoever calls, and however.
    let typed: PortRef<(String, ReplyTo<()>)> = PortRef::unchecked(port.clone());
    let asked = node.ask(&typed, |reply: ReplyTo<()>| ("get".to_owned(), reply));
    assert_eq!(limit_of(asked).await, five);
    node.group("silent").join(&port).unwrap().detach();
    let members = node.group("silent").live().await.unwrap();
    let called = members.any().call::<()>(("get",)).unwrap();
    assert_eq!(limit_of(called).await, five);
    let (tell, told) = tokio::sync::oneshot::channel();
    let mut tell = Some(tell);
    let target = port.clone();
    let caller = node.port(move |cx: &mut Context<'_>, _: Message| {
        let (call, tell) = (cx.call::<()>(&target, ("get",)), tell.take().unwrap());
        cx.spawn(async move {
            let _ = tell.send(limit_of(call).await);
        });
    });
    node.send(&caller, ("go",));
    assert_eq!(told.await.unwrap(), five);
}

#[tokio::test(start_paused = true)]
async fn without_a_limit_a_call_waits_for_as_long_as_its_port_lives() {
    assert_eq!(Config::default().call_timeout, None);
    let (node, port) = silent(None).await;
    assert!(waits(node.call::<()>(&port, ("get",))).await);
    let call = node.call::<()>(&port, ("get",));
    let (called, ()) = tokio::join!(call, async { node.kill(&port, reason!["done"]) });
    assert!(matches!(called, Err(CallError::Gone { .. })), "{called:?}");
}
