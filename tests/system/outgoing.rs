//! What goes out has the limits of what comes in: a message over them is an error for its sender, and the connection
//! stands.

use aemp::codec::EncodeError;
use aemp::{PortId, SendError};
use serde::ser::{Serialize, SerializeMap, Serializer};

use crate::common::{node, soon};
use crate::failures::Scene;
use crate::stranger::Stranger;

fn refused(sent: Result<(), SendError>) -> EncodeError {
    let SendError::Encode { error, .. } = sent.unwrap_err() else {
        panic!("another error")
    };
    error
}

#[tokio::test(start_paused = true)]
async fn a_message_over_the_own_limits_is_an_error_for_its_sender_alone() {
    let scene = Scene::new(|_| ()).await;
    for codec in ["json", "cbor"] {
        let sender = node("sender", &scene.network)
            .codecs([codec])
            .seed("mem:a")
            .configure(|config| {
                config.limits.message_size = 100_000;
                config.limits.items = 10_000;
                config.limits.depth = 20;
            });
        let sender = sender.start().await.unwrap();
        soon(sender.joined()).await.unwrap();
        let mut inbox = scene.a.inbox();

        let error = refused(sender.try_send(inbox.id(), ("x".repeat(100_000),)));
        let EncodeError::TooLarge { size, limit, .. } = error else {
            panic!("{error}")
        };
        assert!(size > limit && limit == 100_000);
        // As many bytes as the limit of values, and not as many values.
        sender.try_send(inbox.id(), ("x".repeat(50_000),)).unwrap();
        let error = refused(sender.try_send(inbox.id(), vec![0; 10_000]));
        assert!(
            matches!(error, EncodeError::TooManyItems { limit: 10_000, .. }),
            "{error}"
        );
        let deep = (0..20).fold(aemp::Value::from(1), |inner, _| vec![inner].into());
        let error = refused(sender.try_send(inbox.id(), (deep,)));
        assert!(
            matches!(error, EncodeError::TooDeep { limit: 20, .. }),
            "{error}"
        );

        // A reason has no sender to be told, and passes short.
        let victim = scene
            .a
            .port(|_: &mut aemp::Context<'_>, _: aemp::Message| ());
        let gone = scene.a.gone(&victim);
        sender.kill(&victim, aemp::reason!["over", "x".repeat(200_000)]);
        let why = soon(gone).await.to_string();
        assert_eq!(why, format!("over: {}... (200000 bytes)", "x".repeat(1000)));

        let (text,): (String,) = soon(inbox.recv()).await.unwrap().parse().unwrap();
        assert_eq!(text.len(), 50_000);
        assert_eq!(sender.connections()[0].generation(), 1);
        soon(sender.shutdown()).await;
    }
    scene.undisturbed().await;
}

/// A map whose own `Serialize` goes wrong.
enum Broken {
    KeyAlone,
    TwoKeys,
    ValueAlone,
}

impl Serialize for Broken {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        match self {
            Self::KeyAlone => map.serialize_key("a")?,
            Self::TwoKeys => {
                map.serialize_key("a")?;
                map.serialize_entry("b", &1)?;
            }
            Self::ValueAlone => map.serialize_value(&1)?,
        }
        map.end()
    }
}

#[tokio::test(start_paused = true)]
async fn a_map_that_its_own_type_leaves_incomplete_is_an_error() {
    let scene = Scene::new(|_| ()).await;
    let json = node("json", &scene.network).codecs(["json"]).seed("mem:a");
    let json = json.start().await.unwrap();
    soon(json.joined()).await.unwrap();
    let port: PortId = "a#port".parse().unwrap();
    for (broken, says) in [
        (Broken::KeyAlone, "a map has a key without a value"),
        (Broken::TwoKeys, "a map has a key without a value"),
        (Broken::ValueAlone, "a map has a value without a key"),
    ] {
        for sender in [&scene.a, &scene.b, &json] {
            let error = refused(sender.try_send(&port, ("tag", &broken))).to_string();
            assert!(error.contains(says), "{error}");
        }
    }
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn to_a_perl_node_json_carries_bytes_as_latin_1_text() {
    let scene = Scene::new(|_| ()).await;
    let mut perl = Stranger::join_as_perl("json", &scene.network, "a", "perl").await;
    let port: PortId = "perl#port".parse().unwrap();
    let bytes = bytes::Bytes::from_static(b"caf\xe9 \"\x00");
    let map = aemp::Value::Map(
        [(aemp::Value::from(bytes.clone()), aemp::Value::from(bytes))]
            .into_iter()
            .collect(),
    );
    scene.a.try_send(&port, ("values", map)).unwrap();
    let text = r#""caf\u00e9 \"\u0000""#.replace("\\u00e9", "\u{e9}");
    perl.until(&format!(r#"["port","values",{{{text}:{text}}}]"#))
        .await;
    // And so do types that serialise to bytes.
    let typed = serde_bytes::ByteBuf::from(b"caf\xe9".to_vec());
    scene.a.try_send(&port, ("typed", typed)).unwrap();
    perl.until("[\"port\",\"typed\",\"caf\u{e9}\"]").await;
    // What Perl's JSON has no form for is an error as ever.
    let tagged = aemp::Value::Tag(5, Box::default());
    refused(scene.a.try_send(&port, (tagged,)));
}
