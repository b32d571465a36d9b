//! The processes of a schedule: production nodes over the simulated network, and the ports of the workload.

use std::collections::BTreeMap;
use std::panic;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime};

use aemp::{Context, LocalNode, NodeEvent, NodeId, Notify, PortId, Reason, Routes, reason, routes};

use crate::model::{Model, Process, StreamId};
use crate::network::Network;
use crate::random::Random;
use crate::wire::Health;

pub(crate) const SECRET: &str = "correct horse battery staple";

/// So long may a peer be silent. Simulated seconds cost nothing, but what happens in them does.
pub(crate) const MONITOR_TIMEOUT: Duration = Duration::from_secs(2);

/// What the ports and the schedule share.
#[derive(Clone)]
pub(crate) struct World {
    pub(crate) network: Network,
    model: Arc<Mutex<Model>>,
}

impl World {
    pub(crate) fn new(network: Network) -> Self {
        let model = Arc::new(Mutex::new(Model::new(network.clone())));
        Self { network, model }
    }

    pub(crate) fn model(&self) -> MutexGuard<'_, Model> {
        self.model.lock().unwrap()
    }
}

/// The text of a message, which the network finds on the wire.
pub(crate) fn marker(stream: StreamId, n: u64) -> String {
    format!("~{stream}.{n}~")
}

/// What has a port end by itself.
pub(crate) const DIE: &str = "die";
pub(crate) const PANIC: &str = "panic";

/// One life of a node.
pub(crate) struct Life {
    pub(crate) process: Process,
    pub(crate) node: LocalNode,
    pub(crate) ports: Vec<PortId>,
}

pub(crate) struct Cluster {
    pub(crate) world: World,
    /// By the number in the name.
    pub(crate) lives: BTreeMap<usize, Life>,
    settings: Vec<Settings>,
    last: Process,
}

/// What a node has in all its lives.
struct Settings {
    codecs: &'static [&'static str],
    seeds: Vec<usize>,
    peers: Vec<usize>,
    shards: usize,
    queue_limit: usize,
}

impl Cluster {
    pub(crate) async fn start(world: &World, random: &mut Random) -> Self {
        let count = random.between(2, 4) as usize;
        let settings = (0..count).map(|at| Settings::draw(at, count, random));
        let mut cluster = Self {
            world: world.clone(),
            lives: BTreeMap::new(),
            settings: settings.collect(),
            last: 0,
        };
        for at in 0..count {
            cluster.begin(at, random).await;
        }
        cluster
    }

    /// Starts node `at`.
    async fn begin(&mut self, at: usize, random: &mut Random) {
        self.last += 1;
        let (process, settings) = (self.last, &self.settings[at]);
        let entropy = Mutex::new(random.fork());
        let mut node = aemp::node()
            .id(name(at))
            .secret(SECRET)
            .transport(self.world.network.of(process))
            .bind(address(at))
            .codecs(settings.codecs.iter().copied())
            .clock(clock())
            .random(move |bytes| entropy.lock().unwrap().fill(bytes))
            .configure(|config| {
                config.monitor_timeout = MONITOR_TIMEOUT;
                config.connect_interval = Duration::from_millis(500);
                config.opening_timeout = Duration::from_secs(2);
                config.shards = settings.shards;
                config.queue_limit = settings.queue_limit;
                config.cleartext = true;
            });
        for seed in &settings.seeds {
            node = node.seed(address(*seed));
        }
        for peer in &settings.peers {
            node = node.peer(name(*peer), address(*peer));
        }
        let world = self.world.clone();
        let node = node.on_start(move |node| {
            node.offer("sim::port", move |_: &LocalNode, ()| {
                let world = world.clone();
                target(&world, process, Routes::at_start)
            });
        });
        let node = node.start().await.expect("a node starts");
        self.world
            .model()
            .note(format!("process {process} is {}, life begins", name(at)));
        let (mut events, world) = (node.events(), self.world.clone());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let mut model = world.model();
                match event {
                    NodeEvent::Up(link) => {
                        model.event(process, link.peer().as_str(), Some(link.generation()));
                    }
                    NodeEvent::Down { node, .. } => model.event(process, node.as_str(), None),
                    _ => {}
                }
            }
        });
        let life = Life {
            process,
            node,
            ports: Vec::new(),
        };
        self.lives.insert(at, life);
    }

    /// Ends node `at`, in order or without a word, and starts it anew under the same ID.
    pub(crate) async fn restart(&mut self, at: usize, random: &mut Random) {
        let Some(life) = self.lives.remove(&at) else {
            return;
        };
        let how = match random.below(3) {
            0 => "shut down",
            1 => "killed, told by its system",
            _ => "vanished",
        };
        {
            let mut model = self.world.model();
            model.note(format!("process {} is {how}", life.process));
            model.forget(life.process);
        }
        self.world.network.count(how);
        match how {
            "shut down" => {}
            "vanished" => self.world.network.crash(life.process, Health::Silent),
            _ => self.world.network.crash(life.process, Health::Reset),
        }
        if how == "shut down" {
            life.node.shutdown_within(Duration::from_millis(100)).await;
        } else {
            // What runs on of it in this test reaches nobody.
            drop(life);
        }
        self.begin(at, random).await;
    }

    /// A port of the workload on node `at`.
    pub(crate) fn add_port(&mut self, at: usize) {
        let Some(life) = self.lives.get_mut(&at) else {
            return;
        };
        let port = life
            .node
            .port(target(&self.world, life.process, |routes, start| {
                routes.at_start(start)
            }));
        // Known before its first message, not only when it starts.
        life.ports.push(port);
    }

    pub(crate) fn names(&self) -> Vec<usize> {
        self.lives.keys().copied().collect()
    }
}

