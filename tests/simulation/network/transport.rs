//! The network as a transport: where processes listen, and the ends of connections.

use std::future::{Future, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::task::{Context, Poll};

use aemp::Address;
use aemp::transport::{Listener, SocketConfig, Stream, Transport};
use async_trait::async_trait;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::mpsc;
use tokio::task::coop::cooperative;

use super::{Attempt, Carried, Connection, Network, Number, QUESTIONS, Used};
use crate::panics::{self, raise};
use crate::wire::{Health, Wire};

/// The transport of one process.
pub(crate) struct Device {
    pub(super) network: Network,
    pub(super) process: u64,
    pub(super) name: String,
}

#[async_trait]
impl Transport for Device {
    fn scheme(&self) -> &str {
        "sim"
    }

    async fn listen(&self, at: &Address, _: &SocketConfig) -> io::Result<Box<dyn Listener>> {
        let (sender, queue) = mpsc::unbounded_channel();
        let mut state = self.network.lock();
        state.listeners.insert(at.target().to_owned(), sender);
        Ok(Box::new(Queue {
            at: at.clone(),
            process: self.process,
            queue,
        }))
    }

    async fn connect(&self, to: &Address, _: &SocketConfig) -> io::Result<Box<dyn Stream>> {
        let (wait, attempt) = self.network.lock().attempt(&self.name, to.target());
        tokio::time::sleep(wait).await;
        match attempt {
            Attempt::Connects => {}
            Attempt::Fails => return Err(io::ErrorKind::HostUnreachable.into()),
            Attempt::Panics => raise(panics::TRANSPORT),
        }
        let end = self.network.dial(self.process, &self.name, to.target())?;
        Ok(Box::new(end))
    }
}

/// Where a process listens.
struct Queue {
    at: Address,
    process: u64,
    queue: mpsc::UnboundedReceiver<End>,
}

#[async_trait]
impl Listener for Queue {
    fn addresses(&self) -> Vec<Address> {
        vec![self.at.clone()]
    }

    async fn accept(&mut self) -> io::Result<Box<dyn Stream>> {
        match self.queue.recv().await {
            Some(end) => {
                let mut state = end.network.lock();
                if let Some(connection) = state.connections.get_mut(&end.number) {
                    connection.ends[1] = self.process;
                }
                let panics = state.accept_panics();
                drop(state);
                if panics {
                    raise(panics::TRANSPORT)
                }
                Ok(Box::new(end))
            }
            None => std::future::pending().await,
        }
    }
}

/// One end of a connection.
pub(crate) struct End {
    pub(super) network: Network,
    pub(super) number: Number,
    pub(super) side: usize,
    pub(super) local: SocketAddr,
    pub(super) peer: SocketAddr,
}

impl Stream for End {
    fn local(&self) -> Option<SocketAddr> {
        Some(self.local)
    }

    fn peer(&self) -> Option<SocketAddr> {
        Some(self.peer)
    }
}

impl End {
    fn connection<T>(&self, run: impl FnOnce(&mut Connection) -> T) -> Option<T> {
        self.network
            .lock()
            .connections
            .get_mut(&self.number)
            .map(run)
    }

    /// What this end writes.
    pub(crate) fn wire(&self, run: impl FnOnce(&mut Wire)) {
        let side = self.side;
        self.connection(|c| run(&mut c.wires[side]));
    }

    /// The text of a question that the node at the other end is about to be asked, and has to answer in time.
    pub(crate) fn asks(&self) -> String {
        let number = self.number;
        self.network.lock().asked = Some((number, None));
        format!("~{QUESTIONS}.{number}~")
    }

    /// Panics if that is due. The network is not locked.
    fn uses(&self, used: Used) {
        let side = self.side;
        let panics = self.connection(|c| c.panics[side].take_if(|panics| *panics == used));
        if panics.flatten().is_some() {
            raise(panics::TRANSPORT)
        }
    }
}

impl End {
    fn poll_read_now(
        &self,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let mut state = self.network.lock();
        let Some(connection) = state.connections.get_mut(&self.number) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let wire = &mut connection.wires[1 - self.side];
        let read = wire.poll_read(cx, buffer.remaining());
        let flooded = wire.flooded();
        if flooded > 0 {
            let worked = state.worked;
            state.worked += flooded;
            match &mut state.asked {
                Some((number, since)) if *number == self.number => {
                    since.get_or_insert(worked);
                }
                _ => {}
            }
        }
        read.map_ok(|bytes| buffer.put_slice(&bytes))
    }

    fn poll_write_now(&self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let side = self.side;
        let mut state = self.network.lock();
        let Some(connection) = state.connections.get_mut(&self.number) else {
            return Poll::Ready(Err(io::ErrorKind::ConnectionReset.into()));
        };
        let written = connection.wires[side].poll_write(cx, bytes);
        let struck = connection.wires[side].struck();
        if let Poll::Ready(Ok(count)) = &written {
            for mark in connection.marks(side, &bytes[..*count]) {
                if mark == (QUESTIONS, self.number) {
                    state.asked = None;
                    state.fault("a flood is answered");
                    continue;
                }
                let order = state.carried.len() as u64;
                let carried = Carried {
                    number: self.number,
                    order,
                };
                state.carried.entry(mark).or_insert(carried);
            }
        }
        if let Some(health) = struck {
            let fault = match health {
                Health::Silent => "silent at a byte",
                Health::Reset => "reset at a byte",
                _ => "closed at a byte",
            };
            state.fault(fault);
            let number = self.number;
            state.note(&format!("FAULT connection {number}: {fault}"));
        }
        written
    }
}

/// Polls as the runtime's own streams do, which give way to others.
fn poll_fairly<T>(cx: &mut Context<'_>, poll: impl FnMut(&mut Context<'_>) -> Poll<T>) -> Poll<T> {
    pin!(cooperative(poll_fn(poll))).poll(cx)
}

impl AsyncRead for End {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.uses(Used::Read);
        poll_fairly(cx, |cx| self.poll_read_now(cx, buffer))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.uses(Used::Write);
        poll_fairly(cx, |cx| self.poll_write_now(cx, bytes))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.uses(Used::Shutdown);
        let side = self.side;
        self.connection(|c| c.wires[side].strike(Health::Closed));
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    /// As a socket does: what was written still arrives, and the other end is told, unless nobody is told of anything.
    fn drop(&mut self) {
        let (side, number) = (self.side, self.number);
        let mut state = self.network.lock();
        let Some(connection) = state.connections.get_mut(&number) else {
            return;
        };
        connection.ends[side] = u64::MAX;
        let panics = connection.panics[side] == Some(Used::Drop);
        connection.wires[side].strike(Health::Closed);
        // Nobody reads what comes now: who writes is told.
        if connection.wires[1 - side].health() != Health::Silent {
            connection.wires[1 - side].strike(Health::Reset);
        }
        if connection.ends == [u64::MAX; 2] {
            state.connections.remove(&number);
        }
        drop(state);
        // Two panics at a time would end the process.
        if panics && !std::thread::panicking() {
            raise(panics::TRANSPORT)
        }
    }
}
