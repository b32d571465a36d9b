//! Typed ports: what they send is what any peer reads, what does not fit is said, and the compiler keeps the rest apart.

use aemp::{
    CallError, LocalNode, Message, PortId, PortRef, Reason, ReplyTo, Tell, Value, reason, routes,
};
use serde::{Deserialize, Serialize};
use tokio::io::DuplexStream;

use crate::common::*;
use crate::scripted::Stranger;

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Bank {
    Deposit { amount: u64 },
    Balance { reply: ReplyTo<u64> },
    Total(ReplyTo<u64>),
    Withdraw(u64, ReplyTo<Result<u64, String>>),
    Tell(PortRef<Notice>),
    Close,
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Notice {
    Closed(u64),
}

fn bank(node: &LocalNode) -> PortRef<Bank> {
    let mut total = 0;
    let mut notified: Vec<PortRef<Notice>> = Vec::new();
    let handle = move |cx: &mut aemp::Context<'_>, message: Bank| match message {
        Bank::Deposit { amount } => total += amount,
        Bank::Balance { reply } | Bank::Total(reply) => reply.send(cx, total),
        Bank::Withdraw(amount, reply) => {
            let enough = total.checked_sub(amount);
            if let Some(left) = enough {
                total = left;
            }
            reply.send(cx, enough.ok_or_else(|| format!("there are {total}")));
        }
        Bank::Tell(port) => notified.push(port),
        Bank::Close => {
            for port in &notified {
                cx.tell(port, Notice::Closed(total));
            }
            cx.stop(Reason::normal());
        }
    };
    node.typed_port_named("bank", handle).unwrap()
}

/// Two nodes over JSON and CBOR, connected.
async fn pair(codec: &str) -> (LocalNode, LocalNode) {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").start().await.unwrap();
    let b = node("b", &network).codecs([codec]).seed("mem:a");
    let b = b.start().await.unwrap();
    soon(b.joined()).await.unwrap();
    (a, b)
}

#[tokio::test]
async fn a_typed_port_is_told_and_asked_from_here_and_from_elsewhere() {
    for codec in ["json", "cbor"] {
        let (a, b) = pair(codec).await;
        let bank = bank(&a);
        for (node, so_far) in [(&a, 0), (&b, 5)] {
            node.tell(&bank, Bank::Deposit { amount: 7 });
            let balance = node.ask(&bank, |reply| Bank::Balance { reply });
            assert_eq!(soon(balance).await.unwrap(), so_far + 7);
            let withdraw = |amount| node.ask(&bank, move |reply| Bank::Withdraw(amount, reply));
            let refused = soon(withdraw(100)).await.unwrap();
            assert_eq!(refused, Err(format!("there are {}", so_far + 7)));
            assert_eq!(soon(withdraw(2)).await.unwrap(), Ok(so_far + 5));
        }
        assert_eq!(soon(b.ask(&bank, Bank::Total)).await.unwrap(), 10);
        let (told, closed) = tokio::sync::oneshot::channel();
        let mut told = Some(told);
        let notice = b.typed_port(move |_, notice: Notice| {
            told.take().unwrap().send(notice).unwrap();
        });
        b.try_tell(&bank, Bank::Tell(notice)).unwrap();
        let gone = b.gone(bank.id());
        b.tell(&bank, Bank::Close);
        assert_eq!(soon(closed).await.unwrap(), Notice::Closed(10));
        assert_eq!(soon(gone).await, Reason::normal());
    }
}

#[tokio::test]
async fn typed_and_untyped_ports_and_senders_understand_each_other() {
    let (a, b) = pair("json").await;
    let bank = bank(&a);
    // An untyped sender writes what the variants are on the wire.
    b.send(
        bank.id(),
        ("Deposit", std::collections::BTreeMap::from([("amount", 3)])),
    );
    let total: u64 = soon(b.call(bank.id(), ("Total",))).await.unwrap();
    assert_eq!(total, 3);
    // An untyped port reads what a typed sender writes, and answers it.
    let untyped = routes()
        .on("Deposit", |_, _: Value| ())
        .on("Total", |cx, reply: PortId| cx.send(&reply, (70,)));
    let untyped = PortRef::unchecked(a.port_of(untyped));
    b.tell(&untyped, Bank::Deposit { amount: 1 });
    assert_eq!(soon(b.ask(&untyped, Bank::Total)).await.unwrap(), 70);
}

