//! TCP for aemp: [`Tcp`], a [`Transport`](aemp_core::transport::Transport) that listens on and connects to `host:port`
//! addresses over IPv4 and IPv6. The documentation of [`Tcp`] has a table of address forms.
//!
//! In addition to the byte stream it provides two things that a node relies on: it finds the addresses for a bind such as
//! `*`, so that they can be published, and it makes the system detect dead hosts. Errors say what to do; the node
//! prefixes them with the address.
//!
//! It contains no greetings, codecs or limits: the node provides those.

#[cfg(target_os = "linux")]
mod acknowledged;
mod connect;
mod endpoint;
mod explain;
mod keepalive;
mod listener;
mod resolve;
mod settings;
mod stream;
mod tcp;

pub use tcp::Tcp;
