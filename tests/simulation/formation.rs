//! The directory under faults (docs/network.md): networks form, lose nodes, fall in two and come together, while their
//! nodes set and delete entries. After the faults all nodes see the same again, and that is what the living ones hold.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aemp::directory::DirectoryRole;
use aemp::directory::Watch;
use aemp::{LocalNode, PortId, Text, Value, routes};
use tokio::time::Instant;

use crate::cluster::SECRET;
use crate::network::Network;
use crate::random::Random;
use crate::wire::Health;

pub(crate) const MONITOR_TIMEOUT: Duration = Duration::from_secs(4);

/// Families of the workload; in the last one nodes hold the same keys.
const FAMILIES: [&str; 4] = ["a", "b", "c", "shared"];

/// What a schedule is made of.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shape {
    pub(crate) nodes: usize,
    pub(crate) globals: usize,
    /// Entries that each node has from the start.
    pub(crate) entries: usize,
    pub(crate) steps: usize,
    /// Whether programs there follow families.
    pub(crate) watches: bool,
    pub(crate) monitor_timeout: Duration,
}

/// How a schedule came out.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) broken: Option<String>,
    pub(crate) history: Vec<String>,
    pub(crate) faults: BTreeMap<&'static str, u64>,
    /// How long after the faults all saw the same.
    pub(crate) healed: Duration,
}

/// Entries by family and key.
type Held = BTreeMap<(Text, Text), Value>;

/// A family as a program has followed it.
type Seen = Arc<Mutex<BTreeMap<Text, Value>>>;

pub(crate) struct Formation {
    pub(crate) network: Network,
    random: Random,
    shape: Shape,
    /// The nodes that live, by number, the global ones first.
    lives: BTreeMap<usize, Life>,
    absent: BTreeMap<usize, Instant>,
    processes: u64,
    value: u64,
}

struct Life {
    process: u64,
    node: LocalNode,
    held: Held,
    /// What the program there follows.
    seen: BTreeMap<&'static str, Seen>,
}

fn name(at: usize) -> String {
    format!("n{at:03}")
}

/// Runs what `seed` and `shape` mean.
pub(crate) fn run(seed: u64, shape: Shape) -> Outcome {
    simulate(seed, shape, |formation| Box::pin(formation.schedule()))
}

/// The same with 200 nodes in mind: all faults of one kind after the other.
pub(crate) fn disaster(seed: u64, shape: Shape) -> Outcome {
    simulate(seed, shape, |formation| Box::pin(formation.disaster()))
}

type Scene<'f> = std::pin::Pin<Box<dyn Future<Output = Result<Duration, String>> + 'f>>;

fn simulate(
    seed: u64,
    shape: Shape,
    scene: impl for<'f> Fn(&'f mut Formation) -> Scene<'f>,
) -> Outcome {
    crate::simulated().block_on(async {
        let mut formation = Formation::new(seed, shape);
        let healed = scene(&mut formation).await;
        formation.end().await;
        let mut outcome = Outcome {
            history: formation.network.history(),
            faults: formation.network.faults(),
            ..Outcome::default()
        };
        match healed {
            Ok(healed) => outcome.healed = healed,
            Err(why) => outcome.broken = Some(why),
        }
        outcome
    })
}

impl Formation {
    pub(crate) fn new(seed: u64, shape: Shape) -> Self {
        let mut random = Random::new(seed ^ 0x6469_7265_6374);
        let network = Network::new(random.fork());
        network.widen();
        Self {
            network,
            random,
            shape,
            lives: BTreeMap::new(),
            absent: BTreeMap::new(),
            processes: 0,
            value: 0,
        }
    }

