//! One schedule: what happens, drawn step by step from a seed, and the end.

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use aemp::{LocalNode, PortId};

use crate::cluster::{
    Cluster, DIE, Guarded, MONITOR_TIMEOUT, World, connection, killed, link, marker, name, node_id,
};
use crate::flood;
use crate::model::StreamId;
use crate::network::Network;
use crate::panics::{Defect, Panic, Unwilling};
use crate::random::Random;
use crate::stranger;

/// What came of a schedule.
pub(crate) struct Outcome {
    pub(crate) broken: Option<String>,
    pub(crate) history: Vec<String>,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    pub(crate) delivered: u64,
    pub(crate) fired: u64,
}

/// Runs the schedule of `seed` in a runtime of its own, on a simulated clock.
pub(crate) fn run(seed: u64) -> Outcome {
    let runtime = crate::simulated();
    let outcome = runtime.block_on(async {
        let mut random = Random::new(seed);
        let world = World::new(Network::new(random.fork()));
        let mut schedule = Schedule {
            cluster: Cluster::start(&world, &mut random).await,
            world: world.clone(),
            random,
            driven: Vec::new(),
            guards: Vec::new(),
            calls: 0,
        };
        schedule.run().await;
        let tasks = schedule.end().await;
        let kept = schedule.cluster.kept();
        let mut model = world.model();
        if kept > 0 {
            model.left(format!("{kept} nodes that have ended are still in memory"));
        }
        if tasks > 0 {
            model.left(format!("{tasks} tasks are left"));
        }
        if world.network.len() > 0 {
            model.left(format!("{} connections are left", world.network.len()));
        }
        Outcome {
            broken: model.broken.clone(),
            history: world.network.history(),
            faults: world.network.faults(),
            delivered: model.delivered,
            fired: model.fired,
        }
    });
    runtime.shutdown_background();
    outcome
}

struct Schedule {
    world: World,
    cluster: Cluster,
    random: Random,
    /// Streams that the schedule itself sends.
    driven: Vec<(usize, u64, StreamId)>,
    guards: Vec<Guarded>,
    calls: u64,
}

impl Schedule {
    async fn run(&mut self) {
        for at in self.cluster.names() {
            for _ in 0..self.random.between(1, 2) {
                self.cluster.add_port(at, Defect::None);
            }
        }
        for _ in 0..self.random.between(20, 70) {
            self.cluster.return_some(&mut self.random).await;
            self.step().await;
            self.pause().await;
            if self.world.model().broken.is_some() {
                return;
            }
        }
    }

    async fn pause(&mut self) {
        let time = match self.random.below(100) {
            0..40 => {
                for _ in 0..self.random.below(8) {
                    tokio::task::yield_now().await;
                }
                return;
            }
            40..80 => Duration::from_micros(self.random.between(1, 20_000)),
            80..96 => Duration::from_millis(self.random.between(20, 500)),
            _ => Duration::from_millis(self.random.between(500, 4000)),
        };
        tokio::time::sleep(time).await;
    }

    async fn step(&mut self) {
        let names = self.cluster.names();
        let at = self.random.pick(&names).copied().unwrap_or_default();
        match self.random.below(100) {
            0..6 => {
                let defect = self.defect();
                // Without a function nothing of the node runs that could catch its panic.
                if defect != Defect::Function {
                    self.cluster.add_port(at, defect);
                }
            }
            6..12 => self.spawn(at),
            12..26 => self.open(at),
            26..50 => self.send(),
            50..56 => self.watch_again(),
            56..60 => self.unwatch(),
            60..64 => self.kill(),
            64..71 => self.let_port_watch(at),
            71..76 => self.guard(at),
            76..82 => self.call(at),
            82..83 => match self.random.chance(50) {
                true => self.watch_node(at),
                false => self.request_panic(at),
            },
            83..84 => self.ready(at),
            84..92 => {
                self.world.network.strike(&mut self.random);
            }
            92..94 => self.cluster.end(at, &mut self.random).await,
            94..95 => self.cut(at),
            95..96 => {
                let time = Duration::from_millis(self.random.between(500, 10_000));
                self.world
                    .model()
                    .note(format!("FAULT the clock jumps by {time:?}"));
                self.world.network.count("clock jump");
                tokio::time::advance(time).await;
            }
            _ => {
                let random = self.random.fork();
                let ports = self.cluster.lives.values();
                let visit = stranger::Visit {
                    network: self.world.network.clone(),
                    to: name(at),
                    nodes: names.iter().map(|at| name(*at)).collect(),
                    ports: ports.flat_map(|life| life.ports.iter().cloned()).collect(),
                };
                match self.random.below(10) {
                    0 if flood::begin(&self.world) => {
                        self.world.network.count("flood");
                        tokio::spawn(flood::visit(visit, random));
                    }
                    1 if flood::begin(&self.world) => self.spin(at),
                    _ => {
                        self.world.network.count("stranger");
                        tokio::spawn(stranger::visit(visit, random));
                    }
                }
            }
        }
    }

