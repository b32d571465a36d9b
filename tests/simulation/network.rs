//! The simulated network: a transport of its own for each process, connections whose every byte it sees, and the faults.
//!
//! A connection is two [`Wire`]s. The network reads along: messages of the workload hold markers such as `~3.17~` (number
//! 17 of stream 3), so it knows over which connection each went, whatever the codec.

mod transport;

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::random::Random;
use crate::wire::{Health, Wire};

pub(crate) use transport::{Device, End};

/// Which connection: they are numbered as they are made.
pub(crate) type Number = u64;

/// Two that dial each other within this time do so at once.
const AT_ONCE: Duration = Duration::from_millis(10);

/// The port of connection 0.
const FIRST_PORT: u16 = 1024;

/// The connection that a peer's address is of.
pub(crate) fn number_of(address: SocketAddr) -> Number {
    (address.port() - FIRST_PORT).into()
}

/// The stream of the questions of floods.
const QUESTIONS: u64 = u64::MAX;

/// A number of a stream of the workload.
pub(crate) type Mark = (u64, u64);

/// How a message of the workload went out.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Carried {
    /// Over which connection.
    pub(crate) number: Number,
    /// As which of all.
    pub(crate) order: u64,
}

/// The network of one schedule. Clones are the same one.
#[derive(Clone)]
pub(crate) struct Network(Arc<Mutex<State>>);

struct State {
    random: Random,
    /// Where processes listen.
    listeners: BTreeMap<String, mpsc::UnboundedSender<End>>,
    connections: BTreeMap<Number, Connection>,
    last: Number,
    /// How each message of the workload was written.
    carried: BTreeMap<Mark, Carried>,
    /// Pairs of nodes between which nothing passes, and until when.
    cuts: BTreeMap<[String; 2], Instant>,
    /// How many faults of each kind.
    faults: BTreeMap<&'static str, u64>,
    /// No faults any more.
    healed: bool,
    /// Connections hold much on their way.
    wide: bool,
    /// Work that was done during floods, in messages.
    worked: u64,
    /// There is such work, and somebody who watches it.
    works: bool,
    /// The connection over which a flood has asked, and the work that was done then.
    asked: Option<(Number, Option<u64>)>,
    history: Vec<String>,
    start: Instant,
}

struct Connection {
    /// The processes at both ends, the dialling one first.
    ends: [u64; 2],
    /// The names of the nodes there.
    names: [String; 2],
    made: Instant,
    /// What each end writes.
    wires: [Wire; 2],
    /// The end of what each has written, where a marker may have begun.
    tails: [Vec<u8>; 2],
    /// What of each end panics when it is used next.
    panics: [Option<Used>; 2],
}

/// What is used of an end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Used {
    Read,
    Write,
    Shutdown,
    Drop,
}

/// How an attempt to connect goes.
enum Attempt {
    Connects,
    Fails,
    Panics,
}

impl Network {
    pub(crate) fn new(random: Random) -> Self {
        Self(Arc::new(Mutex::new(State {
            random,
            listeners: BTreeMap::new(),
            connections: BTreeMap::new(),
            last: 0,
            carried: BTreeMap::new(),
            cuts: BTreeMap::new(),
            faults: BTreeMap::new(),
            healed: false,
            wide: false,
            worked: 0,
            works: false,
            asked: None,
            history: Vec::new(),
            start: Instant::now(),
        })))
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The transport of process `process`, which is node `name`.
    pub(crate) fn of(&self, process: u64, name: String) -> Device {
        Device {
            network: self.clone(),
            process,
            name,
        }
    }

    /// How a message was written, the first time.
    pub(crate) fn carried(&self, mark: Mark) -> Option<Carried> {
        self.lock().carried.get(&mark).copied()
    }

    /// How many messages of the workload were written so far.
    pub(crate) fn order(&self) -> u64 {
        self.lock().carried.len() as u64
    }

    /// Adds a line to the history.
    pub(crate) fn note(&self, what: impl AsRef<str>) {
        self.lock().note(what.as_ref());
    }

    pub(crate) fn history(&self) -> Vec<String> {
        self.lock().history.clone()
    }

    /// How many faults of each kind there were.
    pub(crate) fn faults(&self) -> BTreeMap<&'static str, u64> {
        self.lock().faults.clone()
    }

    pub(crate) fn count(&self, fault: &'static str) {
        self.lock().fault(fault);
    }

    /// How many connections are there.
    pub(crate) fn len(&self) -> usize {
        self.lock().connections.len()
    }

