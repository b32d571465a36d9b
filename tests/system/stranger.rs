//! `Stranger` on the network in memory.

use crate::common::Network;
use crate::pipe::Pipe;
pub(crate) use crate::scripted::cleartext;

pub(crate) type Stranger = crate::scripted::Stranger<Pipe>;

impl Stranger {
    /// Dials a node.
    pub(crate) fn dial(network: &Network, to: &str) -> Self {
        Self::from(network.dial(to).unwrap())
    }

    /// Is let in as node `id` that speaks JSON, by the secret in clear text.
    pub(crate) async fn join(network: &Network, to: &str, id: &str) -> Self {
        Self::join_in("json", network, to, id).await
    }

    /// The same as a node that speaks `framing`.
    pub(crate) async fn join_in(framing: &str, network: &Network, to: &str, id: &str) -> Self {
        let mut stranger = Self::dial(network, to);
        stranger.greet(id, framing).await;
        stranger
    }

    /// Is let in as AnyEvent::MP node `id` that speaks `framing`.
    pub(crate) async fn join_as_perl(framing: &str, network: &Network, to: &str, id: &str) -> Self {
        let mut stranger = Self::dial(network, to);
        stranger.greet_as_perl(id, framing).await;
        stranger
    }
}
