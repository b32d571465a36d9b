//! A link at work: messages out of the peer's outbox onto the stream, and from the stream to the shards.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::Instrument;

use super::idle::idle;
use super::open::Opened;
use super::reader::Reader;
use super::shared::Shared;
use super::watch::hung;
use super::{Host, Links};
use crate::Excerpt;
use crate::codec::PeerInfo;
use crate::guard;
use crate::peer::{Generation, Peer};
use crate::traffic::{LinkInfo, Pulse};
use crate::watchdog::Worker;

/// How long a connection that is closing may make no progress.
const LINGER: Duration = Duration::from_secs(3);

/// Carries messages until the connection is lost, settles what that means, and says why it was. Calls `up` once
/// they flow.
pub(super) async fn run(links: &Arc<Links>, opened: Opened, up: impl FnOnce()) -> String {
    let span = tracing::info_span!(target: "aemp::link", "link", peer = %opened.peer.id);
    let carried = guard::complete(carry(links, opened, up)).instrument(span);
    carried.await.unwrap_or_else(|panic| {
        tracing::error!(target: "aemp::link", panic = %Excerpt(&panic), "the task of a connection panicked");
        format!("a panic: {panic}")
    })
}

async fn carry(links: &Arc<Links>, opened: Opened, up: impl FnOnce()) -> String {
    let Opened {
        stream,
        established,
        peer,
        rest,
        opening,
        place: _until_it_ends,
    } = opened;
    let Some(host) = links.host.upgrade() else {
        return String::from("this node stopped");
    };
    let (Some(sends), Some(receives)) = (
        links.codecs.get(established.sends()),
        links.codecs.get(established.receives()),
    ) else {
        // The handshake chooses among the names of these very codecs.
        return String::from("a codec was chosen that this node does not have");
    };
    let facts = PeerInfo::new(peer.id.clone(), established.peer().provider());
    let info = LinkInfo::new(&established, stream.peer());
    let pulse = info.pulse().clone();
    let cancel = CancellationToken::new();
    let generation = peer.up(sends.clone(), &facts, info.clone(), cancel.clone());
    // Should this task panic, the connection is lost like any other.
    let _lost = Lost {
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
    // What ends the link comes first. Reading and writing use a budget each and then yield, so that all that stands below
    // them is polled as well.
    let why = tokio::select! {
        biased;
        () = cancel.cancelled() => String::from("the link was given up"),
        () = links.network.life.stop.cancelled() => {
            peer.finish(generation);
            // What cannot be sent in time is lost.
            let last = both(&mut write, &mut read);
            let _ = links.network.life.ending.deadline().bound(last).await;
            String::from("this node stopped")
        }
        end = &mut read => match end {
            End::Failed(why) => why,
            End::Closed(why) => {
                peer.peer_closed(generation, &why);
                let last = async { drop((&mut write).await) };
                link.linger(last, &pulse, &cancel).await;
                why
            }
        },
        why = &mut write => link.ended_by_peer(why),
        () = link.keepalive(sends.keepalive()) => String::new(),
        why = hung(&links.network.config, &peer, generation, &pulse, &stream) => why,
        why = idle(links, &peer, generation) => {
            let last = both(&mut write, &mut read);
            link.linger(last, &pulse, &cancel).await;
            why
        }
    };
    peer.down(generation, &why);
    why
}

/// Writes to the end, and reads until the peer closes as well: a connection that is closed with bytes unread is reset,
/// and what was sent last goes with it.
async fn both(
    mut write: impl Future<Output = String> + Unpin,
    mut read: impl Future<Output = End> + Unpin,
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

/// How reading has ended, and why.
pub(super) enum End {
    /// The peer closed its direction, or the connection.
    Closed(String),
    Failed(String),
}

/// Settles a connection whose task ends before it did.
struct Lost<'a> {
    host: Arc<dyn Host>,
    peer: &'a Arc<Peer>,
    generation: Generation,
}

impl Drop for Lost<'_> {
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
    pub(super) info: &'a LinkInfo,
    pub(super) worker: Worker,
}

impl Link<'_> {
    /// Carries out what is `last` on a connection that is closing, as long as it makes progress.
    async fn linger(
        &self,
        last: impl Future<Output = ()>,
        pulse: &Pulse,
        cancel: &CancellationToken,
    ) {
        let limit = LINGER.min(self.links.network.config.monitor_timeout);
        pulse.moved();
        let stuck = async {
            loop {
                match limit.checked_sub(pulse.stillness()) {
                    Some(left) if !left.is_zero() => sleep(left).await,
                    // That this end does not read is no fault of the peer.
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
            () = last => {}
            () = cancel.cancelled() => {}
            () = stopped => {}
            () = stuck => {}
        }
    }

    pub(super) fn ended_by_peer(&self, why: impl ToString) -> String {
        self.peer.ended_by_peer(self.generation, why.to_string())
    }
}
