//! The processes of a schedule: production nodes over the simulated network, and the ports of the workload.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, SystemTime};

use tokio::time::Instant;

use aemp::message::Spread;
use aemp::{Context, LocalNode, NodeEvent, NodeId, Notify, PortId, Reason, Routes, reason, routes};

use crate::model::{Model, Process, StreamId};
use crate::network::{Network, Number, number_of};
use crate::panics::{self, Defect, Panic};
use crate::random::Random;
use crate::traced::Traced;
use crate::watches::{Told, WatchId};
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

/// What has a port end by itself; it also may panic.
pub(crate) const DIE: &str = "die";

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
    /// Three of them are the shortest time after which a node closes a connection that nobody needs.
    keepalive: Duration,
    last: Process,
    /// Nodes that have ended and come back.
    absent: BTreeMap<usize, Instant>,
    /// What only a node in memory keeps.
    traces: Vec<Weak<Mutex<Random>>>,
}

/// What a node has in all its lives.
struct Settings {
    codecs: &'static [&'static str],
    seeds: Vec<usize>,
    peers: Vec<usize>,
    shards: usize,
    queue_limit: usize,
    high_water: usize,
    peer_monitors: usize,
    message_size: usize,
    /// Whether connections that nobody needs are closed.
    idle: bool,
}

