//! Values, checked when they are written: each as a node would read it that is told it, exact or refused.

#![allow(clippy::unwrap_used)]

mod common;

use std::fs;
use std::process::Command;

use aemp::Value;
use common::running::network;
use common::{Ended, Home};

#[test]
fn a_value_with_which_no_node_could_start_is_not_written() {
    let home = Home::new();
    home.write(
        "config",
        r#"{"nodeid": "before", "profile": {"p": {"min_secret": 20}}}"#,
    );
    let cases: &[(&[&str], &str)] = &[
        (
            &["framing_format", "jsn"],
            "there is no codec \"jsn\": this node has [\"cbor\", \"json\"]; did you mean \"json\"?",
        ),
        (
            &["framing_format", "msgpack"],
            "there is no codec \"msgpack\": this node has [\"cbor\", \"json\"]; enable the feature, or add the codec",
        ),
        (
            &["binds", "127.0.0.1:99999"],
            "cannot listen on 127.0.0.1:99999: \"99999\" is no port: write a number from 1 to 65535, or * for one that the \
             system chooses",
        ),
        (
            &["binds", "pipe:/run/aemp"],
            "cannot listen on pipe:/run/aemp: no transport for scheme \"pipe\", this node has [\"tcp\"]",
        ),
        (
            &["addbind", "::1:4040"],
            "cannot listen on ::1:4040: \"::1:4040\" has more than one colon: write an IPv6 address in brackets, as in \
             [::1]:4040",
        ),
        (
            &["nodeid", "a#b"],
            "nodeid is not valid: \"a#b\" is no node ID: it has white space, a control or invisible character, or one of # ; ,",
        ),
        (
            &["seeds", "seed.example.net"],
            "no seed can be at seed.example.net: \"seed.example.net\" has no port: write the one that the peer listens on",
        ),
        (
            &["addseed", "*:4040"],
            "no seed can be at *:4040: * is a place to listen on, not one to connect to: name the peer's host",
        ),
        (
            &["advertise", "*:4040"],
            "no peer can reach this node at *:4040: * is a place to listen on, not one to connect to: name the peer's host",
        ),
        (
            &["advertise", "binds,4140"],
            "no peer can reach this node at 4140: a port alone is at each peer's own host: write host:port",
        ),
        (
            &["advertise", "outside.example.net"],
            "no peer can reach this node at outside.example.net: \"outside.example.net\" has no port: write the one that the peer listens on",
        ),
        (
            &["health", "127.0.0.1:80800"],
            "health on the command line takes an address HOST:PORT, with * as host for every one of the machine, and \
             \"127.0.0.1:80800\" is none; for example \"127.0.0.1:8080\"",
        ),
        (
            &["ready_when", "seeds"],
            "ready_when on the command line takes listening or joined, and \"seeds\" is none; for example \"joined\"",
        ),
        (
            &["check_peeraddr", "maybe"],
            "check_peeraddr on the command line takes true or false, and \"maybe\" is none; for example true",
        ),
        (
            &["seeds", "pipe:/run/aemp"],
            "no seed can be at pipe:/run/aemp: no transport for scheme \"pipe\", this node has [\"tcp\"]",
        ),
        (
            &["monitor_timeout", "soon"],
            "monitor_timeout on the command line takes a number of seconds from 0.05 on, and \"soon\" is none; for example 30",
        ),
    ];
    let before = home.read("config");
    for (words, expected) in cases {
        for line in [
            [&["min_secret", "7"][..], words].concat(),
            [&["profile", "p"][..], words].concat(),
        ] {
            let error = home.aemp(&line).fails(2).err;
            assert_eq!(error, format!("error: {expected}\n"));
            assert_eq!(home.read("config"), before, "{line:?}");
        }
        if !words[0].starts_with("add") {
            let error = home.aemp(&[&["run"][..], words].concat()).fails(2).err;
            assert_eq!(error, format!("error: {expected}\n"));
        }
    }
    // A secret is as long as the value of min_secret says that holds there, set before on the line as well.
    let say = |line: &[&str], code| home.with(line, &[], "four").fails(code).err;
    let short = |least| {
        format!(
            "error: the secret has 4 bytes, at least {least} are needed (min_secret): choose a longer one, the same on every node\n"
        )
    };
    assert_eq!(say(&["setsecret"], 2), short(16));
    assert_eq!(say(&["profile", "p", "setsecret"], 2), short(20));
    assert_eq!(say(&["min_secret", "5", "setsecret"], 2), short(5));
    home.with(&["min_secret", "4", "setsecret"], &[], "four")
        .succeeds_in_silence();
    // What Perl alone has is left out by nodes of ours, and said.
    let storable = home.aemp(&["framing_format", "storable,json"]).succeeds();
    assert_eq!(
        storable.err,
        "hint: the framing \"storable\" in framing_format exists in Perl only and is left out\n"
    );
}

