//! `Flooder`: a member that sends without a pause, from threads of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::socket::Socket;
use crate::times::{Moment, Took};
use crate::victim::Victim;

/// Bytes of the flood in one round at least, sent as fast as the system takes them.
const ROUND: usize = 512 << 10;

/// Bytes that are written at a time.
const CHUNK: usize = 4 << 10;

/// Between two of these that follow while the answer has not come: more than the node reads, and not much more, so that
/// it has soon read them all.
const PAUSE: Duration = Duration::from_micros(20);

/// Floods in rounds: asks a question, and sends behind it until that is answered, and a whole round at least; then waits
/// until all is read, since the systems take megabytes. So the node finds something to read at any time but for a moment
/// between two rounds, and what an answer takes is not what lies in the systems' buffers before its question.
pub(crate) struct Flooder {
    over: Arc<AtomicBool>,
    answers: Receiver<Took>,
    writer: JoinHandle<Option<Moment>>,
}

/// A message as bytes of `framing`.
pub(crate) fn encoded(framing: &str, message: &Value) -> Vec<u8> {
    let mut bytes = Vec::new();
    match framing {
        "json" => serde_json::to_writer(&mut bytes, message).unwrap(),
        _ => ciborium::into_writer(message, &mut bytes).unwrap(),
    }
    bytes
}

impl Flooder {
    /// Joins as node `id` that speaks `framing`, and sends `message` until it is told to stop.
    pub(crate) async fn start(victim: &Victim, id: &str, framing: &str, message: &Value) -> Self {
        let stream = Socket::join(framing, victim.at, id).await.into_inner();
        let stream = stream.into_std().unwrap();
        stream.set_nonblocking(false).unwrap();
        let message = encoded(framing, message);
        let question = encoded(framing, &json!(["", "time", format!("{id}#own"), "own!"]));
        let over = Arc::<AtomicBool>::default();
        let (sender, answers) = channel();
        let mut rounds = Rounds {
            process: victim.process.id(),
            answered: read(stream.try_clone().unwrap(), victim.process.id()),
            stream,
            question,
            chunk: message.repeat(CHUNK.div_ceil(message.len())),
        };
        let told = over.clone();
        let writer = std::thread::spawn(move || {
            while !told.load(Ordering::Relaxed) {
                // Nobody may wait for it any more.
                let _ = sender.send(rounds.flood()?);
            }
            rounds.close()
        });
        Self {
            over,
            answers,
            writer,
        }
    }

    /// How long the answers took that have come since this was asked last.
    pub(crate) fn answers(&self) -> Vec<Took> {
        assert!(!self.writer.is_finished(), "no answer, or no connection");
        self.answers.try_iter().collect()
    }

    /// Closes the connection behind the beginning of a round, and says when.
    pub(crate) fn close(self) -> Moment {
        self.over.store(true, Ordering::Relaxed);
        let closed = self.writer.join().unwrap();
        closed.expect("the node had not closed before")
    }
}

struct Rounds {
    /// The victim's.
    process: u32,
    stream: TcpStream,
    /// When answers came.
    answered: Receiver<Moment>,
    question: Vec<u8>,
    chunk: Vec<u8>,
}

impl Rounds {
    /// One round, and how long the answer took, unless the node closes or there is none within 20 seconds.
    fn flood(&mut self) -> Option<Took> {
        let asked = Moment::now(self.process);
        self.stream.write_all(&self.question).ok()?;
        for _ in 0..ROUND / CHUNK {
            self.stream.write_all(&self.chunk).ok()?;
        }
        let given_up = Instant::now() + Duration::from_secs(20);
        let answered = loop {
            match self.answered.recv_timeout(PAUSE) {
                Ok(answered) => break answered,
                Err(RecvTimeoutError::Timeout) if Instant::now() < given_up => {
                    self.stream.write_all(&self.chunk).ok()?;
                }
                Err(_) => return None,
            }
        };
        self.stream.write_all(&self.question).ok()?;
        self.answered.recv().ok()?;
        Some(asked.until(&answered))
    }

    fn close(mut self) -> Option<Moment> {
        self.stream
            .write_all(&self.chunk.repeat(ROUND / CHUNK))
            .ok()?;
        self.stream.shutdown(Shutdown::Both).ok()?;
        Some(Moment::now(self.process))
    }
}

/// Reads all that comes, in a thread of its own, and says when an answer came.
fn read(stream: TcpStream, victim: u32) -> Receiver<Moment> {
    let (sender, answered) = channel();
    std::thread::spawn(move || {
        let mut stream = BufReader::with_capacity(64 << 10, stream);
        let mut come = Vec::new();
        while let Ok(1..) = stream.read_until(b'!', &mut come) {
            if come.ends_with(b"own!") {
                let _ = sender.send(Moment::now(victim));
            }
            come.clear();
        }
    });
    answered
}
