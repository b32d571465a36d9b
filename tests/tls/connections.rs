//! Connections that come up, what is known of them, and how they end.

use aemp::handshake::AuthMethod;
use aemp::tls::Version as TlsVersion;
use aemp::{Tls, Value};

use crate::certificates::{own, plain};
use crate::log::Log;
use crate::nodes::{SECRET, link, soon};
use crate::pair::{ROLES, ask, listen, node, start};
use crate::process::Child;

#[tokio::test]
async fn nodes_talk_under_tls_in_either_role_version_and_codec() {
    let made = own("AnyEvent::MP", plain);
    let versions = [
        (TlsVersion::Tls12, "TLS 1.2", "TLS_ECDHE_ECDSA"),
        (TlsVersion::Tls13, "TLS 1.3", "TLS13_"),
    ];
    for role in ROLES {
        for codec in ["json", "cbor"] {
            for (version, name, suite) in versions {
                let tls = Tls::from_pem(&made.pem([])).unwrap().only(version);
                let both = |id| aemp::node().id(id).codecs([codec]).tls(tls.clone());
                let (b, a) = role.nonces(both("b"), both("a"));
                let (a, b, joined) = start(a, b).await;
                joined.unwrap();
                assert_eq!(ask(&b, "a", "hello").await, Value::from("hello"));
                for (here, there) in [(&a, "b"), (&b, "a")] {
                    let link = link(here, there).await;
                    let tls = link.tls().unwrap();
                    assert_eq!(tls.version, name);
                    assert!(tls.cipher_suite.starts_with(suite), "{tls:?}");
                    let certificate = tls.certificate.as_ref().unwrap();
                    assert_eq!(certificate.subject, "CN=AnyEvent::MP");
                    assert_eq!(certificate.der, made.der());
                    assert_eq!(certificate.fingerprint_hex().len(), 64);
                    assert_eq!(link.peer_auth(), AuthMethod::TlsSha3_512);
                    assert!(!link.is_anonymous());
                    assert_eq!((link.send_codec(), link.recv_codec()), (codec, codec));
                }
            }
        }
    }
}

#[tokio::test]
async fn large_messages_cross_both_ways_at_once() {
    let made = own("aemp", plain);
    for role in ROLES {
        let (b, a) = role.nonces(node("b", &made.pem([])), node("a", &made.pem([])));
        let b = b.on_start(|node| {
            node.port_of_named("echo", crate::process::echo()).unwrap();
        });
        let (a, b, joined) = start(a, b).await;
        joined.unwrap();
        let large = |letter: &str| letter.repeat(1 << 20);
        let (there, back) = tokio::join!(ask(&b, "a", large("b")), ask(&a, "b", large("a")));
        assert_eq!(there.as_str(), Some(large("b").as_str()));
        assert_eq!(back.as_str(), Some(large("a").as_str()));
    }
}

#[tokio::test]
async fn a_node_without_tls_is_refused_in_either_direction() {
    let made = own("aemp", plain);
    let with = |id| node(id, &made.pem([])).secret(SECRET);
    let without = |id| aemp::node().id(id).secret(SECRET);
    let (_with, _without, joined) = start(without("without"), with("with")).await;
    let error = aemp::error::Report(&joined.unwrap_err()).to_string();
    let expected = "\"without\" does not offer TLS, and this node has a certificate: give it one too, or allow plain \
                    connections with tls_fallback";
    assert!(error.contains(expected), "{error}");

    let (log, _guard) = Log::start();
    let (_with, _without, joined) = start(with("with"), without("without")).await;
    let error = aemp::error::Report(&joined.unwrap_err()).to_string();
    let expected = "\"with\" closed the connection after the greetings: it has a certificate, and this node has none, so \
                    that it does not offer TLS; set cert here";
    assert!(error.contains(expected), "{error}");
    let refused = log.with(&["a connection was refused", "\"without\" does not offer TLS"]);
    assert_eq!(refused.len(), 1);
}

