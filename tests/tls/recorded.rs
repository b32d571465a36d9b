//! The certificates of the recorded TLS sessions of AnyEvent::MP nodes (`tests/transcripts`, s04).

use serde_json::Value;

use crate::nodes::link;
use crate::pair::{ROLES, ask, node, start};

/// The header of a session.
fn header(session: &str) -> Value {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let text = std::fs::read_to_string(folder.join(format!("{session}.jsonl"))).unwrap();
    let first: Value = serde_json::from_str(text.lines().next().unwrap()).unwrap();
    first["header"].clone()
}

#[tokio::test]
async fn the_recorded_certificate_which_is_a_ca_and_its_own_leaf_is_accepted() {
    let header = header("s04b-tls-decrypted");
    let pem = header["certificate_and_key_pem"].as_str().unwrap();
    for role in ROLES {
        let (b, a) = role.nonces(node("b", pem), node("a", pem));
        let (a, b, joined) = start(a, b).await;
        joined.unwrap();
        assert_eq!(ask(&b, "a", 1).await, aemp::Value::from(1));
        let link = link(&a, "b").await;
        let certificate = link.tls().unwrap().certificate.clone().unwrap();
        assert_eq!(certificate.subject, "CN=AnyEvent::MP");
        assert_eq!(certificate.issuer, certificate.subject);
    }
}
