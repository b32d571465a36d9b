//! TCP for aemp: [`Tcp`], a [`Transport`](aemp_core::transport::Transport) that listens on and connects to `host:port`
//! addresses over IPv4 and IPv6. [`Tcp`] has the table of what addresses mean.
//!
//! Beside the bytes it does two things that the rest of a node relies on: it finds the addresses that a bind such
//! as `*` stands for, so that they can be published, and it has the system notice a host that has vanished. Errors say
//! what to do; the node puts the address in front.
//!
//! It knows nothing of greetings, codecs or limits: those are the node's.

#[cfg(target_os = "linux")]
mod confirmed;
mod connect;
mod explain;
mod life;
mod listener;
mod place;
mod resolve;
mod settings;
mod stream;
mod tcp;

pub use tcp::Tcp;
