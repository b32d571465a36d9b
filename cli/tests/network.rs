//! The real command on a network of real processes that it runs itself: a seed, a worker and a node that speaks JSON only.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use aemp::{Context, Map, Message, PortId, Reason, Value, reason};
use common::Home;
use common::running::{LIMIT, Running, SECRET, network, watched};

#[test]
fn a_network_is_run_asked_and_ended_by_one_program() {
    let (home, [seed, mut worker, json]) = network();
    let out = |line: &[&str]| home.aemp(line).succeeds().out;

    assert!(out(&["cal", "seed", "time"]).trim().parse::<f64>().unwrap() > 1.7e9);
    assert_eq!(
        out(&["cal", "json#echo", "hi", r#"{"a":[1,2]}"#]),
        "\"hi\",{\"a\":[1,2]}\n"
    );
    assert_eq!(
        out(&["--json", "cal", "worker#echo", "hi", "[]"]),
        "[\"hi\",[]]\n"
    );
    home.aemp(&["snd", "worker#nobody", "hello"])
        .succeeds_in_silence();

    let traced = out(&["trace", "seed"]);
    let mut traced: Vec<&str> = traced.lines().collect();
    traced.sort();
    assert!(
        traced.len() == 3 && traced[1].contains("json") && traced[1].contains("worker"),
        "{traced:?}"
    );
    assert!(out(&["--json", "trace", "seed"]).contains(r#""worker""#));
    let dot = out(&["dot", "seed"]);
    for line in [
        r#""seed" [fillcolor=gold];"#,
        r#""worker" [fillcolor=lightblue];"#,
        r#""json" -- "seed" [label="json"];"#,
        r#""seed" -- "worker" [label="cbor"];"#,
    ] {
        assert!(dot.contains(line), "{dot}");
    }
    let ps = out(&["ps", "worker"]);
    assert!(
        ps.starts_with("PORT ") && ps.contains("\n(node port)") && ps.contains("\necho "),
        "{ps}"
    );
    assert!(out(&["--json", "ps", "worker"]).contains("\"echo\""));
    assert_eq!(
        out(&["directory", "aemp_echo"]),
        "json#echo  null\nseed#echo  null\nworker#echo  null\n"
    );
    assert!(out(&["--json", "directory", "'g"]).contains("\"seed\""));

    let families = out(&["directory"]);
    assert!(
        families.contains("aemp_echo  3\n") && families.contains("'g  1\n"),
        "{families}"
    );
    let following = Running::follow(&home, &["--watch", "directory", "aemp_echo"]);
    let change = || following.line(|_| true);
    assert_eq!(
        [change(), change(), change()],
        [
            "+ json#echo  null",
            "+ seed#echo  null",
            "+ worker#echo  null"
        ]
    );
    let late = Running::start(&home, &["nodeid", "late"]);
    assert_eq!(change(), "+ late#echo  null");
    drop(late);
    assert_eq!(change(), "- late#echo");

    let explained = out(&["explain", &json.address]);
    assert!(
        explained.contains("ok      codec to it: json: "),
        "{explained}"
    );
    assert!(!explained.contains(SECRET));

    // What fails says so, in words and by the code.
    let error = |line: &[&str]| home.aemp(line).fails(4).err;
    assert_eq!(
        error(&["eval", "worker", "1+1"]),
        "error: worker answers: this node evaluates no code\n"
    );
    assert_eq!(
        error(&["cal", "nobody#x"]),
        "error: nobody#x: transport_error: nobody, no known address\n"
    );
    let nobody = error(&["cal", "worker#nobody"]);
    assert!(
        nobody.starts_with("error: worker#nobody: no_such_port"),
        "{nobody}"
    );
    let slow = error(&["--timeout", "0.2", "cal", "worker", "devnull"]);
    assert!(
        slow.contains("did not answer within 200ms; --timeout SECONDS waits longer"),
        "{slow}"
    );
    home.aemp(&["cal", "no node#x"]).fails(2);
    home.aemp(&["explain", "127.0.0.1:1"]).succeeds_with(4);

    // A monitor of a port fires when its node ends, in order, at SIGTERM.
    let mut watching = home.command(&["mon", "json#echo"]).spawn().unwrap();
    // The service that has registered the port watches it as well.
    watched(&home, "json", "echo", 2);
    json.signal("-TERM");
    assert!(watching.wait().unwrap().success());
    let mut why = String::new();
    watching
        .stdout
        .take()
        .unwrap()
        .read_to_string(&mut why)
        .unwrap();
    assert!(why.starts_with(r#""transport_error","json","#), "{why}");

    // A restarted node is the same process, and is ready again.
    let id = worker.process.id();
    home.aemp(&["restart", "worker"]).succeeds_in_silence();
    worker.line(|line| line.starts_with("ready worker "));
    assert!(worker.process.try_wait().unwrap().is_none() && worker.process.id() == id);
    let unknown = error(&["restart", "nobody"]);
    assert!(unknown.contains("no known address"), "{unknown}");
    worker.signal("-INT");
    assert!(worker.process.wait().unwrap().success());
    drop(seed);
    let alone = error(&["--timeout", "1", "cal", "seed", "time"]);
    assert!(alone.contains("could not join through"), "{alone}");
}

#[test]
fn the_doctor_finds_what_is_wrong_and_says_what_to_type() {
    let (home, [seed, _worker, _json]) = network();
    let out = |line: &[&str]| home.aemp(line).succeeds().out;
    let well = out(&[
        "profile",
        "json",
        "binds",
        "127.0.0.1:0",
        "profile",
        "json",
        "doctor",
    ]);
    for line in [
        "ok     the secret is set",
        "ok     bind 127.0.0.1:0 is free; others would reach it at 127.0.0.1:",
        "lets us in: node seed, program aemp-",
        "we send json, it sends json",
        "ok     the clock of seed differs from ours by ",
    ] {
        assert!(well.contains(line), "{well}");
    }
    assert!(!well.contains(SECRET));
    home.aemp(&[
        "profile",
        "json",
        "setsecret_accept",
        "another secret of before",
    ])
    .succeeds();
    let more = out(&["profile", "json", "doctor"]);
    let line =
        "the secret is set, and 1 more accepted: \"aemp profile json delsecret_accept\" when";
    assert!(more.contains(line), "{more}");
    home.aemp(&["profile", "json", "delsecret_accept"])
        .succeeds();
    let wrong = [
        "profile",
        "bad",
        "secret",
        "another secret of 16 bytes",
        "monitor_timeout",
        "3",
    ];
    home.aemp(&wrong).succeeds();
    let both = format!("{},127.0.0.1:1", seed.address);
    home.aemp(&["profile", "bad", "seeds", &both]).succeeds();
    let found = home.aemp(&["profile", "bad", "doctor"]);
    assert_eq!(found.err, "error: 2 things are wrong\n");
    let found = found.succeeds_with(1).out;
    for line in [
        "both need the same secret: \"aemp profile bad setsecret\"",
        "WRONG  seed 127.0.0.1:1: connect: connection refused",
    ] {
        assert!(found.contains(line), "{found}");
    }
    let rows = home
        .aemp(&["--json", "profile", "bad", "doctor"])
        .succeeds_with(1)
        .out;
    assert!(
        rows.starts_with(r#"[["the secret","ok","is set",null],"#),
        "{rows}"
    );
}

#[test]
fn what_json_lacks_is_shown_in_diagnostic_notation_and_with_json_as_an_object() {
    let home = Home::with_secret();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let bytes = |bytes: &[u8]| Value::Bytes(Box::new(bytes.to_vec().into()));
    let odd = move || {
        let map: Map = [(Value::from(1), Value::from("a"))].into_iter().collect();
        let looks_so: Map = [("$diagnostic", "1")].into_iter().collect();
        [
            Value::from("text"),
            bytes(b"\0\xff"),
            vec![Value::Tag(22098, Box::new(1.into()))].into(),
            f64::INFINITY.into(),
            map.into(),
            looks_so.into(),
        ]
    };
    let node = aemp::node().id("odd").secret(SECRET).bind("127.0.0.1:0");
    let node = runtime.block_on(node.start()).unwrap();
    let answers = move |cx: &mut Context<'_>, message: Message| {
        let (reply,): (PortId,) = message.parse()?;
        cx.send(&reply, odd().into_iter().collect::<Message>());
        Ok::<(), Reason>(())
    };
    let mortal =
        move |_: &mut Context<'_>, _: Message| Err::<(), Reason>(reason!["over", bytes(b"\xff")]);
    let _guard = runtime.enter();
    node.port_named("answers", answers).unwrap();
    let mortal = node.port_named("mortal", mortal).unwrap();
    let at = node.addresses()[0].to_string();
    home.aemp(&["seeds", &at]).succeeds_in_silence();
    assert_eq!(
        home.aemp(&["cal", "odd#answers"]).succeeds().out,
        "\"text\",h'00ff',[22098(1)],Infinity,{1: \"a\"},{\"$diagnostic\":\"1\"}\n"
    );
    assert_eq!(
        home.aemp(&["--json", "cal", "odd#answers"]).succeeds().out,
        concat!(
            r#"["text",{"$diagnostic":"h'00ff'"},[{"$diagnostic":"22098(1)"}],{"$diagnostic":"Infinity"},"#,
            r#"{"$diagnostic":"{1: \"a\"}"},{"$diagnostic":"{\"$diagnostic\": \"1\"}"}]"#,
            "\n"
        )
    );
    let mut watching = home.command(&["mon", "odd#mortal"]).spawn().unwrap();
    runtime.block_on(async {
        let watchers = async || {
            let ports = node.ports().await;
            ports
                .iter()
                .any(|port| port.name == *mortal.port() && port.watchers > 0)
        };
        let until = Instant::now() + LIMIT;
        while !watchers().await {
            assert!(Instant::now() < until, "the command watches the port");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        node.send(&mortal, ());
    });
    assert!(watching.wait().unwrap().success());
    let mut why = String::new();
    let mut out = watching.stdout.take().unwrap();
    out.read_to_string(&mut why).unwrap();
    assert_eq!(why, "\"over\",h'ff'\n");
}

#[test]
fn the_shell_does_what_it_reads_up_to_the_first_line_that_fails() {
    let (home, _nodes) = network();
    let shell = |options: &[&str], lines: &[&str]| {
        let line = [options, &["shell"]].concat();
        home.with(&line, &[], &lines.join("\n"))
    };
    let rich =
        r#"call worker#echo "a b" 7 7a h'00ff' 32("x:y") {1: [true, null]} 18446744073709551615"#;
    let done = shell(
        &[],
        &[rich, "", "directory aemp_echo", "send worker#echo x"],
    )
    .succeeds();
    assert_eq!(
        done.out,
        "\"a b\", 7, \"7a\", h'00ff', 32(\"x:y\"), {1: [true, null]}, 18446744073709551615\n\
         json#echo  null\nseed#echo  null\nworker#echo  null\n"
    );
    assert_eq!(done.err, "");

    let json = shell(&["--json"], &[rich, "directory aemp_echo"]);
    let json = json.succeeds().out;
    let mut lines = json.lines();
    assert_eq!(
        lines.next(),
        Some(
            r#"{"answer":["a b",7,"7a",{"$diagnostic":"h'00ff'"},{"$diagnostic":"32(\"x:y\")"},{"$diagnostic":"{1: [true, null]}"},18446744073709551615]}"#
        )
    );
    assert_eq!(
        lines.next(),
        Some(r#"{"directory":{"json#echo":null,"seed#echo":null,"worker#echo":null}}"#)
    );
    // What is spawned runs, and shows among the node's ports.
    let spawned = shell(&[], &["spawn worker aemp::echo", "nodes", "ports worker"]);
    let spawned = spawned.succeeds().out;
    let port = spawned
        .lines()
        .next()
        .unwrap()
        .strip_prefix("worker#")
        .unwrap();
    assert!(spawned.contains(&format!("\n{port} ")), "{spawned}");
    assert!(spawned.contains("\njson    127.0.0.1:"), "{spawned}");

    // The first line that fails ends it, with its code.
    let failed = shell(&[], &["self", "call worker#echo [1 2]", "self"]).succeeds_with(2);
    assert_eq!(
        failed.err,
        "error: line 2: column 21: expected ',' or ']', found '2'\n"
    );
    assert_eq!(failed.out.lines().count(), 1);
    let failed = shell(&[], &["\n\ncall worker#nobody", "self"]).fails(4);
    assert!(
        failed
            .err
            .starts_with("error: line 3: worker#nobody: no_such_port"),
        "{failed:?}"
    );
    assert!(!home.path(".local").exists());
}

#[test]
fn the_shell_prints_what_happens_while_it_waits_for_lines() {
    let (home, [_seed, worker, _json]) = network();
    let mut shell = home.command(&["--json", "shell"]).spawn().unwrap();
    let mut lines = BufReader::new(shell.stdout.take().unwrap()).lines();
    let mut next = || lines.next().unwrap().unwrap();
    let mut input = shell.stdin.take().unwrap();
    let mut enter = |line: &str| writeln!(input, "{line}").unwrap();

    enter("monitor worker#nobody");
    let gone = next();
    assert!(
        gone.starts_with(r#"{"gone":"worker#nobody","reason":["no_such_port","#),
        "{gone}"
    );
    enter("self");
    let own: Map = serde_json::from_str(&next()).unwrap();
    let own = own.get("self").and_then(|own| own.as_str()).unwrap();
    // The echo sends back all but the last to the port in the last.
    enter(&format!("send worker#echo hello h'00' {own}"));
    assert_eq!(next(), r#"{"message":["hello",{"$diagnostic":"h'00'"}]}"#);
    enter("watch aemp_echo");
    let all = r#"{"json#echo":null,"seed#echo":null,"worker#echo":null}"#;
    assert_eq!(
        next(),
        format!(r#"{{"family":"aemp_echo","set":{all},"deleted":[]}}"#)
    );
    drop(worker);
    assert_eq!(
        next(),
        r#"{"family":"aemp_echo","set":{},"deleted":["worker#echo"]}"#
    );
    enter("unwatch aemp_ech");
    assert!(lines.next().is_none());
    assert_eq!(shell.wait().unwrap().code(), Some(1));
    let mut error = String::new();
    let mut stderr = shell.stderr.take().unwrap();
    stderr.read_to_string(&mut error).unwrap();
    assert_eq!(
        error,
        "error: line 5: aemp_ech is not watched; did you mean \"aemp_echo\"?\n"
    );
}

#[test]
fn a_program_in_another_language_joins_with_three_lines() {
    let home = Home::new();
    home.aemp(&[
        "binds",
        "127.0.0.1:0",
        "services",
        r#"["aemp::echo"]"#,
        "nodeid",
        "node",
    ])
    .succeeds();
    let secret = home.write("secret", SECRET);
    home.aemp(&["--secret-file", &secret, "setsecret"])
        .succeeds_in_silence();
    home.aemp(&["auth_accept", "hmac_sha3_512,cleartext"])
        .succeeds();
    let node = Running::start(&home, &[]);
    let mut peer = TcpStream::connect(&node.address).unwrap();
    let hex: String = SECRET.bytes().map(|byte| format!("{byte:02x}")).collect();
    write!(
        peer,
        "aemp;1;tiny;hmac_sha3_512;json\nany nonce\ncleartext;{hex};json\n"
    )
    .unwrap();
    write!(peer, r#"["echo","hello","tiny#me"]"#).unwrap();
    peer.set_read_timeout(Some(Duration::from_secs(20)))
        .unwrap();
    let (mut all, mut some) = (Vec::new(), [0; 1000]);
    while !String::from_utf8_lossy(&all).contains(r#"["me","hello"]"#) {
        let read = peer.read(&mut some).unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&all));
        all.extend(&some[..read]);
    }
}

#[test]
fn the_log_of_a_network_is_caught_by_a_service() {
    let (home, [_seed, worker, _json]) = network();
    let catcher = Running::start(
        &home,
        &["nodeid", "catcher", "services", r#"[["aemp::log",7]]"#],
    );
    // Whatever happens at a node shows; a command that comes and goes does, once the catcher has asked for it.
    let until = Instant::now() + Duration::from_secs(20);
    let line = loop {
        home.aemp(&["cal", "worker#echo", "1"]).succeeds();
        let mut lines = catcher.lines.so_far();
        let is_it = |line: &String| line.contains(" worker info aemp::link: node up");
        if let Some(line) = lines.find(is_it) {
            break line;
        }
        assert!(Instant::now() < until, "the worker's log arrives");
    };
    assert!(line.contains("(clock ") && line.starts_with("20"), "{line}");
    drop(worker);
}

#[test]
fn a_node_that_cannot_start_says_why() {
    let home = Home::new();
    home.write("config", "{}");
    let no_secret = home
        .aemp(&["run", "nodeid", "a", "binds", "127.0.0.1:0"])
        .fails(1)
        .err;
    assert!(no_secret.contains("secret"), "{no_secret}");
    home.aemp(&["setsecret", SECRET]).succeeds();
    let unknown = home
        .aemp(&[
            "run",
            "nodeid",
            "a",
            "binds",
            "127.0.0.1:0",
            "services",
            r#"["my::thing"]"#,
        ])
        .fails(1)
        .err;
    assert!(unknown.contains("my::thing"), "{unknown}");
    let level = home
        .aemp(&[
            "run",
            "nodeid",
            "a",
            "binds",
            "127.0.0.1:0",
            "services",
            r#"[["aemp::log",12]]"#,
        ])
        .fails(1)
        .err;
    assert!(level.contains("from 1 (fatal) to 9 (trace)"), "{level}");
    let no_seeds = home.aemp(&["cal", "seed", "time"]).fails(1).err;
    assert!(no_seeds.contains("aemp addseed HOST:4040"), "{no_seeds}");
}

#[test]
fn a_graph_is_data_too_and_without_graphviz_there_is_no_picture() {
    let (home, [_seed, _worker, json]) = network();
    drop(json);
    let graph = home.aemp(&["--json", "dot", "worker"]).succeeds().out;
    let graph: serde_json::Value = serde_json::from_str(&graph).unwrap();
    assert_eq!(graph["nodes"]["worker"], "slave");
    let edges = graph["edges"].as_array().unwrap();
    assert!(
        edges.contains(&serde_json::json!(["seed", "worker", "cbor", "cbor"])),
        "{graph}"
    );
    let line = ["--svg", "dot", "seed"];
    let none = home.with(&line, &[("PATH", "/nowhere")], "").fails(1);
    assert!(none.err.contains("Graphviz is not installed"), "{none:?}");
}

#[test]
#[ignore = "needs graphviz"]
fn a_graph_is_drawn() {
    let (home, _nodes) = network();
    let svg = home.aemp(&["--svg", "dot", "seed"]).succeeds().out;
    assert!(
        svg.contains("<svg ") && svg.contains(">worker</text>"),
        "{svg}"
    );
}
