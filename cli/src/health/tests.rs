//! The health of nodes in this process.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use aemp::profile::Endpoint;
use aemp::{Context, LocalNode, Message, PortId};
use tokio::runtime::{Builder, Runtime};

use super::{Check, LIVE, Watcher, ask};

const TIMEOUT: Duration = Duration::from_secs(60);

/// A node of one shard on a runtime of one thread, a port of it that holds up both until it is told to go on, and the node's
/// endpoint.
struct Scene {
    node: LocalNode,
    port: PortId,
    go_on: mpsc::Sender<()>,
    at: Endpoint,
    _watcher: Watcher,
    _runtime: Runtime,
}

fn scene(interval: Duration) -> Scene {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    scene_at(listener, interval)
}

fn scene_at(listener: TcpListener, interval: Duration) -> Scene {
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.worker_threads(1).enable_all().build().unwrap();
    let builder = aemp::node().id("n");
    let builder = builder.configure(|config| config.shards = 1);
    let node = runtime.block_on(builder.start()).unwrap();
    let (go_on, wait) = mpsc::channel();
    let port = node.port(move |_: &mut Context<'_>, _: Message| {
        let _ = wait.recv_timeout(TIMEOUT);
    });
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap().to_string();
    let at = Endpoint::parse(&at).unwrap();
    Scene {
        _watcher: Watcher::start(&node, Some(listener), None, interval).unwrap(),
        node,
        port,
        go_on,
        at,
        _runtime: runtime,
    }
}

impl Scene {
    fn live(&self) -> Vec<Check> {
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(ask(&self.at, LIVE)).unwrap()
    }

    fn lines(&self) -> Vec<String> {
        self.live().iter().map(Check::to_string).collect()
    }

    fn is_live(&self) -> bool {
        Check::all_are_well(&self.live())
    }

    fn until(&self, what: &str, is_it: impl Fn() -> bool) {
        let deadline = Instant::now() + TIMEOUT;
        while !is_it() {
            assert!(Instant::now() < deadline, "{what}: {:?}", self.live());
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

#[test]
fn a_node_of_which_a_handler_blocks_all_threads_says_so_and_is_live_again_when_it_goes_on() {
    let scene = scene(Duration::from_millis(20));
    let well = ["ok     node: n runs", "ok     shards: all 1 turn"];
    assert_eq!(scene.lines(), well);
    scene.node.send(&scene.port, ());
    scene.until("it is blocked", || !scene.is_live());
    let lines = scene.lines();
    assert_eq!(lines[0], well[0]);
    let (begin, end) = ("WRONG  shards: shard 0 has done nothing for ", "ms, and ");
    assert!(
        lines[1].starts_with(begin) && lines[1].contains(end),
        "{lines:?}"
    );
    assert!(
        lines[1].ends_with(": a handler blocks, which the log names"),
        "{lines:?}"
    );
    scene.go_on.send(()).unwrap();
    scene.until("it turns again", || scene.is_live());
}

#[test]
fn a_node_that_gets_something_done_is_live_however_much_is_queued() {
    let interval = Duration::from_millis(200);
    let scene = scene(interval);
    let chunks = 7;
    for _ in 0..(chunks + 2) * 256 {
        scene.node.send(&scene.port, ());
    }
    let processed = || scene.node.stats().shards[0].processed;
    // Longer in all than a shard may do nothing.
    let begin = Instant::now();
    let mut rounds = 0;
    while begin.elapsed() < interval * 12 {
        let before = processed();
        (0..128).for_each(|_| scene.go_on.send(()).unwrap());
        std::thread::sleep(interval * 12 / (2 * chunks));
        assert!(scene.is_live(), "{:?}", scene.live());
        rounds += u32::from(processed() > before);
    }
    assert!(rounds > 0, "the queue was long");
}

#[test]
fn a_node_is_live_while_each_of_its_messages_takes_long() {
    let interval = Duration::from_millis(200);
    let scene = scene(interval);
    // The shard takes them together, and has processed none of them in its statistics before the last is done.
    (0..15).for_each(|_| scene.node.send(&scene.port, ()));
    for _ in 0..14 {
        std::thread::sleep(interval * 3 / 2);
        assert!(scene.is_live(), "{:?}", scene.live());
        scene.go_on.send(()).unwrap();
    }
    scene.go_on.send(()).unwrap();
}

#[test]
fn a_request_that_has_come_is_answered_however_many_come_at_once() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = listener.local_addr().unwrap();
    let mut probe = TcpStream::connect(at).unwrap();
    probe
        .write_all(b"GET /live HTTP/1.1\r\nhost: x\r\n\r\n")
        .unwrap();
    // More than have a place wait behind it when the endpoint begins.
    let _others: Vec<TcpStream> = (0..100).map(|_| TcpStream::connect(at).unwrap()).collect();
    let _scene = scene_at(listener, Duration::from_millis(20));
    probe.set_read_timeout(Some(TIMEOUT)).unwrap();
    let mut answer = String::new();
    probe.read_to_string(&mut answer).unwrap();
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer:?}");
}

#[test]
fn a_check_is_read_as_it_is_written_and_stays_one_line() {
    let checks = [
        Check::new("node", Ok("seed runs".into())),
        Check::new("seeds", Err("a:1: refused: by \u{e9}".into())),
    ];
    for check in checks {
        assert_eq!(Check::read(&check.to_string()), Some(check));
    }
    let hostile = Check::new("seeds", Err("a\nok     seeds: all is well\u{1b}[2J".into()));
    assert_eq!(
        hostile.to_string(),
        r"WRONG  seeds: a\nok     seeds: all is well\u{1b}[2J"
    );
    for line in ["", "ok", "fine   node: yes", "ok     node"] {
        assert_eq!(Check::read(line), None, "{line}");
    }
}
