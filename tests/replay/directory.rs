//! The directory's part of a replay: what the recorded program did with it, done through our API, and what our program
//! gets to see of it. What nodes say to each other by themselves has to come by itself.

use std::collections::BTreeMap;
use std::time::Duration;

use aemp::directory::{DirectoryError, DirectoryRole};
use aemp::{PortId, Reason, Text, Value};
use tokio::task::JoinHandle;

use crate::recording::What;
use crate::replay::{Replay, SOON};
use crate::rules::Rule;
use crate::values::{self, sorted};

/// How long is waited for what may come by itself, before the program does something.
const SHORT: Duration = Duration::from_millis(300);

/// What is between two requests, so that changes are told one by one: those that come closer together are told as one,
/// which the core's own tests look at.
pub(crate) const APART: Duration = Duration::from_millis(200);

/// What our program has asked of the directory, and follows.
#[derive(Default)]
pub(crate) struct Asked {
    /// By recorded ID.
    answers: BTreeMap<String, JoinHandle<Result<Value, DirectoryError>>>,
    /// Our IDs in the place of the recorded ones.
    ids: BTreeMap<String, String>,
    watches: BTreeMap<String, Watch>,
    /// Nodes that our program wanted to reach.
    gone: BTreeMap<String, JoinHandle<Reason>>,
}

struct Watch {
    watch: aemp::directory::Watch,
    /// What our program knows, and what the recorded one did.
    seen: BTreeMap<Text, Value>,
    recorded: BTreeMap<Text, Value>,
}

/// Whether a message is one of the directory.
pub(crate) fn is_directory(message: &[Value]) -> bool {
    let request = message.get(1).and_then(Value::as_str);
    message[0].as_str() == Some("") && request.is_some_and(|request| request.starts_with("g_"))
}

/// The session of two nodes that dial each other.
const RIVALS: &str = "s09e-simultaneous-latency";

fn text(message: &[Value], at: usize) -> String {
    let value = message.get(at).and_then(Value::as_str);
    value.unwrap_or_default().to_owned()
}

fn is_internal(family: &str) -> bool {
    family.starts_with('\'')
}

/// The pairs of the map at `at`.
fn pairs(message: &[Value], at: usize) -> Vec<(Text, Value)> {
    let map = message.get(at).and_then(Value::as_map);
    let pairs = map.into_iter().flat_map(|map| map.iter());
    pairs
        .filter_map(|(key, value)| Some((key.as_str()?.into(), value.clone())))
        .collect()
}

/// The texts of the array at `at`.
fn texts(message: &[Value], at: usize) -> Vec<Text> {
    let items = message
        .get(at)
        .and_then(Value::as_array)
        .unwrap_or_default();
    items
        .iter()
        .filter_map(Value::as_str)
        .map(Text::from)
        .collect()
}

/// Why our node in the place of `side` says what the recorded one did not.
pub(crate) fn extra(session: &str, side: &str, message: &[Value]) -> Option<Rule> {
    let (request, first) = (text(message, 1), text(message, 2));
    match &*request {
        _ if !is_directory(message) => None,
        _ if side == "py" => Some(Rule::ByHand),
        _ if session == RIVALS => Some(Rule::Rivals),
        "g_upd" if is_internal(&first) => Some(Rule::InSet),
        "g_upd" | "g_chg2" if pairs(message, 3).is_empty() => Some(Rule::Outlives),
        _ => None,
    }
}

