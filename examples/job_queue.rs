//! A job queue whose every part may die: a broker, workers, and a client in Python that speaks JSON by a socket. Workers are
//! killed with -9 all the time, the broker too, once, with all that it knew. Every job is counted once.
//!
//! How each finds its way back: a worker monitors the broker's port and reports again when the monitor fires. The broker
//! monitors its workers and gives their jobs to others. The client's connection ends, and it submits again what was not
//! answered. A job has an ID, so one that is done twice counts once.
//!
//! Needs python3.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::net::{SocketAddr, TcpListener};
use std::process::Stdio;
use std::time::Duration;

use aemp::{Context, PortId, PortRef, Reason, Tell, TypedPort};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

type Failure = Box<dyn std::error::Error>;

const SECRET: &str = "correct horse battery staple";
const JOBS: u64 = 60;
const WORKERS: usize = 3;
/// The number of results after which the broker is killed. A worker is killed after every fifth.
const BROKER_DIES_AT: u64 = 30;

/// What the broker understands.
#[derive(Serialize, Deserialize)]
enum Queue {
    /// From clients: how many primes are below a number? The result goes to `to`, as `["Done", ID, PRIMES]`.
    Submit { id: u64, below: u64, to: PortId },
    /// From a worker that has time.
    Ready(PortRef<Task>),
    /// From a worker, which has time again.
    Done {
        id: u64,
        primes: u64,
        worker: PortRef<Task>,
    },
    /// From the broker's own monitors.
    Gone(PortRef<Task>),
}

/// What a worker understands.
#[derive(Serialize, Deserialize)]
enum Task {
    Count { id: u64, below: u64 },
}

/// What the port of a client understands.
#[derive(Serialize, Deserialize)]
enum Answer {
    Done(u64, u64),
}

#[tokio::main]
async fn main() -> Result<(), Failure> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["broker", address] => broker(address).await,
        ["worker", name, address] => worker(name, address).await,
        _ => disturb().await,
    }
}

/// The first process: starts the others and kills them.
async fn disturb() -> Result<(), Failure> {
    let address = free_address()?;
    let at = address.to_string();
    let start = |arguments: &[&str]| this_program()?.args(arguments).spawn();
    let mut broker = start(&["broker", &at])?;
    let names: Vec<String> = (0..WORKERS).map(|n| format!("worker-{n}")).collect();
    let mut workers = Vec::new();
    for name in &names {
        workers.push(start(&["worker", name, &at])?);
    }
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/job_queue.py");
    let (host, port, jobs) = (
        address.ip().to_string(),
        address.port().to_string(),
        JOBS.to_string(),
    );
    let mut client = Command::new("python3")
        .args([script, &host, &port, &jobs])
        .env("AEMP_SECRET", SECRET)
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("python3: {error}"))?;

    let output = client.stdout.take().ok_or("the client has no output")?;
    let mut lines = BufReader::new(output).lines();
    let (mut told, mut killed) = (String::new(), BTreeSet::new());
    while let Some(line) = lines.next_line().await? {
        // A count comes again where a job was done twice.
        let done = line.strip_suffix(" jobs are done").map(str::parse::<u64>);
        match done.transpose()? {
            Some(BROKER_DIES_AT) if killed.insert(BROKER_DIES_AT) => {
                kill(&mut broker).await?;
                broker = start(&["broker", &at])?;
            }
            Some(done) if done % 5 == 0 && killed.insert(done) => {
                let victim = killed.len() % WORKERS;
                kill(&mut workers[victim]).await?;
                workers[victim] = start(&["worker", &names[victim], &at])?;
            }
            Some(_) => {}
            None => told = line,
        }
    }
    println!("{told}");
    println!("{} processes killed, the broker among them", killed.len());
    let expected: u64 = (0..JOBS).map(|job| primes(1000 + 500 * job)).sum();
    let expected = format!("{JOBS} jobs, {expected} primes, ");
    if !killed.contains(&BROKER_DIES_AT) || !told.starts_with(&expected) {
        return Err(format!("expected {expected:?}").into());
    }
    Ok(())
}

/// An address for the broker, which has to come back where it was. Not of the ports that connections are made from: while the
/// broker is away, a process that dials such a port may meet itself.
fn free_address() -> Result<SocketAddr, Failure> {
    let first = 20_000 + (std::process::id() % 10_000) as u16;
    let mut ports = first..first + 1000;
    let free = ports.find_map(|port| TcpListener::bind(("127.0.0.1", port)).ok());
    Ok(free.ok_or("no free port")?.local_addr()?)
}

