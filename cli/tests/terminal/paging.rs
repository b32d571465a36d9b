//! Output that is longer than the screen.

use std::time::{Duration, Instant};

use aemp::{LocalNode, Map, Value};
use tokio::runtime::Runtime;

use crate::common::running::{Running, SECRET, network};
use crate::common::{Home, Terminal};

/// How many keys the family `many` has. With AEMP_KEYS another number is tried.
fn keys() -> usize {
    std::env::var("AEMP_KEYS").map_or(3000, |keys| keys.parse().unwrap())
}

/// A network with a large family, which a node in this process holds.
pub(crate) fn large() -> (Home, [Running; 3], Runtime, LocalNode) {
    let (home, nodes) = network();
    let runtime = Runtime::new().unwrap();
    let node = aemp::node().id("holder").secret(SECRET);
    let node = node.seed(nodes[0].address.as_str());
    let node = runtime.block_on(node.start()).unwrap();
    let inside = runtime.enter();
    for key in 0..keys() {
        let key = format!("key{key:06}");
        node.directory().set("many", key, Value::Null).unwrap();
    }
    drop(inside);
    let until = Instant::now() + Duration::from_secs(60);
    let known = || {
        let json = home.aemp(&["--json", "directory", "many"]).succeeds().out;
        serde_json::from_str::<Map>(&json).unwrap().len()
    };
    while known() < keys() {
        assert!(Instant::now() < until, "{} keys are known", known());
    }
    (home, nodes, runtime, node)
}

#[test]
#[ignore = "needs tmux and less"]
fn what_is_longer_than_the_screen_goes_through_a_pager() {
    let (home, _nodes, _runtime, _node) = large();
    let line = ["directory", "many"];
    let last = format!("key{:06}", keys() - 1);

    let terminal = Terminal::aemp(&home, &line);
    terminal.wait("the first page", |screen| {
        screen.starts_with("key000000  null\n") && screen.ends_with("key000022  null\n:\n")
    });
    terminal.press(&["G"]);
    terminal.shows(&last);
    terminal.press(&["q"]);
    assert_eq!(terminal.ended(), 0);

    // Who leaves it early has seen enough.
    let terminal = Terminal::aemp(&home, &line);
    terminal.shows("key000022");
    terminal.press(&["q"]);
    assert_eq!(terminal.ended(), 0);
    terminal.wait("no error", |screen| !screen.contains("error"));

    // Nor is anything left of it after Ctrl-C.
    let terminal = Terminal::aemp(&home, &line);
    terminal.shows("key000022");
    terminal.press(&["C-c"]);
    assert_eq!(terminal.ended(), 130);

    // Pipes and JSON have no pages.
    assert_eq!(home.aemp(&line).succeeds().out.lines().count(), keys());
    let terminal = Terminal::aemp(&home, &["--json", "directory", "many"]);
    assert_eq!(terminal.ended(), 0);
    terminal.wait("the end", |screen| screen.trim_end().ends_with("null\n}"));
}

#[test]
#[ignore = "needs tmux"]
fn the_pager_is_the_users() {
    let home = Home::new();
    let run = |line: &[&str], variables: &[(&str, &str)]| {
        let mut command = home.command(line);
        command.envs(variables.iter().copied());
        let terminal = Terminal::run(&home, &command, (80, 24));
        assert_eq!(terminal.ended(), 0);
        terminal
    };
    let marks = "sed s/^/paged:/";
    let end = |text: &str| text.trim_end().ends_with("or did not answer.");

    let own = run(&["help"], &[("AEMP_PAGER", marks), ("PAGER", "false")]);
    own.wait("a marked end", |screen| {
        end(screen) && screen.contains("paged:4 ")
    });
    run(&["help"], &[("PAGER", marks)]).shows("paged:4 ");
    // None is wanted, or none is there.
    for pager in ["", "no-such-pager"] {
        run(&["help"], &[("AEMP_PAGER", pager), ("PAGER", marks)]).wait("the end", |screen| {
            end(screen) && !screen.contains("paged:")
        });
    }
    // What the screen holds needs none.
    let short = run(&["help", "cal"], &[("AEMP_PAGER", marks)]);
    short.wait("the text", |screen| screen.starts_with("Send a message"));
}

#[test]
#[ignore = "needs tmux"]
fn ctrl_c_is_for_the_pager() {
    let home = Home::new();
    let mut command = home.command(&["help"]);
    command.env("PAGER", "less");
    let terminal = Terminal::run(&home, &command, (80, 10));
    terminal.wait("the first page", |screen| screen.trim_end().ends_with(':'));
    terminal.press(&["C-c"]);
    // It goes on, which it could not without us. The terminal forgets keys that came before Ctrl-C was seen.
    terminal.wait("the end", |screen| {
        let end = screen.contains("or did not answer.");
        if !end {
            terminal.press(&["G"]);
        }
        end
    });
    terminal.press(&["q"]);
    assert_eq!(terminal.ended(), 130);
}
