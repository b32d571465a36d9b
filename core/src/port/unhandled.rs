//! `Unhandled`: what a port does with a message for which it has no handler.

/// What a port does with a message that it does not handle: one of another type, or with a tag that it does not know. See
/// [`Context::unhandled`](crate::Context::unhandled).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Unhandled {
    /// The port is killed with `unhandled_message TEXT`, as a port of AnyEvent::MP is ([protocol.md section 4]), so that its
    /// monitors fire: nothing is lost silently.
    ///
    /// [protocol.md section 4]: crate::protocol#4-messages
    #[default]
    Kill,
    /// The message is dropped and counted in [`PortStats::unhandled`](crate::PortStats::unhandled). Its sender is not told.
    Count,
    /// As `Count`, and logged as a warning, a few times a second at most.
    Log,
}
