//! What a peer can do wrong, each provoked: the connection fails with a text that says what, and nobody else is
//! disturbed.

use std::time::Duration;

use aemp::codec::Limits;
use aemp::{Context, LocalNode, Message, PortId, Reason, reason, routes};

use crate::common::{Network, SECRET, linked, node, soon, until};
use crate::log::Log;
use crate::stranger::{Stranger, cleartext};

/// Node `a`, which takes clear text, and `b`, which is connected to it and does nothing wrong.
pub(crate) struct Scene {
    pub(crate) network: Network,
    pub(crate) a: LocalNode,
    pub(crate) b: LocalNode,
    echo: PortId,
    pub(crate) log: Log,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Scene {
    pub(crate) async fn new(change: impl FnOnce(&mut aemp::Config)) -> Self {
        let (log, guard) = Log::start();
        let network = Network::default();
        let a = node("a", &network).bind("mem:a").configure(|config| {
            config.cleartext = true;
            change(config);
        });
        let a = a.start().await.unwrap();
        let b = node("b", &network).seed("mem:a").start().await.unwrap();
        soon(b.joined()).await.unwrap();
        let echo = a.port_of(routes().on("echo", |cx, (n, reply): (u32, PortId)| {
            cx.send(&reply, (n,))
        }));
        let scene = Self {
            network,
            a,
            b,
            echo,
            log,
            _guard: guard,
        };
        scene.undisturbed().await;
        scene
    }

    /// `b` is still connected by its first connection, and is answered.
    pub(crate) async fn undisturbed(&self) {
        let (n,): (u32,) = soon(self.b.call(&self.echo, ("echo", 7))).await.unwrap();
        assert_eq!(n, 7);
        assert_eq!(self.b.connections()[0].generation(), 1);
    }

    /// The log has a refusal that says `parts`.
    fn refused(&self, parts: &[&str]) {
        let refusals = self.log.with(&["a connection was refused"]);
        let found = refusals
            .iter()
            .any(|line| parts.iter().all(|part| line.contains(part)));
        assert!(found, "{parts:?} is not in {refusals:#?}");
    }
}

#[tokio::test]
async fn a_bad_greeting_is_refused_and_the_log_says_what_was_wrong() {
    let scene = Scene::new(|_| ()).await;
    let long = format!("aemp;1;{};hmac_sha3_512;json\n", "x".repeat(5000));
    let cases: [(&str, &[&str]); 13] = [
        (
            "GET / HTTP/1.1\r\n\r\n",
            &["does not speak AEMP", "GET / HTTP"],
        ),
        (
            "aemp;2;x;hmac_sha3_512;json\nn\n",
            &["speaks version \"2\"", "speaks version \"1\" only"],
        ),
        ("aemp;1;x\nn\n", &["has 3 fields, expected at least 5"]),
        (
            "aemp;1;a b;hmac_sha3_512;json\nn\n",
            &["names no valid node", "a b"],
        ),
        (
            "aemp;1;;hmac_sha3_512;json\nn\n",
            &["names no valid node", "it is empty"],
        ),
        (
            "aemp;1;a;hmac_sha3_512;json\nn\n",
            &["which is this node's own ID"],
        ),
        (
            "aemp;1;x;hmac_md6_64_256;json\nn\n",
            &["no auth method in common", "\"x\"", "hmac_md6_64_256"],
        ),
        (
            "aemp;1;x;hmac_sha3_512;storable\nn\n",
            &["no codec in common", "\"x\"", "storable", "cbor,json"],
        ),
        (
            "aemp;1;x;hmac_sha3_512;json;role=a\nn\n",
            &["\"x\" says that it accepted this connection, and so did this node"],
        ),
        (
            "aemp;1;x;hmac_sha3_512;json;role=z\nn\n",
            &["sends role=\"z\""],
        ),
        (
            "aemp;1;x;hmac_sha3_512;json;peeraddr=127.0.0.1:1\nn\n",
            &[
                "\"x\" sees this node as",
                "127.0.0.1:1",
                "127.0.0.1:4040",
                "check_peeraddr",
            ],
        ),
        (
            "aemp-dataconn;1;x;hmac_sha3_512;json\nn\n",
            &["data connection"],
        ),
        (&long, &["longer than 4096 bytes"]),
    ];
    for (greeting, expected) in cases {
        let mut stranger = Stranger::dial(&scene.network, "a");
        stranger.send(greeting.as_bytes()).await;
        stranger.closed().await;
        scene.refused(expected);
        scene.undisturbed().await;
    }
}

#[tokio::test]
async fn who_echoes_our_greeting_is_refused() {
    let scene = Scene::new(|_| ()).await;
    let mut stranger = Stranger::dial(&scene.network, "a");
    let (greeting, nonce) = (stranger.line().await, stranger.line().await);
    stranger.send(format!("{greeting}{nonce}").as_bytes()).await;
    stranger.closed().await;
    scene.refused(&["sends our own nonce line back"]);
    scene.undisturbed().await;
}

#[tokio::test]
async fn a_bad_proof_is_refused_and_says_nothing_of_the_secret() {
    let scene = Scene::new(|_| ()).await;
    let right = cleartext(SECRET, "json");
    let cases: [(String, &[&str]); 7] = [
        (
            cleartext("not the secret at all", "json"),
            &["\"x\"", "secret"],
        ),
        (cleartext("", "json"), &["\"x\"", "secret"]),
        (
            right
                .to_uppercase()
                .replace("CLEARTEXT", "cleartext")
                .replace("JSON", "json"),
            &["\"x\"", "lower-case"],
        ),
        ("hmac_sha3_512;00;json".into(), &["\"x\"", "secret"]),
        ("tls_anon;;json".into(), &["\"x\"", "tls_anon"]),
        (cleartext(SECRET, "xml"), &["\"x\"", "xml"]),
        (
            "nonsense".into(),
            &["the auth line of \"x\" has 1 fields, expected at least 3"],
        ),
    ];
    for (proof, expected) in cases {
        let mut stranger = Stranger::dial(&scene.network, "a");
        stranger
            .send(format!("aemp;1;x;hmac_sha3_512;json\nn\n{proof}\n").as_bytes())
            .await;
        stranger.closed().await;
        scene.refused(expected);
        scene.undisturbed().await;
    }
    let hex = right.split(';').nth(1).unwrap();
    assert!(scene.log.with(&[SECRET]).is_empty() && scene.log.with(&[hex]).is_empty());
}

#[tokio::test]
async fn clear_text_is_refused_where_it_is_not_switched_on() {
    let scene = Scene::new(|config| config.cleartext = false).await;
    let mut stranger = Stranger::dial(&scene.network, "a");
    let lines = format!(
        "aemp;1;x;hmac_sha3_512;json\nn\n{}\n",
        cleartext(SECRET, "json")
    );
    stranger.send(lines.as_bytes()).await;
    assert!(!stranger.line().await.contains("cleartext"));
    stranger.closed().await;
    scene.refused(&["\"x\"", "cleartext"]);
}

#[tokio::test]
async fn a_wrong_secret_is_told_to_who_dials_as_well() {
    let scene = Scene::new(|_| ()).await;
    let dialer = node("wrong", &scene.network)
        .secret("another secret of enough bytes")
        .seed("mem:a");
    let dialer = dialer.start().await.unwrap();
    let error = aemp::error::Report(&soon(dialer.joined()).await.unwrap_err()).to_string();
    let expected = [
        "node \"wrong\" could not join through mem:a",
        "\"a\" closed the connection before it said anything",
        "its secret differs",
    ];
    assert!(expected.iter().all(|part| error.contains(part)), "{error}");
    scene.refused(&["\"wrong\"", "secret"]);
    // A call to the node behind the seed fails with the same text, and not only when it has waited long enough.
    let error = soon(dialer.call::<()>(&scene.echo, ("echo", 1)))
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("no known address; seed mem:a: \"a\" closed the connection before it said"),
        "{error}"
    );
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn a_byte_a_second_does_not_hold_an_opening_open() {
    let scene = Scene::new(|_| ()).await;
    let start = tokio::time::Instant::now();
    let mut stranger = Stranger::dial(&scene.network, "a");
    let slow = async {
        loop {
            stranger.send(b"x").await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    let refused = async {
        until("it is refused", || {
            !scene.log.with(&["within 10s"]).is_empty()
        })
        .await
    };
    tokio::select! {
        () = slow => {}
        () = refused => {}
    }
    assert!(
        (10..12).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    scene.undisturbed().await;
}

/// What fails a link once it is up, and the reason that monitors get.
#[tokio::test]
async fn a_message_that_is_none_or_breaks_a_limit_fails_its_link_alone() {
    let mut limits = Limits::default();
    (limits.message_size, limits.depth, limits.items) = (10_000, 20, 1_000);
    let scene = Scene::new(|config| config.limits = limits).await;
    let endless = [&b"[\"p\",\""[..], &[b'x'; 20_000]].concat();
    let cases: [(&[u8], &str); 9] = [
        (
            &endless,
            "a message is longer than the limit of 10000 bytes",
        ),
        (&[b'['; 50], "a message nests deeper than the limit of 20"),
        (
            &[&b"[\"p\""[..], &b",1".repeat(2_000)].concat(),
            "a message holds more than the limit of 1000 values",
        ),
        (
            b"{\"p\":1}",
            "a message begins with byte 0x7b, which no json message does",
        ),
        (
            b"\x82\x61p\x01",
            "a message begins with byte 0x82, which no json message does",
        ),
        (b"[\"p\",tru]", "of a json message"),
        (b"[\"p\",\"\xff\"]", "of a json message"),
        (b"[\"p\",99999999999999999999]", "of a json message"),
        (b"[1,2]", "the name of the port"),
    ];
    for (bytes, expected) in cases {
        let mut stranger = Stranger::join(&scene.network, "a", "x").await;
        linked(&scene.a, "x").await;
        let gone = scene.a.gone("x");
        stranger.send(bytes).await;
        stranger.closed().await;
        let why = soon(gone).await;
        assert_eq!(why.kind(), Some("transport_error"));
        assert!(why.to_string().contains(expected), "{why}");
        scene.undisturbed().await;
    }
}

#[tokio::test]
async fn monitors_without_end_fail_the_link() {
    let scene = Scene::new(|config| config.peer_monitors = 10).await;
    let mut stranger = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    let gone = scene.a.gone("x");
    let port = scene.echo.port();
    for _ in 0..11 {
        stranger
            .send(format!("[\"\",\"mon1\",\"{port}\"]").as_bytes())
            .await;
    }
    let expected = reason![
        "transport_error",
        "x",
        "the peer holds more than 10 monitors (peer_monitors)"
    ];
    assert_eq!(soon(gone).await, expected);
    scene.undisturbed().await;

    // Monitors on ports that die, or that are taken back, do not count.
    let mut stranger = Stranger::join(&scene.network, "a", "x").await;
    for _ in 0..30 {
        stranger.send(b"[\"\",\"mon1\",\"nobody\"]").await;
        stranger.until("\"a#nobody\"]").await;
        stranger
            .send(format!("[\"\",\"mon1\",\"{port}\"][\"\",\"mon0\",\"{port}\"]").as_bytes())
            .await;
    }
    stranger
        .send(b"[\"\",\"snd\",\"x#me\",\"still here\"]")
        .await;
    stranger.until("[\"me\",\"still here\"]").await;
}

#[tokio::test]
async fn a_peer_that_reads_nothing_fails_at_the_queue_limit_and_not_in_silence() {
    let scene = Scene::new(|config| config.queue_limit = 1 << 20).await;
    let _stranger = Stranger::join(&scene.network, "a", "x").await;
    linked(&scene.a, "x").await;
    let to: PortId = "x#sink".parse().unwrap();
    let gone = scene.a.gone(&to);
    let text = "x".repeat(10_000);
    for _ in 0..200 {
        scene.a.send(&to, (&text,));
    }
    let why = soon(gone).await;
    let expected = "more than 1048576 bytes wait to be sent (queue_limit)";
    assert_eq!(why, reason!["transport_error", "x", expected]);
    scene.undisturbed().await;
}

#[tokio::test]
async fn messages_that_wait_for_a_connection_are_bounded_too() {
    let network = Network::default();
    let _silent = network.accept_at("silent");
    let node = node("n", &network)
        .peer("x", "mem:silent")
        .configure(|config| config.queue_limit = 100_000);
    let node = node.start().await.unwrap();
    let to: PortId = "x#sink".parse().unwrap();
    let gone = node.gone(&to);
    let text = "x".repeat(10_000);
    for _ in 0..20 {
        node.send(&to, (&text,));
    }
    let why = soon(gone).await.to_string();
    assert_eq!(
        why,
        "transport_error: x, more than 100000 bytes wait for a connection"
    );
}

#[tokio::test]
async fn the_node_port_cannot_be_killed_by_a_peer() {
    let scene = Scene::new(|_| ()).await;
    let mut stranger = Stranger::join(&scene.network, "a", "x").await;
    stranger
        .send(b"[\"\",\"kil1\",\"\",\"die\"][\"\",\"snd\",\"x#me\",1]")
        .await;
    stranger.until("[\"me\",1]").await;
    assert_eq!(
        scene
            .log
            .with(&["refused to kill the node port", "from=x"])
            .len(),
        1
    );
    scene.undisturbed().await;
}

#[tokio::test]
async fn odd_requests_are_logged_and_disturb_nothing() {
    let scene = Scene::new(|_| ()).await;
    let mut stranger = Stranger::join(&scene.network, "a", "x").await;
    let requests: [&[u8]; 11] = [
        b"[\"\"]",
        b"[\"\",\"\"]",
        b"[\"\",\"no::such::function\",1]",
        b"[\"\",\"mon1\"]",
        b"[\"\",\"mon0\",\"nobody\"]",
        b"[\"\",\"kil0\",\"nobody\",\"x\"]",
        b"[\"\",\"kil1\",\"nobody\",\"x\"]",
        b"[\"\",\"snd\"]",
        b"[\"\",\"snd\",\"elsewhere#p\",1]",
        b"[\"\",\"AnyEvent::MP::_spawn\",\"name\"]",
        b"[\"\",{\"a\":[null]}]",
    ];
    for request in requests {
        stranger.send(request).await;
    }
    stranger
        .send(b"[] \n[\"nobody\",1][\"\",\"snd\",\"x#me\",2]")
        .await;
    stranger.until("[\"me\",2]").await;
    assert_eq!(scene.log.with(&["no::such::function", "from=x"]).len(), 1);
    scene.undisturbed().await;
}

#[tokio::test]
async fn a_handler_that_panics_kills_its_own_port_and_its_monitors_elsewhere_fire() {
    let scene = Scene::new(|_| ()).await;
    let panics = scene
        .a
        .port(|_: &mut Context<'_>, _: Message| -> () { panic!("a handler's panic") });
    let gone = scene.b.gone(&panics);
    scene.b.send(&panics, ("go",));
    assert_eq!(soon(gone).await, reason!["die", "a handler's panic"]);
    scene.undisturbed().await;
}

#[tokio::test]
async fn what_is_sent_to_a_port_that_is_gone_is_dropped_and_a_monitor_tells() {
    let scene = Scene::new(|_| ()).await;
    let port = scene.a.port_of(routes());
    let gone = scene.b.gone(&port);
    scene.b.kill(&port, Reason::normal());
    assert!(soon(gone).await.is_normal());
    scene.b.send(&port, ("nobody", "hears", "this"));
    assert_eq!(soon(scene.b.gone(&port)).await.kind(), Some("no_such_port"));
    scene.undisturbed().await;
}