impl Replay<'_> {
    /// What our side publishes when it starts, on connection `number` if it is written by hand: entries of its own, and
    /// where it listens.
    pub(crate) fn published(&self, number: Option<u64>) -> (Vec<(String, Text, Value)>, Vec<Text>) {
        let mut entries = Vec::new();
        for event in &self.session.events {
            let (Some(at), What::Message(bytes)) = (event.connection, &event.what) else {
                continue;
            };
            if event.from != self.side || number.is_some_and(|number| number != at) {
                continue;
            }
            let message = values::read(&self.framing_of(at, self.side), bytes);
            let is = text(&message, 1);
            if !is_directory(&message) || !matches!(&*is, "g_slave" | "g_set") || message.len() < 3
            {
                continue;
            }
            let own = self.us(at);
            let mut listens = Vec::new();
            for (family, content) in pairs(&message, 2) {
                let content = [content];
                match &*family {
                    "'l" => {
                        listens = texts(
                            &[pairs(&content, 0)
                                .into_iter()
                                .find(|(key, _)| *key == *own)
                                .map(|(_, value)| value)
                                .unwrap_or_default()],
                            0,
                        )
                    }
                    "'g" => {}
                    // A global node's has what others hold as well.
                    _ if is == "g_slave" => entries.extend(
                        pairs(&content, 0)
                            .into_iter()
                            .map(|(key, value)| (family.to_string(), key, value)),
                    ),
                    _ => {}
                }
            }
            return (entries, listens);
        }
        (entries, Vec::new())
    }

    /// Whether our node is a global one, so that what it says may be about others.
    fn is_global(&mut self, number: u64) -> bool {
        self.actor(number).node.directory().role() == DirectoryRole::Global
    }

    /// A message of our side: done through our API if it was the program's own doing, then expected.
    pub(crate) async fn our_directory(&mut self, number: u64, message: &[Value]) {
        let request = text(message, 1);
        let asks = matches!(&*request, "g_upd" | "g_mon1" | "g_mon0" | "g_find")
            || request.starts_with("g_db_");
        let by_itself = !asks || self.is_global(number);
        if by_itself && self.comes(number, message, SHORT).await {
            return;
        }
        if self.done.remove(&self.at) || self.act_directory(number, message).await {
            if self.comes(number, message, SOON).await {
                return;
            }
        } else if !by_itself && self.comes(number, message, SHORT).await {
            return;
        }
        match self.missing(number, message) {
            Some(rule) => {
                self.tally.withheld += 1;
                self.tally.apply(rule);
            }
            None => {
                let early = self.links[&number].early.clone();
                self.fail(("nothing more", early), message)
            }
        }
    }

    /// Why our node does not say what the recorded one did.
    fn missing(&mut self, number: u64, message: &[Value]) -> Option<Rule> {
        let (request, first) = (text(message, 1), text(message, 2));
        match &*request {
            _ if self.side == "py" => Some(Rule::ByHand),
            // Of its two connections one stayed, so our node has heard there what the recorded one never did.
            _ if self.session.name == RIVALS => Some(Rule::Rivals),
            "g_slave" if message.len() == 2 => Some(Rule::AsksOnce),
            "g_find" if first == self.them(number) => Some(Rule::KnowsSeed),
            "g_chg2" if self.session.name == "s09g-stale-monitor" => Some(Rule::WatchEnds),
            // The recorded client deletes a key that nobody has set.
            "g_chg2" if pairs(message, 3).is_empty() && texts(message, 4) == ["zz"] => {
                Some(Rule::Unheard)
            }
            // Said again with everything in `g_set`.
            "g_upd" if is_internal(&first) => Some(Rule::InSet),
            _ => None,
        }
    }

    /// Does what the recorded program did to send `message`. False if it is nothing that a program does.
    async fn act_directory(&mut self, number: u64, message: &[Value]) -> bool {
        if self.side == "py" && self.is_global(number) {
            // From here on it makes up what it holds.
            return false;
        }
        tokio::time::sleep(APART).await;
        let (request, first) = (text(message, 1), text(message, 2));
        let directory = self.actor(number).node.directory();
        match &*request {
            "g_upd" | "g_chg2" if is_internal(&first) => return false,
            "g_upd" | "g_chg2" => {
                for (key, value) in pairs(message, 3) {
                    directory.set(&first, key, &value).unwrap();
                }
                directory.delete_all(&first, texts(message, 4));
            }
            "g_global" => directory.serve_directory(),
            "g_mon1" => {
                let asked = &mut self.actor(number).asked;
                if asked.watches.contains_key(&first) {
                    return false;
                }
                let watch = Watch {
                    watch: directory.watch(&first).unwrap(),
                    seen: BTreeMap::new(),
                    recorded: BTreeMap::new(),
                };
                asked.watches.insert(first, watch);
            }
            "g_mon0" => drop(self.actor(number).asked.watches.remove(&first)),
            "g_find" if first != self.them(number) && first != self.us(number) => {
                self.want(number, &first);
            }
            "g_db_family" | "g_db_keys" | "g_db_values" => {
                let asking = async move {
                    let texts =
                        |keys: Vec<Text>| keys.into_iter().map(Value::from).collect::<Vec<_>>();
                    Ok(match &*request {
                        "g_db_family" => {
                            Value::Map(directory.family(&first).await?.into_iter().collect())
                        }
                        "g_db_keys" => texts(directory.keys(&first).await?).into(),
                        _ => directory.values(&first).await?.into(),
                    })
                };
                let answer = tokio::spawn(asking);
                self.actor(number)
                    .asked
                    .answers
                    .insert(text(message, 3), answer);
            }
            _ => return false,
        }
        true
    }

    /// Our program wants to reach a node that it does not know: as the recorded one did, if that came to a connection.
    fn want(&mut self, number: u64, node: &str) {
        let next = self.session.connections.iter().find(|(next, connection)| {
            **next > number && connection.dialer == self.side && connection.acceptor == node
        });
        if let Some(next) = next.map(|(next, _)| *next) {
            return self.act_first(next);
        }
        let gone = self
            .actor(number)
            .node
            .gone(PortId::from(node.parse::<aemp::NodeId>().unwrap()));
        let gone = tokio::spawn(gone);
        self.actor(number).asked.gone.insert(node.into(), gone);
    }

    /// Whether our node says `expected` within `limit`.
    async fn comes(&mut self, number: u64, expected: &[Value], limit: Duration) -> bool {
        for at in 0..self.link(number).early.len() {
            let got = self.link(number).early[at].clone();
            if self.same_directory(number, &got, expected) {
                self.link(number).early.remove(at);
                self.tally.compared += 1;
                self.tally.apply(Rule::Order);
                return true;
            }
        }
        let until = tokio::time::Instant::now() + limit;
        loop {
            let next = tokio::time::timeout_at(until, self.link(number).script.message()).await;
            let Ok(Some(got)) = next else { return false };
            if self.same_directory(number, &got, expected) {
                self.tally.compared += 1;
                return true;
            }
            self.link(number).early.push(got);
        }
    }

    fn same_directory(&mut self, number: u64, got: &[Value], expected: &[Value]) -> bool {
        let queries = |message: &[Value]| text(message, 1).starts_with("g_db_");
        if text(expected, 1) == "g_reply" && got.len() == 4 && got[3].as_array().is_some() {
            // Keys and values come in no order, since a Perl hash has none.
            let in_order = |message: &[Value]| {
                let items = message[3].as_array().unwrap_or_default();
                let mut items: Vec<_> = items.iter().map(ToString::to_string).collect();
                items.sort();
                items
            };
            return got[..3] == expected[..3] && in_order(got) == in_order(expected);
        }
        if !(queries(got) && queries(expected)) {
            let names = &self.actor(number).names;
            return got == names.apply_deep(expected);
        }
        // Question IDs are the asker's own.
        let same = got[..3] == expected[..3];
        if same {
            let (ours, recorded) = (text(got, 3), text(expected, 3));
            self.actor(number).asked.ids.insert(recorded, ours);
            self.tally.apply(Rule::Names);
        }
        same
    }

    /// The recorded bytes of a message of the other side, with our IDs in the place of recorded ones.
    pub(crate) fn with_our_ids(
        &mut self,
        number: u64,
        framing: &str,
        message: &[Value],
        bytes: Vec<u8>,
    ) -> Vec<u8> {
        if text(message, 1) != "g_reply" {
            return bytes;
        }
        match self.actor(number).asked.ids.get(&text(message, 2)) {
            Some(ours) => values::with_text(framing, &bytes, 2, ours),
            None => bytes,
        }
    }

    /// Sees a message of the other side arrive, where our program can see it.
    pub(crate) async fn directory_arrives(&mut self, number: u64, message: &[Value]) {
        let (request, first) = (text(message, 1), text(message, 2));
        match &*request {
            "g_reply" => {
                let Some(answer) = self.actor(number).asked.answers.remove(&first) else {
                    return;
                };
                let answer = tokio::time::timeout(SOON, answer).await;
                let answer = sorted(answer.expect("an answer").unwrap().unwrap());
                let expected = message[3].clone();
                if answer != expected {
                    self.fail(answer, expected);
                }
            }
            "g_found" => {
                let Some(gone) = self.actor(number).asked.gone.remove(&first) else {
                    return;
                };
                let why = tokio::time::timeout(SOON, gone)
                    .await
                    .expect("a reason")
                    .unwrap();
                let expected = aemp::reason!["transport_error", first.as_str(), "no known address"];
                if why != expected {
                    self.fail(why, expected);
                }
            }
            "g_chg1" | "g_chg2" => {
                let Some(mut watch) = self.actor(number).asked.watches.remove(&first) else {
                    return;
                };
                if request == "g_chg1" {
                    watch.recorded.clear();
                }
                watch.recorded.extend(pairs(message, 3));
                for key in texts(message, 4) {
                    watch.recorded.remove(&key);
                }
                // What was told before the first content was no change.
                while watch.seen != watch.recorded {
                    match tokio::time::timeout(SOON, watch.watch.recv()).await {
                        Ok(Some(change)) => change.apply(&mut watch.seen),
                        _ => self.fail(&watch.seen, &watch.recorded),
                    }
                    watch
                        .seen
                        .values_mut()
                        .for_each(|value| *value = sorted(std::mem::take(value)));
                }
                self.actor(number).asked.watches.insert(first, watch);
            }
            _ => return,
        }
        self.tally.arrived += 1;
    }
}
