//! Messages are sent only when the receiver is ready, and each receiver gets exactly the changes that it needs.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;

use super::Net;
use super::properties::config;
use crate::directory::DirectoryLimits;
use crate::value::Values;
use crate::{Text, Value};

/// A size that makes a few entries fill a message.
const SMALL: usize = 800;

/// The keys and values of each family, as a receiver knows them.
pub(super) type Known = BTreeMap<Text, BTreeMap<Text, Value>>;

fn pairs(value: &Value) -> BTreeMap<Text, Value> {
    let map = value.as_map();
    let pairs = map.into_iter().flat_map(|map| map.iter());
    let text = |key: &Value| Text::from(key.as_str().expect("a key is text"));
    pairs
        .map(|(key, value)| (text(key), value.clone()))
        .collect()
}

/// Applies a request as AnyEvent::MP does, and fails if it deletes a key that the receiver does not know.
fn follow(known: &mut Known, request: &Values) {
    let word = request[0].as_str().unwrap();
    let family = || Text::from(request[1].as_str().unwrap());
    match word {
        "g_set" => {
            *known = pairs(&request[1])
                .iter()
                .map(|(family, content)| (family.clone(), pairs(content)))
                .collect();
        }
        "g_chg1" => drop(known.insert(family(), pairs(&request[2]))),
        "g_chg2" | "g_upd" => {
            let family = known.entry(family()).or_default();
            family.extend(pairs(&request[2]));
            for key in request[3].as_array().unwrap() {
                let key = key.as_str().unwrap();
                assert!(
                    family.remove(key).is_some(),
                    "{key} is not known: {request:?}"
                );
            }
        }
        _ => {}
    }
}

/// What `peer` knows after all requests that it was sent.
pub(super) fn known(net: &Net, peer: &str) -> Known {
    let mut known = Known::new();
    for (to, request) in &net.told {
        if to.as_str() == peer {
            follow(&mut known, request);
        }
    }
    known.retain(|_, keys| !keys.is_empty());
    known
}

fn messages(net: &Net, peer: &str) -> usize {
    net.told
        .iter()
        .filter(|(to, _)| to.as_str() == peer)
        .count()
}

/// A global node with a slave, and two strangers that watch a family at it.
fn watched() -> Net {
    let mut net = Net::default();
    let limits = DirectoryLimits::default;
    net.add_sized("a", &[], limits(), SMALL);
    net.become_global("a");
    net.add_sized("b", &["a"], limits(), SMALL);
    for watcher in ["w1", "w2"] {
        net.stranger("a", watcher, true);
        net.says("a", watcher, ["g_mon1".into(), "f".into()])
            .unwrap();
    }
    net
}

#[test]
fn a_key_that_comes_and_goes_meanwhile_is_not_told() {
    let mut net = watched();
    net.set("b", "f", "other", 1);
    net.told.clear();
    // The first change is sent at once, so that the next one waits.
    net.set_now("b", "f", "other", 2);
    net.set_now("b", "f", "k", 1);
    net.pass(Duration::from_millis(1));
    net.delete_now("b", "f", "k");
    net.soon();
    assert_eq!(
        net.heard("a", "w1").last().unwrap(),
        r#""g_chg2" "f" {"other": 2} []"#
    );
    // A peer that begins to watch in the meantime knows of the change.
    net.set_now("b", "f", "other", 3);
    net.set_now("b", "f", "k", 1);
    net.pass(Duration::from_millis(10));
    net.set_now("b", "f", "k2", 1);
    net.stranger("a", "w3", true);
    net.says_now("a", "w3", ["g_mon1".into(), "f".into()])
        .unwrap();
    net.delete_now("b", "f", "k");
    net.soon();
    let all = r#"{"f": {"k2": 1, "other": 3}}"#;
    assert_eq!(
        format!("{:?}", known(&net, "w3")["f"].keys()),
        r#"["k2", "other"]"#,
        "{all}"
    );
}

