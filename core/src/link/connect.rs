//! Connects to a node on demand, when messages are queued for it.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::dial::{DialError, dial};
use super::open::Opened;
use super::run::run;
use super::schedule::{MAX_CONCURRENT, Schedule};
use super::seed::SeedState;
use super::{Host, Links};
use crate::deadline::Deadline;
use crate::error::ConnectError;
use crate::peer::{Peer, Wait};
use crate::{Address, Text};

/// Upper bound of the interval from which the pause after a failed dial is computed: 10 to 20 % of `connect_timeout`, or
/// of this.
const MAX_PAUSE_BASE: Duration = Duration::from_secs(20);

/// Connects to `peer`. If that fails, the messages that wait as `wait` fail.
pub(crate) fn connect_on_demand(links: &Arc<Links>, peer: Arc<Peer>, wait: Wait) {
    let Ok(permit) = links.connecting.clone().try_acquire_owned() else {
        let limit = links.network.config.connecting;
        let what = format!("connections to {limit} nodes are being made already");
        let key = "connecting";
        return peer.unreachable(wait, ConnectError::Busy { what, key });
    };
    let connector = Connector {
        links: links.clone(),
        _host: links.host.upgrade(),
        peer,
        wait,
    };
    links
        .network
        .life
        .spawn(async move { connector.run(permit).await });
}

/// An attempt to connect. Dropping it without a connection fails the messages that wait, also when the node stops, the
/// runtime is dropped or the attempt panics.
struct Connector {
    links: Arc<Links>,
    /// Keeps the node whose monitors fire then, also where the runtime drops the connector last.
    _host: Option<Arc<dyn Host>>,
    peer: Arc<Peer>,
    wait: Wait,
}

impl Connector {
    async fn run(&self, permit: OwnedSemaphorePermit) {
        let Self {
            links, peer, wait, ..
        } = self;
        let attempt = async {
            let outcome = try_addresses(links, peer, *wait).await;
            if outcome.is_err() {
                // An opening by the peer may be about to complete, and the peer may already regard it as complete.
                peer.wait_no_openings().await;
            }
            outcome
        };
        let outcome = tokio::select! {
            biased;
            outcome = attempt => outcome,
            () = peer.wait_settled(*wait) => return,
            () = links.network.life.stop.cancelled() => Err(ConnectError::Stopped),
        };
        drop(permit);
        match outcome {
            Ok(opened) => {
                run(links, opened, || {}).await;
            }
            Err(error) => peer.unreachable(*wait, error),
        }
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        let error = match self.links.network.life.stop.is_cancelled() {
            true => ConnectError::Stopped,
            false => ConnectError::Panicked {
                text: String::from("the attempt to connect ended before its time"),
            },
        };
        self.peer.unreachable(self.wait, error);
    }
}

/// Dials the addresses of `peer`, best first, and repeats until `connect_timeout` is over.
async fn try_addresses(
    links: &Arc<Links>,
    peer: &Arc<Peer>,
    wait: Wait,
) -> Result<Opened, ConnectError> {
    let known = peer.addresses();
    let outcome = if known.is_empty() {
        let mut published = peer.take_discovered();
        if published.is_empty() {
            published = look_up(links, peer).await?;
        }
        dial_published(links, peer, published).await
    } else {
        match dial_all(links, peer, &known, MAX_CONCURRENT).await {
            // The peer may have new addresses.
            Err(error) if links.can_look_up() => {
                let mut published = look_up(links, peer).await.unwrap_or_default();
                published.retain(|address| !known.contains(address));
                match published.is_empty() {
                    true => Err(error),
                    false => dial_published(links, peer, published).await,
                }
            }
            outcome => outcome,
        }
    };
    match outcome? {
        Some(opened) => Ok(opened),
        None => {
            peer.wait_settled(wait).await;
            let node = peer.id.clone();
            Err(ConnectError::OtherConnection { node })
        }
    }
}

/// Dials addresses that other nodes have published. A member can put any address into the directory, so only those that
/// the dial policy allows are dialled, within the limit `dials`.
async fn dial_published(
    links: &Arc<Links>,
    peer: &Arc<Peer>,
    published: Vec<Address>,
) -> Result<Option<Opened>, ConnectError> {
    let (allowed, refused): (Vec<_>, Vec<_>) = published
        .into_iter()
        .partition(|address| (links.dial_policy)(address));
    if allowed.is_empty() {
        return Err(ConnectError::DialPolicy { addresses: refused });
    }
    let concurrent = allowed
        .len()
        .min(MAX_CONCURRENT)
        .min(links.network.config.dials.max(1));
    let permits = links.dials.acquire_many(concurrent as u32);
    let wait = links.network.config.monitor_timeout;
    match Deadline::after(wait).timeout(permits).await {
        Some(Ok(_permits)) => dial_all(links, peer, &allowed, concurrent).await,
        _ => Err(ConnectError::Busy {
            what: format!(
                "{} dials to addresses that other nodes have named left no room within {wait:?}",
                links.network.config.dials
            ),
            key: "dials",
        }),
    }
}

