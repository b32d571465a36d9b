//! Global nodes that do not send their entries.

use std::time::Duration;

use serde_json::json;

use super::Net;
use super::net::id;

/// A global node, and a peer that has sent `g_global`.
fn met(perl: bool) -> Net {
    let mut net = Net::default();
    net.add("a", &[]);
    net.become_global("a");
    net.set("a", "f", "k", 1);
    comes(&mut net, perl);
    net
}

fn comes(net: &mut Net, perl: bool) {
    net.stranger("a", "p", perl);
    net.says("a", "p", ["g_global".into()]).unwrap();
    let heard = net.heard("a", "p");
    assert!(
        heard[0] == r#""g_global""# && heard[1].starts_with(r#""g_set""#),
        "{heard:?}"
    );
}

fn tells(net: &mut Net) {
    let database = super::map(json!({"f": {"p": 2}}));
    net.says("a", "p", ["g_set".into(), database]).unwrap();
}

#[test]
fn one_that_tells_is_left_alone() {
    let mut net = met(true);
    tells(&mut net);
    net.pass(Duration::from_secs(60));
    assert!(net.heard("a", "p").is_empty() && net.ended.is_empty());
}

/// Lets the peer answer the probe.
fn answers(net: &mut Net) {
    let heard = net.heard("a", "p");
    let asked = heard.iter().any(|line| line == r#""g_find" "a""#);
    assert!(asked, "{heard:?}");
    let found = ["g_found".into(), "a".into(), vec!["a:1".into()].into()];
    net.says("a", "p", found).unwrap();
}

#[test]
fn one_that_is_silent_is_asked_once_more_and_told_everything_again() {
    let mut net = met(true);
    net.pass(Duration::from_secs(2));
    assert!(net.heard("a", "p").is_empty());
    net.pass(Duration::from_secs(2));
    answers(&mut net);
    let heard = net.heard("a", "p");
    assert_eq!(heard[..2], [r#""g_global""#, r#""g_find" "a""#]);
    assert!(heard[2].contains(r#""f": {"k": 1}"#), "{heard:?}");
    tells(&mut net);
    let found = ["g_found".into(), "a".into(), vec!["a:1".into()].into()];
    assert!(net.says("a", "p", found).is_err());
    net.pass(Duration::from_secs(60));
    assert!(net.heard("a", "p").is_empty() && net.ended.is_empty());
    assert_eq!(net.family("a", "f"), r#"{"k": 1, "p": 2}"#);
}

/// The `g_set` of a slow node may be queued behind other requests.
#[test]
fn one_that_does_not_answer_may_be_slow() {
    let mut net = met(true);
    net.pass(Duration::from_secs(600));
    assert_eq!(net.heard("a", "p"), [r#""g_find" "a""#]);
    tells(&mut net);
    assert!(net.ended.is_empty());
    assert_eq!(net.family("a", "f"), r#"{"k": 1, "p": 2}"#);
}

#[test]
fn one_that_stays_silent_is_ended_once_until_it_has_told() {
    let mut net = met(true);
    let silent = |net: &mut Net| {
        net.pass(Duration::from_secs(4));
        answers(net);
        answers(net);
    };
    silent(&mut net);
    assert_eq!(net.ended, [id("p")]);
    for _ in 0..2 {
        net.stranger_gone("a", "p");
        comes(&mut net, true);
        silent(&mut net);
        assert_eq!(net.ended, [id("p")]);
    }
    tells(&mut net);
    net.stranger_gone("a", "p");
    comes(&mut net, true);
    silent(&mut net);
    assert_eq!(net.ended, [id("p"), id("p")]);
}

#[test]
fn one_of_ours_that_is_slow_is_waited_for() {
    let mut net = met(false);
    net.pass(Duration::from_secs(60));
    assert!(net.heard("a", "p").is_empty() && net.ended.is_empty());
}

#[test]
fn a_perl_node_may_send_changes_before_it_says_that_it_is_global() {
    let mut net = Net::default();
    net.add("a", &[]);
    net.become_global("a");
    for (peer, perl) in [("p", true), ("q", false)] {
        net.stranger("a", peer, perl);
        let change = [
            "g_upd".into(),
            "f".into(),
            super::map(json!({"x": 1})),
            Vec::new().into(),
        ];
        assert_eq!(net.says("a", peer, change).is_ok(), perl);
    }
    net.says("a", "p", ["g_global".into()]).unwrap();
    tells(&mut net);
    assert_eq!(net.family("a", "f"), r#"{"p": 2}"#);
}
