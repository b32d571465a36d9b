//! TLS: whole nodes with certificates over TCP, and strangers, relays and other programs as the other end.
#![allow(clippy::unwrap_used)]

mod anonymous;
mod certificates;
mod child;
mod connections;
mod folder;
mod hung;
#[path = "../common/log.rs"]
mod log;
#[path = "../common/nodes.rs"]
mod nodes;
mod openssl;
mod pair;
#[path = "../common/pipe.rs"]
#[allow(dead_code, reason = "nobody listens here")]
mod pipe;
#[path = "../common/process.rs"]
mod process;
mod recorded;
mod refused;
mod relay;
mod rotation;
mod ruled;
mod stolen;
mod stranger;
mod tampered;
mod warned;

/// Does nothing but in a process that a test has started (`process`).
#[test]
fn child() {
    process::run(child::run);
}
