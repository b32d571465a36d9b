//! Peers that send entries of others, too many entries, or malformed requests.

use super::Net;
use crate::Value;
use crate::directory::DirectoryLimits;

use serde_json::json;

/// A global node with an honest slave and a connected stranger.
fn net() -> Net {
    let mut net = Net::default();
    net.add("a", &[]);
    net.become_global("a");
    net.add("honest", &["a"]);
    net.set("honest", "f", "k", 1);
    net.stranger("a", "evil", false);
    net.heard("a", "evil");
    net
}

fn words<const N: usize>(words: [serde_json::Value; N]) -> [Value; N] {
    words.map(super::json)
}

#[test]
fn a_slave_speaks_for_itself_only() {
    let mut net = net();
    let said = net.says(
        "a",
        "evil",
        words([
            json!("g_slave"),
            json!({
                "'l": {"honest": ["evil:1"], "a": ["evil:1"], "evil": ["evil:1"]},
                "'g": {"honest": null, "b": null},
                "f": {"x": 2},
                "1f": {"x": 2}
            }),
        ]),
    );
    assert!(said.unwrap_err().starts_with("5 entries were not taken"));
    assert_eq!(
        net.family("honest", "'l"),
        r#"{"a": ["a:1"], "evil": ["evil:1"], "honest": ["honest:1"]}"#
    );
    assert_eq!(net.family("honest", "'g"), r#"{"a": null}"#);
    assert_eq!(net.family("honest", "f"), r#"{"k": 1, "x": 2}"#);
    // A peer cannot delete the entries of others either.
    net.says(
        "a",
        "evil",
        words([json!("g_upd"), json!("f"), json!(null), json!(["k"])]),
    )
    .unwrap();
    assert_eq!(net.family("honest", "f"), r#"{"k": 1, "x": 2}"#);
    net.stranger_gone("a", "evil");
    assert_eq!(net.family("honest", "f"), r#"{"k": 1}"#);
}

#[test]
fn another_global_node_does_not_move_our_slaves_nor_itself() {
    let mut net = net();
    net.says("a", "evil", words([json!("g_global")])).unwrap();
    let said = net.says("a", "evil", words([json!("g_set"), json!({
        "'l": {"honest": ["evil:1"], "a": ["evil:1"], "evil": ["evil:2"], "other": ["other:1"]},
        "'g": {"evil": 7}
    })]));
    said.unwrap();
    let listeners =
        r#"{"a": ["a:1"], "evil": ["evil:2"], "honest": ["honest:1"], "other": ["other:1"]}"#;
    assert_eq!(net.family("honest", "'l"), listeners);
    assert_eq!(net.family("honest", "'g"), r#"{"a": null, "evil": null}"#);
    // A second peer that contradicts the first about a third node changes nothing.
    net.stranger("a", "worse", false);
    net.says("a", "worse", words([json!("g_global")])).unwrap();
    net.says(
        "a",
        "worse",
        words([json!("g_set"), json!({"'l": {"other": ["worse:1"]}})]),
    )
    .unwrap();
    assert_eq!(net.family("honest", "'l"), listeners);
    // The new entries replace the old ones.
    net.says("a", "evil", words([json!("g_set"), json!({})]))
        .unwrap();
    assert_eq!(
        net.family("honest", "'l"),
        r#"{"a": ["a:1"], "honest": ["honest:1"], "other": ["worse:1"]}"#
    );
    assert!(
        net.says("a", "evil", words([json!("g_global")]))
            .unwrap_err()
            .contains("before")
    );
}

#[test]
fn what_comes_from_the_wrong_side_changes_nothing() {
    let mut net = net();
    for (said, why) in [
        (
            vec![json!("g_upd"), json!("f"), json!({"k": 9})],
            "not a global node",
        ),
        (
            vec![json!("g_set"), json!({"f": {"k": 9}})],
            "not a global node",
        ),
        (
            vec![json!("g_chg1"), json!("f"), json!({"k": 9})],
            "not this node's master",
        ),
        (
            vec![json!("g_chg2"), json!("f"), json!({"k": 9}), json!([])],
            "not this node's master",
        ),
        (
            vec![json!("g_found"), json!("honest"), json!(["evil:1"])],
            "not this node's master",
        ),
        (
            vec![json!("g_reply"), json!("1"), json!({})],
            "not this node's master",
        ),
        (vec![json!("g_mon0"), json!("f")], "does not watch"),
        (vec![json!("g_set"), json!(null)], "no map"),
        (vec![json!("g_mon1"), json!("1f")], "no family"),
    ] {
        let [a, b, c, d] =
            std::array::from_fn(|at| super::json(said.get(at).cloned().unwrap_or_default()));
        let told = net.says("a", "evil", [a, b, c, d]);
        assert!(told.clone().unwrap_err().contains(why), "{said:?} {told:?}");
    }
    assert_eq!(net.family("honest", "f"), r#"{"k": 1}"#);
    // An answer of the master without a query is rejected too.
    net.add("a2", &[]);
    assert!(
        net.says(
            "honest",
            "a",
            words([json!("g_reply"), json!("77"), json!({})])
        )
        .is_err()
    );
    assert!(
        net.says(
            "honest",
            "a",
            words([json!("g_found"), json!("x"), json!([])])
        )
        .is_err()
    );
    assert!(
        net.says(
            "honest",
            "a",
            words([json!("g_chg2"), json!("f"), json!({}), json!([])])
        )
        .is_err()
    );
}

#[test]
fn a_peer_holds_and_watches_no_more_than_it_may() {
    let mut net = Net::default();
    let limits = DirectoryLimits {
        families: 2,
        keys: 3,
        bytes: 300,
        entry: 100,
        watches: 2,
        of_global: 1,
        of_all: 64,
    };
    net.add_with("a", &[], limits);
    net.become_global("a");
    net.stranger("a", "evil", false);
    let said = net.says(
        "a",
        "evil",
        words([
            json!("g_slave"),
            json!({
                "f": {"k1": 1, "k2": 2}, "g": {"k1": 1, "k2": 2}, "h": {"k": 1}
            }),
        ]),
    );
    assert!(said.unwrap_err().starts_with("2 entries"));
    // A peer at its limit can set its keys again, and new keys in place of those that it deletes.
    net.says(
        "a",
        "evil",
        words([json!("g_upd"), json!("f"), json!({"k1": 7})]),
    )
    .unwrap();
    net.says(
        "a",
        "evil",
        words([json!("g_upd"), json!("f"), json!(null), json!(["k1", "k2"])]),
    )
    .unwrap();
    net.says(
        "a",
        "evil",
        words([json!("g_upd"), json!("h"), json!({"k": 1})]),
    )
    .unwrap();
    let large = json!({"large": "x".repeat(100)});
    let told = net.says("a", "evil", words([json!("g_upd"), json!("h"), large]));
    assert!(told.unwrap_err().contains("directory.entry"));
    for n in 0..2 {
        net.says(
            "a",
            "evil",
            words([json!("g_mon1"), json!(format!("w{n}"))]),
        )
        .unwrap();
    }
    assert!(
        net.says("a", "evil", words([json!("g_mon1"), json!("w2")]))
            .unwrap_err()
            .contains("directory.watches")
    );
    net.says("a", "evil", words([json!("g_mon1"), json!("w1")]))
        .unwrap();
}

#[test]
fn one_member_under_many_names_holds_no_more_than_all_peers_may() {
    let mut net = Net::default();
    let limits = DirectoryLimits {
        keys: 3,
        of_all: 2,
        ..DirectoryLimits::default()
    };
    net.add_with("a", &[], limits);
    net.become_global("a");
    let keys = json!({"f": {"k1": 1, "k2": 2, "k3": 3}});
    for (name, refused) in [("evil1", 0), ("evil2", 0), ("evil3", 3)] {
        net.stranger("a", name, false);
        let said = net.says("a", name, words([json!("g_slave"), keys.clone()]));
        match refused {
            0 => said.unwrap(),
            n => {
                let error = said.unwrap_err();
                assert!(error.starts_with(&format!("{n} entries")), "{error}");
                assert!(error.contains("directory.of_all"), "{error}");
            }
        }
        net.machine("a").assert_usage_sums();
    }
    // A peer at the common limit can still change the values of its keys, and a peer that disconnects makes room.
    let change = words([json!("g_upd"), json!("f"), json!({"k1": 7})]);
    net.says("a", "evil1", change.clone()).unwrap();
    net.says("a", "evil3", change.clone()).unwrap_err();
    net.stranger_gone("a", "evil2");
    net.says("a", "evil3", change).unwrap();
    net.machine("a").assert_usage_sums();
}

#[test]
fn perl_nodes_send_bytes_for_text_and_others_do_not() {
    use bytes::Bytes;
    let latin = || Value::from(Bytes::from_static(b"caf\xe9"));
    let entry = |n: i64| {
        let pair = [(latin(), Value::from(n)), ("v".into(), latin())];
        Value::Map(
            [("f", Value::Map(pair.into_iter().collect()))]
                .into_iter()
                .collect(),
        )
    };
    let mut net = net();
    net.stranger("a", "perl", true);
    net.says("a", "perl", ["g_slave".into(), entry(1)]).unwrap();
    assert_eq!(
        net.family("honest", "f"),
        r#"{"café": 1, "k": 1, "v": "café"}"#
    );
    let said = net.says("a", "evil", ["g_slave".into(), entry(2)]);
    assert!(said.unwrap_err().starts_with("2 entries"));
    assert_eq!(
        net.family("honest", "f"),
        r#"{"café": 1, "k": 1, "v": "café"}"#
    );
}

#[test]
fn what_the_recorded_client_was_told_of_its_own_writes() {
    // From the recorded session s07.
    let mut net = net();
    let says = |net: &mut Net, said: Vec<serde_json::Value>| {
        let [a, b, c, d] =
            std::array::from_fn(|at| super::json(said.get(at).cloned().unwrap_or_default()));
        net.says("a", "evil", [a, b, c, d]).unwrap();
        net.heard("a", "evil")
    };
    says(
        &mut net,
        vec![
            json!("g_slave"),
            json!({"'l": {"evil": ["e:1"]}, "famx": {"pk": "pv"}}),
        ],
    );
    assert_eq!(
        says(&mut net, vec![json!("g_mon1"), json!("famx")]),
        [r#""g_chg1" "famx" {"pk": "pv"}"#]
    );
    assert_eq!(
        says(&mut net, vec![json!("g_mon1"), json!("none")]),
        [r#""g_chg1" "none" null"#]
    );
    let upd = |set, del| vec![json!("g_upd"), json!("famx"), set, del];
    for (set, del, told) in [
        (json!({"k2": [1, 2]}), json!(null), r#"{"k2": [1, 2]} []"#),
        (json!({"k3": "v3"}), json!(["k2"]), r#"{"k3": "v3"} ["k2"]"#),
        (json!({"k3": "v3"}), json!(null), r#"{"k3": "v3"} []"#),
        (json!(null), json!(["k3"]), r#"{} ["k3"]"#),
    ] {
        assert_eq!(
            says(&mut net, upd(set, del)),
            [format!(r#""g_chg2" "famx" {told}"#)]
        );
    }
    // The deletion of a key that a receiver does not know is not sent; AnyEvent::MP sends it (protocol.md section 6).
    assert_eq!(says(&mut net, upd(json!(null), json!(["zz"]))), [""; 0]);
    net.set("a", "famx", "pk", "from B");
    assert_eq!(
        net.heard("a", "evil"),
        [r#""g_chg2" "famx" {"pk": "from B"} []"#]
    );
    // Another node holds the key, and its value was visible before.
    assert_eq!(says(&mut net, upd(json!(null), json!(["pk"]))), [""; 0]);
    assert_eq!(
        says(&mut net, vec![json!("g_mon0"), json!("famx")]),
        [""; 0]
    );
    assert_eq!(says(&mut net, upd(json!({"x": 1}), json!(null))), [""; 0]);
}

#[test]
fn a_value_that_is_refused_does_not_leave_an_old_one() {
    let mut net = net();
    net.says(
        "a",
        "evil",
        words([json!("g_slave"), json!({"f": {"x": 1}})]),
    )
    .unwrap();
    let large = json!({"x": "x".repeat(2 << 20)});
    assert!(
        net.says("a", "evil", words([json!("g_upd"), json!("f"), large]))
            .is_err()
    );
    assert_eq!(net.family("honest", "f"), r#"{"k": 1}"#);
}

#[test]
fn a_database_may_take_the_place_of_one_as_large() {
    let mut net = Net::default();
    let limits = DirectoryLimits {
        bytes: 1000,
        entry: 900,
        ..DirectoryLimits::default()
    };
    net.add_with("a", &[], limits);
    net.become_global("a");
    net.stranger("a", "slave", false);
    for n in 0..3 {
        let held = json!({"f": {format!("k{n}"): "x".repeat(800)}});
        net.says("a", "slave", words([json!("g_slave"), held]))
            .unwrap();
    }
    let upd = |n: u8| {
        words([
            json!("g_upd"),
            json!("f"),
            json!({"k2": n.to_string().repeat(800)}),
        ])
    };
    net.says("a", "slave", upd(1)).unwrap();
    assert!(net.family("a", "f").starts_with(r#"{"k2": "111"#));
}

#[test]
fn one_bad_family_does_not_spoil_the_others() {
    let mut net = net();
    net.stranger("a", "perl", true);
    let bad = Value::from(bytes::Bytes::from_static(b"caf\xe9"));
    let families = [
        (bad, super::json(json!({"k": 1}))),
        ("f".into(), super::json(json!({"p": 1}))),
        ("g".into(), Value::from(1)),
        ("'l".into(), super::json(json!({"perl": ["perl:1"]}))),
    ];
    let said = net.says(
        "a",
        "perl",
        ["g_slave".into(), Value::Map(families.into_iter().collect())],
    );
    assert!(said.unwrap_err().starts_with("2 entries"));
    assert_eq!(net.family("honest", "f"), r#"{"k": 1, "p": 1}"#);
    assert_eq!(net.find("honest", "perl").unwrap(), ["perl:1"]);
}

#[test]
fn a_key_too_long_to_hold_is_not_deleted_either() {
    let mut net = net();
    net.says("a", "evil", words([json!("g_slave"), json!({})]))
        .unwrap();
    net.watch("honest", "f");
    let long = json!(["x".repeat(2 << 20)]);
    assert!(
        net.says(
            "a",
            "evil",
            words([json!("g_upd"), json!("f"), json!(null), long])
        )
        .is_err()
    );
    assert!(net.log.iter().all(|line| line.len() < 1000));
}

#[test]
fn so_many_global_nodes_are_named_and_known_and_no_more() {
    let mut net = net();
    net.says("a", "evil", words([json!("g_global")])).unwrap();
    let names: serde_json::Map<_, _> = (0..5000).map(|n| (format!("g{n}"), json!(null))).collect();
    let said = net.says("a", "evil", words([json!("g_set"), json!({"'g": names})]));
    assert!(said.unwrap_err().contains("too many global nodes"));
    let listens: serde_json::Map<_, _> = (0..100).map(|n| (n.to_string(), json!("x"))).collect();
    let said = net.says(
        "a",
        "evil",
        words([json!("g_set"), json!({"'l": {"evil": listens}})]),
    );
    assert!(said.is_err());
}

/// A database with one family `f`, whose values JSON may not be able to represent.
fn database<const N: usize>(pairs: [(Value, Value); N]) -> Value {
    let family = Value::Map(pairs.into_iter().collect());
    Value::Map([("f", family)].into_iter().collect())
}

#[test]
fn what_json_cannot_carry_is_refused_alone_and_named() {
    let mut net = net();
    let inner = Value::Map([(Value::from(1), Value::from(2))].into_iter().collect());
    let said = net.says(
        "a",
        "evil",
        [
            "g_slave".into(),
            database([
                (Value::from(5), "number".into()),
                ("5".into(), "text".into()),
                (Value::from(1.5), "float".into()),
                (Value::Null, "null".into()),
                ("inner".into(), inner),
                ("nan".into(), f64::NAN.into()),
                ("bytes".into(), bytes::Bytes::from_static(b"text").into()),
            ]),
        ],
    );
    let said = said.unwrap_err();
    assert!(said.starts_with("6 entries were not taken"), "{said}");
    assert_eq!(net.family("honest", "f"), r#"{"5": "text", "k": 1}"#);
    // A number as a key deletes nothing, but the rest of the request is applied.
    let gone = Value::from(vec![Value::from(5)]);
    let more = Value::Map([("more", 1)].into_iter().collect());
    let said = net.says("a", "evil", ["g_upd".into(), "f".into(), more, gone]);
    assert!(said.unwrap_err().starts_with("1 entries"));
    assert_eq!(
        net.family("honest", "f"),
        r#"{"5": "text", "k": 1, "more": 1}"#
    );
}

#[test]
fn a_number_from_perl_names_the_key_of_its_digits() {
    let mut net = net();
    net.stranger("a", "perl", true);
    let held = database([("5".into(), 1.into()), ("6".into(), 1.into())]);
    net.says("a", "perl", ["g_slave".into(), held]).unwrap();
    // db_del f => 5
    let gone = Value::from(vec![Value::from(5)]);
    net.says("a", "perl", ["g_upd".into(), "f".into(), Value::Null, gone])
        .unwrap();
    assert_eq!(net.family("honest", "f"), r#"{"6": 1, "k": 1}"#);
}

#[test]
fn a_slave_takes_of_its_masters_news_what_json_can_carry() {
    let mut net = net();
    net.watch("honest", "f");
    let bytes = || Value::from(bytes::Bytes::from_static(b"\xff"));
    let pairs = || {
        let pairs = [
            (Value::from(7), Value::from(1)),
            ("bytes".into(), bytes()),
            ("good".into(), 2.into()),
        ];
        Value::Map(pairs.into_iter().collect())
    };
    let said = net.says("honest", "a", ["g_chg1".into(), "f".into(), pairs()]);
    assert!(said.unwrap_err().starts_with("2 entries"));
    assert_eq!(net.seen("honest", "f"), r#"{"good": 2}"#);
    let gone = Value::from(vec!["good".into(), bytes()]);
    let said = net.says("honest", "a", ["g_chg2".into(), "f".into(), pairs(), gone]);
    assert!(said.unwrap_err().starts_with("3 entries"));
    assert_eq!(net.seen("honest", "f"), "{}");
}

#[test]
fn a_query_for_a_family_that_cannot_be_is_answered_as_for_an_empty_one() {
    let mut net = net();
    for family in [
        json!("1f"),
        json!("'x"),
        json!("x".repeat(1000)),
        json!(7),
        json!(null),
    ] {
        for (query, empty) in [
            ("g_db_family", "{}"),
            ("g_db_keys", "[]"),
            ("g_db_values", "[]"),
        ] {
            net.says(
                "a",
                "evil",
                words([json!(query), family.clone(), json!("q")]),
            )
            .unwrap();
            assert_eq!(
                net.heard("a", "evil"),
                [format!(r#""g_reply" "q" {empty}"#)],
                "{query} {family}"
            );
        }
    }
}
