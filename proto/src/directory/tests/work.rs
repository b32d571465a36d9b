//! Large tasks run within the budget of a call, and no receiver gets a wrong value in the meantime.

use proptest::prelude::*;

use super::Net;
use super::net::id;
use super::pacing::known;
use super::properties::config;
use crate::directory::DirectoryLimits;
use crate::directory::work::ENTRIES_PER_CALL;
use crate::{Map, Value};

/// The number of entries of a large request.
const MANY: usize = 5 * ENTRIES_PER_CALL;

/// [`MANY`] keys with `value`, numbered from `from` on.
fn keys(from: usize, value: i64) -> Value {
    let numbers = from..from + MANY;
    let pairs = numbers.map(|n| (Value::from(format!("k{n:06}")), Value::from(value)));
    Value::Map(pairs.collect())
}

fn database(family: &str, content: Value) -> Value {
    Value::Map([(family, content)].into_iter().collect())
}

/// A global node with two strangers: `w`, which watches `f`, and `g`, which is global.
fn net() -> Net {
    let mut net = Net::default();
    net.add("a", &[]);
    net.become_global("a");
    net.stranger("a", "w", false);
    net.says("a", "w", ["g_mon1".into(), "f".into()]).unwrap();
    net.stranger("a", "g", false);
    net.says("a", "g", ["g_global".into()]).unwrap();
    net
}

/// Lets `a` finish its tasks, checks the budget of each call, and returns the number of calls.
fn pieces(net: &mut Net) -> usize {
    let mut pieces = 0;
    while net.machine("a").has_work() {
        let before = net.machine("a").visited();
        net.more("a");
        let visited = net.machine("a").visited() - before;
        assert!(visited <= ENTRIES_PER_CALL, "{visited} entries in a piece");
        pieces += 1;
    }
    pieces
}

/// Sends a request from `peer` that needs several calls.
fn long<const N: usize>(net: &mut Net, peer: &str, words: [Value; N]) {
    let before = net.machine("a").visited();
    net.says_now("a", peer, words).unwrap();
    let visited = net.machine("a").visited() - before;
    assert!(visited <= ENTRIES_PER_CALL, "{visited} entries in one call");
    assert!(net.machine("a").has_pending_requests(&id(peer)));
}

fn is_told(net: &Net, peer: &str, family: &str) -> usize {
    known(net, peer).get(family).map_or(0, |keys| keys.len())
}

#[test]
fn no_call_does_more_than_a_piece_of_what_peers_say_and_held() {
    let mut net = net();
    net.stranger("a", "s", false);
    for (peer, words) in [
        ("g", ["g_upd".into(), "f".into(), keys(0, 1)]),
        ("g", ["g_upd".into(), "f".into(), keys(0, 2)]),
        (
            "g",
            ["g_set".into(), database("f", keys(100, 3)), Value::Null],
        ),
        (
            "s",
            ["g_slave".into(), database("f", keys(0, 4)), Value::Null],
        ),
        (
            "s",
            ["g_slave".into(), database("f", keys(100, 5)), Value::Null],
        ),
        ("s", ["g_upd".into(), "f".into(), keys(MANY, 6)]),
    ] {
        long(&mut net, peer, words);
        assert!(pieces(&mut net) >= 4);
    }
    net.soon();
    assert_eq!(is_told(&net, "w", "f"), 2 * MANY - 100);
    assert_eq!(is_told(&net, "g", "f"), 2 * MANY - 100);
    for (peer, left) in [("s", MANY), ("g", 0)] {
        let (now, before) = (net.now, net.machine("a").visited());
        let generation = net.machine("a").generation(&id(peer)).unwrap();
        net.machine("a").handle_down(now, &id(peer), generation);
        assert!(net.machine("a").visited() - before <= ENTRIES_PER_CALL);
        assert!(pieces(&mut net) >= 4);
        net.soon();
        assert_eq!(is_told(&net, "w", "f"), left);
        assert_eq!(net.machine("a").usage_of(peer), Default::default());
        net.machine("a").assert_usage_sums();
    }
}

