//! `aemp::tap`: lets others follow what crosses this node's links.
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

use std::collections::BTreeMap;
use std::time::{Duration, SystemTime};

use aemp_proto::text::hex;
use serde::de;

use super::{map, seconds, spawn};
use crate::handshake::Role;
use crate::node::TAP_VIEWERS;
use crate::traffic::{ConnectionInfo, Direction, TapConfig, Tapped};
use crate::value::from_value;
use crate::{Excerpt, LocalNode, LogAllowance, ParseError, PortId, Value};

/// What a request may say.
#[derive(Default)]
struct Asked {
    matching: String,
    rate: Option<u64>,
    size: Option<u64>,
}

impl Asked {
    /// Reads the options of a request. An error names the option.
    fn read(options: BTreeMap<String, Value>) -> Result<Self, String> {
        let mut asked = Self::default();
        for (name, value) in options {
            asked
                .set(&name, value)
                .map_err(|error| format!("{name}: {error}"))?;
        }
        Ok(asked)
    }

    fn set(&mut self, name: &str, value: Value) -> Result<(), ParseError> {
        match name {
            "matching" => self.matching = from_value(value)?,
            "rate" => self.rate = from_value(value)?,
            "size" => self.size = from_value(value)?,
            _ => {
                return Err(de::Error::unknown_field(
                    name,
                    &["matching", "rate", "size"],
                ));
            }
        }
        Ok(())
    }
}

/// What a node shows to each who follows its messages, at most; for [`Inspection::taps`](crate::Inspection::taps).
///
/// ```
/// let limits = aemp::tap::TapLimits::new().rate(100).size(1024);
/// ```
#[derive(Debug, Clone, Copy)]
pub struct TapLimits {
    rate: u64,
    size: u64,
}

impl Default for TapLimits {
    fn default() -> Self {
        Self {
            rate: 1000,
            size: 64 << 10,
        }
    }
}

impl TapLimits {
    /// 1000 messages in a second, and 64 KiB of each.
    pub fn new() -> Self {
        Self::default()
    }

    /// Shows at most so many messages in a second.
    pub fn rate(mut self, messages: u64) -> Self {
        self.rate = messages;
        self
    }

    /// Shows at most so many bytes of a message; longer ones are truncated.
    pub fn size(mut self, bytes: u64) -> Self {
        self.size = bytes;
        self
    }

    /// What is asked for, but no more than this.
    fn within(self, asked: &Asked) -> Self {
        Self {
            rate: asked.rate.unwrap_or(self.rate).min(self.rate),
            size: asked.size.unwrap_or(self.size).min(self.size),
        }
    }
}

/// Offers `aemp::tap`.
pub(super) fn offer(node: &LocalNode, limits: TapLimits) {
    let room = node.inner().tap_viewers.clone();
    let lines = LogAllowance::new("taps", 50, Duration::from_secs(1));
    type Arguments = (BTreeMap<String, Value>, PortId);
    node.offer_function("aemp::tap", move |node, (options, to): Arguments| {
        let asked = match Asked::read(options) {
            Ok(asked) => asked,
            Err(error) => return node.send(&to, ("refused", format!("the options: {error}"))),
        };
        let Ok(place) = room.clone().try_acquire_owned() else {
            node.send(&to, ("refused", format!("{TAP_VIEWERS} follow already")));
            return;
        };
        let limits = limits.within(&asked);
        // Of one that follows, both lines are logged or none.
        let logged = lines.admits();
        if logged {
            tracing::info!(target: "aemp::tap", viewer = %Excerpt(&to), matching = %Excerpt(&asked.matching), "followed");
        }
        spawn(node, async move |node| {
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
}

async fn follow(node: &LocalNode, matching: &str, limits: TapLimits, to: &PortId) {
    let TapLimits { rate, size } = limits;
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
                let bytes = hex(&message.bytes);
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
        }
    }
}

fn facts(link: &ConnectionInfo) -> Value {
    let pair = |[ours, theirs]: [&str; 2]| Value::from(vec![ours.into(), Value::from(theirs)]);
    map([
        ("peer", link.peer().into()),
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
    ])
}
