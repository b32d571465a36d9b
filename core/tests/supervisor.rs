//! Supervision of ports on one node. The plan alone is tested beside it.
#![allow(clippy::unwrap_used)]

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp_core::{ChildError, LocalNode, PortId, Reason, Restart, Supervision, reason, routes};

async fn node() -> LocalNode {
    LocalNode::builder().id("n").start().await.unwrap()
}

/// Waits until `get` returns something, on a simulated clock.
async fn found<T>(get: impl Fn() -> Option<T>) -> T {
    let found = async {
        loop {
            match get() {
                Some(found) => return found,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    let found = tokio::time::timeout(Duration::from_secs(60), found).await;
    found.expect("within a minute")
}

/// A port that logs its end.
fn logging(node: &LocalNode, name: &'static str, log: &Arc<Mutex<Vec<String>>>) -> PortId {
    let port = node.port_of(routes().on("stop", |_, ()| Err::<(), _>(Reason::normal())));
    let log = log.clone();
    let ended = move |why: Reason| log.lock().unwrap().push(format!("{name}: {why}"));
    node.monitor(&port, ended).detach();
    port
}

#[tokio::test(start_paused = true)]
async fn a_child_that_dies_is_started_again_alone() {
    let node = node().await;
    let log = Arc::default();
    let (one, two) = (Arc::clone(&log), Arc::clone(&log));
    let pool = node.supervise(
        Supervision::one_for_one()
            .child("one", move |node| logging(node, "one", &one))
            .child("two", move |node| logging(node, "two", &two)),
    );
    let first = found(|| pool.child("one")).await;
    let other = found(|| pool.child("two")).await;
    node.kill(&first, reason!["broken", 7]);
    let second = found(|| pool.child("one").filter(|port| *port != first)).await;
    assert_eq!(pool.children(), [second, other]);
    assert_eq!(*log.lock().unwrap(), ["one: broken: 7"]);
    assert_eq!(pool.child("three"), None);
    pool.stop().await;
}

#[tokio::test(start_paused = true)]
async fn children_are_stopped_in_the_reverse_order() {
    let node = node().await;
    let log = Arc::default();
    let mut supervision = Supervision::one_for_one();
    for name in ["one", "two", "three"] {
        let log = Arc::clone(&log);
        supervision = supervision.child(name, move |node| logging(node, name, &log));
    }
    let pool = node.supervise(supervision);
    found(|| pool.child("three")).await;
    let gone = node.gone(pool.id());
    pool.stop().await;
    assert!(gone.await.is_normal());
    let ends = ["three: shutdown", "two: shutdown", "one: shutdown"];
    assert_eq!(*log.lock().unwrap(), ends);
}

#[tokio::test(start_paused = true)]
async fn one_for_all_starts_all_again() {
    let node = node().await;
    let log = Arc::default();
    let mut supervision = Supervision::one_for_all();
    for name in ["one", "two", "three"] {
        let log = Arc::clone(&log);
        supervision = supervision.child(name, move |node| logging(node, name, &log));
    }
    let pool = node.supervise(supervision);
    found(|| pool.child("three")).await;
    let before = pool.children();
    node.kill(&before[1], reason!["broken"]);
    found(|| pool.child("three").filter(|port| !before.contains(port))).await;
    assert!(pool.children().iter().all(|port| !before.contains(port)));
    assert_eq!(pool.children().len(), 3);
    let ends = ["two: broken", "three: shutdown", "one: shutdown"];
    assert_eq!(*log.lock().unwrap(), ends);
}

#[tokio::test(start_paused = true)]
async fn rest_for_one_starts_the_later_ones_again() {
    let node = node().await;
    let log = Arc::default();
    let mut supervision = Supervision::rest_for_one();
    for name in ["one", "two", "three", "four"] {
        let log = Arc::clone(&log);
        supervision = supervision.child(name, move |node| logging(node, name, &log));
    }
    let pool = node.supervise(supervision);
    found(|| pool.child("four")).await;
    let before = pool.children();
    node.kill(&before[1], reason!["broken"]);
    found(|| pool.child("four").filter(|port| !before.contains(port))).await;
    let after = pool.children();
    assert_eq!(after[0], before[0]);
    assert!(after[1..].iter().all(|port| !before.contains(port)));
    assert_eq!(after.len(), 4);
    let ends = ["two: broken", "four: shutdown", "three: shutdown"];
    assert_eq!(*log.lock().unwrap(), ends);
}

#[tokio::test(start_paused = true)]
async fn too_many_deaths_end_the_supervisor_with_the_last_reason() {
    let node = node().await;
    let starts = Arc::new(AtomicUsize::new(0));
    let (count, log) = (starts.clone(), Arc::default());
    let sibling = Arc::clone(&log);
    let pool = node.supervise(
        Supervision::one_for_one()
            .restart_limit(3, Duration::from_secs(60))
            .child("steady", move |node| logging(node, "steady", &sibling))
            .child("broken", move |node| {
                count.fetch_add(1, Ordering::Relaxed);
                node.port_of(routes().on_start(|_| Err::<(), _>(reason!["no_paper"])))
            }),
    );
    let why = node.gone(pool.id()).await;
    assert_eq!(starts.load(Ordering::Relaxed), 4);
    assert!(
        why.to_string()
            .starts_with("restart_limit: broken, no_such_port"),
        "{why}"
    );
    assert_eq!(*log.lock().unwrap(), ["steady: shutdown"]);
}

#[tokio::test(start_paused = true)]
async fn a_transient_child_that_is_done_is_not_started_again_and_one_that_cannot_start_is_tried() {
    let node = node().await;
    let log = Arc::default();
    let once = Arc::clone(&log);
    let mut tries = 0;
    let pool = node.supervise(
        Supervision::one_for_one()
            .child_with("once", Restart::Transient, move |node| {
                logging(node, "once", &once)
            })
            .child("late", move |node| {
                tries += 1;
                match tries {
                    1 | 2 => Err("not yet"),
                    _ => Ok(node.port_of(routes())),
                }
            }),
    );
    let once = found(|| pool.child("once")).await;
    node.send(&once, ("stop",));
    found(|| pool.child("late")).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(pool.child("once"), None);
    pool.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_transient_child_that_dies_is_started_again_and_a_temporary_one_is_not() {
    let node = node().await;
    let child = |node: &LocalNode| node.port_of(routes());
    let pool = node.supervise(
        Supervision::one_for_one()
            .child_with("brief", Restart::Temporary, child)
            .child_with("late", Restart::Temporary, |_| Err::<PortId, _>("no paper"))
            .child_with("job", Restart::Transient, child)
            .child("server", child),
    );
    found(|| pool.child("server")).await;
    let [brief, job, server] = <[PortId; 3]>::try_from(pool.children()).unwrap();
    node.kill(&brief, reason!["broken"]);
    node.kill(&job, reason!["broken"]);
    let again = found(|| pool.child("job").filter(|port| *port != job)).await;
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(pool.children(), [again.clone(), server]);
    // The numbers of the children after those that were removed have changed.
    node.kill(&again, reason!["broken"]);
    found(|| pool.child("job").filter(|port| *port != again)).await;
    pool.stop().await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_supervisor_is_the_end_of_its_children() {
    let node = node().await;
    let child = |node: &LocalNode| node.port_of(routes());
    let killed = node.supervise(Supervision::one_for_one().child("one", child));
    let dropped = node.supervise(Supervision::one_for_one().child("one", child));
    let first = node.gone(&found(|| killed.child("one")).await);
    let second = node.gone(&found(|| dropped.child("one")).await);
    node.kill(killed.id(), reason!["murder"]);
    drop(dropped);
    for gone in [first, second] {
        assert_eq!(gone.await.to_string(), "shutdown");
    }
}

#[tokio::test(start_paused = true)]
async fn supervisors_make_trees() {
    let node = node().await;
    let inner: Arc<Mutex<Option<PortId>>> = Arc::default();
    let leaf = inner.clone();
    let tree = node.supervise(Supervision::one_for_one().child("branch", move |node| {
        let leaf = leaf.clone();
        let branch = Supervision::one_for_one()
            .restart_limit(0, Duration::from_secs(1))
            .child("leaf", move |node| {
                let port = node.port_of(routes());
                *leaf.lock().unwrap() = Some(port.clone());
                port
            });
        let branch = node.supervise(branch);
        let id = branch.id().clone();
        branch.detach();
        id
    }));
    let first = found(|| inner.lock().unwrap().clone()).await;
    let branch = found(|| tree.child("branch")).await;
    node.kill(&first, reason!["broken"]);
    // The branch may not start it again, ends, and is started again itself.
    let second = found(|| inner.lock().unwrap().clone().filter(|port| *port != first)).await;
    assert!(tree.child("branch").is_some_and(|port| port != branch));
    let gone = node.gone(&second);
    tree.stop().await;
    assert_eq!(gone.await.to_string(), "shutdown");
}

#[tokio::test(start_paused = true)]
async fn children_that_are_added_take_part_in_restarts_and_in_the_order_of_the_stop() {
    let node = node().await;
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let child = |name: &'static str| {
        let log = log.clone();
        move |node: &LocalNode| logging(node, name, &log)
    };
    let pool = node.supervise(Supervision::rest_for_one().child("one", child("one")));
    pool.add("two", child("two")).unwrap();
    pool.add_with("three", Restart::Temporary, child("three"))
        .unwrap();
    pool.add("four", child("four")).unwrap();
    found(|| pool.child("four")).await;
    let before = pool.children();
    assert_eq!(before.len(), 4);
    node.kill(&before[1], reason!["broken"]);
    found(|| pool.child("four").filter(|port| !before.contains(port))).await;
    let after = pool.children();
    assert_eq!((after.len(), &after[0]), (3, &before[0]));
    pool.stop().await;
    let ends = ["two: broken", "four: shutdown", "three: shutdown"];
    let stops = ["four: shutdown", "two: shutdown", "one: shutdown"];
    assert_eq!(*log.lock().unwrap(), [ends, stops].concat());
}

#[tokio::test(start_paused = true)]
async fn a_child_that_is_removed_has_ended_and_frees_its_name() {
    let node = node().await;
    let log: Arc<Mutex<Vec<String>>> = Arc::default();
    let child = |name: &'static str| {
        let log = log.clone();
        move |node: &LocalNode| logging(node, name, &log)
    };
    let mut supervision = Supervision::one_for_all();
    for name in ["one", "two", "three"] {
        supervision = supervision.child(name, child(name));
    }
    let pool = node.supervise(supervision);
    found(|| pool.child("three")).await;
    let before = pool.children();
    let taken = pool.add("two", child("two")).unwrap_err();
    assert!(matches!(&taken, ChildError::NameInUse { name, .. } if name == "two"));
    let (first, again) = tokio::join!(pool.remove("two"), pool.remove("two"));
    assert_eq!((first, again), (Ok(()), Ok(())));
    assert_eq!(*log.lock().unwrap(), ["two: shutdown"]);
    assert_eq!(pool.children(), [before[0].clone(), before[2].clone()]);
    let gone = pool.remove("two").await.unwrap_err();
    assert_eq!(
        gone.to_string(),
        r#"no child of this supervisor is called "two""#
    );
    // One that has not been started, and one that has the name of another before it.
    pool.add("two", child("two")).unwrap();
    assert_eq!(pool.remove("two").await, Ok(()));
    pool.add("two", child("two")).unwrap();
    found(|| pool.child("two")).await;
    assert_eq!(pool.children()[..2], [before[0].clone(), before[2].clone()]);
    pool.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_temporary_child_that_has_ended_frees_its_name() {
    let node = node().await;
    let child = |node: &LocalNode| node.port_of(routes());
    let pool = node.supervise(Supervision::one_for_one());
    let mut sessions = Vec::new();
    for _ in 0..3 {
        found(|| pool.add_with("session", Restart::Temporary, child).ok()).await;
        let session = found(|| pool.child("session")).await;
        assert!(!sessions.contains(&session));
        node.kill(&session, Reason::normal());
        sessions.push(session);
    }
    found(|| pool.children().is_empty().then_some(())).await;
    pool.stop().await;
}

#[tokio::test(start_paused = true)]
async fn a_supervisor_that_has_ended_takes_no_children() {
    let node = node().await;
    let child = |node: &LocalNode| node.port_of(routes());
    let pool = node.supervise(Supervision::one_for_one().child("one", child));
    let one = found(|| pool.child("one")).await;
    let (gone, one) = (node.gone(pool.id()), node.gone(&one));
    node.kill(pool.id(), reason!["murder"]);
    // It ends while the child is to be removed.
    assert_eq!(pool.remove("one").await, Err(ChildError::Ended));
    assert_eq!(one.await.to_string(), "shutdown");
    gone.await;
    assert_eq!(pool.add("two", child), Err(ChildError::Ended));
    assert_eq!(pool.remove("one").await, Err(ChildError::Ended));
    assert_eq!(pool.children(), []);
}