    /// A port of node `at` has work without a pause.
    fn spin(&mut self, at: usize) {
        let ports = self.cluster.lives.get(&at).map(|life| life.ports.clone());
        let port = self.random.pick(&ports.unwrap_or_default()).cloned();
        if let (Some((node, _)), Some(port)) = (self.node(at), port) {
            self.world.network.count("a port that is always at work");
            node.send(&port, ("spin", flood::SPINS));
        }
    }

    /// The network falls into two parts: one node, or some, and the others.
    fn cut(&mut self, at: usize) {
        let names = self.cluster.names();
        let alone = self.random.chance(50);
        let (here, there): (Vec<usize>, Vec<usize>) = names
            .into_iter()
            .partition(|other| *other == at || (!alone && self.random.chance(40)));
        let pairs = here
            .iter()
            .flat_map(|here| there.iter().map(|there| [name(*here), name(*there)]));
        let time = Duration::from_millis(self.random.between(50, 6000));
        self.world.network.count("cut in two");
        self.world.network.note(format!(
            "FAULT {here:?} is cut off from {there:?} for {time:?}"
        ));
        self.world.network.cut(pairs, time);
    }

    fn node(&self, at: usize) -> Option<(LocalNode, u64)> {
        let life = self.cluster.lives.get(&at)?;
        Some((life.node.clone(), life.process))
    }

    /// A port of any node that has come to life. Of one that has not yet, only who spawns it may know: a third node's
    /// monitor would find no port, and its messages one (docs/guarantee.md).
    fn some_port(&mut self) -> Option<PortId> {
        let lives = self.cluster.lives.values();
        let mut ports: Vec<PortId> = lives.flat_map(|life| life.ports.iter().cloned()).collect();
        let model = self.world.model();
        ports.retain(|port| model.has_lived(port));
        drop(model);
        self.random.pick(&ports).cloned()
    }

    /// One of the streams whose sender still lives.
    fn some_stream(&mut self) -> Option<(LocalNode, StreamId, PortId)> {
        let lives = &self.cluster.lives;
        self.driven
            .retain(|(at, process, _)| lives.get(at).is_some_and(|life| life.process == *process));
        let (at, _, stream) = *self.random.pick(&self.driven)?;
        let (node, _) = self.node(at)?;
        let to = self.world.model().streams.get(&stream)?.to.clone();
        Some((node, stream, to))
    }

    fn open(&mut self, at: usize) {
        let (Some((node, process)), Some(to)) = (self.node(at), self.some_port()) else {
            return;
        };
        let stream = self.world.model().open(process, &to, None);
        self.driven.push((at, process, stream));
        if self.random.chance(90) {
            self.monitor(&node, stream, &to);
        }
        self.burst(&node, stream, &to);
    }

    /// What is wrong with a new port: most often nothing.
    fn defect(&mut self) -> Defect {
        let defect = match self.random.chance(20) {
            true => *self.random.pick(&Defect::ALL).unwrap_or(&Defect::None),
            false => Defect::None,
        };
        self.world.network.count(match defect {
            Defect::None => return defect,
            Defect::Function => "panic of a function that makes a port",
            Defect::Start => "panic of a port that starts",
            Defect::Drop => "panic of a port that is dropped",
        });
        defect
    }

