//! Nodes find each other, exchange their entries, and reconnect.

use std::time::Duration;

use super::Net;
use crate::directory::{QueryKind, Role};

/// A seed, two slaves of it, and a second global node with a slave.
fn five() -> Net {
    let mut net = Net::default();
    net.add("a", &[]);
    net.add("b", &["a"]);
    net.add("c", &["a"]);
    net.add("d", &["a"]);
    net.become_global("d");
    net.add("e", &["d"]);
    net.soon();
    net
}

#[test]
fn a_seed_becomes_global_and_its_user_a_slave() {
    let mut net = Net::default();
    net.add("a", &[]);
    assert_eq!(net.machine("a").role(), &Role::Alone);
    net.add("b", &["a"]);
    assert_eq!(net.machine("a").role(), &Role::Global);
    assert_eq!(net.machine("b").role(), &Role::Slave("a".parse().unwrap()));
    let log = std::mem::take(&mut net.log);
    assert_eq!(
        log,
        [
            r#"b>a "g_slave""#,
            r#"b>a "g_slave" {"'l": {"b": ["b:1"]}}"#,
            r#"a>b "g_global""#
        ]
    );
}

#[test]
fn a_node_that_listens_nowhere_has_no_entry_and_can_be_asked_for() {
    let mut net = five();
    net.watch("c", "'l");
    net.stranger("a", "deaf", false);
    net.says(
        "a",
        "deaf",
        ["g_slave".into(), super::map(serde_json::json!({}))],
    )
    .unwrap();
    let now = net.now;
    net.machine("b").listens(now, Vec::new());
    net.set("b", "f", "k", 1);
    assert_eq!(
        net.seen("c", "'l"),
        r#"{"a": ["a:1"], "c": ["c:1"], "d": ["d:1"], "e": ["e:1"]}"#
    );
    // Only its global node knows that the node exists.
    net.log.clear();
    for node in ["b", "deaf"] {
        assert!(net.find("c", node).unwrap().is_empty());
        assert!(net.find("e", node).unwrap().is_empty());
        let found = format!("\"g_found\" \"{node}\"");
        assert!(net.log.contains(&format!("a>c {found} []")));
        assert!(net.log.contains(&format!("d>e {found} null")));
    }
}

