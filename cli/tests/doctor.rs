//! `doctor` is right: it finds what `run` fails of, and what it says to type is about what is wrong.

#![allow(clippy::unwrap_used)]

mod common;

use std::io::{self, Read, Write, copy};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::process::Stdio;
use std::thread;

use aemp::Address;
use aemp::transport::{Listener, SocketConfig, Stream, Transport};
use common::Home;
use common::lines::Lines;
use common::running::{Running, SECRET, free_port, network};

/// The lines of one finding.
fn finding<'a>(found: &'a str, begin: &str) -> Vec<&'a str> {
    let lines = found.lines().skip_while(|line| !line.starts_with(begin));
    let mut lines = lines.peekable();
    let first = lines.next();
    let advice = lines.next_if(|line| line.starts_with("       "));
    first.into_iter().chain(advice).collect()
}

#[test]
fn a_port_in_use_is_well_only_where_the_profiles_own_node_has_it() {
    let (home, [seed, _worker, _json]) = network();
    let at = &seed.address;
    let (_, port) = at.rsplit_once(':').unwrap();
    home.aemp(&["profile", "third", "nodeid", "third", "binds", at])
        .succeeds_in_silence();
    let in_use = format!(
        "port {port} on 127.0.0.1 is in use by another program: choose another, or stop that one"
    );
    let run = home.aemp(&["run", "third"]).fails(1).err;
    assert_eq!(run, format!("error: cannot listen on {at}: {in_use}\n"));
    let found = home.aemp(&["profile", "third", "doctor"]).succeeds_with(1);
    assert_eq!(
        finding(&found.out, "WRONG"),
        [
            format!("WRONG  bind {at}: {in_use}; it is the node seed").as_str(),
            "       choose another port with \"aemp profile third setbinds HOST:PORT\", or stop what listens there",
        ]
    );
    assert_eq!(found.err, "error: one thing is wrong\n");
    // The node that runs is the profile's. Where IDs have a random word it is another of the profile, which takes the port as well.
    home.aemp(&["profile", "same", "nodeid", "seed", "binds", at])
        .succeeds_in_silence();
    let found = home.aemp(&["profile", "same", "doctor"]).succeeds().out;
    let line = format!("ok     bind {at} is in use, by seed, a node of this profile\n");
    assert!(found.contains(&line), "{found}");
    home.aemp(&["profile", "same", "nodeid", "se%u", "binds", at])
        .succeeds_in_silence();
    let found = home.aemp(&["profile", "same", "doctor"]).succeeds_with(1);
    let line = format!("WRONG  bind {at}: {in_use}; it is the node seed");
    assert!(found.out.contains(&line), "{}", found.out);
    // What is no node is another program.
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = other.local_addr().unwrap().to_string();
    home.aemp(&["profile", "third", "binds", &at])
        .succeeds_in_silence();
    let accept = thread::spawn(move || drop(other.accept()));
    let found = home
        .aemp(&["profile", "third", "doctor"])
        .succeeds_with(1)
        .out;
    let line = format!(
        "WRONG  bind {at}: port {} on 127.0.0.1 is in use by another program: choose another, or stop that one\n",
        at.rsplit_once(':').unwrap().1
    );
    assert!(found.contains(&line), "{found}");
    accept.join().unwrap();
}

#[test]
fn the_living_node_that_has_the_id_is_found() {
    let (home, [_seed, worker, json]) = network();
    let found = home.aemp(&["profile", "worker", "doctor"]).succeeds().out;
    let line = format!(
        "ok     the node worker runs already on this machine, at {}; a second one is refused while it does\n",
        worker.address
    );
    assert!(found.contains(&line), "{found}");
    drop(json);
    let found = home.aemp(&["profile", "json", "doctor"]).succeeds().out;
    assert!(!found.contains("runs already"), "{found}");
    let (at, _node) = afar();
    home.aemp(&["profile", "afar", "nodeid", "afar", "seeds", &at])
        .succeeds_in_silence();
    let found = home
        .aemp(&["profile", "afar", "doctor"])
        .succeeds_with(1)
        .out;
    assert_eq!(
        finding(&found, "WRONG"),
        [
            "WRONG  the node afar: runs already, and not on this machine, at 198.51.100.77:4040: a second one is refused",
            "       give each an ID of its own: \"aemp profile afar nodeid NAME\", or one that ends in / for a random word",
        ]
    );
}