    /// Starts node `at`. The first are seeds of all, and of each other.
    pub(crate) async fn begin(&mut self, at: usize) {
        self.processes += 1;
        let process = self.processes;
        let entropy = Arc::new(Mutex::new(self.random.fork()));
        let codecs: &[&str] = [&["json"][..], &["cbor", "json"]][self.random.below(2) as usize];
        let mut node = aemp::node()
            .id(name(at))
            .secret(SECRET)
            .transport(self.network.of(process, name(at)))
            .bind(format!("sim:{}", name(at)))
            .codecs(codecs.iter().copied())
            .random(move |bytes| entropy.lock().unwrap().fill(bytes))
            .configure(|config| {
                config.monitor_timeout = self.shape.monitor_timeout;
                config.keepalive_interval = self.shape.monitor_timeout;
                config.opening_timeout = Duration::from_secs(3);
                config.shards = 1;
                config.max_pending_handshakes_per_address = 1000;
                config.max_pending_handshakes = 1000;
            });
        let globals = self.shape.globals;
        let mut seeds: BTreeSet<usize> = BTreeSet::new();
        let few = match at < globals {
            true => globals,
            // Never all of those that are lost for good.
            false => 2 + globals / 5,
        };
        while seeds.len() < few.min(globals) {
            seeds.insert(self.random.below(globals as u64) as usize);
        }
        for seed in seeds {
            node = node.seed(format!("sim:{}", name(seed)));
        }
        let node = node.start().await.expect("it starts");
        node.port_of_named(
            "echo",
            routes().on("echo", |cx, (n, reply): (u64, PortId)| {
                cx.send(&reply, (n,))
            }),
        )
        .unwrap();
        let mut life = Life {
            process,
            node,
            held: Held::new(),
            seen: BTreeMap::new(),
        };
        for _ in 0..self.shape.entries {
            self.set(&mut life, at);
        }
        let watched = *self.random.pick(&FAMILIES).unwrap_or(&FAMILIES[0]);
        let watched = [watched, "shared", "'l"];
        let watched = if self.shape.watches {
            &watched[..]
        } else {
            &[]
        };
        for &family in watched {
            let watch = life.node.directory().watch(family).expect("a family");
            let seen = Seen::default();
            tokio::spawn(follow(watch, seen.clone()));
            life.seen.insert(family, seen);
        }
        self.network.note(format!("{} begins", name(at)));
        self.lives.insert(at, life);
        self.absent.remove(&at);
    }

    /// Sets an entry, of the node's own or one that others hold as well.
    fn set(&mut self, life: &mut Life, at: usize) {
        self.value += 1;
        let family = *self.random.pick(&FAMILIES).unwrap_or(&FAMILIES[0]);
        let key = match family {
            "shared" => format!("k{}", self.random.below(5)),
            _ => format!(
                "{}#{}",
                name(at),
                self.random.below(8 + 8 * self.shape.entries as u64)
            ),
        };
        let (key, value) = (Text::from(key), Value::from(self.value));
        life.node
            .directory()
            .set(family, key.clone(), &value)
            .expect("it is fine");
        life.held.insert((family.into(), key), value);
    }

    /// Ends node `at`, in one of the ways in which a process ends.
    async fn kill(&mut self, at: usize) {
        let Some(life) = self.lives.remove(&at) else {
            return;
        };
        let how = *self
            .random
            .pick(&["vanishes", "is killed", "shuts down"])
            .unwrap_or(&"");
        self.network.note(format!("{} {how}", name(at)));
        match how {
            "vanishes" => self.network.crash(life.process, Health::Silent),
            "is killed" => self.network.crash(life.process, Health::Reset),
            _ => {}
        }
        life.node.shutdown_within(Duration::from_millis(100)).await;
        let back = Instant::now() + Duration::from_millis(self.random.between(100, 8000));
        self.absent.insert(at, back);
    }

    /// A schedule: the network forms, and then things happen.
    async fn schedule(&mut self) -> Result<Duration, String> {
        for at in 0..self.shape.nodes {
            self.begin(at).await;
            if self.random.chance(30) {
                self.rest(50).await;
            }
        }
        for _ in 0..self.shape.steps {
            self.step().await;
        }
        // Who has no seed left finds nobody.
        let globals = self.shape.globals;
        let lost: Vec<usize> = self
            .absent
            .keys()
            .copied()
            .filter(|at| *at < globals)
            .collect();
        for at in lost {
            self.begin(at).await;
        }
        self.network.note("faults end");
        self.network.heal();
        self.agree().await
    }

