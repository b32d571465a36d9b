//! `Awaiting`: the common trait of the states that wait for bytes of the peer, for code that reads for any of them.

use std::time::Duration;

use super::{AwaitAuth, AwaitGreeting, Greeted, HandshakeError, Progress, Verified};

/// A state that waits for bytes of the peer. The methods forward to the methods of the state with the same names.
pub trait Awaiting: sealed::Sealed + Sized {
    /// The next state.
    type Next;

    /// Consumes bytes of `input`. Returns their number, and the next state or this one.
    ///
    /// # Errors
    /// If the peer is refused.
    fn receive(self, input: &[u8]) -> Result<(usize, Progress<Self, Self::Next>), HandshakeError>;

    /// The error for a connection that the peer has closed.
    fn on_eof(self) -> HandshakeError;

    /// The error for an opening that has exceeded its deadline, which was `limit` for the whole opening.
    fn on_deadline(self, limit: Duration) -> HandshakeError;
}

mod sealed {
    pub trait Sealed {}
}

macro_rules! awaiting {
    ($($state:ty => $next:ty),*) => {$(
        impl sealed::Sealed for $state {}

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
