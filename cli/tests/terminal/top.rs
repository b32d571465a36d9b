//! `aemp top`: what the screen shows of real nodes, and what keys do to it.

use crate::common::Terminal;
use crate::common::running::network;

#[test]
#[ignore = "needs tmux"]
fn a_network_is_looked_at_by_keys() {
    let (home, _nodes) = network();
    let terminal = Terminal::aemp(&home, &["top", "seed"]);
    let screen = terminal.shows("q quit");
    assert!(screen.starts_with("seed  global  "), "{screen}");
    let codecs = |screen: &str, peer: &str| {
        let mut rows = screen.lines();
        let row = rows.find(|row| row.starts_with(peer))?;
        Some(
            row.split_whitespace()
                .skip(1)
                .take(2)
                .collect::<Vec<_>>()
                .join(" "),
        )
    };
    // From the second answer on there are rates.
    terminal.wait("rates of worker", |screen| {
        let row = screen.lines().find(|row| row.starts_with("worker"));
        row.and_then(|row| row.split_whitespace().nth(3))
            .is_some_and(|rate| rate != "-")
    });
    let screen = terminal.screen();
    assert_eq!(codecs(&screen, "json").as_deref(), Some("json json"));
    assert_eq!(codecs(&screen, "worker").as_deref(), Some("cbor cbor"));

    terminal.press(&["Tab"]);
    terminal.wait("the nodes", |screen| {
        let rows: Vec<&str> = screen.lines().collect();
        let seed = rows.iter().find(|row| row.starts_with("seed  "));
        rows.iter().any(|row| row.starts_with("NODE"))
            && rows.iter().any(|row| row.contains("json/json"))
            && seed.is_some_and(|row| row.contains("(this)") || row.contains("global"))
    });
    terminal.press(&["3"]);
    terminal.wait("the families", |screen| {
        let mut rows = screen.lines();
        rows.any(|row| row.starts_with("aemp_echo") && row.ends_with(" 3"))
    });

    // Look at another node, and come back.
    terminal.press(&["2", "End", "Enter"]);
    terminal.wait("the worker", |screen| {
        screen.starts_with("worker  slave of seed")
    });
    terminal.press(&["BSpace"]);
    terminal.wait("the seed", |screen| screen.starts_with("seed  global"));

    terminal.resize(30, 5);
    terminal.shows("too small: 30x5");
    terminal.resize(100, 20);
    terminal.shows("q quit");
    terminal.press(&["q"]);
    assert_eq!(terminal.ended(), 0);
    // The screen is as it was before.
    assert!(!terminal.screen().contains("q quit"));
}

#[test]
#[ignore = "needs tmux"]
fn a_node_that_goes_is_said_to_be_gone_and_one_that_is_not_there_is_an_error() {
    let (home, [_seed, worker, _json]) = network();
    let terminal = Terminal::aemp(&home, &["top", "worker"]);
    terminal.wait("the worker", |screen| screen.starts_with("worker  slave"));
    drop(worker);
    terminal.wait("no answer", |screen| {
        screen.starts_with("worker  NO ANSWER: ")
    });
    terminal.press(&["C-c"]);
    assert_eq!(terminal.ended(), 0);

    let terminal = Terminal::aemp(&home, &["top", "nobody"]);
    assert_eq!(terminal.ended(), 4);
    terminal.shows("error: nobody");
}
