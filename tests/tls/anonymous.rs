//! Peers without a certificate: refused, unless `tls_anon` is accepted, and marked then.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use aemp::handshake::AuthMethod;
use aemp::trace::{Propagator, TraceContext};
use aemp::{LocalNode, NodeBuilder, PortId};

use crate::certificates::{Made, own, plain};
use crate::log::Log;
use crate::nodes::{SECRET, link};
use crate::pair::{listen, node, until};
use crate::stranger::Stranger;

async fn start(made: &Made, anonymous: bool) -> (LocalNode, String) {
    let node = node("a", &made.pem([]));
    listen(if anonymous { accepting(node) } else { node }).await
}

fn accepting(node: NodeBuilder) -> NodeBuilder {
    node.configure(|config| config.auth_accept.push(AuthMethod::TlsAnon))
}

/// Waits for the line about the refused connection.
async fn refused(log: &Log) -> String {
    let refused = || log.with(&["a connection was refused"]);
    until("the refusal is logged", || !refused().is_empty()).await;
    log.take().concat()
}

#[tokio::test]
async fn an_anonymous_peer_is_let_in_and_marked() {
    let made = own("aemp", plain);
    let (a, address) = start(&made, true).await;
    let id = "anonymous/x";
    let mut stranger = Stranger::dial(&address, id, None).await.unwrap();
    stranger.say("tls_anon;;json\n").await;
    assert!(stranger.line().await.starts_with("tls_sha3_512;"));
    stranger
        .say(r#"["echo","echo","hello","anonymous/x#me"]"#)
        .await;
    stranger.until(r#"["me","hello"]"#).await;
    let link = link(&a, id).await;
    assert!(link.is_anonymous());
    assert_eq!(link.peer_auth(), AuthMethod::TlsAnon);
    assert_eq!(link.tls().unwrap().certificate, None);
    assert!(link.greeting_sent().contains("tls_anon"));
}

#[tokio::test]
async fn an_anonymous_peer_may_send_to_ports_and_nothing_else() {
    let (log, _guard) = Log::start();
    let made = own("aemp", plain);
    let (a, address) = start(&made, true).await;
    let called = a.inbox();
    let to = called.id().clone();
    a.offer_function("f", move |node: &LocalNode, ()| node.send(&to, ("called",)));
    let mut stranger = Stranger::dial(&address, "anonymous/x", None).await.unwrap();
    stranger.say("tls_anon;;json\n").await;
    stranger.line().await;
    let requests = [
        (r#"["","f"]"#, "call \"f\""),
        (r#"["","AnyEvent::MP::_spawn","new","f"]"#, "spawn \"f\""),
        (r#"["","mon1","echo"]"#, "monitor the port"),
        (r#"["","kil1","echo","die"]"#, "kill the port"),
        (r#"["","g_slave",{"f":{"k":1}}]"#, "use the directory"),
        (r#"["","g_upd","f",{"k":1}]"#, "write the family"),
        (r#"["","snd","b#port","hello"]"#, "relay to"),
    ];
    for (request, _) in requests {
        stranger.say(request).await;
    }
    stranger
        .say(r#"["echo","echo","still here","anonymous/x#me"]"#)
        .await;
    stranger.until(r#"["me","still here"]"#).await;
    for (_, action) in requests {
        let lines = log.with(&[
            "refused by the policy of this node",
            action,
            "from=anonymous/x",
        ]);
        assert_eq!(lines.len(), 1, "{action}");
    }
    let link = &a.stats().connections[0];
    assert_eq!(link.refused, requests.len() as u64);
}

/// A propagator to which everything belongs to one trace, and that counts the messages whose trace it continues.
#[derive(Clone, Default)]
struct Continued(Arc<AtomicUsize>);

impl Propagator for Continued {
    fn inject(&self) -> Option<TraceContext> {
        TraceContext::new(1, 1, 0)
    }

    fn span(&self, _: &TraceContext, _: &PortId) -> tracing::Span {
        self.0.fetch_add(1, Ordering::Relaxed);
        tracing::Span::none()
    }
}

#[tokio::test]
async fn the_messages_of_an_anonymous_peer_and_those_to_it_belong_to_no_trace() {
    let made = own("aemp", plain);
    let continued = Continued::default();
    let node = node("a", &made.pem([])).propagator(continued.clone());
    let (a, address) = listen(accepting(node)).await;
    let mut stranger = Stranger::dial(&address, "anonymous/x", None).await.unwrap();
    stranger.say("tls_anon;;json\n").await;
    stranger.line().await;
    let parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    stranger
        .say(&format!(r#"["","aemp::trace","{parent}"]"#))
        .await;
    stranger
        .say(r#"["echo","echo","hello","anonymous/x#me"]"#)
        .await;
    stranger.until(r#"["me","hello"]"#).await;
    assert_eq!(continued.0.load(Ordering::Relaxed), 0);
    let link = a.stats().connections.remove(0);
    assert_eq!(link.unknown_requests, 1);
    // The stranger says that it reads contexts. It has got none, which would be another message.
    assert!(link.info.greeting_received().ends_with(";trace=1"));
    assert_eq!(link.sent.messages, 1);
}

#[tokio::test]
async fn an_anonymous_peer_cannot_come_as_a_member() {
    let (log, _guard) = Log::start();
    let made = own("aemp", plain);
    let (a, address) = start(&made, true).await;
    let mut stranger = Stranger::dial(&address, "member", None).await.unwrap();
    stranger.say("tls_anon;;json\n").await;
    assert_eq!(stranger.line().await, "");
    let line = refused(&log).await;
    let expected = "\"member\" authenticates with tls_anon, which proves nothing, under an ID that a member could have";
    assert!(line.contains(expected), "{line}");
    assert!(a.connections().is_empty());
}

#[tokio::test]
async fn an_anonymous_peer_is_refused_where_it_is_not_accepted() {
    let (log, _guard) = Log::start();
    let made = own("aemp", plain);
    let (_a, address) = start(&made, false).await;
    let stranger = Stranger::dial(&address, "x", None).await;
    // With TLS 1.3 a client hears of it when it reads.
    if let Ok(mut stranger) = stranger {
        stranger.say("tls_anon;;json\n").await;
        assert_eq!(stranger.line().await, "");
    }
    let line = refused(&log).await;
    assert!(
        line.contains("TLS with \"x\" failed: the peer presented no certificate"),
        "{line}"
    );
    // With a certificate it has nothing to be anonymous for.
    let mut stranger = Stranger::dial(&address, "x", Some(&made)).await.unwrap();
    stranger.say("tls_anon;;json\n").await;
    assert_eq!(stranger.line().await, "");
    let line = refused(&log).await;
    let expected =
        "\"x\" authenticates with \"tls_anon\", but this node accepts \"tls_sha3_512\" here";
    assert!(line.contains(expected), "{line}");
}

#[tokio::test]
async fn a_hash_of_the_greetings_is_no_proof_without_a_certificate() {
    let (log, _guard) = Log::start();
    let made = own("aemp", plain);
    let (a, address) = start(&made, true).await;
    let mut stranger = Stranger::dial(&address, "x", None).await.unwrap();
    stranger.hash().await;
    assert_eq!(stranger.line().await, "");
    let line = refused(&log).await;
    let expected = "\"x\" authenticates with tls_sha3_512, which is no proof without a certificate, and it presented none";
    assert!(line.contains(expected), "{line}");
    assert!(a.connections().is_empty());
    // The same with the certificate is one.
    let mut stranger = Stranger::dial(&address, "x", Some(&made)).await.unwrap();
    stranger.hash().await;
    assert!(stranger.line().await.starts_with("tls_sha3_512;"));
    assert!(!link(&a, "x").await.is_anonymous());
}

#[tokio::test]
async fn a_certificate_that_is_presented_has_to_be_trusted_also_of_an_anonymous_peer() {
    let (log, _guard) = Log::start();
    let (made, foreign) = (own("aemp", plain), own("foreign", plain));
    let (a, address) = start(&made, true).await;
    if let Ok(mut stranger) = Stranger::dial(&address, "x", Some(&foreign)).await {
        stranger.say("tls_anon;;json\n").await;
        assert_eq!(stranger.line().await, "");
    }
    let line = refused(&log).await;
    assert!(line.contains("\"CN=foreign\""), "{line}");
    assert!(a.connections().is_empty());
}

#[tokio::test]
async fn the_secret_is_a_proof_under_tls_without_a_certificate_where_that_may_be_missing() {
    let (log, _guard) = Log::start();
    let made = own("aemp", plain);
    let a = accepting(node("a", &made.pem([])).secret(SECRET));
    let (a, address) = listen(a).await;
    for (secret, right) in [(SECRET, true), ("some other secret of 16 bytes", false)] {
        let mut stranger = Stranger::dial(&address, "x", None).await.unwrap();
        stranger.prove(secret).await;
        assert_eq!(!stranger.line().await.is_empty(), right);
        if right {
            let link = link(&a, "x").await;
            assert!(!link.is_anonymous());
            assert_eq!(link.tls().unwrap().certificate, None);
        } else {
            let line = refused(&log).await;
            assert!(
                line.contains("hmac_sha3_512 proof does not match"),
                "{line}"
            );
        }
    }
}
