//! Makes connections to nodes that something is to be sent to.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use super::dial::{Failed, STOPPED, dial};
use super::open::{OpenError, Opened};
use super::run::run;
use super::seed::SeedState;
use super::turns::{AT_ONCE, Turns};
use crate::Address;
use crate::deadline::Deadline;
use crate::node::{Inner, listed, parse_addresses};
use crate::peer::{Peer, Wait};

/// What part of `connect_interval` an address waits that has failed is taken of, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Connects to `peer`, for which messages wait as `wait`, or gives up and lets them fail.
pub(crate) fn connect_on_demand(node: &Arc<Inner>, peer: Arc<Peer>, wait: Wait) {
    let Ok(place) = node.connecting.clone().try_acquire_owned() else {
        let limit = node.config.connecting;
        let why = format!("connections to {limit} nodes are being made already (connecting)");
        return peer.unreachable(wait, &why);
    };
    let node = node.clone();
    let given_up = GivenUp {
        peer: peer.clone(),
        wait,
    };
    node.clone().spawn(async move {
        connect(node, peer, wait, place).await;
        drop(given_up);
    });
}

/// Lets what waits fail when its connector ends without a connection, however it does: with its node, with the runtime or
/// by a panic.
struct GivenUp {
    peer: Arc<Peer>,
    wait: Wait,
}

impl Drop for GivenUp {
    fn drop(&mut self) {
        self.peer.unreachable(self.wait, STOPPED);
    }
}

async fn connect(node: Arc<Inner>, peer: Arc<Peer>, wait: Wait, place: OwnedSemaphorePermit) {
    let attempt = async {
        let outcome = try_addresses(&node, &peer, wait).await;
        if outcome.is_err() {
            // The peer itself may be about to complete a connection, and think that it has.
            peer.no_openings().await;
        }
        outcome
    };
    let outcome = tokio::select! {
        biased;
        outcome = attempt => outcome,
        () = peer.settled(wait) => return,
        () = node.stop.cancelled() => Err(STOPPED.into()),
    };
    drop(place);
    match outcome {
        Ok(opened) => {
            run(&node, opened, || {}).await;
        }
        Err(text) => peer.unreachable(wait, &text),
    }
}

/// Tries the addresses of `peer`, best first, again and again for `connect_interval`.
async fn try_addresses(node: &Arc<Inner>, peer: &Arc<Peer>, wait: Wait) -> Result<Opened, String> {
    let known = peer.addresses();
    let outcome = if known.is_empty() {
        let mut told = peer.take_found();
        if told.is_empty() {
            told = look_up(node, peer).await?;
        }
        first_of_told(node, peer, told).await
    } else {
        match first_of(node, peer, &known, AT_ONCE).await {
            // It may have moved since that was known.
            Err(text) if node.directory.can_find() => {
                let mut told = look_up(node, peer).await.unwrap_or_default();
                told.retain(|address| !known.contains(address));
                match told.is_empty() {
                    true => Err(text),
                    false => first_of_told(node, peer, told).await,
                }
            }
            outcome => outcome,
        }
    };
    match outcome {
        Ok(Some(opened)) => Ok(opened),
        Ok(None) => {
            peer.settled(wait).await;
            Err("another connection was made".into())
        }
        Err(text) => Err(text),
    }
}

/// The same for addresses that other nodes have named, which is anything that a member has put into the directory: those
/// that the dial policy allows, when there is room for them.
async fn first_of_told(
    node: &Arc<Inner>,
    peer: &Arc<Peer>,
    told: Vec<Address>,
) -> Result<Option<Opened>, String> {
    let (allowed, refused): (Vec<_>, Vec<_>) = told
        .into_iter()
        .partition(|address| (node.dial_policy)(address));
    if allowed.is_empty() {
        return Err(format!(
            "this node's dial policy allows none of its addresses: {}",
            listed(&refused)
        ));
    }
    let at_once = allowed.len().min(AT_ONCE).min(node.config.dials.max(1));
    let room = node.dials.acquire_many(at_once as u32);
    let wait = node.config.monitor_timeout;
    match Deadline::after(wait).bound(room).await {
        Some(Ok(_room)) => first_of(node, peer, &allowed, at_once).await,
        _ => Err(format!(
            "{} dials to addresses that other nodes have named (dials) left no room within {wait:?}",
            node.config.dials
        )),
    }
}

/// A connection to `peer` by whichever address gives one first, `at_once` of them tried at a time. Attempts overlap;
/// those that are dropped have said no more than a greeting, since of several openings one alone goes on from there
/// (`peer/admission.rs`). `None` if another connection is up or about to be, which takes the messages.
async fn first_of(
    node: &Arc<Inner>,
    peer: &Arc<Peer>,
    addresses: &[Address],
    at_once: usize,
) -> Result<Option<Opened>, String> {
    let interval = node.config.connect_interval;
    let until = Deadline::after(interval);
    let mut turns = Turns::new(addresses.len(), at_once, Instant::now(), interval);
    let mut errors = vec![None; addresses.len()];
    let mut running = Vec::new();
    loop {
        while let Some(at) = turns.start(Instant::now()) {
            let attempt = dial(node, &addresses[at], Some(&peer.id), Some(until));
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
                let pause = pause.mul_f64(node.entropy.between(0.1, 0.2));
                turns.failed(at, Instant::now(), pause);
            }
        }
    }
}

/// Asks the network where `peer` listens.
async fn look_up(node: &Arc<Inner>, peer: &Peer) -> Result<Vec<Address>, String> {
    let found = node.directory.find(node, &peer.id);
    let found = Deadline::after(node.config.monitor_timeout).bound(found);
    let found = tokio::select! {
        biased;
        found = found => found,
        why = wait_for_seeds(node), if !node.directory.can_find() => return Err(why),
    };
    let found = found.flatten();
    if found.as_ref().is_some_and(Vec::is_empty) {
        return Err(String::from(
            "it listens nowhere, and has no connection to this node",
        ));
    }
    let addresses = parse_addresses(&found.unwrap_or_default());
    if addresses.is_empty() {
        return Err(String::from("no known address"));
    }
    peer.can_be_found();
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
async fn wait_for_seeds(node: &Arc<Inner>) -> String {
    let deadline = Deadline::after(node.config.monitor_timeout);
    loop {
        let changed = node.seeds_changed.notified();
        tokio::pin!(changed);
        changed.as_mut().enable();
        let (mut tried, mut hope) = (String::new(), false);
        for seed in node.seeds() {
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
