//! `Watcher`: the thread in which a node's health is looked at and told. It has a runtime of its own, so that it can say what is
//! wrong while handlers block all threads of the node's.

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use aemp::LocalNode;
use tokio::runtime::Builder;
use tokio::sync::oneshot;
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use super::{Check, Health, endpoint};
use crate::supervisor;

/// Looks at a node's health until it is dropped.
pub(crate) struct Watcher {
    health: Arc<Health>,
    /// Dropped to end the thread.
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

impl Watcher {
    /// Answers HTTP at `listener`, and tells the supervisor every `period` that the node is live; each where it is wanted.
    /// Shards are asked for a turn every `interval`.
    pub(crate) fn start(
        node: &LocalNode,
        listener: Option<TcpListener>,
        period: Option<Duration>,
        interval: Duration,
    ) -> io::Result<Self> {
        let health = Arc::new(Health::new(node.clone(), interval));
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let (stop, stopped) = oneshot::channel();
        let shared = health.clone();
        let thread = std::thread::Builder::new().name(String::from("aemp-health"));
        let thread = thread.spawn(move || {
            runtime.block_on(async {
                // Dropping the set with this future ends them all.
                let mut tasks = JoinSet::new();
                for shard in 0..shared.turns.count() {
                    let health = shared.clone();
                    tasks.spawn(async move { health.turns.follow(&health.node, shard).await });
                }
                if let Some(listener) = listener {
                    tasks.spawn(endpoint::serve(listener, shared.clone()));
                }
                if let Some(period) = period {
                    tasks.spawn(tell_while_live(shared, period));
                }
                // An error: the sender is dropped.
                let _ = stopped.await;
            });
        })?;
        Ok(Self {
            health,
            stop: Some(stop),
            thread: Some(thread),
        })
    }

    /// From now on the node is not ready.
    pub(crate) fn set_stopping(&self) {
        self.health.is_stopping.store(true, Ordering::Relaxed);
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        self.stop.take();
        if let Some(thread) = self.thread.take() {
            // It ends at once, as nothing in it blocks.
            let _ = thread.join();
        }
    }
}

async fn tell_while_live(health: Arc<Health>, period: Duration) {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let checks = health.live();
        match Check::all_are_well(&checks) {
            true => supervisor::tell_live(),
            false => {
                tracing::error!(target: "aemp::run", live = ?checks, "the supervisor is not told that the node is live")
            }
        }
    }
}
