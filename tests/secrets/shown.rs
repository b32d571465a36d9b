//! The secret is in nothing that nodes log, whoever knocks with which secret, nor in errors and `Debug`.

use aemp::profile::{Key, Place, Sources};
use aemp::{Map, Value};
use tokio::net::TcpStream;

use crate::forms::assert_hidden;
use crate::log::Log;
use crate::nodes::{SECRET, soon};
use crate::stranger::{Stranger, cleartext};

/// The other secret that is at hand, and accepted.
const ACCEPTED: &str = "zebra crossing ahead, slow down";

/// What a stranger tries.
const WRONG: &str = "incorrect donkey battery clip";

fn assert_all_hidden(text: &str) {
    for secret in [SECRET, ACCEPTED, WRONG] {
        assert_hidden(secret, text);
    }
}

#[tokio::test]
async fn no_line_of_the_log_shows_a_secret() {
    let (log, _guard) = Log::start();
    let seed = aemp::node()
        .id("seed")
        .secret(SECRET)
        .accept_secret(ACCEPTED);
    let seed = seed
        .bind("127.0.0.1:0")
        .configure(|config| config.cleartext = true);
    let seed = seed.start().await.unwrap();
    let at = seed.addresses()[0].to_string();
    let mut texts = Vec::new();
    for (id, secret) in [("a", SECRET), ("b", ACCEPTED), ("c", WRONG)] {
        let node = aemp::node()
            .id(id)
            .secret(secret)
            .seed(&at)
            .start()
            .await
            .unwrap();
        let joined = soon(node.joined()).await;
        texts.push(format!(
            "{joined:?} {:?} {:?}",
            node.connections(),
            node.seeds()
        ));
        texts.extend(
            joined
                .err()
                .map(|error| aemp::error::Report(&error).to_string()),
        );
        node.shutdown().await;
    }
    // In clear text: right, accepted, wrong, and where something else should be.
    for (n, secret) in [SECRET, ACCEPTED, WRONG].into_iter().enumerate() {
        let mut peer = Stranger::from(TcpStream::connect(&at).await.unwrap());
        peer.introduce(&format!("x{n}"), "json").await;
        let line = format!("{}\n", cleartext(secret, "json"));
        peer.send(line.as_bytes()).await;
        peer.close().await;
        peer.closed().await;
        for misplaced in [
            line.replace("cleartext", "hmac_sha3_512"),
            line.replace("json", "xml"),
        ] {
            let mut peer = Stranger::from(TcpStream::connect(&at).await.unwrap());
            peer.introduce("y", "json").await;
            peer.send(misplaced.as_bytes()).await;
            peer.closed().await;
        }
    }
    texts.push(format!("{:?}", seed.stats()));
    seed.shutdown().await;
    let lines = log.take();
    let is_there = |part: &str| lines.iter().any(|line| line.contains(part));
    assert!(is_there("did not prove itself") && is_there("TRACE") || is_there("DEBUG"));
    assert_all_hidden(&lines.join("\n"));
    assert_all_hidden(&texts.join("\n"));
}

#[tokio::test]
async fn no_error_of_a_configuration_shows_a_secret() {
    let mut texts = Vec::new();
    let values = [
        Value::from(SECRET),
        vec![SECRET.into(), ACCEPTED.into()].into(),
        vec![Value::from(vec![SECRET.into()])].into(),
        Value::Map([("k", SECRET)].into_iter().collect()),
        format!("{SECRET}\u{263a}").into(),
    ];
    for key in [Key::Secret, Key::SecretAccept, Key::Cert] {
        for value in &values {
            texts.push(format!("{:?}", key.check(value, &Place::Program)));
            let mut program = Map::from(vec![(key.name().into(), value.clone())]);
            if key != Key::Secret {
                program = program
                    .iter()
                    .cloned()
                    .chain([("secret".into(), SECRET.into())])
                    .collect::<Vec<_>>()
                    .into();
            }
            for min in [16, 1000] {
                let mut with_min: Vec<(Value, Value)> = program.iter().cloned().collect();
                with_min.push(("min_secret".into(), min.into()));
                let with_min = Map::from(with_min);
                let mut sources = Sources::new("host", "word");
                sources.program = Some(&with_min);
                let resolved = sources.resolve();
                texts.push(format!("{resolved:?}"));
                texts.extend(resolved.err().map(|error| error.to_string()));
                let builder = aemp::node()
                    .value(key.name(), value.clone())
                    .value("min_secret", min);
                if let Err(error) = builder.start().await {
                    texts.push(format!("{error} {error:?}"));
                }
            }
        }
    }
    assert_all_hidden(&texts.join("\n"));
}
