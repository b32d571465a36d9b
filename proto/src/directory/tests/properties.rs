//! Whatever peers send: nothing panics, the limits hold, and honest nodes see the entries of honest nodes.

use proptest::prelude::*;
use proptest::test_runner::RngSeed;

use super::{Said, run};
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
        said in prop::collection::vec((any::<bool>(), request(), any::<bool>()), 0..60),
    ) {
        run(said.into_iter().map(|(by_perl, request, returns)| Said {
            by_perl,
            request: request.into(),
            returns,
        }));
    }
}
