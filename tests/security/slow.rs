//! One byte now and then, which never lets an idle timeout pass, and many connections that say nothing.

use std::time::Duration;

use aemp::NodeBuilder;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::{Instant, sleep};

use crate::nodes::link;
use crate::scene::{Scene, Socket, takes_cleartext};

fn quick(node: NodeBuilder) -> NodeBuilder {
    node.configure(|config| config.opening_timeout = Duration::from_millis(500))
}

/// Says `lines`, and then a byte every 20 ms until the node closes.
async fn trickle(scene: &Scene, lines: &str) {
    let mut stranger = scene.dial().await;
    stranger.send(lines.as_bytes()).await;
    let (mut read, mut write) = stranger.into_inner().into_split();
    let writer = async {
        while write.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(20)).await;
        }
    };
    let mut come = Vec::new();
    let reader = read.read_to_end(&mut come);
    tokio::select! {
        () = writer => {}
        _ = reader => {}
        () = sleep(Duration::from_secs(20)) => panic!("it is still open"),
    }
}

#[tokio::test]
async fn an_opening_has_one_deadline_whatever_comes_in_time() {
    let scene = Scene::new(quick).await;
    trickle(&scene, "").await;
    scene
        .refused(&["of its greeting and not the rest within 500ms"])
        .await;
    trickle(&scene, "aemp;1;x;hmac_sha3_512;json\n").await;
    trickle(&scene, "aemp;1;x;hmac_sha3_512;json\nnonce\n").await;
    scene
        .refused(&["\"x\" sent no auth line within 500ms"])
        .await;
    scene.undisturbed(quick).await;
}

/// A limit that no byte of [`hold`] is late for, however busy the machine is.
pub(crate) fn patient(node: NodeBuilder) -> NodeBuilder {
    takes_cleartext(node).configure(|config| config.opening_timeout = Duration::from_secs(2))
}

/// Takes longer than that for its greeting, a byte at a time, and proves itself then.
pub(crate) async fn hold(scene: &Scene) -> Socket {
    let mut stranger = scene.dial().await;
    let end = Instant::now() + Duration::from_millis(2500);
    stranger.send(b"aemp;1;x").await;
    while Instant::now() < end {
        stranger.send(b"x").await;
        sleep(Duration::from_millis(20)).await;
    }
    stranger.send(b";hmac_sha3_512;json\nnonce\n").await;
    stranger.authenticate("json").await;
    stranger
}

#[tokio::test]
async fn who_is_slow_does_not_get_in_after_the_deadline_with_the_secret_either() {
    let scene = Scene::new(patient).await;
    hold(&scene).await.closed().await;
    scene
        .refused(&["of its greeting and not the rest within 2s"])
        .await;
    scene.undisturbed(patient).await;
}

/// A node with room for so many strangers.
pub(crate) fn small(node: NodeBuilder) -> NodeBuilder {
    takes_cleartext(node).configure(|config| config.max_pending_handshakes = STRANGERS)
}

const STRANGERS: usize = 3;

/// One stranger more than there is room for, all of whom the node has greeted. The oldest first.
pub(crate) async fn crowd(scene: &Scene) -> Vec<Socket> {
    let mut strangers = Vec::new();
    for _ in 0..=STRANGERS {
        let mut stranger = scene.dial().await;
        assert!(stranger.line().await.starts_with("aemp;1;a;"));
        assert!(!stranger.line().await.is_empty());
        strangers.push(stranger);
    }
    strangers
}

#[tokio::test]
async fn of_too_many_strangers_the_oldest_makes_room() {
    let mut scene = Scene::new(small).await;
    let mut strangers = crowd(&scene).await;
    strangers[0].closed().await;
    scene.refused(&["this one was the oldest"]).await;
    // The others are still there.
    strangers[1].prove("x", "json").await;
    link(&scene.a, "x").await;
    drop(strangers);
    scene.gone("x").await;
    scene.undisturbed(small).await;
}
