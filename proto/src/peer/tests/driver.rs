//! The driver: calls a peer machine in a sequence that a seed determines, simulates the connection and the remote peer,
//! and reports everything to the model.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::AddAssign;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::Poll;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};

use super::model::{Broken, Model, Port};
use crate::codec::Frame;
use crate::handshake::Role;
use crate::node_protocol::{TRACE, TraceContext};
use crate::peer::{
    Chunk, Connection, Effect, Generation, Machine, OpeningKey, Pool, Wait, Written,
};
use crate::value::EncodeError;
use crate::value::Values;
use crate::{PortName, Reason, Value};

/// The number of the node port in the model.
pub(super) const NODE: Port = 0;

/// The number of ports of the peer, including the node port.
const PORTS: u64 = 5;

/// The queue limit in bytes. Small, so that runs reach it.
const LIMIT: usize = 3000;

const HIGH_WATER: usize = 1000;

/// The number of a keepalive, in place of the number of a message.
const NO_MESSAGE: usize = u32::MAX as usize;

/// A keepalive, encoded like the messages of this driver.
const KEEPALIVE: [u8; 8] = [255, 255, 255, 255, 0, 0, 0, 0];

/// What happened in one or more runs.
#[derive(Debug, Default)]
pub(super) struct Counts {
    pub(super) steps: u64,
    pub(super) delivered: u64,
    pub(super) fired: u64,
    /// Connections that were lost.
    pub(super) lost: u64,
    /// Connections that were closed gracefully.
    pub(super) closed: u64,
}

impl AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.steps += other.steps;
        self.delivered += other.delivered;
        self.fired += other.fired;
        self.lost += other.lost;
        self.closed += other.closed;
    }
}

