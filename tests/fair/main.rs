//! What members and strangers do to a node, over real sockets: it stays usable for everybody else.
#![allow(clippy::unwrap_used)]

mod named;
mod socket;
mod strangers;

const SECRET: &str = "correct horse battery staple";

/// The result of `future`, which must come within 20 seconds.
async fn soon<F: IntoFuture>(future: F) -> F::Output {
    let done = tokio::time::timeout(std::time::Duration::from_secs(20), future.into_future()).await;
    done.expect("within 20 s")
}