#[test]
fn who_tells_again_what_it_holds_changes_nothing() {
    let mut net = net();
    net.stranger("a", "s", false);
    for (peer, word, value) in [("g", "g_set", 1), ("s", "g_slave", 2)] {
        let words = || [word.into(), database("f", keys(0, value))];
        net.says("a", peer, words()).unwrap();
        net.told.clear();
        long(&mut net, peer, words());
        net.soon();
        // The same values may be sent again, but no deletion and no other value.
        let told: Vec<_> = net.told.iter().map(|(_, request)| request).collect();
        for request in told {
            assert_eq!(request[3].as_array().map(<[_]>::len), Some(0));
        }
    }
}

#[test]
fn what_a_peer_says_does_not_overtake_what_it_said_before() {
    let mut net = net();
    long(&mut net, "g", ["g_upd".into(), "f".into(), keys(0, 1)]);
    let last = Value::from(vec![Value::from(format!("k{:06}", MANY - 1))]);
    let gone = ["g_upd".into(), "f".into(), Value::Null, last];
    net.says_now("a", "g", gone).unwrap();
    let bad = ["g_upd".into(), "f".into(), database("bad", f64::NAN.into())];
    net.says_now("a", "g", bad).unwrap();
    // The requests of other peers do not wait for it.
    net.stranger("a", "s", false);
    let held = database("f", database("own", 1.into()));
    net.says_now("a", "s", ["g_slave".into(), held]).unwrap();
    assert!(
        net.machine("a").has_pending_requests(&id("g"))
            && !net.machine("a").has_pending_requests(&id("s"))
    );
    let why = net.says("a", "s", ["g_mon1".into(), "x".into()]);
    assert!(why.unwrap_err().contains("JSON"), "told when it is done");
    assert_eq!(is_told(&net, "w", "f"), MANY);
}

#[test]
fn of_a_peer_that_is_lost_meanwhile_nothing_stays() {
    let mut net = net();
    long(&mut net, "g", ["g_upd".into(), "f".into(), keys(0, 1)]);
    net.more("a");
    net.stranger_gone("a", "g");
    assert_eq!(net.machine("a").usage_of("g"), Default::default());
    assert_eq!(is_told(&net, "w", "f"), 0);
    net.machine("a").assert_usage_sums();
}

#[test]
fn of_a_peer_that_comes_back_while_it_is_forgotten_the_new_is_known() {
    let mut net = net();
    net.stranger("a", "s", false);
    let words = |from, value| ["g_slave".into(), database("f", keys(from, value))];
    net.says("a", "s", words(0, 1)).unwrap();
    // A new connection replaces the old one.
    net.stranger("a", "s", false);
    assert!(net.machine("a").has_pending_requests(&id("s")));
    net.says_now("a", "s", words(100, 2)).unwrap();
    net.says_now("a", "s", ["g_mon1".into(), "f".into()])
        .unwrap();
    net.soon();
    for peer in ["w", "s"] {
        let known = known(&net, peer);
        assert_eq!(known["f"].len(), MANY);
        assert!(known["f"].values().all(|value| value.as_i64() == Some(2)));
    }
    assert_eq!(net.machine("a").usage_of("s").keys, MANY);
}

#[test]
fn a_new_global_node_waits_for_all_that_another_tells() {
    let mut net = Net::default();
    net.add("a", &[]);
    net.stranger("a", "g", false);
    net.says("a", "g", ["g_global".into()]).unwrap();
    net.become_global("a");
    net.stranger("a", "w", false);
    long(&mut net, "g", ["g_set".into(), database("f", keys(0, 1))]);
    net.says_now("a", "w", ["g_mon1".into(), "f".into()])
        .unwrap();
    net.more("a");
    assert_eq!(net.heard("a", "w").len(), 1, "it says that it is global");
    pieces(&mut net);
    let told = net.told.iter().find(|(to, _)| *to == id("w"));
    assert!(told.is_some());
    assert_eq!(is_told(&net, "w", "f"), MANY);
}

