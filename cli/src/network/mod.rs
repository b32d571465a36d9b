//! What commands do with other nodes, AnyEvent::MP's among them: one file a command, each a function over a node that
//! has joined the network. They print nothing; what they wait for shows on a terminal (`progress`).

mod cal;
mod eval;
mod explain;
mod family;
mod graph;
mod inspect;
mod mon;
mod restart;
mod snd;
mod spawn;
mod tap;
mod trace;

pub(crate) use cal::cal;
pub(crate) use eval::eval;
pub(crate) use explain::{Report, Trouble, explain};
pub(crate) use family::{families, family, follow};
pub(crate) use graph::{Graph, graph};
#[cfg(test)]
pub(crate) use inspect::Shard;
pub(crate) use inspect::{Link, NodeStats, Port, can, ports, stats};
pub(crate) use mon::mon;
pub(crate) use restart::restart;
pub(crate) use snd::snd;
pub(crate) use spawn::spawn;
pub(crate) use tap::{Crossed, Seen, TappedLink, Wanted, tap};
pub(crate) use trace::{Heard, trace};

use std::fmt::Display;
use std::time::Duration;

use aemp::{CallError, LocalNode, NodeBuilder, NodeId, PortId, Reason, Text, Value};

use crate::progress;

/// A node that has joined, and how long an answer may take.
pub(crate) struct Session {
    pub(crate) node: LocalNode,
    pub(crate) limit: Duration,
}

impl Session {
    /// The same, for a task of its own.
    pub(crate) fn another(&self) -> Self {
        Self {
            node: self.node.clone(),
            limit: self.limit,
        }
    }

    /// Waits for something of `target`, not longer than an answer may take.
    pub(crate) async fn wait<T>(
        &self,
        target: &str,
        work: impl IntoFuture<Output = T>,
    ) -> Result<T, Failure> {
        let work = tokio::time::timeout(self.limit, work);
        let done = progress::during(target, self.limit, work).await;
        done.map_err(|_| Failure::TimedOut {
            target: target.to_owned(),
            limit: self.limit,
        })
    }
}

/// Joins the network through one of the node's seeds.
pub(crate) async fn join(builder: NodeBuilder, limit: Duration) -> Result<Session, Failure> {
    let node = builder.start().await?;
    let session = Session { node, limit };
    let seeds = session.node.seeds().into_iter();
    let seeds: Vec<String> = seeds.map(|seed| seed.address.to_string()).collect();
    session
        .wait(&seeds.join(", "), session.node.joined())
        .await??;
    Ok(session)
}

/// Why a command got nowhere.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    /// This command's own node.
    #[error(transparent)]
    Start(#[from] aemp::StartError),
    /// The directory did not say.
    #[error(transparent)]
    Directory(#[from] aemp::directory::DirectoryError),
    /// An opening that was explained failed.
    #[error("no connection to {address} comes up")]
    NotUp {
        /// Where.
        address: String,
    },
    /// No health was told of.
    #[error("{at} does not say how the node is: {why}")]
    NoHealth {
        /// Where it was asked.
        at: String,
        /// Why it did not say.
        why: String,
    },
    /// No seed let it in.
    #[error(transparent)]
    Seed(#[from] aemp::error::SeedError),
    /// The message cannot be sent.
    #[error(transparent)]
    Send(#[from] aemp::SendError),
    /// The other end is gone, or was never there.
    #[error("{target}: {reason}")]
    Gone {
        /// Who was asked.
        target: String,
        /// What a monitor was told.
        reason: Reason,
    },
    /// A node port does not know the request, which is more likely to be the name of a port.
    #[error("{node} has no request or function {word:?} for us; did you mean {meant}?")]
    NoRequest {
        /// Who was asked.
        node: NodeId,
        /// The first element of the message.
        word: Text,
        /// The port of that name.
        meant: PortId,
    },
    /// Nothing came in time.
    #[error("{target} did not answer within {limit:?}; --timeout SECONDS waits longer")]
    TimedOut {
        /// Who was asked.
        target: String,
        /// How long was waited.
        limit: Duration,
    },
    /// A Perl node would not come back.
    #[error(
        "{node} runs under no watchdog, so a restart would end it for good; --yes does that all the same"
    )]
    NoWatchdog {
        /// Who was asked.
        node: NodeId,
    },
    /// The answer is an error.
    #[error("{target} answers: {text}")]
    Answer {
        /// Who was asked.
        target: String,
        /// What it said.
        text: String,
    },
}

impl Failure {
    /// What a node answered is that it does not do it, for the reason in `text`.
    fn answer(node: &NodeId, text: impl Into<String>) -> Self {
        Self::Answer {
            target: node.to_string(),
            text: text.into(),
        }
    }

    /// A node answered something else than was to be expected.
    fn not_understood(node: &NodeId, error: impl Display) -> Self {
        Self::answer(
            node,
            format!("what this program does not understand: {error}"),
        )
    }

    fn of_call(target: &PortId, error: CallError) -> Self {
        let target = target.to_string();
        match error {
            CallError::Send(error) => error.into(),
            CallError::TimedOut { limit, .. } => Self::TimedOut { target, limit },
            CallError::Gone { reason, .. } => Self::Gone { target, reason },
            other => Self::Answer {
                target,
                text: aemp::error::Report(&other).to_string(),
            },
        }
    }
}

/// Requests that every node knows (protocol.md section 5), but for those that are no text or have no effect.
const REQUESTS: [&str; 9] = [
    "snd", "can", "time", "devnull", "eval", "mon0", "mon1", "kil0", "kil1",
];

/// Checks that a node knows what is to be sent to its node port: it says nothing of a request that it does not know, and
/// `NODE NAME` is easily typed for `NODE#NAME`. No port's name looks like that of a function in a package, or like a question to
/// the directory.
async fn check_request(
    session: &Session,
    port: &PortId,
    elements: &[Value],
) -> Result<(), Failure> {
    let Some(Value::Text(word)) = elements.first().filter(|_| port.port().is_node_port()) else {
        return Ok(());
    };
    let is_known = word.is_empty() || word.contains("::") || word.starts_with("g_");
    if is_known || REQUESTS.contains(&word.as_str()) || can(session, port.node(), word).await? {
        return Ok(());
    }
    Err(Failure::NoRequest {
        node: port.node().clone(),
        word: word.clone(),
        meant: port.node().port(word.clone()),
    })
}

/// The node port of a node.
fn node_port(node: &NodeId) -> PortId {
    PortId::from(node.clone())
}
