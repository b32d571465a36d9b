//! A second connection to a node that has one: the first is probed, and kept if it lives.

use aemp::LocalNode;

use crate::common::{Network, SECRET, linked, node, soon};
use crate::log::Log;
use crate::stranger::{Stranger, cleartext};

async fn listening(network: &Network) -> LocalNode {
    let node = node("a", network)
        .bind("mem:a")
        .configure(|config| config.cleartext = true);
    node.start().await.unwrap()
}

/// Greets and proves itself as `x`, without waiting for what the node says.
async fn arrive(network: &Network) -> Stranger {
    let mut stranger = Stranger::dial(network, "a");
    let lines = format!(
        "aemp;1;x;hmac_sha3_512;json\nnonce\n{}\n",
        cleartext(SECRET, "json")
    );
    stranger.send(lines.as_bytes()).await;
    stranger
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_does_not_answer_is_replaced_and_its_monitors_fire_first() {
    let network = Network::default();
    let a = listening(&network).await;
    let mut silent = Stranger::join(&network, "a", "x").await;
    linked(&a, "x").await;
    let gone = a.gone("x#port");

    let start = tokio::time::Instant::now();
    let mut anew = arrive(&network).await;
    let (greeting, _nonce) = (anew.line().await, anew.line().await);
    assert!(greeting.starts_with("aemp;1;a;"));
    // The node's auth line has to wait for the probe.
    assert!(anew.line().await.starts_with("hmac_sha3_512;"));
    assert!(
        (3..4).contains(&start.elapsed().as_secs()),
        "{:?}",
        start.elapsed()
    );
    let why = soon(gone).await.to_string();
    assert_eq!(
        why,
        "transport_error: x, no answer within 3 s when the same node connected anew"
    );
    silent.closed().await;

    anew.send(b"[\"\",\"snd\",\"x#me\",1]").await;
    anew.until("[\"me\",1]").await;
    assert_eq!(a.connections()[0].generation(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_answers_is_kept_and_the_new_one_is_closed() {
    let (log, _guard) = Log::start();
    let network = Network::default();
    let a = listening(&network).await;
    let mut living = Stranger::join(&network, "a", "x").await;
    linked(&a, "x").await;

    let mut anew = arrive(&network).await;
    living.until("[\"\",\"snd\",\"a\",\"\"]").await;
    living.send(b"[\"\",\"\"]").await;
    anew.closed().await;
    assert_eq!(
        log.with(&["\"x\" has another connection that is open and alive"])
            .len(),
        1
    );
    assert_eq!(a.connections()[0].generation(), 1);
    living.send(b"[\"\",\"snd\",\"x#me\",1]").await;
    living.until("[\"me\",1]").await;
}

/// An AnyEvent::MP node would complete whichever connection gets our auth line, and lose both (protocol.md section
/// 2, "Two connections at once").
#[tokio::test(start_paused = true)]
async fn a_perl_node_that_dials_while_it_is_dialled_gets_one_auth_line() {
    for (id, other) in [("a", "x"), ("x", "a")] {
        let network = Network::default();
        let mut dialled = network.accept_at("perl");
        let ours = node(id, &network)
            .bind("mem:ours")
            .seed("mem:perl")
            .configure(|config| config.cleartext = true);
        let ours = ours.start().await.unwrap();
        // Our dial: greeted, and our auth line comes.
        let mut first = Stranger::from(soon(dialled.recv()).await.unwrap());
        let greeting = format!("aemp;1;{other};hmac_sha3_512;json;provider=AE-2.02\nnonce\n");
        first.send(greeting.as_bytes()).await;
        let (_, _, proof) = (first.line().await, first.line().await, first.line().await);
        assert!(proof.starts_with("hmac_sha3_512;"), "{proof}");
        // The Perl node's own dial: it sends its auth line unasked, and gets none.
        let mut second = Stranger::dial(&network, "ours");
        second
            .send(format!("{greeting}{}\n", cleartext(SECRET, "json")).as_bytes())
            .await;
        let (_, _) = (second.line().await, second.line().await);
        // The first is completed, and then the second is closed.
        first
            .send(format!("{}\n", cleartext(SECRET, "json")).as_bytes())
            .await;
        linked(&ours, other).await;
        assert_eq!(second.line().await, "");
        assert_eq!(ours.connections().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn strangers_do_not_displace_who_has_proved_itself() {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").configure(|config| {
        config.cleartext = true;
        config.max_pending_handshakes = 1;
    });
    let a = a.start().await.unwrap();
    let mut silent = Stranger::join(&network, "a", "x").await;
    linked(&a, "x").await;

    let mut anew = arrive(&network).await;
    let (_greeting, _nonce) = (anew.line().await, anew.line().await);
    // It has proved itself, and waits for the first one's answer.
    silent.until("[\"\",\"snd\",\"a\",\"\"]").await;
    let mut strangers = Vec::new();
    for _ in 0..4 {
        let mut stranger = Stranger::dial(&network, "a");
        assert!(stranger.line().await.starts_with("aemp;1;a;"));
        strangers.push(stranger);
    }
    assert!(anew.line().await.starts_with("hmac_sha3_512;"));
}

#[tokio::test(start_paused = true)]
async fn who_answers_under_a_name_without_proof_holds_that_node_up_for_3_s_at_most() {
    let network = Network::default();
    let mut answering = network.accept_at("seed");
    let a = node("a", &network)
        .bind("mem:a")
        .seed("mem:seed")
        .configure(|config| config.cleartext = true);
    let a = a.start().await.unwrap();
    let mut stranger = Stranger::from(soon(answering.recv()).await.unwrap());
    stranger
        .send(b"aemp;1;x;hmac_sha3_512;json;role=a\nnonce\n")
        .await;
    for _ in 0..3 {
        assert_ne!(stranger.line().await, "");
    }

    let start = tokio::time::Instant::now();
    let mut x = arrive(&network).await;
    for _ in 0..3 {
        assert_ne!(x.line().await, "");
    }
    linked(&a, "x").await;
    let waited = start.elapsed().as_millis();
    assert!((2900..3100).contains(&waited), "{waited} ms");
    // The name is taken now.
    stranger
        .send(format!("{}\n", cleartext(SECRET, "json")).as_bytes())
        .await;
    stranger.closed().await;
    x.send(b"[\"\",\"snd\",\"x#me\",1]").await;
    x.until("[\"me\",1]").await;
}

#[tokio::test(start_paused = true)]
async fn an_address_that_answers_without_proof_holds_the_next_up_for_3_s_at_most() {
    let network = Network::default();
    let x = node("x", &network).bind("mem:real").start().await.unwrap();
    let mut inbox = x.inbox();
    let mut answering = network.accept_at("false");
    let a = node("a", &network);
    let a = a.peer("x", "mem:false").peer("x", "mem:real");
    let a = a.start().await.unwrap();

    let start = tokio::time::Instant::now();
    a.send(inbox.id(), ("hello",));
    let mut stranger = Stranger::from(soon(answering.recv()).await.unwrap());
    stranger
        .send(b"aemp;1;x;hmac_sha3_512;json;role=a\nnonce\n")
        .await;
    soon(inbox.recv()).await.unwrap();
    let waited = start.elapsed().as_millis();
    assert!((2900..3400).contains(&waited), "{waited} ms");
}