#[tokio::test]
async fn a_fallback_to_plain_connections_is_loud_and_proves_the_secret() {
    let (log, _guard) = Log::start();
    let made = own("aemp", plain);
    let with = |id| {
        let node = node(id, &made.pem([])).secret(SECRET);
        node.configure(|config| config.tls_fallback = true)
    };
    let without = |id: &str, secret: &str| aemp::node().id(id).secret(secret);
    let (with_tls, without_tls, joined) = start(with("with"), without("without", SECRET)).await;
    joined.unwrap();
    assert_eq!(
        log.with(&["WARN aemp::node", "tls_fallback is on"]).len(),
        1
    );
    assert_eq!(ask(&without_tls, "with", 1).await, Value::from(1));
    let plain = link(&with_tls, "without").await;
    assert!(plain.tls().is_none());
    assert_eq!(plain.peer_auth(), AuthMethod::HmacSha3_512);
    // Where both have TLS it is used.
    let also = with("also").seed(with_tls.addresses()[0].to_string());
    let also = also.start().await.unwrap();
    soon(also.joined()).await.unwrap();
    assert!(link(&also, "with").await.tls().is_some());
    // Another secret is as wrong as ever.
    let wrong = without("wrong", "some other secret of 16 bytes");
    let wrong = wrong.seed(with_tls.addresses()[0].to_string());
    let wrong = wrong.start().await.unwrap();
    assert!(soon(wrong.joined()).await.is_err());
}

#[tokio::test]
async fn a_secret_and_a_certificate_go_together() {
    // Both offer both; the list of the peer decides, best first.
    let made = own("aemp", plain);
    let both = |id, methods: &[AuthMethod]| {
        let methods = methods.to_vec();
        let node = node(id, &made.pem([])).secret(SECRET);
        node.configure(|config| config.auth_accept = methods)
    };
    let (tls, hmac) = (AuthMethod::TlsSha3_512, AuthMethod::HmacSha3_512);
    let (a, b, joined) = start(both("a", &[hmac]), both("b", &[tls, hmac])).await;
    joined.unwrap();
    let (at_a, at_b) = (link(&a, "b").await, link(&b, "a").await);
    assert_eq!((at_a.peer_auth(), at_b.peer_auth()), (hmac, tls));
    assert!(at_a.tls().is_some() && at_b.tls().is_some());
    // A certificate is not enough where the secret is asked for.
    let other = node("c", &made.pem([])).secret("some other secret of 16 bytes");
    let other = other.seed(a.addresses()[0].to_string());
    let other = other.start().await.unwrap();
    assert!(soon(other.joined()).await.is_err());
}

#[tokio::test]
async fn a_link_is_closed_in_order_and_monitors_fire() {
    let made = own("aemp", plain);
    let (a, b, joined) = start(node("a", &made.pem([])), node("b", &made.pem([]))).await;
    joined.unwrap();
    let gone = b.gone("a#echo");
    assert_eq!(ask(&b, "a", 1).await, Value::from(1));
    a.shutdown().await;
    let why = soon(gone).await.to_string();
    assert_eq!(why, "transport_error: a, the peer closed the connection");
}

#[tokio::test]
async fn a_process_that_is_killed_fires_monitors() {
    let made = own("aemp", plain);
    let pem = made.pem([]);
    for role in ROLES {
        let (_, seed) = role.nonces(aemp::node(), node("seed", &pem));
        let (seed, address) = listen(seed).await;
        let variables = [("AEMP_SEED", address), ("AEMP_CERT", pem.clone())];
        let mut child = Child::start("child", variables);
        child.line("@ready").await;
        link(&seed, "child").await;
        let gone = seed.gone("child#echo");
        assert_eq!(ask(&seed, "child", 7).await, Value::from(7));
        child.signal("-KILL");
        let why = soon(gone).await.to_string();
        // The system resets the connection of a process that had not read everything.
        let reasons = [
            "transport_error: child, the peer ended the connection without closing TLS: it was cut off, or its program \
             ended",
            "transport_error: child, Connection reset by peer (os error 104)",
        ];
        assert!(reasons.contains(&&*why), "{why}");
    }
}
