//! `Opening`: one opening of a connection. Of several openings to the same peer, the machine admits one.

use std::sync::Arc;
use std::time::Duration;

use aemp_proto::faulty;
use aemp_proto::node_protocol;
use aemp_proto::peer::{Admitted, OpeningKey, Stage};
use tokio::time::sleep_until;

use super::{Generation, Peer};
use crate::error::ConnectError;
use crate::handshake::Role;

/// How long an open connection has for an answer before a new one to the same peer replaces it.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(3);

/// A registered opening. Dropping it withdraws it from the admission.
pub(crate) struct Opening {
    peer: Arc<Peer>,
    key: OpeningKey,
}

impl Peer {
    /// Registers an opening to or from this peer.
    pub(crate) fn opening(self: &Arc<Self>, role: Role, peer_holds: bool) -> Opening {
        let now = self.epoch.elapsed();
        let key = self.lock().machine.open(role, peer_holds, now);
        Opening {
            peer: self.clone(),
            key,
        }
    }

    /// Whether any byte arrives over the connection `generation` within [`ANSWER_TIMEOUT`] after an `echo` request.
    async fn is_alive(self: &Arc<Self>, generation: Generation) -> bool {
        let Some(network) = self.network.upgrade() else {
            return false;
        };
        let read = self.with_machine(|machine| {
            let pulse = machine.connection_of(generation)?.info.pulse().clone();
            machine.send_request_over(generation, &node_protocol::echo(&network.id));
            Some(pulse.next_read())
        });
        match read {
            Some(read) => tokio::time::timeout(ANSWER_TIMEOUT, read).await.is_ok(),
            None => false,
        }
    }
}

impl Opening {
    /// Waits until the machine admits this opening to `stage`.
    ///
    /// # Errors
    /// If another connection to the same node is open and alive.
    pub(crate) async fn permit(&self, stage: Stage) -> Result<(), ConnectError> {
        loop {
            let changed = self.peer.changed.notified();
            tokio::pin!(changed);
            changed.as_mut().enable();
            match self.admit(stage) {
                Admitted::Go => return Ok(()),
                Admitted::Wait(None) => changed.await,
                Admitted::Wait(Some(until)) => tokio::select! {
                    biased;
                    () = changed => {}
                    () = sleep_until(self.peer.epoch + until) => {}
                },
                Admitted::Close => return Err(self.refused()),
                Admitted::Probe(generation) => {
                    if faulty!(DeadLinkKept) || self.peer.is_alive(generation).await {
                        return Err(self.refused());
                    }
                    let why = "no answer within 3 s when the same node connected anew";
                    self.peer.end_link(generation, why).await;
                }
            }
        }
    }

    fn refused(&self) -> ConnectError {
        let node = self.peer.id.clone();
        ConnectError::OtherConnection { node }
    }

    fn admit(&self, stage: Stage) -> Admitted {
        if self.peer.network.strong_count() == 0 {
            return Admitted::Close;
        }
        let now = self.peer.epoch.elapsed();
        self.peer.lock().machine.admit(self.key, stage, now)
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        self.peer
            .with_machine(|machine| machine.close_opening(self.key));
    }
}
