//! What holds where nothing was said, or too little: the default addresses, profiles that there are not, no file at all, and a
//! secret that is made over another.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::Read;
use std::process::Stdio;

use common::lines::Lines;
use common::running::{Running, SECRET};
use common::{Ended, Home};

/// Runs a node until it is ready. The addresses that it says, and what it has logged.
fn run(home: &Home, line: &[&str]) -> (String, String) {
    let mut command = home.command(&[&["run"], line].concat());
    command
        .stdin(Stdio::null())
        .env("RUST_LOG", "warn")
        .env("NO_COLOR", "1");
    let mut process = command.spawn().unwrap();
    let lines = Lines::of(process.stdout.take().unwrap());
    let mut log = process.stderr.take().unwrap();
    let mut running = Running {
        process,
        lines,
        address: String::new(),
    };
    let ready = running.line(|line| line.starts_with("ready "));
    running.signal("-TERM");
    assert_eq!(running.end(), Some(0));
    let mut logged = String::new();
    log.read_to_string(&mut logged).unwrap();
    (ready.rsplit(' ').next().unwrap().into(), logged)
}

/// With a path for the configuration file, or none at all.
fn with_file(home: &Home, line: &[&str], file: Option<&str>) -> Ended {
    let mut command = home.command(line);
    match file {
        Some(path) => command.env("AEMP_RC", path),
        None => command.env_remove("AEMP_RC"),
    };
    Home::ended(&mut command)
}

