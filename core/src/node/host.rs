//! The operations of a node that its peers and connections call.

use std::sync::Arc;

use async_trait::async_trait;

use super::Inner;
use super::directory::update_seeds;
use super::node_port::handle;
use super::sender::Sender;
use crate::link::{self, DeferredRequests, connect_on_demand};
use crate::monitor::Action;
use crate::peer::{self, Generation, Peer, Wait};
use crate::shard::Batch;
use crate::traffic::NodeEvent;
use crate::{ConnectionInfo, Message, NodeId, PortName, Reason, Text};

impl peer::Host for Inner {
    fn fire(self: Arc<Self>, watched: &PortName, action: Action, reason: Reason) {
        Self::fire(&self, watched, action, reason);
    }

    fn event(&self, event: NodeEvent) {
        Self::event(self, event);
    }

    fn connect(self: Arc<Self>, peer: Arc<Peer>, wait: Wait) {
        connect_on_demand(&self.links, peer, wait);
    }
}

#[async_trait]
impl link::Host for Inner {
    fn up(self: Arc<Self>, peer: &Peer, generation: Generation, is_perl: bool) {
        self.directory.up(&self, peer, generation, is_perl);
    }

    fn down(self: Arc<Self>, peer: &NodeId, generation: Generation) {
        self.directory.down(&self, peer, generation);
    }

    fn request(
        self: Arc<Self>,
        (peer, link): (&Arc<Peer>, &ConnectionInfo),
        request: Message,
        batch: &mut Batch,
        deferred: Option<&mut DeferredRequests>,
    ) -> Result<(), String> {
        handle(&self, Sender::Peer(peer, link), request, batch, deferred)
    }

    fn is_behind(&self, peer: &NodeId) -> bool {
        self.directory.is_behind(peer)
    }

    async fn caught_up(&self, peer: &NodeId) {
        self.directory.caught_up(self, peer).await;
    }

    async fn look_up(self: Arc<Self>, peer: &NodeId) -> Option<Vec<Text>> {
        self.directory.look_up(&self, peer).await
    }

    fn can_look_up(&self) -> bool {
        self.directory.can_look_up()
    }

    fn seeds_changed(self: Arc<Self>) {
        update_seeds(&self);
    }
}
