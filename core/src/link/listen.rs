//! Accepts connections.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Links;
use super::open::{OpenError, Side, open};
use super::run::run;
use crate::Excerpt;
use crate::allowance::log_within;
use crate::guard;
use crate::handshake::{AuthMethod, HandshakeError};
use crate::transport::{Listener, Stream};

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
        () = slot.evicted.cancelled() => Err(OpenError::Evicted),
        () = links.network.life.stop.cancelled() => Err(OpenError::Stopping),
    };
    drop(slot);
    match opened {
        Ok(opened) => {
            run(&links, opened, || {}).await;
        }
        Err(error) => {
            let cleartext = AuthMethod::Cleartext;
            if matches!(&error, OpenError::Handshake(HandshakeError::ProofWrong { method, .. }) if *method == cleartext)
            {
                links.cleartext.consume();
            }
            links.refused.fetch_add(1, Ordering::Relaxed);
            let from = from.map_or_else(
                || String::from("a stream without address"),
                |address| address.to_string(),
            );
            log_within!(links.network.logs.strangers, WARN, target: "aemp::link", %from, error = %Excerpt(&error), "a connection was refused");
        }
    }
}
