//! The names of requests.

/// The request in which answers to our liveness probes arrive. It is not part of AEMP: a probe asks for an answer that
/// begins with this name and the number of the probe.
pub const ALIVE: &str = "aemp::alive";

/// The request that gives the trace of the next message of the connection. It is not part of AEMP: it goes to peers whose
/// greeting has `trace=1`.
pub const TRACE: &str = "aemp::trace";

/// The requests that every node knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Word {
    Nothing,
    Watch,
    Unwatch,
    Died,
    Kill,
    Relay,
    Can,
    Time,
    Eval,
    Spawn,
    Alive,
    Trace,
}

impl Word {
    pub(super) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "" | "devnull" => Self::Nothing,
            "mon1" => Self::Watch,
            "mon0" => Self::Unwatch,
            "kil0" => Self::Died,
            "kil1" => Self::Kill,
            "snd" => Self::Relay,
            "can" => Self::Can,
            "time" => Self::Time,
            "eval" => Self::Eval,
            "AnyEvent::MP::_spawn" => Self::Spawn,
            ALIVE => Self::Alive,
            TRACE => Self::Trace,
            _ => return None,
        })
    }

    /// Whether the request has no other effect than an answer.
    fn is_question(self) -> bool {
        matches!(self, Self::Can | Self::Time | Self::Eval)
    }
}

/// Whether `name` is a request that every node knows.
pub fn is_word(name: &str) -> bool {
    Word::named(name).is_some()
}

/// Whether the request `name` has no other effect than an answer.
pub fn is_question(name: &str) -> bool {
    Word::named(name).is_some_and(Word::is_question) || crate::directory::is_question(name)
}

/// Whether the request `name` makes this node send something: an answer, or a relayed message.
pub fn causes_sending(name: &str) -> bool {
    Word::named(name).is_some_and(|word| word.is_question() || word == Word::Relay)
}