#[test]
fn a_node_without_binds_listens_on_loopback_only_where_nothing_guards_it() {
    let home = Home::new();
    let nothing = home.write("config", "{}");
    let (at, log) = run(&home, &["nodeid", "alone"]);
    assert!(at.starts_with("127.0.0.1:") && !at.contains(','), "{at}");
    let expected = "aemp::node: this node has no binds, and neither a secret nor a certificate: it listens on loopback only, \
                    and lets nobody in until it has one addresses=\"127.0.0.1:";
    assert!(log.contains(expected), "{log}");
    assert_eq!(log.lines().count(), 1, "{log}");
    let shown = home.aemp(&["showconfig"]).succeeds().out;
    let line = "binds             [\"127.0.0.1:*\"]  (built in)\n";
    assert!(shown.contains(line), "{shown}");

    // With a secret it is what protocol.md section 9 says: every address but loopback.
    std::fs::write(nothing, format!(r#"{{"secret": "{SECRET}"}}"#)).unwrap();
    let shown = home.aemp(&["showconfig"]).succeeds().out;
    let line = "binds             [\"*\"]  (built in)\n";
    assert!(shown.contains(line), "{shown}");
    home.write("config", "{}");
    home.aemp(&["gencert"]).succeeds_in_silence();
    let shown = home.aemp(&["showconfig"]).succeeds().out;
    assert!(shown.contains(line), "{shown}");
    // What is written holds, and needs one of the two.
    home.write("config", r#"{"binds": "*"}"#);
    let error = home.aemp(&["run", "nodeid", "alone"]).fails(1).err;
    assert_eq!(
        error,
        "error: binds and seeds need a secret or a certificate: AEMP authenticates every connection; give all nodes of the \
         network the same\n"
    );
}

#[test]
fn a_profile_that_there_is_not_is_an_error_with_the_nearest_name_and_nothing_is_done() {
    let home = Home::with_secret();
    home.aemp(&["profile", "worker", "nodeid", "worker"])
        .succeeds();
    let before = home.read("config");
    let lines: &[&[&str]] = &[
        &["run", "wrker"],
        &["run", "profile", "wrker"],
        &["profile", "wrker", "run"],
        &["profile", "wrker", "run", "nodeid", "x"],
        &["showconfig", "wrker"],
        &["showprofile", "wrker"],
        &["delprofile", "wrker"],
        &["profile", "wrker", "doctor"],
        &["profile", "wrker", "explain", "127.0.0.1:4040"],
        &["profile", "wrker", "cal", "seed", "time"],
        &["profile", "wrker", "tap", "seed"],
        &["profile", "wrker", "top", "seed"],
        &["profile", "wrker", "trace", "seed"],
        &["profile", "wrker", "shell"],
        &["profile", "wrker", "directory", "--watch", "aemp_echo"],
    ];
    for line in lines {
        let line = [&["seeds", "a:1"][..], line].concat();
        let error = home.aemp(&line).fails(2).err;
        assert_eq!(
            error, "error: there is no profile \"wrker\"; did you mean \"worker\"?\n",
            "{line:?}"
        );
        assert_eq!(home.read("config"), before, "{line:?}");
    }
    // One that the same line makes is one, and without the file there are none that could be missed.
    let made = ["profile", "other", "nodeid", "o", "showconfig", "other"];
    home.aemp(&made).succeeds();
    home.aemp(&["showconfig", "profile", "wrker", "norc", "on"])
        .succeeds();
}

#[test]
fn where_no_file_is_found_the_message_says_so() {
    let home = Home::new();
    let nowhere = home.path("nowhere").display().to_string();
    let why =
        format!("no configuration file was found: AEMP_RC names {nowhere}, which does not exist");
    let error = |line: &[&str], code| with_file(&home, line, Some(&nowhere)).fails(code).err;
    assert_eq!(
        error(&["run", "seed"], 2),
        format!("error: there is no profile \"seed\", since {why}\n")
    );
    assert_eq!(
        error(&["cal", "seed", "time"], 1),
        format!(
            "error: {why}; so there is no network to join; \"aemp addseed HOST:4040\" adds a seed\n"
        )
    );
    let found = with_file(&home, &["doctor"], Some(&nowhere)).succeeds_with(1);
    let line = format!("WRONG  the configuration: {why}\n");
    assert!(found.out.contains(&line), "{found:?}");
    let hint = with_file(&home, &["showconfig"], Some(&nowhere))
        .succeeds()
        .err;
    assert_eq!(hint, format!("hint: {why}\n"));

    // Without a variable it is in the home directory; without HOME the system knows that one.
    let usual = home.path(".perl-anyevent-mp").display().to_string();
    let error = with_file(&home, &["run", "seed"], None).fails(2).err;
    assert_eq!(
        error,
        format!(
            "error: there is no profile \"seed\", since no configuration file was found: there is no {usual}\n"
        )
    );
    let mut command = home.command(&["run", "seed"]);
    command.env_remove("AEMP_RC").env_remove("HOME");
    let error = Home::ended(&mut command).err;
    let begin = "error: there is no profile \"seed\", since no configuration file was found: HOME is not set, and there is no /";
    assert!(
        error.starts_with(begin) && error.ends_with("/.perl-anyevent-mp\n"),
        "{error}"
    );
}

#[test]
fn what_is_made_over_a_secret_or_a_certificate_wants_force_and_says_whose_it_is() {
    for (command, key) in [("gensecret", "secret"), ("gencert", "cert")] {
        let home = Home::new();
        home.aemp(&[command]).succeeds_in_silence();
        let names = ["profile", "a", "nodeid", "a", "profile", "b", "nodeid", "b"];
        home.aemp(&names).succeeds_in_silence();
        home.aemp(&["profile", "c", "parent", "b"])
            .succeeds_in_silence();
        let own = home.aemp(&["profile", "b", command]).succeeds();
        assert_eq!(
            own.err,
            format!("hint: the {key} is new for the profiles b, c\n")
        );
        let before = home.read("config");
        for (line, place) in [
            (&[command][..], "in the file's global keys"),
            (
                &["nodeid", "x", "profile", "b", command],
                "in profile \"b\"",
            ),
        ] {
            let error = home.aemp(line).fails(2).err;
            assert_eq!(
                error,
                format!(
                    "error: there is a {key} already {place}, and nodes that keep it and nodes with another refuse each other; \
                     --force replaces it\n"
                )
            );
            assert_eq!(home.read("config"), before);
        }
        let forced = home.aemp(&["--force", command]).succeeds();
        assert_eq!(
            forced.err,
            format!("hint: the {key} is new for the profile a\n")
        );
        assert_eq!(
            home.file()["profile"]["b"][key],
            parsed(&before)["profile"]["b"][key]
        );
        home.aemp(&["delprofile", "a"]).succeeds_in_silence();
        let unused = home.aemp(&["--force", command]).succeeds();
        assert_eq!(
            unused.err,
            format!("hint: the {key} is new; no profile of the file uses it\n")
        );
    }
    let error = Home::new().aemp(&["--force", "nodeid", "x"]).fails(2).err;
    assert_eq!(
        error,
        "error: --force is for the command gensecret or gencert, which the line does not have\n"
    );
}

fn parsed(text: &str) -> aemp::Value {
    serde_json::from_str(text).unwrap()
}
