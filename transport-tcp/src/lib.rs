//! TCP for aemp: [`Tcp`], a transport that listens on and connects to `host:port` addresses.
//!
//! Beside the bytes it does two things that the rest of a node relies on: it finds the addresses that a bind such
//! as `*` stands for, so that they can be published, and it has the system notice a host that has vanished.

mod connect;
mod explain;
mod life;
mod listener;
mod place;
mod resolve;
mod stream;
mod tcp;

pub use tcp::Tcp;
