//! Honest nodes among strangers that say anything: the strangers keep within the limits, and the honest nodes see what they
//! set. For properties, and for the fuzz target `directory`.

use super::Net;
use crate::directory::DirectoryLimits;
use crate::{Text, Value};

/// A request of a stranger to the global node of the honest ones.
#[derive(Debug)]
pub struct Said {
    /// Whether the one of the two strangers says it that is an AnyEvent::MP node.
    pub by_perl: bool,
    /// The elements of the request.
    pub request: Vec<Value>,
    /// Whether the stranger connects anew after that.
    pub returns: bool,
}

/// Lets strangers say all this, and asserts what has to hold in between and after it.
pub fn run(said: impl IntoIterator<Item = Said>) {
    let mut net = Net::default();
    let limits = DirectoryLimits {
        families: 5,
        keys: 20,
        bytes: 2000,
        entry: 500,
        of_global: 1,
        of_all: 64,
        watches: 5,
    };
    net.add_with("a", &[], limits);
    net.become_global("a");
    net.add("honest", &["a"]);
    net.add("other", &["a"]);
    net.set("honest", "mine", "k", 1);
    net.watch("other", "mine");
    net.watch("a", "f");
    let evil = |by_perl| if by_perl { "evil" } else { "evil2" };
    for by_perl in [true, false] {
        net.stranger("a", evil(by_perl), by_perl);
    }
    for Said {
        by_perl,
        request,
        returns,
    } in said
    {
        // Any member may write any family: what the honest nodes see of theirs is theirs alone if strangers leave it alone.
        if request.iter().any(|value| names(value, "mine")) {
            continue;
        }
        // The request may be rejected or not: it must not affect other nodes.
        let _ = net.says("a", evil(by_perl), request);
        if returns {
            net.stranger("a", evil(by_perl), by_perl);
        }
        net.machine("a").assert_usage_sums();
        let usage = net.machine("a").usage_of(evil(by_perl));
        let within = usage.keys <= 20 && usage.bytes <= 2000 && usage.families <= 5;
        assert!(within, "{usage:?}");
    }
    net.set("honest", "mine", "k2", 2);
    assert_eq!(net.family("other", "mine"), r#"{"k": 1, "k2": 2}"#);
    assert_eq!(net.seen("other", "mine"), r#"{"k": 1, "k2": 2}"#);
    for node in ["a", "honest", "other"] {
        let addresses = net.find("other", node).expect("an honest node is found");
        assert_eq!(addresses, [Text::from(format!("{node}:1"))]);
    }
    for by_perl in [true, false] {
        net.stranger_gone("a", evil(by_perl));
    }
    let listeners = r#"{"a": ["a:1"], "honest": ["honest:1"], "other": ["other:1"]}"#;
    assert_eq!(net.family("other", "'l"), listeners);
    assert_eq!(net.family("other", "'g"), r#"{"a": null}"#);
    assert_eq!(net.family("a", "f"), "{}");
    assert_eq!(net.seen("a", "f"), "{}");
    net.delete("honest", "mine", "k");
    assert_eq!(net.seen("other", "mine"), r#"{"k2": 2}"#);
}

/// Whether `name` is in the value, as a text or as a Perl node may write one.
fn names(value: &Value, name: &str) -> bool {
    match value {
        Value::Text(text) => text.as_str() == name,
        Value::Bytes(bytes) => ***bytes == *name.as_bytes(),
        Value::Array(items) => items.iter().any(|item| names(item, name)),
        Value::Map(map) => map
            .iter()
            .any(|(key, value)| names(key, name) || names(value, name)),
        Value::Tag(_, content) => names(content, name),
        _ => false,
    }
}
