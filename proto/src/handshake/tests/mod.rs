//! Complete openings: every error and its text, arbitrary splits of the input, recorded sessions.
//!
//! This file has the helpers. An `End` is a driver without a network, which answers at once.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![cfg_attr(not(test), allow(dead_code))]

mod attacker;
#[cfg(test)]
mod errors;
#[cfg(test)]
mod openings;
#[cfg(test)]
mod rivals;
#[cfg(test)]
mod splits;
#[cfg(test)]
mod transcripts;

pub use attacker::run;

use std::sync::Arc;

use super::*;

const SECRET: &str = "a secret of 27 bytes, maybe";

/// The settings of a node with [`SECRET`] that reads and writes `framings`.
fn settings(node: &str, framings: &[&str]) -> Settings {
    let mut settings = Settings::new(node.parse().unwrap());
    settings.secret = Some(Secret::from_text(SECRET, 16).unwrap());
    settings.framings = framings.iter().map(|&name| name.into()).collect();
    settings
}

/// A dialer, whose nonce is the lower one.
fn dialer(settings: Settings) -> Opening {
    Opening::new(Arc::new(settings), Role::Dialer, Nonce::new([1; 32]))
}

/// An acceptor, whose nonce is the higher one.
fn acceptor(settings: Settings) -> Opening {
    Opening::new(Arc::new(settings), Role::Acceptor, Nonce::new([2; 32]))
}

/// One end of a connection, driven by the bytes that it receives.
struct End {
    state: Option<State>,
    /// Written bytes that the other end has not taken.
    written: Vec<u8>,
    /// Received bytes that are not consumed.
    buffer: Vec<u8>,
    /// Which end of TLS it would be, if that is in use. Nothing is encrypted in these tests.
    tls: Option<TlsRole>,
    /// Whether the peer would present a certificate under TLS.
    is_certified: bool,
}

enum State {
    Greeting(AwaitGreeting),
    Auth(AwaitAuth),
    Open(Box<Established>),
    Failed(HandshakeError),
}

impl End {
    fn new(opening: Opening) -> Self {
        let (state, written) = opening.start().unwrap();
        Self {
            state: Some(State::Greeting(state)),
            written,
            buffer: Vec::new(),
            tls: None,
            is_certified: true,
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
        while let Some(state) = self.state.take() {
            let stop = matches!(state, State::Open(_) | State::Failed(_));
            if stop || self.buffer.is_empty() {
                self.state = Some(state);
                return;
            }
            let (used, state) = self.step(state).unwrap_or_else(|e| (0, State::Failed(e)));
            self.buffer.drain(..used);
            self.state = Some(state);
        }
    }

    fn step(&mut self, state: State) -> Result<(usize, State), HandshakeError> {
        Ok(match state {
            State::Greeting(state) => match state.receive(&self.buffer)? {
                (used, Progress::More(state)) => (used, State::Greeting(state)),
                (used, Progress::Done(greeted)) => {
                    let ready = match greeted {
                        Greeted::Plain(ready) => ready,
                        Greeted::Tls(tls) => {
                            self.tls = Some(tls.role());
                            tls.secured(self.is_certified)
                        }
                    };
                    let (state, line) = ready.authenticate();
                    self.written.extend(line);
                    (used, State::Auth(state))
                }
            },
            State::Auth(state) => match state.receive(&self.buffer)? {
                (used, Progress::More(state)) => (used, State::Auth(state)),
                (used, Progress::Done(verified)) => {
                    let (state, line) = verified.finish();
                    self.written.extend(line);
                    (used, State::Open(Box::new(state)))
                }
            },
            stopped => (0, stopped),
        })
    }

    /// The peer closes the connection.
    fn eof(&mut self) {
        self.state = match self.state.take() {
            Some(State::Greeting(state)) => Some(State::Failed(state.on_eof())),
            Some(State::Auth(state)) => Some(State::Failed(state.on_eof())),
            other => other,
        };
    }

    fn open(&self) -> &Established {
        match &self.state {
            Some(State::Open(established)) => established,
            _ => panic!("not open: {}", self.outcome()),
        }
    }

    fn error(&self) -> &HandshakeError {
        match &self.state {
            Some(State::Failed(error)) => error,
            _ => panic!("no error: {}", self.outcome()),
        }
    }

    /// The state as text, for comparison.
    fn outcome(&self) -> String {
        match &self.state {
            Some(State::Greeting(_)) => "waits for a greeting".into(),
            Some(State::Auth(_)) => "waits for an auth line".into(),
            Some(State::Open(established)) => format!("open: {established}"),
            Some(State::Failed(error)) => format!("failed: {}", crate::Report(error)),
            None => unreachable!(),
        }
    }
}

/// Passes bytes between two ends until neither has any left, in pieces whose lengths `cut` chooses.
fn talk(one: &mut End, other: &mut End, mut cut: impl FnMut(usize) -> usize) {
    let mut pass = |from: &mut End, to: &mut End| {
        let length = cut(from.written.len()).min(from.written.len());
        let piece: Vec<u8> = from.written.drain(..length).collect();
        to.receive(&piece);
    };
    while !(one.written.is_empty() && other.written.is_empty()) {
        pass(one, other);
        pass(other, one);
    }
}

/// Two ends after their opening.
fn pair(dialer: Opening, acceptor: Opening) -> (End, End) {
    let (mut dialer, mut acceptor) = (End::new(dialer), End::new(acceptor));
    talk(&mut dialer, &mut acceptor, |there| there);
    (dialer, acceptor)
}
