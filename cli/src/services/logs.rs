//! The log of a node for those who ask for it (protocol.md section 5, Logs): events of `tracing` go to the ports that
//! `AnyEvent::MP::LogCatcher::connect` has named.
//!
//! An event can come from anywhere, under locks of the core too, so it is only put into a queue there; a task sends.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use aemp::{LocalNode, PortId, Value};
use tokio::sync::mpsc;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::Layer;
use tracing_subscriber::layer::Context;

use crate::time::seconds;

/// The request by which a catcher asks.
pub(super) const CONNECT: &str = "AnyEvent::MP::LogCatcher::connect";

/// What a catcher itself logs, which must not come around again.
pub(super) const CAUGHT: &str = "aemp::log";

/// So many lines wait for the task that sends them; more are dropped.
const QUEUE: usize = 1024;

/// The lines on their way to those who asked; made together with the layer that they come from.
pub(crate) struct Logs {
    lines: mpsc::Receiver<Line>,
    most: Arc<AtomicU8>,
}

/// A layer for `tracing_subscriber` that lets others see this process's events.
pub(crate) struct LogLayer {
    lines: mpsc::Sender<Line>,
    /// Up to which level anybody wants lines, so that nothing is written down for nobody; 0 is none.
    most: Arc<AtomicU8>,
}

/// So many ports get the log at most, as each line goes to all of them.
const CATCHERS: usize = 64;

struct Line {
    time: f64,
    level: u8,
    context: &'static str,
    text: String,
}

/// Who asked, and up to which level.
type Catchers = Arc<Mutex<Vec<(PortId, u8)>>>;

impl Logs {
    /// The two ends.
    pub(crate) fn new() -> (LogLayer, Self) {
        let (sender, lines) = mpsc::channel(QUEUE);
        let most = Arc::new(AtomicU8::new(0));
        let layer = LogLayer {
            lines: sender,
            most: most.clone(),
        };
        (layer, Self { lines, most })
    }

    /// Lets `node` answer those who ask for the log, until the process ends.
    pub(crate) fn serve(mut self, node: &LocalNode) {
        let catchers = Catchers::default();
        let (asked, most) = (catchers.clone(), self.most.clone());
        node.offer_function(
            CONNECT,
            move |node, (_, port, level): (Value, PortId, u8)| {
                connect(node, &asked, &most, port, level);
            },
        );
        let sender = node.clone();
        tokio::spawn(async move {
            while let Some(line) = self.lines.recv().await {
                let Line {
                    time,
                    level,
                    context,
                    text,
                } = line;
                let catchers = catchers
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .clone();
                for (port, _) in catchers.iter().filter(|(_, most)| level <= *most) {
                    sender.send(port, (time, context, level, text.as_str()));
                }
            }
        });
    }
}

fn connect(node: &LocalNode, catchers: &Catchers, most: &Arc<AtomicU8>, port: PortId, level: u8) {
    if catchers
        .lock()
        .unwrap_or_else(PoisonError::into_inner)
        .len()
        >= CATCHERS
    {
        // A catcher that is refused asks again when its connection was lost.
        return;
    }
    let (gone, dead, wanted) = (catchers.clone(), port.clone(), most.clone());
    let watch = node.monitor(&port, move |_: aemp::Reason| {
        let mut catchers = gone.lock().unwrap_or_else(PoisonError::into_inner);
        catchers.retain(|(port, _)| *port != dead);
        wanted.store(highest(&catchers), Ordering::Relaxed);
    });
    watch.detach();
    let mut catchers = catchers.lock().unwrap_or_else(PoisonError::into_inner);
    catchers.push((port, level));
    most.store(highest(&catchers), Ordering::Relaxed);
}

fn highest(catchers: &[(PortId, u8)]) -> u8 {
    let levels = catchers.iter().map(|(_, level)| *level);
    levels.max().unwrap_or(0)
}

impl<S: Subscriber> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let meta = event.metadata();
        let level = number(*meta.level());
        if meta.target() == CAUGHT || level > self.most.load(Ordering::Relaxed) {
            return;
        }
        let mut text = Text::default();
        event.record(&mut text);
        let line = Line {
            time: seconds(SystemTime::now()),
            level,
            context: meta.target(),
            text: text.0,
        };
        // Full: what is said in a storm is not worth memory.
        let _ = self.lines.try_send(line);
    }
}

/// AnyEvent::MP's number of a level.
fn number(level: Level) -> u8 {
    match level {
        Level::ERROR => 4,
        Level::WARN => 5,
        Level::INFO => 7,
        Level::DEBUG => 8,
        Level::TRACE => 9,
    }
}

/// The name of an AnyEvent::MP level.
pub(super) fn name(level: u8) -> &'static str {
    let names = [
        "fatal", "alert", "critical", "error", "warn", "note", "info", "debug", "trace",
    ];
    let at = usize::from(level).clamp(1, names.len()) - 1;
    names[at]
}

/// An event in one line: its message, then its fields.
#[derive(Default)]
struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        // Writing to a string does not fail.
        let _ = match field.name() {
            "message" => {
                let rest = std::mem::take(&mut self.0);
                write!(self.0, "{value:?}{rest}")
            }
            name => write!(self.0, " {name}={value:?}"),
        };
    }
}
