//! Accepts connections.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Links;
use super::open::{Side, open};
use super::run::run;
use crate::allowance::log_within;
use crate::error::ConnectError;
use crate::guard;
use crate::handshake::{AuthMethod, HandshakeError, Role};
use crate::transport::{Listener, Stream};
use crate::{Excerpt, Report};

/// Pause after an error of a listener, such as too many open files, so that the loop does not spin.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts connections on `listener` until the node stops.
pub(crate) async fn accept_all(links: Arc<Links>, mut listener: Box<dyn Listener>) {
    loop {
        let accepted = tokio::select! {
            biased;
            () = links.network.life.stop.cancelled() => return,
            accepted = guard::complete(listener.accept()) => accepted,
        };
        match accepted {
            Ok(Ok(stream)) => {
                links.network.life.spawn(serve(links.clone(), stream));
                continue;
            }
            Ok(Err(error)) => {
                log_within!(links.network.logs.strangers, WARN, target: "aemp::link", error = %Excerpt(&error), "a listener failed to accept");
            }
            Err(panic) => {
                tracing::error!(target: "aemp::link", panic = %Excerpt(&panic), "a listener panicked");
            }
        }
        tokio::select! {
            biased;
            () = links.network.life.stop.cancelled() => return,
            () = tokio::time::sleep(PAUSE) => {}
        }
    }
}

async fn serve(links: Arc<Links>, stream: Box<dyn Stream>) {
    let from = stream.peer();
    let slot = links.backlog.add(from.map(|address| address.ip()));
    let opened = tokio::select! {
        biased;
        opened = open(&links, stream, Side::Acceptor(&slot)) => opened,
        () = slot.evicted.cancelled() => Err(ConnectError::Busy {
            what: String::from("more than the allowed number of connections are being opened: this one was the oldest"),
            key: "max_pending_handshakes",
        }),
        () = links.network.life.stop.cancelled() => Err(ConnectError::Stopped),
    };
    drop(slot);
    match opened {
        Ok(opened) => {
            run(&links, opened, || {}).await;
        }
        // The end that has dialled drops the seed (protocol.md section 6). Any other nonce of this node is a replay.
        Err(ConnectError::Handshake(HandshakeError::Myself { nonce, .. }))
            if links.nonces.role(&nonce) == Some(Role::Dialer) =>
        {
            log_within!(links.network.logs.strangers, DEBUG, target: "aemp::link", "this node has dialled itself");
        }
        Err(error) => {
            let cleartext = AuthMethod::Cleartext;
            if matches!(&error, ConnectError::Handshake(HandshakeError::ProofWrong { method, .. }) if *method == cleartext)
            {
                links.cleartext.consume();
            }
            links.refused.fetch_add(1, Ordering::Relaxed);
            let from = from.map_or_else(
                || String::from("a stream without address"),
                |address| address.to_string(),
            );
            log_within!(links.network.logs.strangers, WARN, target: "aemp::link", %from, error = %Excerpt(Report(&error)), "a connection was refused");
        }
    }
}
