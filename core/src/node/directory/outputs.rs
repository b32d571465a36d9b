//! What the directory's machine says is done here.

use std::sync::{Arc, Weak};
use std::time::Duration;

use aemp_proto::directory::{Change, Level, Machine, Output};

use super::driver::State;
use crate::allowance::log_within;
use crate::budget::{Budget, Turn};
use crate::link::parse_addresses;
use crate::node::Inner;
use crate::peer::{Answers, Generation, Peer};
use crate::{Excerpt, NodeId, Text};

impl State {
    /// Does what the machine says, in order, for one turn.
    pub(super) fn carry_out(
        &mut self,
        node: &Arc<Inner>,
        now: Duration,
        mut next: impl FnMut(&mut Machine) -> Option<Output>,
    ) {
        let mut turn = Turn::new(Budget::DIRECTORY);
        while !turn.is_over()
            && let Some(output) = next(&mut self.machine)
        {
            turn.spend_request();
            match output {
                Output::Send {
                    to,
                    generation,
                    request,
                } => {
                    if let Some(peer) = node.network.known_peer(&to) {
                        peer.send_internal_over(generation, &request);
                    }
                }
                Output::AwaitReady { to, generation } => self.pace(node, now, to, generation),
                // Who has given up has dropped the receiver.
                Output::Answer { question, answer } => {
                    if let Some(asked) = self.questions.remove(&question) {
                        let _ = asked.send(answer);
                    }
                }
                Output::Found { node, addresses } => {
                    for told in self.sought.remove(&node).into_iter().flatten() {
                        let _ = told.send(addresses.clone());
                    }
                }
                Output::Changed { family, change } => self.feed(&family, &change),
                Output::Connect {
                    node: peer,
                    addresses,
                } => {
                    let addresses = parse_addresses(&addresses);
                    node.network.peer(&peer).connect_to(addresses);
                }
                Output::Rejected {
                    node: peer,
                    level,
                    why,
                } => {
                    if let Some(peer) = node.network.known_peer(&peer) {
                        log_rejected(&peer, level, &why);
                        if let Some(generation) = self.machine.generation(&peer.id) {
                            peer.count_odd(generation);
                        }
                    }
                }
                Output::Silent {
                    node: peer,
                    generation,
                    end,
                } => {
                    if let Some(peer) = node.network.known_peer(&peer) {
                        be_told(&peer, generation, end);
                    }
                }
                Output::Keep { node: peer, keep } => {
                    if let Some(peer) = node.network.known_peer(&peer) {
                        peer.set_persistent(keep);
                    }
                }
            }
        }
    }

    /// Tells the machine when `to` has room, which may be now.
    fn pace(&mut self, node: &Arc<Inner>, now: Duration, to: NodeId, generation: Generation) {
        let is_up = self.machine.generation(&to) == Some(generation);
        let Some(peer) = node.network.known_peer(&to).filter(|_| is_up) else {
            return;
        };
        let high = node.config.high_water;
        match peer.answers(generation, high) {
            Answers::Now => self.machine.handle_ready(now, &to),
            Answers::Later => {
                let node = node.clone();
                node.life
                    .clone()
                    .spawn_essential("the directory", async move {
                        peer.ready(high).await;
                        node.directory.step(&node, |state, now| {
                            if state.machine.generation(&to) == Some(generation) {
                                state.machine.handle_ready(now, &to);
                            }
                        });
                    });
            }
            // The machine is about to hear that the connection is lost.
            Answers::Never => {}
        }
    }

    fn feed(&mut self, family: &Text, change: &Change) {
        #[cfg(aemp_faults)]
        if !change.whole && aemp_proto::faults::once(aemp_proto::faults::Fault::WatchSkips) {
            return;
        }
        let feeds = self.feeds.get(family).into_iter().flatten();
        for feed in feeds.filter_map(Weak::upgrade) {
            feed.push(change.clone());
        }
    }
}

fn log_rejected(peer: &Peer, level: Level, why: &str) {
    let why = Excerpt(why);
    match level {
        Level::Warn => {
            log_within!(peer, WARN, target: "aemp::directory", peer = %peer.id, %why, "not taken");
        }
        Level::Debug => {
            log_within!(peer, DEBUG, target: "aemp::directory", peer = %peer.id, %why, "ignored");
        }
    }
}

/// A global node does not tell what it holds, and was asked once more, or is to `end` and come back.
fn be_told(peer: &Arc<Peer>, generation: Generation, end: bool) {
    match end {
        false => {
            log_within!(peer, WARN, target: "aemp::directory", peer = %peer.id, "a global node does not tell what it holds, and was asked once more");
        }
        true => {
            let why = "a global node that does not tell what it holds: a new connection may help";
            peer.fail_link(generation, why);
        }
    }
}
