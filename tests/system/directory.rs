//! What the directory sends keeps to the room that its receivers have.

use std::time::Duration;

use crate::common::{linked, soon, until};
use crate::failures::Scene;
use crate::stranger::Stranger;

/// Queues of a megabyte, which entries of several do not fit into.
async fn scene() -> Scene {
    Scene::new(|config| {
        config.high_water = 64 << 10;
        config.queue_limit = 1 << 20;
        // The strangers say nothing but what the test lets them say.
        config.liveness_check = false;
    })
    .await
}

/// Lets node `b` hold `f`: 30 entries of 100 kB, and one that comes last.
async fn write(scene: &Scene, round: u64) {
    let directory = scene.b.directory();
    for n in 0..30 {
        let value = round.to_string().repeat(100_000);
        directory.set("f", format!("k{n:02}"), value).unwrap();
    }
    directory.set("f", "last", round).unwrap();
    let written = async {
        let last = || async { soon(scene.a.directory().family("f")).await.unwrap() };
        while last().await.get("last") != Some(&round.into()) {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    soon(written).await;
}

/// The stranger takes what waits for it, and its link is the first.
async fn is_well(scene: &Scene, stranger: &mut Stranger, id: &str) {
    let ask = format!(r#"["","snd","{id}#me","well"]"#);
    stranger.send(ask.as_bytes()).await;
    stranger.until(r#"["me","well"]"#).await;
    linked(&scene.a, id).await;
    scene.undisturbed().await;
}

#[tokio::test]
async fn a_slave_that_rewrites_its_entries_ends_no_link_of_its_global_node() {
    let scene = scene().await;
    let mut x = Stranger::join(&scene.network, "a", "x").await;
    x.send(b"[\"\",\"g_global\"]").await;
    x.until("\"g_set\"").await;
    let mut w = Stranger::join(&scene.network, "a", "w").await;
    w.send(br#"["","g_mon1","f"]"#).await;
    w.until("\"g_chg1\"").await;
    for round in 1..=4 {
        write(&scene, round).await;
    }
    // Both have taken nothing yet; now they are told the last of it.
    x.until("\"last\":4").await;
    w.until("\"last\":4").await;
    is_well(&scene, &mut x, "x").await;
    is_well(&scene, &mut w, "w").await;
}

#[tokio::test]
async fn watches_that_begin_and_end_all_the_time_cost_no_more_than_their_peer_takes() {
    let scene = scene().await;
    write(&scene, 1).await;
    let mut w = Stranger::join(&scene.network, "a", "w").await;
    for _ in 0..300 {
        w.send(br#"["","g_mon1","f"]["","g_mon0","f"]"#).await;
    }
    w.send(br#"["","g_mon1","g"]["","g_mon1","f"]"#).await;
    until("all has been read", || {
        let stats = scene.a.stats();
        let w = stats
            .connections
            .iter()
            .find(|link| link.info.peer() == "w");
        w.is_some_and(|link| link.received.messages >= 602)
    })
    .await;
    w.until("\"last\":1").await;
    is_well(&scene, &mut w, "w").await;
}
