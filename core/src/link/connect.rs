//! Makes connections to nodes that something is to be sent to.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::Links;
use super::dial::{Failed, STOPPED, dial};
use super::open::{OpenError, Opened};
use super::run::run;
use super::seed::SeedState;
use super::turns::{AT_ONCE, Turns};
use aemp_proto::address::listed;

use crate::Address;
use crate::deadline::Deadline;
use crate::peer::{Peer, Wait};

/// What part of `connect_interval` an address waits that has failed is taken of, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Connects to `peer`, for which messages wait as `wait`, or gives up and lets them fail.
pub(crate) fn connect_on_demand(links: &Arc<Links>, peer: Arc<Peer>, wait: Wait) {
    let Ok(place) = links.connecting.clone().try_acquire_owned() else {
        let limit = links.network.config.connecting;
        let why = format!("connections to {limit} nodes are being made already (connecting)");
        return peer.unreachable(wait, &why);
    };
    let connector = Connector {
        links: links.clone(),
        peer,
        wait,
    };
    links
        .network
        .life
        .spawn(async move { connector.run(place).await });
}

/// Lets what waits fail when it ends without a connection, however it does: with its node, with the runtime or by a
/// panic.
struct Connector {
    links: Arc<Links>,
    peer: Arc<Peer>,
    wait: Wait,
}

impl Connector {
    async fn run(&self, place: OwnedSemaphorePermit) {
        let Self { links, peer, wait } = self;
        let attempt = async {
            let outcome = try_addresses(links, peer, *wait).await;
            if outcome.is_err() {
                // The peer itself may be about to complete a connection, and think that it has.
                peer.wait_no_openings().await;
            }
            outcome
        };
        let outcome = tokio::select! {
            biased;
            outcome = attempt => outcome,
            () = peer.wait_settled(*wait) => return,
            () = links.network.life.stop.cancelled() => Err(STOPPED.into()),
        };
        drop(place);
        match outcome {
            Ok(opened) => {
                run(links, opened, || {}).await;
            }
            Err(text) => peer.unreachable(*wait, &text),
        }
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        let why = match self.links.network.life.stop.is_cancelled() {
            true => STOPPED,
            false => "the attempt to connect ended before its time",
        };
        self.peer.unreachable(self.wait, why);
    }
}

/// Tries the addresses of `peer`, best first, again and again for `connect_interval`.
async fn try_addresses(links: &Arc<Links>, peer: &Arc<Peer>, wait: Wait) -> Result<Opened, String> {
    let known = peer.addresses();
    let outcome = if known.is_empty() {
        let mut told = peer.take_discovered();
        if told.is_empty() {
            told = look_up(links, peer).await?;
        }
        first_of_told(links, peer, told).await
    } else {
        match first_of(links, peer, &known, AT_ONCE).await {
            // It may have moved since that was known.
            Err(text) if links.can_find() => {
                let mut told = look_up(links, peer).await.unwrap_or_default();
                told.retain(|address| !known.contains(address));
                match told.is_empty() {
                    true => Err(text),
                    false => first_of_told(links, peer, told).await,
                }
            }
            outcome => outcome,
        }
    };
    match outcome {
        Ok(Some(opened)) => Ok(opened),
        Ok(None) => {
            peer.wait_settled(wait).await;
            Err("another connection was made".into())
        }
        Err(text) => Err(text),
    }
}

/// The same for addresses that other nodes have named, which is anything that a member has put into the directory: those
/// that the dial policy allows, when there is room for them.
async fn first_of_told(
    links: &Arc<Links>,
    peer: &Arc<Peer>,
    told: Vec<Address>,
) -> Result<Option<Opened>, String> {
    let (allowed, refused): (Vec<_>, Vec<_>) = told
        .into_iter()
        .partition(|address| (links.dial_policy)(address));
    if allowed.is_empty() {
        return Err(format!(
            "this node's dial policy allows none of its addresses: {}",
            listed(&refused)
        ));
    }
    let at_once = allowed
        .len()
        .min(AT_ONCE)
        .min(links.network.config.dials.max(1));
    let room = links.dials.acquire_many(at_once as u32);
    let wait = links.network.config.monitor_timeout;
    match Deadline::after(wait).bound(room).await {
        Some(Ok(_room)) => first_of(links, peer, &allowed, at_once).await,
        _ => Err(format!(
            "{} dials to addresses that other nodes have named (dials) left no room within {wait:?}",
            links.network.config.dials
        )),
    }
}

