//! What the terminal can do, and what its user wants of it.

use std::io::{self, IsTerminal};
use std::time::Duration;

use crossterm::event::{self, Event};
use tokio::sync::mpsc;

/// How often it is looked whether what happens at the terminal is still of interest.
const LOOK: Duration = Duration::from_millis(50);

/// How often it is looked whether the terminal is still there.
const GONE_LOOK: Duration = Duration::from_secs(1);

/// What happens at the terminal, until the receiver is dropped. A thread reads it, which on a terminal that is [`gone`] never
/// ends: it must not hold up the end of the process.
pub(crate) fn events() -> mpsc::Receiver<io::Result<Event>> {
    let (sender, receiver) = mpsc::channel(16);
    std::thread::spawn(move || {
        while !sender.is_closed() {
            let event = match event::poll(LOOK) {
                Ok(false) => continue,
                Ok(true) => event::read(),
                Err(error) => Err(error),
            };
            let failed = event.is_err();
            if sender.blocking_send(event).is_err() || failed {
                return;
            }
        }
    });
    receiver
}

/// Waits until the terminal is gone. A hangup is told to the foreground alone, and the end of what is gone is read for ever.
pub(crate) async fn gone() {
    while io::stdin().is_terminal() {
        tokio::time::sleep(GONE_LOOK).await;
    }
}

/// Colour is for terminals whose user has not said otherwise (no-color.org).
pub(crate) fn colours() -> bool {
    let unset = |name| std::env::var_os(name).is_none_or(|value| value.is_empty());
    rewrites_lines() && unset("NO_COLOR")
}

/// Whether standard error is a terminal on which a line can be erased.
pub(crate) fn rewrites_lines() -> bool {
    io::stderr().is_terminal() && !is_dumb()
}

/// Whether standard output is a terminal that does more than print.
pub(crate) fn is_screen() -> bool {
    io::stdout().is_terminal() && !is_dumb()
}

/// Whether terminals do nothing but print.
fn is_dumb() -> bool {
    std::env::var_os("TERM").is_none_or(|term| term == "dumb")
}
