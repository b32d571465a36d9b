//! The task of an open connection: it writes the peer's queue to the stream, and delivers messages from the stream.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::idle::close_when_idle;
use super::open::Opened;
use super::reader::Reader;
use super::shared::Shared;
use super::watch::wait_until_hung;
use super::{Host, Links};
use crate::Excerpt;
use crate::codec::PeerInfo;
use crate::guard;
use crate::peer::{Generation, Peer};
use crate::traffic::{ConnectionInfo, Pulse};
use crate::watchdog::Worker;

/// How long a closing connection may make no progress.
const LINGER: Duration = Duration::from_secs(3);

/// Carries messages until the connection ends, reports its end to the peer, and returns the reason. Calls `up` when the
/// connection is up.
pub(super) async fn run(links: &Arc<Links>, opened: Opened, up: impl FnOnce()) -> String {
    let span = tracing::info_span!(target: "aemp::link", "link", peer = %opened.peer.id);
    let carried = guard::complete(drive(links, opened, up)).instrument(span);
    carried.await.unwrap_or_else(|panic| {
        tracing::error!(target: "aemp::link", panic = %Excerpt(&panic), "the task of a connection panicked");
        format!("a panic: {panic}")
    })
}

async fn drive(links: &Arc<Links>, opened: Opened, up: impl FnOnce()) -> String {
    let Opened {
        stream,
        established,
        info,
        peer,
        rest,
        opening,
        permit: _permit,
    } = opened;
    let Some(host) = links.host.upgrade() else {
        return String::from("this node stopped");
    };
    let (Some(sends), Some(receives)) = (
        links.codecs.get(established.sends()),
        links.codecs.get(established.receives()),
    ) else {
        // Cannot happen: the handshake chooses among the names of these codecs.
        return String::from("a codec was chosen that this node does not have");
    };
    let facts = PeerInfo::new(peer.id.clone(), established.peer().provider());
    let pulse = info.pulse().clone();
    let cancel = CancellationToken::new();
    let generation = peer.up(sends.clone(), &facts, info.clone(), cancel.clone());
    // Reports the loss of the connection even if this task panics.
    let _down_guard = DownGuard {
        host: host.clone(),
        peer: &peer,
        generation,
    };
    let info = info.numbered(generation);
    drop(opening);
    up();
    host.clone().up(&peer, generation, facts.is_perl());

    let link = Link {
        links,
        host: &host,
        peer: &peer,
        generation,
        info: &info,
        worker: Worker::new(&links.network.id, &links.network.life.runtime),
    };
    let stream = Shared::new(stream);
    let mut decoder = receives.decoder(&links.network.config.limits, &facts);
    let early = || established.on_early_eof().to_string();
    let mut reader = Reader::new(&link, &pulse);
    let read = reader.run(&stream, &mut *decoder, rest, early);
    let write = link.write(&stream, &pulse);
    tokio::pin!(read, write);
    // The ends of the link are polled first. Reading and writing yield after their budgets, so that the branches below
    // them are polled as well.
    let why = tokio::select! {
        biased;
        () = cancel.cancelled() => String::from("the link was given up"),
        () = links.network.life.stop.cancelled() => {
            peer.finish(generation);
            // Bytes that are not sent within the deadline are lost.
            let rest_of_queue = drain(&mut write, &mut read);
            let _ = links.network.life.ending.deadline().timeout(rest_of_queue).await;
            String::from("this node stopped")
        }
        end = &mut read => match end {
            ReadEnd::Failed(why) => why,
            ReadEnd::Closed(why) => {
                peer.peer_closed(generation, &why);
                let rest_of_queue = async { drop((&mut write).await) };
                link.linger(rest_of_queue, &pulse, &cancel).await;
                why
            }
        },
        why = &mut write => link.ended_by_peer(why),
        () = link.keepalive(sends.keepalive()) => String::new(),
        why = wait_until_hung(&links.network.config, &peer, generation, &pulse, &stream) => why,
        why = close_when_idle(links, &peer, generation) => {
            let rest_of_queue = drain(&mut write, &mut read);
            link.linger(rest_of_queue, &pulse, &cancel).await;
            why
        }
    };
    peer.down(generation, &why);
    why
}

/// Writes the rest of the queue, and reads until the peer closes as well: a connection that is closed with unread bytes
/// is reset, which drops the bytes that were sent last.
async fn drain(
    mut write: impl Future<Output = String> + Unpin,
    mut read: impl Future<Output = ReadEnd> + Unpin,
) {
    let mut written = false;
    loop {
        tokio::select! {
            biased;
            _ = &mut write, if !written => written = true,
            _ = &mut read => return,
        }
    }
}

/// How reading has ended, with the reason.
pub(super) enum ReadEnd {
    /// The peer closed its direction, or the connection.
    Closed(String),
    Failed(String),
}

/// Reports the connection as lost when its task ends, also by a panic.
struct DownGuard<'a> {
    host: Arc<dyn Host>,
    peer: &'a Arc<Peer>,
    generation: Generation,
}

impl Drop for DownGuard<'_> {
    fn drop(&mut self) {
        self.peer
            .down(self.generation, "the connection's task ended");
        self.host.clone().down(&self.peer.id, self.generation);
    }
}

pub(super) struct Link<'a> {
    pub(super) links: &'a Arc<Links>,
    pub(super) host: &'a Arc<dyn Host>,
    pub(super) peer: &'a Arc<Peer>,
    pub(super) generation: Generation,
    pub(super) info: &'a ConnectionInfo,
    pub(super) worker: Worker,
}

impl Link<'_> {
    /// Runs `rest_of_queue` on a closing connection, as long as the connection makes progress.
    async fn linger(
        &self,
        rest_of_queue: impl Future<Output = ()>,
        pulse: &Pulse,
        cancel: &CancellationToken,
    ) {
        let limit = LINGER.min(self.links.network.config.monitor_timeout);
        pulse.progressed();
        let stuck = async {
            loop {
                match limit.checked_sub(pulse.since_progress()) {
                    Some(left) if !left.is_zero() => sleep(left).await,
                    // This end does not read: the peer is not to blame.
                    _ if pulse.is_parked() => sleep(limit).await,
                    _ => return,
                }
            }
        };
        let stopped = async {
            self.links.network.life.stop.cancelled().await;
            self.links.network.life.ending.deadline().wait().await;
        };
        tokio::select! {
            biased;
            () = rest_of_queue => {}
            () = cancel.cancelled() => {}
            () = stopped => {}
            () = stuck => {}
        }
    }

    pub(super) fn ended_by_peer(&self, why: impl ToString) -> String {
        self.peer.ended_by_peer(self.generation, why.to_string())
    }
}
