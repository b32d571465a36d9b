//! What a node of ours tells of itself (`LocalNode::allow_inspection`): what `ps`, `top`, `dot` and `directory` show.

use std::collections::BTreeMap;

use aemp::{Message, NodeId, Value};

use super::{Failure, Session, node_port};
use crate::progress;

/// What a node tells of itself, as far as it is shown.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub(crate) struct NodeStats {
    pub(crate) role: Value,
    pub(crate) links: Vec<Link>,
    pub(crate) shards: Vec<Shard>,
    /// How many keys the families have that it knows.
    pub(crate) families: BTreeMap<String, u64>,
}

/// A connection, as one end tells of it.
#[derive(Debug, Clone, Default, serde::Deserialize)]
pub(crate) struct Link {
    pub(crate) peer: String,
    pub(crate) generation: u64,
    pub(crate) sends: String,
    pub(crate) receives: String,
    /// Messages and bytes.
    pub(crate) sent: [u64; 2],
    pub(crate) received: [u64; 2],
    /// Bytes.
    pub(crate) queued: u64,
    /// Seconds.
    pub(crate) round_trip: Option<f64>,
    pub(crate) monitors: u64,
    pub(crate) watches: u64,
    /// The properties of TLS; null without it, and from a node that does not tell.
    #[serde(default)]
    pub(crate) tls: Value,
}

/// A part of a node's ports.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Shard {
    pub(crate) done: u64,
    pub(crate) queued: u64,
}

/// A port.
#[derive(Debug, Clone, serde::Deserialize)]
pub(crate) struct Port {
    pub(crate) name: String,
    pub(crate) messages: u64,
    pub(crate) queued: u64,
    pub(crate) watchers: u64,
    pub(crate) tasks: u64,
    pub(crate) monitors: u64,
}

pub(crate) async fn stats(session: &Session, node: &NodeId) -> Result<NodeStats, Failure> {
    ask(session, node, "aemp::stats").await
}

/// The ports of a node.
pub(crate) async fn ports(session: &Session, node: &NodeId) -> Result<Vec<Port>, Failure> {
    ask(session, node, "aemp::ports").await
}

/// Whether a node offers a function or knows a request. Of what it does not know it says nothing itself.
pub(crate) async fn can(session: &Session, node: &NodeId, name: &str) -> Result<bool, Failure> {
    let asked = vec![Value::from("can"), Value::from(name)];
    let answer = call(session, node, asked).await?;
    Ok(is_true(&answer))
}

/// Whether it is AnyEvent::MP's true: the text 1, or the number.
pub(super) fn is_true(answer: &Value) -> bool {
    answer.as_str() == Some("1") || answer.as_u64() == Some(1)
}

/// Calls a function whose answer is one value.
async fn ask<T: serde::de::DeserializeOwned>(
    session: &Session,
    node: &NodeId,
    function: &str,
) -> Result<T, Failure> {
    if !can(session, node, function).await? {
        let text = format!(
            "{function} is not offered there, or not to us: a program offers it by node.allow_inspection(..), \"aemp run\" always, \
             and its secure and allow have to permit it"
        );
        return Err(Failure::answer(node, text));
    }
    let answer = call(session, node, vec![function.into()]).await?;
    aemp::value::from_value(answer).map_err(|error| Failure::not_understood(node, error))
}

async fn call(session: &Session, node: &NodeId, words: Vec<Value>) -> Result<Value, Failure> {
    let port = node_port(node);
    let message: Message = words.into_iter().collect();
    let call = session.node.call::<(Value,)>(&port, message);
    let call = call.within(session.limit);
    let (answer,) = progress::during(node.as_str(), session.limit, call)
        .await
        .map_err(|error| Failure::of_call(&port, error))?;
    Ok(answer)
}