fn this_program() -> std::io::Result<Command> {
    let mut command = Command::new(std::env::current_exe()?);
    command.kill_on_drop(true);
    Ok(command)
}

/// Kills a process as `kill -9` does.
async fn kill(process: &mut Child) -> std::io::Result<()> {
    process.kill().await
}

async fn broker(address: &str) -> Result<(), Failure> {
    let node = aemp::node()
        .id("broker")
        .secret(SECRET)
        .bind(address)
        .start()
        .await?;
    let _jobs = node.typed_port_of_named("jobs", Broker::default())?;
    std::future::pending().await
}

/// The broker's port. A broker that comes back knows nothing: it is told again.
#[derive(Default)]
struct Broker {
    waiting: VecDeque<Job>,
    idle: Vec<PortRef<Task>>,
    busy: BTreeMap<PortRef<Task>, Job>,
    results: BTreeMap<u64, u64>,
}

struct Job {
    id: u64,
    below: u64,
    to: PortRef<Answer>,
}

impl Broker {
    fn hand_out(&mut self, cx: &Context<'_>) {
        while !self.idle.is_empty()
            && let Some(job) = self.waiting.pop_front()
            && let Some(worker) = self.idle.pop()
        {
            let Job { id, below, .. } = job;
            cx.tell(&worker, Task::Count { id, below });
            self.busy.insert(worker, job);
        }
    }

    fn has(&self, id: u64) -> bool {
        self.waiting
            .iter()
            .chain(self.busy.values())
            .any(|job| job.id == id)
    }
}

impl TypedPort for Broker {
    type Message = Queue;

    fn receive(&mut self, cx: &mut Context<'_>, message: Queue) -> Result<(), Reason> {
        match message {
            Queue::Submit { id, below, to } => {
                let to = PortRef::unchecked(to);
                match self.results.get(&id) {
                    Some(primes) => cx.tell(&to, Answer::Done(id, *primes)),
                    None if self.has(id) => {}
                    None => self.waiting.push_back(Job { id, below, to }),
                }
            }
            Queue::Ready(worker) => {
                let (me, lost) = (PortRef::unchecked(cx.id()), worker.clone());
                cx.monitor(worker.id(), Tell(&me, |_| Queue::Gone(lost)));
                self.idle.retain(|idle| *idle != worker);
                self.idle.push(worker);
            }
            Queue::Done { id, primes, worker } => {
                self.results.insert(id, primes);
                // A worker may still be at what the broker before this one gave it: the job waits here meanwhile, or is
                // another worker's, who will be done with it as well.
                let job = match self.busy.get(&worker) {
                    Some(job) if job.id == id => {
                        self.idle.push(worker.clone());
                        self.busy.remove(&worker)
                    }
                    _ => {
                        let at = self.waiting.iter().position(|job| job.id == id);
                        at.and_then(|at| self.waiting.remove(at))
                    }
                };
                if let Some(job) = job {
                    cx.tell(&job.to, Answer::Done(id, primes));
                }
            }
            Queue::Gone(worker) => {
                self.idle.retain(|idle| *idle != worker);
                self.waiting.extend(self.busy.remove(&worker));
            }
        }
        self.hand_out(cx);
        Ok(())
    }
}

async fn worker(name: &str, address: &str) -> Result<(), Failure> {
    let node = aemp::node()
        .id(name)
        .secret(SECRET)
        .seed(address)
        .start()
        .await?;
    let queue: PortRef<Queue> = PortRef::unchecked("broker#jobs".parse()?);
    let to = queue.clone();
    let me = node.typed_port(move |cx, Task::Count { id, below }| {
        let (node, to, worker) = (cx.node(), to.clone(), PortRef::unchecked(cx.id()));
        // It counts beside the shard, which has other ports to run.
        cx.spawn(async move {
            let primes = tokio::task::spawn_blocking(move || primes(below)).await?;
            node.tell(&to, Queue::Done { id, primes, worker });
            Ok::<_, tokio::task::JoinError>(())
        });
    });
    loop {
        // It fires when the broker has died, and when messages to it may have been lost. Set before the worker reports, so
        // that it is on the broker that hears of it.
        let gone = node.gone(queue.id());
        node.tell(&queue, Queue::Ready(me.clone()));
        let reason = gone.await;
        eprintln!("{name}: {reason}; reporting again");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

fn primes(below: u64) -> u64 {
    let is_prime = |n: &u64| {
        (2..*n)
            .take_while(|d| d * d <= *n)
            .all(|d| !n.is_multiple_of(d))
    };
    (2..below).filter(is_prime).count() as u64
}
