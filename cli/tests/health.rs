//! How a node is, asked over HTTP and by the command; who asks may mean no good.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use common::Home;
use common::http::{self, Answer};
use common::running::{LIMIT, Running, SECRET, free_port};

/// Waits until `path` is answered as it should be.
fn until(at: &str, path: &str, is_it: impl Fn(&Answer) -> bool) -> Answer {
    let deadline = Instant::now() + LIMIT;
    loop {
        let answer = http::get(at, path);
        if is_it(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "{path}: {answer:?}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// A home with a secret, and a profile `worker` with an endpoint, whose seed is at a port where nobody is.
fn home() -> (Home, String, String) {
    let home = Home::with_secret();
    home.aemp(&["binds", "127.0.0.1:0"]).succeeds_in_silence();
    let [at, seed] = [(); 2].map(|()| format!("127.0.0.1:{}", free_port()));
    let line = ["profile", "worker", "nodeid", "worker", "seeds", &seed];
    home.aemp(&line).succeeds_in_silence();
    home.aemp(&["profile", "worker", "health", &at, "monitor_timeout", "2"])
        .succeeds_in_silence();
    let line = ["profile", "seed", "nodeid", "seed", "binds", &seed];
    home.aemp(&line).succeeds_in_silence();
    (home, at, seed)
}

#[test]
fn a_node_is_live_from_the_beginning_and_ready_as_long_as_a_seed_lets_it_in() {
    let (home, at, seed) = home();
    let worker = Running::start(&home, &["worker"]);
    let live = http::get(&at, "/live");
    assert_eq!(live.status, 200);
    assert!(
        live.head
            .contains("content-type: text/plain; charset=utf-8"),
        "{live:?}"
    );
    assert!(live.head.contains("connection: close"), "{live:?}");
    let shards = std::thread::available_parallelism().unwrap();
    let lines = format!("ok     node: worker runs\nok     shards: all {shards} turn\n");
    assert_eq!(live.body, lines);

    let lacks = until(&at, "/ready", |answer| answer.body.contains("refused"));
    assert_eq!(lacks.status, 503);
    let expected = format!(
        "ok     listening: {}\n\
         WRONG  seeds: no connection to any; \"aemp doctor\" on its host says more; {seed}: connection refused: \
         nothing listens on port {} of 127.0.0.1; binds to * leave out loopback\n",
        worker.address,
        seed.rsplit(':').next().unwrap()
    );
    assert_eq!(lacks.body, expected);
    let asked = home.aemp(&["health", "worker"]);
    assert_eq!(asked.err, format!("error: the node at {at} is not well\n"));
    assert_eq!(asked.succeeds_with(1).out, lines.clone() + &expected);
    assert_eq!(
        home.aemp(&["--live", "profile", "worker", "health"])
            .succeeds()
            .out,
        lines
    );

    let up = Running::start(&home, &["seed"]);
    let joined = until(&at, "/ready", |answer| answer.status == 200);
    let expected = format!(
        "ok     listening: {}\nok     seeds: connected to seed at {seed}\n",
        worker.address
    );
    assert_eq!(joined.body, expected);
    assert_eq!(
        home.aemp(&["health", "worker"]).succeeds().out,
        lines + &expected
    );
    let rows = home.aemp(&["--json", "health", "worker"]).succeeds().out;
    assert!(
        rows.starts_with(r#"[["node","ok","worker runs"],["shards","ok","#),
        "{rows}"
    );
    drop(up);
    until(&at, "/ready", |answer| answer.status == 503);
    assert_eq!(http::get(&at, "/live").status, 200);

    // The doctor finds the node of the profile there, and a node that starts beside it does not.
    let found = home
        .aemp(&["profile", "worker", "doctor"])
        .succeeds_with(1)
        .out;
    let line = format!("ok     health {at} is in use, by worker, a node of this profile\n");
    assert!(found.contains(&line), "{found}");
    let error = home.aemp(&["run", "worker", "nodeid", "other"]);
    assert_eq!(
        error.fails(1).err,
        format!("error: health cannot be answered at {at}: Address already in use (os error 98)\n")
    );
    let found = home.aemp(&["profile", "worker", "nodeid", "other", "doctor"]);
    let line = format!(
        "WRONG  health {at}: Address already in use (os error 98)\n       choose another address with \"aemp profile worker \
         sethealth HOST:PORT\", or stop what listens there\n"
    );
    let found = found.succeeds_with(1).out;
    assert!(found.contains(&line), "{found}");
}

#[test]
fn where_nobody_can_be_asked_the_command_says_why() {
    let (home, at, _) = home();
    let error = home.aemp(&["health", "seed"]).fails(1).err;
    assert_eq!(
        error,
        "error: nobody answers for profile \"seed\", which has no key health: \"aemp profile seed health 127.0.0.1:8080\" says \
         where, for nodes that start from then on\n"
    );
    let error = home.aemp(&["health", "wrker"]).fails(2).err;
    assert_eq!(
        error,
        "error: there is no profile \"wrker\"; did you mean \"worker\"?\n"
    );
    for half in ["8080", "localhost", "127.0.0.1"] {
        let error = home.aemp(&["health", half]).fails(2).err;
        assert_eq!(
            error,
            format!(
                "error: there is no profile \"{half}\"; as an address to set it would be HOST:PORT, for example 127.0.0.1:8080\n"
            )
        );
    }
    let error = home.aemp(&["health", "worker"]).fails(4).err;
    assert_eq!(
        error,
        format!("error: {at} does not say how the node is: Connection refused (os error 111)\n")
    );
    // A node's own port is no such endpoint.
    let seed = Running::start(&home, &["seed"]);
    home.aemp(&["profile", "worker", "health", &seed.address])
        .succeeds_in_silence();
    let error = home.aemp(&["health", "worker"]).fails(4).err;
    let begin = format!(
        "error: {} does not say how the node is: what answers there is no endpoint of health: ",
        seed.address
    );
    assert!(error.starts_with(&begin), "{error}");
    // Neither is an HTTP server that has no such path and keeps its connections, as many do.
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let serve = std::thread::spawn(move || {
        let mut stream = server.accept().unwrap().0;
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            let mut byte = [0];
            stream.read_exact(&mut byte).unwrap();
            head.extend(byte);
        }
        let answer = b"HTTP/1.1 404 Not Found\r\ncontent-length: 0\r\n\r\n";
        stream.write_all(answer).unwrap();
        // Until the command closes it.
        stream.read_to_end(&mut Vec::new())
    });
    home.aemp(&["profile", "worker", "health", &at])
        .succeeds_in_silence();
    let error = home.aemp(&["health", "worker"]).fails(4).err;
    let expected = format!(
        "error: {at} does not say how the node is: what answers there is no endpoint of health: it says 404 Not Found to /live\n"
    );
    assert_eq!(error, expected);
    serve.join().unwrap().unwrap();
    let error = home.aemp(&["--live", "doctor"]).fails(2).err;
    assert_eq!(
        error,
        "error: --live is for the command health, which the line does not have\n"
    );
}

#[test]
fn a_node_without_seeds_and_one_that_is_its_own_seed_are_ready_by_themselves() {
    let home = Home::with_secret();
    let [health, bind, nobody] = [(); 3].map(|()| free_port().to_string());
    let every = format!("*:{health}");
    let bind = format!("127.0.0.1:{bind}");
    let own = format!("{bind},127.0.0.1:{nobody}");
    let lacks = format!(
        "it is one itself; 127.0.0.1:{nobody}: connection refused: nothing listens on port {nobody} of 127.0.0.1; binds to * leave \
         out loopback"
    );
    for (seeds, text) in [
        ("[]", "it has none"),
        (&bind, "it is one itself"),
        (&own, &lacks),
    ] {
        let line = [
            "profile", "p", "nodeid", "p", "health", &every, "binds", &bind, "seeds", seeds,
        ];
        home.aemp(&line).succeeds_in_silence();
        let mut running = Running::start(&home, &["p"]);
        let at = format!("127.0.0.1:{health}");
        let expected = format!("ok     listening: {bind}\nok     seeds: {text}\n");
        let ready = until(&at, "/ready", |answer| answer.body == expected);
        assert_eq!(ready.status, 200);
        // `*` is every address, loopback included, of both kinds where the machine has them.
        if TcpStream::connect("[::1]:1")
            .is_err_and(|error| error.kind() == std::io::ErrorKind::ConnectionRefused)
        {
            assert_eq!(http::get(&format!("[::1]:{health}"), "/live").status, 200);
        }
        home.aemp(&["health", "p"]).succeeds();
        // So it is of one that starts anew in the same process.
        let restart = [
            "profile", "q", "nodeid", "q", "seeds", &bind, "restart", "p",
        ];
        home.aemp(&restart).succeeds_in_silence();
        running.line(|line| line.starts_with("ready p "));
        until(&at, "/ready", |answer| answer.status == 200);
        running.signal("-TERM");
        assert_eq!(running.end(), Some(0));
        assert!(TcpStream::connect(&at).is_err());
    }
}

#[test]
fn a_node_that_is_a_later_one_of_its_seeds_is_ready_with_others_alone() {
    let home = Home::with_secret();
    let [at, first, second] = [(); 3].map(|()| format!("127.0.0.1:{}", free_port()));
    let both = format!("{first},{second}");
    home.aemp(&["seeds", &both]).succeeds_in_silence();
    for line in [
        ["first", "nodeid", "first", "binds", &first],
        ["second", "nodeid", "second", "binds", &second],
        ["third", "nodeid", "third", "binds", "127.0.0.1:0"],
    ] {
        home.aemp(&[&["profile"], &line[..]].concat())
            .succeeds_in_silence();
    }
    home.aemp(&["profile", "second", "health", &at])
        .succeeds_in_silence();
    let _second = Running::start(&home, &["second"]);
    let is_alone = |answer: &Answer| {
        let begin = format!(
            "\nWRONG  seeds: it is one itself, and has no connection to another node; {first}: connection "
        );
        answer.status == 503 && answer.body.contains(&begin)
    };
    until(&at, "/ready", is_alone);
    let is_with_first = format!("\nok     seeds: connected to first at {first}\n");
    let up = Running::start(&home, &["first"]);
    until(&at, "/ready", |answer| answer.body.contains(&is_with_first));
    drop(up);
    until(&at, "/ready", is_alone);
    // It is the seed of others then.
    let _third = Running::start(&home, &["third"]);
    let is_seed = format!("\nok     seeds: it is one itself; {first}: connection ");
    until(&at, "/ready", |answer| answer.body.contains(&is_seed));
}

#[test]
fn the_metrics_are_those_of_the_documentation_and_a_peer_cannot_write_into_them() {
    let (home, at, seed) = home();
    let _seed = Running::start(&home, &["seed", "health", &at]);
    let hostile = r#"a"b\c{peer="x"}"#;
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = aemp::node().id(hostile).secret(SECRET).seed(&seed).start();
    let node = runtime.block_on(node).unwrap();
    runtime.block_on(node.joined()).unwrap();
    let peer = r#"node="seed",peer="a\"b\\c{peer=\"x\"}""#;
    let answer = until(&at, "/metrics", |answer| answer.body.contains("peer="));
    assert!(
        answer
            .head
            .contains("content-type: text/plain; version=0.0.4; charset=utf-8"),
        "{answer:?}"
    );
    assert!(
        answer
            .body
            .contains(&format!("\naemp_sent_bytes_total{{{peer}}} ")),
        "{answer:?}"
    );
    assert!(
        answer.body.contains("\naemp_links{node=\"seed\"} 1\n"),
        "{answer:?}"
    );

    // Each name has its help, its type and at least one value, but for the round trip, which may not have been measured.
    let page = include_str!("../../docs/observing.md");
    let section = page
        .split("\n## ")
        .find(|section| section.starts_with("Metrics"))
        .unwrap();
    let documented: Vec<&str> = section
        .split('`')
        .filter(|name| name.starts_with("aemp_"))
        .collect();
    assert!(documented.len() > 10, "{documented:?}");
    for name in &documented {
        for begin in [format!("# HELP {name} "), format!("# TYPE {name} ")] {
            let lines = answer.body.lines().filter(|line| line.starts_with(&begin));
            assert_eq!(lines.count(), 1, "{begin}");
        }
        let value = format!("\n{name}{{node=\"seed\"");
        assert!(
            answer.body.contains(&value) || name.contains("round_trip"),
            "{value}: {answer:?}"
        );
    }
    for line in answer.body.lines() {
        let name = line
            .trim_start_matches("# HELP ")
            .trim_start_matches("# TYPE ");
        let name = name.split([' ', '{']).next().unwrap();
        assert!(documented.contains(&name), "{line}");
        let value = line.rsplit(' ').next().unwrap();
        assert!(
            line.starts_with('#') || value.parse::<f64>().is_ok(),
            "{line}"
        );
    }

    // What is left of a peer that is gone is nothing.
    runtime.block_on(node.shutdown());
    until(&at, "/metrics", |answer| !answer.body.contains("peer="));
}

#[test]
fn who_means_no_good_gets_an_error_and_keeps_nobody_out() {
    let (home, at, _) = home();
    let _worker = Running::start(&home, &["worker"]);
    let status = |request: &str| http::ask(&at, request.as_bytes()).map(|answer| answer.status);
    assert_eq!(http::get(&at, "/").status, 404);
    assert_eq!(http::get(&at, "/live/../metrics").status, 404);
    assert_eq!(
        http::get(&at, "/secret").body,
        "there are /live, /ready and /metrics\n"
    );
    let wrong = http::ask(
        &at,
        b"POST /live HTTP/1.1\r\nhost: x\r\ncontent-length: 99999999999\r\n\r\nabc",
    )
    .unwrap();
    assert_eq!((wrong.status, &*wrong.body), (405, "/live takes GET\n"));
    assert!(wrong.head.contains("allow: get, head"), "{wrong:?}");
    let head = http::ask(&at, b"HEAD /live HTTP/1.1\r\nhost: x\r\n\r\n").unwrap();
    assert_eq!((head.status, &*head.body), (200, ""));
    // One request of a connection is answered.
    let two = "GET /live HTTP/1.1\r\nhost: x\r\n\r\n".repeat(2);
    let two = http::ask(&at, two.as_bytes()).unwrap();
    assert!(!two.body.contains("HTTP/1.1"), "{two:?}");
    assert_eq!(status("GET /live HTTP/1.0\r\n\r\n"), Ok(200));

    let long = format!("GET /live HTTP/1.1\r\nx: {}\r\n\r\n", "x".repeat(1 << 20));
    // Closed before it was read, so the answer may be lost on the way.
    assert!(matches!(status(&long), Ok(431) | Err(_)));
    let many = format!("GET /live HTTP/1.1\r\n{}\r\n", "x: y\r\n".repeat(1000));
    assert!(matches!(status(&many), Ok(431) | Err(_)));
    assert!(matches!(
        status("\0\u{1}\u{2}garbage\r\n\r\n"),
        Ok(400) | Err(_)
    ));
    assert!(matches!(
        status("aemp;1;x;hmac_sha3_512;json\n"),
        Ok(400) | Err(_)
    ));

    // Those who say nothing, or a byte now and then, hold places; a probe takes the place of the oldest.
    let idle: Vec<TcpStream> = (0..200).map(|_| TcpStream::connect(&at).unwrap()).collect();
    let begin = Instant::now();
    assert_eq!(http::get(&at, "/live").status, 200);
    assert!(
        begin.elapsed() < Duration::from_secs(4),
        "not after theirs are over"
    );
    let mut oldest = &idle[0];
    oldest.set_read_timeout(Some(LIMIT)).unwrap();
    assert!(matches!(oldest.read(&mut [0]), Ok(0) | Err(_)));
    let mut slow = TcpStream::connect(&at).unwrap();
    slow.set_read_timeout(Some(Duration::from_millis(200)))
        .unwrap();
    let begin = Instant::now();
    let ended = loop {
        let wrote = slow.write(b"G");
        match (wrote, slow.read(&mut [0; 64])) {
            (Err(_), _) | (_, Ok(_)) => break begin.elapsed(),
            (_, Err(error)) if error.kind() != std::io::ErrorKind::WouldBlock => {
                break begin.elapsed();
            }
            _ => assert!(begin.elapsed() < LIMIT, "it is ended"),
        }
    };
    assert!(ended < Duration::from_secs(20), "{ended:?}");
    drop(idle);
    assert_eq!(http::get(&at, "/live").status, 200);
}
