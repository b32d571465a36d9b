//! A live replay of one session with our node in the place of one side.
//!
//! The recording is gone through unit by unit. What the other side sent is sent to our node as it was, byte for
//! byte; only proofs are computed anew, and names that our node made up take the place of the recorded ones. What
//! our side sent is expected of our node: what the recorded program did on its own account is done through our API
//! first, answers have to come by themselves. In the end nothing may have been sent beyond that.
//!
//! The hand-written client `py` is a node of ours for each of its connections.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::fmt::Debug;
use std::time::Duration;

use aemp::Values;
use aemp::{CallError, LocalNode, Monitor, Value};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};
use tokio::task::JoinHandle;

use crate::directory::{APART, Asked, extra, is_directory};
use crate::programs::News;
use crate::recording::{Connection, Session, What};
use crate::relay::Relay;
use crate::rules::{Rule, Tally};
use crate::script::{Script, is_probe};
use crate::values::{self, Names};

/// How long something may take that has to come; the clock is virtual.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// What our node says to source that it does not know.
const NO_CODE: &str = "this node evaluates no code";

pub(crate) struct Replay<'a> {
    pub(crate) session: &'a Session,
    pub(crate) side: &'a str,
    pub(crate) relay: Relay,
    /// By connection for `py`; under 0 for a node.
    pub(crate) actors: BTreeMap<u64, Actor>,
    pub(crate) links: BTreeMap<u64, Link>,
    /// Own units that have been done already, together with an earlier one.
    pub(crate) done: HashSet<usize>,
    /// Connections that our program has given a reason for.
    pub(crate) wanted: HashSet<u64>,
    /// Where the replay is.
    pub(crate) at: usize,
    pub(crate) tally: Tally,
}

/// Our node with its program.
pub(crate) struct Actor {
    pub(crate) node: LocalNode,
    pub(crate) news: UnboundedReceiver<News>,
    pub(crate) tell: UnboundedSender<News>,
    /// Ports that show what reaches them.
    pub(crate) shown: BTreeSet<String>,
    /// By the other node and its port's name.
    pub(crate) monitors: BTreeMap<(String, String), Monitor>,
    /// By the recorded name of the port that waits for the answer: whether it watches the port, and the answer.
    pub(crate) calls: BTreeMap<String, Calling>,
    pub(crate) names: Names,
    pub(crate) asked: Asked,
}

pub(crate) struct Calling {
    pub(crate) to: String,
    pub(crate) watches: bool,
    pub(crate) outcome: JoinHandle<Result<Values, CallError>>,
}

/// One connection of the replay.
pub(crate) struct Link {
    pub(crate) script: Script,
    pub(crate) their_auth: bool,
    pub(crate) our_auth: bool,
    /// Our recorded auth line has been passed, and ours comes later.
    pub(crate) owed: Option<String>,
    /// What the script sends in, once its auth line is out.
    pub(crate) their_framing: String,
    /// What our node has sent and was not expected yet.
    pub(crate) early: Vec<Vec<Value>>,
    /// The answers to `eval` that are due.
    pub(crate) evaluated: Vec<Vec<Value>>,
    /// The ends of monitors that calls of ours have set.
    pub(crate) call_ends: Vec<Vec<Value>>,
    pub(crate) they_closed: bool,
    /// The recorded side has lost it, ours has not.
    pub(crate) lost: bool,
    pub(crate) finished: bool,
}

/// Replays `session` with our node in the place of `side`.
pub(crate) async fn replay(session: &Session, side: &str) -> Tally {
    let mut replay = Replay {
        session,
        side,
        relay: Relay::default(),
        actors: BTreeMap::new(),
        links: BTreeMap::new(),
        done: HashSet::new(),
        wanted: HashSet::new(),
        at: 0,
        tally: Tally::default(),
    };
    for at in 0..session.events.len() {
        replay.at = at;
        replay.step().await;
    }
    let actors = std::mem::take(&mut replay.actors);
    for (_, actor) in actors {
        actor.node.shutdown().await;
    }
    let links: Vec<_> = replay.links.keys().copied().collect();
    for number in links {
        replay.finish(number).await;
    }
    replay.check_sums();
    replay.tally
}

