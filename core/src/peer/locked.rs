//! `Locked`: the lock of a peer. A thread holds one at most.
//!
//! Code of the program runs under it: the `Serialize` of a message, a codec, a subscriber of the log. That code may call the
//! node again, which would lock the same peer a second time, or another one while a second thread does the reverse. So each
//! thread knows whether it holds such a lock. Then a message to another node is refused, what has no result is done as soon
//! as the lock is released, and anything else that would take such a lock panics.

use std::cell::{Cell, RefCell};
use std::ops::{Deref, DerefMut};
use std::sync::MutexGuard;

use super::State;
use crate::guard;

/// Whether this thread holds the lock of a peer.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Held {
    No,
    Yes,
    /// There are operations for when it is released.
    WithLater,
}

type Operation = Box<dyn FnOnce()>;

thread_local! {
    // Apart from the list, since a cell without destructor costs a load.
    static HELD: Cell<Held> = const { Cell::new(Held::No) };
    static LATER: RefCell<Vec<Operation>> = const { RefCell::new(Vec::new()) };
}

/// Whether this thread holds the lock of a peer.
#[inline]
pub(crate) fn is_held() -> bool {
    HELD.get() != Held::No
}

/// Panics if this thread holds the lock of a peer: it would wait for itself, or in a circle with another thread.
#[inline]
pub(crate) fn assert_not_held() {
    if is_held() {
        nested();
    }
}

#[cold]
fn nested() -> ! {
    panic!(
        "this is called from the Serialize of a message to another node, from a codec or from a subscriber of the log, \
         which run under the lock of a connection: call it before or after"
    );
}

/// Does `operation` when this thread has released the lock of the peer that it holds.
#[cold]
pub(crate) fn when_released(operation: impl FnOnce() + 'static) {
    HELD.set(Held::WithLater);
    LATER.with_borrow_mut(|later| later.push(Box::new(operation)));
}

/// The locked state of a peer.
pub(super) struct Locked<'a> {
    // Dropped in this order.
    state: MutexGuard<'a, State>,
    _release: Release,
}

impl<'a> Locked<'a> {
    #[inline]
    pub(super) fn new(lock: impl FnOnce() -> MutexGuard<'a, State>) -> Self {
        let _release = Release::new();
        let state = lock();
        Self { state, _release }
    }

    pub(super) fn try_new(lock: impl FnOnce() -> Option<MutexGuard<'a, State>>) -> Option<Self> {
        let _release = Release::new();
        let state = lock()?;
        Some(Self { state, _release })
    }
}

impl Deref for Locked<'_> {
    type Target = State;

    #[inline]
    fn deref(&self) -> &State {
        &self.state
    }
}

impl DerefMut for Locked<'_> {
    #[inline]
    fn deref_mut(&mut self) -> &mut State {
        &mut self.state
    }
}

/// Marks this thread as the holder of a lock until it is dropped.
struct Release;

impl Release {
    #[inline]
    fn new() -> Self {
        assert_not_held();
        HELD.set(Held::Yes);
        Self
    }
}

impl Drop for Release {
    #[inline]
    fn drop(&mut self) {
        if HELD.replace(Held::No) == Held::WithLater {
            run_later();
        }
    }
}

#[cold]
fn run_later() {
    // An operation takes locks itself, and may leave further operations, which run with it.
    for operation in LATER.take() {
        guard::run_or_log(
            "an operation panicked that had waited for a lock",
            operation,
        );
    }
}