#[derive(Debug, Clone)]
enum Did {
    Says(usize, &'static str, Vec<(usize, usize, i64)>, Vec<usize>),
    Again(usize),
    More,
    Pass(u64),
}

const FAMILIES: [&str; 3] = ["f", "h", "'l"];
const PEERS: [&str; 3] = ["s", "g", "w"];

fn did() -> impl Strategy<Value = Did> {
    let word = prop_oneof![Just("g_slave"), Just("g_set"), Just("g_upd"), Just("g_upd")];
    let entries = prop::collection::vec((0..FAMILIES.len(), 0..6_usize, 0..9_i64), 0..8);
    let says = (
        0..2_usize,
        word,
        entries,
        prop::collection::vec(0..6_usize, 0..4),
    );
    prop_oneof![
        5 => says.prop_map(|(peer, word, set, gone)| Did::Says(peer, word, set, gone)),
        1 => (0..2_usize).prop_map(Did::Again),
        3 => Just(Did::More),
        1 => (1..30_u64).prop_map(Did::Pass),
    ]
}

/// The elements of an update request.
fn said(word: &str, set: &[(usize, usize, i64)], gone: &[usize]) -> [Value; 4] {
    let value = |family: usize, value: i64| match FAMILIES[family] {
        "'l" => Value::from(vec![Value::from(value.to_string())]),
        _ => Value::from(value),
    };
    let content = |family: usize| -> Map {
        let of = set.iter().filter(|(of, ..)| *of == family);
        of.map(|(_, key, n)| (format!("k{key}"), value(family, *n)))
            .collect()
    };
    let gone = gone.iter().map(|key| Value::from(format!("k{key}")));
    match word {
        "g_upd" => {
            let family = set.first().map_or(0, |(family, ..)| *family);
            let gone: Vec<Value> = gone.collect();
            [
                word.into(),
                FAMILIES[family].into(),
                content(family).into(),
                gone.into(),
            ]
        }
        _ => {
            let families = (0..FAMILIES.len()).map(|at| (FAMILIES[at], content(at)));
            let families: Map = families.filter(|(_, keys)| !keys.is_empty()).collect();
            [word.into(), families.into(), Value::Null, Value::Null]
        }
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn in_small_pieces_all_ends_as_at_once(steps in prop::collection::vec(did(), 0..60)) {
        let mut nets = [Some(1), None].map(|piece| {
            let mut net = Net::default();
            net.add_with("a", &[], DirectoryLimits { keys: 8, of_global: 2, ..DirectoryLimits::default() });
            net.machine("a").set_entries_per_call(piece);
            net.become_global("a");
            for peer in PEERS {
                net.stranger("a", peer, false);
            }
            FAMILIES.iter().for_each(|family| {
                net.says("a", "w", ["g_mon1".into(), (*family).into()]).unwrap();
            });
            net.stranger("a", "g2", false);
            net.says("a", "g2", ["g_global".into()]).unwrap();
            net.says("a", "g", ["g_global".into()]).unwrap();
            net
        });
        for step in steps {
            for net in &mut nets {
                match &step {
                    Did::Says(peer, word, set, gone) => {
                        let _ = net.says_now("a", PEERS[*peer], said(word, set, gone));
                    }
                    Did::Again(peer) => {
                        net.stranger("a", PEERS[*peer], false);
                        if PEERS[*peer] == "g" {
                            let _ = net.says_now("a", "g", ["g_global".into()]);
                        }
                    }
                    Did::More => net.more("a"),
                    Did::Pass(millis) => net.pass(std::time::Duration::from_millis(*millis)),
                }
            }
        }
        let ends = nets.map(|mut net| {
            net.soon();
            net.machine("a").assert_usage_sums();
            let families = FAMILIES.map(|family| net.family("a", family));
            let usages = ["s", "g"].map(|peer| net.machine("a").usage_of(peer));
            let known = ["w", "g2"].map(|peer| known(&net, peer));
            (families, usages, known)
        });
        let [pieces, whole] = ends;
        prop_assert_eq!(pieces, whole);
    }
}
