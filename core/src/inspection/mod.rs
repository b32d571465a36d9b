//! `Inspection`: what a node lets other nodes see of it, by functions that they call.

mod stats;
mod taps;

use std::time::{SystemTime, UNIX_EPOCH};

use crate::{LocalNode, Map, Value};

pub use taps::TapLimits;

/// What a node lets others see of it, for [`LocalNode::allow_inspection`]: its statistics and its ports; with
/// [`taps`](Self::taps) also the messages that cross its connections.
///
/// ```
/// use aemp::{Inspection, tap::TapLimits};
/// let statistics = Inspection::new();
/// let content_as_well = Inspection::new().taps(TapLimits::new().rate(100).size(1024));
/// ```
#[derive(Debug, Clone, Default)]
pub struct Inspection {
    taps: Option<TapLimits>,
}

impl Inspection {
    /// Statistics of the node, and its ports. No message is in them, but names of ports, families and peers are.
    pub fn new() -> Self {
        Self::default()
    }

    /// Others may also follow the messages that cross the node's connections, with their content: up to 16 at a time.
    pub fn taps(mut self, limits: TapLimits) -> Self {
        self.taps = Some(limits);
        self
    }
}

impl LocalNode {
    /// Lets other nodes see what `inspection` names. The commands `aemp ps`, `top`, `dot` and `directory` show it, and with
    /// [`Inspection::taps`] `aemp tap`. Nodes that `aemp run` has started allow it; a node of a program only after this call.
    ///
    /// It offers functions ([`offer_function`](Self::offer_function)), so the node's policy says who may call them:
    /// `call aemp::stats`, `call aemp::ports`, `call aemp::tap`. Without a policy all members of the network may.
    ///
    /// What one call has allowed, no later one takes away; a later one may change the limits of taps.
    ///
    /// | function | arguments | answer |
    /// | --- | --- | --- |
    /// | `aemp::stats` | | one map: `role`, `addresses`, `links`, `shards`, `families` (with how many keys) |
    /// | `aemp::ports` | | one array of maps: `name`, `messages`, `queued`, `watchers`, `tasks`, `monitors` |
    /// | `aemp::tap` | a map of `matching`, `rate` and `size` | messages, until the port that gets them is gone |
    ///
    /// ```
    /// # async fn example() -> aemp::Result<()> {
    /// use aemp::Inspection;
    /// let node = aemp::node().profile("worker").start().await?;
    /// node.allow_inspection(Inspection::new());
    /// # Ok(())
    /// # }
    /// ```
    pub fn allow_inspection(&self, inspection: Inspection) {
        stats::offer(self);
        if let Some(limits) = inspection.taps {
            taps::offer(self, limits);
        }
    }
}

/// Runs what another node has asked for, until it is done or this node stops. It does not keep this node running.
fn spawn<F>(node: &LocalNode, work: impl FnOnce(LocalNode) -> F)
where
    F: Future<Output = ()> + Send + 'static,
{
    let work = work(node.without_guard());
    let life = node.inner().life.clone();
    node.inner().life.spawn(async move {
        tokio::select! {
            () = work => {}
            () = life.stop.cancelled() => {}
        }
    });
}

fn map<const N: usize>(pairs: [(&str, Value); N]) -> Value {
    Value::Map(pairs.into_iter().collect::<Map>())
}

/// A time as it crosses the network: in seconds since 1970.
fn seconds(time: SystemTime) -> f64 {
    let since = time.duration_since(UNIX_EPOCH);
    since.unwrap_or_default().as_secs_f64()
}
