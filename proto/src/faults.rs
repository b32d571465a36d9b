//! Deliberate faults, by which the simulation shows that it would find real ones. They exist only in builds with
//! `--cfg aemp_faults`, which no feature sets, and only where one was chosen.
//!
//! A choice is that of a thread: the simulation runs a whole cluster in one.

use std::cell::Cell;

/// What can be broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A monitor that sends a message sends it twice.
    FiresTwice,
    /// Monitors fire a while after the connection is lost, when the next one may be up.
    FiresLate,
    /// The first monitor of a lost connection does not fire.
    FiresNever,
    /// Of the messages that wait for a connection, the last two change places.
    Swapped,
    /// The first message that waits for a connection is lost.
    LostAtReconnect,
    /// What a lost connection had not written goes out over the next.
    DeadGeneration,
    /// A kill goes out before what was sent before it.
    KillOvertakes,
    /// A monitor whose guard is dropped stands, and fires.
    FiresAfterDrop,
    /// A peer is not told that a monitor has ended.
    KeepsMonitors,
    /// A node makes up the same names for its ports in each of its lives.
    SameNames,
    /// A connection comes up twice, as events say.
    UpTwice,
    /// The turn of a task never ends.
    EndlessTurn,
    /// The monitors on a port that panics do not fire.
    PanicUntold,
    /// A global node ignores that a peer deletes an entry.
    DeletionIgnored,
    /// One who watches a family misses one change.
    WatchSkips,
    /// What a node held is kept after its death.
    EntryKept,
}

impl Fault {
    /// Those of the directory.
    pub const DIRECTORY: [Self; 3] = [Self::DeletionIgnored, Self::WatchSkips, Self::EntryKept];

    /// Those of messages and monitors.
    pub const GUARANTEE: [Self; 13] = [
        Self::FiresTwice,
        Self::FiresLate,
        Self::FiresNever,
        Self::Swapped,
        Self::LostAtReconnect,
        Self::DeadGeneration,
        Self::KillOvertakes,
        Self::FiresAfterDrop,
        Self::KeepsMonitors,
        Self::SameNames,
        Self::UpTwice,
        Self::EndlessTurn,
        Self::PanicUntold,
    ];
}

thread_local! {
    static CHOSEN: Cell<Option<Fault>> = const { Cell::new(None) };
    /// It has happened once.
    static DONE: Cell<bool> = const { Cell::new(false) };
}

/// Breaks what this thread runs from now on, or nothing.
pub fn choose(fault: Option<Fault>) {
    CHOSEN.set(fault);
    DONE.set(false);
}

/// Whether this is broken.
pub fn is(fault: Fault) -> bool {
    CHOSEN.get() == Some(fault)
}

/// The same, the first time only.
pub fn once(fault: Fault) -> bool {
    is(fault) && !DONE.replace(true)
}
