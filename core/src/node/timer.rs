//! `TimerGuard`: the guard that cancels a delayed or repeated message; and the operations of a node that take a time.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

use super::Inner;
use crate::codec::EncodeError;
use crate::deadline::{Deadline, Ticks};
use crate::message::{IntoMessage, Message};
use crate::port::ToPort;
use crate::{Excerpt, PortId, guard};

/// Cancels its timer when dropped.
///
/// ```
/// # fn example(node: aemp::LocalNode, door: aemp::PortId) {
/// use std::time::Duration;
///
/// let closing = node.send_after(Duration::from_secs(30), &door, ("close",));
/// // Someone comes through: the door stays open.
/// drop(closing);
/// # }
/// ```
#[must_use = "a timer is cancelled when its guard is dropped; keep it, or call `detach`"]
#[doc(alias = "Timer")]
#[derive(Debug)]
pub struct TimerGuard(Option<AbortHandle>);

impl TimerGuard {
    /// Lets the timer run without its guard, until the node stops.
    pub fn detach(mut self) {
        self.0 = None;
    }

    pub(crate) fn is_finished(&self) -> bool {
        self.0.as_ref().is_none_or(AbortHandle::is_finished)
    }
}

impl Drop for TimerGuard {
    fn drop(&mut self) {
        if let Some(task) = &self.0 {
            task.abort();
        }
    }
}

impl Inner {
    /// The result of `future`, or `None` after `limit`. It may be awaited anywhere, also outside of a runtime.
    pub(crate) fn within<F: Future>(
        &self,
        limit: Duration,
        future: F,
    ) -> impl Future<Output = Option<F::Output>> + use<F> {
        let _timers = self.life.runtime.enter();
        Deadline::after(limit).timeout(future)
    }

    pub(crate) fn send_after(
        self: &Arc<Self>,
        delay: Duration,
        to: impl ToPort,
        message: impl IntoMessage,
    ) -> TimerGuard {
        let Ok(to) = self.with_port(to, PortId::clone) else {
            return TimerGuard(None);
        };
        let (node, message) = (self.clone(), message.into_message());
        self.timer(async move {
            Deadline::after(delay).wait().await;
            node.send_built(&to, &message);
        })
    }

    pub(crate) fn send_every(
        self: &Arc<Self>,
        period: Duration,
        to: impl ToPort,
        message: impl IntoMessage,
    ) -> TimerGuard {
        let Ok(to) = self.with_port(to, PortId::clone) else {
            return TimerGuard(None);
        };
        let (node, message) = (self.clone(), message.into_message());
        self.timer(async move {
            // A period of zero would be a busy loop.
            let mut ticks = Ticks::every(period.max(Duration::from_millis(1)));
            loop {
                ticks.next().await;
                node.send_built(&to, &message);
            }
        })
    }

    /// Runs `task` until the node stops, or the guard is dropped.
    fn timer(self: &Arc<Self>, task: impl Future<Output = ()> + Send + 'static) -> TimerGuard {
        let node = self.clone();
        // The codec that encodes its message may be the program's.
        let task = guard::complete(task);
        let task = self.life.runtime.spawn(async move {
            tokio::select! {
                biased;
                ended = task => if let Err(panic) = ended {
                    tracing::error!(target: "aemp::port", panic = %Excerpt(&panic), "a timer panicked");
                },
                () = node.life.stop.cancelled() => {}
            }
        });
        TimerGuard(Some(task.abort_handle()))
    }

    fn send_built(self: &Arc<Self>, to: &PortId, message: &Result<Message, EncodeError>) {
        match message {
            Ok(message) => self.send(to, message.clone()),
            Err(error) => {
                tracing::warn!(target: "aemp::port", to = %Excerpt(to), error = %Excerpt(error), "a timer's message cannot be built")
            }
        }
    }
}
