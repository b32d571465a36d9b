//! What another process prints, line by line, waited for with a deadline.

use std::io::{BufRead, BufReader, Read};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

/// The lines that come, read by a thread so that the process never waits for its reader.
pub(crate) struct Lines(Receiver<String>);

impl Lines {
    pub(crate) fn of(output: impl Read + Send + 'static) -> Self {
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                // The test may be over.
                let _ = sender.send(line);
            }
        });
        Self(lines)
    }

    /// The lines that have come and were not taken yet.
    #[allow(dead_code)] // Each test binary takes what it needs.
    pub(crate) fn so_far(&self) -> impl Iterator<Item = String> {
        self.0.try_iter()
    }

    /// What `find` makes of the first line of which it makes something, which must come within `limit`.
    pub(crate) fn wait<T>(
        &self,
        what: &str,
        limit: Duration,
        find: impl Fn(&str) -> Option<T>,
    ) -> T {
        let until = Instant::now() + limit;
        let mut last = String::from("nothing");
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let line = self.0.recv_timeout(left);
            let line = line.unwrap_or_else(|_| panic!("{what} does not come; the last was {last}"));
            if let Some(found) = find(&line) {
                return found;
            }
            last = line;
        }
    }
}
