//! One byte now and then, which never lets an idle timeout pass.

use std::time::Duration;

use aemp::Builder;

use crate::scene::Scene;

fn quick(node: Builder) -> Builder {
    node.configure(|config| config.opening_timeout = Duration::from_millis(500))
}

/// Says `lines`, and then a byte every 20 ms until the node closes.
async fn trickle(scene: &Scene, lines: &str) {
    let mut stranger = scene.dial().await;
    stranger.send(lines.as_bytes()).await;
    let (mut read, mut write) = stranger.into_inner().into_split();
    let writer = async {
        while tokio::io::AsyncWriteExt::write_all(&mut write, b"x")
            .await
            .is_ok()
        {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    let mut come = Vec::new();
    let reader = tokio::io::AsyncReadExt::read_to_end(&mut read, &mut come);
    tokio::select! {
        () = writer => {}
        _ = reader => {}
        () = tokio::time::sleep(Duration::from_secs(20)) => panic!("it is still open"),
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
