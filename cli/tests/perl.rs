//! The real command against a peer that is scripted as an AnyEvent::MP node.

#![allow(clippy::unwrap_used)]

mod common;

use common::perl::{Does, Perl, answer};
use serde_json::{Value, json};

fn says_nothing() -> Does {
    Does::Says(Vec::new())
}

/// Evaluates whether there is a watchdog, and what ends it.
fn restarts(watchdog: u32) -> Perl {
    Perl::start(move |message| {
        let word = |at: usize| message.get(at).and_then(Value::as_str).unwrap_or_default();
        match word(1) {
            "can" => answer(message, &[json!("")]),
            "eval" if word(2).contains("enabled") => answer(message, &[json!(""), json!(watchdog)]),
            "eval" => Does::Exits,
            _ => says_nothing(),
        }
    })
}

#[test]
fn a_node_under_a_watchdog_is_restarted_and_that_is_no_failure() {
    let perl = restarts(1);
    perl.home().aemp(&["restart", "perl"]).succeeds_in_silence();
    let evaluated = perl.evaluated();
    assert_eq!(evaluated.len(), 2, "{evaluated:?}");
    assert!(evaluated[1].contains("AnyEvent::Watchdog::Util::restart"));
}

#[test]
fn a_node_that_nothing_starts_again_is_ended_only_with_yes() {
    let perl = restarts(0);
    let home = perl.home();
    assert_eq!(
        home.aemp(&["restart", "perl"]).fails(4).err,
        "error: perl runs under no watchdog, so a restart would end it for good; --yes does that all the same\n"
    );
    assert_eq!(perl.evaluated().len(), 1);
    home.aemp(&["--yes", "restart", "perl"])
        .succeeds_in_silence();
    assert_eq!(perl.evaluated()[2], "exit 0");
}

#[test]
fn a_master_that_cannot_list_families_is_named_and_what_to_type() {
    let perl = Perl::start(|_| says_nothing());
    assert_eq!(
        perl.home().aemp(&["directory"]).fails(4).err,
        "error: perl answers: an AnyEvent::MP node cannot list families; name one, as in \"aemp directory workers\"\n"
    );
}