    async fn step(&mut self) {
        let due: Vec<usize> = self
            .absent
            .iter()
            .filter(|(_, back)| **back <= Instant::now())
            .map(|(at, _)| *at)
            .collect();
        for at in due {
            self.begin(at).await;
        }
        let at = self.random.below(self.shape.nodes as u64) as usize;
        match self.random.below(100) {
            0..45 => {
                for _ in 0..self.random.between(1, 6) {
                    if let Some(mut life) = self.lives.remove(&at) {
                        self.set(&mut life, at);
                        self.lives.insert(at, life);
                    }
                }
            }
            45..60 => {
                if let Some(life) = self.lives.get_mut(&at) {
                    let keys: Vec<(Text, Text)> = life.held.keys().cloned().collect();
                    if let Some((family, key)) = self.random.pick(&keys) {
                        life.node.directory().delete(family, key.clone());
                        life.held.remove(&(family.clone(), key.clone()));
                    }
                }
            }
            60..70 => self.kill(at).await,
            70..85 => {
                let mut random = self.random.fork();
                self.network.strike(&mut random);
            }
            85..90 => {
                let side: Vec<bool> = (0..self.shape.nodes)
                    .map(|_| self.random.chance(50))
                    .collect();
                let time = Duration::from_millis(self.random.between(200, 9000));
                self.cut(|at| side[at], time);
            }
            _ => self.rest(2000).await,
        }
        self.rest(200).await;
    }

    async fn rest(&mut self, most: u64) {
        let time = Duration::from_micros(self.random.between(0, 1000 * most));
        tokio::time::sleep(time).await;
    }

    /// Nothing passes between those of one side and those of the other.
    fn cut(&self, side: impl Fn(usize) -> bool, time: Duration) {
        let nodes = self.shape.nodes;
        let pairs = (0..nodes).flat_map(|a| (a + 1..nodes).map(move |b| (a, b)));
        let across = pairs.filter(|(a, b)| side(*a) != side(*b));
        self.network
            .cut(across.map(|(a, b)| [name(a), name(b)]), time);
        self.network.count("falls in two");
        self.network.note("FAULT the network falls in two");
    }

    /// What 200 nodes are to live through: the network forms, three global nodes are lost, it falls in two for long enough
    /// that both halves notice, and comes together.
    async fn disaster(&mut self) -> Result<Duration, String> {
        self.network.heal();
        for at in 0..self.shape.nodes {
            self.begin(at).await;
        }
        let formed = self
            .agree()
            .await
            .map_err(|why| format!("at first: {why}"))?;
        println!("{} nodes formed in {formed:?}", self.shape.nodes);
        for at in 0..3 {
            self.kill(at).await;
        }
        self.absent.clear();
        self.cut(|at| at % 2 == 0, 3 * MONITOR_TIMEOUT);
        tokio::time::sleep(3 * MONITOR_TIMEOUT).await;
        let halves = self.lives.values().filter(|life| {
            let seen = life.seen["'l"].lock().unwrap();
            (1..self.shape.nodes * 2 / 3).contains(&seen.len())
        });
        let halves = halves.count();
        println!(
            "{halves} of {} saw no more than their half",
            self.lives.len()
        );
        // Who has all seeds on the other side has nobody to tell it.
        if halves < self.lives.len() * 2 / 3 {
            return Err(format!(
                "only {halves} noticed that the network fell in two"
            ));
        }
        self.network.heal();
        self.agree().await
    }

