//! `shell`: what it does for somebody who types.

use std::os::unix::fs::PermissionsExt;
use std::thread;
use std::time::{Duration, Instant};

use aemp::{NodeId, PortId};

use crate::common::running::{Running, network, watched};
use crate::common::{Home, Terminal};
use crate::paging::large;

/// Without the blank, which the screen does not have at the end of a line.
const PROMPT: &str = "\naemp>";

/// A shell in a terminal, at its first prompt.
fn shell(home: &Home) -> Terminal {
    let terminal = Terminal::run(home, &home.command(&["shell"]), (100, 24));
    terminal.wait("the prompt", |screen| {
        screen.contains("\"help\" lists the commands") && screen.contains(PROMPT)
    });
    terminal
}

/// Whether the line that is being edited is this.
fn edits<'a>(line: &'a str) -> impl Fn(&str) -> bool + 'a {
    move |screen| {
        let last = screen.trim_end().lines().last().unwrap_or_default();
        last.trim_end() == format!("aemp> {line}").trim_end()
    }
}

/// Types Tab, which makes the line what is wanted; again, if the names are not known yet, which are learnt meanwhile.
fn tab(terminal: &Terminal, wanted: &str) {
    for _ in 0..20 {
        terminal.press(&["Tab"]);
        let until = Instant::now() + Duration::from_secs(1);
        while Instant::now() < until {
            if edits(wanted)(&terminal.screen()) {
                return;
            }
            thread::sleep(Duration::from_millis(20));
        }
        // The menu without an entry, if there is one.
        terminal.press(&["Escape"]);
    }
    panic!("no {wanted:?} in:\n{}", terminal.screen());
}

/// Asks the shell for the ID of its own port.
fn own_port(terminal: &Terminal) -> String {
    terminal.enter("self");
    let screen = terminal.wait("the port", |screen| {
        screen.contains("\naemp/") && edits("")(screen)
    });
    let own = screen.lines().rfind(|line| line.starts_with("aemp/"));
    own.unwrap().trim_end().to_owned()
}

#[test]
#[ignore = "needs tmux"]
fn lines_are_typed_completed_and_remembered() {
    let (home, _nodes) = network();
    let terminal = shell(&home);
    terminal.enter("call worker#echo hi 7 h'00ff'");
    terminal.shows("\n\"hi\", 7, h'00ff'\n");
    terminal.wait("the prompt", edits(""));

    // An error says where, and the shell goes on.
    terminal.enter("call worker#echo [1 2]");
    terminal.shows("\nerror: column 21: expected ',' or ']', found '2'\n");
    terminal.enter("cul x");
    terminal.shows("error: column 1: there is no command \"cul\"; did you mean \"cal\"?");
    terminal.enter("call worker#nobody");
    terminal.shows("\nerror: worker#nobody: no_such_port");

    // Tab: commands, nodes, ports in families, families.
    terminal.wait("the prompt", edits(""));
    terminal.write("dire");
    terminal.press(&["Tab"]);
    terminal.wait("the command", edits("directory"));
    terminal.write("aemp_e");
    tab(&terminal, "directory aemp_echo");
    terminal.press(&["Enter"]);
    terminal.shows("\njson#echo  null\nseed#echo  null\nworker#echo  null\n");
    terminal.wait("the prompt", edits(""));
    terminal.write("ps wor");
    tab(&terminal, "ps worker");
    terminal.press(&["C-c"]);
    terminal.wait("an empty line", edits(""));
    terminal.write("call json#e");
    tab(&terminal, "call json#echo");
    terminal.enter("\"a b\"");
    terminal.shows("\n\"a b\"\n");

    // Up: this session's lines, and in the next session too, from a file that is nobody else's.
    terminal.wait("the prompt", edits(""));
    terminal.press(&["Up"]);
    terminal.wait("the last line", edits("call json#echo \"a b\""));
    terminal.press(&["C-c"]);
    terminal.wait("an empty line", edits(""));
    terminal.press(&["C-d"]);
    assert_eq!(terminal.ended(), 0);
    let file = home.path(".local/state/aemp/history");
    let mode = std::fs::metadata(&file).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    let again = shell(&home);
    again.press(&["Up"]);
    again.wait("the last line", edits("call json#echo \"a b\""));
}

