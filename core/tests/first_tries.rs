//! What a newcomer tries first, which has to work as it is written.
#![allow(clippy::unwrap_used)]

use std::error::Error;
use std::fmt;
use std::time::Duration;

use aemp_core::{
    Kill, LocalNode, Notify, Outcome, PortId, PortRef, Reason, Report, SendError, reason, routes,
};

async fn node() -> LocalNode {
    LocalNode::builder().id("n").start().await.unwrap()
}

async fn soon<T>(future: impl IntoFuture<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(60), future.into_future())
        .await
        .expect("within a minute")
}

#[tokio::test]
async fn a_closure_needs_no_types_of_its_arguments() {
    let node = node().await;
    let mut inbox = node.inbox();
    let to = inbox.id().clone();
    let forward = node.port(move |cx, message| cx.send(&to, message));
    let (to, other) = (inbox.id().clone(), forward.clone());
    let named = node.port_named("named", move |cx, message| -> anyhow::Result<()> {
        let (n,): (u32,) = message.parse()?;
        let other = other.clone();
        let made = cx.port(move |cx, message| cx.send(&other, message));
        cx.send(&made, (n + 1,));
        cx.send(&to, (n,));
        Ok(())
    });
    node.send(named.unwrap(), (1,));
    let mut seen = [0, 0];
    for place in &mut seen {
        (*place,) = soon(inbox.recv()).await.unwrap().parse().unwrap();
    }
    seen.sort_unstable();
    assert_eq!(seen, [1, 2]);
}

#[tokio::test]
async fn a_fallback_of_routes_needs_no_types_of_its_arguments() {
    let node = node().await;
    let mut inbox = node.inbox();
    let to = inbox.id().clone();
    let port = node.port_of(routes().otherwise(move |cx, message| cx.send(&to, message)));
    node.send(&port, ("any", 1));
    let message = soon(inbox.recv()).await.unwrap();
    assert_eq!(message.tag().as_deref(), Some("any"));
}

#[tokio::test]
async fn a_text_names_a_port() {
    let node = node().await;
    let echo = routes().answer("echo", |_, (n,): (u32,)| n);
    let echo = node.port_of_named("echo", echo).unwrap();
    let mut inbox = node.inbox();
    let me = inbox.id().to_string();
    node.send(&me, (1,));
    node.try_send(me.clone(), (2,)).unwrap();
    node.send_after(Duration::ZERO, &me, (3,)).detach();
    for n in 1..=3 {
        assert_eq!(soon(inbox.recv()).await.unwrap().parse(), Ok((n,)));
    }
    let n: u32 = soon(node.call("n#echo", ("echo", 7))).await.unwrap();
    assert_eq!(n, 7);
    let typed: PortRef<(String, u32, PortId)> = PortRef::unchecked(echo.clone());
    node.send(&typed, ("echo", 8, inbox.id()));
    assert_eq!(soon(inbox.recv()).await.unwrap().parse(), Ok((8,)));
    node.offer("made", |_: &LocalNode, ()| {
        routes().answer("who", |cx, ()| cx.id())
    });
    for at in ["n", "n#echo"] {
        let made = node.spawn(at, "made", ()).unwrap();
        let who: PortId = soon(node.call(&made, ("who",))).await.unwrap();
        assert_eq!(who, made);
    }
    let _killed = node.monitor("n#echo", Kill(inbox.id()));
    let gone = [node.gone("n#echo"), node.gone(inbox.id())];
    node.kill("n#echo", reason!["enough"]);
    for gone in gone {
        assert_eq!(soon(gone).await, reason!["enough"]);
    }
    assert_eq!(node.stats().misaddressed, 0);
}

#[tokio::test]
async fn a_text_that_is_no_port_id_is_in_the_error() {
    let node = node().await;
    let wrong = "no spaces#shelf";
    let why =
        r#"message to "no spaces#shelf" not sent: "no spaces" is no node ID: it has white space"#;
    let error = node.try_send(wrong, ("put", 1)).unwrap_err();
    assert!(matches!(&error, SendError::NoPortId { to, .. } if to == wrong));
    let error = Report(&error).to_string();
    assert!(error.starts_with(why), "{error}");
    let error = soon(node.call::<()>(wrong, ("get",))).await.unwrap_err();
    let error = Report(&error).to_string();
    assert!(error.starts_with(why), "{error}");
    let error = node.spawn("no spaces", "made", ()).unwrap_err();
    assert!(matches!(error, SendError::NoPortId { .. }), "{error}");
    assert_eq!(node.stats().misaddressed, 3);
}

