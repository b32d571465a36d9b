//! Catches panics of foreign code: handlers, callbacks, offered functions, destructors, transports. All catching of
//! panics in this crate is done here.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::Poll;

use crate::Excerpt;

pub(crate) use aemp_proto::guard::{Panicked, run};

/// Runs `code` and logs its panic, with the message `panicked`.
pub(crate) fn run_or_log(panicked: &'static str, code: impl FnOnce()) {
    if let Err(panic) = run(code) {
        // The log subscriber is the program's code and may panic as well.
        let _ =
            run(|| tracing::error!(target: "aemp::node", panic = %Excerpt(&panic), "{panicked}"));
    }
}

/// Drops `value`, whose destructor may be the program's code, and logs its panic.
pub(crate) fn dispose<T>(value: T) {
    run_or_log("a destructor panicked", || drop(value));
}

/// Drops each of `values` separately: a destructor that panics while another panic unwinds would abort the process.
pub(crate) fn dispose_all<T>(values: impl IntoIterator<Item = T>) {
    values.into_iter().for_each(dispose);
}

/// Runs `future` until it completes or panics. It is dropped by [`dispose`], since its destructor may panic.
pub(crate) fn complete<F: Future>(future: F) -> impl Future<Output = Result<F::Output, Panicked>> {
    let mut guarded = GuardedFuture(Some(Box::pin(future)));
    poll_fn(move |cx| {
        let Some(future) = &mut guarded.0 else {
            return Poll::Pending;
        };
        match run(|| future.as_mut().poll(cx)) {
            Ok(poll) => poll.map(Ok),
            Err(panic) => Poll::Ready(Err(panic)),
        }
    })
}

/// A future whose destructor may panic. `Some` until this is dropped.
struct GuardedFuture<F>(Option<Pin<Box<F>>>);

impl<F> Drop for GuardedFuture<F> {
    fn drop(&mut self) {
        dispose(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Panics when it is dropped, with a payload that does so too.
    struct Bomb(u32);

    impl Drop for Bomb {
        fn drop(&mut self) {
            if let Some(left) = self.0.checked_sub(1) {
                std::panic::panic_any(Self(left));
            }
        }
    }

    #[test]
    fn any_panic_payload_is_caught() {
        assert_eq!(run(|| panic!("one")).unwrap_err().to_string(), "one");
        let two = 2;
        assert_eq!(run(|| panic!("{two}")).unwrap_err().to_string(), "2");
        let text = run(|| std::panic::panic_any(Bomb(3))).unwrap_err();
        assert_eq!(text.to_string(), "a panic without text");
        dispose(Bomb(3));
        dispose_all([Bomb(3), Bomb(3)]);
    }

    #[tokio::test]
    async fn the_panic_of_a_future_is_caught_at_any_poll() {
        let ended = complete(async { panic!("here") });
        assert_eq!(ended.await.unwrap_err().to_string(), "here");
        let bomb = Bomb(3);
        let pending = complete(async move {
            std::future::pending::<()>().await;
            drop(bomb);
        });
        let pending = tokio::time::timeout(std::time::Duration::ZERO, pending);
        assert!(pending.await.is_err());
    }
}