#[test]
#[ignore = "needs tmux"]
fn what_happens_is_printed_above_the_line() {
    let (home, [_seed, worker, _json]) = network();
    let terminal = shell(&home);
    terminal.enter("mon worker#echo");
    watched(&home, "worker", "echo", 2);
    terminal.wait("the prompt", edits(""));
    terminal.enter("watch aemp_echo");
    terminal.shows("aemp_echo + worker#echo  null\n");
    let own = own_port(&terminal);

    terminal.write("call seed tim");
    terminal.wait("the line", edits("call seed tim"));
    // The shell listens nowhere; the seed, which it is connected to, passes it on.
    let own = own.trim_end();
    home.aemp(&["snd", "seed", "snd", own, "hello"]).succeeds();
    terminal.wait("the message above the line", |screen| {
        screen.contains("\nmessage \"hello\"\n") && edits("call seed tim")(screen)
    });
    drop(worker);
    terminal.wait("the end above the line", |screen| {
        screen.contains("\nworker#echo is gone: \"transport_error\", \"worker\", ")
            && screen.contains("\naemp_echo - worker#echo\n")
            && edits("call seed tim")(screen)
    });
    let late = Running::start(&home, &["nodeid", "late"]);
    terminal.wait("a new port above the line", |screen| {
        screen.contains("\naemp_echo + late#echo  null\n") && edits("call seed tim")(screen)
    });
    drop(late);
    // The line is as it was.
    terminal.enter("e");
    terminal.wait("the time", |screen| {
        let mut lines = screen
            .lines()
            .skip_while(|line| *line != "aemp> call seed time");
        lines.nth(1).is_some_and(|time| time.parse::<f64>().is_ok())
    });
}

#[test]
#[ignore = "needs tmux"]
fn ctrl_c_gives_a_call_up_and_not_the_shell() {
    let (home, _nodes) = network();
    let mut command = home.command(&["--timeout", "3600", "shell"]);
    command.env("NO_COLOR", "1");
    let terminal = Terminal::run(&home, &command, (100, 24));
    terminal.shows(PROMPT);
    terminal.enter("call worker devnull");
    terminal.shows("\nwaiting up to ");
    terminal.press(&["C-c"]);
    terminal.wait("the next prompt", |screen| {
        screen.contains("hint: given up\n") && !screen.contains("waiting") && edits("")(screen)
    });
    assert!(
        !terminal.colours().contains("\x1b[3"),
        "{}",
        terminal.colours()
    );
    terminal.enter("quit");
    assert_eq!(terminal.ended(), 0);
    terminal.wait("nothing more", |screen| {
        screen.trim_end().ends_with("aemp> quit")
    });
}

#[test]
#[ignore = "needs tmux and less"]
fn much_is_paged_or_printed_above_the_line_and_the_shell_goes_on() {
    let (home, _nodes, runtime, holder) = large();
    let terminal = shell(&home);
    terminal.enter("directory many");
    terminal.wait("the first page", |screen| screen.ends_with("\n:\n"));
    // It ends the pager, and neither the shell nor what is done next.
    terminal.press(&["C-c"]);
    terminal.wait("the prompt", edits(""));
    terminal.enter("call worker#echo done");
    terminal.shows("\n\"done\"\n");

    let own = own_port(&terminal);
    // Through the seed, to which the shell is connected; more than waits for the editor at a time.
    let seed = PortId::from(NodeId::new("seed").unwrap());
    let _inside = runtime.enter();
    let messages =
        |from: u64| (from..from + 1000).for_each(|n| holder.send(&seed, ("snd", &own, n)));
    messages(0);
    terminal.write("call worker#echo");
    messages(1000);
    terminal.enter(" \"still there\"");
    messages(2000);
    terminal.wait("all of it", |screen| {
        screen.contains("\nmessage 2999\n") && edits("")(screen)
    });
    terminal.enter("call worker#echo again");
    terminal.shows("\n\"again\"\n");
}
