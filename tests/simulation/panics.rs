//! Panics of the program's code, at each kind of place where a node runs or drops it: handlers, the start of a port,
//! offered functions, callbacks of monitors, `Serialize`, and the destructors of all these and of panic payloads.
//!
//! The rules are in the model: a panic kills its own port with its text and does nothing else.

use std::panic;

use aemp::{Context, LocalNode, Port, Reason, Routes, reason, routes};
use serde::{Serialize, Serializer};

/// In the text of each panic of the program's code: no connection is lost because of one.
pub(crate) const OURS: &str = "the program panics";

/// Why a port dies that panics with a payload that is no text.
const NO_TEXT: &str = "a panic without text";

/// The same of a transport, for which its connection is lost.
pub(crate) const TRANSPORT: &str = "the transport panics";

/// Panics without a line on standard error.
pub(crate) fn raise<T>(payload: impl Send + 'static) -> T {
    panic::resume_unwind(Box::new(payload))
}

/// Panics when it is dropped, with a payload that does the same, so many times.
pub(crate) struct Bomb(u32);

impl Bomb {
    pub(crate) fn new() -> Self {
        Self(2)
    }
}

impl Drop for Bomb {
    fn drop(&mut self) {
        if let Some(left) = self.0.checked_sub(1) {
            raise(Self(left))
        }
    }
}

/// A message that panics when it is serialised.
pub(crate) struct Unwilling;

impl Serialize for Unwilling {
    fn serialize<S: Serializer>(&self, _: S) -> Result<S::Ok, S::Error> {
        raise(format!("{OURS}: a message"))
    }
}

/// Why a port dies of a panic with this text.
pub(crate) fn death(text: &str) -> Reason {
    reason!["die", text]
}

/// What a handler does when the content of a message says so.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Panic {
    /// With a text of its own.
    Text,
    /// With a payload whose destructor panics.
    Bomb,
    /// Sends what panics when it is serialised.
    Message,
}

impl Panic {
    pub(crate) const ALL: [Self; 3] = [Self::Text, Self::Bomb, Self::Message];

    /// What stands in the message.
    pub(crate) fn word(self) -> &'static str {
        match self {
            Self::Text => "panic",
            Self::Bomb => "panic with a bomb",
            Self::Message => "panic in a message",
        }
    }

    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|panic| panic.word() == word)
    }

    /// The text that its port dies with, where `mark` says which message it was.
    pub(crate) fn text(self, mark: &str) -> String {
        match self {
            Self::Text => format!("{OURS}: {mark}"),
            Self::Bomb => NO_TEXT.into(),
            Self::Message => format!("{OURS}: a message"),
        }
    }

    pub(crate) fn happen(self, node: &LocalNode, mark: &str) {
        match self {
            Self::Text => raise(self.text(mark)),
            Self::Bomb => raise(Bomb::new()),
            Self::Message => node.send(node.id(), (Unwilling,)),
        }
    }
}

/// What is wrong with a port from its birth, as the argument of its function says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Defect {
    None,
    /// The function panics that is to make it.
    Function,
    /// It panics when it starts.
    Start,
    /// It panics when it is dropped.
    Drop,
}

impl Defect {
    pub(crate) const ALL: [Self; 4] = [Self::None, Self::Function, Self::Start, Self::Drop];

    pub(crate) fn from_number(number: u64) -> Self {
        let all = Self::ALL.get(number as usize);
        all.copied().unwrap_or(Self::None)
    }

    pub(crate) fn number(self) -> u64 {
        self as u64
    }

    /// The port with the defect.
    pub(crate) fn in_port(self, port: Routes) -> impl Port {
        let bombs = [(); 2].map(|()| (self == Self::Drop).then(Bomb::new));
        let [one, other] = bombs.map(|bomb| {
            move |_: &mut Context<'_>, (): ()| {
                let _ = &bomb;
            }
        });
        match self {
            Self::Function => raise(format!("{OURS}: a function")),
            Self::Start => routes().on_start(|_| raise::<()>(format!("{OURS}: a start"))),
            Self::None | Self::Drop => port.on("never", one).on("neither", other),
        }
    }
}

/// A function that panics when it is called, in one way or another.
pub(crate) fn called(_: &LocalNode, (bomb,): (bool,)) {
    match bomb {
        true => raise(Bomb::new()),
        false => raise(format!("{OURS}: a function that is called")),
    }
}

/// How the callback of a monitor panics, if it does: by the number of the monitor.
pub(crate) fn callback(number: usize, tell: impl FnOnce() + Send) -> impl FnOnce(Reason) + Send {
    let bomb = (number % 7 == 3).then(Bomb::new);
    move |_| {
        tell();
        if number % 7 == 5 {
            raise(format!("{OURS}: a callback"))
        }
        drop(bomb);
    }
}
