//! The table of all replays, with its totals, and what waits by name.

use std::collections::BTreeMap;

use crate::recording::{Session, sessions};
use crate::replay::replay;
use crate::rules::{Rule, Tally};

/// Sessions whose content is not known, since it is encrypted, and one that waits for data connections.
const WAITING: [&str; 3] = ["s04-tls-raw", "s04f-tls-different-certs", "s11c-dataconn"];

/// Sessions that have a test of their own.
const APART: [&str; 3] = ["s06-malformed", "s06b-timeouts", "s09b-self-seed"];

/// Sides that no node of ours can take: a client written by hand that is the same node several times over, and
/// stops within its opening on purpose.
const NOT_OURS: [(&str, &str); 1] = [("s09a-duplicate", "py")];

/// What every replay comes to: units compared, received, seen to arrive, and uses of rules.
#[rustfmt::skip]
const ROWS: [(&str, &str, [usize; 4]); 40] = [
    ("s01-json", "nodeA", [72, 38, 33, 25]),
    ("s01-json", "nodeB", [38, 74, 18, 7]),
    ("s02-cbor", "nodeA", [72, 38, 33, 26]),
    ("s02-cbor", "nodeB", [38, 74, 18, 7]),
    ("s03a-jsononly-vs-cborjson", "nodeA", [72, 38, 33, 25]),
    ("s03a-jsononly-vs-cborjson", "nodeB", [38, 74, 18, 7]),
    ("s03c-defaults", "nodeA", [72, 38, 33, 26]),
    ("s03c-defaults", "nodeB", [38, 74, 18, 8]),
    ("s03d-nocommon", "nodeA", [6, 6, 0, 9]),
    ("s03d-nocommon", "nodeB", [6, 6, 0, 9]),
    ("s04b-tls-decrypted", "nodeA", [72, 38, 33, 26]),
    ("s04b-tls-decrypted", "nodeB", [38, 74, 18, 6]),
    ("s04d-tls-oneside", "nodeA", [72, 38, 33, 25]),
    ("s04d-tls-oneside", "nodeB", [38, 74, 18, 7]),
    ("s05-wrong-secret", "nodeA", [9, 9, 0, 9]),
    ("s05-wrong-secret", "nodeB", [6, 9, 0, 12]),
    ("s05b-no-secret", "nodeA", [0, 0, 0, 1]),
    ("s05b-no-secret", "nodeB", [4, 4, 0, 8]),
    ("s07-cleartext-client", "nodeB", [65, 72, 2, 31]),
    ("s07-cleartext-client", "py", [62, 66, 42, 35]),
    ("s09a-duplicate", "nodeB", [14, 14, 0, 30]),
    ("s09c-same-id", "nodeA", [2, 2, 0, 4]),
    ("s09c-same-id", "nodeB", [2, 2, 0, 4]),
    ("s09d-mutual-seeds", "nodeA", [11, 15, 0, 10]),
    ("s09d-mutual-seeds", "nodeB", [10, 11, 0, 19]),
    ("s09e-simultaneous-latency", "nodeA", [23, 30, 0, 52]),
    ("s09e-simultaneous-latency", "nodeB", [23, 28, 0, 51]),
    ("s09g-stale-monitor", "nodeB", [15, 13, 0, 20]),
    ("s09g-stale-monitor", "py", [12, 16, 3, 16]),
    ("s10-three-nodes", "nodeA", [32, 39, 0, 21]),
    ("s10-three-nodes", "nodeB", [20, 21, 0, 20]),
    ("s10-three-nodes", "nodeC", [20, 22, 8, 16]),
    ("s10b-two-globals", "nodeA", [18, 16, 0, 12]),
    ("s10b-two-globals", "nodeB", [10, 11, 0, 10]),
    ("s10b-two-globals", "nodeC", [14, 14, 5, 9]),
    ("s10b-two-globals", "nodeD", [18, 23, 0, 8]),
    ("s14b-secret-72", "nodeB", [8, 8, 0, 11]),
    ("s14b-secret-72", "py", [8, 8, 2, 10]),
    ("s15-secure-mode", "nodeB", [8, 13, 0, 6]),
    ("s15-secure-mode", "py", [13, 8, 5, 7]),
];

/// All counts of a map in one text.
fn counts<K: ToString>(counts: &BTreeMap<K, usize>) -> String {
    let each = counts
        .iter()
        .map(|(key, n)| format!("{n} {}", key.to_string()));
    each.collect::<Vec<_>>().join(", ")
}

#[tokio::test(start_paused = true)]
async fn the_recorded_sessions_with_our_node_on_either_side() {
    let mut total = Tally::default();
    let mut rows = Vec::new();
    println!("session                    side   compared received  arrived rules  outcomes");
    for name in sessions() {
        if WAITING.contains(&&*name) || APART.contains(&&*name) {
            continue;
        }
        let session = Session::read(&name);
        for side in session.sides() {
            if NOT_OURS.contains(&(&*name, &*side)) {
                continue;
            }
            let tally = replay(&session, &side).await;
            let rules = tally.rules.values().sum::<usize>();
            println!(
                "{name:26} {side:6} {:8} {:8} {:8} {:5}  {}",
                tally.compared,
                tally.received,
                tally.arrived,
                rules,
                counts(&tally.outcomes)
            );
            total.add(&tally);
            let Tally {
                compared,
                received,
                arrived,
                ..
            } = tally;
            let numbers = [compared, received, arrived, rules];
            rows.push((name.clone(), side, numbers));
        }
    }
    println!(
        "encrypted, or waiting for data connections: {}",
        WAITING.join(", ")
    );
    for (rule, reason) in Rule::ALL {
        println!(
            "{:4} {rule:?}: {reason}",
            total.rules.get(&rule).unwrap_or(&0)
        );
    }
    println!("all: {total:?}");
    let expected = ROWS.map(|(name, side, numbers)| (name.to_owned(), side.to_owned(), numbers));
    assert_eq!(rows, expected);
    let unused: Vec<_> = Rule::ALL
        .iter()
        .filter(|(rule, _)| !total.rules.contains_key(rule))
        .collect();
    assert!(unused.is_empty(), "{unused:?}");
}
