//! Auth lines that are no proof, or not the one that was asked for.

use hmac::{KeyInit, Mac, SimpleHmac};
use sha3::{Digest, Sha3_512};

use crate::nodes::SECRET;
use crate::scene::{Scene, as_it_is, member};
use crate::stranger::cleartext;

/// The greeting and the nonce of the attacker.
const LINES: &str = "aemp;1;x;hmac_sha3_512;json\nnonce\n";

fn hmac(secret: &[u8], lines: &str) -> String {
    let mut mac = SimpleHmac::<Sha3_512>::new_from_slice(secret).unwrap();
    mac.update(lines.as_bytes());
    hex(&mac.finalize().into_bytes())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Makes an auth line of both ends' lines, those of its sender first.
type Prove = fn(&str) -> String;

#[tokio::test]
async fn an_auth_line_without_the_secret_or_by_another_method_is_refused() {
    let scene = Scene::new(as_it_is).await;
    let cases: [(&str, Prove, &[&str]); 9] = [
        (
            "an empty secret",
            |lines| format!("hmac_sha3_512;{};json", hmac(b"", lines)),
            &["\"x\" did not prove itself"],
        ),
        (
            "no proof",
            |_| String::from("hmac_sha3_512;;json"),
            &["\"x\" did not prove itself"],
        ),
        (
            "the beginning of a proof",
            |lines| {
                format!(
                    "hmac_sha3_512;{};json",
                    &hmac(SECRET.as_bytes(), lines)[..64]
                )
            },
            &["\"x\" did not prove itself"],
        ),
        (
            "clear text, which is off",
            |_| cleartext(SECRET, "json"),
            &[
                "\"x\" authenticates with \"cleartext\"",
                "accepts \"hmac_sha3_512\"",
            ],
        ),
        (
            "no clear text",
            |_| cleartext("", "json"),
            &["\"x\" authenticates with \"cleartext\""],
        ),
        (
            "a hash that anyone can compute",
            |lines| format!("tls_sha3_512;{};json", hex(&Sha3_512::digest(lines))),
            &["\"x\" authenticates with \"tls_sha3_512\""],
        ),
        (
            "nobody",
            |_| String::from("tls_anon;;json"),
            &["\"x\" authenticates with \"tls_anon\""],
        ),
        (
            "a method of version 1",
            |lines| format!("hmac_md6_64_256;{};json", hmac(SECRET.as_bytes(), lines)),
            &["\"x\" authenticates with \"hmac_md6_64_256\""],
        ),
        (
            "a framing that was not offered",
            |lines| format!("hmac_sha3_512;{};storable", hmac(SECRET.as_bytes(), lines)),
            &["\"x\" wants to send in framing \"storable\""],
        ),
    ];
    for (what, prove, why) in cases {
        scene.log.take();
        let mut stranger = scene.dial().await;
        let theirs = stranger.line().await + &stranger.line().await;
        let line = prove(&format!("{LINES}{theirs}"));
        stranger.send(format!("{LINES}{line}\n").as_bytes()).await;
        assert_eq!(stranger.line().await, "", "{what}");
        scene.refused(why).await;
    }
    // The right one is let in, so that the cases above fail for what they say.
    let mut stranger = scene.dial().await;
    let theirs = stranger.line().await + &stranger.line().await;
    let proof = hmac(SECRET.as_bytes(), &format!("{LINES}{theirs}"));
    stranger
        .send(format!("{LINES}hmac_sha3_512;{proof};json\n").as_bytes())
        .await;
    assert!(stranger.line().await.starts_with("hmac_sha3_512;"));
}

#[tokio::test]
async fn a_node_with_an_empty_secret_does_not_start() {
    for min in [0, 16] {
        let node = member("n")
            .secret("")
            .configure(|config| config.min_secret = min);
        let error = node.start().await.unwrap_err().to_string();
        assert!(error.contains("secret"), "{min}: {error}");
    }
}