#[test]
fn what_one_sets_all_can_ask_for_and_its_death_deletes_it() {
    let mut net = five();
    net.set("b", "f", "kb", 1);
    net.set("e", "f", "ke", 2);
    for node in ["a", "b", "c", "d", "e"] {
        assert_eq!(net.family(node, "f"), r#"{"kb": 1, "ke": 2}"#, "{node}");
        assert_eq!(net.family(node, "nothing"), "{}", "{node}");
        assert_eq!(
            net.family(node, "'g"),
            r#"{"a": null, "d": null}"#,
            "{node}"
        );
        let question = net.ask(node, QueryKind::Keys, "f");
        assert_eq!(
            net.answer(node, question).unwrap().to_string(),
            r#"["kb", "ke"]"#
        );
        let question = net.ask(node, QueryKind::Values, "f");
        assert_eq!(net.answer(node, question).unwrap().to_string(), "[1, 2]");
        assert_eq!(net.find(node, "e").unwrap(), ["e:1"], "{node}");
        assert!(net.find(node, "nobody").unwrap().is_empty());
    }
    net.remove("e");
    net.soon();
    for node in ["a", "b", "c", "d"] {
        assert_eq!(net.family(node, "f"), r#"{"kb": 1}"#, "{node}");
        assert!(net.find(node, "e").unwrap().is_empty());
    }
    net.delete("b", "f", "kb");
    assert_eq!(net.family("c", "f"), "{}");
    for node in ["a", "b", "c", "d"] {
        assert_eq!(net.odd(node), [""; 0], "{node}");
    }
}

#[test]
fn a_watch_begins_with_everything_and_misses_nothing() {
    let mut net = five();
    net.set("b", "f", "k1", 1);
    for node in ["a", "b", "c", "d", "e"] {
        net.watch(node, "f");
        assert_eq!(net.seen(node, "f"), r#"{"k1": 1}"#, "{node}");
    }
    net.set("e", "f", "k2", 2);
    net.set("b", "f", "k1", 3);
    net.delete("e", "f", "k2");
    net.set("c", "f", "k3", 4);
    for node in ["a", "b", "c", "d", "e"] {
        assert_eq!(net.seen(node, "f"), r#"{"k1": 3, "k3": 4}"#, "{node}");
        let changes = net.changes(node);
        assert_eq!(changes.len(), 5, "{node} {changes:?}");
        assert!(changes[0].snapshot && changes[1..].iter().all(|change| !change.snapshot));
    }
}

#[test]
fn a_slave_without_master_keeps_its_questions_and_learns_what_changed_in_one_step() {
    let mut net = five();
    net.set("d", "f", "k1", 1);
    net.watch("b", "f");
    net.set("e", "f", "k2", 2);
    net.changes("b");
    net.remove("a");
    assert_eq!(net.machine("b").role(), &Role::Searching);
    net.set("e", "f", "k3", 3);
    net.delete("d", "f", "k1");
    net.set("b", "g", "own", 4);
    assert_eq!(net.family("b", "f"), "-");
    assert_eq!(net.find("b", "e"), None);
    assert_eq!(
        (net.changes("b").len(), net.seen("b", "f")),
        (0, r#"{"k1": 1, "k2": 2}"#.into())
    );
    net.add("a", &[]);
    net.link("d", "a");
    net.soon();
    net.reseed();
    net.pass(Duration::from_secs(1));
    let changes = net.changes("b");
    assert_eq!(net.seen("b", "f"), r#"{"k2": 2, "k3": 3}"#);
    assert!(changes.len() <= 2, "{changes:?}");
    assert_eq!(
        net.answer("b", 1).unwrap().to_string(),
        r#"{"k2": 2, "k3": 3}"#
    );
    assert_eq!(net.family("e", "g"), r#"{"own": 4}"#);
}

#[test]
fn what_is_on_its_way_to_a_lost_master_goes_to_no_other_global_node() {
    let mut net = five();
    net.stranger("b", "g", false);
    net.says("b", "g", ["g_global".into()]).unwrap();
    net.set_now("b", "f", "k", 1);
    net.set_now("b", "f", "k", 2);
    net.unlink("a", "b");
    net.soon();
    assert_eq!(net.machine("b").role(), &Role::Searching);
    assert_eq!(net.heard("b", "g"), [""; 0]);
}

#[test]
fn a_slave_that_becomes_global_sees_no_gap() {
    let mut net = five();
    net.set("c", "f", "kc", 1);
    net.watch("b", "f");
    net.changes("b");
    net.add("z", &["b"]);
    net.soon();
    assert_eq!(net.machine("b").role(), &Role::Global);
    assert_eq!(net.changes("b"), []);
    assert_eq!(net.seen("b", "f"), r#"{"kc": 1}"#);
    assert_eq!(net.family("z", "f"), r#"{"kc": 1}"#);
    net.set("z", "f", "kz", 2);
    for node in ["a", "b", "c", "d", "e", "z"] {
        assert_eq!(net.family(node, "f"), r#"{"kc": 1, "kz": 2}"#, "{node}");
    }
}

#[test]
fn global_nodes_hear_of_each_other_and_mesh() {
    let mut net = Net::default();
    for node in ["a", "b", "c", "d"] {
        net.add(node, &[]);
        net.become_global(node);
    }
    net.link("a", "b");
    net.link("c", "d");
    net.soon();
    net.link("b", "c");
    net.pass(Duration::from_secs(3));
    for node in ["a", "b", "c", "d"] {
        let all = r#"{"a": null, "b": null, "c": null, "d": null}"#;
        assert_eq!(net.family(node, "'g"), all, "{node}");
        for other in ["a", "b", "c", "d"] {
            assert_eq!(
                net.machine(node)
                    .generation(&other.parse().unwrap())
                    .is_some(),
                node != other
            );
        }
    }
    // A node that is cut off disappears from the directory, but the mesh remembers it.
    net.cut_off.insert("d".parse().unwrap());
    for other in ["a", "b", "c"] {
        net.unlink(other, "d");
    }
    net.pass(Duration::from_secs(100));
    assert_eq!(
        net.family("a", "'g"),
        r#"{"a": null, "b": null, "c": null}"#
    );
    net.cut_off.clear();
    net.pass(Duration::from_secs(31));
    assert_eq!(
        net.family("d", "'g"),
        r#"{"a": null, "b": null, "c": null, "d": null}"#
    );
}

#[test]
fn a_key_that_several_hold_has_one_value_everywhere() {
    let mut net = five();
    for (node, value) in [("e", 1), ("b", 2), ("c", 3), ("d", 4)] {
        net.set(node, "f", "k", value);
    }
    // Of nodes with one master, the value set last is visible; between global nodes, that of a.
    let all = |net: &mut Net| {
        let nodes = ["a", "b", "c", "d", "e"];
        let seen: std::collections::BTreeSet<_> =
            nodes.iter().map(|node| net.family(node, "f")).collect();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.into_iter().next().unwrap()
    };
    assert_eq!(all(&mut net), r#"{"k": 3}"#);
    net.delete("c", "f", "k");
    assert_eq!(all(&mut net), r#"{"k": 2}"#);
    net.delete("b", "f", "k");
    assert_eq!(all(&mut net), r#"{"k": 4}"#);
    net.delete("d", "f", "k");
    assert_eq!(all(&mut net), r#"{"k": 1}"#);
    net.delete("e", "f", "k");
    assert_eq!(all(&mut net), "{}");
}

#[test]
fn a_large_database_goes_out_in_pieces() {
    let mut net = Net::default();
    net.add("a", &[]);
    net.become_global("a");
    net.add("b", &[]);
    let now = net.now;
    for n in 0..300 {
        let value = "x".repeat(100_000);
        let set = net
            .machine("a")
            .set(now, &"f".into(), n.to_string().into(), value.into());
        set.unwrap();
    }
    net.become_global("b");
    net.link("a", "b");
    net.soon();
    let largest = net.log.iter().map(String::len).max().unwrap();
    assert!(largest < 5 << 20, "{largest}");
    let question = net.ask("b", QueryKind::Keys, "f");
    assert_eq!(
        net.answer("b", question).unwrap().as_array().unwrap().len(),
        300
    );
    // Content for watchers is split as well; an answer that does not fit into a message is not sent.
    net.add("c", &["b"]);
    net.watch("c", "f");
    net.soon();
    assert!(net.seen("c", "f").len() > 300 * 100_000);
    let question = net.ask("c", QueryKind::Family, "f");
    assert_eq!(net.answer("c", question), None);
    assert_eq!(net.odd("b").len(), 1);
}

#[test]
fn a_storm_of_updates_costs_a_watcher_a_few_messages() {
    let mut net = five();
    net.watch("e", "f");
    net.log.clear();
    let now = net.now;
    for n in 0..10_000 {
        let at = now + Duration::from_micros(20 * n);
        net.machine("b")
            .set(
                at,
                &"f".into(),
                format!("k{}", n % 100).into(),
                (n as i64).into(),
            )
            .unwrap();
    }
    net.soon();
    let to_e = net
        .log
        .iter()
        .filter(|line| line.starts_with("d>e"))
        .count();
    assert!(to_e <= 6, "{to_e}");
    assert!(net.seen("e", "f").contains(r#""k99": 9999"#));
}

#[test]
fn a_database_of_many_families_goes_out_in_pieces_too() {
    let mut net = Net::default();
    net.add("a", &[]);
    net.become_global("a");
    net.add("b", &[]);
    let now = net.now;
    for n in 0..40 {
        let family = format!("f{n:02}");
        let value = "x".repeat(900_000);
        let set = net
            .machine("b")
            .set(now, &family.into(), "k".into(), value.into());
        set.unwrap();
    }
    net.become_global("b");
    net.link("a", "b");
    net.soon();
    let largest = net.log.iter().map(String::len).max().unwrap();
    assert!(largest < 6 << 20, "{largest}");
    for n in 0..40 {
        let question = net.ask("a", QueryKind::Keys, &format!("f{n:02}"));
        assert_eq!(net.answer("a", question).unwrap().to_string(), r#"["k"]"#);
    }
}

#[test]
fn a_slave_that_becomes_global_waits_for_those_that_it_hears_of() {
    let mut net = five();
    // The holder is a slave of d, and was never connected to b.
    net.set("e", "f", "ke", 1);
    net.watch("b", "f");
    net.changes("b");
    net.add("z", &["b"]);
    net.pass(Duration::from_secs(1));
    assert_eq!(net.machine("b").role(), &Role::Global);
    assert_eq!(net.changes("b"), []);
    assert_eq!(net.family("z", "f"), r#"{"ke": 1}"#);
}

#[test]
fn slaves_spread_over_their_seeds() {
    let mut net = Net::default();
    for seed in ["s1", "s2", "s3"] {
        net.add(seed, &[]);
        net.become_global(seed);
    }
    let mut masters = std::collections::BTreeSet::new();
    for n in 0..20 {
        let name = format!("n{n}");
        net.add(&name, &["s1", "s2", "s3"]);
        net.unlink(&name, "s1");
        net.reseed();
        net.unlink(&name, "s2");
        if let Role::Slave(master) = net.machine(&name).role() {
            masters.insert(master.to_string());
        }
        net.reseed();
    }
    net.soon();
    assert!(masters.len() > 1, "{masters:?}");
}