#[test]
fn the_certificate_and_secure_are_looked_at() {
    let (home, _nodes) = network();
    let doctor = |name: &str, code| {
        home.aemp(&["profile", name, "doctor"])
            .succeeds_with(code)
            .out
    };
    home.aemp(&["profile", "open", "binds", "0.0.0.0:0", "secure", "on"])
        .succeeds_in_silence();
    let found = doctor("open", 0);
    for line in [
        "ok     the certificate is not set: nothing is encrypted after the opening\n",
        "ok     secure is on: no peer calls or spawns anything here\n",
    ] {
        assert!(found.contains(line), "{found}");
    }
    // What run fails of.
    home.aemp(&[
        "profile",
        "tls",
        "auth_accept",
        "tls_sha3_512",
        "profile",
        "none",
        "services",
        "my::thing",
    ])
    .succeeds_in_silence();
    for (name, why) in [
        (
            "tls",
            "auth_accept is configured, and cannot be had: all of its methods need TLS",
        ),
        ("none", "this program has no service \"my::thing\""),
    ] {
        let found = doctor(name, 1);
        assert!(
            found.contains(&format!("WRONG  the configuration: {why}")),
            "{found}"
        );
        let run = home.aemp(&["run", name]).fails(1).err;
        assert!(run.contains(why), "{run}");
    }
    // One that cannot be used is a finding, and not the end.
    let broken = home
        .file()
        .to_string()
        .replacen("{", r#"{"cert": "-----BEGIN", "#, 1);
    home.write("config", &broken);
    let found = doctor("worker", 1);
    assert_eq!(found.matches("WRONG").count(), 1, "{found}");
    assert!(found.contains("WRONG  the certificate: "), "{found}");
    let advice = "       another is needed, and no seed is tried with this one: \"aemp profile worker gencert\"";
    assert!(found.contains(advice), "{found}");
}

/// TCP whose nodes publish an address of another machine, as a node there does.
struct Elsewhere;

/// A listener of it.
struct There(Box<dyn Listener>);

#[async_trait::async_trait]
impl Transport for Elsewhere {
    fn scheme(&self) -> &str {
        "tcp"
    }
    async fn listen(&self, at: &Address, options: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        let listener = aemp::Tcp::new().listen(at, options).await?;
        Ok(Box::new(There(listener)))
    }
    async fn connect(&self, to: &Address, options: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        aemp::Tcp::new().connect(to, options).await
    }
}

#[async_trait::async_trait]
impl Listener for There {
    fn addresses(&self) -> Vec<Address> {
        // TEST-NET-2: no machine has it.
        vec!["198.51.100.77:4040".parse().unwrap()]
    }
    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        self.0.accept().await
    }
}

/// A node called `afar` that publishes such an address, and where it is reached.
fn afar() -> (String, (tokio::runtime::Runtime, aemp::LocalNode)) {
    let at = format!("127.0.0.1:{}", free_port());
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let node = aemp::node().id("afar").secret(SECRET).transport(Elsewhere);
    let node = runtime.block_on(node.bind(&at).start()).unwrap();
    (at, (runtime, node))
}

/// Passes one connection after the other on.
fn proxy(to: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    pass_on(listener, to);
    at
}

/// Passes what comes to `listener` on to `to`.
fn pass_on(listener: TcpListener, to: String) {
    thread::spawn(move || {
        for accepted in listener.incoming().map_while(Result::ok) {
            let onward = TcpStream::connect(&to).unwrap();
            let pass = |mut from: TcpStream, mut to: TcpStream| {
                thread::spawn(move || {
                    let _ = copy(&mut from, &mut to);
                    let _ = to.shutdown(Shutdown::Write);
                })
            };
            pass(accepted.try_clone().unwrap(), onward.try_clone().unwrap());
            pass(onward, accepted);
        }
    });
}

