//! The times that a program can give: the longest means never, and those that are too short are refused.
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use aemp_core::{
    Config, Context, LocalNode, Message, PortId, StartError, Supervision, reason, routes,
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
