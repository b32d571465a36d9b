//! What a test's nodes log: a `tracing` subscriber that keeps every event as one line of text.

use std::fmt::{Debug, Write};
use std::sync::{Arc, LazyLock, Mutex};

use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::DefaultGuard;
use tracing::{Dispatch, Event, Metadata, Subscriber};

/// The lines that were logged on this thread since [`Log::start`], as `LEVEL target: message, field=value`. A test
/// on a runtime of one thread gets all that its nodes log, and nothing of other tests.
#[derive(Clone, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

/// A second subscriber, which keeps nothing that a test looks at. While there is one alone, `tracing` asks the thread that
/// comes by a line of the log first whether it is wanted: that of another test says no, for all threads.
static SECOND: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(Log::default()));

impl Log {
    /// Keeps what this thread logs until the guard is dropped.
    #[allow(dead_code, reason = "a test with threads keeps what all of them log")]
    pub(crate) fn start() -> (Self, DefaultGuard) {
        LazyLock::force(&SECOND);
        let log = Self::default();
        let guard = tracing::subscriber::set_default(log.clone());
        (log, guard)
    }

    /// Keeps what all threads of this process log, which has no other test that looks at the log.
    #[allow(dead_code, reason = "most tests are alone on their thread")]
    pub(crate) fn everywhere() -> Self {
        let log = Self::default();
        tracing::subscriber::set_global_default(log.clone()).expect("the only one");
        log
    }

    /// The lines so far that hold every one of `parts`.
    #[allow(dead_code, reason = "a test may take them all")]
    pub(crate) fn with(&self, parts: &[&str]) -> Vec<String> {
        let lines = self.0.lock().unwrap();
        let holds = |line: &&String| parts.iter().all(|part| line.contains(part));
        lines.iter().filter(holds).cloned().collect()
    }

    /// The lines so far, which are forgotten.
    #[allow(dead_code, reason = "not every test target forgets")]
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

impl Subscriber for Log {
    fn enabled(&self, metadata: &Metadata<'_>) -> bool {
        metadata.target().starts_with("aemp")
    }

    fn event(&self, event: &Event<'_>) {
        let metadata = event.metadata();
        let mut line = Line::default();
        event.record(&mut line);
        let Line { message, fields } = line;
        let text = format!(
            "{} {}: {message}{fields}",
            metadata.level(),
            metadata.target()
        );
        self.0.lock().unwrap().push(text);
    }

    fn new_span(&self, _: &Attributes<'_>) -> Id {
        Id::from_u64(1)
    }

    fn record(&self, _: &Id, _: &Record<'_>) {}
    fn record_follows_from(&self, _: &Id, _: &Id) {}
    fn enter(&self, _: &Id) {}
    fn exit(&self, _: &Id) {}
}

#[derive(Default)]
struct Line {
    message: String,
    fields: String,
}

impl Visit for Line {
    fn record_str(&mut self, field: &Field, value: &str) {
        match field.name() {
            "message" => self.message.push_str(value),
            name => write!(self.fields, ", {name}={value}").unwrap(),
        }
    }

    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        match field.name() {
            "message" => write!(self.message, "{value:?}").unwrap(),
            name => write!(self.fields, ", {name}={value:?}").unwrap(),
        }
    }
}
