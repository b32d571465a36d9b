//! Members that ask for more than they may have.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use aemp::policy::{Permission, Rule, Rules};
use aemp::stats::ConnectionStats;
use aemp::{Context, LocalNode, Message, NodeBuilder, PortId};

use crate::nodes::{link, soon};
use crate::scene::{Scene, Socket, takes_cleartext, until};

/// A node at which `x` may send messages, and nothing else.
pub(crate) fn permits_nothing(node: NodeBuilder) -> NodeBuilder {
    let others = Rule::new([Permission::All]);
    takes_cleartext(node).policy(Rules::new([Rule::new([]).node("x"), others]))
}

/// Lets a member `x` in.
pub(crate) async fn join(scene: &Scene) -> Socket {
    let mut x = scene.dial().await;
    x.greet("x", "json").await;
    link(&scene.a, "x").await;
    x
}

/// Waits until `a` has carried out or refused all that `x` has sent.
pub(crate) async fn settled(x: &mut Socket) {
    x.send(br#"["","snd","x#me","all"]"#).await;
    x.until(r#"["me","all"]"#).await;
}

/// What `node` has counted of its connection to `x`, if that stands.
pub(crate) fn counted(node: &LocalNode) -> Option<ConnectionStats> {
    let mut links = node.stats().connections.into_iter();
    links.find(|link| link.info.peer() == "x")
}

fn refused(node: &LocalNode) -> u64 {
    counted(node).expect("the connection stands").refused
}

pub(crate) const KILL_THE_NODE_PORT: &[u8] = br#"["","kil1","","die"]"#;
pub(crate) const KILL_ECHO: &[u8] = br#"["","kil1","echo","die"]"#;

#[tokio::test]
async fn a_member_cannot_kill_the_node_port() {
    let mut scene = Scene::new(takes_cleartext).await;
    let mut x = join(&scene).await;
    x.send(KILL_THE_NODE_PORT).await;
    settled(&mut x).await;
    let logged = scene.log.with(&["refused to kill the node port", "from=x"]);
    assert_eq!(logged.len(), 1);
    assert_eq!(refused(&scene.a), 1);
    assert_eq!(scene.node_port().await, Ok(()));
    drop(x);
    scene.gone("x").await;
    scene.undisturbed(takes_cleartext).await;
}

#[tokio::test]
async fn a_member_runs_nothing_that_was_not_offered() {
    let mut scene = Scene::new(takes_cleartext).await;
    let mut x = join(&scene).await;
    let requests: [&[u8]; 4] = [
        br#"["","CORE::exit","1"]"#,
        br#"["","AnyEvent::MP::_spawn","new","CORE::exit","1"]"#,
        br#"["","AnyEvent::MP::_spawn","new"]"#,
        br#"["","snd"]"#,
    ];
    for request in requests {
        x.send(request).await;
    }
    x.send(br#"["","mon1","new"]"#).await;
    x.until(r#"["","kil0","new","no_such_port","cannot monitor nonexistent port","a#new"]"#)
        .await;
    let link = counted(&scene.a).expect("the connection stands");
    assert_eq!(link.unknown_requests, requests.len() as u64);
    for parts in [
        ["a request that this node does not know", "CORE::exit"],
        ["spawn of a function that is not offered here", "CORE::exit"],
        ["a spawn request without name or function", "from=x"],
        ["a relay request without a port ID", "from=x"],
    ] {
        assert_eq!(scene.log.with(&parts).len(), 1, "{parts:?}");
    }
    drop(x);
    scene.gone("x").await;
    scene.undisturbed(takes_cleartext).await;
}

#[tokio::test]
async fn a_member_gets_what_policy_allows() {
    let mut scene = Scene::new(permits_nothing).await;
    scene.a.offer_function("f", |_: &LocalNode, ()| ());
    let mut x = join(&scene).await;
    let requests: [&[u8]; 7] = [
        KILL_ECHO,
        br#"["","mon1","echo"]"#,
        br#"["","f"]"#,
        br#"["","AnyEvent::MP::_spawn","new","f"]"#,
        br#"["","snd","member#port","hello"]"#,
        br#"["","g_slave",{"family":{"key":1}}]"#,
        br#"["","g_global"]"#,
    ];
    for request in requests {
        x.send(request).await;
    }
    let all = || refused(&scene.a) == requests.len() as u64;
    until("all are refused", all).await;
    for action in ["kill", "monitor", "call", "spawn", "relay"] {
        let parts = ["refused by the policy of this node", action, "from=x"];
        assert!(!scene.log.with(&parts).is_empty(), "{action}");
    }
    drop(x);
    scene.gone("x").await;
    scene.undisturbed(permits_nothing).await;
}

#[tokio::test]
async fn nothing_is_asked_in_another_s_name_and_nobody_is_dialled_for_it() {
    let mut scene = Scene::new(takes_cleartext).await;
    let mut x = join(&scene).await;
    let requests: [&[u8]; 5] = [
        br#"["","snd","member#","kil1","port","die"]"#,
        br#"["","time","member#","g_upd","family",{"key":1}]"#,
        br#"["","snd","a#","mon1","echo"]"#,
        br#"["","snd","x#","snd","x#","snd","x#",""]"#,
        br#"["","snd","nowhere#port","hello"]"#,
    ];
    for request in requests {
        x.send(request).await;
    }
    let all = || refused(&scene.a) == requests.len() as u64;
    until("all are refused", all).await;
    drop(x);
    scene.gone("x").await;
    scene.undisturbed(takes_cleartext).await;
}

/// A node that takes short messages of few levels and values.
pub(crate) fn takes_little(node: NodeBuilder) -> NodeBuilder {
    takes_cleartext(node).configure(|config| {
        config.limits.message_size = 64 << 10;
        config.limits.depth = 50;
        config.limits.items = 1000;
    })
}

/// Messages for `heard` that are longer, deeper and of more values, and what is said of each.
pub(crate) fn too_much() -> [(Vec<u8>, &'static str); 3] {
    let heard = |value: String| format!("[\"heard\",{value}]").into_bytes();
    let (deep, end) = ("[".repeat(50), "]".repeat(50));
    [
        (
            heard(format!("\"{}\"", "x".repeat(100_000))),
            "longer than the limit of 65536 bytes",
        ),
        (heard(deep + &end), "nests deeper than the limit of 50"),
        (
            heard(format!("[{}0]", "0,".repeat(1000))),
            "more than the limit of 1000 values",
        ),
    ]
}

#[tokio::test]
async fn bytes_that_are_no_message_end_the_link_at_once_and_nobody_else_notices() {
    let mut scene = Scene::new(takes_little).await;
    let deep = [&b"[\"heard\","[..], &b"[".repeat(10_000)].concat();
    let long = [&b"[\"heard\",\""[..], &b"x".repeat(100_000)].concat();
    let [of_size, of_depth, of_values] = too_much();
    let cases: [(&[u8], &str); 8] = [
        (b"hello", "which no json message does"),
        (b"\x81\x01", "which no json message does"),
        (b"[\"heard\",}", "of a json message"),
        (&of_size.0, of_size.1),
        (&long, of_size.1),
        (&of_depth.0, of_depth.1),
        (&deep, of_depth.1),
        (&of_values.0, of_values.1),
    ];
    for (bytes, why) in cases {
        let mut x = join(&scene).await;
        x.send(bytes).await;
        x.closed().await;
        let reason = scene.gone("x").await;
        assert!(reason.contains(why), "{why}: {reason}");
    }
    scene.undisturbed(takes_little).await;
}

/// What a node with [`bounded`] queues and monitors holds for `x`.
pub(crate) const QUEUE: usize = 1 << 20;
pub(crate) const MONITORS: usize = 10;

pub(crate) fn bounded(node: NodeBuilder) -> NodeBuilder {
    takes_cleartext(node).configure(|config| {
        config.queue_limit = QUEUE;
        config.peer_monitors = MONITORS;
    })
}

/// A member `x` sends long texts to a port that sends them back, and reads nothing, until so many bytes wait for it or
/// its connection is gone.
pub(crate) async fn read_nothing(scene: &Scene, bytes: usize) -> Socket {
    let back = |cx: &mut Context<'_>, message: Message| {
        let (text, to): (String, PortId) = message.parse().unwrap();
        cx.send(&to, (text,));
    };
    scene.a.port_named("back", back).unwrap();
    let mut x = join(scene).await;
    let message = format!("[\"back\",\"{}\",\"x#me\"]", "x".repeat(64 << 10));
    let sent = async {
        while counted(&scene.a).is_some_and(|link| link.queued < bytes) {
            x.send(message.as_bytes()).await;
        }
    };
    soon(sent).await;
    x
}

#[tokio::test]
async fn who_reads_nothing_loses_its_connection_alone() {
    let mut scene = Scene::new(bounded).await;
    let _x = read_nothing(&scene, usize::MAX).await;
    let why = scene.gone("x").await;
    let expected = "more than 1048576 bytes wait to be sent (queue_limit)";
    assert!(why.contains(expected), "{why}");
    scene.undisturbed(bounded).await;
}

/// A member `x` monitors one port so many times.
pub(crate) async fn monitor(scene: &Scene, times: usize) -> Socket {
    let mut x = join(scene).await;
    x.send(&br#"["","mon1","echo"]"#.repeat(times)).await;
    x
}

#[tokio::test]
async fn who_monitors_without_end_loses_its_connection_alone() {
    let mut scene = Scene::new(bounded).await;
    let _x = monitor(&scene, MONITORS + 1).await;
    let why = scene.gone("x").await;
    let expected = "the peer holds more than 10 monitors (peer_monitors)";
    assert!(why.contains(expected), "{why}");
    scene.undisturbed(bounded).await;
}

/// A member `x` sends 20 MB to a port that takes 5 ms for each message, and a thread. Returns the most bytes that waited
/// there.
pub(crate) async fn flood(scene: &Scene) -> (Socket, usize) {
    const MESSAGES: usize = 200;
    let handled = Arc::new(AtomicUsize::new(0));
    let count = handled.clone();
    let slow = move |_: &mut Context<'_>, _: Message| {
        std::thread::sleep(Duration::from_millis(5));
        count.fetch_add(1, Ordering::Relaxed);
    };
    scene.a.port_named("slow", slow).unwrap();
    let mut x = join(scene).await;
    let message = format!("[\"slow\",\"{}\"]", "x".repeat(100 << 10));
    let mut most = 0;
    let mut look = || {
        let shards = scene.a.stats().shards.into_iter();
        most = most.max(shards.map(|shard| shard.backlog).sum());
    };
    for _ in 0..MESSAGES {
        x.send(message.as_bytes()).await;
        look();
    }
    let rest = async {
        while handled.load(Ordering::Relaxed) < MESSAGES {
            look();
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    };
    soon(rest).await;
    (x, most)
}

/// What a reader gives to a shard before it waits, and a read.
pub(crate) const GIVEN: usize = 2 << 20;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_sends_more_than_a_port_takes_waits_and_takes_no_memory() {
    let mut scene = Scene::new(takes_cleartext).await;
    let (x, most) = flood(&scene).await;
    assert!(most < GIVEN, "{most} bytes wait");
    drop(x);
    scene.gone("x").await;
    scene.undisturbed(takes_cleartext).await;
}
