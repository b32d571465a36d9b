//! Accepts connections.

use std::sync::Arc;
use std::time::Duration;

use super::Links;
use super::open::{End, OpenError, open};
use super::run::run;
use crate::Excerpt;
use crate::allowance::log_within;
use crate::guard;
use crate::handshake::{AuthMethod, HandshakeError};
use crate::transport::{Listener, Stream};

/// Pause after an error of a listener, such as too many open files.
const PAUSE: Duration = Duration::from_millis(100);

/// Accepts on `listener` until the node stops.
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
    let pass = links.door.enter(from.map(|address| address.ip()));
    let opened = tokio::select! {
        biased;
        opened = open(&links, stream, End::Acceptor(&pass)) => opened,
        () = pass.displaced.cancelled() => Err(OpenError::Displaced),
        () = links.network.life.stop.cancelled() => Err(OpenError::Stopping),
    };
    drop(pass);
    match opened {
        Ok(opened) => {
            run(&links, opened, || {}).await;
        }
        Err(error) => {
            let guessed = AuthMethod::Cleartext;
            if matches!(&error, OpenError::Handshake(HandshakeError::ProofWrong { method, .. }) if *method == guessed)
            {
                links.cleartext.spend();
            }
            let from = from.map_or_else(
                || String::from("a stream without address"),
                |address| address.to_string(),
            );
            log_within!(links.network.logs.strangers, WARN, target: "aemp::link", %from, error = %Excerpt(&error), "a connection was refused");
        }
    }
}