#[test]
fn through_a_proxy_that_is_advertised_commands_reach_a_node_and_without_the_check_they_do_as_well()
{
    let home = Home::with_secret();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap().to_string();
    home.aemp(&["profile", "seed", "nodeid", "seed", "binds", "127.0.0.1:0"])
        .succeeds_in_silence();
    home.aemp(&["profile", "seed", "services", r#"["aemp::echo"]"#])
        .succeeds_in_silence();
    home.aemp(&["profile", "seed", "advertise", &at])
        .succeeds_in_silence();
    home.aemp(&["profile", "p", "nodeid", "p", "binds", "[]", "seeds", &at])
        .succeeds_in_silence();
    let seed = Running::start(&home, &["seed"]);
    pass_on(listener, seed.address.clone());
    for words in [["advertise", "127.0.0.1:1"], ["check_peeraddr", "off"]] {
        let refused = home.aemp(&["profile", "p", "doctor"]).succeeds_with(1).out;
        assert!(refused.contains("something stands between"), "{refused}");
        home.aemp(&[&["profile", "p"][..], &words].concat())
            .succeeds_in_silence();
        let found = home.aemp(&["profile", "p", "doctor"]).succeeds().out;
        assert!(found.contains("lets us in: node seed"), "{found}");
        let echoed = home.aemp(&["profile", "p", "cal", "seed#echo", "hi"]);
        assert_eq!(echoed.succeeds().out, "\"hi\"\n");
        let set = format!("del{}", words[0]);
        home.aemp(&["profile", "p", &set]).succeeds_in_silence();
    }
    let listed = home.aemp(&["profile", "p", "check_peeraddr", "off", "directory", "'l"]);
    let listed = listed.succeeds().out;
    assert!(
        listed.contains(&at) && !listed.contains(&seed.address),
        "{listed}"
    );
}

#[test]
fn what_is_said_of_a_seed_is_about_what_is_wrong_with_it() {
    let (home, [seed, _worker, _json]) = network();
    let advice = |seed: &str| {
        home.aemp(&["profile", "p", "seeds", seed])
            .succeeds_in_silence();
        let found = home.aemp(&["profile", "p", "doctor"]).succeeds_with(1).out;
        let lines = finding(&found, "WRONG");
        (lines[0].to_owned(), lines[1].to_owned())
    };
    let at = proxy(seed.address.clone());
    let (wrong, then) = advice(&at);
    assert!(
        wrong.contains("something stands between the two"),
        "{wrong}"
    );
    assert_eq!(
        then,
        "       a proxy, a tunnel or a router that translates addresses passes the connection on: use the seed's own address; \
         where it has to go through it, both ends name the address outside, \"aemp profile p advertise HOST:PORT\", or compare \
         none, \"aemp profile p check_peeraddr off\""
    );
    let web = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = web.local_addr().unwrap().to_string();
    thread::spawn(move || {
        for mut stream in web.incoming().map_while(Result::ok) {
            let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n\r\n");
            let _ = stream.read(&mut [0; 1000]);
        }
    });
    let (wrong, then) = advice(&at);
    assert!(wrong.contains("the peer does not speak AEMP"), "{wrong}");
    assert_eq!(
        then,
        "       what listens there is no AEMP node: is that the seed's port?"
    );
    home.aemp(&["profile", "p", "framing_format", "cbor"])
        .succeeds_in_silence();
    let text = Running::start(&home, &["nodeid", "text", "framing_format", "json"]);
    let (wrong, then) = advice(&text.address);
    assert!(wrong.contains("no codec in common"), "{wrong}");
    assert_eq!(
        then,
        "       let both have a codec in common: \"aemp profile p framing_format cbor,json\""
    );
    // As it stands in the file.
    home.write(
        "config",
        &home.read("config").replace(&text.address, "seed"),
    );
    let found = home.aemp(&["profile", "p", "doctor"]).succeeds_with(1).out;
    assert_eq!(
        finding(&found, "WRONG"),
        [
            "WRONG  seed seed: \"seed\" has no port: write the one that the peer listens on",
            "       \"aemp profile p setseeds HOST:PORT\"",
        ]
    );
}

#[test]
fn the_star_and_loopback_are_explained_in_the_same_words_everywhere() {
    const WORDS: &str = "binds to * leave out loopback";
    let home = Home::new();
    let explained = home.aemp(&["explain", "127.0.0.1:1"]).succeeds_with(4).out;
    assert_eq!(
        explained,
        format!(
            "FAILED  connect: connection refused: nothing listens on port 1 of 127.0.0.1; {WORDS}\n"
        )
    );
    for name in ["binds", "setbinds"] {
        let help = home.aemp(&["help", name]).succeeds().out;
        let about = format!("Set binds: Addresses to listen on, * for every interface; {WORDS}.\n");
        assert!(help.starts_with(&about), "{help}");
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for (file, words) in [
        ("README.md", WORDS),
        (
            "core/src/node/builder.rs",
            "Binds to `*` leave out loopback",
        ),
        ("docs/operating.md", "binds to `*` leave out loopback"),
    ] {
        let text = std::fs::read_to_string(root.join(file)).unwrap();
        assert!(text.contains(words), "{file}");
    }
}

#[test]
fn a_fresh_seed_that_dials_itself_warns_of_nothing() {
    let home = Home::new();
    let secret = home.write("secret", SECRET);
    let at = format!("127.0.0.1:{}", free_port());
    home.aemp(&[
        "--secret-file",
        &secret,
        "setsecret",
        "nodeid",
        "seed",
        "binds",
        &at,
        "seeds",
        &at,
    ])
    .succeeds_in_silence();
    let mut command = home.command(&["run"]);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command.env("RUST_LOG", "info").env("NO_COLOR", "1");
    let mut process = command.spawn().unwrap();
    let lines = Lines::of(process.stderr.take().unwrap());
    let mut seed = Running {
        process,
        lines,
        address: at.clone(),
    };
    let quiet = |line: &str| {
        assert!(
            !line.contains("WARN") && !line.contains("refused"),
            "{line}"
        )
    };
    let itself = seed.line(|line| {
        quiet(line);
        line.contains("the seed is this node itself")
    });
    assert!(itself.contains(" INFO "), "{itself}");
    // The other end has told what it has to by then.
    home.aemp(&["cal", "seed", "time"]).succeeds();
    seed.signal("-TERM");
    assert_eq!(seed.end(), Some(0));
    seed.lines.so_far().for_each(|line| quiet(&line));
}
