//! `tap`: follows what crosses a node's links (`core/src/inspection/taps.rs` has the words).

use std::collections::HashMap;

use aemp::codec::{Codec, Found, Limits, PeerInfo};
use aemp::{Map, NodeId, PortName, Value};

use super::{Failure, Session, can, node_port};

/// What is to be shown.
#[derive(Debug, Clone, Default)]
pub(crate) struct Wanted {
    /// A part of the peer's node ID, the port ID or the tag.
    pub(crate) matching: String,
    /// Messages in a second.
    pub(crate) rate: Option<u32>,
    /// Bytes of each message.
    pub(crate) size: Option<u32>,
}

/// What a tapped node tells.
#[derive(Debug)]
pub(crate) enum Seen<'a> {
    /// It has begun, with these limits: messages in a second, bytes of each.
    Begun(u64, u64),
    Up(&'a TappedLink, f64),
    Message(&'a TappedLink, Crossed),
    Down(&'a TappedLink, f64, String),
    Missed(u64),
}

/// A link of the tapped node.
#[derive(Debug, serde::Deserialize)]
pub(crate) struct TappedLink {
    #[serde(skip)]
    pub(crate) number: u64,
    pub(crate) peer: String,
    pub(crate) provider: String,
    pub(crate) sends: String,
    pub(crate) receives: String,
    pub(crate) dialled: bool,
    /// How the node and its peer proved themselves.
    pub(crate) auths: [String; 2],
    /// Their greeting lines.
    pub(crate) greetings: [String; 2],
}

/// A message that crossed a link.
#[derive(Debug)]
pub(crate) struct Crossed {
    pub(crate) time: f64,
    /// Whether the tapped node has sent it.
    pub(crate) sent: bool,
    pub(crate) len: u64,
    /// As on the wire; the beginning only, where that is shorter than `len`.
    pub(crate) bytes: Vec<u8>,
}

impl TappedLink {
    /// The codec of one direction.
    pub(crate) fn codec(&self, sent: bool) -> &str {
        if sent { &self.sends } else { &self.receives }
    }

    /// Who speaks and who is spoken to, where `node` is tapped: from there if `sent`.
    pub(crate) fn ends<'a>(&'a self, node: &'a str, sent: bool) -> [&'a str; 2] {
        match sent {
            true => [node, &self.peer],
            false => [&self.peer, node],
        }
    }

    /// The port and elements of a message, if it is whole and in a codec that this program has.
    pub(crate) fn read(&self, message: &Crossed) -> Option<(PortName, Vec<Value>)> {
        let codec: &dyn Codec = match self.codec(message.sent) {
            "cbor" => &aemp::Cbor,
            "json" => &aemp::Json,
            _ => return None,
        };
        // Who wrote it is what counts.
        let provider = if message.sent { "" } else { &self.provider };
        let facts = PeerInfo::new(NodeId::new(&self.peer).ok()?, provider);
        let mut decoder = codec.decoder(&Limits::default(), &facts);
        let Ok(Found::Message { message, .. }) = decoder.find(&message.bytes) else {
            return None;
        };
        let values = message.to_values().ok()?;
        Some((message.port().clone(), values.into_vec()))
    }
}

/// Follows what crosses the links of `node`, until it is gone.
pub(crate) async fn tap(
    session: &Session,
    node: &NodeId,
    wanted: &Wanted,
    mut tell: impl FnMut(Seen<'_>) -> Result<(), crate::failure::Failure>,
) -> Result<(), crate::failure::Failure> {
    if !can(session, node, "aemp::tap").await? {
        let text = "it lets nobody follow its messages; where that is to be allowed, \
                    \"aemp profile NAME addservice aemp::tap\" and a restart do it, in a program \
                    node.allow_inspection(Inspection::new().taps(..))";
        return Err(Failure::answer(node, text).into());
    }
    let there = node_port(node);
    let mut inbox = session.node.inbox();
    let asked = ("aemp::tap", options(wanted), inbox.id());
    session
        .node
        .try_send(&there, asked)
        .map_err(Failure::from)?;
    let gone = session.node.gone(&there);
    tokio::pin!(gone);
    let mut links = HashMap::new();
    let mut next = async || {
        tokio::select! {
            biased;
            message = inbox.recv() => Ok(message),
            reason = &mut gone => {
                let target = node.to_string();
                Err(Failure::Gone { target, reason })
            }
        }
    };
    // Only the first has to come.
    let mut coming = session.wait(node.as_str(), next()).await??;
    while let Some(message) = coming {
        let tag = message
            .tag()
            .map(|tag| tag.into_owned())
            .unwrap_or_default();
        let odd = |error| Failure::not_understood(node, error);
        match &*tag {
            "tapping" => {
                let (rate, size) = message.parse_args().map_err(odd)?;
                tell(Seen::Begun(rate, size))?;
            }
            "up" => {
                let (number, time, link) =
                    message.parse_args::<(_, _, TappedLink)>().map_err(odd)?;
                links.insert(number, TappedLink { number, ..link });
                tell(Seen::Up(&links[&number], time))?;
            }
            "message" => {
                let (number, time, sent, len, bytes) = message
                    .parse_args::<(u64, _, _, _, String)>()
                    .map_err(odd)?;
                let bytes = hex::decode(bytes).unwrap_or_default();
                if let Some(link) = links.get(&number) {
                    let crossed = Crossed {
                        time,
                        sent,
                        len,
                        bytes,
                    };
                    tell(Seen::Message(link, crossed))?;
                }
            }
            "down" => {
                let (number, time, reason) = message.parse_args::<(u64, _, _)>().map_err(odd)?;
                if let Some(link) = links.remove(&number) {
                    tell(Seen::Down(&link, time, reason))?;
                }
            }
            "missed" => {
                let (count,) = message.parse_args().map_err(odd)?;
                tell(Seen::Missed(count))?;
            }
            "refused" => {
                let (text,): (String,) = message.parse_args().map_err(odd)?;
                return Err(Failure::answer(node, text).into());
            }
            _ => {}
        }
        coming = next().await?;
    }
    Ok(())
}

fn options(wanted: &Wanted) -> Value {
    let mut options = vec![("matching", Value::from(&*wanted.matching))];
    options.extend(wanted.rate.map(|rate| ("rate", rate.into())));
    options.extend(wanted.size.map(|size| ("size", size.into())));
    Value::Map(options.into_iter().collect::<Map>())
}
