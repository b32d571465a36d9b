//! Ports, monitors, calls and timers within one node, as a program uses them.
#![allow(clippy::unwrap_used)]

use std::pin::pin;
use std::sync::{Arc, Mutex};
use std::task::{self, Waker};
use std::time::Duration;

use aemp_core::message::Values;
use aemp_core::{
    CallError, Context, LocalNode, Message, NameError, Notify, Port, PortId, Reason, Value, reason,
    routes,
};

async fn node() -> LocalNode {
    LocalNode::builder().id("n").start().await.unwrap()
}

async fn soon<T>(future: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future.into_future())
        .await
        .expect("within 10 s")
}

#[tokio::test]
async fn a_closure_port_answers_a_call() {
    let node = node().await;
    let mut total = 0;
    let counter = node.port_of(routes().on("add", move |cx, (n, reply): (i64, PortId)| {
        total += n;
        cx.send(&reply, ("total", total));
    }));
    for expected in [41, 82] {
        let (tag, total): (String, i64) = soon(node.call(&counter, ("add", 41))).await.unwrap();
        assert_eq!((&*tag, total), ("total", expected));
    }
}

#[tokio::test]
async fn a_type_with_state_is_a_port() {
    struct Last(Option<Message>, PortId);
    impl Port for Last {
        fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
            if let Some(before) = self.0.replace(message) {
                cx.send(&self.1, before);
            }
            Ok(())
        }
    }
    let node = node().await;
    let mut inbox = node.inbox();
    let port = node.port_of(Last(None, inbox.id().clone()));
    node.send(&port, ("one", 1));
    node.send(&port, ("two", 2));
    assert_eq!(
        soon(inbox.recv())
            .await
            .unwrap()
            .parse::<(String, i32)>()
            .unwrap(),
        ("one".into(), 1)
    );
}

#[tokio::test]
async fn messages_from_one_sender_keep_their_order() {
    let node = node().await;
    let mut inbox = node.inbox();
    for n in 0..10_000 {
        node.send(inbox.id(), (n,));
    }
    for n in 0..10_000 {
        assert_eq!(
            soon(inbox.recv()).await.unwrap().parse::<(i32,)>().unwrap(),
            (n,)
        );
    }
}

