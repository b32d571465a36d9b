//! A job that ends well although its workers do not: three child processes count primes and are killed at random. A
//! supervisor starts them again, monitors tell which work is lost, and every result is counted once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{IsTerminal, Write};
use std::process::Stdio;
use std::time::{Duration, SystemTime};

use aemp::{
    Context, LocalNode, Message, Notify, Port, PortId, Reason, Supervision, reason, routes,
};
use tokio::process::Command;
use tokio::sync::mpsc;

const SECRET: &str = "correct horse battery staple";
const MANAGER: &str = "jobs#manager";
const WORKERS: usize = 3;
const TASKS: u64 = 60;
/// How many numbers a task looks at.
const NUMBERS: u64 = 20_000;

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    match std::env::args().nth(1) {
        Some(seed) => work(&seed).await,
        None => manage().await,
    }
}

/// The first process: hands out tasks and kills those who do them.
async fn manage() -> Result<(), Box<dyn std::error::Error>> {
    let node = aemp::node()
        .id("jobs")
        .secret(SECRET)
        .bind("127.0.0.1:0")
        .start()
        .await?;
    let (progress, mut changes) = mpsc::unbounded_channel();
    let manager = Manager::new(progress);
    node.port_of_named("manager", manager)?;

    let at = node.addresses()[0].to_string();
    let mut team = Supervision::one_for_one().restart_limit(1000, Duration::from_secs(60));
    team = team.backoff(Duration::from_millis(50), Duration::from_millis(50));
    for n in 0..WORKERS {
        let at = at.clone();
        team = team.child(format!("worker {n}"), move |node| {
            node.port_of(process(&at))
        });
    }
    let team = node.supervise(team);

    let mut chaos = tokio::time::interval(Duration::from_millis(300));
    let (mut state, mut kills) = (State::default(), 0);
    while (state.done as u64) < TASKS {
        tokio::select! {
            change = changes.recv() => state = change.ok_or("the manager died")?,
            _ = chaos.tick(), if state.done > 0 => {
                let victim = SystemTime::UNIX_EPOCH.elapsed()?.subsec_micros() as usize % WORKERS;
                if let Some(process) = team.child(&format!("worker {victim}")) {
                    node.kill(&process, reason!["killed at random"]);
                    kills += 1;
                }
            }
        }
        show(&state, kills);
    }
    team.stop().await;
    println!(
        "\n{TASKS} results, each counted once: {} primes below {}",
        state.primes,
        TASKS * NUMBERS
    );
    println!(
        "{kills} workers killed; {} tasks were lost with them and repeated",
        state.lost
    );
    let expected: u64 = (0..TASKS).map(primes).sum();
    if state.primes != expected {
        return Err(format!("expected {expected} primes").into());
    }
    Ok(())
}

/// How the job stands.
#[derive(Debug, Clone, Default)]
struct State {
    workers: usize,
    done: usize,
    primes: u64,
    lost: usize,
}

fn show(state: &State, kills: usize) {
    // A log gets no bar.
    if std::io::stdout().is_terminal() {
        let bar = state.done * 40 / TASKS as usize;
        print!(
            "\r[{:<40}] {} of {TASKS}, {} workers, {kills} killed, {} tasks lost ",
            "#".repeat(bar),
            state.done,
            state.workers,
            state.lost
        );
        let _ = std::io::stdout().flush();
    }
}

/// The port that hands out tasks and collects results. It gets `("ready", WORKER)`, `("result", TASK, COUNT, WORKER)`,
/// and, from its monitors, `("gone", WORKER, REASON...)`.
struct Manager {
    waiting: VecDeque<u64>,
    /// What each worker is at.
    given: BTreeMap<PortId, BTreeSet<u64>>,
    results: BTreeMap<u64, u64>,
    lost: usize,
    progress: mpsc::UnboundedSender<State>,
}

impl Manager {
    fn new(progress: mpsc::UnboundedSender<State>) -> Self {
        Self {
            waiting: (0..TASKS).collect(),
            given: BTreeMap::new(),
            results: BTreeMap::new(),
            lost: 0,
            progress,
        }
    }

    /// Every worker gets two tasks, so that it need not wait for the next.
    fn hand_out(&mut self, cx: &Context<'_>) {
        for (worker, tasks) in &mut self.given {
            while tasks.len() < 2
                && let Some(task) = self.waiting.pop_front()
            {
                tasks.insert(task);
                cx.send(worker, ("task", task));
            }
        }
    }
}

impl Port for Manager {
    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        match message.tag().as_deref() {
            Some("ready") => {
                let (worker,): (PortId,) = message.parse_args()?;
                let me = cx.id();
                cx.monitor(&worker, Notify(&me, ("gone", &worker)));
                self.given.insert(worker, BTreeSet::new());
            }
            Some("result") => {
                let (task, count, worker): (u64, u64, PortId) = message.parse_args()?;
                if self
                    .given
                    .get_mut(&worker)
                    .is_some_and(|tasks| tasks.remove(&task))
                {
                    self.results.insert(task, count);
                }
            }
            _ => {
                // All that the worker sent before came before this; what it had not done is to be done again.
                let values = message.into_values()?;
                let worker = values
                    .get(1)
                    .and_then(|worker| worker.as_str()?.parse().ok());
                let tasks = worker.and_then(|worker: PortId| self.given.remove(&worker));
                let tasks = tasks.unwrap_or_default();
                self.lost += tasks.len();
                self.waiting.extend(tasks);
            }
        }
        self.hand_out(cx);
        let state = State {
            workers: self.given.len(),
            done: self.results.len(),
            primes: self.results.values().sum(),
            lost: self.lost,
        };
        // Nobody listens any more once all is done.
        let _ = self.progress.send(state);
        Ok(())
    }
}

/// A port that is a worker's process: it dies with the process, and the process with it.
fn process(at: &str) -> impl Port + use<> {
    let at = at.to_owned();
    routes().on_start(move |cx| {
        cx.spawn(async move {
            let mut process = Command::new(std::env::current_exe()?)
                .arg(at)
                .stdin(Stdio::null())
                .kill_on_drop(true)
                .spawn()?;
            let status = process.wait().await?;
            Err::<(), Reason>(reason!["exited", status.to_string()])
        });
    })
}

/// The other processes: do tasks until the first is gone.
async fn work(seed: &str) -> Result<(), Box<dyn std::error::Error>> {
    let node = aemp::node().secret(SECRET).seed(seed).start().await?;
    node.joined().await?;
    let manager: PortId = MANAGER.parse()?;
    let gone = node.gone(&manager);
    let worker = worker(&node, &manager);
    node.send(&manager, ("ready", worker));
    gone.await;
    Ok(())
}

fn worker(node: &LocalNode, manager: &PortId) -> PortId {
    let manager = manager.clone();
    node.port_of(routes().on("task", move |cx, (task,): (u64,)| {
        let (node, me, manager) = (cx.node(), cx.id(), manager.clone());
        // Handlers must not block.
        cx.spawn(async move {
            let count = tokio::task::spawn_blocking(move || primes(task)).await?;
            node.send(&manager, ("result", task, count, me));
            Ok::<(), Reason>(())
        });
    }))
}

/// How many primes are among the numbers of a task.
fn primes(task: u64) -> u64 {
    let is_prime = |n: &u64| {
        *n > 1
            && (2..)
                .take_while(|d| d * d <= *n)
                .all(|d| !n.is_multiple_of(d))
    };
    let numbers = task * NUMBERS..(task + 1) * NUMBERS;
    numbers.filter(is_prime).count() as u64
}
