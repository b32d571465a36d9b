//! Performs the outputs of the directory's machine.

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
    /// Performs the machine's outputs, in order, within the budget of one turn.
    pub(super) fn perform_outputs(
        &mut self,
        node: &Arc<Inner>,
        now: Duration,
        mut next: impl FnMut(&mut Machine) -> Option<Output>,
    ) {
        let mut turn = Turn::new(Budget::DIRECTORY);
        while !turn.is_exhausted()
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
                Output::AwaitReady { to, generation } => {
                    self.wait_for_room(node, now, to, generation)
                }
                // The receivers may have been dropped.
                Output::Answer { question, answer } => {
                    if let Some(sender) = self.queries.remove(&question) {
                        let _ = sender.send(answer);
                    }
                }
                Output::Found { node, addresses } => {
                    for sender in self.lookups.remove(&node).into_iter().flatten() {
                        let _ = sender.send(addresses.clone());
                    }
                }
                Output::Changed { family, change } => self.notify_feeds(&family, &change),
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
                        report_silent(&peer, generation, end);
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

    /// Tells the machine when the queue to `to` has room, which may be now.
    fn wait_for_room(
        &mut self,
        node: &Arc<Inner>,
        now: Duration,
        to: NodeId,
        generation: Generation,
    ) {
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
            // The connection is lost. The machine is about to be told.
            Answers::Never => {}
        }
    }

    fn notify_feeds(&mut self, family: &Text, change: &Change) {
        #[cfg(aemp_faults)]
        if !change.snapshot && aemp_proto::faults::once(aemp_proto::faults::Fault::WatchSkips) {
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

/// A global node does not send its entries. It was asked once more; or, if `end`, its connection is failed, so that it
/// reconnects.
fn report_silent(peer: &Arc<Peer>, generation: Generation, end: bool) {
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
