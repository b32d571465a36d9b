//! Fairness with real sockets, threads and processes: what blocks, floods or stops holds up nobody else, nor does what
//! members and strangers do.
#![allow(clippy::unwrap_used)]

mod blocks;
#[path = "../common/log.rs"]
mod log;
mod named;
mod socket;
mod strangers;

use std::time::Duration;

use aemp::{LinkInfo, LocalNode, PortId};

const SECRET: &str = "correct horse battery staple";

/// The result of `future`, which must come within 20 seconds.
async fn soon<F: IntoFuture>(future: F) -> F::Output {
    let done = tokio::time::timeout(Duration::from_secs(20), future.into_future()).await;
    done.expect("within 20 s")
}

/// The link to `peer`, which may know of it a moment before we do.
async fn link(node: &LocalNode, peer: &str) -> LinkInfo {
    let find = || node.links().into_iter().find(|link| link.peer() == peer);
    let found = async {
        loop {
            match find() {
                Some(link) => return link,
                None => tokio::time::sleep(Duration::from_millis(5)).await,
            }
        }
    };
    soon(found).await
}

fn port(text: &str) -> PortId {
    text.parse().unwrap()
}