#[tokio::test]
async fn what_goes_over_the_wire_is_an_ordinary_message_with_plain_port_ids() {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").codecs(["json"]);
    let a = a.configure(|config| config.cleartext = true);
    let a = a.start().await.unwrap();
    bank(&a);
    let mut x: Stranger<DuplexStream> = network.dial("a").unwrap().stream.into();
    x.prove("x", "json").await;
    x.send(br#"["bank","Deposit",{"amount":5}]["bank","Balance",{"reply":"x#r"}]["bank","Total","x#s"]"#)
        .await;
    x.until(r#"["r",5]"#).await;
    x.until(r#"["s",5]"#).await;
    x.send(br#"["bank","Withdraw",9,"x#t"]"#).await;
    x.until(r#"["t","Err","there are 5"]"#).await;
    // And from here to there.
    linked(&a, "x").await;
    let theirs: PortRef<Bank> = PortRef::unchecked("x#bank".parse().unwrap());
    a.tell(
        &theirs,
        Bank::Tell(PortRef::unchecked("a#me".parse().unwrap())),
    );
    x.until(r#"["bank","Tell","a#me"]"#).await;
    let answer = tokio::spawn(
        a.ask(&theirs, |reply| Bank::Balance { reply })
            .into_future(),
    );
    x.until(r#"["bank","Balance",{"reply":"a#"#).await;
    let name = x.until("\"").await;
    let name = name.trim_end_matches('"');
    x.send(format!(r#"["{name}","much"]"#).as_bytes()).await;
    let error = soon(answer).await.unwrap().unwrap_err();
    let CallError::Answer { error, .. } = error else {
        panic!("{error}");
    };
    assert_eq!(
        error.to_string(),
        r#"element 0: expected u64, found text "much""#
    );
}

#[derive(Serialize, Deserialize, Debug, PartialEq)]
enum Job {
    Lost { worker: PortId, reason: Reason },
}

/// A typed port that passes on what it is told.
fn manager(node: &LocalNode) -> (PortRef<Job>, tokio::sync::mpsc::UnboundedReceiver<Job>) {
    let (told, jobs) = tokio::sync::mpsc::unbounded_channel();
    (
        node.typed_port(move |_, job: Job| drop(told.send(job))),
        jobs,
    )
}

#[tokio::test]
async fn a_monitor_tells_a_typed_port_in_its_own_words() {
    let (a, b) = pair("json").await;
    // Here, and on another node; a codec that lacks an element of the reason refuses nothing.
    let (near, mut here) = manager(&a);
    let (far, mut there) = manager(&b);
    let worker = a.port(|_: &mut aemp::Context<'_>, _: Message| ());
    for manager in [&near, &far] {
        let lost = worker.clone();
        let tell = Tell(manager, |reason| Job::Lost {
            worker: lost,
            reason,
        });
        a.monitor(&worker, tell).detach();
    }
    let bytes = Value::from(bytes::Bytes::from_static(b"\xff"));
    let reason = reason!["out_of_paper", bytes];
    a.kill(&worker, reason.clone());
    let Some(Job::Lost {
        worker: lost,
        reason: why,
    }) = soon(here.recv()).await
    else {
        panic!("the port has ended");
    };
    assert_eq!((lost, why), (worker.clone(), reason));
    let expected = Job::Lost {
        worker: worker.clone(),
        reason: reason!["out_of_paper", "h'ff'"],
    };
    assert_eq!(soon(there.recv()).await, Some(expected));
    // The kinds of reasons can be told apart.
    let lost = worker.clone();
    let tell = Tell(&near, |reason| Job::Lost {
        worker: lost,
        reason,
    });
    let _watch = a.monitor(&worker, tell);
    let Some(Job::Lost { reason, .. }) = soon(here.recv()).await else {
        panic!("the port has ended");
    };
    assert!(
        reason.is_no_such_port() && !reason.is_transport_error(),
        "{reason}"
    );
    let gone = b.gone(near.id());
    soon(a.shutdown()).await;
    let reason = soon(gone).await;
    assert!(
        reason.is_transport_error() && !reason.is_normal(),
        "{reason}"
    );
}

#[tokio::test]
async fn a_message_that_does_not_fit_kills_the_port_with_what_was_expected_and_found() {
    let cases: [(Message, &str); 6] = [
        (
            Message::from_iter(["Borrow"]),
            r#"element 0: expected one of Deposit, Balance, Total, Withdraw, Tell, Close, found text "Borrow""#,
        ),
        (
            Message::from_iter([Value::from("Withdraw"), "five".into(), "a#r".into()]),
            r#"element 1: expected u64, found text "five""#,
        ),
        (
            Message::from_iter(["Total"]),
            "element 1: expected a tag and one element, found 1 element",
        ),
        (
            Message::from_iter([Value::from("Close"), 1.into()]),
            "expected 1 element, found 2 elements",
        ),
        // A reply to a node would be a request of this one.
        (
            Message::from_iter(["Total", "b"]),
            r#"element 1: "b" names a node and no port of it"#,
        ),
        (
            Message::from_iter([5]),
            "element 0: expected the name of a variant or a field, found integer 5",
        ),
    ];
    let network = Network::default();
    let node = node("a", &network).start().await.unwrap();
    for (message, says) in cases {
        let bank = bank(&node);
        let gone = node.gone(bank.id());
        // A port of another type is such a case.
        node.send(bank.id(), message);
        assert_eq!(soon(gone).await, reason!["unhandled_message", says]);
    }
}
