//! `Routes::answer` and `Routes::on_mismatch`: replies by return value, and ports that outlive what does not fit.

use aemp::{CallError, LocalNode, PortId, Reason, ReplyTo, Routes, Value, reason, routes};

use aemp::policy::{Rule, Rules};

use crate::common::*;
use crate::stranger::Stranger;

fn bank() -> Routes {
    let mut total = 0;
    routes()
        .answer("add", move |_, (n,): (i64,)| {
            total += n;
            total
        })
        .answer("names", |_, ()| ("first", "second"))
        .answer("divide", |_, (a, b): (u32, u32)| {
            a.checked_div(b).ok_or("divided by zero")
        })
        .answer("nothing", |_, ()| ())
        .on("broken", |_, ()| Err::<(), _>("no paper"))
}

fn forgiving() -> Routes {
    bank().on_mismatch(|cx, mismatch| mismatch.answer(cx))
}

/// Two nodes over `codec`, connected, and the port of one of them.
async fn pair(codec: &str, routes: Routes) -> (LocalNode, LocalNode, PortId) {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").start().await.unwrap();
    let b = node("b", &network).codecs([codec]).seed("mem:a");
    let b = b.start().await.unwrap();
    soon(b.joined()).await.unwrap();
    let port = a.port_of(routes);
    (a, b, port)
}

#[tokio::test]
async fn what_a_handler_returns_is_the_answer() {
    for codec in ["json", "cbor"] {
        let (a, b, bank) = pair(codec, bank()).await;
        for (node, expected) in [(&a, 41), (&b, 82)] {
            let total: i64 = soon(node.call(&bank, ("add", 41))).await.unwrap();
            assert_eq!(total, expected);
            let names: (String, String) = soon(node.call(&bank, ("names",))).await.unwrap();
            assert_eq!(names, ("first".into(), "second".into()));
            let divide = |a: u32, b: u32| node.call(&bank, ("divide", a, b));
            let quotient: Result<u32, String> = soon(divide(84, 2)).await.unwrap();
            assert_eq!(quotient, Ok(42));
            let quotient: Result<u32, String> = soon(divide(1, 0)).await.unwrap();
            assert_eq!(quotient, Err("divided by zero".into()));
            let () = soon(node.call(&bank, ("nothing",))).await.unwrap();
        }
    }
}