#[test]
fn what_changes_while_a_receiver_has_no_room_goes_out_merged() {
    let mut net = watched();
    net.stranger("a", "g", false);
    net.says("a", "g", ["g_global".into()]).unwrap();
    for peer in ["w1", "g"] {
        net.slow(peer);
    }
    net.set("b", "f", "first", 0);
    let before: Vec<usize> = ["w1", "g"].map(|peer| messages(&net, peer)).into();
    for n in 0..1000_i64 {
        net.set("b", "f", &format!("k{}", n % 10), n);
        net.set("b", "f", "gone", n);
        net.delete("b", "f", "gone");
    }
    let after: Vec<usize> = ["w1", "g"].map(|peer| messages(&net, peer)).into();
    assert_eq!(before, after, "they are sent nothing");
    let others = messages(&net, "w2");
    assert!(others >= 1000, "the other watcher is told all the while");
    for (peer, before) in ["w1", "g"].iter().zip(before) {
        net.room(peer, true);
        net.soon();
        let sent = messages(&net, peer) - before;
        assert!((1..=5).contains(&sent), "{sent}");
        assert_eq!(known(&net, peer)["f"], known(&net, "w2")["f"]);
        assert_eq!(known(&net, peer)["f"].len(), 11);
    }
}

#[test]
fn a_watch_that_begins_and_ends_all_the_time_is_told_when_there_is_room() {
    let mut net = watched();
    for n in 0..50 {
        net.set("b", "f", &format!("k{n}"), n);
    }
    net.slow("w1");
    net.set("b", "f", "k0", 1);
    let before = messages(&net, "w1");
    for _ in 0..1000 {
        net.says_now("a", "w1", ["g_mon0".into(), "f".into()])
            .unwrap();
        net.says_now("a", "w1", ["g_mon1".into(), "f".into()])
            .unwrap();
    }
    assert_eq!(messages(&net, "w1"), before);
    net.room("w1", true);
    assert_eq!(known(&net, "w1")["f"].len(), 50);
    let sent = messages(&net, "w1") - before;
    assert!(sent < 20, "{sent}");
}

#[test]
fn a_receiver_that_is_far_behind_is_told_all_anew() {
    let mut net = Net::default();
    let limits = DirectoryLimits {
        keys: 20,
        ..DirectoryLimits::default()
    };
    net.add_sized("a", &[], limits, SMALL);
    net.become_global("a");
    net.stranger("a", "w", true);
    net.says("a", "w", ["g_mon1".into(), "f".into()]).unwrap();
    net.stranger("a", "g", false);
    net.says("a", "g", ["g_global".into()]).unwrap();
    for n in 0..30 {
        net.set("a", "f", &format!("old{n}"), n);
    }
    for peer in ["w", "g"] {
        net.slow(peer);
    }
    net.set("a", "f", "first", 0);
    for n in 0..30 {
        net.delete("a", "f", &format!("old{n}"));
        net.set("a", "f", &format!("new{n}"), n);
    }
    for (peer, word) in [("w", "g_chg1"), ("g", "g_set")] {
        net.told
            .retain(|(_, request)| request[0].as_str() != Some(word));
        net.room(peer, true);
        net.soon();
        let anew = |(to, request): &(_, Values)| {
            *to == super::net::id(peer) && request[0].as_str() == Some(word)
        };
        assert!(net.told.iter().any(anew), "{peer}");
        assert_eq!(known(&net, peer)["f"].len(), 31);
    }
}

