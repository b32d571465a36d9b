//! Makes connections to nodes that something is to be sent to.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::time::Instant;

use super::dial::{Failed, STOPPED, dial};
use super::open::{OpenError, Opened};
use super::run::run;
use super::seed::SeedState;
use super::turns::Turns;
use crate::Address;
use crate::deadline::Deadline;
use crate::node::{Inner, parse_addresses};
use crate::peer::{Peer, Wait};

/// What part of `connect_interval` an address waits that has failed is taken of, at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(20);

/// Connects to `peer`, for which messages wait as `wait`, or gives up and lets them fail.
pub(crate) fn connect_on_demand(node: &Arc<Inner>, peer: Arc<Peer>, wait: Wait) {
    let connector = Connector {
        node: node.clone(),
        peer,
        wait,
    };
    node.spawn(async move { connector.run().await });
}

/// Lets what waits fail when it ends without a connection, however it does: with its node, with the runtime or by a panic.
struct Connector {
    node: Arc<Inner>,
    peer: Arc<Peer>,
    wait: Wait,
}

impl Connector {
    async fn run(&self) {
        let Self { node, peer, wait } = self;
        let attempt = async {
            let outcome = try_addresses(node, peer, *wait).await;
            if outcome.is_err() {
                // The peer itself may be about to complete a connection, and think that it has.
                peer.no_openings().await;
            }
            outcome
        };
        let outcome = tokio::select! {
            biased;
            outcome = attempt => outcome,
            () = peer.settled(*wait) => return,
            () = node.stop.cancelled() => Err(STOPPED.into()),
        };
        match outcome {
            Ok(opened) => {
                run(node, opened, || {}).await;
            }
            Err(text) => peer.unreachable(*wait, &text),
        }
    }
}

impl Drop for Connector {
    fn drop(&mut self) {
        let why = match self.node.stop.is_cancelled() {
            true => STOPPED,
            false => "the attempt to connect ended before its time",
        };
        self.peer.unreachable(self.wait, why);
    }
}

/// Tries the addresses of `peer`, best first, again and again for `connect_interval`.
async fn try_addresses(node: &Arc<Inner>, peer: &Arc<Peer>, wait: Wait) -> Result<Opened, String> {
    let mut known = peer.addresses();
    if known.is_empty() {
        known = peer.take_found();
    }
    let outcome = match known.is_empty() {
        true => first_of(node, peer, &look_up(node, peer).await?).await,
        false => match first_of(node, peer, &known).await {
            // It may have moved since that was known.
            Err(text) if node.directory.can_find() => {
                let mut found = look_up(node, peer).await.unwrap_or_default();
                found.retain(|address| !known.contains(address));
                match found.is_empty() {
                    true => Err(text),
                    false => first_of(node, peer, &found).await,
                }
            }
            outcome => outcome,
        },
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

/// A connection to `peer` by whichever address gives one first. Attempts overlap; those that are dropped have said no
/// more than a greeting, since of several openings one alone goes on from there (`peer/admission.rs`). `None` if
/// another connection is up or about to be, which takes the messages.
async fn first_of(
    node: &Arc<Inner>,
    peer: &Arc<Peer>,
    addresses: &[Address],
) -> Result<Option<Opened>, String> {
    let interval = node.config.connect_interval;
    let until = Deadline::after(interval);
    let mut turns = Turns::new(addresses.len(), Instant::now(), interval);
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
    let found = found.flatten().unwrap_or_default();
    let addresses = parse_addresses(&found);
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
