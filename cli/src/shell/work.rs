//! What the commands of the shell do.

use std::collections::{BTreeMap, BTreeSet};

use aemp::profile::nearest;
use aemp::stats::ConnectionInfo;
use aemp::{Map, NodeId, PortId, Reason, Text, Value};
use tokio::sync::mpsc::Sender;
use tokio::task::JoinHandle;

use super::command::{Command, TABLE};
use super::names::Names;
use super::say::{Answer, Event, Say};
use crate::failure::{Failure, meant};
use crate::network::{self, Session};
use crate::show;

/// What commands work with.
pub(super) struct Shell<'a> {
    session: &'a Session,
    names: Names,
    events: Sender<Event>,
    own: PortId,
    /// What waits for events, until the shell ends.
    tasks: Vec<JoinHandle<()>>,
    watches: BTreeMap<Text, JoinHandle<()>>,
}

impl Drop for Shell<'_> {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
        self.watches.values().for_each(JoinHandle::abort);
    }
}

impl<'a> Shell<'a> {
    pub(super) fn new(session: &'a Session, names: Names, events: Sender<Event>) -> Self {
        let mut inbox = session.node.inbox();
        let own = inbox.id().clone();
        names.lock().ports.insert(own.to_string());
        let send = events.clone();
        let messages = async move {
            while let Some(message) = inbox.recv().await {
                // What cannot be read has been logged.
                let Ok(values) = message.into_values() else {
                    continue;
                };
                if send.send(Event::Message(values.to_vec())).await.is_err() {
                    return;
                }
            }
        };
        Self {
            session,
            names,
            events,
            own,
            tasks: vec![tokio::spawn(messages)],
            watches: BTreeMap::new(),
        }
    }

    /// Does what a command says.
    pub(super) async fn execute(&mut self, say: &Say, command: Command) -> Result<Answer, Failure> {
        let session = self.session;
        match command {
            Command::Send(port, elements) => network::snd(session, &port, elements).await?,
            Command::Call(port, elements) => {
                let answer = network::cal(session, &port, elements).await?;
                return Ok(say.short("answer", answer.clone(), &show::notation(&answer)));
            }
            Command::Monitor(port) => {
                let gone = session.node.gone(&port);
                self.tell(port, gone);
            }
            Command::Spawn(node, function, arguments) => {
                let spawned = network::spawn(session, &node, &function, arguments).await?;
                let (port, gone) = spawned;
                let answer = say.short("spawned", &port, &port.to_string());
                self.tell(port, gone);
                return Ok(answer);
            }
            Command::Watch(family) => self.watch(family).await?,
            Command::Unwatch(family) => self.unwatch(&family)?,
            Command::Own => return Ok(say.short("self", &self.own, &self.own.to_string())),
            Command::Nodes => return self.nodes(say).await,
            Command::Families => {
                let families = network::families(session).await?;
                let text = show::pairs(&families);
                return Ok(say.long("families", families.into_iter().collect::<Map>(), text));
            }
            Command::Family(family) => {
                let set = network::family(session, &family).await?;
                let text = show::pairs(&set);
                return Ok(say.long("directory", set.into_iter().collect::<Map>(), text));
            }
            Command::Ports(node) => {
                let ports = network::ports(session, &node).await?;
                let named = ports.iter().filter(|port| !port.name.is_empty());
                let ids = named.map(|port| format!("{node}#{}", port.name));
                self.names.lock().ports.extend(ids);
                let (map, text) = show::ports(ports);
                return Ok(say.long("ports", map, text));
            }
            Command::Help => return Ok(say.long("help", help(), help())),
            Command::Quit => return Ok(Answer::Last),
        }
        Ok(Answer::Nothing)
    }

    /// Tells of a port's end.
    fn tell(&mut self, port: PortId, gone: impl Future<Output = Reason> + Send + 'static) {
        let events = self.events.clone();
        self.names.lock().ports.insert(port.to_string());
        self.tasks.retain(|task| !task.is_finished());
        self.tasks.push(tokio::spawn(async move {
            let reason = gone.await;
            let _ = events.send(Event::Gone(port, reason)).await;
        }));
    }

    /// Watches a family, and waits for what is in it.
    async fn watch(&mut self, family: Text) -> Result<(), Failure> {
        if self.watches.contains_key(&family) {
            return Err(Failure::Failed(format!("{family} is watched already")));
        }
        let watch = self.session.node.directory().watch(&family);
        let mut watch = watch.map_err(network::Failure::from)?;
        let first = self.session.wait(&family, watch.recv()).await?;
        let (events, name) = (self.events.clone(), family.clone());
        let mut next = first;
        let task = tokio::spawn(async move {
            while let Some(change) = next {
                let event = Event::Changed(name.clone(), change);
                if events.send(event).await.is_err() {
                    return;
                }
                next = watch.recv().await;
            }
        });
        self.names.lock().watched.insert(family.to_string());
        self.watches.insert(family, task);
        Ok(())
    }

    fn unwatch(&mut self, family: &Text) -> Result<(), Failure> {
        let Some(task) = self.watches.remove(family) else {
            let nearest = nearest(family, self.watches.keys().map(Text::as_str));
            let nearest = meant(nearest);
            return Err(Failure::Failed(format!("{family} is not watched{nearest}")));
        };
        task.abort();
        self.names.lock().watched.remove(family.as_str());
        Ok(())
    }

    /// The nodes that listen, are global, or are connected.
    async fn nodes(&self, say: &Say) -> Result<Answer, Failure> {
        let mut nodes = network::family(self.session, "'l").await?;
        for (node, _) in network::family(self.session, "'g").await? {
            nodes.entry(node).or_default();
        }
        let links = self.session.node.connections();
        let connected: BTreeSet<&str> = links
            .iter()
            .map(ConnectionInfo::peer)
            .map(NodeId::as_str)
            .collect();
        for peer in &connected {
            nodes.entry((*peer).into()).or_default();
        }
        nodes.remove(self.session.node.id().as_str());
        let longest = nodes.keys().map(|node| node.len()).max().unwrap_or(0);
        let line = |(node, addresses): (&Text, &Value)| {
            let addresses = addresses.as_array().unwrap_or_default().iter();
            let mut words: Vec<&str> = addresses.filter_map(Value::as_str).collect();
            if connected.contains(node.as_str()) {
                words.push("connected");
            }
            let line = format!("{node:longest$}  {}", words.join(" "));
            format!("{}\n", line.trim_end())
        };
        let text = nodes.iter().map(line).collect();
        Ok(say.long("nodes", nodes.into_iter().collect::<Map>(), text))
    }
}

fn help() -> String {
    let rows = TABLE.iter().map(|entry| {
        let names = match entry.alias {
            Some(alias) => format!("{}, {alias}", entry.name),
            None => entry.name.to_owned(),
        };
        let usage = format!("{names} {}", entry.arguments);
        format!("  {:32} {}\n", usage.trim_end(), entry.about)
    });
    let rows: String = rows.collect();
    format!("{rows}\n{VALUES}")
}

const VALUES: &str = "\
A VALUE is JSON, or what that lacks in CBOR's diagnostic notation: h'00ff' and
b64'AP8=' are bytes, 32(\"x:y\") is a tag, {1: \"a\"} a map, and there are undefined,
simple(99), NaN and integers from -2^64 to 2^64-1. A word that is none of these is a
text: hello is \"hello\", and \"7\" a text where 7 is a number.
";