/// Whether our node asks for a sign of life.
fn is_question(message: &[Value]) -> bool {
    let is = |at: usize, word| message.get(at).and_then(Value::as_str) == Some(word);
    is(1, "time") && is(3, "aemp::alive")
}

impl Replay<'_> {
    /// Ends the test: something else was expected.
    #[track_caller]
    pub(crate) fn fail(&self, got: impl Debug, expected: impl Debug) -> ! {
        let (name, side, connection) = (
            &self.session.name,
            self.side,
            self.session.events[self.at].connection,
        );
        panic!(
            "{name}, {side}, unit {} of connection {connection:?}:\n     got {got:?}\nexpected {expected:?}",
            self.at
        )
    }

    /// The key of the node that holds connection `number`.
    pub(crate) fn key(&self, number: u64) -> u64 {
        if self.side == "py" { number } else { 0 }
    }

    pub(crate) fn connection(&self, number: u64) -> &Connection {
        &self.session.connections[&number]
    }

    /// The other end's name in the recording.
    pub(crate) fn other(&self, number: u64) -> &str {
        let connection = self.connection(number);
        match connection.dialer == self.side {
            true => &connection.acceptor,
            false => &connection.dialer,
        }
    }

    /// The node ID that `side` gives in its greeting.
    pub(crate) fn id_of(&self, number: u64, side: &str) -> String {
        let greeting = &self.connection(number).greetings[side];
        greeting.split(';').nth(2).unwrap().into()
    }

    pub(crate) fn them(&self, number: u64) -> String {
        self.id_of(number, self.other(number))
    }

    pub(crate) fn us(&self, number: u64) -> String {
        self.id_of(number, self.side)
    }

    pub(crate) fn link(&mut self, number: u64) -> &mut Link {
        self.links.get_mut(&number).unwrap()
    }

    pub(crate) fn actor(&mut self, number: u64) -> &mut Actor {
        let key = self.key(number);
        self.actors.get_mut(&key).unwrap()
    }

    async fn step(&mut self) {
        let event = &self.session.events[self.at];
        let us = event.from == self.side;
        let Some(number) = event.connection else {
            match event.what {
                What::Start if us => self.start(0, None).await,
                What::Stop if us => self.stop(0).await,
                _ => {}
            }
            return;
        };
        let connection = self.connection(number);
        if connection.dialer != self.side && connection.acceptor != self.side {
            return;
        }
        match &event.what {
            What::Accept => return self.open(number).await,
            _ if !self.links.contains_key(&number) => return,
            _ => {}
        }
        match (&event.what, us) {
            (What::Greeting(line) | What::Nonce(line), false) => {
                self.tally.received += 1;
                self.link(number).script.say(line).await
            }
            (What::Greeting(line), true) => self.our_greeting(number, line).await,
            (What::Nonce(line), true) => self.our_nonce(number, line).await,
            (What::Auth(line), us) => {
                match us {
                    true => self.our_auth(number, line).await,
                    false => self.their_auth(number, line).await,
                }
                if self.session.name.starts_with("s09") {
                    self.answer_probes().await;
                }
            }
            (What::Message(bytes), true) => self.ours(number, bytes).await,
            (What::Message(bytes), false) => self.theirs(number, bytes.clone()).await,
            (What::Eof, true) => self.our_end(number).await,
            (What::Eof, false) => {
                let link = self.link(number);
                link.they_closed = true;
                link.script.close().await;
            }
            _ => {}
        }
    }

    /// A message of our side: done through our API if it was the program's own doing, then expected.
    async fn ours(&mut self, number: u64, bytes: &[u8]) {
        let message = values::read(&self.our_framing(number), bytes);
        if let Some(rule) = self.is_over(number) {
            self.tally.withheld += 1;
            return self.tally.apply(rule);
        }
        if is_directory(&message) {
            return self.our_directory(number, &message).await;
        }
        let answers = |due: &Vec<Value>| {
            let lead = due.len() - 1;
            message.starts_with(&due[..lead])
                && message
                    .get(lead)
                    .and_then(Value::as_str)
                    .is_some_and(|error| error.is_empty() || error.starts_with("evalfail"))
        };
        if let Some(at) = self.link(number).evaluated.iter().position(answers) {
            let due = self.link(number).evaluated.remove(at);
            self.tally.apply(Rule::Eval);
            return self.expect(number, &due).await;
        }
        if !self.done.remove(&self.at) {
            self.act(number, self.at, &message);
        }
        self.expect(number, &message).await;
    }

    /// Waits for `expected` of our node on connection `number`.
    async fn expect(&mut self, number: u64, expected: &[Value]) {
        for at in 0..self.link(number).early.len() {
            let got = self.link(number).early[at].clone();
            if self.same(number, &got, expected) {
                self.link(number).early.remove(at);
                self.tally.compared += 1;
                self.tally.apply(Rule::Order);
                return;
            }
        }
        loop {
            let next = tokio::time::timeout(SOON, self.link(number).script.message()).await;
            let Ok(Some(got)) = next else {
                let early = &self.links[&number].early;
                self.fail(("nothing more", early), expected);
            };
            if self.same(number, &got, expected) {
                self.tally.compared += 1;
                return;
            }
            self.link(number).early.push(got);
        }
    }

    /// Whether our node's message is the recorded one, but for what is random. Learns the names that it holds.
    fn same(&mut self, number: u64, got: &[Value], expected: &[Value]) -> bool {
        let us = format!("{}#", self.us(number));
        let expected = self.actor(number).names.apply(expected);
        if got.len() != expected.len() {
            return false;
        }
        let mut rules = Vec::new();
        let mut learned = None;
        for (got, expected) in got.iter().zip(&expected) {
            if got == expected {
                continue;
            }
            match (got, expected) {
                // Seconds since 1970.
                (Value::Float(now), Value::Float(then)) if *now > 1.6e9 && *then > 1.6e9 => {
                    rules.push(Rule::Time);
                }
                _ => {
                    let name = |value: &Value| Some(value.as_str()?.strip_prefix(&us)?.to_owned());
                    let (Some(ours), Some(recorded)) = (name(got), name(expected)) else {
                        return false;
                    };
                    if !self.actor(number).calls.contains_key(&recorded) {
                        return false;
                    }
                    rules.push(Rule::Names);
                    learned = Some((recorded, ours));
                }
            }
        }
        if let Some((recorded, ours)) = learned {
            self.actor(number).names.add(&recorded, &ours);
        }
        rules.into_iter().for_each(|rule| self.tally.apply(rule));
        true
    }

    /// A message of the other side: sent as it was, and seen to arrive where our program can see it.
    async fn theirs(&mut self, number: u64, bytes: Vec<u8>) {
        let framing = self.link(number).their_framing.clone();
        let message = values::read(&framing, &bytes);
        if let Some(rule) = self.is_over(number) {
            self.tally.unsaid += 1;
            return self.tally.apply(rule);
        }
        let bytes = self.actor(number).names.rewrite(&framing, bytes);
        let bytes = self.with_our_ids(number, &framing, &message, bytes);
        if is_directory(&message) {
            tokio::time::sleep(APART).await;
        }
        self.link(number).script.send(&bytes).await;
        self.tally.received += 1;
        match is_directory(&message) {
            true => self.directory_arrives(number, &message).await,
            false => self.arrives(number, &message).await,
        }
    }

    /// Why nothing more is said on connection `number`, if that is so.
    fn is_over(&mut self, number: u64) -> Option<Rule> {
        if self.is_refused(number) {
            return self.otherwise(number);
        }
        let link = self.link(number);
        (link.lost || link.finished).then_some(Rule::Stays)
    }

    /// Ends connection `number` as the recorded side did: because it had to, or since its process ended.
    async fn our_end(&mut self, number: u64) {
        match self.otherwise(number) {
            Some(Rule::Stays) => {
                self.tally.apply(Rule::Stays);
                return self.link(number).lost = true;
            }
            Some(rule) => self.tally.apply(rule),
            None => {}
        }
        let link = self.link(number);
        let up = link.our_auth && link.their_auth;
        if up && !link.they_closed && self.secrets_agree(number) {
            self.stop(self.key(number)).await;
        }
        self.finish(number).await;
    }

    async fn stop(&mut self, key: u64) {
        if let Some(actor) = self.actors.remove(&key) {
            actor.node.shutdown().await;
        }
    }

    /// Reads connection `number` to its end. Nothing may be left that no rule covers.
    async fn finish(&mut self, number: u64) {
        let link = self.links.get_mut(&number).unwrap();
        if std::mem::replace(&mut link.finished, true) {
            return;
        }
        let limit = Duration::from_secs(100);
        let mut left = std::mem::take(&mut link.early);
        if link.our_auth {
            let rest = async {
                while let Some(message) = link.script.message().await {
                    left.push(message);
                }
            };
            tokio::time::timeout(limit, rest)
                .await
                .expect("our node closes");
        } else {
            let rest = tokio::time::timeout(limit, link.script.end()).await;
            let rest = rest.expect("our node closes");
            if !rest.is_empty() {
                self.fail(String::from_utf8_lossy(&rest), "the end");
            }
        }
        let link = self.links.get_mut(&number).unwrap();
        let outcome = match (link.our_auth && link.their_auth, &link.owed) {
            (true, _) => "up",
            (false, Some(_)) => {
                self.tally.withheld += 1;
                "refused, no proof given"
            }
            (false, None) => "refused",
        };
        for message in left {
            if let Some(at) = link.call_ends.iter().position(|end| *end == message) {
                link.call_ends.remove(at);
                self.tally.apply(Rule::CallEnds);
            } else if link.evaluated.contains(&message) {
                link.evaluated.retain(|due| *due != message);
                self.tally.apply(Rule::EvalSecure);
            } else if let Some(rule) = extra(&self.session.name, self.side, &message) {
                self.tally.apply(rule);
            } else if is_question(&message) || is_probe(&message) {
                self.tally.apply(Rule::Probe);
            } else {
                self.fail(message, "nothing more");
            }
        }
        let link = self.link(number);
        if !link.evaluated.is_empty() {
            let due = link.evaluated.clone();
            self.fail("nothing more", due);
        }
        let outcome = match self.secrets_agree(number) || outcome != "up" {
            true => outcome,
            false => "refused",
        };
        self.tally.outcome(outcome);
    }

    /// Whether every recorded unit has been dealt with in one of the ways that are counted.
    fn check_sums(&self) {
        let (mut ours, mut theirs) = (0, 0);
        for event in &self.session.events {
            if !event
                .connection
                .is_some_and(|n| self.links.contains_key(&n))
            {
                continue;
            }
            let unit = matches!(
                &event.what,
                What::Greeting(_) | What::Nonce(_) | What::Auth(_) | What::Message(_)
            );
            match event.from == self.side {
                true => ours += usize::from(unit),
                false => theirs += usize::from(unit),
            }
        }
        let tally = &self.tally;
        assert_eq!(
            (ours, theirs),
            (
                tally.compared + tally.withheld,
                tally.received + tally.unsaid
            ),
            "{}, {}: units of ours, and of the other side",
            self.session.name,
            self.side
        );
        // Where our node does not start, there is nothing to replay.
        let opened = self.links.len() + tally.outcomes.get("nobody there").unwrap_or(&0);
        let connections = self.session.connections.values();
        let own = connections.filter(|c| c.dialer == self.side || c.acceptor == self.side);
        let own = own.count();
        let nobody = self.session.connections.values().filter(|connection| {
            connection.acceptor == self.side && connection.greetings.is_empty()
        });
        let started = !tally.rules.contains_key(&Rule::NoSecret);
        assert!(
            !started || own == opened + nobody.count(),
            "{}",
            self.session.name
        );
    }

    /// The answer that our node gives to `eval`, the request `arguments`.
    pub(crate) fn eval_answer(&self, number: u64, arguments: &[Value]) -> Option<Vec<Value>> {
        let reply = arguments.get(2)?.as_str()?;
        let port = reply.strip_prefix(&format!("{}#", self.them(number)))?;
        let lead = arguments[3..].iter().cloned();
        let ends = [Value::from(port)].into_iter().chain(lead);
        Some(ends.chain([NO_CODE.into()]).collect())
    }
}
