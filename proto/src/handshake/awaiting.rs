//! `Awaiting`: what the states have in common that wait for bytes of the peer, for those who read for them.

use std::time::Duration;

use super::{AwaitAuth, AwaitGreeting, Greeted, HandshakeError, Progress, Verified};

/// A state of the handshake that waits for bytes. Its methods are those of the same names of the state itself.
pub trait Awaiting: Sized {
    /// What it becomes.
    type Next;

    /// Takes what it needs of `input`, and says how much that was.
    ///
    /// # Errors
    /// If the peer is refused.
    fn receive(self, input: &[u8]) -> Result<(usize, Progress<Self, Self::Next>), HandshakeError>;

    /// The peer closed the connection.
    fn on_eof(self) -> HandshakeError;

    /// The time `limit` for the opening is over.
    fn on_deadline(self, limit: Duration) -> HandshakeError;
}

macro_rules! awaiting {
    ($($state:ty => $next:ty),*) => {$(
        impl Awaiting for $state {
            type Next = $next;
            fn receive(self, input: &[u8]) -> Result<(usize, Progress<Self, $next>), HandshakeError> {
                Self::receive(self, input)
            }
            fn on_eof(self) -> HandshakeError {
                Self::on_eof(self)
            }
            fn on_deadline(self, limit: Duration) -> HandshakeError {
                Self::on_deadline(self, limit)
            }
        }
    )*};
}

awaiting!(AwaitGreeting => Greeted, AwaitAuth => Verified);
