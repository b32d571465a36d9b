//! Members that ask for more than they may have.

use aemp::policy::{Permission, Rule, Rules};
use aemp::{Builder, LocalNode};

use crate::nodes::{link, port, soon};
use crate::scene::{Scene, Socket, takes_cleartext, until};

/// A node at which `x` may send messages, and nothing else.
pub(crate) fn permits_nothing(node: Builder) -> Builder {
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

fn refused(node: &LocalNode) -> u64 {
    let links = node.stats().links.into_iter();
    let mut found = links.filter(|link| link.link.peer() == "x");
    found.next().expect("the connection stands").refused
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
    assert_eq!(scene.node_port().await, Ok(()));
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

#[tokio::test]
async fn bytes_that_are_no_message_end_the_link_at_once_and_nobody_else_notices() {
    fn takes_short_ones(node: Builder) -> Builder {
        takes_cleartext(node).configure(|config| config.limits.message_size = 64 << 10)
    }
    let mut scene = Scene::new(takes_short_ones).await;
    let deep = [&b"[\"echo\","[..], &b"[".repeat(10_000)].concat();
    let long = [&b"[\"echo\",\""[..], &b"x".repeat(100_000)].concat();
    let cases: [(&[u8], &str); 5] = [
        (b"hello", "which no json message does"),
        (b"\x81\x01", "which no json message does"),
        (b"[\"echo\",}", "of a json message"),
        (&deep, "nests deeper than the limit of 512"),
        (&long, "longer than the limit of 65536 bytes"),
    ];
    for (bytes, why) in cases {
        let mut x = join(&scene).await;
        let gone = scene.a.gone(&port("x#port"));
        x.send(bytes).await;
        let reason = soon(gone).await.to_string();
        assert!(reason.contains(why), "{why}: {reason}");
        x.closed().await;
        scene.gone("x").await;
    }
    scene.undisturbed(takes_short_ones).await;
}
