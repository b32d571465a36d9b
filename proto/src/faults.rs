//! Deliberate faults, which show that the simulation and the attacks would find real ones. They exist only in builds with
//! `--cfg aemp_faults`, which no feature sets, and only one that was chosen has an effect. The code that can have one asks
//! `faulty!`.
//!
//! The choice belongs to a thread: the simulation runs a whole cluster in one thread, and an attack all its nodes.

use std::cell::Cell;

/// A fault that can be chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// A monitor that sends a message sends it twice.
    FiresTwice,
    /// Monitors fire late after a lost connection, when the next one may be up.
    FiresLate,
    /// The first monitor of a lost connection does not fire.
    FiresNever,
    /// The last two messages that wait for a connection are swapped.
    Swapped,
    /// The first message that waits for a connection is lost.
    LostAtReconnect,
    /// The unwritten bytes of a lost connection are sent over the next one.
    DeadGeneration,
    /// A kill overtakes earlier messages.
    KillOvertakes,
    /// A monitor whose guard is dropped stays and fires.
    FiresAfterDrop,
    /// The end of a monitor is not reported to the peer.
    KeepsMonitors,
    /// A restarted node generates the same port names as before.
    SameNames,
    /// The event for a connection that comes up is sent twice.
    UpTwice,
    /// The budget of a task is never exhausted.
    EndlessTurn,
    /// The monitors on a port that panics do not fire.
    PanicUntold,
    /// A global node ignores that a peer deletes an entry.
    DeletionIgnored,
    /// A watcher of a family misses one change.
    WatchSkips,
    /// The entries of a node are kept after its death.
    EntryKept,
    /// An opening does not compare the peer's `peeraddr` with its own address.
    AddressUnchecked,
    /// An opening accepts a peer of its own role.
    RoleUnchecked,
    /// The proof is the same whichever end sends it.
    ProofUnordered,
    /// An acceptor sends its auth line before it has verified the peer.
    ProofUnasked,
    /// An opening accepts an auth method that it did not offer.
    MethodUnchecked,
    /// An opening takes any framing for its best one.
    FramingUnchecked,
    /// An opening accepts its own lines: its nonce, its node ID, its role.
    OwnLinesUnchecked,
    /// The proof covers no greeting and no nonce, only the secret.
    LinesUnproved,
    /// Any proof is right.
    ProofUnchecked,
    /// A node with a certificate accepts a peer that does not offer TLS.
    TlsOptional,
    /// A hash of the greetings is a proof without a certificate.
    CertificateUnneeded,
    /// Any certificate is trusted.
    CertificateUnchecked,
    /// A peer need not own the key of its certificate.
    SignatureUnchecked,
    /// Bytes that arrive glued to the nonce line count as if TLS had carried them.
    GluedKept,
    /// The secret in clear text is accepted from everywhere.
    CleartextAnywhere,
    /// Any number of secrets can be tried in clear text.
    GuessesUnlimited,
    /// Each byte of an opening sets its deadline anew.
    DeadlineRestarts,
    /// The connections that are being opened are not limited.
    BacklogUnbounded,
    /// An opening whose peer has proved nothing holds back others to the same node until it ends.
    UnprovedHolds,
    /// A second connection is refused without a look at whether the first one is alive.
    DeadLinkKept,
    /// A decoder skips bytes that begin no message.
    FirstByteUnchecked,
    /// A decoder finds messages of any size.
    SizeUnlimited,
    /// A decoder finds messages of any depth, up to that which readers bear.
    DepthUnlimited,
    /// A decoder finds messages of any number of values.
    ItemsUnlimited,
    /// Any number of bytes waits for a peer that does not read.
    QueueUnlimited,
    /// A reader gives to a shard without waiting for it.
    ReaderUnheld,
    /// A peer holds any number of monitors.
    MonitorsUnlimited,
    /// A peer can kill the node port.
    NodePortKilled,
    /// The policy is not asked.
    PolicyUnasked,
    /// Any request is relayed, to any node, in the name of the node that relays it.
    RelayUnchecked,
    /// A peer that has proved nothing counts as a member.
    AnonymousUnmarked,
}

impl Fault {
    /// The faults of the directory.
    pub const DIRECTORY: [Self; 3] = [Self::DeletionIgnored, Self::WatchSkips, Self::EntryKept];

    /// The faults of messages and monitors.
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
    /// Whether a fault that happens once has happened.
    static DONE: Cell<bool> = const { Cell::new(false) };
}

/// Chooses the fault of this thread from now on, or none.
pub fn choose(fault: Option<Fault>) {
    CHOSEN.set(fault);
    DONE.set(false);
}

/// Whether this fault is chosen.
pub fn is(fault: Fault) -> bool {
    CHOSEN.get() == Some(fault)
}

/// Whether this fault is chosen and has not happened yet; it counts as happened then.
pub fn once(fault: Fault) -> bool {
    is(fault) && !DONE.replace(true)
}
