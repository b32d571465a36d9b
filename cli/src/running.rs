//! A node that runs until it is told to stop: its readiness, its signals, and what it offers to other commands.

use std::future::pending;
use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use aemp::Values;
use aemp::profile::{Endpoint, ReadyWhen};
use aemp::{Inspection, LocalNode, NodeBuilder, NodeEvents, StartError};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;

use crate::failure::Failure;
use crate::health::{self, Watcher};
use crate::services::Logs;
use crate::supervisor;

/// How a node came to its end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// By SIGTERM, SIGINT or SIGHUP, in order.
    Stopped,
    /// Somebody asked for a new start, as `aemp restart` does.
    Restart,
    /// By itself: a part of it failed.
    Failed,
}

/// What is told of a node while it runs, besides what the node itself needs to know.
#[derive(Debug, Clone, Default)]
pub(crate) struct Told {
    /// Where HTTP is answered.
    pub(crate) health: Option<Endpoint>,
    /// When it is ready.
    pub(crate) ready_when: ReadyWhen,
}

/// Why a node did not run.
#[derive(Debug, thiserror::Error)]
pub(crate) enum RunError {
    /// It did not start.
    #[error(transparent)]
    Start(#[from] StartError),
    /// Its endpoint cannot listen.
    #[error("health cannot be answered at {at}: {error}")]
    Health {
        /// Where.
        at: Endpoint,
        /// What the system says.
        error: io::Error,
    },
    /// A part of it failed, and it stopped.
    #[error("the node has stopped by itself: {0}")]
    Failed(String),
    /// There is no thread to look at it.
    #[error("nothing can look at the node's health")]
    Watcher(#[source] io::Error),
    /// The system does not tell of signals.
    #[error("this process cannot wait for signals")]
    Signals(#[from] io::Error),
}

/// Runs the node that `builder` makes until it is told to stop; when it is ready it is given to `ready`. Peers are let
/// in when the synchronous part of every service is over, so the first message finds its port.
///
/// # Errors
/// If it does not start, or stops by itself: whoever has started the process has to start it again.
pub(crate) async fn run(
    builder: NodeBuilder,
    told: Told,
    logs: Logs,
    ready: impl FnOnce(&LocalNode),
) -> Result<Ended, RunError> {
    let stop = told_to_stop()?;
    let listener = listen(told.health)?;
    let restart = Arc::new(Notify::new());
    let asked = restart.clone();
    let node = builder.on_start(move |node| {
        logs.serve(node);
        node.allow_inspection(Inspection::new());
        // A stored permit: who asks before anybody waits is heard as well.
        node.offer_function("aemp::restart", move |_, _: Values| asked.notify_one());
    });
    let node = node.start().await?;
    let stopped = until_stopped(node.events());
    let watcher = watch(&node, listener)?;
    let told_ready = async {
        if told.ready_when == ReadyWhen::Joined {
            until_joined(&node).await;
        }
        ready(&node);
        pending().await
    };
    let ended = tokio::select! {
        biased;
        ended = told_ready => ended,
        () = stop => Ended::Stopped,
        () = restart.notified() => Ended::Restart,
        () = stopped => Ended::Failed,
    };
    tracing::info!(target: "aemp::run", node = %node.id(), ?ended, "stopping");
    // One that starts anew is the same process: what a supervisor believes to stop it kills after a time.
    if ended != Ended::Restart {
        supervisor::tell_stopping();
    }
    if let Some(watcher) = &watcher {
        watcher.set_stopping();
    }
    let report = node.shutdown().await;
    drop(watcher);
    match ended {
        Ended::Failed => Err(RunError::Failed(report.failure.unwrap_or_default())),
        ended => Ok(ended),
    }
}

/// Binds the address at which health is to be answered, before the node starts: a mistake in it is found at once.
fn listen(at: Option<Endpoint>) -> Result<Option<TcpListener>, RunError> {
    let Some(at) = at else { return Ok(None) };
    match health::listen(&at) {
        Ok(listener) => Ok(Some(listener)),
        Err(error) => Err(RunError::Health { at, error }),
    }
}

/// Looks at the node's health, if anybody wants to know of it.
fn watch(node: &LocalNode, listener: Option<TcpListener>) -> Result<Option<Watcher>, RunError> {
    let period = supervisor::live_period();
    if listener.is_none() && period.is_none() {
        return Ok(None);
    }
    let watcher = Watcher::start(node, listener, period, health::INTERVAL);
    watcher.map(Some).map_err(RunError::Watcher)
}

/// How often it is looked whether the node has joined while nothing is heard of its seeds.
const LOOK: Duration = Duration::from_secs(1);

/// Waits until the node is in its network. It goes on trying, as the node does.
async fn until_joined(node: &LocalNode) {
    while !health::has_joined(node) {
        // An error tells of one attempt; the node makes others. One that has stopped is no case for this.
        if let Ok(Err(_)) = tokio::time::timeout(LOOK, node.joined()).await {
            tokio::task::yield_now().await;
        }
    }
}

/// Waits until the node has stopped.
async fn until_stopped(mut events: NodeEvents) {
    while events.recv().await.is_some() {}
}

/// Waits until this process is told to stop, by SIGTERM, SIGINT, or SIGHUP, which the end of a terminal sends. From the
/// call on none of them ends it by itself, as long as it lives.
pub(crate) fn told_to_stop() -> io::Result<impl Future<Output = ()>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hangup = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
            _ = hangup.recv() => {}
        }
    })
}

/// Does `work`, which goes on until this process is told to stop: then with [`Failure::Stopped`], so that nothing else of
/// the line is done either.
pub(crate) async fn until_told<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    let stop = told_to_stop()?;
    tokio::select! {
        done = work => done,
        () = stop => Err(Failure::Stopped),
    }
}

/// Says that the node is ready: a line on standard output with its ID and addresses, and a word to the supervisor that
/// has set `NOTIFY_SOCKET`.
pub(crate) fn say_ready(node: &LocalNode) {
    let addresses: Vec<String> = node.addresses().iter().map(ToString::to_string).collect();
    // Where nobody reads it, nobody waits for it.
    let _ = crate::output::write(&format!("ready {} {}\n", node.id(), addresses.join(",")));
    supervisor::tell_ready();
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::time::Duration;

    use aemp::{reason, routes};

    use super::{RunError, Told, run};
    use crate::services::Logs;

    /// A log whose disk is full once something is logged of a port, which ends the shard that logs it.
    struct Full(AtomicBool);

    impl tracing::Subscriber for Full {
        fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
            metadata.target() == "aemp::port"
        }
        fn event(&self, _: &tracing::Event<'_>) {
            assert!(!self.0.swap(false, Ordering::Relaxed), "the disk is full");
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::Id {
            tracing::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::Id, _: &tracing::Id) {}
        fn enter(&self, _: &tracing::Id) {}
        fn exit(&self, _: &tracing::Id) {}
    }

    #[tokio::test]
    async fn a_node_that_stops_by_itself_is_not_run_any_longer() {
        let _log = tracing::subscriber::set_default(Full(AtomicBool::new(true)));
        let node = aemp::node().id("n");
        let ended = run(node, Told::default(), Logs::new().1, |node| {
            node.port_of(routes().on_start(|_| Err(reason!["no"])));
        });
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
        let why = match ended.expect("it ends") {
            Err(RunError::Failed(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(why.ends_with(" panicked: the disk is full"), "{why}");
    }
}
