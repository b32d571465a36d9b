//! Why a port died, as it passes between nodes: what a kill of one member costs all who watch the port.

use aemp::{Context, Message, PortId, Reason, reason};

use crate::common::{linked, node, soon, until};
use crate::failures::Scene;
use crate::stranger::Stranger;

/// Far more than [`WATCHERS`] of them may be held for all peers.
const LARGE: usize = 2 << 20;

const WATCHERS: usize = 10;

/// The most that passes of a reason, with a frame around it.
const PASSES: usize = 5 << 10;

fn victim(scene: &Scene) -> PortId {
    scene.a.port(|_: &mut Context<'_>, _: Message| ())
}

/// Strangers that watch `port` and read nothing meanwhile.
async fn watchers(scene: &Scene, port: &PortId, round: &str) -> Vec<Stranger> {
    let mut watchers = Vec::new();
    for n in 0..WATCHERS {
        let id = format!("{round}{n}");
        let mut watcher = Stranger::join(&scene.network, "a", &id).await;
        linked(&scene.a, &id).await;
        watcher
            .send(format!(r#"["","mon1","{}"]"#, port.port()).as_bytes())
            .await;
        watchers.push(watcher);
    }
    let watches = || -> usize {
        scene
            .a
            .stats()
            .connections
            .iter()
            .map(|link| link.watches)
            .sum()
    };
    until("the port is watched", || watches() == WATCHERS).await;
    watchers
}

#[tokio::test(start_paused = true)]
async fn a_kill_with_a_large_reason_costs_those_who_watch_the_port_next_to_nothing() {
    let scene = Scene::new(|config| {
        config.liveness_check = false;
        config.peers_limit = 8 << 20;
    })
    .await;
    let mut killer = Stranger::join(&scene.network, "a", "killer").await;
    let text = format!(r#""{}""#, "x".repeat(LARGE));
    let numbers = format!("[{}1]", "1,".repeat(LARGE / 8));
    let many = format!("{}1", "1,".repeat(LARGE / 8));
    for (round, large, says) in [
        ("text", &text, "... (2097152 bytes)\"]"),
        ("numbers", &numbers, "\"(left out: too large)\"]"),
        ("many", &many, "more elements)\"]"),
    ] {
        let port = victim(&scene);
        let gone = scene.a.gone(&port);
        let mut watchers = watchers(&scene, &port, round).await;
        let kill = format!(r#"["","kil1","{}","kind",{large}]"#, port.port());
        killer.send(kill.as_bytes()).await;
        let why = soon(gone).await;
        assert_eq!(why.kind(), Some("kind"));
        assert!(why.to_string().len() < PASSES);
        for watcher in &mut watchers {
            let news = format!(r#"["","kil0","{}","kind","#, port.port());
            watcher.until(&news).await;
            watcher.until(says).await;
        }
        for link in scene.a.stats().connections {
            assert!(link.sent.bytes < (PASSES + 1000) as u64, "{link:?}");
        }
        scene.undisturbed().await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_reason_that_arrives_as_news_of_a_death_is_passed_on_short() {
    let scene = Scene::new(|_| ()).await;
    let mut other = Stranger::join(&scene.network, "a", "other").await;
    linked(&scene.a, "other").await;
    let gone = scene.a.gone("other#port");
    other.until("\"mon1\",\"port\"]").await;
    let news = format!(r#"["","kil0","port","kind","{}"]"#, "x".repeat(LARGE));
    other.send(news.as_bytes()).await;
    let why = soon(gone).await;
    assert_eq!(why.kind(), Some("kind"));
    assert!(why.to_string().len() < PASSES);
}

#[tokio::test(start_paused = true)]
async fn a_large_reason_of_the_program_reaches_its_own_monitors_whole_and_other_nodes_short() {
    let scene = Scene::new(|config| config.peers_limit = 8 << 20).await;
    let port = victim(&scene);
    let gone = scene.a.gone(&port);
    let mut watchers = watchers(&scene, &port, "w").await;
    let large: Reason = reason!["kind", "\u{e9}".repeat(LARGE / 2), 7];
    scene.a.kill(&port, large.clone());
    assert!(soon(gone).await == large);
    for watcher in &mut watchers {
        watcher.until("... (2097152 bytes)\",7]").await;
    }
    // And so does a kill of a port elsewhere, and a message that a monitor sends there.
    let elsewhere = scene.b.port(|_: &mut Context<'_>, _: Message| ());
    let gone = scene.b.gone(&elsewhere);
    scene.a.kill(&elsewhere, large.clone());
    assert!(soon(gone).await.to_string().len() < PASSES);
    let mut inbox = scene.b.inbox();
    let port = victim(&scene);
    let watch = scene.a.monitor(&port, aemp::Notify(inbox.id(), ("told",)));
    scene.a.kill(&port, large);
    let told = soon(inbox.recv()).await.unwrap();
    let (told, kind, text, last): (String, String, String, u8) = told.parse().unwrap();
    assert_eq!((&*told, &*kind, last), ("told", "kind", 7));
    assert!(text.len() < PASSES);
    drop(watch);
    scene.undisturbed().await;
}

#[tokio::test(start_paused = true)]
async fn others_have_their_turn_while_a_shard_tells_many_of_a_death() {
    const MANY: usize = 20_000;
    let scene = Scene::new(|config| config.liveness_check = false).await;
    let port = victim(&scene);
    let mut watcher = Stranger::join(&scene.network, "a", "watcher").await;
    linked(&scene.a, "watcher").await;
    let watch = format!(r#"["","mon1","{}"]"#, port.port());
    for _ in 0..MANY / 1000 {
        watcher.send(watch.repeat(1000).as_bytes()).await;
    }
    let untold = || -> usize {
        scene
            .a
            .stats()
            .connections
            .iter()
            .map(|link| link.watches)
            .sum()
    };
    until("the port is watched", || untold() == MANY).await;
    // What the shard has been given before is done.
    scene.a.ports().await;
    scene.a.kill(&port, reason!["done"]);
    let (mut left, mut most) = (MANY, 0);
    while left > 0 {
        tokio::task::yield_now().await;
        let now = untold();
        most = most.max(left - now);
        left = now;
    }
    // A few turns of the shard, which count what each has told.
    assert!(most < 2_000, "{most} at once");
    for _ in 0..MANY {
        watcher.until("\"done\"]").await;
    }
    // A port of that name is another.
    let again = node("watcher2", &scene.network).seed("mem:a");
    let again = again.start().await.unwrap();
    let gone = soon(again.gone(&port)).await;
    assert_eq!(gone.kind(), Some("no_such_port"));
    scene.undisturbed().await;
}
