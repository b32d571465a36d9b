//! The configuration of protocol.md section 9, as one table of inputs and effective values.

use aemp_core::{Map, Value};
use aemp_profile::{Key, Place, Profile, ProfileError, Sources};

/// The inputs (the profile's name, the program's values, the file) and the expected outcome.
struct Case {
    says: &'static str,
    name: Option<&'static str>,
    program: &'static str,
    file: &'static str,
    then: Then,
}

enum Then {
    /// These fields, as [`show`] writes them.
    Has(&'static [(&'static str, &'static str)]),
    /// An error with this text in it.
    Fails(&'static str),
    /// A warning with this text in it.
    Warns(&'static str),
}
use Then::{Fails, Has, Warns};

const SECRET: &str = "correct horse battery staple";

#[rustfmt::skip]
const CASES: &[Case] = &[
    // Built-in defaults.
    Case { says: "without anything every key has its default", name: None, program: "{}", file: "{}", then: Has(&[
        ("nodeid", "host/WORD"), ("binds", "127.0.0.1:*"), ("seeds", ""), ("secret", "no"), ("cert", "no"), ("services", ""),
        ("monitor_timeout", "30s"), ("connect_interval", "2s"), ("framing_format", "all"),
        ("auth_offer", "tls_sha3_512 hmac_sha3_512"), ("auth_accept", "tls_sha3_512 hmac_sha3_512"),
        ("autocork", "false"), ("nodelay", "true"), ("min_secret", "16"), ("tls_fallback", "false"),
        ("hung_check", "true"), ("check_peeraddr", "true"), ("advertise", ""), ("health", "none"), ("ready_when", "listening"), ("secure", "false"),
    ]) },
    Case { says: "null stands for the default, whatever lower layers say", name: Some("p"), program: "{}",
        file: r#"{"monitor_timeout": 5, "profile": {"p": {"monitor_timeout": null}}}"#, then: Has(&[("monitor_timeout", "30s")]) },
    // Layers.
    Case { says: "the program is above the defaults", name: None, program: r#"{"monitor_timeout": 5}"#, file: "{}",
        then: Has(&[("monitor_timeout", "5s")]) },
    Case { says: "global keys are above the program", name: None, program: r#"{"monitor_timeout": 5}"#,
        file: r#"{"monitor_timeout": 6}"#, then: Has(&[("monitor_timeout", "6s")]) },
    Case { says: "the profile is above the global keys", name: Some("p"), program: r#"{"monitor_timeout": 5}"#,
        file: r#"{"monitor_timeout": 6, "profile": {"p": {"monitor_timeout": 7}, "q": {"monitor_timeout": 8}}}"#,
        then: Has(&[("monitor_timeout", "7s")]) },
    Case { says: "parents are between the global keys and the profile", name: Some("c"), program: "{}",
        file: r#"{"monitor_timeout": 1, "connect_interval": 1, "min_secret": 1, "nodelay": false,
            "profile": {"a": {"monitor_timeout": 2, "connect_interval": 2, "min_secret": 2}, "b": {"parent": "a",
            "monitor_timeout": 3, "connect_interval": 3}, "c": {"parent": "b", "monitor_timeout": 4}}}"#,
        then: Has(&[("monitor_timeout", "4s"), ("connect_interval", "3s"), ("min_secret", "2"), ("nodelay", "false")]) },
    Case { says: "with force the program is above all", name: Some("p"), program: r#"{"force": true, "monitor_timeout": 5}"#,
        file: r#"{"monitor_timeout": 6, "profile": {"p": {"monitor_timeout": 7, "connect_interval": 7}}}"#,
        then: Has(&[("monitor_timeout", "5s"), ("connect_interval", "7s")]) },
    Case { says: "with norc the file is not looked at", name: Some("p"), program: r#"{"norc": true, "monitor_timeout": 5}"#,
        file: r#"{"monitor_timeout": 6, "profile": {"p": 7}}"#, then: Has(&[("monitor_timeout", "5s"), ("nodeid", "p/WORD")]) },
    Case { says: "the host's name is the default profile", name: None, program: "{}",
        file: r#"{"profile": {"host": {"nodelay": false}}}"#, then: Has(&[("nodelay", "false"), ("name", "host")]) },
    Case { says: "a profile that says nothing inherits all", name: Some("new"), program: "{}", file: r#"{"nodelay": false, "profile": {"new": {}}}"#,
        then: Has(&[("nodeid", "new/WORD"), ("nodelay", "false")]) },
    Case { says: "of a key that stands twice the last counts", name: None, program: "{}", file: r#"{"min_secret": 1, "min_secret": 2}"#,
        then: Has(&[("min_secret", "2")]) },
    // Node IDs.
    Case { says: "%n is the host's name", name: None, program: r#"{"nodeid": "at-%n"}"#, file: "{}", then: Has(&[("nodeid", "at-host")]) },
    Case { says: "%u is a random word", name: None, program: r#"{"nodeid": "aemp/%n/%u"}"#, file: "{}", then: Has(&[("nodeid", "aemp/host/WORD")]) },
    Case { says: "so is what follows a trailing slash", name: None, program: r#"{"nodeid": "a/"}"#, file: "{}", then: Has(&[("nodeid", "a/WORD")]) },
    Case { says: "a slash inside stays", name: None, program: r#"{"nodeid": "a/b"}"#, file: "{}", then: Has(&[("nodeid", "a/b")]) },
    Case { says: "both together", name: None, program: r#"{"nodeid": "%u-%n/"}"#, file: "{}", then: Has(&[("nodeid", "WORD-host/WORD")]) },
    Case { says: "an empty ID is none", name: None, program: r#"{"nodeid": ""}"#, file: "{}", then: Fails("is no node ID: it is empty") },
    Case { says: "nor is one that breaks a greeting", name: None, program: r#"{"nodeid": "a;b"}"#, file: "{}", then: Fails("is no node ID") },
    // Forms of values.
    Case { says: "one string holds several addresses", name: None, program: r#"{"binds": "*:4040,[::1]:4041", "seeds": ["a:1, b:2", "c:3"]}"#,
        file: "{}", then: Has(&[("binds", "*:4040 [::1]:4041"), ("seeds", "a:1 b:2 c:3")]) },
    Case { says: "a port alone may be a number", name: None, program: r#"{"binds": [4040]}"#, file: "{}", then: Has(&[("binds", "4040")]) },
    Case { says: "no binds at all are none", name: None, program: r#"{"binds": []}"#, file: "{}", then: Has(&[("binds", "")]) },
    Case { says: "Perl's command writes numbers and flags as text", name: None, program: "{}",
        file: r#"{"monitor_timeout": "12.5", "min_secret": "20", "nodelay": "0", "autocork": "1", "hung_check": "", "secure": 1}"#,
        then: Has(&[("monitor_timeout", "12.5s"), ("min_secret", "20"), ("nodelay", "false"), ("autocork", "true"),
            ("hung_check", "false"), ("secure", "true")]) },
    Case { says: "services are names, or lists of a name and arguments", name: None,
        program: r#"{"services": ["aemp::echo", ["aemp::log", 5, "x"]]}"#, file: "{}",
        then: Has(&[("services", r#"aemp::echo[] aemp::log[Integer(5), Text("x")]"#)]) },
    Case { says: "one string holds several services", name: None, program: r#"{"services": "a,b"}"#, file: "{}", then: Has(&[("services", "a[] b[]")]) },
    Case { says: "codecs in order", name: None, program: r#"{"framing_format": ["json", "cbor"]}"#, file: "{}", then: Has(&[("framing_format", "json cbor")]) },
    Case { says: "methods in order", name: None, program: r#"{"auth_accept": "cleartext,hmac_sha3_512", "auth_offer": ["hmac_sha3_512"]}"#, file: "{}",
        then: Has(&[("auth_accept", "cleartext hmac_sha3_512"), ("auth_offer", "hmac_sha3_512")]) },
    Case { says: "a certificate is kept", name: None, program: r#"{"cert": "-----BEGIN"}"#, file: "{}", then: Has(&[("cert", "yes")]) },
    Case { says: "the secret may be as short as min_secret says", name: None, program: r#"{"secret": "abcd", "min_secret": 4}"#, file: "{}",
        then: Has(&[("secret", "yes")]) },
    Case { says: "and no shorter", name: None, program: r#"{"secret": "abcd"}"#, file: "{}", then: Fails("the secret has 4 bytes, at least 16 are needed") },
    Case { says: "what is advertised is a list of addresses, in which binds stands for those bound", name: Some("p"),
        program: r#"{"advertise": "a:1"}"#, file: r#"{"check_peeraddr": "0", "profile": {"p": {"advertise": ["binds, 198.51.100.7:4140"]}}}"#,
        then: Has(&[("advertise", "binds 198.51.100.7:4140"), ("check_peeraddr", "false")]) },
    Case { says: "where health is answered, and when a node is ready", name: None,
        program: r#"{"health": "*:8080", "ready_when": "joined"}"#, file: "{}", then: Has(&[("health", "*:8080"), ("ready_when", "joined")]) },
    // Wrong values.
    Case { says: "health without a host", name: None, program: r#"{"health": "8080"}"#, file: "{}",
        then: Fails("health in the program takes an address HOST:PORT, with * as host for every one of the machine, and \"8080\" is none; \
            for example \"127.0.0.1:8080\"") },
    Case { says: "health at a port that nobody can know", name: None, program: r#"{"health": "127.0.0.1:0"}"#, file: "{}",
        then: Fails("health in the program takes an address HOST:PORT, with * as host for every one of the machine, and \"127.0.0.1:0\" \
            is none; for example \"127.0.0.1:8080\"") },
    Case { says: "ready_when", name: None, program: r#"{"ready_when": "soon"}"#, file: "{}",
        then: Fails("ready_when in the program takes listening or joined, and \"soon\" is none; for example \"joined\"") },
    Case { says: "advertise", name: None, program: r#"{"advertise": ["a b"]}"#, file: "{}",
        then: Fails("advertise in the program takes a list of addresses, and [\"a b\"] is none; for example [\"198.51.100.7:4140\"]") },
    Case { says: "check_peeraddr", name: None, program: "{}", file: r#"{"check_peeraddr": "off"}"#,
        then: Fails("check_peeraddr in the file's global keys takes true or false, and \"off\" is none; for example true") },
    Case { says: "nodeid", name: None, program: r#"{"nodeid": 5}"#, file: "{}",
        then: Fails("nodeid in the program takes a text, and 5 is none; for example \"%n/%u\"") },
    Case { says: "binds", name: None, program: "{}", file: r#"{"binds": {"a": 1}}"#,
        then: Fails("binds in the file's global keys takes a list of addresses, and {\"a\": 1} is none; for example [\"*:4040\"]") },
    Case { says: "seeds", name: Some("p"), program: "{}", file: r#"{"profile": {"p": {"seeds": ["a b"]}}}"#,
        then: Fails("seeds in profile \"p\" takes a list of addresses, and [\"a b\"] is none") },
    Case { says: "a secret is not shown", name: None, program: r#"{"secret": 12345}"#, file: "{}",
        then: Fails("secret in the program takes a text, and a number is none") },
    Case { says: "cert", name: None, program: r#"{"cert": ["-----BEGIN"]}"#, file: "{}", then: Fails("takes a text, and a list is none") },
    Case { says: "services", name: None, program: r#"{"services": [[]]}"#, file: "{}", then: Fails("services in the program takes a list of names, or of lists") },
    Case { says: "parent", name: Some("p"), program: "{}", file: r#"{"profile": {"p": {"parent": 1}}}"#, then: Fails("parent in profile \"p\" takes a text") },
    Case { says: "monitor_timeout", name: None, program: r#"{"monitor_timeout": 0}"#, file: "{}", then: Fails("takes a number of seconds from 0.05 on, and 0 is none; for example 30") },
    Case { says: "a time too short", name: None, program: r#"{"connect_interval": 0.04}"#, file: "{}", then: Fails("seconds from 0.05 on, and 0.04 is none") },
    Case { says: "connect_interval", name: None, program: r#"{"connect_interval": 1e300}"#, file: "{}", then: Fails("connect_interval in the program") },
    Case { says: "framing_format", name: None, program: r#"{"framing_format": [1]}"#, file: "{}", then: Fails("framing_format in the program takes a list of names") },
    Case { says: "auth_offer", name: None, program: r#"{"auth_offer": ["hmac_md6_64_256"]}"#, file: "{}", then: Fails("auth_offer in the program takes a list of the methods hmac_sha3_512") },
    Case { says: "auth_accept", name: None, program: r#"{"auth_accept": []}"#, file: "{}", then: Fails("auth_accept in the program") },
    Case { says: "a permission", name: None, program: r#"{"allow": [{"may": ["monitor", "cal"]}]}"#, file: "{}",
        then: Fails("allow in the program takes a list of rules with may (all, monitor, kill, relay, call, spawn, directory, write, publish, global) and, if they are not for every member, node, cert or anonymous, and \"cal\" is none") },
    Case { says: "a rule without may", name: None, program: r#"{"allow": {"node": "x"}}"#, file: "{}", then: Fails("and {\"node\": \"x\"} is none") },
    Case { says: "a name behind a permission that takes none", name: None, program: r#"{"allow": [{"may": "kill x"}]}"#, file: "{}", then: Fails("and \"kill x\" is none") },
    Case { says: "an unknown condition", name: None, program: r#"{"allow": [{"may": [], "nodes": "x"}]}"#, file: "{}", then: Fails("and \"nodes\" in a rule is none") },
    Case { says: "min_secret", name: None, program: r#"{"min_secret": -1}"#, file: "{}", then: Fails("takes a whole number of 0 or more, and -1 is none") },
    Case { says: "flags are not words, which Perl would take for true", name: None, program: r#"{"nodelay": "off"}"#, file: "{}",
        then: Fails("nodelay in the program takes true or false, and \"off\" is none") },
    Case { says: "a wrong value that does not hold disturbs nobody", name: Some("p"), program: "{}",
        file: r#"{"min_secret": "x", "profile": {"p": {"min_secret": 3}}}"#, then: Has(&[("min_secret", "3")]) },
    // Wrong files.
    Case { says: "the file is an object", name: None, program: "{}", file: "[1]", then: Fails("the whole of the configuration file has to be an object") },
    Case { says: "so are the profiles", name: None, program: "{}", file: r#"{"profile": []}"#, then: Fails("\"profile\" of the configuration file") },
    Case { says: "and each", name: Some("p"), program: "{}", file: r#"{"profile": {"p": []}}"#, then: Fails("the profile \"p\" of the configuration file") },
    Case { says: "version 1", name: None, program: "{}", file: r#"{"version": 1}"#, then: Has(&[]) },
    Case { says: "and no other", name: None, program: "{}", file: r#"{"version": 2}"#, then: Fails("has version 2, and this program reads version 1 only") },
    // Cycles.
    Case { says: "a circle is named", name: Some("x"), program: "{}",
        file: r#"{"profile": {"x": {"parent": "a"}, "a": {"parent": "b"}, "b": {"parent": "a"}}}"#,
        then: Fails("the profiles a -> b -> a inherit from each other in a circle") },
    Case { says: "of one as well", name: Some("a"), program: "{}", file: r#"{"profile": {"a": {"parent": "a"}}}"#, then: Fails("the profiles a -> a inherit") },
    // Names.
    Case { says: "a program's unknown key fails", name: None, program: r#"{"sede": "a:1"}"#, file: "{}", then: Fails("there is no key \"sede\"; did you mean \"seeds\"?") },
    Case { says: "a file's unknown key is told", name: None, program: "{}", file: r#"{"moniter_timeout": 3}"#,
        then: Warns("the key \"moniter_timeout\" in the file's global keys is unknown; did you mean \"monitor_timeout\"?") },
    Case { says: "a missing profile is an error", name: Some("sed"), program: "{}", file: r#"{"profile": {"seed": {}}}"#,
        then: Fails("there is no profile \"sed\"; did you mean \"seed\"?") },
    Case { says: "but the one of the host, and any where the file does not count", name: Some("sed"), program: r#"{"norc": true}"#,
        file: r#"{"profile": {"seed": {}}}"#, then: Has(&[("name", "sed")]) },
    Case { says: "a secret guards a node on all addresses", name: None, program: "{}", file: r#"{"secret": "correct horse battery"}"#,
        then: Has(&[("binds", "*")]) },
    Case { says: "and so does a certificate", name: None, program: r#"{"cert": "-----BEGIN"}"#, file: "{}", then: Has(&[("binds", "*")]) },
    Case { says: "what is written is bound where nothing guards it as well", name: None, program: "{}", file: r#"{"binds": ["*"]}"#,
        then: Has(&[("binds", "*")]) },
    Case { says: "a missing parent is told", name: Some("p"), program: "{}", file: r#"{"profile": {"p": {"parent": "q"}}}"#,
        then: Warns("the file has no profile \"q\", which is named in profile \"p\"") },
    Case { says: "a global parent is told", name: None, program: "{}", file: r#"{"parent": "q"}"#, then: Warns("only profiles inherit") },
    Case { says: "storable is told", name: None, program: "{}", file: r#"{"framing_format": ["cbor", "json", "storable"]}"#, then: Warns("\"storable\"") },
    Case { says: "and left out", name: None, program: "{}", file: r#"{"framing_format": ["cbor", "json", "storable"]}"#, then: Has(&[("framing_format", "cbor json")]) },
    Case { says: "autocork is told", name: None, program: r#"{"autocork": true}"#, file: "{}", then: Warns("autocork changes nothing here") },
];

fn json(text: &str) -> Value {
    serde_json::from_str(text).expect("JSON")
}

fn resolve(case: &Case) -> Result<Profile, ProfileError> {
    let (file, program) = (json(case.file), json(case.program));
    let mut sources = Sources::new("host", "WORD");
    // As in a builder, which removes these two from the program's values.
    sources.force = program["force"] == Value::Bool(true);
    sources.norc = program["norc"] == Value::Bool(true);
    let keys = program.as_map().expect("an object").iter().cloned();
    let keys: Map = keys
        .filter(|(key, _)| !matches!(key.as_str(), Some("force" | "norc")))
        .collect();
    sources.name = case.name;
    sources.file = Some(&file);
    sources.program = Some(&keys);
    sources.resolve()
}

fn show(profile: &Profile, field: &str) -> String {
    let methods = |methods: &[aemp_core::handshake::AuthMethod]| {
        let names: Vec<_> = methods.iter().map(|method| method.name()).collect();
        names.join(" ")
    };
    let yes = |is| if is { "yes" } else { "no" }.to_owned();
    match field {
        "name" => profile.name.clone(),
        "nodeid" => profile.node_id.to_string(),
        "binds" => profile.binds.join(" "),
        "seeds" => profile.seeds.join(" "),
        "secret" => yes(profile.secret.is_some()),
        "cert" => yes(profile.cert.is_some()),
        "services" => {
            let services = profile.services.iter();
            let services = services.map(|s| format!("{}{:?}", s.name, s.arguments));
            services.collect::<Vec<_>>().join(" ")
        }
        "monitor_timeout" => format!("{:?}", profile.monitor_timeout),
        "connect_interval" => format!("{:?}", profile.connect_interval),
        "framing_format" => profile
            .framing_format
            .as_ref()
            .map_or_else(|| "all".to_owned(), |names| names.join(" ")),
        "auth_offer" => methods(&profile.auth_offer),
        "auth_accept" => methods(&profile.auth_accept),
        "autocork" => profile.autocork.to_string(),
        "nodelay" => profile.nodelay.to_string(),
        "min_secret" => profile.min_secret.to_string(),
        "tls_fallback" => profile.tls_fallback.to_string(),
        "hung_check" => profile.hung_check.to_string(),
        "check_peeraddr" => profile.check_peeraddr.to_string(),
        "advertise" => profile.advertise.join(" "),
        "health" => match &profile.health {
            Some(endpoint) => endpoint.to_string(),
            None => "none".into(),
        },
        "ready_when" => profile.ready_when.name().into(),
        "secure" => profile.secure.to_string(),
        other => panic!("no field {other}"),
    }
}

#[test]
fn what_holds_is_what_the_protocol_page_says() {
    for case in CASES {
        let says = case.says;
        match (&case.then, resolve(case)) {
            (Has(fields), Ok(profile)) => {
                for (field, expected) in *fields {
                    assert_eq!(show(&profile, field), *expected, "{says}: {field}");
                }
            }
            (Fails(text), Err(error)) => {
                let error = aemp_core::Report(&error).to_string();
                assert!(error.contains(text), "{says}: {error}");
            }
            (Warns(text), Ok(profile)) => {
                let warnings = profile.warnings.iter();
                let warnings: Vec<_> = warnings.map(ToString::to_string).collect();
                assert!(
                    warnings.iter().any(|warning| warning.contains(text)),
                    "{says}: {warnings:?}"
                );
            }
            (Has(_) | Warns(_), Err(error)) => panic!("{says}: {error}"),
            (Fails(_), Ok(profile)) => panic!("{says}: {profile:?}"),
        }
    }
}

#[test]
fn every_key_has_a_name_of_its_own_and_an_example_that_it_takes() {
    for key in Key::ALL {
        assert_eq!(Key::from_name(key.name()), Some(key));
        assert!(key.check(&Value::Null, &Place::Global).is_ok());
        if key.is_secret() {
            continue;
        }
        let example = json(key.example());
        key.check(&example, &Place::Global).unwrap();
    }
}

#[test]
fn a_default_value_is_what_holds_without_it() {
    let nothing = Sources::new("host", "WORD").resolve().unwrap();
    let defaults: Map = Key::ALL
        .map(|key| (key.name(), key.default_value("host", false)))
        .into_iter()
        .collect();
    let mut sources = Sources::new("host", "WORD");
    sources.program = Some(&defaults);
    let mut written = sources.resolve().unwrap();
    // Without a list all codecs are used, which are these two.
    assert_eq!(show(&written, "framing_format"), "cbor json");
    written.framing_format = None;
    assert!(nothing.listens_by_default && !written.listens_by_default);
    written.listens_by_default = true;
    assert_eq!(format!("{written:?}"), format!("{nothing:?}"));
}

#[test]
fn neither_a_secret_nor_a_key_shows_in_what_is_printed() {
    let program: Map = [("secret", SECRET), ("cert", "PRIVATE")]
        .into_iter()
        .collect();
    let mut sources = Sources::new("host", "WORD");
    sources.program = Some(&program);
    let shown = format!("{:?}", sources.resolve().unwrap());
    assert!(
        !shown.contains(SECRET) && !shown.contains("PRIVATE"),
        "{shown}"
    );
}

#[test]
fn further_secrets_are_a_list_or_one_text_each_as_long_as_a_secret() {
    let further = "a comma, and more";
    for (value, count) in [
        (Value::from(further), 1),
        (vec![further.into(), SECRET.into()].into(), 2),
        (Value::from(Vec::new()), 0),
        (Value::Null, 0),
    ] {
        let program = Map::from(vec![("secret_accept".into(), value)]);
        let mut sources = Sources::new("host", "WORD");
        sources.program = Some(&program);
        let profile = sources.resolve().unwrap();
        assert_eq!(profile.secret_accept.len(), count);
        assert!(profile.secret.is_none());
        assert!(!format!("{profile:?}").contains("comma"));
    }
    for (value, says) in [
        (Value::from(7), "a list of texts"),
        (vec![Value::from(7)].into(), "a list of texts"),
        ("short".into(), "at least 16 are needed"),
    ] {
        let program = Map::from(vec![("secret_accept".into(), value)]);
        let mut sources = Sources::new("host", "WORD");
        sources.program = Some(&program);
        let error = sources.resolve().unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
    }
}

#[test]
fn the_values_that_hold_are_told_with_their_places_in_the_pages_order() {
    let file = json(
        r#"{"seeds": ["a:1"], "nodelay": null, "profile": {"p": {"binds": ["*"], "secret": "x"}}}"#,
    );
    let program: Map = [("nodeid", "n")].into_iter().collect();
    let mut sources = Sources::new("host", "WORD");
    sources.name = Some("p");
    sources.file = Some(&file);
    sources.program = Some(&program);
    let values = sources.values().unwrap();
    let told: Vec<_> = values
        .iter()
        .map(|(k, _, place)| (k.name(), place.to_string()))
        .collect();
    let profile = "in profile \"p\"".to_owned();
    let expected = [
        ("nodeid", "in the program".to_owned()),
        ("binds", profile.clone()),
        ("seeds", "in the file's global keys".to_owned()),
        ("secret", profile),
    ];
    assert_eq!(told, expected);
}
