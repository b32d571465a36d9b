//! Policy: a request that a peer is not permitted has no effect, is logged and counted, and the peer is told of it where
//! the protocol has a place for that.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp::policy::{Action, Permission, Policy, Rule, Rules};
use aemp::stats::ConnectionInfo;
use aemp::{LocalNode, NodeEvent, PortId, Reason, routes};
use tokio::time::Instant;

use crate::common::{Network, linked, node, soon, until};
use crate::log::Log;
use crate::stranger::Stranger;

/// Node `a` with a policy, a port called `port`, and the functions `shop::price` and `shop::worker`.
struct Scene {
    network: Network,
    a: LocalNode,
    /// Calls of `shop::price`, and spawns of `shop::worker`.
    calls: Arc<AtomicUsize>,
    log: Log,
    _guard: tracing::subscriber::DefaultGuard,
}

impl Scene {
    async fn new(policy: impl Policy + 'static) -> Self {
        let (log, guard) = Log::start();
        let network = Network::default();
        let a = node("a", &network).bind("mem:a").policy(policy);
        let a = a.configure(|config| config.cleartext = true);
        let a = a.start().await.unwrap();
        let calls = Arc::new(AtomicUsize::new(0));
        let counted = calls.clone();
        a.offer_function(
            "shop::price",
            move |node: &LocalNode, (reply,): (PortId,)| {
                counted.fetch_add(1, Ordering::Relaxed);
                node.send(&reply, (7,));
            },
        );
        let counted = calls.clone();
        a.offer("shop::worker", move |_, (): ()| {
            counted.fetch_add(1, Ordering::Relaxed);
            routes()
        });
        Self {
            network,
            a,
            calls,
            log,
            _guard: guard,
        }
    }

    /// A port that answers `echo`.
    fn echo(&self) -> PortId {
        let echo = routes().on("echo", |cx, (reply,): (PortId,)| cx.send(&reply, ("here",)));
        self.a.port_of(echo)
    }

    async fn join(&self, id: &str) -> Stranger {
        let stranger = Stranger::join(&self.network, "a", id).await;
        linked(&self.a, id).await;
        stranger
    }

    fn refused(&self, peer: &str) -> u64 {
        let links = self.a.stats().connections.into_iter();
        let mut found = links.filter(|link| link.info.peer() == peer);
        found.next().expect("the connection stands").refused
    }

    /// Waits until so many requests of `peer` are refused, and checks that each has a line with one of `actions`.
    async fn all_refused(&self, peer: &str, actions: &[&str]) {
        let all = || self.refused(peer) == actions.len() as u64;
        until("all are refused", all).await;
        let from = format!("from={peer}");
        for action in actions {
            let parts = ["refused by the policy of this node", action, &from];
            assert!(!self.log.with(&parts).is_empty(), "{action}");
        }
    }
}

fn rule<const N: usize>(permissions: [&str; N]) -> Rule {
    let permissions = permissions.map(|text| text.parse::<Permission>().unwrap());
    Rule::new(permissions)
}

fn nothing() -> Rules {
    Rules::new([rule([])])
}

