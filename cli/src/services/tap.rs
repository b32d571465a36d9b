//! `aemp::tap`: lets others follow what crosses this node's links. A node without this service has no such function.
//!
//! `["aemp::tap", OPTIONS, PORT]` begins, and ends with PORT. OPTIONS is a map of `matching` (a part of the peer's node ID,
//! the port ID, or the tag), `rate` (messages in a second) and `size` (bytes of each), all optional. PORT gets:
//!
//! | message | meaning |
//! | --- | --- |
//! | `tapping`, RATE, SIZE | it has begun, with these limits: what was asked for, or what the service allows |
//! | `up`, LINK, TIME, a map | a link is up: `peer`, `provider`, `sends`, `receives`, `dialled`, `auths` and `greetings` (ours, the peer's) |
//! | `message`, LINK, TIME, SENT, LENGTH, HEX | a message as it is on the wire, or its beginning |
//! | `down`, LINK, TIME, REASON | a link is down |
//! | `missed`, COUNT | so many messages were left out: they came faster than the rate, or than PORT's node takes them |
//! | `refused`, TEXT | too many follow already, or the options cannot be read |
//!
//! TIME is in seconds since 1970, LINK a number.

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use aemp::Values;
use aemp::handshake::Role;
use aemp::logs::{Excerpt, LogAllowance};
use aemp::stats::ConnectionInfo;
use aemp::tap::{Direction, TapConfig, Tapped};
use aemp::{LocalNode, Map, PortId, Reason, Value};
use tokio::sync::Semaphore;

use crate::time::seconds;

/// How many may follow at a time.
const VIEWERS: usize = 16;

/// What a request may say.
#[derive(Debug, Clone, Default, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Asked {
    matching: String,
    rate: Option<u64>,
    size: Option<u64>,
}

/// What a node shows to each who follows, at most: what the service's argument, a map, may say.
#[derive(Debug, Clone, Copy, serde::Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Limits {
    rate: u64,
    size: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            rate: 1000,
            size: 64 << 10,
        }
    }
}

impl Limits {
    /// What is asked for, but no more than this.
    fn within(self, asked: &Asked) -> Self {
        Self {
            rate: asked.rate.unwrap_or(self.rate).min(self.rate),
            size: asked.size.unwrap_or(self.size).min(self.size),
        }
    }
}

/// The argument, if there is one, is a map of what a request cannot exceed: `rate` and `size`.
pub(super) fn start(node: &LocalNode, arguments: Values) -> Result<(), Reason> {
    let limits = match arguments.into_iter().next() {
        None => Limits::default(),
        Some(argument) => aemp::value::from_value(argument).map_err(|error| {
            Reason::die(format!(
                "its argument is a map such as {{\"rate\":100,\"size\":1000}}: {error}"
            ))
        })?,
    };
    let room = Arc::new(Semaphore::new(VIEWERS));
    let lines = LogAllowance::new("taps", 50, Duration::from_secs(1));
    node.offer_function("aemp::tap", move |node, (asked, to): (Value, PortId)| {
        let asked: Asked = match aemp::value::from_value(asked) {
            Ok(asked) => asked,
            Err(error) => return node.send(&to, ("refused", format!("the options: {error}"))),
        };
        let Ok(place) = room.clone().try_acquire_owned() else {
            node.send(&to, ("refused", format!("{VIEWERS} follow already")));
            return;
        };
        let (node, limits) = (node.clone(), limits.within(&asked));
        // Of one that follows, both lines are logged or none.
        let logged = lines.admits();
        if logged {
            tracing::info!(target: "aemp::tap", viewer = %Excerpt(&to), matching = %Excerpt(&asked.matching), "followed");
        }
        tokio::spawn(async move {
            tokio::select! {
                () = follow(&node, &asked.matching, limits, &to) => {}
                _ = node.gone(&to) => {}
            }
            if logged {
                tracing::info!(target: "aemp::tap", viewer = %Excerpt(&to), "no longer followed");
            }
            drop(place);
        });
    });
    Ok(())
}

async fn follow(node: &LocalNode, matching: &str, limits: Limits, to: &PortId) {
    let Limits { rate, size } = limits;
    let options = TapConfig::new()
        .matching(matching)
        .rate(u32::try_from(rate).unwrap_or(u32::MAX))
        .size(usize::try_from(size).unwrap_or(usize::MAX))
        .viewer(to.node().clone());
    let mut tap = node.tap(options);
    node.send(to, ("tapping", rate, size));
    while let Some(tapped) = tap.recv().await {
        // What comes meanwhile waits in the tap, or is missed there.
        if node.ready(to.node()).await.is_err() {
            return;
        }
        match tapped {
            Tapped::Up(link) if link.peer() == to.node() => {}
            Tapped::Down { peer, .. } if peer == *to.node() => {}
            Tapped::Up(link) => {
                let facts = facts(&link);
                node.send(
                    to,
                    ("up", link.generation(), seconds(SystemTime::now()), facts),
                );
            }
            Tapped::Message(message) => {
                let time = seconds(message.at);
                let sent = message.direction == Direction::Sent;
                let bytes = hex::encode(&message.bytes);
                node.send(
                    to,
                    (
                        "message",
                        message.generation,
                        time,
                        sent,
                        message.len,
                        bytes,
                    ),
                );
            }
            Tapped::Down {
                generation, reason, ..
            } => node.send(
                to,
                ("down", generation, seconds(SystemTime::now()), &*reason),
            ),
            Tapped::Missed(count) => node.send(to, ("missed", count)),
            _ => {}
        }
    }
}

fn facts(link: &ConnectionInfo) -> Value {
    let pair = |[ours, theirs]: [&str; 2]| Value::from(vec![ours.into(), Value::from(theirs)]);
    let facts: Map = [
        ("peer", Value::from(link.peer())),
        ("provider", link.agent().into()),
        ("sends", link.send_codec().into()),
        ("receives", link.recv_codec().into()),
        ("dialled", (link.role() == Role::Dialer).into()),
        (
            "auths",
            pair([link.auth_sent().name(), link.peer_auth().name()]),
        ),
        (
            "greetings",
            pair([link.greeting_sent(), link.greeting_received()]),
        ),
    ]
    .into_iter()
    .collect();
    facts.into()
}