#[test]
fn what_stands_in_the_file_is_read_as_it_is_and_wrong_where_it_is_used() {
    let home = Home::new();
    let wrong = r#"{"secret": "correct horse battery", "seeds": ["h"], "profile": {"p": {"nodelay": "off"}}}"#;
    home.write("config", wrong);
    let used = home
        .aemp(&["run", "nodeid", "a", "binds", "127.0.0.1:0"])
        .fails(1);
    assert_eq!(
        used.err,
        "error: no seed can be at h: \"h\" has no port: write the one that the peer listens on\n"
    );
    let used = home.aemp(&["run", "p"]).fails(3).err;
    assert_eq!(
        used,
        "error: nodelay in profile \"p\" takes true or false, and \"off\" is none; for example true\n"
    );
    // What is wrong can be taken away, and other keys be set.
    home.aemp(&[
        "nodeid",
        "x",
        "delseed",
        "h",
        "profile",
        "p",
        "binds",
        "127.0.0.1:0",
    ])
    .succeeds_in_silence();
    assert_eq!(home.file()["seeds"], Value::from(Vec::new()));
}

#[test]
fn in_a_profile_add_adds_to_what_is_inherited_and_del_takes_from_it() {
    let home = Home::new();
    home.aemp(&[
        "seeds",
        "a:1",
        "services",
        r#"["aemp::echo"]"#,
        "binds",
        "127.0.0.1:1",
        "profile",
        "base",
        "seeds",
        "b:2",
        "profile",
        "p",
        "parent",
        "base",
    ])
    .succeeds_in_silence();
    home.aemp(&[
        "profile",
        "p",
        "addservice",
        "aemp::tap",
        "addseed",
        "c:3",
        "addbind",
        "127.0.0.1:2",
        "addbind",
        "127.0.0.1:1",
        "profile",
        "new",
        "addseed",
        "d:4",
        "addservice",
        r#"["aemp::log",7]"#,
    ])
    .succeeds_in_silence();
    let file = home.file();
    let of = |profile: &str, key: &str| file["profile"][profile][key].to_string();
    assert_eq!(of("p", "services"), r#"["aemp::echo", "aemp::tap"]"#);
    assert_eq!(of("p", "seeds"), r#"["b:2", "c:3"]"#);
    assert_eq!(of("p", "binds"), r#"["127.0.0.1:1", "127.0.0.1:2"]"#);
    assert_eq!(of("new", "seeds"), r#"["a:1", "d:4"]"#);
    assert_eq!(of("new", "services"), r#"["aemp::echo", ["aemp::log", 7]]"#);
    assert_eq!(file["seeds"].to_string(), r#"["a:1"]"#);

    home.aemp(&[
        "profile",
        "base",
        "delseed",
        "b:2",
        "profile",
        "q",
        "delservice",
        "aemp::echo",
    ])
    .succeeds_in_silence();
    assert_eq!(home.file()["profile"]["base"]["seeds"].to_string(), "[]");
    assert_eq!(home.file()["profile"]["q"]["services"].to_string(), "[]");
    for (command, what) in [
        ("addservice", "service"),
        ("addseed", "seed"),
        ("addbind", "address"),
        ("addadvertise", "address"),
    ] {
        let help = home.aemp(&["help", command]).succeeds().out;
        assert!(
            help.contains(what) && help.contains("in a profile behind those that it inherits"),
            "{help}"
        );
    }
}

#[test]
fn a_parent_is_looked_for_when_it_is_written() {
    let home = Home::new();
    home.aemp(&[
        "profile", "base", "nodeid", "b/", "profile", "p", "parent", "base",
    ])
    .succeeds_in_silence();
    let hint = home
        .aemp(&["profile", "p", "parent", "bsae"])
        .succeeds()
        .err;
    assert_eq!(
        hint,
        "hint: there is no profile \"bsae\" yet; did you mean \"base\"?\n"
    );
    home.aemp(&["profile", "p", "parent", "base"])
        .succeeds_in_silence();
    let before = home.read("config");
    let error = home.aemp(&["profile", "base", "parent", "p"]).fails(2).err;
    assert_eq!(
        error,
        "error: the profiles base -> p -> base inherit from each other in a circle: change the parent of one\n"
    );
    assert_eq!(home.read("config"), before);
}

#[test]
fn a_file_of_a_later_version_is_read_only() {
    let home = Home::new();
    let path = home.write(
        "config",
        r#"{"version": 2, "nodeid": "x", "profile": {"p": {"later": [1]}}}"#,
    );
    let before = home.read("config");
    for line in [
        &["nodeid", "y"][..],
        &["delnodeid"],
        &["gensecret"],
        &["addseed", "a:1"],
        &["delprofile", "p"],
    ] {
        let error = home.aemp(line).fails(3).err;
        assert_eq!(
            error,
            format!(
                "error: {path} has version 2, and this program writes version 1 only; the file is left as it is: change it with \
                 the program that wrote it\n"
            )
        );
        assert_eq!(home.read("config"), before, "{line:?}");
    }
    let shown = home.aemp(&["showprofile", "p"]).succeeds().out;
    assert!(shown.contains("\"later\""), "{shown}");
    for name in ["p", "q"] {
        let used = home.aemp(&["run", name]).fails(3).err;
        assert_eq!(
            used,
            "error: the configuration file has version 2, and this program reads version 1 only\n"
        );
    }
}

#[test]
fn a_byte_order_mark_is_named() {
    let home = Home::new();
    let path = home.path("config");
    let cases: [(&[u8], &str); 3] = [
        (
            b"\xef\xbb\xbf{}",
            "the file begins with a byte order mark (BOM), which JSON does not have: save it as UTF-8 without one",
        ),
        (
            b"\xff\xfe{\0}\0",
            "the file begins with a byte order mark (BOM) of UTF-16: save it as UTF-8 without one",
        ),
        (
            b"\xfe\xff\0{\0}",
            "the file begins with a byte order mark (BOM) of UTF-16: save it as UTF-8 without one",
        ),
    ];
    for (bytes, what) in cases {
        fs::write(&path, bytes).unwrap();
        for line in [&["showconfig"][..], &["nodeid", "y"], &["run"]] {
            let error = home.aemp(line).fails(3).err;
            assert_eq!(
                error,
                format!(
                    "error: {}:1:1: {what}; the file is left as it is: mend it there, or take it away to begin anew\n",
                    path.display()
                )
            );
        }
        assert_eq!(fs::read(&path).unwrap(), bytes);
    }
}

#[test]
fn numbers_are_exact_or_refused() {
    let (home, _nodes) = network();
    let cal = |values: &str| home.aemp(&["cal", "worker#echo", values]);
    for exact in [
        "[18446744073709551615,-9223372036854775808]",
        "[-18446744073709551616]",
        "[0.1,1e+300]",
    ] {
        assert_eq!(cal(exact).succeeds().out, format!("{exact}\n"));
    }
    assert_eq!(
        cal("[18446744073709551616]").fails(2).err,
        "error: [18446744073709551616]: column 2: an integer is from -18446744073709551616 to 18446744073709551615\n"
    );
    assert_eq!(
        cal("[1e400]").fails(2).err,
        "error: [1e400]: column 2: 1e400 is too large for a float\n"
    );
    let shell = |line: &str| home.with(&["shell"], &[], line);
    assert_eq!(
        shell("call worker#echo 1e400").fails(2).err,
        "error: line 1: column 18: 1e400 is too large for a float\n"
    );
    assert_eq!(
        shell("call worker#echo 1e30 1e 1.2.3").succeeds().out,
        "1.0e+30, \"1e\", \"1.2.3\"\n"
    );

    // The file is not rewritten with another number.
    let path = home.write("config", "{\n  \"later\": 18446744073709551616\n}");
    let before = home.read("config");
    let error = home.aemp(&["nodeid", "x"]).fails(3).err;
    assert_eq!(
        error,
        format!(
            "error: {path}:2:12: 18446744073709551616 is beyond 64 bits and would be rewritten as another number; the file is \
             left as it is\n"
        )
    );
    assert_eq!(home.read("config"), before);
    home.aemp(&["showconfig"]).succeeds();
}

#[test]
fn an_address_in_brackets_is_one_and_no_json() {
    let (home, _nodes) = network();
    home.aemp(&[
        "profile",
        "p",
        "binds",
        "[::1]:4041,[::1]:4042",
        "addseed",
        "[fe80::1%eth0]:4040",
    ])
    .succeeds_in_silence();
    let file = home.file();
    assert_eq!(
        file["profile"]["p"]["binds"].to_string(),
        r#"["[::1]:4041", "[::1]:4042"]"#
    );
    let seeds = file["profile"]["p"]["seeds"].to_string();
    assert!(seeds.ends_with(r#", "[fe80::1%eth0]:4040"]"#), "{seeds}");
    let explained = home.aemp(&["explain", "[::1]:1"]).succeeds_with(4).out;
    assert!(
        explained.contains("nothing listens on port 1 of ::1"),
        "{explained}"
    );
    assert_eq!(
        home.aemp(&["cal", "worker#echo", "[::1]:4041"])
            .succeeds()
            .out,
        "\"[::1]:4041\"\n"
    );
    let shell = home
        .with(&["shell"], &[], "call worker#echo [::1]:4041")
        .succeeds();
    assert_eq!(shell.out, "\"[::1]:4041\"\n");
    assert_eq!(
        home.aemp(&["[::1]:4041"]).fails(2).err,
        "error: there is no command \"[::1]:4041\"; \"aemp --help\" lists them\n"
    );
}

#[test]
fn a_space_in_the_place_of_the_number_sign_is_found() {
    let (home, _nodes) = network();
    let expected = "worker has no request or function \"echo\" for us; did you mean worker#echo?\n";
    for command in ["cal", "snd"] {
        let error = home.aemp(&[command, "worker", "echo", "hi"]).fails(4).err;
        assert_eq!(error, format!("error: {expected}"));
    }
    let shell = home.with(&["shell"], &[], "call worker echo hi").fails(4);
    assert_eq!(shell.err, format!("error: line 1: {expected}"));
    // What nodes know goes there.
    home.aemp(&["cal", "worker", "time"]).succeeds();
    home.aemp(&["snd", "worker", "devnull"])
        .succeeds_in_silence();
    home.aemp(&["cal", "worker", "aemp::stats"]).succeeds();
}

/// Runs commands in a host of this name, as bytes that `printf` takes.
fn on_host(home: &Home, name: &str, line: &[&str]) -> Ended {
    let aemp = home.command(line);
    let mut command = Command::new("unshare");
    // The kernel's file takes any bytes, which the command `hostname` does not.
    command.args([
        "--uts",
        "sh",
        "-c",
        r#"printf "$1" >/proc/sys/kernel/hostname; shift; exec "$@""#,
        "sh",
        name,
    ]);
    command.arg(aemp.get_program()).args(line);
    for (name, value) in aemp.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    Home::ended(&mut command)
}

#[test]
#[ignore = "needs root and a host name of its own"]
fn an_odd_name_of_the_host_stops_no_command() {
    let (home, [seed, _worker, _json]) = network();
    for (host, shown) in [
        ("my host", "my_host"),
        (r"caf\351", "caf_"),
        (r"\n", "localhost"),
    ] {
        for line in [
            &["showconfig"][..],
            &["cal", "worker#echo", "hi"],
            &["explain", &seed.address],
            &["doctor"],
            &["monitor_timeout", "30"],
        ] {
            on_host(&home, host, line).succeeds();
        }
        let greeting = on_host(&home, host, &["explain", &seed.address]).out;
        let expected = format!("our greeting: aemp;1;aemp/{shown}/");
        assert!(greeting.contains(&expected), "{host}: {greeting}");
    }
}