    /// Code of the program's panics outside of a port: a function that a node calls elsewhere, or what this one sends.
    fn request_panic(&mut self, at: usize) {
        let names = self.cluster.names();
        let there = self.random.pick(&names).copied().unwrap_or_default();
        let (Some((node, _)), Some(to)) = (self.node(at), self.some_port()) else {
            return;
        };
        let bomb = self.random.chance(50);
        if self.random.chance(50) {
            self.world.network.count("panic of an offered function");
            node.send(node_id(there), ("sim::panics", bomb));
            return;
        }
        self.world.network.count("panic of a message");
        let sent = catch_unwind(AssertUnwindSafe(|| match bomb {
            true => node.send(&to, ("m", "~panics~", Unwilling)),
            false => drop(node.monitor(&to, aemp::Notify(&to, (Unwilling,)))),
        }));
        if sent.is_ok() {
            let how = "a message whose Serialize panics was sent".into();
            self.world.model().left(how);
        }
    }

    /// A port on another node, which is used at once.
    fn spawn(&mut self, at: usize) {
        let names = self.cluster.names();
        let there = self.random.pick(&names).copied().unwrap_or_default();
        let Some((node, process)) = self.node(at) else {
            return;
        };
        let defect = self.defect();
        let arguments = (defect.number(),);
        let Ok(port) = node.spawn(node_id(there), "sim::port", arguments) else {
            return;
        };
        let stream = self.world.model().open(process, &port, None);
        self.driven.push((at, process, stream));
        self.monitor(&node, stream, &port);
        self.burst(&node, stream, &port);
        if let Some(life) = self.cluster.lives.get_mut(&there) {
            life.ports.push(port);
        }
    }

    fn monitor(&self, node: &LocalNode, stream: StreamId, to: &PortId) {
        let over = connection(node, to);
        let gone = node.gone(to);
        self.world.model().watches(stream, gone, None, over);
    }

    fn burst(&mut self, node: &LocalNode, stream: StreamId, to: &PortId) {
        let count = match self.random.below(10) {
            0..7 => self.random.between(1, 5),
            _ => self.random.between(5, 40),
        };
        for _ in 0..count {
            let padding = match self.random.below(200) {
                // Longer than what is copied out of a receive buffer.
                0 => self.random.between(16_000, 40_000),
                1..10 => self.random.between(1000, 9000),
                _ => self.random.below(60),
            };
            let n = self.world.model().sends(stream);
            let content: aemp::Value = match self.random.below(200) {
                0 => DIE.into(),
                1 => {
                    let panic = self.random.pick(&Panic::ALL).copied();
                    let panic = panic.unwrap_or(Panic::Text);
                    self.world.network.count("panic of a handler");
                    panic.word().into()
                }
                // Which JSON cannot carry: then it is lost, and a monitor has to say so.
                2..8 => bytes::Bytes::from(vec![0u8; padding as usize]).into(),
                _ => "x".repeat(padding as usize).into(),
            };
            node.send(to, ("m", marker(stream, n), content));
        }
        self.world
            .model()
            .note(format!("stream {stream}: {count} sent"));
    }

    fn send(&mut self) {
        if let Some((node, stream, to)) = self.some_stream() {
            self.burst(&node, stream, &to);
        }
    }

    fn watch_again(&mut self) {
        let Some((node, stream, to)) = self.some_stream() else {
            return;
        };
        if !self.world.model().is_watched(stream) {
            self.monitor(&node, stream, &to);
        }
        self.burst(&node, stream, &to);
    }

    fn unwatch(&mut self) {
        if let Some((_, stream, _)) = self.some_stream() {
            self.world.model().unwatch(stream);
        }
        if !self.guards.is_empty() {
            let at = self.random.below(self.guards.len() as u64) as usize;
            self.guards.swap_remove(at);
        }
    }

    fn kill(&mut self) {
        if let Some((node, stream, to)) = self.some_stream() {
            let n = self.world.model().sends(stream);
            self.world
                .model()
                .note(format!("stream {stream}: {n} is a kill"));
            node.kill(&to, killed(stream, n));
            if self.random.chance(50) {
                self.burst(&node, stream, &to);
            }
        }
    }

