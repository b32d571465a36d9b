//! The secret in clear text, which is for this machine alone.

use std::io;
use std::sync::Mutex;

use aemp::transport::{Listener, SocketConfig, Stream, Transport};
use aemp::{Address, LocalNode};
use async_trait::async_trait;
use tokio::io::DuplexStream;
use tokio::sync::mpsc::{self, UnboundedReceiver};

use crate::log::Log;
use crate::pipe::{Accepting, Pipe};
use crate::scene::{Scene, member, takes_cleartext, until};
use crate::stranger::{Stranger, cleartext};

/// A listener to which the test hands connections.
struct Elsewhere(Mutex<Option<UnboundedReceiver<Pipe>>>);

#[async_trait]
impl Transport for Elsewhere {
    fn scheme(&self) -> &str {
        "elsewhere"
    }

    async fn listen(&self, at: &Address, _: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        let come = self.0.lock().unwrap().take().unwrap();
        Ok(Box::new(Accepting(at.clone(), come)))
    }

    async fn connect(&self, _: &Address, _: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        Err(io::ErrorKind::Unsupported.into())
    }
}

/// A node that takes clear text, and a stranger that says it as `x` on a connection from this address. What the node answers
/// to it: its own auth line, or nothing. Tests that need no privileges have no other address than loopback, so the stream
/// says it; `tests/namespaces` has one.
pub(crate) async fn from(address: &str) -> (LocalNode, String) {
    let (connections, come) = mpsc::unbounded_channel();
    let a = takes_cleartext(member("a"))
        .transport(Elsewhere(Mutex::new(Some(come))))
        .bind("elsewhere:a");
    let a = a.start().await.unwrap();
    let (theirs, stream) = tokio::io::duplex(4096);
    let pipe = Pipe {
        stream,
        local: None,
        peer: Some(address.parse().unwrap()),
    };
    assert!(connections.send(pipe).is_ok());
    let mut stranger: Stranger<DuplexStream> = theirs.into();
    stranger.prove("x", "json").await;
    let (greeting, _nonce) = (stranger.line().await, stranger.line().await);
    assert!(greeting.starts_with("aemp;1;a;"), "{greeting}");
    (a, stranger.line().await)
}

#[tokio::test]
async fn the_secret_in_clear_text_is_accepted_from_this_machine_alone() {
    let (log, _guard) = Log::start();
    for address in ["127.0.0.1:1", "[::1]:1", "[::ffff:127.0.0.2]:1"] {
        let (_a, proof) = from(address).await;
        assert!(proof.starts_with("hmac_sha3_512;"), "{address}: {proof}");
    }
    for address in ["192.0.2.1:1", "[2001:db8::1]:1", "0.0.0.0:1"] {
        log.take();
        let (_a, proof) = from(address).await;
        assert_eq!(proof, "", "{address}");
        let parts = [
            "a connection was refused",
            "\"x\" authenticates with \"cleartext\"",
        ];
        until("it is refused", || !log.with(&parts).is_empty()).await;
    }
}

/// More than can be tried at once: the next try after these has to wait for some 8 s.
const GUESSES: usize = 100;

/// Tries so many wrong secrets, each on a connection that the node has offered to take clear text on. What the node offers to
/// the next one.
pub(crate) async fn guess(scene: &Scene) -> String {
    let mut guesses = Vec::new();
    for _ in 0..GUESSES {
        let mut stranger = scene.dial().await;
        assert!(stranger.line().await.contains(",cleartext;"));
        guesses.push(stranger);
    }
    for stranger in &mut guesses {
        stranger.introduce("x", "json").await;
        let line = cleartext("a secret of their own", "json") + "\n";
        stranger.send(line.as_bytes()).await;
        stranger.closed().await;
    }
    scene.dial().await.line().await
}

#[tokio::test]
async fn who_guesses_at_the_secret_is_offered_no_more_guesses() {
    let scene = Scene::new(takes_cleartext).await;
    let greeting = guess(&scene).await;
    assert!(
        greeting.starts_with("aemp;1;a;hmac_sha3_512;"),
        "{greeting}"
    );
    scene
        .refused(&["\"x\" did not prove itself", "cleartext"])
        .await;
    scene.undisturbed(takes_cleartext).await;
}
