//! AnyEvent::MP nodes as peers, scripted: their values as ports of ours get them, and what does not go back to them.

use std::collections::HashMap;
use std::time::Duration;

use aemp::{Context, Message, PortId, SendError, Value, reason, routes};

use crate::common::{linked, node, soon};
use crate::failures::Scene;
use crate::stranger::Stranger;

/// A Perl node `perl` that is connected to `a`.
async fn perl(scene: &Scene, framing: &str) -> Stranger {
    let perl = Stranger::join_as_perl(framing, &scene.network, "a", "perl").await;
    linked(&scene.a, "perl").await;
    perl
}

#[tokio::test]
async fn the_greatest_double_that_perl_writes_is_one_and_from_others_an_error() {
    let scene = Scene::new(|_| ()).await;
    let mut inbox = scene.a.inbox();
    let name = inbox.id().port().clone();
    let floats = "1.79769313486232e+308,-1.79769313486232e+308,1.8e+308,-1e999,0.333333333333333";
    let message = format!(r#"["{name}",{floats}]"#);
    let mut perl = perl(&scene, "json").await;
    perl.send(message.as_bytes()).await;
    type Floats = (f64, f64, f64, f64, f64);
    let came: Floats = soon(inbox.recv()).await.unwrap().parse().unwrap();
    let infinity = f64::INFINITY;
    let expected = (f64::MAX, f64::MIN, infinity, -infinity, 0.333333333333333);
    assert_eq!(came, expected);
    // What a port sends back of them is the same number to Perl.
    let port: PortId = "perl#port".parse().unwrap();
    scene.a.send(&port, (came.0,));
    perl.until(r#"["port",1.7976931348623157e+308]"#).await;

    let mut other = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    let gone = scene.a.gone("x");
    other.send(message.as_bytes()).await;
    other.closed().await;
    let why = soon(gone).await.to_string();
    assert!(
        why.contains("the float 1.79769313486232e+308 is out of range"),
        "{why}"
    );
    scene.undisturbed().await;
}

/// A CBOR message as Perl writes it: texts that were never marked as such are byte strings.
fn cbor(elements: &[&[u8]]) -> Vec<u8> {
    let mut message = vec![0x80 | elements.len() as u8];
    elements.iter().for_each(|element| message.extend(*element));
    message
}

/// A byte string of less than 256 bytes.
fn bytes(content: impl AsRef<[u8]>) -> Vec<u8> {
    let content = content.as_ref();
    [&[0x58, content.len() as u8], content].concat()
}

/// A text of less than 24 bytes.
fn text(content: &str) -> Vec<u8> {
    [&[0x60 | content.len() as u8], content.as_bytes()].concat()
}

#[tokio::test]
async fn a_port_gets_latin_1_text_and_numbers_as_its_types_say_over_either_codec() {
    let scene = Scene::new(|_| ()).await;
    let mut inbox = scene.a.inbox();
    let to = inbox.id().clone();
    type Order = (String, i64, f64, HashMap<String, String>);
    let counter = scene.a.port_of_named(
        "caf\u{e9}",
        routes().on("th\u{e9}", move |cx, (what, n, x, more): Order| {
            cx.send(&to, (what, n, x, more["\u{e9}"].as_str()));
        }),
    );
    counter.unwrap();
    let expected = ("42".to_owned(), 42, 1.5, "\u{e8}".to_owned());

    let mut json = Stranger::join_as_perl("json", &scene.network, "a", "perljson").await;
    json.send(
        "[\"caf\u{e9}\",\"th\u{e9}\",42,\"42.0\",\"1.5\",{\"\u{e9}\":\"\u{e8}\"}]".as_bytes(),
    )
    .await;
    let came: (String, i64, f64, String) = soon(inbox.recv()).await.unwrap().parse().unwrap();
    assert_eq!(came, expected);

    let mut cbor_peer = perl(&scene, "cbor").await;
    let map = [&[0xa1][..], &bytes(b"\xe9"), &bytes(b"\xe8")].concat();
    let message = [
        &bytes(b"caf\xe9"),
        &bytes(b"th\xe9"),
        &vec![0x18, 42],
        &bytes("42.0"),
        &bytes("1.5"),
        &map,
    ];
    let message = cbor(&message.map(|element| &element[..]));
    cbor_peer.send(&message).await;
    let came: (String, i64, f64, String) = soon(inbox.recv()).await.unwrap().parse().unwrap();
    assert_eq!(came, expected);
    scene.undisturbed().await;
}

#[tokio::test]
async fn what_a_port_does_not_look_into_goes_back_to_perl_as_it_came() {
    let scene = Scene::new(|_| ()).await;
    let back: PortId = "perl#back".parse().unwrap();
    let echo = scene.a.port(move |cx: &mut Context<'_>, message: Message| {
        cx.send(&back, message);
    });
    let mut perl = perl(&scene, "cbor").await;
    let elements = [
        &b"\x44caf\xe9"[..],
        b"\x45caf\xc3\xa9",
        b"\xa1\x41\xff\x81\x42\xc3\x28",
        b"\xd9\x56\x52\x01",
    ];
    let name = bytes(echo.port().as_str());
    perl.send(&cbor(&[&[&name[..]], &elements[..]].concat()))
        .await;
    perl.until(cbor(&[&[&text("back")[..]], &elements[..]].concat()))
        .await;
    scene.undisturbed().await;
}

#[tokio::test]
async fn requests_of_a_perl_node_name_ports_and_give_arguments_in_latin_1_and_any_kind() {
    let scene = Scene::new(|_| ()).await;
    let mut inbox = scene.a.inbox();
    let to = inbox.id().clone();
    scene
        .a
        .offer("caf\u{e9}::serve", move |node, (name, n): (String, i64)| {
            node.send(&to, (name, n));
            |_: &mut Context<'_>, _: Message| ()
        });
    let mut perl = perl(&scene, "cbor").await;
    let node_port = bytes("");
    // Spawning: the function and the port have Latin-1 names, the arguments are of the other kind.
    let message = [
        &node_port,
        &bytes("AnyEvent::MP::_spawn"),
        &bytes(b"p\xe9"),
        &bytes(b"caf\xe9::serve"),
        &bytes(b"\xe8"),
        &bytes("7"),
    ];
    perl.send(&cbor(&message.map(|element| &element[..]))).await;
    let came: (String, i64) = soon(inbox.recv()).await.unwrap().parse().unwrap();
    assert_eq!(came, ("\u{e8}".to_owned(), 7));

    // Monitoring and killing: the port is known by that name, and people can read the reason.
    let port: PortId = "a#p\u{e9}".parse().unwrap();
    let gone = scene.a.gone(&port);
    let kill = [
        &node_port,
        &bytes("kil1"),
        &bytes(b"p\xe9"),
        &bytes("die"),
        &bytes(b"caf\xe9"),
    ];
    perl.send(&cbor(&kill.map(|element| &element[..]))).await;
    assert_eq!(soon(gone).await, reason!["die", "caf\u{e9}"]);

    // Relaying to a port here.
    let relay = [
        &node_port,
        &bytes("snd"),
        &bytes(inbox.id().to_string()),
        &bytes(b"\xe9"),
        &bytes("1e3"),
    ];
    perl.send(&cbor(&relay.map(|element| &element[..]))).await;
    let came: (String, i64) = soon(inbox.recv()).await.unwrap().parse().unwrap();
    assert_eq!(came, ("\u{e9}".to_owned(), 1000));
    scene.undisturbed().await;
}

#[tokio::test]
async fn what_a_perl_node_has_relayed_is_to_another_what_it_was() {
    let scene = Scene::new(|_| ()).await;
    let mut perl = perl(&scene, "cbor").await;
    let mut other = Stranger::join_as_perl("cbor", &scene.network, "a", "other").await;
    linked(&scene.a, "other").await;
    let elements = [&b"\x45caf\xc3\xa9"[..], b"\x44caf\xe9", b"\x63\xe2\x98\xba"];
    let front = [bytes(""), bytes("snd"), bytes("other#port")];
    let front = front.each_ref().map(|element| &element[..]);
    perl.send(&cbor(&[&front[..], &elements[..]].concat()))
        .await;
    other
        .until(cbor(&[&[&text("port")[..]], &elements[..]].concat()))
        .await;
    // A node of ours gets text where that is wanted.
    let mut inbox = scene.b.inbox();
    let front = [bytes(""), bytes("snd"), bytes(inbox.id().to_string())];
    let front = front.each_ref().map(|element| &element[..]);
    perl.send(&cbor(&[&front[..], &[b"\x45caf\xc3\xa9"]].concat()))
        .await;
    let came: (String,) = soon(inbox.recv()).await.unwrap().parse().unwrap();
    assert_eq!(came.0, "caf\u{e9}");
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn what_would_deafen_a_perl_node_does_not_go_out_and_its_link_stands() {
    let scene = Scene::new(|_| ()).await;
    let mut perl = perl(&scene, "cbor").await;
    let port: PortId = "perl#port".parse().unwrap();
    let deaf = |tag, content: Value| Value::Tag(tag, Box::new(content));
    let bad = vec![Value::from("x"), deaf(25, 7.into())];
    let Err(SendError::Encode { error, .. }) = scene.a.try_send(&port, ("tag", bad.clone())) else {
        panic!("it was sent");
    };
    let says = "element 1 at [1] holds the tag 25 around 7, which the peer cannot read";
    assert_eq!(error.to_string(), says);

    // A relay of another node's is dropped, counted and logged.
    let relay: PortId = "a#".parse().unwrap();
    for value in [Value::from(bad), deaf(1, "noon".into()), deaf(1, 0.into())] {
        scene.b.send(&relay, ("snd", port.to_string(), value));
    }
    perl.until(cbor(&[&text("port"), b"\xc1\x00"])).await;
    let links = scene.a.stats().connections;
    let link = links.iter().find(|link| link.info.peer() == "b");
    assert_eq!(link.map(|link| link.refused), Some(2));
    let lines = scene
        .log
        .with(&["not passed on", "from=b", "the tag 25 around 7"]);
    assert_eq!(lines.len(), 1, "{lines:?}");

    // What the node itself sends says it in another way.
    let here = scene.a.port(|_: &mut Context<'_>, _: Message| ());
    let name = bytes(here.port().as_str());
    perl.send(&cbor(&[&bytes(""), &bytes("mon1"), &name])).await;
    // The watch has come when this is answered.
    perl.send(&cbor(&[
        &bytes(""),
        &bytes("snd"),
        &bytes("perl#"),
        &bytes(""),
    ]))
    .await;
    perl.until(cbor(&[&text(""), &text("")])).await;
    scene.a.kill(&here, reason!["why", deaf(0, "now".into())]);
    let name = text(here.port().as_str());
    let told = [
        &text(""),
        &text("kil0"),
        &name,
        &text("why"),
        &text(r#"0("now")"#),
    ];
    perl.until(cbor(&told.map(|element| &element[..]))).await;
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn what_waits_for_a_perl_node_that_cannot_read_it_fires_monitors() {
    let scene = Scene::new(|_| ()).await;
    let mut dialled = scene.network.accept_at("perl");
    let port: PortId = "perl#port".parse().unwrap();
    scene
        .a
        .set_peer_addresses(port.node(), ["mem:perl".parse().unwrap()]);
    let gone = scene.a.gone(&port);
    scene.a.send(&port, (Value::Tag(26, Box::default()),));
    let mut perl = Stranger::from(soon(dialled.recv()).await.unwrap());
    perl.greet_as_perl("perl", "cbor").await;
    let why = soon(gone).await;
    assert_eq!(why.kind(), Some("encode_error"));
    assert!(why.to_string().contains("the tag 26 around null"), "{why}");
}

#[tokio::test]
async fn its_trace_hears_of_no_node_that_nobody_can_connect_to() {
    let scene = Scene::new(|_| ()).await;
    let listens = node("c", &scene.network).bind("mem:c").seed("mem:a");
    let listens = listens.start().await.unwrap();
    let known = async {
        let at = || async { soon(scene.a.directory().family("'l")).await.unwrap() };
        while !at().await.contains_key("c") {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(known).await;
    let ask = br#"["","eval","AnyEvent::MP::Kernel::up_nodes","perl#r","a"]"#;
    let mut perl = perl(&scene, "json").await;
    perl.send(ask).await;
    perl.until(r#"["r","a","","c"]"#).await;
    // One of ours learns at once that the other cannot be reached.
    let mut other = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    let ask = br#"["","eval","AnyEvent::MP::Kernel::up_nodes","x#r","a"]"#;
    other.send(ask).await;
    other.until(r#"["r","a","","b","c","perl","x"]"#).await;
    drop(listens);
}

#[tokio::test(start_paused = true)]
async fn a_global_node_that_does_not_tell_what_it_holds_is_asked_again_and_then_comes_anew() {
    // Scripted peers give no sign of life.
    let scene = Scene::new(|config| config.liveness_check = false).await;
    let says = br#"["","g_global"]"#;
    let mut first = perl(&scene, "json").await;
    first.send(says).await;
    let found = br#"["","g_found","a",["mem:a"]]"#;
    for _ in 0..2 {
        first.until(r#"["","g_global"]"#).await;
        first.until(r#"["","g_find","a"]"#).await;
        first.send(found).await;
    }
    let gone = scene.a.gone("perl");
    first.closed().await;
    let why = soon(gone).await.to_string();
    assert!(why.contains("does not tell what it holds"), "{why}");

    // It tells on the next one, and that one stays.
    let mut second = perl(&scene, "json").await;
    second.send(says).await;
    second.send(br#"["","g_set",{"f":{"k":"v"}}]"#).await;
    second.until(r#"["","g_set","#).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    let held = soon(scene.b.directory().family("f")).await.unwrap();
    assert_eq!(held["k"], "v".into());
    assert_eq!(
        scene
            .a
            .connections()
            .iter()
            .filter(|link| link.is_perl())
            .count(),
        1
    );
    assert_eq!(scene.log.with(&["does not tell what it holds"]).len(), 2);
    scene.undisturbed().await;
}
