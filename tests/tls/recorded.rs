//! The certificates of the recorded TLS sessions of AnyEvent::MP nodes (`tests/transcripts`, s04).

use std::io::ErrorKind;

use aemp::Tls;
use aemp::handshake::TlsRole;
use aemp::transport::{Secure, SecureConfig};
use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::nodes::{link, soon};
use crate::pair::{ROLES, ask, node, start};
use crate::pipe::Pipe;

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

#[tokio::test]
async fn the_first_bytes_of_tls_of_a_perl_node_are_answered_by_a_server_hello() {
    let header = header("s04-tls-raw");
    let tls = Tls::from_pem(header["certificate_and_key_pem"].as_str().unwrap()).unwrap();
    let hello = first_record("s04-tls-raw");
    let (mut perl, ours) = tokio::io::duplex(64 << 10);
    let ours = Pipe {
        stream: ours,
        local: None,
        peer: None,
    };
    let server = tokio::spawn(async move {
        let options = SecureConfig::new(TlsRole::Server);
        tls.secure(Box::new(ours), options).await.map(drop)
    });
    perl.write_all(&hello).await.unwrap();
    // A record with a handshake message, which is the ServerHello.
    let mut answer = [0; 6];
    soon(perl.read_exact(&mut answer)).await.unwrap();
    assert_eq!((answer[0], answer[5]), (22, 2));
    drop(perl);
    let error = soon(server).await.unwrap().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedEof);
}

/// The bytes that begin TLS in a session.
fn first_record(session: &str) -> Vec<u8> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/transcripts");
    let text = std::fs::read_to_string(folder.join(format!("{session}.jsonl"))).unwrap();
    let chunks = text.lines().map(|line| serde_json::from_str(line).unwrap());
    let hex = chunks.filter_map(|chunk: Value| chunk["hex"].as_str().map(str::to_owned));
    let first = hex.into_iter().find(|hex| hex.starts_with("1603")).unwrap();
    let byte = |at| u8::from_str_radix(&first[at..at + 2], 16).unwrap();
    (0..first.len() / 2).map(|at| byte(2 * at)).collect()
}