    /// Something bad happens to one of the connections.
    pub(crate) fn strike(&self, random: &mut Random) -> Option<&'static str> {
        let mut state = self.lock();
        let numbers: Vec<Number> = state.connections.keys().copied().collect();
        let number = *random.pick(&numbers)?;
        let connection = state.connections.get_mut(&number)?;
        let one = random.below(2) as usize;
        let fault = match random.below(9) {
            0 => {
                connection.both(|wire| wire.strike(Health::Reset));
                "reset"
            }
            1 => {
                connection.both(|wire| wire.strike(Health::Closed));
                "closed"
            }
            2 => {
                connection.wires[one].strike(Health::Closed);
                "closed by one end"
            }
            3 => {
                connection.wires[one].strike(Health::Silent);
                "silent in one direction"
            }
            4 => {
                connection.both(|wire| wire.strike(Health::Silent));
                "silent in both directions"
            }
            5 => {
                connection.wires[one].stall(Duration::from_millis(random.between(1, 1500)));
                "slow reader"
            }
            6 => {
                connection.wires[one].stall(Duration::from_secs(60));
                "stopped reader"
            }
            // A stranger has no transport.
            _ if connection.ends[one] == 0 || connection.ends[one] == u64::MAX => return None,
            _ => {
                let uses = [Used::Read, Used::Write, Used::Shutdown, Used::Drop];
                connection.panics[one] = random.pick(&uses).copied();
                match connection.panics[one] {
                    Some(Used::Read) => "a transport panics as it reads",
                    Some(Used::Write) => "a transport panics as it writes",
                    Some(Used::Shutdown) => "a transport panics as it closes",
                    _ => "a transport panics as it is dropped",
                }
            }
        };
        state.fault(fault);
        state.note(&format!("FAULT connection {number}: {fault}"));
        Some(fault)
    }

    /// For some time nothing passes between each of these pairs of nodes, and nobody is told: what is sent arrives after
    /// that, as it does over TCP.
    pub(crate) fn cut(&self, pairs: impl IntoIterator<Item = [String; 2]>, time: Duration) {
        let mut state = self.lock();
        for mut pair in pairs {
            pair.sort();
            for connection in state.connections.values_mut() {
                if connection.is_between(&pair) {
                    connection.both(|wire| wire.stall(time));
                }
            }
            state.cuts.insert(pair, Instant::now() + time);
        }
    }

    /// A process ends without a word: nothing of it arrives any more, or both ends are told.
    pub(crate) fn crash(&self, process: u64, health: Health) {
        let mut state = self.lock();
        for connection in state.connections.values_mut() {
            if connection.ends.contains(&process) {
                connection.both(|wire| wire.strike(health));
            }
        }
    }

    /// No faults any more; what was only stalled goes on.
    pub(crate) fn heal(&self) {
        let mut state = self.lock();
        state.healed = true;
        state.cuts.clear();
        for connection in state.connections.values_mut() {
            connection.both(Wire::flow);
            connection.panics = [None; 2];
        }
    }

    /// Whether work begins that has to be watched: not where there is some.
    pub(crate) fn works(&self) -> bool {
        !std::mem::replace(&mut self.lock().works, true)
    }

    /// The work is over.
    pub(crate) fn rests(&self) {
        let mut state = self.lock();
        (state.works, state.asked) = (false, None);
    }

    /// A message was worked off.
    pub(crate) fn worked_off(&self) {
        self.lock().worked += 1;
    }

    pub(crate) fn worked(&self) -> u64 {
        self.lock().worked
    }

    /// What had been done when a question was read of a flood that could have been answered and was not.
    pub(crate) fn unanswered(&self) -> Option<u64> {
        let state = self.lock();
        let (number, since) = state.asked?;
        let answers = &state.connections.get(&number)?.wires[1];
        let can_be = answers.health() == Health::Well && answers.room() > 1000;
        since.filter(|_| can_be)
    }

    /// From now on connections hold much on their way: where it matters what nodes say, and not how slowly.
    pub(crate) fn widen(&self) {
        self.lock().wide = true;
    }

    /// Connects at once, to a stranger's process (0) or another.
    pub(crate) fn dial(&self, process: u64, from: &str, to: &str) -> io::Result<End> {
        let mut state = self.lock();
        let listener = state.listeners.get(to);
        let listener = listener.ok_or(io::ErrorKind::ConnectionRefused)?.clone();
        state.last += 1;
        let number = state.last;
        // The port says which connection it is.
        let at =
            |host| SocketAddr::from(([127, 0, 0, host], FIRST_PORT + (number % 60_000) as u16));
        let (ours, theirs) = (at(1), at(2));
        let end = |side: usize, local, peer| End {
            network: self.clone(),
            number,
            side,
            local,
            peer,
        };
        let accepted = end(1, theirs, ours);
        // Whom the listener belongs to is known when it takes the connection.
        let wires = [0, 1].map(|_| {
            let fate = state.fate();
            let mut wire = Wire::new(state.random.fork(), fate);
            if state.healed {
                wire.flow();
            }
            if state.wide {
                wire.widen();
            }
            wire
        });
        let names = [from.to_owned(), to.to_owned()];
        let crosses = |other: &Connection| {
            other.names[0] == to && other.names[1] == from && other.made.elapsed() < AT_ONCE
        };
        if state.connections.values().any(crosses) {
            state.fault("dialled from both sides at once");
        }
        state.note(&format!("connection {number}: {from} dials {to}"));
        let connection = Connection {
            ends: [process, 0],
            names,
            made: Instant::now(),
            wires,
            tails: Default::default(),
            panics: [None; 2],
        };
        state.connections.insert(number, connection);
        let refused = listener.send(accepted).err();
        if refused.is_some() {
            state.connections.remove(&number);
        }
        // An end that is dropped looks for its connection.
        drop(state);
        match refused {
            Some(_) => Err(io::ErrorKind::ConnectionRefused.into()),
            None => Ok(end(0, ours, theirs)),
        }
    }
}