#[tokio::test]
async fn a_text_that_is_no_port_id_is_counted_where_there_is_no_error_and_fires_monitors() {
    let node = node().await;
    node.send("", ("put", 1));
    node.kill("a b#c", reason!["enough"]);
    node.send_after(Duration::ZERO, "a,b", ()).detach();
    node.send_every(Duration::from_millis(1), "a;b", ())
        .detach();
    assert_eq!(node.stats().misaddressed, 4);
    let why = "a b#c";
    let no_such_port = |reason: &Reason| {
        assert!(reason.is_no_such_port(), "{reason}");
        assert_eq!(reason.values()[2].as_str(), Some(why));
    };
    no_such_port(&soon(node.gone(why)).await);
    let (tell, told) = tokio::sync::oneshot::channel();
    let guard = node.monitor(why, move |reason| tell.send(reason).unwrap());
    no_such_port(&soon(told).await.unwrap());
    drop(guard);
    let mut inbox = node.inbox();
    let _guard = node.monitor(why, Notify(inbox.id(), ("gone",)));
    let told = soon(inbox.recv()).await.unwrap().into_values().unwrap();
    no_such_port(&told.into_iter().skip(1).collect());
    let linked = node.port(|_, _| ());
    let gone = node.gone(&linked);
    let _link = node.link(why, &linked);
    no_such_port(&soon(gone).await);
    let linked = node.port_of(routes().on_start(move |cx| cx.link(why)));
    let gone = soon(node.gone(&linked)).await;
    assert!(gone.is_no_such_port(), "{gone}");
}

/// An error with a source: what has failed, and why.
#[derive(Debug)]
struct Failed(&'static str, Box<dyn Error + Send + Sync>);

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl Error for Failed {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        Some(&*self.1)
    }
}

fn save() -> Result<(), Failed> {
    let write = Failed("cannot write", "the disk is full".into());
    Err(Failed("cannot save", write.into()))
}

/// The reason of a port whose handler, and of one whose future returns what `fail` does.
async fn reasons<R: Outcome>(fail: impl Fn() -> R + Clone + Send + 'static) -> [Reason; 2] {
    let node = node().await;
    let later = fail.clone();
    let handler = node.port_of(routes().on("fail", move |_, ()| fail()));
    let future = node.port_of(routes().on("fail", move |cx, ()| {
        let later = later.clone();
        cx.spawn(async move { later() });
    }));
    let gone = [&handler, &future].map(|port| node.gone(port));
    node.send(&handler, ("fail",));
    node.send(&future, ("fail",));
    let [handler, future] = gone;
    [soon(handler).await, soon(future).await]
}

#[tokio::test]
async fn a_handler_and_a_future_fail_with_any_error_and_keep_its_sources() {
    let why = reason!["die", "cannot save: cannot write: the disk is full"];
    let both = [why.clone(), why];
    assert_eq!(reasons(save).await, both);
    assert_eq!(reasons(|| save().map_err(Reason::from)).await, both);
    let boxed = || -> Result<(), Box<dyn Error + Send + Sync>> { Ok(save()?) };
    assert_eq!(reasons(boxed).await, both);
    let anyhow = || -> anyhow::Result<()> { Ok(save()?) };
    assert_eq!(reasons(anyhow).await, both);
    let context = || anyhow::Context::context(save(), "no backup");
    let text = "no backup: cannot save: cannot write: the disk is full";
    assert_eq!(reasons(context).await[0], reason!["die", text]);
}

#[tokio::test]
async fn a_handler_and_a_future_fail_with_a_text_or_a_reason() {
    let both = |why: Reason| [why.clone(), why];
    let no_paper = both(reason!["die", "no paper"]);
    assert_eq!(reasons(|| Err::<(), _>("no paper")).await, no_paper);
    assert_eq!(
        reasons(|| Err::<(), _>("no paper".to_owned())).await,
        no_paper
    );
    let question = || -> anyhow::Result<()> { anyhow::bail!("no paper") };
    assert_eq!(reasons(question).await, no_paper);
    let exact = reason!["out_of_paper", 2];
    assert_eq!(
        reasons(|| Err::<(), _>(reason!["out_of_paper", 2])).await,
        both(exact)
    );
}

#[tokio::test]
async fn a_source_that_the_error_has_said_is_not_repeated() {
    #[derive(Debug)]
    struct Twice(std::num::ParseIntError);
    impl fmt::Display for Twice {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "not a page: {}", self.0)
        }
    }
    impl Error for Twice {
        fn source(&self) -> Option<&(dyn Error + 'static)> {
            Some(&self.0)
        }
    }
    let why = "not a page: invalid digit found in string";
    let fail = || "x".parse::<u32>().map(drop).map_err(Twice);
    assert_eq!(reasons(fail).await[0], reason!["die", why]);
}

#[tokio::test]
async fn the_monitor_of_a_text_that_names_no_port_does_not_run_after_its_guard() {
    let node = LocalNode::builder().id("n").start().await.unwrap();
    for text in ["#", "#shelf"] {
        let (ran, runs) = std::sync::mpsc::channel();
        drop(node.monitor(text, move |_| ran.send(()).unwrap()));
        assert_eq!(node.monitor(text, |_| ()).detach(), ());
        node.ports().await;
        // Dropped with the action, which has not run.
        assert!(runs.recv().is_err());
    }
}
