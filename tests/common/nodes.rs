//! What tests with whole nodes share: their secret, waiting with a deadline, links and ports.

use std::time::Duration;

use aemp::stats::ConnectionInfo;
use aemp::{LocalNode, PortId};

pub(crate) const SECRET: &str = "correct horse battery staple";

/// The result of `future`, which must come within 60 seconds.
pub(crate) async fn soon<F: IntoFuture>(future: F) -> F::Output {
    let done = tokio::time::timeout(Duration::from_secs(60), future.into_future()).await;
    done.expect("within 60 s")
}

/// The link to `peer`, which may know of it a moment before we do.
#[allow(dead_code, reason = "not every test binary looks at links")]
pub(crate) async fn link(node: &LocalNode, peer: &str) -> ConnectionInfo {
    let find = || {
        node.connections()
            .into_iter()
            .find(|link| link.peer() == peer)
    };
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

#[allow(dead_code, reason = "not every test binary names ports")]
pub(crate) fn port(text: &str) -> PortId {
    text.parse().unwrap()
}
