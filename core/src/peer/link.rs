//! The connection of a peer comes up, goes down and is ended; or it cannot be made.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::{Connection, Generation, Peer, Wait};
use crate::codec::{Codec, PeerInfo};
use crate::error::ConnectError;
use crate::traffic::{ConnectionInfo, NodeEvent};
use crate::{Report, guard};

impl Peer {
    /// A connection is authenticated: encodes the waiting messages in order; later ones follow directly.
    pub(crate) fn up(
        self: &Arc<Self>,
        codec: Arc<dyn Codec>,
        facts: &PeerInfo,
        info: ConnectionInfo,
        cancel: CancellationToken,
    ) -> Generation {
        let network = self.network.upgrade();
        let mut state = self.lock();
        let next = state.machine.generation() + 1;
        let generation = network
            .as_ref()
            .map_or(next, |network| network.next_generation());
        let info = info.numbered(generation);
        *self.last_link() = Some(info.clone());
        let connection = Connection::new(network.as_ref(), codec, facts, info, cancel);
        state.machine.up(generation, connection);
        self.settle(state);
        generation
    }

    /// The connection `generation` is lost for the reason `why`: fires its monitors and drops its queue.
    pub(crate) fn down(self: &Arc<Self>, generation: Generation, why: &str) {
        let mut state = self.lock();
        let ended = state.machine.down(generation, why);
        if let Some((connection, why)) = &ended {
            *self.last_link() = None;
            connection.down(why);
            state.writer = None;
        }
        self.settle(state);
        // Not under the lock: a codec can be code of the program to drop.
        guard::dispose(ended);
    }

    /// The peer has closed the connection `generation`: fires the monitors. Queued bytes are still written.
    pub(crate) fn peer_closed(self: &Arc<Self>, generation: Generation, why: &str) {
        self.with_machine(|machine| machine.peer_closed(generation, why));
    }

    /// The connection that `wait` stands for could not be made: the messages that wait for it fail.
    pub(crate) fn unreachable(self: &Arc<Self>, wait: Wait, error: ConnectError) {
        let why = Report(&error).to_string();
        let failed = self.with_machine(|machine| machine.unreachable(wait, &why));
        // A node that stops gives up, which says nothing of the other one.
        if failed
            && !matches!(error, ConnectError::Stopped)
            && let Some((_, host)) = self.node()
        {
            let node = self.id.clone();
            host.event(NodeEvent::Unreachable { node, error });
        }
    }

    /// Fails the link of `generation`, if it is up, for the reason `why`.
    pub(crate) fn fail_link(self: &Arc<Self>, generation: Generation, why: &str) {
        self.with_machine(|machine| machine.fail(generation, why));
    }

    /// Fails the link of `generation` and waits until it is down.
    pub(crate) async fn end_link(self: &Arc<Self>, generation: Generation, why: &str) {
        self.fail_link(generation, why);
        self.wait_until(|state| state.machine.connection_of(generation).is_none())
            .await;
    }
}
