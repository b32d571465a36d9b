//! Text that may be longer than the screen: on a terminal it goes through a pager then.

use std::env;
use std::io::{self, Write};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::failure::Failure;
use crate::{output, progress, terminal};

/// Exit codes by which `sh` says that there is no such program, or that it cannot be run.
const NO_PAGER: [Option<i32>; 2] = [Some(126), Some(127)];

/// Writes `text`, which ends in a line's end, to the standard output: through a pager where that is a terminal and shows
/// less than all of it. Who leaves the pager has seen enough.
pub(crate) fn page(text: &str) -> Result<(), Failure> {
    if !terminal::is_screen() || fits(text) {
        return output::write(text);
    }
    let Some(mut pager) = pager() else {
        return output::write(text);
    };
    progress::clear();
    // Ctrl-C is for the pager: were this process to end by it, the pager would be left at a terminal that others use.
    let mut signals = Signals::new()?;
    let Ok(mut running) = pager.stdin(Stdio::piped()).spawn() else {
        return output::write(text);
    };
    let input = running.stdin.take();
    let harmless = output::harmless(text).into_owned();
    // It waits for who reads, and this process for signals meanwhile.
    let writing = thread::spawn(move || match input {
        Some(mut input) => input.write_all(harmless.as_bytes()),
        None => Ok(()),
    });
    let ended = loop {
        match running.try_wait()? {
            Some(ended) => break ended,
            None if signals.told_to_end() => {
                end(&mut running)?;
                return Err(Failure::Interrupted);
            }
            None => {}
        }
    };
    match writing.join() {
        Ok(Err(error)) if error.kind() != io::ErrorKind::BrokenPipe => return Err(error.into()),
        _ => {}
    }
    match NO_PAGER.contains(&ended.code()) {
        true => output::write(text),
        false if signals.interrupted() => Err(Failure::Interrupted),
        false => Ok(()),
    }
}

/// How long the pager has to leave the terminal as it was.
const LEAVE: Duration = Duration::from_secs(1);

/// Ends the pager as a signal does, so that it leaves the terminal as it was; one that does not end by it is killed.
fn end(pager: &mut Child) -> io::Result<()> {
    let told = Command::new("kill").arg(pager.id().to_string()).status();
    let end = Instant::now() + LEAVE;
    while told.is_ok() && Instant::now() < end {
        if pager.try_wait()?.is_some() {
            return Ok(());
        }
        thread::sleep(LOOK);
    }
    pager.kill()?;
    pager.wait().map(drop)
}

/// Takes the signals that would end this process, which they no longer do.
struct Signals {
    runtime: Runtime,
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

/// How often it is looked whether the pager has ended.
const LOOK: Duration = Duration::from_millis(20);

impl Signals {
    fn new() -> io::Result<Self> {
        let runtime = Builder::new_current_thread().enable_all().build()?;
        let inside = runtime.enter();
        let [interrupt, terminate, hangup] = [
            signal(SignalKind::interrupt())?,
            signal(SignalKind::terminate())?,
            signal(SignalKind::hangup())?,
        ];
        drop(inside);
        Ok(Self {
            runtime,
            interrupt,
            terminate,
            hangup,
        })
    }

    /// Waits a moment for a signal to end.
    fn told_to_end(&mut self) -> bool {
        let (terminate, hangup) = (&mut self.terminate, &mut self.hangup);
        self.runtime.block_on(async {
            tokio::select! {
                _ = terminate.recv() => true,
                _ = hangup.recv() => true,
                () = tokio::time::sleep(LOOK) => false,
            }
        })
    }

    /// Whether there was a Ctrl-C.
    fn interrupted(mut self) -> bool {
        // It has come, or it does not come.
        let moment = Duration::from_millis(5);
        let came = async {
            tokio::time::timeout(moment, self.interrupt.recv())
                .await
                .is_ok()
        };
        self.runtime.block_on(came)
    }
}

/// The user's, else `less`. `None` if the user wants none.
fn pager() -> Option<Command> {
    let wanted = env::var_os("AEMP_PAGER").or_else(|| env::var_os("PAGER"));
    let Some(line) = wanted else {
        let mut less = Command::new("less");
        // It ends by Ctrl-C, as this command does.
        less.arg("-FRXK");
        return Some(less);
    };
    if line.is_empty() {
        return None;
    }
    let mut shell = Command::new("sh");
    shell.arg("-c").arg(line);
    Some(shell)
}

/// Whether the terminal shows all of it at once, with a line for what is typed next.
fn fits(text: &str) -> bool {
    // A terminal without a size has nothing that could be left.
    let Ok((columns @ 1.., rows @ 1..)) = crossterm::terminal::size() else {
        return true;
    };
    rows_of(text, columns.into()) < rows.into()
}

/// How many rows it takes.
fn rows_of(text: &str, columns: usize) -> usize {
    let rows = |line: &str| line.chars().count().div_ceil(columns).max(1);
    text.lines().map(rows).sum()
}

#[cfg(test)]
mod tests {
    use super::rows_of;

    #[test]
    fn long_lines_take_several_rows() {
        assert_eq!(rows_of("", 10), 0);
        assert_eq!(rows_of("a\n\nb\n", 10), 3);
        assert_eq!(rows_of("0123456789\n01234567890\n", 10), 3);
        assert_eq!(rows_of("äöüäöüäöüä\n", 10), 1);
    }
}
