//! `ShardPort`: a port as its shard runs it.

use super::{Context, Pool, Port};
use crate::trace::TraceContext;
use crate::{Message, Reason};

/// A port as its shard runs it: a [`Port`] of the program, or one of this crate, which may take the values of typed
/// senders as they are.
pub(crate) trait ShardPort: Send {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        let _ = cx;
        Ok(())
    }

    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason>;

    /// Handles the first value of `pool`. Returns `None`, and takes no value, if the values are no messages of this port.
    fn receive_moved(
        &mut self,
        cx: &mut Context<'_>,
        pool: &mut dyn Pool,
    ) -> Option<Result<(), Reason>> {
        let _ = (cx, pool);
        None
    }

    /// Keeps the trace of the message that comes next, if the port does not handle messages when they come. Otherwise returns
    /// it, and the message is handled in a span of that trace.
    fn keep_context(&mut self, context: Box<TraceContext>) -> Option<Box<TraceContext>> {
        Some(context)
    }

    /// The message whose trace was kept does not come.
    fn forget_context(&mut self) {}

    fn stop(&mut self, cx: &mut Context<'_>, reason: &Reason) {
        let _ = (cx, reason);
    }

    /// The messages that were received and wait to be taken out of the port.
    fn queued(&self) -> usize {
        0
    }
}

impl<P: Port> ShardPort for P {
    fn start(&mut self, cx: &mut Context<'_>) -> Result<(), Reason> {
        Port::start(self, cx)
    }

    fn receive(&mut self, cx: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        Port::receive(self, cx, message)
    }

    fn stop(&mut self, cx: &mut Context<'_>, reason: &Reason) {
        Port::stop(self, cx, reason);
    }
}
