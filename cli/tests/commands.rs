//! The real command, in a home directory of its own: a test for each subcommand, and for what they share.

mod common;

use aemp::Value;
use common::Home;

const SECRET: &str = "correct horse battery staple";

/// What the file holds, in one line.
fn file(home: &Home) -> String {
    home.file().to_string()
}

#[test]
fn set_has_a_short_name_and_del_takes_back() {
    let home = Home::new();
    home.aemp(&["setnodeid", "a", "monitor_timeout", "10"])
        .succeeds();
    assert_eq!(
        file(&home),
        r#"{"version": 1, "nodeid": "a", "monitor_timeout": 10}"#
    );
    home.aemp(&["delnodeid", "delmonitor_timeout", "delbinds"])
        .succeeds();
    assert_eq!(file(&home), r#"{"version": 1}"#);
}

#[test]
fn every_key_can_be_set_and_deleted() {
    let home = Home::new();
    let key = rcgen::KeyPair::generate().unwrap();
    let certificate = rcgen::CertificateParams::default().self_signed(&key);
    let made = key.serialize_pem() + &certificate.unwrap().pem();
    let pem = home.write("node.pem", &made);
    let made = serde_json::to_string(&made).unwrap();
    let cases: &[(&str, &str, &str)] = &[
        ("nodeid", "%n/%u", r#""%n/%u""#),
        (
            "binds",
            "*:4040,127.0.0.1:4041",
            r#"["*:4040", "127.0.0.1:4041"]"#,
        ),
        ("seeds", r#"["[::1]:4040"]"#, r#"["[::1]:4040"]"#),
        ("secret", SECRET, r#""correct horse battery staple""#),
        (
            "secret_accept",
            SECRET,
            r#"["correct horse battery staple"]"#,
        ),
        ("cert", &pem, &made),
        (
            "services",
            r#"["a",["b",1,{"c":null}]]"#,
            r#"["a", ["b", 1, {"c": null}]]"#,
        ),
        ("parent", "common", r#""common""#),
        ("monitor_timeout", "12.5", "12.5"),
        ("connect_interval", "3", "3"),
        ("framing_format", "json,cbor", r#"["json", "cbor"]"#),
        ("auth_offer", "hmac_sha3_512", r#"["hmac_sha3_512"]"#),
        (
            "auth_accept",
            "hmac_sha3_512,cleartext",
            r#"["hmac_sha3_512", "cleartext"]"#,
        ),
        ("autocork", "on", "true"),
        ("nodelay", "0", "false"),
        ("min_secret", "20", "20"),
        ("tls_fallback", "off", "false"),
        ("hung_check", "true", "true"),
        ("check_peeraddr", "off", "false"),
        (
            "advertise",
            "binds,198.51.100.7:4140",
            r#"["binds", "198.51.100.7:4140"]"#,
        ),
        ("health", "127.0.0.1:8080", r#""127.0.0.1:8080""#),
        ("ready_when", "joined", r#""joined""#),
        ("secure", "1", "true"),
        (
            "allow",
            r#"{"may":["monitor","call shop::*"]}"#,
            r#"{"may": ["monitor", "call shop::*"]}"#,
        ),
    ];
    for (key, word, stored) in cases {
        for set in [format!("set{key}"), (*key).to_owned()] {
            home.aemp(&[&set, word]).succeeds();
            assert_eq!(
                file(&home),
                format!(r#"{{"version": 1, "{key}": {stored}}}"#)
            );
            home.aemp(&[&format!("del{key}")]).succeeds();
        }
    }
    assert_eq!(cases.len(), aemp::profile::Key::ALL.len());
}

#[test]
fn a_secret_can_come_from_where_no_process_list_shows_it() {
    let home = Home::new();
    let expected = format!(r#"{{"version": 1, "secret": "{SECRET}"}}"#);
    let visible = home.aemp(&["setsecret", SECRET]).succeeds();
    assert!(
        visible.err.starts_with("hint: other users"),
        "{}",
        visible.err
    );
    assert!(!visible.err.contains(SECRET));
    assert_eq!(file(&home), expected);

    let path = home.write("secret", &format!("{SECRET}\nmore\n"));
    home.aemp(&[
        "delsecret",
        "setsecret",
        "--secret-file",
        &path,
        "nodeid",
        "n",
    ])
    .succeeds_in_silence();
    assert_eq!(
        file(&home),
        format!(r#"{{"version": 1, "secret": "{SECRET}", "nodeid": "n"}}"#)
    );
    home.aemp(&["delsecret", "delnodeid"]).succeeds();

    home.with(&["setsecret"], &[("AEMP_SECRET", SECRET)], "")
        .succeeds_in_silence();
    assert_eq!(file(&home), expected);
    home.aemp(&["delsecret"]).succeeds();
    home.with(&["secret"], &[], &format!("{SECRET}\n"))
        .succeeds_in_silence();
    assert_eq!(file(&home), expected);
    home.aemp(&["delsecret"]).succeeds();
    home.with(&["--secret-file", "-", "setsecret"], &[], SECRET)
        .succeeds_in_silence();
    assert_eq!(file(&home), expected);

    for set in ["setsecret", "setsecret_accept"] {
        let empty = home.with(&[set], &[], "").fails(2);
        assert_eq!(
            empty.err,
            "error: the secret is empty; \"aemp gensecret\" makes one\n"
        );
    }
    // A further one that is accepted, in the same ways. A comma is part of it.
    let further = "before, the secret was this";
    home.aemp(&["delsecret"]).succeeds();
    home.with(&["setsecret_accept"], &[], &format!("{further}\n"))
        .succeeds_in_silence();
    let expected = format!(r#"{{"version": 1, "secret_accept": ["{further}"]}}"#);
    assert_eq!(file(&home), expected);
    let visible = home.aemp(&["setsecret_accept", further]).succeeds();
    assert!(
        visible
            .err
            .contains("\"aemp setsecret_accept\" asks for it")
    );
    assert_eq!(file(&home), expected);
    let path = home.write("further", further);
    home.aemp(&["--secret-file", &path, "setsecret_accept"])
        .succeeds_in_silence();
    assert_eq!(file(&home), expected);
    home.aemp(&["setsecret", "--secret-file", "no/such"])
        .fails(1);
}

#[test]
fn gensecret_makes_256_bits_and_shows_none() {
    let home = Home::new();
    home.aemp(&["gensecret"]).succeeds_in_silence();
    let first = home.file()["secret"].clone();
    let first = first.as_str().expect("a secret");
    assert_eq!(first.len(), 64);
    assert!(first.bytes().all(|byte| byte.is_ascii_hexdigit()));
    let own = home.aemp(&["profile", "p", "gensecret"]).succeeds();
    assert_eq!(own.err, "hint: the secret is new for the profile p\n");
    assert_ne!(home.file()["profile"]["p"]["secret"].as_str(), Some(first));
}

#[test]
fn gencert_makes_what_setcert_takes() {
    let home = Home::new();
    home.aemp(&["gencert"]).succeeds_in_silence();
    let made = home.file()["cert"].clone();
    let made = made.as_str().expect("a certificate");
    assert!(made.starts_with("-----BEGIN PRIVATE KEY-----\n"), "{made}");
    let path = home.write("node.pem", made);
    home.aemp(&["profile", "p", "setcert", &path])
        .succeeds_in_silence();
    assert_eq!(home.file()["profile"]["p"]["cert"].as_str(), Some(made));

    let path = home.write("other.pem", "-----BEGIN CERTIFICATE-----\n");
    let error = home.aemp(&["setcert", &path]).fails(1).err;
    assert!(error.contains("it has no private key in PEM"), "{error}");
}

#[test]
fn addseed_and_delseed() {
    let home = Home::new();
    home.aemp(&[
        "addseed", "a:1", "addseed", "b:2,c:3", "addseed", "a:1", "delseed", "b:2",
    ])
    .succeeds_in_silence();
    assert_eq!(file(&home), r#"{"version": 1, "seeds": ["a:1", "c:3"]}"#);
    let hint = home.aemp(&["delseed", "d:4"]).succeeds().err;
    assert_eq!(
        hint,
        "hint: nothing was taken away: seeds has no such element there\n"
    );
    home.aemp(&["addseed", r#""[::1]:4040""#])
        .succeeds_in_silence();
    assert_eq!(
        file(&home),
        r#"{"version": 1, "seeds": ["a:1", "c:3", "[::1]:4040"]}"#
    );
}

#[test]
fn addbind_and_delbind() {
    let home = Home::new();
    home.aemp(&["addbind", "*:4040", "addbind", "4041", "delbind", "*:4040"])
        .succeeds_in_silence();
    assert_eq!(file(&home), r#"{"version": 1, "binds": ["4041"]}"#);
    let error = home.aemp(&["addbind", "a b"]).fails(2).err;
    assert!(error.contains(r#"binds on the command line takes a list of addresses, and ["a b"] is none; for example ["*:4040"]"#), "{error}");
}

#[test]
fn addadvertise_and_deladvertise() {
    let home = Home::new();
    let line = [
        "addadvertise",
        "198.51.100.7:4140",
        "addadvertise",
        "binds",
        "profile",
        "p",
        "addadvertise",
        "[2001:db8::7]:4140",
        "profile",
        "p",
        "deladvertise",
        "binds",
    ];
    home.aemp(&line).succeeds_in_silence();
    let shown = |of: Value| of["advertise"].to_string();
    assert_eq!(shown(home.file()), r#"["198.51.100.7:4140", "binds"]"#);
    assert_eq!(
        shown(home.file()["profile"]["p"].clone()),
        r#"["198.51.100.7:4140", "[2001:db8::7]:4140"]"#
    );
    let error = home.aemp(&["addadvertise", "*:4140"]).fails(2).err;
    assert_eq!(
        error,
        "error: no peer can reach this node at *:4140: * is a place to listen on, not one to connect to: name the peer's host\n"
    );
    home.aemp(&["profile", "p", "deladvertise"])
        .succeeds_in_silence();
    assert_eq!(shown(home.file()["profile"]["p"].clone()), "null");
    let error = home.aemp(&["deladvertise", "nodeid", "x"]).fails(2).err;
    assert_eq!(
        error,
        "error: no peer can reach this node at nodeid: \"nodeid\" has no port: write the one that the peer listens on\n"
    );
    let hint = home.aemp(&["deladvertise", "a:1"]).succeeds().err;
    assert_eq!(
        hint,
        "hint: nothing was taken away: advertise has no such element there\n"
    );
}

#[test]
fn addservice_and_delservice() {
    let home = Home::new();
    home.aemp(&[
        "addservice",
        "aemp::echo",
        "addservice",
        r#"["aemp::log",1]"#,
        "addservice",
        r#"["aemp::log",2]"#,
    ])
    .succeeds_in_silence();
    home.aemp(&[
        "delservice",
        "aemp::echo",
        "delservice",
        r#"["aemp::log",1]"#,
    ])
    .succeeds_in_silence();
    assert_eq!(
        file(&home),
        r#"{"version": 1, "services": [["aemp::log", 2]]}"#
    );
}

#[test]
fn profile_leads_what_follows() {
    let home = Home::new();
    home.aemp(&[
        "nodeid", "g", "profile", "p", "nodeid", "a", "addseed", "b:2", "profile", "q", "nodeid",
        "c",
    ])
    .succeeds_in_silence();
    let expected = r#"{"version": 1, "nodeid": "g", "profile": {"p": {"nodeid": "a", "seeds": ["b:2"]}, "q": {"nodeid": "c"}}}"#;
    assert_eq!(file(&home), expected);
    home.aemp(&["profile", "p"]).fails(2);
    home.aemp(&["profile", "p", "delnodeid"]).succeeds();
    assert_eq!(file(&home), expected.replace(r#""nodeid": "a", "#, ""));
}

#[test]
fn delprofile() {
    let home = Home::new();
    home.aemp(&[
        "profile",
        "seed",
        "nodeid",
        "a",
        "profile",
        "other",
        "nodeid",
        "b",
        "delprofile",
        "seed",
    ])
    .succeeds();
    assert_eq!(
        file(&home),
        r#"{"version": 1, "profile": {"other": {"nodeid": "b"}}}"#
    );
    let error = home.aemp(&["delprofile", "othre"]).fails(2).err;
    assert_eq!(
        error,
        "error: there is no profile \"othre\"; did you mean \"other\"?\n"
    );
}

#[test]
fn showprofile() {
    let home = Home::new();
    home.aemp(&[
        "nodeid", "g", "profile", "p", "secret", SECRET, "binds", "a:1",
    ])
    .succeeds();
    let shown = home.aemp(&["showprofile", "p"]).succeeds();
    assert_eq!(
        shown.out,
        "{\n  \"secret\": \"***\",\n  \"binds\": [\n    \"a:1\"\n  ]\n}\n"
    );
    let shown = home.aemp(&["showprofile", "p", "--reveal"]).succeeds();
    assert!(shown.out.contains(SECRET), "{}", shown.out);
    home.aemp(&["showprofile", "q"]).fails(2);
}

#[test]
fn showconfig() {
    let home = Home::new();
    home.aemp(&[
        "secret",
        SECRET,
        "monitor_timeout",
        "5",
        "profile",
        "p",
        "binds",
        "a:1",
        "parent",
        "q",
    ])
    .succeeds();
    home.aemp(&["profile", "q", "nodelay", "off"]).succeeds();
    let shown = home
        .aemp(&["showconfig", "p", "monitor_timeout", "7", "seeds", "b:2"])
        .succeeds();
    assert_eq!(
        shown.out,
        r#"nodeid            "p/"  (built in)
binds             ["a:1"]  (in profile "p")
seeds             ["b:2"]  (on the command line)
secret            "***"  (in the file's global keys)
secret_accept     null  (built in)
cert              null  (built in)
services          []  (built in)
parent            "q"  (in profile "p")
monitor_timeout   5  (in the file's global keys)
connect_interval  2  (built in)
framing_format    ["cbor","json"]  (built in)
auth_offer        ["tls_sha3_512","hmac_sha3_512"]  (built in)
auth_accept       ["tls_sha3_512","hmac_sha3_512"]  (built in)
autocork          false  (built in)
nodelay           false  (in profile "q")
min_secret        16  (built in)
tls_fallback      false  (built in)
hung_check        true  (built in)
check_peeraddr    true  (built in)
advertise         []  (built in)
health            null  (built in)
ready_when        "listening"  (built in)
secure            false  (built in)
allow             null  (built in)
"#
    );
    let forced = home
        .aemp(&["showconfig", "p", "monitor_timeout", "7", "force", "on"])
        .succeeds();
    assert!(
        forced
            .out
            .contains("monitor_timeout   7  (on the command line)"),
        "{}",
        forced.out
    );
    let without = home
        .aemp(&["showconfig", "profile", "p", "norc", "1"])
        .succeeds();
    assert!(
        without
            .out
            .contains("binds             [\"127.0.0.1:*\"]  (built in)"),
        "{}",
        without.out
    );
    let json = home
        .aemp(&["--json", "--reveal", "showconfig", "p"])
        .succeeds();
    let json: Value = serde_json::from_str(&json.out).expect("JSON");
    assert_eq!(json["secret"].as_str(), Some(SECRET));
    assert_eq!(json["monitor_timeout"].as_u64(), Some(5));
    home.aemp(&["showconfig"]).succeeds();
    home.aemp(&["profile", "p", "min_secret", "99"]).succeeds();
    let hints = home.aemp(&["showconfig", "p"]).succeeds().err;
    assert!(
        hints.starts_with("hint: a node that is told this does not start: the secret has 28 bytes"),
        "{hints}"
    );
    home.aemp(&["showconfig", "P"]).fails(2);
    let error = home.aemp(&["showconfig", "p", "sedes", "a:1"]).fails(2).err;
    assert_eq!(
        error,
        "error: there is no key \"sedes\"; did you mean \"seeds\"?\n"
    );
}

#[test]
fn completions_name_every_command() {
    let home = Home::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = home.aemp(&["completions", shell]).succeeds().out;
        for name in ["gensecret", "setnodeid", "delhung_check", "showconfig"] {
            assert!(script.contains(name), "{name} for {shell}");
        }
    }
    let error = home.aemp(&["completions", "bsah"]).fails(2).err;
    assert_eq!(
        error,
        "error: there are no completions for \"bsah\"; did you mean \"bash\"?\n"
    );
}

#[test]
fn man_is_a_manual_page() {
    let page = Home::new().aemp(&["man"]).succeeds().out;
    assert!(page.contains(".TH aemp 1"), "{page}");
    for text in [
        "\n\\fBaddservice\\fR NAME|JSON\n",
        "\n\\fBseeds\\fR HOST:PORT,...\n",
        "aemp gensecret",
    ] {
        assert!(page.contains(text), "{text}");
    }
}

#[test]
fn help_explains_each_command_with_an_example() {
    let home = Home::new();
    let all = home.aemp(&["--help"]).succeeds().out;
    assert_eq!(all, home.aemp(&[]).succeeds().out);
    assert_eq!(all, home.aemp(&["help"]).succeeds().out);
    let names = [
        "profile",
        "showconfig",
        "showprofile",
        "delprofile",
        "gensecret",
        "gencert",
        "addseed",
        "delseed",
        "addbind",
        "delbind",
        "addadvertise",
        "deladvertise",
        "addservice",
        "delservice",
        "completions",
        "man",
        "help",
    ];
    for name in names {
        assert!(all.contains(&format!("\n  {name}")), "{name}");
        let one = home.aemp(&[name, "--help"]).succeeds().out;
        assert!(
            one.contains(&format!("Usage: aemp {name}")) && one.contains("Examples:\n  aemp "),
            "{one}"
        );
        assert_eq!(one, home.aemp(&["help", name]).succeeds().out);
    }
    for key in aemp::profile::Key::ALL {
        let key = key.name();
        let one = home.aemp(&["help", &format!("set{key}")]).succeeds().out;
        assert!(
            one.contains(&format!("Usage: aemp set{key} ")) && one.contains("Examples:\n  aemp "),
            "{one}"
        );
        home.aemp(&["help", &format!("del{key}")]).succeeds();
    }
    home.aemp(&["help", "nonsense"]).fails(2);
}

#[test]
fn a_first_argument_that_is_a_json_list_is_the_whole_line() {
    let home = Home::new();
    home.aemp(&[r#"["profile","p","seeds",["a:1"],"monitor_timeout",7]"#])
        .succeeds_in_silence();
    assert_eq!(
        file(&home),
        r#"{"version": 1, "profile": {"p": {"seeds": ["a:1"], "monitor_timeout": 7}}}"#
    );
    home.aemp(&[r#"["gensecret"]"#, "gencert"]).fails(2);
    let error = home.aemp(&[r#"[1]"#]).fails(2).err;
    assert_eq!(
        error,
        "error: a command belongs here, and 1 is none; \"aemp --help\" lists them\n"
    );
}

#[test]
fn a_wrong_line_changes_nothing() {
    let home = Home::new();
    let cases: &[(&[&str], &str)] = &[
        (
            &["nodeid", "a", "setsede", "b:1"],
            "there is no command \"setsede\"; did you mean \"setseeds\"?",
        ),
        (
            &["nodeid", "a", "gensercet"],
            "there is no command \"gensercet\"; did you mean \"gensecret\"?",
        ),
        (
            &["nodeid", "a", "seeds"],
            "seeds takes HOST:PORT,..., and the line ends before that; see \"aemp help seeds\"",
        ),
        (
            &["nodeid", "a", "monitor_timeout", "soon"],
            "monitor_timeout on the command line takes a number of seconds from 0.05 on, and \"soon\" is none; for example 30",
        ),
        (
            &["nodeid", "a", "monitor_timeout", "-1"],
            "takes a number of seconds from 0.05 on, and -1.0 is none",
        ),
        (
            &["nodeid", "a", "secure", "maybe"],
            "secure on the command line takes true or false, and \"maybe\" is none; for example true",
        ),
        (
            &["nodeid", "a", "addseed", "[b:1]"],
            "a text that begins so is written as JSON, in quotation marks: '\"[b:1]\"'",
        ),
        (
            &["nodeid", "a", "--colour"],
            "unexpected argument '--colour'",
        ),
    ];
    for (line, expected) in cases {
        let error = home.aemp(line).fails(2).err;
        assert!(error.contains(expected), "{error}");
        assert!(!error.contains('\u{1b}'), "{error}");
        assert!(!home.has_file());
    }
}

#[test]
fn a_secret_that_looks_like_json_is_not_repeated() {
    for line in [&["setsecret", "{hunter2"][..], &["secret", "\"hunter2"]] {
        let error = Home::new().aemp(line).fails(2).err;
        assert!(error.contains("begins like JSON and is none"), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
}

#[test]
fn a_broken_file_is_named_with_its_line_and_left_as_it_is() {
    let home = Home::new();
    home.write("config", "{\n  nodeid: 1\n}\n");
    for line in [
        &["nodeid", "a"][..],
        &["showconfig", "p"],
        &["showprofile", "p"],
        &["delprofile", "p"],
    ] {
        let error = home.aemp(line).fails(3).err;
        assert!(
            error.contains("config:2:3: key must be a string"),
            "{error}"
        );
    }
    assert_eq!(home.read("config"), "{\n  nodeid: 1\n}\n");
}

#[test]
fn the_file_is_where_the_environment_says() {
    let home = Home::new();
    let perl = home.path("perl").display().to_string();
    home.with(
        &["nodeid", "a"],
        &[("AEMP_RC", ""), ("PERL_ANYEVENT_MP_RC", &perl)],
        "",
    )
    .succeeds();
    assert!(home.read("perl").contains("\"nodeid\": \"a\""));
    home.with(&["nodeid", "b"], &[("AEMP_RC", "")], "")
        .succeeds();
    assert!(home.read(".perl-anyevent-mp").contains("\"nodeid\": \"b\""));
}

#[test]
fn a_reader_that_has_gone_is_no_error() {
    let home = Home::new();
    home.write("config", "{}");
    for line in [
        &["man"][..],
        &["--help"],
        &["showconfig"],
        &["completions", "bash"],
    ] {
        home.without_reader(line).succeeds_in_silence();
    }
}

#[test]
fn version() {
    let expected = format!("aemp {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(Home::new().aemp(&["--version"]).succeeds().out, expected);
}

#[test]
fn a_certificate_that_cannot_be_used_is_not_taken() {
    let home = Home::new();
    home.aemp(&["gencert", "profile", "p", "gencert"])
        .succeeds();
    let file = home.file();
    let parts = |pem: &Value| {
        let pem = pem.as_str().unwrap().to_owned();
        let at = pem.find("-----BEGIN CERTIFICATE").unwrap();
        (pem[..at].to_owned(), pem[at..].to_owned())
    };
    let (key, _) = parts(&file["cert"]);
    let (_, other) = parts(&file["profile"]["p"]["cert"]);
    let path = home.write("mixed.pem", &(key.clone() + &other));
    let error = home.aemp(&["setcert", &path]).fails(1).err;
    let expected = "none of the 1 certificates in the PEM belongs to its private key";
    assert!(error.contains(expected), "{error}");
    assert!(!error.contains(key.lines().nth(1).unwrap()), "{error}");
    assert_eq!(home.file(), file);
}