impl Cluster {
    pub(crate) async fn start(world: &World, random: &mut Random) -> Self {
        let count = random.between(2, 5) as usize;
        let settings = (0..count).map(|at| Settings::draw(at, count, random));
        let mut cluster = Self {
            world: world.clone(),
            lives: BTreeMap::new(),
            settings: settings.collect(),
            keepalive: Duration::from_millis(random.between(10, 500)),
            last: 0,
            absent: BTreeMap::new(),
            traces: Vec::new(),
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
        let keepalive = self.keepalive;
        let entropy = Arc::new(Mutex::new(random.fork()));
        self.traces.push(Arc::downgrade(&entropy));
        let mut node = aemp::node()
            .id(name(at))
            .secret(SECRET)
            .transport(self.world.network.of(process, name(at)))
            .bind(address(at))
            .codecs(settings.codecs.iter().copied())
            .clock(clock())
            .random(move |bytes| entropy.lock().unwrap().fill(bytes))
            .configure(|config| {
                config.monitor_timeout = MONITOR_TIMEOUT;
                config.connect_timeout = Duration::from_millis(500);
                config.opening_timeout = Duration::from_secs(2);
                config.shards = settings.shards;
                config.queue_limit = settings.queue_limit;
                config.high_water = settings.high_water;
                config.peer_monitors = settings.peer_monitors;
                config.limits.message_size = settings.message_size;
                config.keepalive_interval = keepalive;
                config.idle_timeout = settings.idle.then_some(Duration::ZERO);
                config.cleartext = true;
            });
        // Two of three, so that there are pairs of all kinds.
        if at % 3 < 2 {
            node = node.propagator(Traced::default());
        }
        for seed in &settings.seeds {
            node = node.seed(address(*seed));
        }
        for peer in &settings.peers {
            node = node.peer(name(*peer), address(*peer));
        }
        let world = self.world.clone();
        let node = node.on_start(move |node| {
            node.offer("sim::port", move |_: &LocalNode, (defect,): (u64,)| {
                let port = target(&world, process, Routes::on_start);
                Defect::from_number(defect).in_port(port)
            });
            node.offer_function("sim::panics", panics::called);
        });
        let node = node.start().await.expect("a node starts");
        self.world.model().begins(process, node.id());
        let (mut events, world) = (node.events(), self.world.clone());
        tokio::spawn(async move {
            while let Some(event) = events.recv().await {
                let mut model = world.model();
                match event {
                    NodeEvent::Up(link) => {
                        model.event(process, link.peer().as_str(), Some(link.generation()));
                    }
                    NodeEvent::Down { node, reason, .. } => {
                        model.loses(process, node.as_str(), &reason);
                        if reason.to_string().contains("idle_timeout") {
                            world.network.count("an idle connection is closed");
                        }
                        model.event(process, node.as_str(), None);
                    }
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

    /// Ends node `at`, in order or without a word. It starts anew under the same ID, at once or later.
    pub(crate) async fn end(&mut self, at: usize, random: &mut Random) {
        let Some(life) = self.lives.remove(&at) else {
            return;
        };
        let how = match random.below(3) {
            0 => "shut down",
            1 => "killed, told by its system",
            _ => "vanished",
        };
        let process = life.process;
        self.world
            .model()
            .note(format!("process {process} is {how}"));
        self.world.network.count(how);
        match how {
            "shut down" => {}
            "vanished" => self.world.network.crash(life.process, Health::Silent),
            _ => self.world.network.crash(life.process, Health::Reset),
        }
        if how == "shut down" {
            let ended = life.node.shutdown_within(Duration::from_millis(100)).await;
            self.world.model().stops(process, ended.failure);
        } else {
            // What runs on of it in this test reaches nobody.
            drop(life);
        }
        self.world.model().forget(process);
        if random.chance(50) {
            self.begin(at, random).await;
        } else {
            let absent = Duration::from_millis(random.between(1, 8000));
            self.absent.insert(at, Instant::now() + absent);
        }
    }

    /// Starts the nodes anew whose time has come, and one if there is none.
    pub(crate) async fn return_some(&mut self, random: &mut Random) {
        let now = Instant::now();
        let due = self.absent.iter().filter(|(_, back)| **back <= now);
        let mut due: Vec<usize> = due.map(|(at, _)| *at).collect();
        if self.lives.is_empty() && due.is_empty() {
            due.extend(self.absent.keys().next());
        }
        for at in due {
            self.absent.remove(&at);
            self.begin(at, random).await;
        }
    }

    /// How many nodes are in memory.
    pub(crate) fn kept(&self) -> usize {
        let traces = self.traces.iter();
        traces.filter(|trace| trace.strong_count() > 0).count()
    }

    /// A port of the workload on node `at`.
    pub(crate) fn add_port(&mut self, at: usize, defect: Defect) {
        let Some(life) = self.lives.get_mut(&at) else {
            return;
        };
        let port = target(&self.world, life.process, Routes::on_start);
        let port = life.node.port_of(defect.in_port(port));
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
            high_water: *random.pick(&[256, 1 << 20]).unwrap_or(&256),
            peer_monitors: *random.pick(&[6, 100, 100_000, 100_000]).unwrap_or(&6),
            message_size: *random.pick(&[8 << 10, 16 << 20, 16 << 20]).unwrap_or(&8192),
            idle: random.chance(30),
        }
    }
}

/// The time of day in the simulation.
fn clock() -> impl Fn() -> SystemTime + Send + Sync {
    let start = Instant::now();
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
    on_start: impl FnOnce(Routes, Box<dyn FnOnce(&mut Context<'_>) + Send>) -> Routes,
) -> Routes {
    let (born, heard) = (world.clone(), world.clone());
    let network = world.network.clone();
    let (watching, again_from) = (world.clone(), world.clone());
    let port = routes()
        .on("m", move |cx, (text, what): (String, aemp::Value)| {
            let mark = text.trim_matches('~').split_once('.');
            let mark = mark.and_then(|(stream, n)| Some((stream.parse().ok()?, n.parse().ok()?)));
            match mark {
                Some((stream, n)) => heard.model().arrives(stream, n, &cx.id(), process),
                None => heard.model().left(format!("a message of nobody: {text}")),
            }
            let what = what.as_str().unwrap_or_default();
            if what == DIE {
                return Err(reason!["died", text]);
            }
            if let Some(panic) = Panic::named(what) {
                heard.model().panics(&cx.id(), panic.text(&text));
                panic.happen(&cx.node(), &text);
            }
            Ok(())
        })
        .on("noise", |_, _: (u64,)| ())
        .on("spin", move |cx, (left,): (u64,)| {
            network.worked_off();
            if left > 0 {
                cx.send(cx.id(), ("spin", left - 1));
            }
        })
        .on("ask", |cx, (n, reply): (u64, PortId)| cx.send(&reply, (n,)))
        .on("watch", move |cx, task: Task| {
            watch(&watching, cx, task, process)
        })
        .on("gone", move |cx, Spread(told): Spread<aemp::Value>| {
            let [of, target, messages, again, ..] = &told[..] else {
                return;
            };
            let number = |value: &aemp::Value| value.as_u64().unwrap_or_default();
            again_from.model().watch_fires(number(of) as WatchId);
            let target = target.as_str().and_then(|text| text.parse().ok());
            if let (Some(target), Some(again)) = (target, number(again).checked_sub(1)) {
                watch(&again_from, cx, (target, number(messages), again), process);
            }
        });
    on_start(
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

/// What a port is to do towards another: the other, how many messages to send, and how often to begin anew when its
/// monitor has fired.
pub(crate) type Task = (PortId, u64, u64);

/// The port monitors another, and sends it some messages; when it is told that some may be lost, it does so again.
fn watch(world: &World, cx: &mut Context<'_>, task: Task, process: Process) {
    let (target, messages, again) = task;
    let (me, node) = (cx.id(), cx.node());
    let over = connection(&node, &target);
    let mut model = world.model();
    let stream = model.open(process, &target, Some(&me));
    let callback = model.watch(process, &target, Told::Callback(me.clone()), over);
    drop(model);
    cx.monitor(&target, telling(world, callback));
    let over = connection(&node, &target);
    let gone = node.gone(&target);
    world.model().watches(stream, gone, Some(callback), over);
    for _ in 0..messages {
        let n = world.model().sends(stream);
        cx.send(&target, ("m", marker(stream, n), ""));
    }
    let over = connection(&node, &target);
    let message = Told::Message(me.clone());
    let message = world.model().watch(process, &target, message, over);
    let notify = Notify(&me, ("gone", message, &target, messages, again));
    node.monitor(&target, notify).detach();
}

/// A callback that tells the model.
fn telling(world: &World, watch: WatchId) -> impl FnOnce(Reason) + Send + use<> {
    let world = world.clone();
    panics::callback(watch, move || world.model().watch_fires(watch))
}

/// The connection to the node of `port` that is up, as the network numbers it.
pub(crate) fn connection(node: &LocalNode, port: &PortId) -> Option<Number> {
    let links = node.connections();
    let link = links.iter().find(|link| link.peer() == port.node())?;
    link.address().map(number_of)
}

/// Has `port` die when `target` does.
pub(crate) fn link(
    world: &World,
    process: Process,
    node: &LocalNode,
    target: &PortId,
    port: &PortId,
) {
    let over = connection(node, target);
    let told = Told::Death(port.clone());
    world.model().watch(process, target, told, over);
    node.link(target, port).detach();
}

/// A monitor of the program's own, whose callback must not run once its guard is dropped.
pub(crate) struct Guarded {
    world: World,
    watch: WatchId,
    monitor: Option<aemp::Monitor>,
}

impl Guarded {
    pub(crate) fn set(world: &World, process: Process, node: &LocalNode, target: &PortId) -> Self {
        let over = connection(node, target);
        let watch = world.model().watch(process, target, Told::Program, over);
        let monitor = node.monitor(target, telling(world, watch));
        Self {
            world: world.clone(),
            watch,
            monitor: Some(monitor),
        }
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        self.monitor.take();
        self.world.model().watch_drops(self.watch);
    }
}

/// Why a port of the workload is killed: number `n` of a stream.
pub(crate) fn killed(stream: StreamId, n: u64) -> Reason {
    reason!["killed", stream, n]
}
