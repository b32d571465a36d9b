//! The relay that the sessions were recorded through, in memory: the transport of the node under test, whose
//! connections have the recorded socket addresses.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use aemp::Address;
use aemp::transport::{Listener, SocketConfig, Stream, Transport};
use async_trait::async_trait;
use tokio::io::DuplexStream;
use tokio::sync::{mpsc, oneshot};

use crate::pipe::{Accepting, Pipe};

/// Stands in the place of the TCP transport. Clones are the same relay.
#[derive(Clone, Default)]
pub(crate) struct Relay(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    listeners: HashMap<String, mpsc::UnboundedSender<Pipe>>,
    /// Attempts of the node to connect, which wait until the script comes to them.
    attempts: HashMap<String, mpsc::UnboundedSender<Attempt>>,
    waiting: HashMap<String, mpsc::UnboundedReceiver<Attempt>>,
    /// What is told of a listener's address, where that is another: the relay's own.
    published: HashMap<String, Address>,
}

type Attempt = oneshot::Sender<Pipe>;

impl Relay {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }

    /// The node that is to listen at `binds` tells others these addresses.
    pub(crate) fn publish(&self, binds: &[String], addresses: &[aemp::Text]) {
        let pairs = binds.iter().zip(addresses);
        let pairs = pairs.map(|(bind, address)| (bind.clone(), address.parse().unwrap()));
        self.lock().published.extend(pairs);
    }

    /// Connects to the node that listens at `target`, which sees itself at `local` and the other end at `peer`.
    pub(crate) fn dial(
        &self,
        target: &str,
        local: Option<SocketAddr>,
        peer: Option<SocketAddr>,
    ) -> DuplexStream {
        let (ours, theirs) = tokio::io::duplex(1 << 20);
        let state = self.lock();
        let listener = state.listeners.get(target).expect("the node listens");
        let stream = Pipe {
            stream: theirs,
            local,
            peer,
        };
        assert!(listener.send(stream).is_ok(), "the node accepts");
        ours
    }

    /// Takes the node's next attempt to connect to `relay`, which then sees itself at `local`. An attempt that the
    /// node has given up is passed over.
    pub(crate) async fn accept(&self, relay: &str, local: Option<SocketAddr>) -> DuplexStream {
        loop {
            let mut waiting = self.take(relay);
            let attempt = waiting.recv().await.expect("the queue stays open");
            self.lock().waiting.insert(relay.into(), waiting);
            let (ours, theirs) = tokio::io::duplex(1 << 20);
            let peer = relay.parse().ok();
            let stream = Pipe {
                stream: theirs,
                local,
                peer,
            };
            if attempt.send(stream).is_ok() {
                return ours;
            }
        }
    }

    fn take(&self, relay: &str) -> mpsc::UnboundedReceiver<Attempt> {
        let mut state = self.lock();
        state.queue(relay);
        state.waiting.remove(relay).expect("one script at a time")
    }
}

impl State {
    fn queue(&mut self, relay: &str) -> mpsc::UnboundedSender<Attempt> {
        if let Some(sender) = self.attempts.get(relay) {
            return sender.clone();
        }
        let (sender, receiver) = mpsc::unbounded_channel();
        self.attempts.insert(relay.into(), sender.clone());
        self.waiting.insert(relay.into(), receiver);
        sender
    }
}

#[async_trait]
impl Transport for Relay {
    fn scheme(&self) -> &str {
        "tcp"
    }

    async fn listen(&self, at: &Address, _: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        let (sender, receiver) = mpsc::unbounded_channel();
        self.lock().listeners.insert(at.target().into(), sender);
        let published = self.lock().published.get(at.target()).cloned();
        Ok(Box::new(Accepting(
            published.unwrap_or_else(|| at.clone()),
            receiver,
        )))
    }

    async fn connect(&self, to: &Address, _: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        let (attempt, accepted) = oneshot::channel();
        let sender = self.lock().queue(to.target());
        sender.send(attempt).expect("the queue stays open");
        match accepted.await {
            Ok(stream) => Ok(Box::new(stream)),
            Err(_) => Err(io::ErrorKind::ConnectionRefused.into()),
        }
    }
}
