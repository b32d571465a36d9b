//! `aemp tap`, the real command at real nodes: what it shows, who allows it, and what it records.

#![allow(clippy::unwrap_used)]

mod common;

use std::os::unix::fs::MetadataExt;
use std::time::Instant;

use common::Home;
use common::running::{LIMIT, Running};
use serde_json::Value as Json;

/// A seed that may be tapped, and one that may not.
fn nodes() -> (Home, [Running; 2]) {
    let home = Home::with_secret();
    let services = r#"["aemp::echo",["aemp::tap",{"size":1000}]]"#;
    let seed = [
        "nodeid",
        "seed",
        "binds",
        "127.0.0.1:0",
        "services",
        services,
    ];
    let seed = Running::start(&home, &seed);
    home.aemp(&["seeds", &seed.address]).succeeds_in_silence();
    let closed = Running::start(&home, &["nodeid", "closed", "binds", "127.0.0.1:0"]);
    // It listens by now; that the seed knows it takes a moment more.
    let until = Instant::now() + LIMIT;
    while !home
        .aemp(&["directory", "'l"])
        .succeeds()
        .out
        .contains("closed")
    {
        assert!(Instant::now() < until, "the two find each other");
    }
    (home, [seed, closed])
}

#[test]
fn messages_are_followed_where_the_node_allows_it() {
    let (home, [_seed, _closed]) = nodes();
    let refused = home.aemp(&["tap", "closed"]).fails(4);
    assert!(refused.err.contains("addservice aemp::tap"), "{refused:?}");

    let mut tap = Running::follow(&home, &["tap", "seed", "seed#echo"]);
    tap.line(|line| line.contains(" UP closed: cbor to it, cbor from it"));
    home.aemp(&["cal", "seed#echo", "hi", "[1,2]"]).succeeds();
    let shown = tap.line(|line| !line.contains(" UP ") && !line.contains(" DOWN "));
    let (from, message) = shown.split_once(" > ").unwrap();
    assert!(from.contains(" aemp/"), "{shown}");
    assert!(
        message.starts_with(r#"seed#echo  "hi", [1, 2], "aemp/"#),
        "{shown}"
    );
    tap.signal("-INT");
    assert_eq!(tap.end(), Some(0));

    let line = ["--json", "--size", "10", "tap", "seed", "seed#echo"];
    let tap = Running::follow(&home, &line);
    assert_eq!(tap.line(|_| true), r#"["tapping",1000,10]"#);
    home.aemp(&["cal", "seed#echo", "hi"]).succeeds();
    let shown = tap.line(|line| line.starts_with(r#"["message""#));
    let shown: Json = serde_json::from_str(&shown).unwrap();
    // It was cut off, so nobody can tell the port.
    assert_eq!((&shown[3], &shown[4]), (&"seed".into(), &Json::Null));
}

#[test]
fn a_session_is_recorded_whole_and_without_a_secret() {
    let (home, [_seed, _closed]) = nodes();
    let file = home.path("session.frames.jsonl").display().to_string();
    let line = ["--record", &file, "tap", "seed"];
    let mut tap = Running::follow(&home, &line);
    tap.line(|line| line.contains(" UP closed"));
    home.aemp(&["cal", "seed#echo", "hi"]).succeeds();
    tap.line(|line| line.contains(" DOWN aemp/"));
    home.aemp(&["snd", "seed#echo", &"x".repeat(2000)])
        .succeeds();
    tap.line(|line| line.contains(" DOWN aemp/"));
    tap.signal("-TERM");
    assert_eq!(tap.end(), Some(0));
    assert!(!home.path("session.frames.jsonl.part").exists());

    let text = home.read("session.frames.jsonl");
    let lines: Vec<Json> = text
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let header = &lines[0]["header"];
    assert_eq!(header["session"], "session");
    assert_eq!(header["links"]["closed-seed"]["b"], "seed");
    assert_eq!(header["peers"]["closed"]["config"]["nodeid"], "closed");
    let kinds = |from: &str| -> Vec<&str> {
        let from = lines.iter().filter(|line| {
            let dir = line["dir"].as_str();
            dir.is_some_and(|dir| dir.starts_with(from))
        });
        from.filter_map(|line| line["kind"].as_str()).collect()
    };
    assert_eq!(kinds("closed>")[..2], ["greeting1", "auth"]);
    let auth = lines.iter().find(|line| line["kind"] == "auth").unwrap();
    assert_eq!(auth["line"], "hmac_sha3_512;;cbor");
    let said = |tag: &str| {
        let said = |line: &&Json| line["msg"][0] == "echo" && line["msg"][1] == tag;
        lines.iter().find(said)
    };
    let hi = said("hi").unwrap();
    assert_eq!(
        hi["hex"].as_str().unwrap().len() as u64,
        2 * hi["len"].as_u64().unwrap()
    );
    // What is cut off is marked so.
    let cut = lines.iter().find(|line| line["len"].as_u64() > Some(2000));
    let hex = cut.unwrap()["hex"].as_str().unwrap();
    assert!(hex.len() == 2002 && hex.ends_with(".."));

    let mode = |name: &str| std::fs::metadata(home.path(name)).unwrap().mode() & 0o777;
    assert_eq!(mode("session.frames.jsonl"), 0o600);

    let again = home.aemp(&line).succeeds_with(1);
    assert!(again.err.contains("exists"), "{again:?}");
    assert_eq!(home.read("session.frames.jsonl"), text);
    assert!(!home.path("session.frames.jsonl.part").exists());
    // What a recording that was killed has left is not lost either.
    home.write("other.part", "units");
    let other = home.path("other").display().to_string();
    let left = home
        .aemp(&["--record", &other, "tap", "seed"])
        .succeeds_with(1);
    assert!(left.err.contains("other.part: "), "{left:?}");
    assert!(home.read("other.part") == "units" && !home.path("other").exists());
    // Where nobody may follow there is nothing to record.
    home.aemp(&["--record", &other, "tap", "closed"]).fails(4);
    assert!(!home.path("other").exists());
}

#[test]
fn whoever_is_told_to_stop_does_not_go_on_with_the_line() {
    let (home, [_seed, _closed]) = nodes();
    let mut tap = Running::follow(&home, &["tap", "seed", "echo", "mon", "closed"]);
    tap.line(|line| line.contains(" UP closed"));
    home.aemp(&["cal", "seed#echo", "hi"]).succeeds();
    tap.line(|line| line.contains("seed#echo"));
    tap.signal("-TERM");
    assert_eq!(tap.end(), Some(0));
}

#[test]
fn more_than_the_node_allows_is_asked_for_in_vain_and_odd_limits_are_refused() {
    let (home, [_seed, _closed]) = nodes();
    let line = [
        "--json",
        "--rate",
        "4294967295",
        "--size",
        "4294967295",
        "tap",
        "seed",
    ];
    let tap = Running::follow(&home, &line);
    assert_eq!(tap.line(|_| true), r#"["tapping",1000,1000]"#);
    for limit in ["0", "x", "4294967296"] {
        let refused = home.aemp(&["--rate", limit, "tap", "seed"]).fails(2);
        assert!(
            refused.err.contains("a number from 1 to 4294967295"),
            "{refused:?}"
        );
    }
    let lost = home.aemp(&["--record", "x", "ps", "seed"]).fails(2);
    assert!(
        lost.err.contains("--record is for the command tap"),
        "{lost:?}"
    );
}