/// The source of a run's choices: the bytes of a fuzz target, if it has any, and then pseudo-random numbers from a seed
/// (splitmix64).
struct Random {
    bytes: VecDeque<u8>,
    seed: u64,
}

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        let bytes = &mut self.bytes;
        let byte = bytes.pop_front().map(u64::from);
        let n = match (byte, limit) {
            (Some(high), 257..) => high << 8 | u64::from(bytes.pop_front().unwrap_or_default()),
            (Some(byte), _) => byte,
            (None, _) => self.next(),
        };
        n % limit
    }

    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut n = self.seed;
        n = (n ^ (n >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        n = (n ^ (n >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        n ^ (n >> 31)
    }

    fn one_in(&mut self, times: u64) -> bool {
        self.below(times) == 0
    }
}

/// The codec of the driver. It encodes a message as a length and the index of the message in `encoded`.
#[derive(Default)]
struct Wire {
    encoded: Vec<(PortName, Values)>,
    /// Whether the codec refuses the text [`POOR`].
    is_poor: bool,
    reads_traces: bool,
}

const POOR: &str = "what a poor codec lacks";

impl Connection for Wire {
    fn encode(&mut self, frame: &Frame<'_>, out: &mut BytesMut) -> Result<(), EncodeError> {
        let values = frame.to_values()?;
        // The machine has to remove these bytes if the message is refused.
        out.put_u32(u32::MAX);
        if self.is_poor && values.iter().any(|value| value.as_str() == Some(POOR)) {
            return Err(EncodeError::serialize(POOR));
        }
        out.truncate(out.len() - 4);
        let padding = values.iter().map(|value| match value {
            Value::Bytes(bytes) => bytes.len(),
            _ => 0,
        });
        let padding: usize = padding.sum();
        out.put_u32(self.encoded.len() as u32);
        out.put_u32(padding as u32);
        out.put_bytes(0, padding);
        self.encoded.push((frame.port.into(), values));
        Ok(())
    }

    fn encode_traced(
        &mut self,
        context: &TraceContext,
        frame: &Frame<'_>,
        out: &mut BytesMut,
    ) -> Result<(), EncodeError> {
        if self.reads_traces {
            self.encode(&Frame::new("", &context.to_request()), out)?;
        }
        self.encode(frame, out)
    }

    fn fit(&self, elements: &[Value]) -> Values {
        elements.iter().cloned().collect()
    }
}

#[derive(Default)]
struct Counted(AtomicUsize);

impl Pool for Counted {
    fn reserve(&self, bytes: usize) {
        self.0.fetch_add(bytes, Ordering::Relaxed);
    }

    fn release(&self, bytes: usize) {
        self.0.fetch_sub(bytes, Ordering::Relaxed);
    }
}

/// The key of a monitor.
type Key = u64;

/// The task of the connection that is up.
struct Link {
    generation: Generation,
    /// The chunk of the writer, and the number of its bytes that are written.
    chunk: Option<(BytesMut, usize)>,
    written: Written,
    /// The writer waits for a wake.
    is_waiting: bool,
    /// The writer has got [`Chunk::End`].
    has_ended: bool,
    /// Written bytes that have not arrived.
    underway: BytesMut,
    /// The context that has arrived, for the next message.
    context: Option<TraceContext>,
    /// The machine has reported that the connection has failed.
    has_failed: bool,
    is_closing: bool,
    /// Ports of ours that the peer watches.
    watched: BTreeMap<PortName, usize>,
    /// Deaths of our ports that are still to be reported to the peer.
    to_tell: VecDeque<PortName>,
}

pub(super) struct Run {
    random: Random,
    machine: Machine<Key, Wire>,
    pool: Arc<Counted>,
    model: Model,
    /// The messages that were sent with a context, by port and number.
    traced: BTreeSet<(Port, u64)>,
    link: Option<Link>,
    generation: Generation,
    connecting: Option<Wait>,
    next_key: Key,
    /// The expected [`Effect::Unwatch`] for a connection that was lost in this step.
    unwatched: Option<(Generation, Vec<PortName>)>,
    /// Bytes that were lost with a connection in this step.
    lost: usize,
    /// A monitor can fire in this step although no connection is lost.
    may_fire: bool,
    /// Waiting tasks were woken in this step.
    has_changed: bool,
    opening: Option<OpeningKey>,
    /// A wait that is over.
    wait_before: Option<Wait>,
    counts: Counts,
}

impl Run {
    /// Runs the sequence of `seed`.
    pub(super) fn of(seed: u64, steps: usize) -> Result<Counts, Broken> {
        let bytes = VecDeque::new();
        Self::chosen_by(Random { bytes, seed }, |step, _| step < steps)
    }

    /// Runs the sequence that `bytes` choose, of at most so many steps.
    pub(super) fn of_bytes(bytes: &[u8], steps: usize) -> Result<Counts, Broken> {
        let bytes = bytes.iter().copied().collect();
        Self::chosen_by(Random { bytes, seed: 0 }, |step, random| {
            step < steps && !random.bytes.is_empty()
        })
    }

    fn chosen_by(
        random: Random,
        goes_on: impl Fn(usize, &Random) -> bool,
    ) -> Result<Counts, Broken> {
        let pool = Arc::new(Counted::default());
        let machine = Machine::new(
            "us".parse().expect("an ID"),
            "peer".parse().expect("an ID"),
            LIMIT,
            pool.clone(),
        );
        let mut run = Self {
            random,
            machine,
            pool,
            model: Model::default(),
            traced: BTreeSet::new(),
            link: None,
            generation: 0,
            connecting: None,
            next_key: 0,
            unwatched: None,
            lost: 0,
            may_fire: false,
            has_changed: false,
            opening: None,
            wait_before: None,
            counts: Counts::default(),
        };
        let mut step = 0;
        while goes_on(step, &run.random) {
            let before = run.awaited();
            run.step()
                .and_then(|()| run.check(before))
                .map_err(|how| format!("step {step}: {how}"))?;
            run.counts.steps += 1;
            step += 1;
        }
        run.end()?;
        let Self {
            machine,
            pool,
            counts,
            ..
        } = run;
        drop(machine);
        match pool.0.load(Ordering::Relaxed) {
            0 => Ok(counts),
            left => Err(format!("{left} bytes of the pool are not given back")),
        }
    }

    fn port(&mut self) -> Port {
        (1 + self.random.below(PORTS - 1)) as Port
    }

    fn step(&mut self) -> Result<(), Broken> {
        match self.random.below(40) {
            0..8 => self.send(),
            8 => self.kill(),
            9..12 => self.monitor(),
            12 | 13 => self.unmonitor(),
            14..17 => self.connect(),
            17..25 => self.write()?,
            25..31 => return self.deliver(),
            31 => match self.random.below(4) {
                0 => self.lose("lost"),
                1 => self.read(),
                2 => self.opening(),
                _ => self.keepalive(),
            },
            32 => self.close(),
            33 => self.unreachable(),
            34 => self.watch(),
            35 => self.our_port_dies(),
            36 => self.their_port_dies(),
            37 => self.not_sent(),
            38 if self.random.one_in(10) => self.machine.evict("evicted"),
            39 => self.fail_or_pass_on(),
            _ => self.send_own(),
        }
        self.perform()
    }

    /// The conditions for which tasks wait.
    fn awaited(&self) -> [bool; 4] {
        let connecting = self.connecting;
        [
            self.machine.queued() < HIGH_WATER,
            !self.machine.is_up(),
            connecting.is_none_or(|wait| !self.machine.is_waiting(wait)),
            !self.machine.is_opening(),
        ]
    }

    /// A message with a number, some padding, and sometimes the text that a poor codec refuses.
    fn message(&mut self, number: u64) -> Values {
        let padding = match self.random.one_in(20) {
            true => self.random.below(LIMIT as u64),
            false => self.random.below(50),
        };
        let mut message: Values = [
            Value::from(number),
            Value::from(Bytes::from(vec![0; padding as usize])),
        ]
        .into_iter()
        .collect();
        if self.random.one_in(30) {
            message.push(POOR);
        }
        message
    }

    fn send(&mut self) {
        let port = self.port();
        let number = self.model.send(port);
        let message = self.message(number);
        let name = name(port);
        let frame = Frame::new(name.as_str(), &message);
        let sent = match self.random.one_in(4) {
            true => {
                self.traced.insert((port, number));
                let context = Box::new(context_of(port, number));
                self.machine.send_traced(context, &frame)
            }
            false => self.machine.send(&frame),
        };
        if sent.is_err() {
            self.traced.remove(&(port, number));
            self.model.refused(port);
        }
    }

    /// A message that the node itself makes, such as that of a monitor.
    fn send_own(&mut self) {
        let port = self.port();
        let number = self.model.send(port);
        let values = [Value::from(number)].into_iter().collect();
        self.machine.send_own(&name(port), values);
    }

    fn read(&mut self) {
        let bytes = self.random.below(5000) as usize;
        let room = self.machine.reserve_read(self.generation, bytes);
        assert!(room >= bytes);
    }

    /// An opening begins or ends.
    fn opening(&mut self) {
        match self.opening.take() {
            Some(opening) => self.machine.close_opening(opening),
            None => {
                let opening = self.machine.open(Role::Acceptor, true, Duration::ZERO);
                self.opening = Some(opening);
            }
        }
    }

    /// A keepalive or a liveness probe.
    fn keepalive(&mut self) {
        let generation = self.generation;
        if self.random.one_in(2) {
            let is_wanted = self.random.one_in(2);
            self.machine
                .keepalive(generation, &KEEPALIVE, is_wanted, false);
        } else {
            let question = ["time", ""].into_iter().map(Value::from).collect();
            self.machine.send_request_over(generation, &question);
        }
    }

    fn kill(&mut self) {
        let port = self.port();
        let number = self.model.send(port);
        let reason: Reason = [Value::from(number)].into_iter().collect();
        self.machine.kill(&name(port), &reason);
    }

    fn monitor(&mut self) {
        let port = self.random.below(PORTS) as Port;
        let key = self.next_key;
        self.next_key += 1;
        self.model.monitor(key, port);
        self.machine.monitor(&name(port), key, key);
    }

    fn unmonitor(&mut self) {
        let choice = self.random.below(1 << 16) as usize;
        if let Some((key, port)) = self.model.any_monitor(choice) {
            self.model.unmonitor(key);
            assert_eq!(self.machine.unmonitor(&name(port), key), Some(key));
        }
    }

    /// A connection comes up: a wanted one, or one that the peer has dialled.
    fn connect(&mut self) {
        if self.link.is_some() || (self.connecting.is_none() && !self.random.one_in(4)) {
            return;
        }
        self.connecting = None;
        self.generation += 1 + self.random.below(2);
        let is_poor = self.random.one_in(2);
        let wire = Wire {
            is_poor,
            reads_traces: self.random.one_in(2),
            ..Wire::default()
        };
        self.link = Some(Link {
            generation: self.generation,
            chunk: None,
            written: Written::nothing(HIGH_WATER),
            is_waiting: false,
            has_ended: false,
            underway: BytesMut::new(),
            context: None,
            has_failed: false,
            is_closing: false,
            watched: BTreeMap::new(),
            to_tell: VecDeque::new(),
        });
        self.machine.up(self.generation, wire);
    }

    /// A step of the writer.
    fn write(&mut self) -> Result<(), Broken> {
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        if link.has_failed {
            self.lose("it has failed");
            return Ok(());
        }
        if let Some((bytes, at)) = &mut link.chunk {
            let some = 1 + self.random.below((bytes.len() - *at) as u64) as usize;
            link.underway.extend_from_slice(&bytes[*at..*at + some]);
            *at += some;
            link.written.add(some);
            if *at == bytes.len()
                && let Some((bytes, _)) = link.chunk.take()
            {
                link.written.recycle(bytes);
            } else {
                self.machine
                    .bytes_written(link.generation, &mut link.written);
                return Ok(());
            }
        }
        if link.is_waiting || link.has_ended {
            return Ok(());
        }
        let chunk = match self.random.one_in(3) {
            true => {
                let mut seen = self.random.below(100) as usize;
                let chunk = self
                    .machine
                    .try_chunk(link.generation, &mut link.written, &mut seen);
                chunk.map_or(Poll::Pending, Poll::Ready)
            }
            false => {
                let chunk = self.machine.poll_chunk(link.generation, &mut link.written);
                link.is_waiting = chunk.is_pending();
                chunk
            }
        };
        match chunk {
            Poll::Ready(Chunk::Bytes(bytes)) => link.chunk = Some((bytes, 0)),
            Poll::Ready(Chunk::End) => {
                link.has_ended = true;
                // A gracefully closed connection ends when all bytes are written.
                if link.is_closing && !self.random.one_in(3) {
                    while self.has_whole() {
                        self.deliver()?;
                    }
                    self.lose("closed in order");
                }
            }
            Poll::Pending => {}
        }
        Ok(())
    }

    fn has_whole(&self) -> bool {
        let underway = self.link.as_ref().map(|link| &link.underway[..]);
        underway.is_some_and(|bytes| bytes.len() >= 8 && bytes.len() >= 8 + length(bytes))
    }

    /// One message arrives at the peer.
    fn deliver(&mut self) -> Result<(), Broken> {
        if !self.has_whole() {
            return Ok(());
        }
        let Some(link) = &mut self.link else {
            return Ok(());
        };
        let (index, padding) = (link.underway.get_u32() as usize, link.underway.get_u32());
        link.underway.advance(padding as usize);
        if index == NO_MESSAGE {
            return Ok(());
        }
        let generation = link.generation;
        let wire = self.machine.connection_of(generation);
        let sent = wire.and_then(|wire| {
            let (to, values) = wire.encoded.get(index).cloned()?;
            Some((to, values, wire.reads_traces))
        });
        let Some((to, values, reads_traces)) = sent else {
            return Err("what arrives was never sent on this connection".into());
        };
        self.counts.delivered += 1;
        if !to.is_node_port() {
            let number = values.first().and_then(Value::as_u64).expect("a number");
            let is_traced = self.traced.remove(&(port(&to), number)) && reads_traces;
            if link.context.take() != is_traced.then(|| context_of(port(&to), number)) {
                return Err(format!(
                    "contexts: {number} arrives at {to:?} with that of another message"
                ));
            }
            return self.model.arrive(port(&to), number);
        }
        let word = values.first().and_then(Value::as_str).expect("a word");
        if link.context.is_some() {
            return Err(format!(
                "contexts: {word:?} comes between one and its message"
            ));
        }
        if word == TRACE {
            let context = values.get(1).and_then(Value::as_str).expect("a context");
            link.context = TraceContext::parse(context, "");
            return Ok(());
        }
        if word.is_empty() || word == "time" {
            return Ok(());
        }
        let about = PortName::from(values.get(1).and_then(Value::as_str).expect("a port"));
        match word {
            "mon1" => self.model.ask(generation, port(&about), true),
            "mon0" => self.model.ask(generation, port(&about), false),
            "kil1" => match values.get(2).and_then(Value::as_u64) {
                Some(number) => self.model.arrive(port(&about), number),
                None => Ok(()),
            },
            "kil0" => match link.to_tell.pop_front() {
                Some(dead) if dead == about => Ok(()),
                dead => Err(format!(
                    "the peer is told that {about:?} died, not {dead:?}"
                )),
            },
            other => Err(format!("the request {other:?} arrives")),
        }
    }

    fn lose(&mut self, why: &str) {
        let Some(link) = self.link.take() else { return };
        if link.is_closing {
            self.counts.closed += 1;
        } else {
            self.counts.lost += 1;
        }
        let unwatched: Vec<_> = link.watched.into_keys().collect();
        let queued = self.machine.queued();
        self.machine.down(link.generation, why);
        self.lost = queued - self.machine.queued();
        self.unwatched = (!unwatched.is_empty()).then_some((link.generation, unwatched));
    }

    fn close(&mut self) {
        let Some(link) = &mut self.link else { return };
        if self.random.one_in(2) {
            self.machine.peer_closed(link.generation, "the peer closes");
            link.is_closing |= !link.has_failed;
        } else {
            let is_needed = self.machine.queued() > 0
                || self.opening.is_some()
                || !self.model.monitored().is_empty()
                || !link.watched.is_empty();
            if self.machine.close_idle(link.generation, "idle") {
                assert!(!is_needed, "a connection that is needed is closed as idle");
                link.is_closing = true;
            }
        }
    }

    fn unreachable(&mut self) {
        if let (Some(wait), None) = (self.connecting, &self.link) {
            if let Some(over) = self.wait_before
                && over != wait
            {
                // A connector whose wait is over has no effect.
                let queued = self.machine.queued();
                self.machine.unreachable(over, "too late");
                assert!(self.machine.is_waiting(wait) && self.machine.queued() == queued);
            }
            self.connecting = None;
            self.wait_before = Some(wait);
            self.machine.unreachable(wait, "nobody there");
        }
    }

    /// The peer watches a port of ours, or ends a watch.
    fn watch(&mut self) {
        let port = name(self.port());
        let Some(link) = &mut self.link else { return };
        if self.random.one_in(3) {
            let is_watched = link.watched.contains_key(&port);
            assert_eq!(self.machine.remove_watch(&port), is_watched);
            if is_watched {
                forget(&mut link.watched, &port);
            }
        } else {
            let has_room = link.watched.values().sum::<usize>() < 10;
            assert_eq!(self.machine.add_watch(&port, 10), has_room);
            if has_room {
                *link.watched.entry(port).or_default() += 1;
            }
        }
    }

    /// A port of ours dies: the death is reported once for each watch of the peer.
    fn our_port_dies(&mut self) {
        let port = name(self.port());
        let Some(link) = &mut self.link else { return };
        for _ in 0..link.watched.remove(&port).unwrap_or_default() {
            if !link.is_closing && !link.has_failed {
                link.to_tell.push_back(port.clone());
            }
            let generation = link.generation;
            self.machine
                .local_port_died(generation, &port, &Reason::normal());
        }
        // A watch of an older connection is not reported.
        self.machine
            .local_port_died(self.generation.wrapping_sub(1), &port, &Reason::normal());
    }

    /// A port of the peer dies. The peer reports it if it was asked to watch the port.
    fn their_port_dies(&mut self) {
        let port = self.port();
        let Some(link) = &self.link else { return };
        // A real port stays dead, and a later request to watch it is answered at once. Ports of this driver stay alive.
        let is_underway = self.machine.queued() > 0 || !link.underway.is_empty();
        if !is_underway && self.model.peer_port_died(link.generation, port) {
            for key in self.machine.remote_port_died(&name(port)) {
                self.counts.fired += 1;
                self.model.fire(key, port).expect("a monitor that is set");
            }
        }
    }

    /// A message could not be encoded after its send had returned, so only monitors can report it.
    fn not_sent(&mut self) {
        let port = self.port();
        let error = EncodeError::serialize(POOR);
        self.model.send(port);
        self.may_fire = true;
        if !self.machine.not_sent(&name(port), &error) {
            self.model.refused(port);
        }
    }

    fn fail_or_pass_on(&mut self) {
        if self.random.one_in(4) {
            self.machine.fail(self.generation, "a fault");
        } else {
            let port = self.port();
            let number = self.model.send(port);
            let message = self.message(number);
            let to = name(port);
            if self
                .machine
                .pass_on(&Frame::new(to.as_str(), &message), HIGH_WATER)
                .is_err()
            {
                self.model.refused(port);
            }
        }
    }

    /// Performs the effects of the machine.
    fn perform(&mut self) -> Result<(), Broken> {
        let expected = (self.unwatched.take(), std::mem::take(&mut self.lost));
        let is_loss = expected.1 > 0;
        let (mut unwatched, mut lost) = (None, 0);
        let mut has_cause = std::mem::take(&mut self.may_fire);
        let mut has_fired = false;
        for effect in self.machine.take_effects() {
            match effect {
                Effect::Fire(monitors, _) => {
                    has_fired = true;
                    for (watched, key) in monitors {
                        self.counts.fired += 1;
                        self.model.fire(key, port(&watched))?;
                    }
                }
                Effect::Connect(wait) => {
                    if self.link.is_some() || self.connecting.is_some() {
                        return Err("one connector: a second is to start".into());
                    }
                    self.connecting = Some(wait);
                }
                Effect::Wake => {
                    if let Some(link) = &mut self.link {
                        link.is_waiting = false;
                    }
                }
                Effect::Up(generation) => self.model.comes_up(generation)?,
                Effect::Down { generation, .. } => {
                    has_cause = true;
                    self.model.goes_down(generation)?;
                    self.model.all_have_fired()?;
                }
                Effect::Fail(generation) => {
                    if let Some(link) = &mut self.link
                        && link.generation == generation
                    {
                        link.has_failed = true;
                    }
                }
                Effect::GaveUp(_) => {
                    has_cause = true;
                    self.connecting = None;
                    self.model.all_have_fired()?;
                }
                Effect::Unwatch(generation, ports) => unwatched = Some((generation, ports)),
                Effect::Lost(bytes) => lost = bytes,
                Effect::NotSent(..) => has_cause = true,
                Effect::Changed => self.has_changed = true,
                Effect::Yield | Effect::MoreNotSent(_) => {}
            }
        }
        // The pending messages of a closing connection can be lost with it.
        has_cause |= is_loss || self.link.is_none();
        if has_fired && !has_cause {
            return Err("fires for cause: monitors fire and nothing is lost".into());
        }
        let found = (unwatched, if is_loss { lost } else { 0 });
        match found == expected {
            true => Ok(()),
            false => Err(format!(
                "said to be lost: {found:?} instead of {expected:?}"
            )),
        }
    }

    /// The invariants after each step.
    fn check(&mut self, before: [bool; 4]) -> Result<(), Broken> {
        let has_failed = self.link.as_ref().is_some_and(|link| link.has_failed);
        let after = self.awaited();
        // The end of a failed connection is reported when it is down.
        let is_news = (usize::from(has_failed)..4).any(|what| !before[what] && after[what]);
        if !std::mem::take(&mut self.has_changed) && is_news {
            return Err(format!("tasks are woken: {before:?} became {after:?}"));
        }
        let pooled = self.pool.0.load(Ordering::Relaxed);
        if pooled != self.machine.pooled() {
            return Err(format!(
                "{pooled} bytes of the pool are taken, and {} held",
                self.machine.pooled()
            ));
        }
        // The queue of a closing connection, and the pending messages for the next one.
        let is_closing = self.link.as_ref().is_some_and(|link| link.is_closing);
        if self.machine.queued() > LIMIT * (1 + usize::from(is_closing)) {
            return Err(format!("{} bytes wait", self.machine.queued()));
        }
        let is_needed = self.machine.queued() > 0 || !self.model.monitored().is_empty();
        match &mut self.link {
            None => {
                let is_waited = self
                    .connecting
                    .is_some_and(|wait| self.machine.is_waiting(wait));
                if is_needed && !is_waited {
                    return Err("something needs a connection, and none is made".into());
                }
            }
            // Not after each step, because polling registers the wait again.
            Some(link) if link.is_waiting && self.random.one_in(4) => {
                let chunk = self.machine.poll_chunk(link.generation, &mut link.written);
                if !chunk.is_pending() {
                    return Err("the writer sleeps, and there is something to write".into());
                }
            }
            Some(_) => {}
        }
        Ok(())
    }

    /// Delivers everything that can be delivered.
    fn end(&mut self) -> Result<(), Broken> {
        if self
            .link
            .as_ref()
            .is_some_and(|link| link.has_failed || link.is_closing || link.has_ended)
        {
            self.lose("the end");
            self.perform()?;
        }
        for round in 0.. {
            if round > 10_000 {
                return Err("it comes to no end".into());
            }
            if self.link.is_none() {
                self.connecting.get_or_insert_default();
                self.connect();
                self.perform()?;
            }
            self.write()?;
            self.perform()?;
            while self.has_whole() {
                self.deliver()?;
                self.perform()?;
            }
            let is_done = self
                .link
                .as_ref()
                .is_some_and(|link| link.is_waiting && !link.has_failed && link.chunk.is_none());
            if is_done && self.machine.queued() == 0 {
                break;
            }
        }
        let untold = self.link.as_ref().map_or(0, |link| link.to_tell.len());
        if untold > 0 {
            return Err(format!("the peer is not told of {untold} deaths"));
        }
        self.model.end(self.generation)
    }
}

fn name(port: Port) -> PortName {
    match port {
        NODE => PortName::NODE_PORT,
        port => format!("p{port}").as_str().into(),
    }
}

fn port(name: &PortName) -> Port {
    match name.as_str().strip_prefix('p') {
        Some(number) => number.parse().expect("a port of the driver"),
        None => NODE,
    }
}

/// The context of message `number` to `port`.
fn context_of(port: Port, number: u64) -> TraceContext {
    TraceContext::new(u128::from(port), number + 1, 0).expect("a context")
}

fn length(message: &[u8]) -> usize {
    let padding: [u8; 4] = message[4..8].try_into().expect("four bytes");
    u32::from_be_bytes(padding) as usize
}

fn forget(watched: &mut BTreeMap<PortName, usize>, port: &PortName) {
    if let Some(times) = watched.get_mut(port) {
        *times -= 1;
        if *times == 0 {
            watched.remove(port);
        }
    }
}
