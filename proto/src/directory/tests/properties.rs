//! Whatever peers send: nothing panics, the limits hold, and honest nodes see the entries of honest nodes.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::net::Net;
use crate::directory::DirectoryLimits;
use crate::{Map, Value};

fn text() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just("'l"),
        Just("'g"),
        Just("'x"),
        Just("f"),
        Just("1"),
        Just("honest"),
        Just("evil"),
        Just("a"),
        Just("k"),
        Just(""),
        Just("evil2"),
    ]
    .prop_map(Value::from)
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text(),
        Just(Value::from(bytes::Bytes::from_static(b"\xff\x00"))),
        Just(Value::Simple(23)),
    ];
    leaf.prop_recursive(3, 12, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::vec((prop_oneof![text(), inner.clone()], inner), 0..4)
                .prop_map(|pairs| Value::Map(Map::from(pairs))),
        ]
    })
}

fn families() -> impl Strategy<Value = Value> {
    let content = prop::collection::vec((text(), value()), 0..4);
    let families = prop::collection::vec((text(), content), 0..4);
    families.prop_map(|families| {
        let families = families
            .into_iter()
            .map(|(family, pairs)| (family, Value::Map(Map::from(pairs))));
        Value::Map(families.collect())
    })
}

fn request() -> impl Strategy<Value = [Value; 4]> {
    let word = prop_oneof![
        Just("g_global"),
        Just("g_slave"),
        Just("g_set"),
        Just("g_upd"),
        Just("g_find"),
        Just("g_found"),
        Just("g_db_family"),
        Just("g_db_keys"),
        Just("g_db_values"),
        Just("g_reply"),
        Just("g_mon1"),
        Just("g_mon0"),
        Just("g_chg1"),
        Just("g_chg2"),
        Just("g_what"),
    ]
    .prop_map(Value::from);
    let argument = || prop_oneof![text(), families(), value(), Just(Value::Null)];
    (word, argument(), argument(), argument()).prop_map(|(a, b, c, d)| [a, b, c, d])
}

pub(super) fn config() -> ProptestConfig {
    // The same cases in every run, so a failure is caused by a change. AEMP_CASES asks for more, random cases.
    let more = std::env::var("AEMP_CASES");
    let more = more.ok().and_then(|text| text.parse().ok());
    ProptestConfig {
        cases: more.unwrap_or(128),
        rng_seed: more.map_or(RngSeed::Fixed(0), |_| RngSeed::Random),
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn honest_nodes_see_what_honest_nodes_set(
        said in prop::collection::vec((0..2usize, request(), any::<bool>()), 0..60),
    ) {
        let mut net = Net::default();
        let limits = DirectoryLimits { families: 5, keys: 20, bytes: 2000, entry: 500, of_global: 1, of_all: 64, watches: 5 };
        net.add_with("a", &[], limits);
        net.become_global("a");
        net.add("honest", &["a"]);
        net.add("other", &["a"]);
        net.set("honest", "mine", "k", 1);
        net.watch("other", "mine");
        net.watch("a", "f");
        let evil = ["evil", "evil2"];
        for name in evil {
            net.stranger("a", name, name == "evil");
        }
        for (who, request, again) in said {
            // The request may be rejected or not: it must not affect other nodes.
            let _ = net.says("a", evil[who], request);
            if again {
                net.stranger("a", evil[who], who == 0);
            }
            net.machine("a").assert_usage_sums();
            let usage = net.machine("a").usage_of(evil[who]);
            prop_assert!(usage.keys <= 20 && usage.bytes <= 2000 && usage.families <= 5, "{usage:?}");
        }
        net.set("honest", "mine", "k2", 2);
        prop_assert_eq!(net.family("other", "mine"), r#"{"k": 1, "k2": 2}"#);
        prop_assert_eq!(net.seen("other", "mine"), r#"{"k": 1, "k2": 2}"#);
        for node in ["a", "honest", "other"] {
            prop_assert_eq!(net.find("other", node).unwrap(), vec![crate::Text::from(format!("{node}:1"))]);
        }
        for name in evil {
            net.stranger_gone("a", name);
        }
        prop_assert_eq!(net.family("other", "'l"), r#"{"a": ["a:1"], "honest": ["honest:1"], "other": ["other:1"]}"#);
        prop_assert_eq!(net.family("other", "'g"), r#"{"a": null}"#);
        prop_assert_eq!(net.family("a", "f"), "{}");
        prop_assert_eq!(net.seen("a", "f"), "{}");
        net.delete("honest", "mine", "k");
        prop_assert_eq!(net.seen("other", "mine"), r#"{"k2": 2}"#);
    }
}