#[tokio::test(start_paused = true)]
async fn a_member_that_may_do_nothing_may_send_and_ask_for_the_time() {
    let scene = Scene::new(nothing()).await;
    let port = scene.echo();
    let mut x = scene.join("x").await;
    let name = port.port();
    let third = node("third", &scene.network).seed("mem:a");
    let third = third.start().await.unwrap();
    linked(&scene.a, "third").await;
    let inbox = third.inbox();
    let to_third = inbox.id();
    for request in [
        format!(r#"["","mon1","{name}"]"#),
        format!(r#"["","kil1","{name}","die"]"#),
        r#"["","shop::price","x#reply"]"#.into(),
        r#"["","AnyEvent::MP::_spawn","new","shop::worker"]"#.into(),
        format!(r#"["","snd","{to_third}","hello"]"#),
        format!(r#"["","time","{to_third}"]"#),
        r#"["","eval","AnyEvent::MP::Kernel::up_nodes","x#answer"]"#.into(),
        r#"["","g_slave",{"'l":{"x":["127.0.0.1:1"]}}]"#.into(),
        r#"["","g_global"]"#.into(),
        r#"["","g_upd","family",{"key":1}]"#.into(),
        r#"["","g_upd","'l",{"x":["127.0.0.1:1"]}]"#.into(),
        r#"["","g_find","third"]"#.into(),
    ] {
        x.send(request.as_bytes()).await;
    }
    let text = "the policy of a does not permit to";
    let told = format!(r#"["","kil0","{name}","refused","{text} monitor the port \"{name}\""]"#);
    x.until(told).await;
    x.until(format!(r#"["answer","{text} use the directory"]"#))
        .await;
    // As of a node that is not known: whoever waits for its addresses learns that none will come.
    x.until(r#"["","g_found","third",null]"#).await;
    let third_excerpt = format!("relay to \"{to_third}\"");
    // The node that waits for its answers has asked to use the directory as well.
    scene
        .all_refused(
            "x",
            &[
                "monitor the port",
                "kill the port",
                "call \"shop::price\"",
                "spawn \"shop::worker\"",
                &third_excerpt,
                &third_excerpt,
                "use the directory",
                "use the directory",
                "be a global node",
                "write the family \"family\"",
                "publish addresses",
                "use the directory",
            ],
        )
        .await;
    assert_eq!(scene.calls.load(Ordering::Relaxed), 0);
    // What no policy takes away.
    x.send(format!(r#"["{name}","echo","x#heard"]["","snd","x#own","back"]["","can","shop::price","x#can"]["","can","time","x#can"]"#).as_bytes()).await;
    x.until(
        r#"["own","back"]["can",""]["can","1"]["heard","here"]"#
            .replace("][", "]*[")
            .split('*')
            .next()
            .unwrap(),
    )
    .await;
    // What is asked of the node itself is a probe of a global node, whose answer would mean that this one has no entries.
    x.send(br#"["","g_find","a"]["","time","x#time"]"#).await;
    let said = x.until(r#"["time","#).await;
    assert!(!said.contains("g_found"), "{said}");
    let entries = soon(scene.a.directory().family("family").into_future()).await;
    assert!(entries.unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn the_first_rule_that_fits_decides() {
    let rules = Rules::new([
        rule(["all"]).node("admin/*"),
        rule(["call shop::*", "write public*", "directory"]),
    ]);
    let scene = Scene::new(rules).await;
    let mut user = scene.join("user").await;
    let mut admin = scene.join("admin/1").await;
    user.send(br#"["","shop::price","user#r"]"#).await;
    user.until(r#"["r",7]"#).await;
    user.send(br#"["","AnyEvent::MP::_spawn","new","shop::worker"]["","mon1","new"]"#)
        .await;
    user.send(br#"["","g_slave",{"public":{"u":1},"private":{"u":1},"'l":{"user":[]},"'g":{"user":null}}]"#)
        .await;
    scene
        .all_refused(
            "user",
            &[
                "spawn \"shop::worker\"",
                "monitor the port \"new\"",
                "write the family \"private\"",
                "publish addresses",
                "be a global node",
            ],
        )
        .await;
    admin
        .send(br#"["","AnyEvent::MP::_spawn","new","shop::worker"]["","mon1","new"]["","kil1","new","done"]"#)
        .await;
    admin.until(r#"["","kil0","new","done"]"#).await;
    assert_eq!(scene.calls.load(Ordering::Relaxed), 2);
    scene.a.directory().serve_directory();
    let directory = scene.a.directory();
    let public = soon(directory.keys("public").into_future()).await.unwrap();
    assert_eq!(public, ["u"]);
    let private = soon(directory.keys("private").into_future()).await.unwrap();
    assert!(private.is_empty());
    assert_eq!(scene.refused("admin/1"), 0);
}

#[tokio::test(start_paused = true)]
async fn nodes_of_ours_hear_of_a_refusal_at_once() {
    let scene = Scene::new(nothing()).await;
    let port = scene.echo();
    let b = node("b", &scene.network)
        .seed("mem:a")
        .start()
        .await
        .unwrap();
    linked(&b, "a").await;
    let why: Reason = soon(b.gone(&port)).await;
    assert_eq!(why.kind(), Some("refused"), "{why}");
    let function: PortId = "a#".parse().unwrap();
    let call = b.call::<(u32,)>(&function, ("shop::price",));
    let error = soon(call.into_future()).await.unwrap_err().to_string();
    let expected = "the policy of a does not permit to call \"shop::price\"";
    assert!(error.contains(expected), "{error}");
    let spawned = b.spawn("a", "shop::worker", ()).unwrap();
    let why: Reason = soon(b.gone(&spawned)).await;
    assert_eq!(why.kind(), Some("refused"), "{why}");
    let started = Instant::now();
    let why: Reason = soon(b.gone("elsewhere#port")).await;
    assert!(why.to_string().contains("no known address"), "{why}");
    assert!(started.elapsed() < Duration::from_secs(1));
}

/// A request names any number of families, and a peer holds them within a limit: no more than those are asked about.
#[tokio::test(start_paused = true)]
async fn a_request_of_many_families_asks_the_policy_within_a_limit() {
    let asked = Arc::new(AtomicUsize::new(0));
    let count = asked.clone();
    let policy = move |_: &ConnectionInfo, action: &Action<'_>| match action {
        Action::Write(family) => {
            count.fetch_add(1, Ordering::Relaxed);
            // Not one of those that are asked about first.
            *family == "last"
        }
        _ => true,
    };
    let (log, _guard) = Log::start();
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").policy(policy);
    let a = a.configure(|config| {
        config.cleartext = true;
        config.directory.families = 2;
        config.directory.of_global = 3;
    });
    let a = a.start().await.unwrap();
    let mut x = Stranger::join(&network, "a", "x").await;
    linked(&a, "x").await;
    let families =
        ["b", "c", "d", "e", "f", "g", "last"].map(|name| format!("\"{name}\":{{\"x\":1}}"));
    for (named, over) in [(6, 0), (7, 1)] {
        let families = families[..named].join(",");
        x.send(format!(r#"["","g_slave",{{{families}}}]"#).as_bytes())
            .await;
        x.send(br#"["","time","x#time"]"#).await;
        x.until(r#"["time","#).await;
        assert_eq!(asked.swap(0, Ordering::Relaxed), 6);
        let parts = [
            "refused by the policy of this node",
            "write more than 6 families",
            "from=x",
        ];
        assert_eq!(log.with(&parts).len(), over);
    }
    a.directory().serve_directory();
    let last = soon(a.directory().keys("last").into_future())
        .await
        .unwrap();
    assert!(last.is_empty());
}

#[tokio::test(start_paused = true)]
async fn families_of_the_protocol_are_no_families_to_write() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let keep = asked.clone();
    let policy = move |_: &ConnectionInfo, action: &Action<'_>| {
        keep.lock().unwrap().push(action.to_string());
        true
    };
    let scene = Scene::new(policy).await;
    let mut x = scene.join("x").await;
    asked.lock().unwrap().clear();
    x.send(br#"["","g_slave",{"'l":{"x":[]},"'g":{"x":null},"'x":{"x":1},"f":{"x":1}}]"#)
        .await;
    x.send(br#"["","time","x#time"]"#).await;
    x.until(r#"["time","#).await;
    let asked = asked.lock().unwrap();
    let expected = [
        "use the directory",
        "publish addresses",
        "be a global node",
        "use the directory",
        "write the family \"f\"",
    ];
    assert_eq!(*asked, expected);
}

#[tokio::test(start_paused = true)]
async fn answers_to_questions_of_this_node_need_no_permission() {
    let network = Network::default();
    let a = node("a", &network).bind("mem:a").start().await.unwrap();
    a.directory().serve_directory();
    a.directory().set("family", "key", 1).unwrap();
    let b = node("b", &network).seed("mem:a").policy(nothing());
    let b = b.start().await.unwrap();
    soon(b.joined()).await.unwrap();
    let mut watch = b.directory().watch("family").unwrap();
    let keys = soon(b.directory().keys("family").into_future()).await;
    assert_eq!(keys.unwrap(), ["key"]);
    soon(watch.recv()).await.expect("the content comes");
    a.directory().set("family", "other", 2).unwrap();
    soon(watch.recv()).await.expect("the change comes");
    let why: Reason = soon(b.gone("elsewhere#port")).await;
    assert!(why.to_string().contains("no known address"), "{why}");
    let links = b.stats().connections.into_iter();
    let refused: u64 = links.map(|link| link.refused).sum();
    assert_eq!(refused, 1, "that a is global");
}

#[tokio::test(start_paused = true)]
async fn who_may_not_connect_ends_no_connection_of_the_node_whose_name_it_uses() {
    // The second of that name is another one.
    let seen = Arc::new(AtomicUsize::new(0));
    let policy = move |peer: &ConnectionInfo, action: &Action<'_>| match action {
        Action::Connect if peer.peer() == "x" => seen.fetch_add(1, Ordering::Relaxed) == 0,
        _ => true,
    };
    let scene = Scene::new(policy).await;
    let mut x = scene.join("x").await;
    let mut second = Stranger::dial(&scene.network, "a");
    second.prove("x", "json").await;
    for _ in 0..2 {
        second.line().await;
    }
    assert_eq!(second.line().await, "");
    let parts = [
        "a connection was refused",
        "does not permit \"x\" to connect",
    ];
    assert_eq!(scene.log.with(&parts).len(), 1);
    assert_eq!(scene.a.stats().refused_connections, 1);
    x.send(br#"["","time","x#time"]"#).await;
    x.until(r#"["time","#).await;
    assert_eq!(scene.a.connections().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_peer_that_no_rule_fits_is_not_connected() {
    let scene = Scene::new(Rules::new([rule(["all"]).node("b")])).await;
    let mut x = Stranger::dial(&scene.network, "a");
    x.prove("x", "json").await;
    x.closed().await;
    let b = node("b", &scene.network)
        .seed("mem:a")
        .start()
        .await
        .unwrap();
    soon(b.joined()).await.unwrap();
    assert_eq!(scene.a.connections().len(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_policy_that_panics_refuses() {
    let policy = |_: &ConnectionInfo, action: &Action<'_>| match action {
        Action::Call(_) => panic!("oh"),
        _ => true,
    };
    let scene = Scene::new(policy).await;
    let mut x = scene.join("x").await;
    x.send(br#"["","shop::price","x#r"]"#).await;
    scene.all_refused("x", &["call \"shop::price\""]).await;
    x.send(br#"["","time","x#time"]"#).await;
    x.until(r#"["time","#).await;
}

#[tokio::test(start_paused = true)]
async fn secure_is_as_in_anyevent_mp() {
    let scene = Scene::new(Rules::default().secure()).await;
    let mut x = scene.join("x").await;
    let port = scene.echo();
    let name = port.port();
    x.send(br#"["","shop::price","x#r"]["","AnyEvent::MP::_spawn","new","shop::worker","x#r"]["","mon1","new"]"#)
        .await;
    x.until(r#"["","kil0","new","no_such_port","cannot monitor nonexistent port","a#new"]"#)
        .await;
    let rest = format!(r#"["","mon1","{name}"]["","kil1","{name}","byebye"]"#);
    x.send(rest.as_bytes()).await;
    x.until(format!(r#"["","kil0","{name}","byebye"]"#)).await;
    scene
        .all_refused("x", &["call \"shop::price\"", "spawn \"shop::worker\""])
        .await;
}

#[tokio::test(start_paused = true)]
async fn who_does_not_read_its_refusals_is_closed_and_holds_no_memory() {
    let scene = Scene::new(nothing()).await;
    let mut x = scene.join("x").await;
    let mut events = scene.a.events();
    let requests = br#"["","call","x#?"]"#.repeat(2000);
    let sent = async {
        while !scene.a.connections().is_empty() {
            x.send(&requests).await;
            x.send(br#"["","mon1","port"]"#).await;
        }
    };
    soon(sent).await;
    let down = soon(events.recv()).await.unwrap();
    let NodeEvent::Down { reason, .. } = down else {
        panic!("{down:?}");
    };
    let why = "the peer asks for monitors that it must not have, and takes no answers";
    assert!(reason.to_string().contains(why), "{reason}");
}