    /// Waits until all nodes see the same, and checks that it is what the living nodes hold. How long it took.
    async fn agree(&mut self) -> Result<Duration, String> {
        let start = Instant::now();
        let limit = 2 * MONITOR_TIMEOUT;
        loop {
            // Not every family is followed by somebody.
            let agreed = match self.watched() {
                Some(wrong) => Err(wrong),
                None => self.asked().await,
            };
            let took = start.elapsed();
            match agreed {
                Ok(()) => {
                    // A connection that is silent since before may not have been given up yet.
                    if self.reached().await.is_err() {
                        self.reached().await?;
                    }
                    return Ok(took);
                }
                Err(wrong) if took > limit => return Err(format!("{wrong} after {limit:?}")),
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// What must be seen in a family: of each key, the values that somebody holds.
    fn expected(&self, family: &str) -> BTreeMap<Text, BTreeSet<String>> {
        let mut expected = BTreeMap::<Text, BTreeSet<String>>::new();
        for (at, life) in &self.lives {
            if family == "'l" {
                let listens = Value::from(vec![Value::from(format!("sim:{}", name(*at)))]);
                expected.insert(name(*at).into(), [listens.to_string()].into());
            }
            for ((_, key), value) in life.held.iter().filter(|((f, _), _)| **f == *family) {
                expected
                    .entry(key.clone())
                    .or_default()
                    .insert(value.to_string());
            }
        }
        expected
    }

    /// What is wrong with what somebody has followed, if anything is.
    fn watched(&self) -> Option<String> {
        let mut all = BTreeMap::<&str, BTreeMap<Text, Value>>::new();
        for (at, life) in &self.lives {
            for (family, seen) in &life.seen {
                let seen = seen.lock().unwrap();
                if let Some(why) = match all.get(family) {
                    Some(first) if *first == *seen => None,
                    Some(_) => Some("what another does not".into()),
                    None => {
                        let wrong = differs(&self.expected(family), &seen);
                        all.insert(family, seen.clone());
                        wrong
                    }
                } {
                    return Some(format!("{} sees in {family} {why}", name(*at)));
                }
            }
        }
        None
    }

    /// Asks every node for every family, or some where they are many.
    async fn asked(&self) -> Result<(), String> {
        for family in FAMILIES.into_iter().chain(["'l"]) {
            let expected = self.expected(family);
            let mut first: Option<BTreeMap<Text, Value>> = None;
            for (at, life) in &self.lives {
                if self.shape.nodes > 50 && *at > self.shape.globals && at % 10 != 0 {
                    continue;
                }
                let answer = life
                    .node
                    .directory()
                    .family(family)
                    .within(MONITOR_TIMEOUT)
                    .await;
                let answer = answer.map_err(|error| format!("{}: {error}", name(*at)))?;
                if let Some(why) = differs(&expected, &answer) {
                    return Err(format!("{} is told of {family} {why}", name(*at)));
                }
                if first.get_or_insert_with(|| answer.clone()) != &answer {
                    return Err(format!(
                        "{} is told of {family} what another is not",
                        name(*at)
                    ));
                }
            }
        }
        let globals: Vec<Text> = self
            .lives
            .iter()
            .filter(|(_, life)| life.node.directory().role() == DirectoryRole::Global)
            .map(|(at, _)| name(*at).into())
            .collect();
        for (at, life) in &self.lives {
            let told = life
                .node
                .directory()
                .keys("'g")
                .within(MONITOR_TIMEOUT)
                .await;
            let told = told.map_err(|error| format!("{}: {error}", name(*at)))?;
            if told != globals {
                return Err(format!(
                    "{} is told of global nodes {told:?}, not {globals:?}",
                    name(*at)
                ));
            }
        }
        Ok(())
    }

    /// Nodes reach others that they know by name only.
    async fn reached(&self) -> Result<(), String> {
        let numbers: Vec<usize> = self.lives.keys().copied().collect();
        for (n, (at, life)) in self
            .lives
            .iter()
            .enumerate()
            .filter(|(_, (at, _))| *at % 3 == 0)
        {
            let to = numbers[(n + 1 + *at % 7) % numbers.len()];
            let port: PortId = format!("{}#echo", name(to)).parse().unwrap();
            let answer = life
                .node
                .call(&port, ("echo", n))
                .within(MONITOR_TIMEOUT)
                .await;
            let answer: Result<(usize,), _> = answer;
            if let Err(error) = answer {
                return Err(format!(
                    "{} does not reach {}: {error}",
                    name(*at),
                    name(to)
                ));
            }
        }
        Ok(())
    }

    pub(crate) async fn end(&mut self) {
        for (_, life) in std::mem::take(&mut self.lives) {
            life.node.shutdown_within(Duration::from_millis(10)).await;
        }
    }

    /// Messages and bytes that all nodes have sent so far.
    pub(crate) fn sent(&self) -> (u64, u64) {
        let links = self
            .lives
            .values()
            .flat_map(|life| life.node.stats().connections);
        links.fold((0, 0), |(messages, bytes), link| {
            (messages + link.sent.messages, bytes + link.sent.bytes)
        })
    }

    pub(crate) fn node(&self, at: usize) -> &LocalNode {
        &self.lives[&at].node
    }
}

/// Keeps `seen` up to date until the node ends.
async fn follow(mut watch: Watch, seen: Seen) {
    while let Some(change) = watch.recv().await {
        change.apply(&mut seen.lock().unwrap());
    }
}

/// In what `seen` differs from what is expected.
fn differs(
    expected: &BTreeMap<Text, BTreeSet<String>>,
    seen: &BTreeMap<Text, Value>,
) -> Option<String> {
    let strange = seen.iter().find(|(key, value)| {
        expected
            .get(*key)
            .is_none_or(|values| !values.contains(&value.to_string()))
    });
    if let Some((key, value)) = strange {
        return Some(format!("{key} with {value}, of {:?}", expected.get(key)));
    }
    let missing = expected.keys().find(|key| !seen.contains_key(*key));
    missing.map(|key| format!("no {key}, of {:?}", expected[key]))
}