    fn let_port_watch(&mut self, at: usize) {
        let watchers = self.cluster.lives.get(&at).map(|life| life.ports.clone());
        let watcher = self.random.pick(&watchers.unwrap_or_default()).cloned();
        let (Some((node, _)), Some(watcher), Some(target)) =
            (self.node(at), watcher, self.some_port())
        else {
            return;
        };
        let (messages, again) = (self.random.between(1, 4), self.random.below(3));
        node.send(&watcher, ("watch", target, messages, again));
    }

    fn guard(&mut self, at: usize) {
        let (Some((node, process)), Some(target)) = (self.node(at), self.some_port()) else {
            return;
        };
        if self.random.chance(70) {
            let guard = Guarded::set(&self.world, process, &node, &target);
            self.guards.push(guard);
            return;
        }
        let ports = self.cluster.lives.get(&at).map(|life| life.ports.clone());
        let mut ports = ports.unwrap_or_default();
        // One that is not there yet cannot be killed.
        ports.retain(|port| self.world.model().has_lived(port));
        if let Some(port) = self.random.pick(&ports) {
            link(&self.world, process, &node, &target, port);
        }
    }

    /// Somebody waits until a node takes more, which ends with the connection at the latest.
    fn ready(&mut self, at: usize) {
        let names = self.cluster.names();
        let there = self.random.pick(&names).copied().unwrap_or_default();
        if let Some((node, _)) = self.node(at) {
            self.calls += 1;
            let (id, world) = (self.calls, self.world.clone());
            world.model().call(false, id);
            tokio::spawn(async move {
                // An error if the node stops meanwhile, as some do.
                let _ = node.ready(&node_id(there)).await;
                world.model().call(true, id);
            });
        }
    }

    fn watch_node(&mut self, at: usize) {
        let names = self.cluster.names();
        let there = self.random.pick(&names).copied().unwrap_or_default();
        if let Some((node, process)) = self.node(at) {
            let links = node.connections();
            let link = links.iter().find(|link| link.peer() == &node_id(there));
            if let Some(link) = link {
                let gone = node.gone(node_id(there));
                let generation = link.generation();
                self.world
                    .model()
                    .watches_node(process, &name(there), generation, gone);
            }
        }
    }

    fn call(&mut self, at: usize) {
        let (Some((node, _)), Some(to)) = (self.node(at), self.some_port()) else {
            return;
        };
        self.calls += 1;
        let (id, world) = (self.calls, self.world.clone());
        let limit = self
            .random
            .chance(50)
            .then(|| Duration::from_millis(self.random.between(1, 3000)));
        world.model().call(false, id);
        tokio::spawn(async move {
            let call = node.call::<(u64,)>(&to, ("ask", id));
            // A call must not keep a node alive that is to end.
            drop(node);
            let answer = match limit {
                Some(limit) => call.within(limit).await,
                None => call.await,
            };
            let mut model = world.model();
            model.call(true, id);
            match answer {
                Ok((n,)) if n != id => model.left(format!("call {id} was answered with {n}")),
                Ok(_) => model.note(format!("call {id} is answered")),
                Err(error) => model.note(format!("call {id} fails: {error}")),
            }
        });
    }

    /// All faults end, what is to be told is told, and all nodes end. How many tasks are left then.
    async fn end(&mut self) -> usize {
        self.world.model().note("faults end");
        self.world.network.heal();
        tokio::time::sleep(5 * MONITOR_TIMEOUT).await;
        let living: BTreeSet<u64> = self.cluster.lives.values().map(|l| l.process).collect();
        self.world.model().settled(&living);
        tokio::time::sleep(MONITOR_TIMEOUT).await;
        for life in self.cluster.lives.values() {
            let ports = life.node.ports().await;
            self.world.model().lists(life.process, &ports);
        }
        let stats = self.cluster.lives.values();
        let stats = stats
            .map(|life| (life.process, life.node.stats()))
            .collect();
        self.world.model().counts(&stats);
        self.guards.clear();
        for (_, life) in std::mem::take(&mut self.cluster.lives) {
            let ended = life.node.shutdown().await;
            self.world.model().stops(life.process, ended.failure);
            self.world.model().forget(life.process);
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
        tokio::runtime::Handle::current()
            .metrics()
            .num_alive_tasks()
    }
}