impl State {
    fn note(&mut self, what: &str) {
        let at = self.start.elapsed().as_secs_f64() * 1e3;
        self.history.push(format!("{at:>9.3} ms  {what}"));
    }

    /// Something has gone wrong, as it should.
    fn fault(&mut self, fault: &'static str) {
        *self.faults.entry(fault).or_default() += 1;
    }

    /// What is going to happen to one direction of a new connection, if anything.
    fn fate(&mut self) -> Option<(usize, Health)> {
        if self.healed || !self.random.chance(12) {
            return None;
        }
        // Most connections are short; the opening is some hundreds of bytes.
        let most = *self.random.pick(&[100, 400, 2000, 20_000])?;
        let bytes = self.random.between(1, most) as usize;
        let healths = [Health::Reset, Health::Closed, Health::Silent];
        let health = *self.random.pick(&healths)?;
        Some((bytes, health))
    }

    /// Whether a listener panics instead of giving a connection.
    fn accept_panics(&mut self) -> bool {
        let panics = !self.healed && self.random.chance(2);
        if panics {
            self.fault("a transport panics as it accepts");
        }
        panics
    }

    /// How an attempt to connect goes, and what it waits for before.
    fn attempt(&mut self, from: &str, to: &str) -> (Duration, Attempt) {
        let mut pair = [from.to_owned(), to.to_owned()];
        pair.sort();
        let cut = self.cuts.get(&pair).copied();
        let cut = cut.map_or(Duration::ZERO, |until| {
            until.saturating_duration_since(Instant::now())
        });
        let wait = cut + Duration::from_micros(self.random.between(0, 5000));
        if self.healed || !self.random.chance(6) {
            return (wait, Attempt::Connects);
        }
        match self.random.below(5) {
            0..2 => {
                self.fault("an attempt to connect fails");
                (wait, Attempt::Fails)
            }
            2 => {
                self.fault("a transport panics as it connects");
                (wait, Attempt::Panics)
            }
            _ => {
                self.fault("an attempt to connect takes long");
                let long = Duration::from_millis(self.random.between(100, 3000));
                (wait + long, Attempt::Connects)
            }
        }
    }
}

impl Connection {
    /// Whether it is between these two, which are sorted.
    fn is_between(&self, pair: &[String; 2]) -> bool {
        let mut names = self.names.clone();
        names.sort();
        names == *pair
    }

    fn both(&mut self, strike: impl Fn(&mut Wire)) {
        self.wires.iter_mut().for_each(strike);
    }

    /// The markers in what side `side` has written with `bytes` at its end.
    fn marks(&mut self, side: usize, bytes: &[u8]) -> Vec<Mark> {
        let tail = &mut self.tails[side];
        tail.extend_from_slice(bytes);
        let mut marks = Vec::new();
        let mut from = 0;
        while let Some(begin) = tail[from..].iter().position(|byte| *byte == b'~') {
            let begin = from + begin;
            let Some(len) = tail[begin + 1..].iter().position(|byte| *byte == b'~') else {
                from = begin;
                break;
            };
            let text = std::str::from_utf8(&tail[begin + 1..begin + 1 + len]).unwrap_or_default();
            let mark = text.split_once('.');
            let mark = mark.and_then(|(stream, n)| Some((stream.parse().ok()?, n.parse().ok()?)));
            from = match mark {
                Some(mark) => {
                    marks.push(mark);
                    begin + len + 2
                }
                // Something else: what ends it may begin the next.
                None => begin + 1 + len,
            };
        }
        let keep = tail.len().saturating_sub(64).max(from.min(tail.len()));
        tail.drain(..keep.min(tail.len()));
        marks
    }
}
