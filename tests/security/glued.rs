//! Plain text that somebody between two nodes glues to the nonce line, where TLS begins.

use aemp::LocalNode;
use tokio::io::copy_bidirectional;
use tokio::net::TcpStream;

use crate::nodes::soon;
use crate::scene::{Scene, Socket, baited, encrypted, member};
use crate::tls_stranger::hash;

/// Node `a` has taken the greeting of `d`, and what was glued to it.
pub(crate) struct Glued {
    a: TcpStream,
    of_a: String,
    d: LocalNode,
    to_d: Socket,
}

impl Glued {
    /// Glues to the nonce of `d` what would pass under TLS: the hash of the greetings, which anyone can compute, and a message.
    /// Waits until `a` begins TLS.
    pub(crate) async fn new(scene: &Scene) -> Self {
        let (d, socket) = baited(encrypted(member("d"))).await;
        let (mut to_a, mut to_d) = (scene.dial().await, Socket::from(socket));
        let of_a = [to_a.line().await, to_a.line().await];
        // With a nonce that makes `a` the client of TLS, which speaks first.
        let of_d = [to_d.line().await, String::from("~\n")];
        let bare = |lines: &[String; 2]| lines.clone().map(|line| line.trim_end().to_owned());
        let forged = hash(&bare(&of_d), &bare(&of_a)) + r#"["heard","forged"]"#;
        to_a.send((of_d.concat() + &forged).as_bytes()).await;
        // Nothing is read ahead: `a` has waited for these lines.
        let a = to_a.into_inner();
        assert_eq!(soon(a.peek(&mut [0])).await.unwrap(), 1);
        // And with one that makes `d` the server.
        let of_a = format!("{}\n", of_a[0]);
        Self { a, of_a, d, to_d }
    }

    /// Lets `d` go on with TLS.
    pub(crate) async fn pass_on(mut self) -> LocalNode {
        self.to_d.send(self.of_a.as_bytes()).await;
        let mut d = self.to_d.into_inner();
        tokio::spawn(async move { copy_bidirectional(&mut self.a, &mut d).await });
        self.d
    }
}

#[tokio::test]
async fn a_proof_and_a_message_that_are_glued_to_the_nonce_line_are_no_tls() {
    let scene = Scene::new(encrypted).await;
    let d = Glued::new(&scene).await.pass_on().await;
    let why = "TLS with \"d\" failed: what the peer sends is not TLS, or was changed on the way";
    scene.refused(&[why]).await;
    assert!(soon(d.joined()).await.is_err());
    assert!(d.connections().is_empty());
    scene.undisturbed(encrypted).await;
}