#[test]
fn what_a_new_global_node_was_asked_too_early_it_answers_as_its_peer_has_room() {
    let mut net = Net::default();
    net.add("a", &[]);
    for peer in ["g", "w"] {
        net.stranger("a", peer, false);
    }
    net.says("a", "g", ["g_global".into()]).unwrap();
    // The node settles: it waits for the entries of g.
    net.become_global("a");
    net.slow("w");
    let ask = |net: &mut Net, n: i64| {
        let words = ["g_db_keys".into(), "f".into(), n.into()];
        net.says_now("a", "w", words).unwrap();
    };
    (0..50).for_each(|n| ask(&mut net, n));
    net.heard("a", "w");
    net.says_now("a", "g", ["g_set".into(), Value::Map(crate::Map::new())])
        .unwrap();
    // Later requests do not overtake the deferred ones.
    (50..100).for_each(|n| ask(&mut net, n));
    assert_eq!(net.heard("a", "w"), [r#""g_reply" 0 []"#]);
    net.room("w", false);
    assert_eq!(net.heard("a", "w"), [r#""g_reply" 1 []"#]);
    net.room("w", true);
    let rest: Vec<String> = (2..100).map(|n| format!(r#""g_reply" {n} []"#)).collect();
    assert_eq!(net.heard("a", "w"), rest);
    ask(&mut net, 100);
    assert_eq!(net.heard("a", "w"), [r#""g_reply" 100 []"#]);
}

#[test]
fn the_more_receivers_are_behind_the_fewer_keys_one_call_marks() {
    let mut net = Net::default();
    net.add("a", &[]);
    net.become_global("a");
    for n in 0..50 {
        let watcher = format!("w{n}");
        net.stranger("a", &watcher, false);
        net.says("a", &watcher, ["g_mon1".into(), "f".into()])
            .unwrap();
        net.slow(&watcher);
    }
    net.set("a", "f", "first", 0);
    net.stranger("a", "g", false);
    net.says("a", "g", ["g_global".into()]).unwrap();
    let keys = (0..10_000).map(|n| (Value::from(format!("k{n}")), Value::from(n)));
    let update = ["g_upd".into(), "f".into(), Value::Map(keys.collect())];
    net.says_now("a", "g", update).unwrap();
    while net.machine("a").has_work() {
        net.more("a");
    }
    // Each key is marked dirty for each of 50 receivers.
    let mut calls = 0;
    while net.machine("a").poll_timeout() <= Some(net.now) {
        let before = net.machine("a").unflushed();
        net.more("a");
        let marked = before - net.machine("a").unflushed();
        assert!(marked <= 1000, "{marked} keys in one call");
        calls += 1;
    }
    assert!(calls >= 5, "{calls}");
    for n in 0..50 {
        net.room(&format!("w{n}"), true);
    }
    net.soon();
    assert_eq!(known(&net, "w0")["f"].len(), 10_001);
    assert_eq!(known(&net, "w49")["f"], known(&net, "w0")["f"]);
}

#[derive(Debug, Clone)]
enum Step {
    Set(usize, usize, usize, i64, bool),
    Delete(usize, usize, usize),
    Watch(usize, usize),
    Unwatch(usize, usize),
    Slow(usize),
    Room(usize, bool),
    Pass(u64),
}

const HOLDERS: [&str; 3] = ["a", "b", "c"];
const FAMILIES: [&str; 3] = ["f", "f2", "z"];
const KEYS: [&str; 6] = ["k1", "k2", "k3", "k4", "k5", "k6"];
const PEERS: [&str; 3] = ["w1", "w2", "g"];

fn step() -> impl Strategy<Value = Step> {
    let (family, key) = (0..FAMILIES.len(), 0..KEYS.len());
    let entry = (0..HOLDERS.len(), family.clone(), key);
    let watch = (0..2_usize, family);
    prop_oneof![
        6 => (entry.clone(), 0..9_i64, any::<bool>())
            .prop_map(|((a, b, c), value, long)| Step::Set(a, b, c, value, long)),
        6 => entry.prop_map(|(a, b, c)| Step::Delete(a, b, c)),
        2 => watch.clone().prop_map(|(a, b)| Step::Watch(a, b)),
        1 => watch.prop_map(|(a, b)| Step::Unwatch(a, b)),
        1 => (0..PEERS.len()).prop_map(Step::Slow),
        3 => (0..PEERS.len(), prop::bool::weighted(0.2)).prop_map(|(a, all)| Step::Room(a, all)),
        4 => prop_oneof![1..5_u64, 5..200_u64].prop_map(Step::Pass),
    ]
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn nobody_hears_of_the_end_of_what_it_does_not_know_and_all_end_in_the_right_state(
        steps in prop::collection::vec(step(), 0..150),
    ) {
        let mut net = Net::default();
        let limits = DirectoryLimits::default;
        net.add_sized("a", &[], limits(), SMALL);
        net.become_global("a");
        net.add_sized("b", &["a"], limits(), SMALL);
        net.add_sized("c", &[], limits(), SMALL);
        net.become_global("c");
        net.link("a", "c");
        net.soon();
        for peer in PEERS {
            net.stranger("a", peer, true);
        }
        net.says("a", "g", ["g_global".into()]).unwrap();
        FAMILIES.iter().for_each(|family| net.watch("b", family));
        let (mut watches, mut held) = (BTreeSet::new(), BTreeSet::new());
        for step in steps {
            match step {
                Step::Set(holder, family, key, value, long) => {
                    let value = match long {
                        true => Value::from(format!("{value:0100}")),
                        false => Value::from(value),
                    };
                    held.insert((FAMILIES[family], KEYS[key], holder));
                    net.set_now(HOLDERS[holder], FAMILIES[family], KEYS[key], value);
                }
                Step::Delete(holder, family, key) => {
                    held.remove(&(FAMILIES[family], KEYS[key], holder));
                    net.delete_now(HOLDERS[holder], FAMILIES[family], KEYS[key]);
                }
                Step::Watch(watcher, family) => {
                    watches.insert((PEERS[watcher], FAMILIES[family]));
                    let words = ["g_mon1".into(), FAMILIES[family].into()];
                    net.says_now("a", PEERS[watcher], words).unwrap();
                }
                Step::Unwatch(watcher, family) => {
                    let words = ["g_mon0".into(), FAMILIES[family].into()];
                    let said = net.says_now("a", PEERS[watcher], words);
                    let watched = watches.remove(&(PEERS[watcher], FAMILIES[family]));
                    prop_assert_eq!(said.is_ok(), watched);
                }
                Step::Slow(peer) => net.slow(PEERS[peer]),
                Step::Room(peer, all) => net.room(PEERS[peer], all),
                Step::Pass(millis) => net.pass(Duration::from_millis(millis)),
            }
        }
        for peer in PEERS {
            net.room(peer, true);
        }
        net.pass(Duration::from_secs(2));
        let family = |net: &mut Net, name: &str, family: &str| {
            let question = net.ask(name, crate::directory::QueryKind::Family, family);
            pairs(&net.answer(name, question).unwrap())
        };
        for (watcher, watched) in &watches {
            let told = known(&net, watcher).remove(*watched).unwrap_or_default();
            prop_assert_eq!(told, family(&mut net, "a", watched), "{} {}", watcher, watched);
        }
        // Another global node knows the entries of a and its slave, and none that only c holds.
        let mut told = known(&net, "g");
        for name in FAMILIES {
            let of_a = family(&mut net, "a", name);
            let ours = held.iter().filter(|(family, _, holder)| *family == name && *holder < 2);
            let ours: BTreeMap<_, _> = ours.map(|(_, key, _)| (Text::from(*key), of_a[*key].clone())).collect();
            prop_assert_eq!(told.remove(name).unwrap_or_default(), ours);
            prop_assert_eq!(net.seen("b", name), Value::Map(of_a.clone().into_iter().collect()).to_string());
            prop_assert_eq!(family(&mut net, "c", name), of_a);
        }
    }
}

/// Hundreds of watchers must not exhaust the memory pool of the peers.
#[test]
fn one_large_change_is_told_in_small_messages() {
    let mut net = Net::default();
    net.add("a", &[]);
    net.become_global("a");
    net.stranger("a", "w", false);
    net.says("a", "w", ["g_mon1".into(), "f".into()]).unwrap();
    net.slow("w");
    net.add("b", &["a"]);
    for n in 0..40 {
        net.set_now("b", "f", &format!("k{n:02}"), "x".repeat(50_000));
    }
    net.heard("a", "w");
    net.soon();
    net.room("w", true);
    net.soon();
    let heard = net.heard("a", "w");
    let longest = heard.iter().map(String::len).max();
    assert!(longest.is_some_and(|len| len < 350_000), "{longest:?}");
    let all: usize = heard.iter().map(String::len).sum();
    assert!(all > 1_500_000, "{all}");
}