/// A connection to `peer` by whichever address gives one first, `at_once` of them tried at a time. Attempts overlap;
/// those that are dropped have said no more than a greeting, since of several openings one alone goes on from there
/// (`peer/admission.rs`). `None` if another connection is up or about to be, which takes the messages.
async fn first_of(
    links: &Arc<Links>,
    peer: &Arc<Peer>,
    addresses: &[Address],
    at_once: usize,
) -> Result<Option<Opened>, String> {
    let interval = links.network.config.connect_interval;
    let until = Deadline::after(interval);
    let mut turns = Turns::new(addresses.len(), at_once, Instant::now(), interval);
    let mut errors = vec![None; addresses.len()];
    let mut running = Vec::new();
    loop {
        while let Some(at) = turns.start(Instant::now()) {
            let attempt = dial(links, &addresses[at], Some(&peer.id), Some(until));
            running.push((at, Box::pin(attempt)));
        }
        let wake = turns.wake(Instant::now());
        if running.is_empty() && wake.is_none() {
            let errors: Vec<String> = errors.into_iter().flatten().collect();
            return Err(errors.join("; "));
        }
        let (at, outcome) = tokio::select! {
            biased;
            done = any(&mut running) => done,
            () = wake.map_or(Deadline::Never, Deadline::At).wait() => continue,
        };
        match outcome {
            Ok(opened) => {
                peer.reached_at(&addresses[at]);
                return Ok(Some(opened));
            }
            Err(Failed {
                error: OpenError::Refused(_),
                ..
            }) => return Ok(None),
            Err(Failed { error, .. }) => {
                errors[at] = Some(format!("{}: {error}", addresses[at]));
                let pause = interval.min(LONGEST_PAUSE);
                let pause = pause.mul_f64(links.entropy.between(0.1, 0.2));
                turns.failed(at, Instant::now(), pause);
            }
        }
    }
}

/// Asks the network where `peer` listens.
async fn look_up(links: &Arc<Links>, peer: &Peer) -> Result<Vec<Address>, String> {
    let found = async {
        let host = links.host.upgrade()?;
        host.find(&peer.id).await
    };
    let found = Deadline::after(links.network.config.monitor_timeout).bound(found);
    let found = tokio::select! {
        biased;
        found = found => found,
        why = wait_for_seeds(links), if !links.can_find() => return Err(why),
    };
    let found = found.flatten();
    if found.as_ref().is_some_and(Vec::is_empty) {
        return Err(String::from(
            "it listens nowhere, and has no connection to this node",
        ));
    }
    let addresses = found.unwrap_or_default();
    if addresses.is_empty() {
        return Err(String::from("no known address"));
    }
    peer.set_discoverable();
    Ok(addresses)
}

/// The first of the futures that ends, which is taken out; never if there is none.
async fn any<F: Future>(running: &mut Vec<(usize, Pin<Box<F>>)>) -> (usize, F::Output) {
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

/// Nobody knows an address of the peer, but it may be one of the seeds that are not connected yet.
async fn wait_for_seeds(links: &Arc<Links>) -> String {
    let deadline = Deadline::after(links.network.config.monitor_timeout);
    loop {
        let changed = links.seeds_changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (mut tried, mut hope) = (String::new(), false);
        for seed in links.seeds() {
            match seed.state() {
                // It is about to be asked.
                SeedState::Connected(_) => hope = true,
                SeedState::Itself => {}
                SeedState::Trying => hope = true,
                SeedState::Failed(why) => {
                    hope = true;
                    tried += &format!("; seed {}: {why}", seed.address);
                }
                SeedState::Refused(why) => tried += &format!("; seed {}: {why}", seed.address),
            }
        }
        if !hope || deadline.bound(changed).await.is_none() {
            return format!("no known address{tried}");
        }
    }
}