impl Settings {
    fn draw(at: usize, count: usize, random: &mut Random) -> Self {
        let lists: [&[&str]; 4] = [
            &["json"],
            &["cbor", "json"],
            &["json", "cbor"],
            &["cbor", "json"],
        ];
        let others: Vec<usize> = (0..count).filter(|other| *other != at).collect();
        let mut some = |percent| -> Vec<usize> {
            let chosen = others.iter().copied();
            chosen.filter(|_| random.chance(percent)).collect()
        };
        let (seeds, peers) = (some(40), some(80));
        Self {
            codecs: random.pick(&lists).copied().unwrap_or(&["json"]),
            seeds,
            peers,
            shards: random.between(1, 3) as usize,
            queue_limit: *random
                .pick(&[4 << 10, 64 << 10, 1 << 20])
                .unwrap_or(&(1 << 20)),
        }
    }
}

/// The time of day in the simulation.
fn clock() -> impl Fn() -> SystemTime + Send + Sync {
    let start = tokio::time::Instant::now();
    move || SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000) + start.elapsed()
}

pub(crate) fn name(at: usize) -> String {
    format!("n{at}")
}

pub(crate) fn address(at: usize) -> String {
    format!("sim:n{at}")
}

pub(crate) fn node_id(at: usize) -> NodeId {
    name(at).parse().expect("a valid ID")
}

/// A port that the workload sends to. It takes messages (`m`), answers calls (`ask`), and watches others itself
/// (`watch`).
fn target(
    world: &World,
    process: Process,
    at_start: impl FnOnce(Routes, Box<dyn FnOnce(&mut Context<'_>) + Send>) -> Routes,
) -> Routes {
    let (born, heard) = (world.clone(), world.clone());
    let (watching, told) = (world.clone(), world.clone());
    let port = routes()
        .on("m", move |cx, (text, what): (String, aemp::Value)| {
            let mark = text.trim_matches('~').split_once('.');
            let mark = mark.and_then(|(stream, n)| Some((stream.parse().ok()?, n.parse().ok()?)));
            match mark {
                Some((stream, n)) => heard.model().arrives(stream, n, &cx.id(), process),
                None => heard.model().left(format!("a message of nobody: {text}")),
            }
            match what.as_str() {
                Some(DIE) => Err(reason!["died", text]),
                Some(PANIC) => panic::resume_unwind(Box::new("a handler's panic")),
                _ => Ok(()),
            }
        })
        .on("ask", |cx, (n, reply): (u64, PortId)| cx.send(&reply, (n,)))
        .on("watch", move |cx, (target, times): (PortId, u64)| {
            watch(&watching, cx, &target, times, process);
        })
        .on("gone", move |_, reason: Vec<aemp::Value>| {
            let stream = reason.first().and_then(aemp::Value::as_u64);
            told.model().notified(stream.unwrap_or_default());
        });
    at_start(
        port,
        Box::new(move |cx| {
            let id = cx.id();
            born.model().port(&id, process);
            let (world, name) = (born.clone(), id.clone());
            let ends = move |why: Reason| world.model().dies(&name, &why);
            cx.node().monitor(&id, ends).detach();
        }),
    )
}

/// The port monitors another, and sends it some messages.
fn watch(world: &World, cx: &mut Context<'_>, target: &PortId, times: u64, process: Process) {
    let me = cx.id();
    let stream = world.model().open(process, target, Some(&me));
    let (called, again) = (Arc::new(AtomicBool::new(false)), world.clone());
    let fired = called.clone();
    cx.monitor(target, move |_: Reason| {
        if fired.swap(true, Ordering::Relaxed) {
            let how = format!("the callback of stream {stream} runs again");
            again.model().fired_wrongly("fires-once", how);
        }
    });
    let gone = cx.node().gone(target);
    world.model().watches(stream, gone, Some(called));
    for _ in 0..times {
        let n = world.model().sends(stream);
        cx.send(target, ("m", marker(stream, n), ""));
    }
    let node = cx.node();
    node.monitor(target, Notify(&me, ("gone", stream))).detach();
}

/// A monitor of the program's own, whose callback must not run once its guard is dropped.
pub(crate) struct Guarded {
    dropped: Arc<AtomicBool>,
    monitor: Option<aemp::Monitor>,
}

impl Guarded {
    pub(crate) fn set(world: &World, node: &LocalNode, target: &PortId) -> Self {
        let dropped = Arc::new(AtomicBool::new(false));
        let (world, flag, mut fired) = (world.clone(), dropped.clone(), false);
        let name = target.clone();
        let monitor = node.monitor(target, move |_: Reason| {
            if flag.load(Ordering::Relaxed) {
                let how = format!("a callback on {name} runs after its guard was dropped");
                world.model().fired_wrongly("never-after-drop", how);
            }
            if std::mem::replace(&mut fired, true) {
                let how = format!("a callback on {name} runs again");
                world.model().fired_wrongly("fires-once", how);
            }
        });
        Self {
            dropped,
            monitor: Some(monitor),
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.monitor.take();
        self.dropped.store(true, Ordering::Relaxed);
    }
}

/// Why a port of the workload is killed: number `n` of a stream.
pub(crate) fn killed(stream: StreamId, n: u64) -> Reason {
    reason!["killed", stream, n]
}