#[tokio::test]
async fn an_error_kills_the_port_with_its_reason_and_nothing_else() {
    let node = node().await;
    let bystander =
        node.port_of(routes().on("ping", |cx, (reply,): (PortId,)| cx.send(&reply, ())));
    let failing =
        node.port(|_: &mut Context<'_>, _: Message| Err::<(), _>(reason!["out_of_paper", 2]));
    let gone = node.gone(&failing);
    node.send(&failing, ("print",));
    assert_eq!(soon(gone).await, reason!["out_of_paper", 2]);
    soon(node.call::<()>(&bystander, ("ping",))).await.unwrap();
}

#[tokio::test]
async fn a_panic_kills_the_port_with_die_and_its_text() {
    let node = node().await;
    let failing = node.port(|_: &mut Context<'_>, _: Message| -> () { panic!("boom") });
    let gone = node.gone(&failing);
    node.send(&failing, ());
    assert_eq!(soon(gone).await, reason!["die", "boom"]);
}

#[tokio::test]
async fn arguments_that_do_not_fit_kill_the_port_and_say_which() {
    let node = node().await;
    let port = node.port_of(routes().on("add", |_, (_, _): (i64, i64)| ()));
    let gone = node.gone(&port);
    node.send(&port, ("add", 1, "x"));
    let why = soon(gone).await.to_string();
    assert!(why.contains("element 2") && why.contains('x'), "{why}");
}

#[tokio::test]
async fn a_tag_without_handler_kills_the_port_unless_otherwise_is_set() {
    let node = node().await;
    let strict = node.port_of(routes().on("a", |_, ()| ()));
    let gone = node.gone(&strict);
    node.send(&strict, ("b",));
    assert_eq!(soon(gone).await.kind(), Some("unhandled_message"));

    let inbox = &mut node.inbox();
    let to = inbox.id().clone();
    let lenient = node.port_of(
        routes()
            .on("a", |_, ()| ())
            .otherwise(move |cx, m| cx.send(&to, m)),
    );
    node.send(&lenient, ("b", 1));
    assert_eq!(
        soon(inbox.recv()).await.unwrap().tag().as_deref(),
        Some("b")
    );
}

#[tokio::test]
async fn very_many_monitors_of_a_port_are_taken_back_newest_first() {
    let node = node().await;
    let port = node.port(|_: &mut Context<'_>, _: Message| ());
    // If each looked at all the others, this would take minutes.
    let mut watches: Vec<_> = (0..200_000).map(|_| node.monitor(&port, |_| ())).collect();
    while watches.pop().is_some() {}
    let ports = soon(node.ports()).await;
    assert!(ports.iter().all(|port| port.watchers == 0));
}

#[tokio::test]
async fn a_monitor_fires_once_with_the_reason() {
    let node = node().await;
    let port = node.port(|_: &mut Context<'_>, _: Message| ());
    let mut inbox = node.inbox();
    let _watch = node.monitor(&port, Notify(inbox.id(), ("died", 7)));
    node.kill(&port, reason!["because", 1.5]);
    node.kill(&port, reason!["again"]);
    let told = soon(inbox.recv()).await.unwrap().into_values().unwrap();
    assert_eq!(
        told[..],
        [
            Value::from("died"),
            Value::from(7),
            Value::from("because"),
            Value::from(1.5)
        ]
    );
    node.send(inbox.id(), ("last",));
    assert_eq!(
        soon(inbox.recv()).await.unwrap().tag().as_deref(),
        Some("last")
    );
}

#[tokio::test]
async fn a_monitor_on_a_port_that_does_not_exist_fires_at_once() {
    let node = node().await;
    let nobody = node.id().port("nobody");
    let why = soon(node.gone(&nobody)).await;
    assert_eq!(
        why,
        reason![
            "no_such_port",
            "cannot monitor nonexistent port",
            "n#nobody"
        ]
    );
}

#[tokio::test]
async fn a_dropped_guard_ends_its_monitor() {
    let node = node().await;
    let port = node.port(|_: &mut Context<'_>, _: Message| ());
    let fired = Arc::new(Mutex::new(Vec::new()));
    let note = |name: &'static str| {
        let fired = fired.clone();
        move |_: Reason| fired.lock().unwrap().push(name)
    };
    drop(node.monitor(&port, note("dropped")));
    node.monitor(&port, note("detached")).detach();
    let gone = node.gone(&port);
    node.kill(&port, reason!["x"]);
    soon(gone).await;
    // Callbacks run on the shard: a further message through it arrives after them.
    let echo = node.port_of(routes().on("ping", |cx, (reply,): (PortId,)| cx.send(&reply, ())));
    for _ in 0..8 {
        soon(node.call::<()>(&echo, ("ping",))).await.unwrap();
    }
    assert_eq!(*fired.lock().unwrap(), ["detached"]);
}

#[tokio::test]
async fn a_link_kills_with_the_same_reason_but_not_by_an_ordinary_end() {
    let node = node().await;
    let port = || node.port(|_: &mut Context<'_>, _: Message| ());
    let (first, second, third) = (port(), port(), port());
    let _links = (node.link(&first, &second), node.link(&second, &third));
    let gone = node.gone(&third);
    node.kill(&first, reason!["chain"]);
    assert_eq!(soon(gone).await, reason!["chain"]);

    let (quiet, lives) = (port(), port());
    let _link = node.link(&quiet, &lives);
    let (ended, mut lost) = (node.gone(&quiet), std::pin::pin!(node.gone(&lives)));
    node.kill(&quiet, Reason::normal());
    assert!(soon(ended).await.is_normal());
    node.kill(&lives, reason!["by hand"]);
    assert_eq!(soon(lost.as_mut()).await, reason!["by hand"]);
}

#[tokio::test]
async fn a_port_dies_with_another_kills_others_and_stops_itself() {
    let node = node().await;
    let other = || node.port(|_: &mut Context<'_>, _: Message| ());
    let of = |cx_does: fn(&mut Context<'_>, PortId)| {
        node.port_of(routes().on("do", move |cx, port: PortId| cx_does(cx, port)))
    };
    let link = |target: &PortId| {
        let port = of(|cx, target| {
            cx.link(&target);
            cx.send(&target, ("linked",));
        });
        node.send(&port, ("do", target));
        port
    };
    // The message that the target gets says that the link is there.
    let mut target = node.inbox();
    let linked = link(target.id());
    soon(target.recv()).await.unwrap();
    let gone = node.gone(&linked);
    node.kill(target.id(), reason!["chain"]);
    assert_eq!(soon(gone).await, reason!["chain"]);
    let mut target = node.inbox();
    let linked = link(target.id());
    soon(target.recv()).await.unwrap();
    let gone = node.gone(target.id());
    drop(target);
    assert!(soon(gone).await.is_normal());

    let victim = other();
    let gone = node.gone(&victim);
    let killer = of(|cx, victim| cx.kill(&victim, reason!["by another"]));
    node.send(&killer, ("do", &victim));
    assert_eq!(soon(gone).await, reason!["by another"]);

    let gone = node.gone(&linked);
    // It did not die with a target that ended normally.
    node.kill(&linked, reason!["by hand"]);
    assert_eq!(soon(gone).await, reason!["by hand"]);
    let stops = of(|cx, _| cx.stop(reason!["enough"]));
    let gone = node.gone(&stops);
    node.send(&stops, ("do", &victim));
    assert_eq!(soon(gone).await, reason!["enough"]);
}

#[tokio::test]
async fn what_a_port_spawns_is_its_own() {
    let node = node().await;
    let mut inbox = node.inbox();
    let to = inbox.id().clone();
    let port = node.port_of(
        routes()
            .on("fail", |cx, ()| {
                cx.spawn(async { Err::<(), _>(reason!["task_failed"]) })
            })
            .on("wait", move |cx, ()| {
                let (node, to) = (cx.node(), to.clone());
                cx.spawn(async move {
                    let _told_when_aborted = Told(node, to);
                    std::future::pending::<()>().await;
                });
            }),
    );
    struct Told(LocalNode, PortId);
    impl Drop for Told {
        fn drop(&mut self) {
            self.0.send(&self.1, ("aborted",));
        }
    }
    let gone = node.gone(&port);
    node.send(&port, ("wait",));
    node.send(&port, ("fail",));
    assert_eq!(soon(gone).await, reason!["task_failed"]);
    assert_eq!(
        soon(inbox.recv()).await.unwrap().tag().as_deref(),
        Some("aborted")
    );

    let panics = || {
        if std::hint::black_box(true) {
            panic!("in a task")
        }
    };
    let port = node.port_of(routes().on("panic", move |cx, ()| cx.spawn(async move { panics() })));
    let gone = node.gone(&port);
    node.send(&port, ("panic",));
    assert_eq!(soon(gone).await, reason!["die", "in a task"]);
}

#[tokio::test(start_paused = true)]
async fn timers_send_and_their_guards_cancel() {
    let node = node().await;
    let mut inbox = node.inbox();
    let start = tokio::time::Instant::now();
    drop(node.send_after(Duration::from_secs(1), inbox.id(), ("cancelled",)));
    let _once = node.send_after(Duration::from_secs(5), inbox.id(), ("once",));
    assert_eq!(inbox.recv().await.unwrap().tag().as_deref(), Some("once"));
    assert!(start.elapsed() >= Duration::from_secs(5));
    let every = node.send_every(Duration::from_secs(2), inbox.id(), ("tick",));
    for _ in 0..3 {
        assert_eq!(inbox.recv().await.unwrap().tag().as_deref(), Some("tick"));
    }
    drop(every);
    assert!(start.elapsed() >= Duration::from_secs(11));
    assert!(
        tokio::time::timeout(Duration::from_secs(60), inbox.recv())
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_call_fails_when_the_port_is_gone_or_dies() {
    let node = node().await;
    let nobody = node.id().port("nobody");
    let error = soon(node.call::<()>(&nobody, ("hi",))).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "\"n#nobody\" cannot answer: no_such_port: cannot monitor nonexistent port, n#nobody"
    );

    let quits = node.port(|cx: &mut Context<'_>, _: Message| cx.stop(Reason::normal()));
    let error = soon(node.call::<()>(&quits, ("hi",))).await.unwrap_err();
    assert!(matches!(error, CallError::Gone { reason, .. } if reason.is_normal()));
}

#[tokio::test(start_paused = true)]
async fn a_call_gives_up_in_time_and_names_the_limit() {
    let node = node().await;
    let silent = node.port(|_: &mut Context<'_>, _: Message| ());
    let error = node
        .call::<()>(&silent, ("hi",))
        .within(Duration::from_secs(3))
        .await
        .unwrap_err();
    assert!(
        error.to_string().ends_with("did not answer within 3s"),
        "{error}"
    );
}

#[tokio::test]
async fn an_answer_of_another_type_is_an_error_that_says_so() {
    let node = node().await;
    let echo =
        node.port_of(routes().on("get", |cx, (reply,): (PortId,)| cx.send(&reply, ("text",))));
    let error = soon(node.call::<(i64,)>(&echo, ("get",)))
        .await
        .unwrap_err();
    let error = aemp_core::Report(&error).to_string();
    assert!(
        error.contains("does not fit") && error.contains("text"),
        "{error}"
    );
}

#[tokio::test]
async fn a_spawned_port_can_be_used_at_once() {
    let node = node().await;
    node.offer("pool::worker", |_node, (name,): (String,)| {
        routes().on("who", move |cx, (reply,): (PortId,)| {
            cx.send(&reply, (name.as_str(),))
        })
    });
    let worker = node.spawn(node.id(), "pool::worker", ("w1",)).unwrap();
    let (name,): (String,) = soon(node.call(&worker, ("who",))).await.unwrap();
    assert_eq!(name, "w1");

    for (function, arguments) in [("pool::worker", ("w1", 2)), ("no::such", ("w1", 2))] {
        let lost = node.spawn(node.id(), function, arguments).unwrap();
        assert_eq!(soon(node.gone(&lost)).await.kind(), Some("no_such_port"));
    }
}

#[tokio::test]
async fn a_port_starts_before_its_first_message_and_may_fail_to() {
    let node = node().await;
    let mut inbox = node.inbox();
    node.offer("pool::worker", |_node, (manager,): (PortId,)| {
        let to = manager.clone();
        routes()
            .on("work", move |cx, ()| cx.send(&to, ("worked",)))
            .on_start(move |cx| cx.send(&manager, ("ready", cx.id())))
    });
    let worker = node
        .spawn(node.id(), "pool::worker", (inbox.id(),))
        .unwrap();
    node.send(&worker, ("work",));
    let (tag, id): (String, PortId) = soon(inbox.recv()).await.unwrap().parse().unwrap();
    assert_eq!((tag.as_str(), id), ("ready", worker));
    let (tag,): (String,) = soon(inbox.recv()).await.unwrap().parse().unwrap();
    assert_eq!(tag, "worked");

    for fail in [false, true] {
        let to = inbox.id().clone();
        let port = routes()
            .otherwise(move |cx, _| cx.send(&to, ("received",)))
            .on_start(move |_| match fail {
                true => Err(reason!["no_paper", 7]),
                false => panic!("no ink"),
            });
        let port = node.port_of(port);
        node.send(&port, ("work",));
        assert_eq!(soon(node.gone(&port)).await.kind(), Some("no_such_port"));
    }
    assert!(inbox.try_recv().is_none());
}

#[tokio::test]
async fn a_named_port_keeps_its_name_until_it_dies() {
    let node = node().await;
    let log = node.port_named("log", |_, _| ()).unwrap();
    assert_eq!(log.to_string(), "n#log");
    let taken = node.port_named("log", |_, _| ()).unwrap_err();
    assert!(matches!(&taken, NameError::Taken { name, .. } if name.as_str() == "log"));
    assert!(taken.to_string().contains("\"log\""), "{taken}");
    let taken = node.port_of_named("log", routes()).unwrap_err();
    assert!(matches!(taken, NameError::Taken { .. }));
    let empty = node.port_named("", |_, _| ()).unwrap_err();
    assert_eq!(empty, NameError::Empty);
    let gone = node.gone(&log);
    node.kill(&log, Reason::normal());
    soon(gone).await;
    node.port_named("log", |_, _| ()).unwrap();
}

#[tokio::test]
async fn the_node_port_answers_requests_from_here_too() {
    let node = node().await;
    let own = PortId::from(node.id().clone());
    let (now,): (f64,) = soon(node.call(&own, ("time",))).await.unwrap();
    assert!(now > 1.7e9);
    let (yes,): (String,) = soon(node.call(&own, ("can", "snd"))).await.unwrap();
    let (no,): (String,) = soon(node.call(&own, ("can", "fly"))).await.unwrap();
    assert_eq!((&*yes, &*no), ("1", ""));
    let (error,): (String,) = soon(node.call(&own, ("eval", "1 + 1"))).await.unwrap();
    assert_eq!(error, "this node evaluates no code");
    let answer: Values = soon(node.call(&own, ("eval", "AnyEvent::MP::Kernel::up_nodes")))
        .await
        .unwrap();
    assert_eq!(*answer, [Value::from("")]);
    node.offer_function("log::line", |node, (to, text): (PortId, String)| {
        node.send(&to, (text,))
    });
    let mut inbox = node.inbox();
    node.send(&own, ("log::line", inbox.id(), "hello"));
    assert_eq!(
        soon(inbox.recv()).await.unwrap().tag().as_deref(),
        Some("hello")
    );
}

#[tokio::test]
async fn an_inbox_can_be_bounded_by_messages_and_may_drop_instead_of_die() {
    let node = node().await;
    let mut strict = node.inbox_with(|bounds| bounds.messages = 3);
    let mut lossy = node.inbox_with(|bounds| {
        bounds.messages = 3;
        bounds.overflow = aemp_core::Overflow::DropNewest;
    });
    let (strict_gone, mut lossy_gone) = (node.gone(strict.id()), pin!(node.gone(lossy.id())));
    for n in 0..10 {
        node.send(strict.id(), (n,));
        node.send(lossy.id(), (n,));
    }
    assert_eq!(soon(strict_gone).await, reason!["inbox_full", 3]);
    let (mut taken, mut kept) = (Vec::new(), Vec::new());
    while let Some(message) = soon(strict.recv()).await {
        taken.push(message.parse::<(i32,)>().unwrap().0);
    }
    // The last of ten was dropped, so all were handled.
    while lossy.dropped() < 7 {
        tokio::task::yield_now().await;
    }
    while let Some(message) = lossy.try_recv() {
        kept.push(message.parse::<(i32,)>().unwrap().0);
    }
    assert_eq!((taken, kept), (vec![0, 1, 2], vec![0, 1, 2]));
    node.send(lossy.id(), (11,));
    let (n,): (i32,) = soon(lossy.recv()).await.unwrap().parse().unwrap();
    assert_eq!((n, lossy.dropped()), (11, 7));
    let still = tokio::time::timeout(Duration::ZERO, &mut lossy_gone).await;
    assert!(
        still.is_err(),
        "no monitor tells of what a lossy inbox drops"
    );
}

#[tokio::test]
async fn a_node_lists_its_ports_and_what_they_are_at() {
    // With more, a request from one port to another may still be in flight.
    let node = LocalNode::builder()
        .id("n")
        .configure(|config| config.shards = 1);
    let node = node.start().await.unwrap();
    let inbox = node.inbox();
    let busy = routes()
        .on("work", |cx, ()| cx.spawn(std::future::pending::<()>()))
        .on_start({
            let watched = inbox.id().clone();
            move |cx| cx.monitor(&watched, |_: Reason| ())
        });
    let busy = node.port_of_named("busy", busy).unwrap();
    for _ in 0..3 {
        node.send(&busy, ("work",));
        node.send(inbox.id(), ("wait",));
    }
    let _watch = node.monitor(&busy, |_: Reason| ());
    // The first list comes before what the port asks of the inbox as it starts.
    soon(node.ports()).await;
    let ports = soon(node.ports()).await;
    let find = |id: &PortId| ports.iter().find(|port| port.name == *id.port()).unwrap();
    let (at_work, waiting) = (find(&busy), find(inbox.id()));
    let counts = (at_work.messages, at_work.queued, at_work.watchers);
    assert_eq!((counts, at_work.tasks, at_work.monitors), ((3, 0, 1), 3, 1));
    let counts = (waiting.messages, waiting.queued, waiting.watchers);
    assert_eq!((counts, waiting.tasks, waiting.monitors), ((3, 3, 1), 0, 0));
    // The third is the node port, whose name comes first.
    assert_eq!((ports.len(), ports[0].name.as_str()), (3, ""));
    node.clone().shutdown().await;
    assert!(soon(node.ports()).await.is_empty());
}

#[tokio::test]
async fn a_full_inbox_kills_its_port_and_its_monitors_fire() {
    let node = LocalNode::builder()
        .id("n")
        .configure(|c| c.inbox_limit = 10_000)
        .start()
        .await
        .unwrap();
    let mut inbox = node.inbox();
    let gone = node.gone(inbox.id());
    for _ in 0..200 {
        node.send(inbox.id(), ("x".repeat(100),));
    }
    assert_eq!(soon(gone).await, reason!["inbox_full", 10_000]);
    // The messages before the end are an exact prefix.
    let mut received = 0;
    while soon(inbox.recv()).await.is_some() {
        received += 1;
    }
    assert!((1..100).contains(&received), "{received}");
}

#[tokio::test]
async fn a_stopped_node_ends_inboxes_and_calls() {
    let node = node().await;
    let mut inbox = node.inbox();
    let silent = node.port(|_: &mut Context<'_>, _: Message| ());
    let call = tokio::spawn(node.call::<()>(&silent, ("hi",)).into_future());
    node.clone().shutdown().await;
    assert!(soon(inbox.recv()).await.is_none());
    assert!(soon(call).await.unwrap().is_err());
}

#[tokio::test]
async fn a_node_asked_to_ask_itself_again_and_again_does_not() {
    let node = node().await;
    let own = PortId::from(node.id().clone());
    let chain: Vec<Value> = ["snd", "n"]
        .into_iter()
        .cycle()
        .take(20_000)
        .map(Value::from)
        .collect();
    node.send(&own, chain);
    let (now,): (f64,) = soon(node.call(&own, ("time",))).await.unwrap();
    assert!(now > 0.0);
}

#[tokio::test]
async fn a_monitor_of_the_own_node_fires_only_when_it_stops() {
    let node = node().await;
    let mut gone = std::pin::pin!(node.gone(node.id()));
    let own = PortId::from(node.id().clone());
    soon(node.call::<(f64,)>(&own, ("time",))).await.unwrap();
    tokio::select! {
        biased;
        why = &mut gone => panic!("fired: {why}"),
        () = std::future::ready(()) => {}
    }
    node.clone().shutdown().await;
    assert_eq!(
        soon(gone).await,
        reason!["transport_error", "n", "node stopped"]
    );
}

#[tokio::test]
async fn a_future_on_a_port_has_its_reason_before_anything_sent_after_the_loss() {
    let builder = LocalNode::builder().id("n");
    let builder = builder.configure(|config| config.queue_limit = 1000);
    let node = builder.start().await.unwrap();
    let elsewhere: PortId = "elsewhere#p".parse().unwrap();
    let port = node.port_of(routes().on("go", move |cx, (reply,): (PortId,)| {
        let mut gone = pin!(cx.node().gone(&elsewhere));
        // More than may wait for a connection: these are lost, and later ones may arrive.
        cx.send(&elsewhere, ("x".repeat(2000),));
        let told = gone
            .as_mut()
            .poll(&mut task::Context::from_waker(Waker::noop()));
        cx.send(&reply, (told.is_ready(),));
    }));
    let (told,): (bool,) = soon(node.call(&port, ("go",))).await.unwrap();
    assert!(told);
}
