//! What the command costs: the time of a call from start to end, and how busy `top` is with 1,000 links. Of the real
//! binary, built as the bench is. The part with `top` needs tmux.

#![allow(clippy::unwrap_used)]

#[path = "../tests/common/mod.rs"]
mod common;

use std::fs;
use std::process::Command;
use std::time::{Duration, Instant};

use aemp::LocalNode;
use common::running::{Running, SECRET};
use common::{Home, Terminal};

const RUNS: usize = 21;
const LINKS: usize = 1000;
const WATCHED: Duration = Duration::from_secs(20);

fn main() {
    let home = Home::new();
    let secret = home.write("secret", SECRET);
    home.aemp(&["--secret-file", &secret, "setsecret"])
        .succeeds_in_silence();
    let seed = Running::start(&home, &["nodeid", "seed", "binds", "127.0.0.1:0"]);
    home.aemp(&["seeds", &seed.address]).succeeds_in_silence();

    // Interleaved, so that what else the machine does falls on both.
    let lines: [(&[&str], f64); 2] = [(&["--version"], 10.0), (&["cal", "seed", "time"], 100.0)];
    let mut times = [Vec::new(), Vec::new()];
    for _ in 0..RUNS {
        for ((line, _), times) in lines.iter().zip(&mut times) {
            let start = Instant::now();
            home.aemp(line).succeeds();
            times.push(start.elapsed().as_secs_f64() * 1e3);
        }
    }
    for ((line, goal), mut times) in lines.iter().zip(times) {
        times.sort_by(f64::total_cmp);
        let (median, last) = (times[RUNS / 2], times[RUNS - 1]);
        let line = line.join(" ");
        println!(
            "aemp {line}: {median:.1} ms, at most {last:.1} ms of {RUNS} (goal: under {goal} ms)"
        );
    }
    top(&home, &seed);
}

/// How busy `top` is, and the node that it asks, at a node with so many links.
fn top(home: &Home, seed: &Running) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let nodes = runtime.block_on(links(&seed.address));
    let terminal = Terminal::aemp(home, &["top", "seed"]);
    terminal.shows(&format!("{} links", LINKS + 1));
    let process = terminal.process();
    let busy = || [process, seed.process.id()].map(cpu_seconds);
    let (start, before) = (Instant::now(), busy());
    std::thread::sleep(WATCHED);
    let (seconds, after) = (start.elapsed().as_secs_f64(), busy());
    let share = |at: usize| 100.0 * (after[at] - before[at]) / seconds;
    println!(
        "aemp top, {LINKS} links, one update a second: {:.1} % of a core (goal: under 5 %), the node that is asked {:.1} %",
        share(0),
        share(1)
    );
    drop(nodes);
}

/// So many nodes of this process, connected to the one at `address`.
async fn links(address: &str) -> Vec<LocalNode> {
    let mut nodes = Vec::new();
    for n in 0..LINKS {
        let node = aemp::node().id(format!("peer{n}")).secret(SECRET);
        let node = node.seed(address).start().await.unwrap();
        node.joined().await.unwrap();
        nodes.push(node);
    }
    nodes
}

/// What a process has used of the processors.
fn cpu_seconds(process: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap();
    // Behind the name, which may hold anything: fields 14 and 15 of proc(5).
    let fields = stat.rsplit_once(") ").unwrap().1;
    let ticks = |at: usize| {
        fields
            .split(' ')
            .nth(at - 3)
            .unwrap()
            .parse::<f64>()
            .unwrap()
    };
    let hertz = Command::new("getconf").arg("CLK_TCK").output().unwrap();
    let hertz: f64 = String::from_utf8(hertz.stdout)
        .unwrap()
        .trim()
        .parse()
        .unwrap();
    (ticks(14) + ticks(15)) / hertz
}
