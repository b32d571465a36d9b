//! The line that says what is waited for.

use std::net::TcpListener;

use crate::common::running::{SECRET, network, watched};
use crate::common::{Home, Terminal};

#[test]
#[ignore = "needs tmux"]
fn a_terminal_shows_what_is_waited_for_until_it_is_over() {
    // A seed that takes connections and says nothing.
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let seed = silent.local_addr().unwrap().to_string();
    let home = Home::new();
    home.aemp(&["setsecret", SECRET, "addseed", &seed])
        .succeeds();
    let line = ["--timeout", "1.5", "cal", "seed", "time"];
    let long = ["--timeout", "100", "cal", "seed", "time"];
    let named = format!(" s for {seed}\n");
    let failed =
        format!("error: {seed} did not answer within 1.5s; --timeout SECONDS waits longer\n");

    let terminal = Terminal::run(&home, &home.command(&long), (100, 24));
    terminal.wait("the line", |screen| {
        screen.starts_with("waiting up to ") && screen.contains(&named)
    });
    let terminal = Terminal::run(&home, &home.command(&line), (100, 24));
    assert_eq!(terminal.ended(), 4);
    terminal.wait("the error in the line's place", |screen| {
        screen.starts_with(&failed)
    });

    // A line that is longer than the terminal is wide is cut, and goes without a trace as well.
    let narrow = Terminal::run(&home, &home.command(&long), (20, 24));
    narrow.wait("the line", |screen| {
        let cut = |line: &str| line.starts_with("waiting up to ") && line.len() <= 20;
        screen.lines().next().is_some_and(cut)
            && screen.lines().filter(|line| !line.is_empty()).count() == 1
    });
    let narrow = Terminal::run(&home, &home.command(&line), (20, 24));
    assert_eq!(narrow.ended(), 4);
    narrow.wait("the error in its place", |screen| {
        screen.starts_with("error: ") && !screen.contains("waiting")
    });

    // Neither on a terminal that erases no lines nor where no terminal is.
    let mut dumb = home.command(&line);
    dumb.env("TERM", "dumb");
    let dumb = Terminal::run(&home, &dumb, (100, 24));
    assert_eq!(dumb.ended(), 4);
    dumb.wait("the error alone", |screen| screen.starts_with(&failed));
    assert_eq!(home.aemp(&line).fails(4).err, failed);
}

#[test]
#[ignore = "needs tmux"]
fn an_answer_takes_the_line_away() {
    let (home, nodes) = network();
    // A stopped node answers when it goes on.
    nodes[1].signal("-STOP");
    let terminal = Terminal::aemp(&home, &["--timeout", "20", "cal", "worker#echo", "hi"]);
    let shown = terminal.wait("the line", |screen| screen.contains(" s for "));
    assert!(shown.contains("for worker#echo\n"), "{shown}");
    nodes[1].signal("-CONT");
    assert_eq!(terminal.ended(), 0);
    terminal.wait("the answer alone", |screen| screen.starts_with("\"hi\"\n"));
}

#[test]
#[ignore = "needs tmux"]
fn who_waits_without_a_limit_waits_in_silence() {
    let (home, [_seed, worker, _json]) = network();
    let terminal = Terminal::aemp(&home, &["mon", "worker#echo"]);
    // The service that has registered the port watches it as well.
    watched(&home, "worker", "echo", 2);
    drop(worker);
    assert_eq!(terminal.ended(), 0);
    terminal.wait("the reason alone", |screen| {
        screen.starts_with("\"transport_error\",\"worker\",")
    });
}