/// Dials `addresses`, at most `concurrent` at a time, and returns the first connection. The other attempts are dropped; they
/// have sent at most a greeting, because only one of several openings is admitted to the next stage
/// (`peer/admission.rs` of aemp-proto). `None` if another connection is up or about to come up, which takes the
/// messages.
async fn dial_all(
    links: &Arc<Links>,
    peer: &Arc<Peer>,
    addresses: &[Address],
    concurrent: usize,
) -> Result<Option<Opened>, ConnectError> {
    let interval = links.network.config.connect_timeout;
    let until = Deadline::after(interval);
    let mut schedule = Schedule::new(addresses.len(), concurrent, Instant::now(), interval);
    let mut errors = vec![None; addresses.len()];
    let mut running = Vec::new();
    loop {
        while let Some(at) = schedule.start(Instant::now()) {
            let attempt = dial(links, &addresses[at], Some(&peer.id), Some(until), &[]);
            running.push((at, Box::pin(attempt)));
        }
        let wake = schedule.next_wake(Instant::now());
        if running.is_empty() && wake.is_none() {
            let errors = addresses.iter().cloned().zip(errors);
            let failed = errors.filter_map(|(address, error)| Some((address, error?)));
            let addresses = failed.collect();
            return Err(ConnectError::Unreachable { addresses });
        }
        let (at, outcome) = tokio::select! {
            biased;
            done = first_ready(&mut running) => done,
            () = wake.map_or(Deadline::Never, Deadline::At).wait() => continue,
        };
        match outcome {
            Ok(opened) => {
                peer.reached_at(&addresses[at]);
                return Ok(Some(opened));
            }
            Err(DialError {
                error: ConnectError::OtherConnection { .. },
                ..
            }) => return Ok(None),
            Err(DialError { error, .. }) => {
                errors[at] = Some(error);
                let pause = interval.min(MAX_PAUSE_BASE);
                let pause = pause.mul_f64(links.entropy.between(0.1, 0.2));
                schedule.failed(at, Instant::now(), pause);
            }
        }
    }
}

/// Looks up the addresses of `peer` in the directory.
async fn look_up(links: &Arc<Links>, peer: &Peer) -> Result<Vec<Address>, ConnectError> {
    let found = async {
        let host = links.host.upgrade()?;
        host.look_up(&peer.id).await
    };
    let found = Deadline::after(links.network.config.monitor_timeout).timeout(found);
    let found = tokio::select! {
        biased;
        found = found => found,
        error = wait_for_seeds(links), if !links.can_look_up() => return Err(error),
    };
    let found = found.flatten();
    if found.as_ref().is_some_and(Vec::is_empty) {
        return Err(ConnectError::NotListening);
    }
    let addresses = parse_addresses(&found.unwrap_or_default());
    if addresses.is_empty() {
        return Err(ConnectError::NoAddress { seeds: Vec::new() });
    }
    peer.set_discoverable();
    Ok(addresses)
}

/// Addresses of a node that are tried; a peer may publish any number.
const MAX_ADDRESSES: usize = 16;

/// Parses the addresses that a node has published, which can be any text.
pub(crate) fn parse_addresses(published: &[Text]) -> Vec<Address> {
    published
        .iter()
        .take(MAX_ADDRESSES)
        .filter_map(|address| address.parse().ok())
        .collect()
}

/// Waits for the first of the futures to complete and removes it. Never resolves if there is none.
async fn first_ready<F: Future>(running: &mut Vec<(usize, Pin<Box<F>>)>) -> (usize, F::Output) {
    poll_fn(|cx| {
        for (at, (which, future)) in running.iter_mut().enumerate() {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                let which = *which;
                drop(running.remove(at));
                return Poll::Ready((which, output));
            }
        }
        Poll::Pending
    })
    .await
}

/// Waits while a seed may still connect, since the peer may be one of the seeds. Returns the error once none may.
async fn wait_for_seeds(links: &Arc<Links>) -> ConnectError {
    let deadline = Deadline::after(links.network.config.monitor_timeout);
    loop {
        let changed = links.seeds_changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (mut seeds, mut is_pending) = (Vec::new(), false);
        for seed in links.seeds() {
            match seed.state() {
                // Its directory is about to be asked.
                SeedState::Connected(_) => is_pending = true,
                SeedState::Itself => {}
                SeedState::Trying => is_pending = true,
                SeedState::Failed(error) => {
                    is_pending = true;
                    seeds.push((seed.address.clone(), error));
                }
                SeedState::Refused(error) => seeds.push((seed.address.clone(), error)),
            }
        }
        if !is_pending || deadline.timeout(changed).await.is_none() {
            return ConnectError::NoAddress { seeds };
        }
    }
}
