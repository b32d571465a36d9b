//! Strangers who speak TLS and have no certificate of the network, or not its key.

use std::sync::LazyLock;

use aemp::NodeBuilder;
use aemp::handshake::AuthMethod;

use crate::certificates::{Made, expired, own, plain};
use crate::nodes::link;
use crate::scene::{MADE, Scene, encrypted, translated, until};
use crate::tls_stranger::Stranger;

/// A certificate that was the network's, and has expired.
pub(crate) static OLD: LazyLock<Made> = LazyLock::new(|| own("old", expired));

/// One of the same name.
pub(crate) static FOREIGN: LazyLock<Made> = LazyLock::new(|| own("aemp", plain));

/// That of the network without its key, which anyone has who has seen it.
pub(crate) static STOLEN: LazyLock<Made> = LazyLock::new(|| MADE.with_key_of(&FOREIGN));

/// A node that still lists the old certificate.
pub(crate) fn lists_the_old_one(node: NodeBuilder) -> NodeBuilder {
    translated(node).certificate(MADE.pem([&*OLD]))
}

/// A node that lets in anonymous peers.
pub(crate) fn takes_anonymous(node: NodeBuilder) -> NodeBuilder {
    encrypted(node).configure(|config| config.auth_accept.push(AuthMethod::TlsAnon))
}

/// Dials `a` as `x` with this certificate, and says what anyone can say. What `a` answers: its own auth line, or nothing.
pub(crate) async fn enter(scene: &Scene, made: Option<&Made>) -> String {
    // In TLS 1.3 a client whose certificate is refused hears of it when it reads.
    match Stranger::dial(&scene.at.to_string(), "x", made).await {
        Ok(mut stranger) => {
            stranger.hash().await;
            stranger.line().await
        }
        Err(_) => String::new(),
    }
}

#[tokio::test]
async fn who_has_no_certificate_of_the_network_is_refused_with_the_reason() {
    let scene = Scene::new(lists_the_old_one).await;
    let cases: [(Option<&Made>, &str); 4] = [
        (None, "the peer presented no certificate"),
        (Some(&FOREIGN), "issued by \"CN=aemp\", is not trusted"),
        (Some(&OLD), "\"CN=old\" has expired"),
        (Some(&STOLEN), "does not own the key of the certificate"),
    ];
    for (made, why) in cases {
        assert_eq!(enter(&scene, made).await, "", "{why}");
        scene.refused(&["TLS with \"x\" failed", why]).await;
    }
    scene.undisturbed(lists_the_old_one).await;
}

#[tokio::test]
async fn a_hash_of_the_greetings_proves_nothing_where_anonymous_peers_need_no_certificate() {
    let scene = Scene::new(takes_anonymous).await;
    assert_eq!(enter(&scene, None).await, "");
    let why = "\"x\" authenticates with tls_sha3_512, which is no proof without a certificate";
    scene.refused(&[why]).await;
    scene.undisturbed(takes_anonymous).await;
}

/// Lets an anonymous peer in, which asks `a` to kill a port.
pub(crate) async fn kill(scene: &Scene) -> Stranger {
    let dialled = Stranger::dial(&scene.at.to_string(), "anonymous/x", None).await;
    let mut stranger = dialled.unwrap();
    stranger.say("tls_anon;;json\n").await;
    assert!(stranger.line().await.starts_with("tls_sha3_512;"));
    stranger.say(r#"["","kil1","echo","die"]"#).await;
    stranger
}

#[tokio::test]
async fn an_anonymous_peer_is_bound_by_policy() {
    let mut scene = Scene::new(takes_anonymous).await;
    let stranger = kill(&scene).await;
    let why = [
        "refused by the policy of this node",
        "kill the port",
        "from=anonymous/x",
    ];
    until("it is refused", || !scene.log.with(&why).is_empty()).await;
    assert!(link(&scene.a, "anonymous/x").await.is_anonymous());
    drop(stranger);
    scene.gone("anonymous/x").await;
    scene.undisturbed(takes_anonymous).await;
}
