//! The words that requests begin with.

/// The request by which the answers to our questions for a sign of life come back. Not of AEMP: nobody but this node knows
/// the numbers.
pub const ALIVE: &str = "aemp::alive";

/// What a request is.
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
            _ => return None,
        })
    }
}

/// Whether `name` is a request that every node knows.
pub fn is_word(name: &str) -> bool {
    Word::named(name).is_some()
}

/// Whether the request `name` does nothing but have an answer sent.
pub fn is_question(name: &str) -> bool {
    matches!(Word::named(name), Some(Word::Can | Word::Time | Word::Eval))
        || crate::directory::is_question(name)
}

/// Whether the request `name` has something sent in turn: an answer, or a message that is passed on.
pub fn causes_sending(name: &str) -> bool {
    matches!(
        Word::named(name),
        Some(Word::Can | Word::Time | Word::Eval | Word::Relay)
    )
}
