//! The commands at a node that a program has made, before and after it allows inspection.

#![allow(clippy::unwrap_used)]

mod common;

use aemp::policy::{Rule, Rules};
use aemp::tap::TapLimits;
use aemp::{Context, Inspection, LocalNode, Message, NodeBuilder};
use common::Home;
use common::running::{LIMIT, Running, SECRET};
use serde_json::Value as Json;

/// The node of a program, which runs in this process, and a home for the command in its network.
async fn program(change: impl FnOnce(NodeBuilder) -> NodeBuilder) -> (Home, LocalNode) {
    let node = aemp::node().id("program").secret(SECRET);
    let node = change(node.bind("127.0.0.1:0")).start().await.unwrap();
    let sink = |_: &mut Context<'_>, _: Message| ();
    let jobs = node.port_named("jobs", sink).unwrap();
    let entry = node.directory().register("workers", &jobs, ());
    entry.unwrap().detach();
    let home = Home::with_secret();
    home.aemp(&["seeds", &node.addresses()[0].to_string()])
        .succeeds_in_silence();
    (home, node)
}

/// That ends with the error of a node that does not offer a function.
#[track_caller]
fn is_not_offered(home: &Home, line: &[&str], function: &str) {
    let error = home.aemp(line).fails(4).err;
    let expected = format!(
        "error: program answers: {function} is not offered there, or not to us: a program offers it by \
         node.allow_inspection(..), \"aemp run\" always, and its secure and allow have to permit it\n"
    );
    assert_eq!(error, expected);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_program_allows_it_by_one_call() {
    let (home, node) = program(|node| node).await;
    is_not_offered(&home, &["ps", "program"], "aemp::ports");
    is_not_offered(&home, &["--json", "top", "program"], "aemp::stats");
    is_not_offered(&home, &["directory"], "aemp::stats");
    let graph = home.aemp(&["dot", "program"]).succeeds().out;
    assert!(
        graph.contains("\"program\" [fillcolor=lightgray];"),
        "{graph}"
    );

    node.allow_inspection(Inspection::new());
    let ports = home.aemp(&["ps", "program"]).succeeds().out;
    assert!(
        ports.lines().any(|line| line.starts_with("jobs ")),
        "{ports}"
    );
    let families = home.aemp(&["directory"]).succeeds().out;
    assert!(families.contains("workers  1\n"), "{families}");
    let graph = home.aemp(&["dot", "program"]).succeeds().out;
    assert!(graph.contains("\"program\" [fillcolor=gold];"), "{graph}");
    let mut top = Running::follow(&home, &["--json", "top", "program"]);
    let line: Json = serde_json::from_str(&top.line(|_| true)).unwrap();
    assert_eq!(line["role"], "global", "{line}");
    top.signal("-INT");
    assert_eq!(top.end(), Some(0));
    // The content of messages is not part of it.
    let error = home.aemp(&["tap", "program"]).fails(4).err;
    assert_eq!(
        error,
        "error: program answers: it lets nobody follow its messages; where that is to be allowed, \"aemp profile NAME \
         addservice aemp::tap\" and a restart do it, in a program node.allow_inspection(Inspection::new().taps(..))\n"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn messages_are_followed_within_the_limits_of_the_program() {
    let (home, node) = program(|node| node).await;
    node.allow_inspection(Inspection::new().taps(TapLimits::new().rate(50).size(8)));
    let follow = ["--json", "tap", "program", "program#jobs"];
    let mut tap = Running::follow(&home, &follow);
    assert_eq!(tap.line(|_| true), r#"["tapping",50,8]"#);
    home.aemp(&["snd", "program#jobs", "job"]).succeeds();
    tap.line(|line| line.starts_with(r#"["message""#));
    // A node that is followed ends like any other.
    let stopped = tokio::time::timeout(LIMIT, node.shutdown()).await;
    assert_eq!(stopped.unwrap().failure, None);
    assert_eq!(tap.end(), Some(4));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_look_is_what_the_policy_says() {
    let may = ["call aemp::ports", "directory", "monitor"];
    let rules = Rules::new([Rule::new(may.map(|text| text.parse().unwrap()))]);
    let (home, node) = program(|node| node.policy(rules)).await;
    node.allow_inspection(Inspection::new());
    home.aemp(&["ps", "program"]).succeeds();
    is_not_offered(&home, &["--json", "top", "program"], "aemp::stats");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn odd_options_are_refused_by_name() {
    let (_, node) = program(|node| node).await;
    node.allow_inspection(Inspection::new().taps(TapLimits::new()));
    let client = aemp::node().id("client").secret(SECRET);
    let client = client.seed(node.addresses()[0].to_string()).start();
    let client = client.await.unwrap();
    for (options, error) in [
        (
            r#"{"rat":1}"#,
            "the options: rat: unknown field `rat`, expected one of `matching`, `rate`, `size`",
        ),
        (
            r#"{"rate":"x"}"#,
            "the options: rate: expected u64, found text \"x\"",
        ),
    ] {
        let options: aemp::Value = serde_json::from_str(options).unwrap();
        let call = client.call::<(String, String)>("program#", ("aemp::tap", options));
        let (word, text) = call.within(LIMIT).await.unwrap();
        assert_eq!(word, "refused");
        assert_eq!(text, error);
    }
    // One who asks in odd arguments does not end the node port.
    client.send("program#", ("aemp::tap", 7));
    let call = client.call::<(f64,)>("program#", ("time",));
    call.within(LIMIT).await.unwrap();
}
