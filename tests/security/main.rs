//! Each attack on the protocol's weak spots (protocol.md section 2), carried out over TCP on loopback against real nodes: what
//! both ends make of it, and that a real member is undisturbed. docs/security.md has the table.
#![allow(clippy::unwrap_used)]

mod bridge;
#[path = "../tls/certificates.rs"]
#[allow(dead_code, reason = "one kind of certificate is enough here")]
mod certificates;
mod cleartext;
mod downgrade;
#[cfg(aemp_faults)]
mod faults;
mod glued;
mod half_open;
#[path = "../common/log.rs"]
mod log;
mod member;
mod middle;
#[path = "../common/nodes.rs"]
mod nodes;
#[path = "../common/pipe.rs"]
mod pipe;
mod proof;
mod replay;
mod scene;
mod slow;
#[path = "../common/stranger.rs"]
mod stranger;
mod tampered;
#[path = "../tls/stranger.rs"]
mod tls_stranger;
mod uncertified;