#[tokio::test]
async fn any_peer_is_answered_at_the_port_that_its_message_ends_with() {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").codecs(["json"]);
    let a = a.configure(|config| config.cleartext = true);
    let a = a.start().await.unwrap();
    a.port_of_named("bank", forgiving()).unwrap();
    let mut x = Stranger::join(&network, "a", "x").await;
    x.send(br#"["bank","add",7,"x#r"]["bank","names","x#r"]["bank","divide",1,0,"x#r"]"#)
        .await;
    x.until(r#"["r",7]"#).await;
    x.until(r#"["r","first","second"]"#).await;
    x.until(r#"["r","Err","divided by zero"]"#).await;
    x.send(br#"["bank","add","7","x#r"]["bank","remove",7,"x#r"]"#)
        .await;
    x.until(r#"["r","Err","die: element 1: expected i64, found text \"7\""]"#)
        .await;
    x.until(r#"["r","Err","unhandled_message: "#).await;
    // An answer to a node port would be a request of this node.
    x.send(br#"["bank","names","x"]["bank","remove","x"]["bank","remove"]["bank","add",1,"x#r"]"#)
        .await;
    let between = x.until(r#"["r",8]"#).await;
    assert!(
        !between.contains("first") && !between.contains("Err"),
        "{between}"
    );
}

#[tokio::test]
async fn what_does_not_fit_an_answering_handler_kills_the_port_and_fails_the_call() {
    for (message, why) in [
        (
            vec![Value::from("add"), "much".into()],
            "element 1: expected i64",
        ),
        (vec!["add".into()], "element 1: expected i64, found text"),
        (
            vec!["add".into(), 1.into(), 2.into()],
            "element 2: expected",
        ),
    ] {
        let (a, b, bank) = pair("json", bank()).await;
        let gone = a.gone(&bank);
        let message = message.into_iter().collect::<aemp::Message>();
        let called: Result<i64, _> = soon(b.call(&bank, message)).await;
        let Err(CallError::Gone { reason, .. }) = called else {
            panic!("{called:?}");
        };
        assert!(reason.to_string().contains(why), "{reason}");
        assert_eq!(soon(gone).await, reason);
    }
}

#[tokio::test]
async fn a_port_that_answers_what_does_not_fit_fails_the_call_at_once_and_lives_on() {
    for codec in ["json", "cbor"] {
        let (a, b, bank) = pair(codec, forgiving()).await;
        let mut total = 0;
        for node in [&a, &b] {
            for (message, kind, text) in [
                (("add", Value::from("much")), "die", "found text \"much\""),
                (("remove", Value::from(1)), "unhandled_message", "remove"),
            ] {
                let called: Result<i64, _> = soon(node.call(&bank, message)).await;
                let Err(CallError::Gone { reason, .. }) = called else {
                    panic!("{called:?}");
                };
                assert_eq!(reason.kind(), Some(kind));
                assert!(reason.to_string().contains(text), "{reason}");
            }
            // An inbox is no reply port, so it is sent the error.
            let mut inbox = node.inbox();
            node.send(&bank, ("add", "much", inbox.id()));
            let answer = soon(inbox.recv()).await.unwrap();
            let answer: Result<i64, String> = answer.parse().unwrap();
            assert!(answer.unwrap_err().contains("found text \"much\""));
            node.send(&bank, ("remove",));
            total += 5;
            let now: i64 = soon(node.call(&bank, ("add", 5))).await.unwrap();
            assert_eq!(now, total);
        }
        // Its own errors still end it.
        let gone = b.gone(&bank);
        b.send(&bank, ("broken",));
        assert_eq!(soon(gone).await, reason!["die", "no paper"]);
    }
}

#[tokio::test]
async fn a_mismatch_says_what_it_is_and_a_fallback_takes_unknown_tags() {
    let (a, _b, _) = pair("cbor", bank()).await;
    let mut inbox = a.inbox();
    let (to, other) = (inbox.id().clone(), inbox.id().clone());
    let port = a.port_of(
        routes()
            .on("both", |_, (_, _): (i64, ReplyTo<i64>)| ())
            .otherwise(move |cx, message| cx.send(&other, ("other", message.tag())))
            .on_mismatch(move |cx, mismatch| {
                let at = mismatch.error().and_then(|error| error.element());
                cx.send(&to, ("mismatch", mismatch.message().tag(), at));
                Err::<(), Reason>(mismatch.reason())
            }),
    );
    let gone = a.gone(&port);
    a.send(&port, ("unknown", 1));
    a.send(&port, ("both", 1));
    let message = soon(inbox.recv()).await.unwrap();
    assert_eq!(
        message.parse(),
        Ok(("other".to_owned(), "unknown".to_owned()))
    );
    let message = soon(inbox.recv()).await.unwrap();
    let (_, tag, at): (String, String, Option<usize>) = message.parse().unwrap();
    assert_eq!((&*tag, at), ("both", None));
    assert!(soon(gone).await.is_failure());
}

#[tokio::test]
async fn an_answer_that_ends_a_call_needs_no_permission_to_kill_and_kills_no_port_that_is_no_call()
{
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").start().await.unwrap();
    let strict = Rules::new([Rule::new([])]);
    let b = node("b", &network).seed("mem:a").policy(strict);
    let b = b.start().await.unwrap();
    soon(b.joined()).await.unwrap();
    let port = a.port_of(forgiving());
    let called: Result<i64, _> = soon(b.call(&port, ("add", "much"))).await;
    assert!(matches!(called, Err(CallError::Gone { .. })), "{called:?}");
    // A port that only looks like the reply port of a call.
    let (sender, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let name = a.port_named("?mine", move |_, message: aemp::Message| {
        drop(sender.send(message))
    });
    a.send(&port, ("add", "much", name.unwrap()));
    let answer = soon(heard.recv()).await.unwrap();
    assert_eq!(answer.tag().as_deref(), Some("Err"));
}
