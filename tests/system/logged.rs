//! What others can make a node write into its log.

use aemp::{Reason, Value, reason};

use crate::common::soon;
use crate::failures::Scene;
use crate::stranger::Stranger;

/// Text that would begin a line of its own, in another colour, and be long.
fn forged() -> String {
    format!(
        r"x\u001b[2J\n2031-01-01 INFO all is well\u202e{}",
        "y".repeat(20_000)
    )
}

/// None of the lines breaks, is long, or holds what a terminal carries out.
fn harmless(scene: &Scene) {
    for line in scene.log.with(&[]) {
        let harmful = |c: char| c.is_control() || c == '\u{202e}';
        assert!(!line.contains(harmful), "{line:?}");
        assert!(line.len() < 4000, "{} bytes: {line}", line.len());
    }
}

#[tokio::test]
async fn text_from_a_peer_forges_no_line_of_the_log() {
    let scene = Scene::new(|_| ()).await;
    scene.a.offer_function("fails", |_, (why,): (Value,)| {
        Err::<(), _>(Reason::from_iter([why]))
    });
    let mut stranger = Stranger::join(&scene.network, "a", "x").await;
    let port = scene
        .a
        .port(|_: &mut aemp::Context<'_>, _: aemp::Message| ());
    let (text, port) = (forged(), port.port().to_string());
    let requests = [
        format!(r#"["","{text}",1]"#),
        format!(r#"["","g_{text}",1]"#),
        format!(r#"["","fails","{text}"]"#),
        format!(r#"["","fails",["{text}"]]"#),
        format!(r#"["","kil1","{port}","{text}"]"#),
        format!(r#"["","snd","elsewhere#{text}",1]"#),
        format!(r#"["","snd","{text}",1]"#),
        format!(r#"["","snd","a","time","{text}"]"#),
        format!(r#"["","AnyEvent::MP::_spawn","{text}","{text}"]"#),
        format!(r#"["","mon1","{text}"]["{text}",1]"#),
        format!(r#"["","g_slave",{{"{text}":{{"{text}":1}}}}]"#),
    ];
    for request in requests {
        stranger.send(request.as_bytes()).await;
    }
    stranger.send(b"[\"\",\"snd\",\"x#me\",2]").await;
    stranger.until("[\"me\",2]").await;
    assert!(
        !scene
            .log
            .with(&["a request that this node does not know"])
            .is_empty()
    );
    assert!(!scene.log.with(&["a called function failed"]).is_empty());
    scene.undisturbed().await;
    harmless(&scene);
    // Neither does an error, which programs log.
    let (a, b) = (&scene.a, &scene.b);
    let dead = a.port(|_: &mut aemp::Context<'_>, _: aemp::Message| {
        Err::<(), _>(reason!["x\u{1b}[2J\nINFO"])
    });
    let error = soon(b.call::<(u32,)>(&dead, ("echo", 1))).await;
    let error = error.unwrap_err().to_string();
    assert!(error.contains(r"x\u{1b}[2J\nINFO"), "{error:?}");
}

#[tokio::test(start_paused = true)]
async fn what_a_peer_makes_the_log_say_is_limited_and_what_was_left_out_is_counted() {
    let scene = Scene::new(|_| ()).await;
    let mut stranger = Stranger::join(&scene.network, "a", "x").await;
    for _ in 0..10 {
        let requests = "[\"\",\"no::such::function\",1]".repeat(1000);
        stranger.send(requests.as_bytes()).await;
    }
    stranger.send(b"[\"\",\"snd\",\"x#me\",2]").await;
    stranger.until("[\"me\",2]").await;
    let lines = scene.log.with(&["no::such::function"]).len();
    assert!((20..100).contains(&lines), "{lines} lines");
    // Nothing of that concerns another peer.
    scene.undisturbed().await;
    let mut other = Stranger::join(&scene.network, "a", "y").await;
    other
        .send(b"[\"\",\"another::function\"][\"\",\"snd\",\"y#me\",2]")
        .await;
    other.until("[\"me\",2]").await;
    assert_eq!(scene.log.with(&["another::function", "from=y"]).len(), 1);
    drop(stranger);
    crate::common::unlinked(&scene.a, "x").await;
    // With the news of its end, which is one of its lines.
    let counts = scene.log.with(&["left out", "about=x"]);
    let count = |line: &String| line.rsplit('=').next().unwrap().parse::<usize>().unwrap();
    let left_out: usize = counts.iter().map(count).sum();
    assert!(
        (10_000 - lines..=10_001 - lines).contains(&left_out),
        "{counts:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn what_strangers_make_the_log_say_is_limited_all_together() {
    let scene = Scene::new(|_| ()).await;
    for n in 0..1000 {
        let mut stranger = Stranger::dial(&scene.network, "a");
        stranger
            .send(format!("GET /{n} HTTP/1.1\r\n\r\n").as_bytes())
            .await;
        stranger.closed().await;
    }
    let lines = scene.log.with(&["a connection was refused"]).len();
    assert!((20..100).contains(&lines), "{lines} lines");
    tokio::time::sleep(std::time::Duration::from_secs(60)).await;
    let mut stranger = Stranger::dial(&scene.network, "a");
    stranger.send(b"GET /last HTTP/1.1\r\n\r\n").await;
    stranger.closed().await;
    assert_eq!(
        scene.log.with(&["a connection was refused", "/last"]).len(),
        1
    );
    let left_out = format!("left_out={}", 1000 - lines);
    assert_eq!(scene.log.with(&["left out", &left_out]).len(), 1);
    scene.undisturbed().await;
}
