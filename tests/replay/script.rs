//! The scripted end of a connection: speaks the recorded bytes, and reads what our node says.

use std::io;
use std::time::Duration;

use aemp::Value;
use aemp::codec::Decoder;
use bytes::{Buf, BytesMut};
use hmac::{KeyInit, Mac, SimpleHmac};
use sha3::{Digest, Sha3_512};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream};

use crate::values;

/// Longer than any deadline of a node. The clock of these tests stands still while there is anything to do, and
/// jumps when there is not, so that a unit which does not come costs no time.
const LONG: Duration = Duration::from_secs(120);

pub(crate) struct Script {
    stream: DuplexStream,
    buffer: BytesMut,
    decoder: Option<Box<dyn Decoder>>,
    /// The greeting lines of our node and of the script, as they went over the wire.
    pub(crate) ours: Vec<String>,
    pub(crate) theirs: Vec<String>,
    pub(crate) ended: bool,
}

impl Script {
    pub(crate) fn new(stream: DuplexStream) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            decoder: None,
            ours: Vec::new(),
            theirs: Vec::new(),
            ended: false,
        }
    }

    /// Sends bytes. That our node has closed shows where something is read.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        let _ = self.stream.write_all(bytes).await;
    }

    /// Sends a line of the opening, and remembers it for the proofs.
    pub(crate) async fn say(&mut self, line: &str) {
        self.theirs.push(line.into());
        self.send(format!("{line}\n").as_bytes()).await;
    }

    /// Closes our direction; our node may still send.
    pub(crate) async fn close(&mut self) {
        let _ = self.stream.shutdown().await;
    }

    /// Reads more. False at the end.
    async fn more(&mut self) -> bool {
        let read = tokio::time::timeout(LONG, self.stream.read_buf(&mut self.buffer)).await;
        match read.expect("our node says something") {
            Ok(0) => self.ended = true,
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::BrokenPipe => self.ended = true,
            Err(error) => panic!("{error}"),
        }
        !self.ended
    }

    /// The next line of the opening, `None` if our node closed.
    pub(crate) async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.iter().position(|&byte| byte == b'\n') {
                let line = String::from_utf8(self.buffer.split_to(at).to_vec()).unwrap();
                self.buffer.advance(1);
                self.ours.push(line.clone());
                return Some(line);
            }
            if !self.more().await {
                assert!(self.buffer.is_empty(), "closed within a line");
                return None;
            }
        }
    }

    /// From here on our node sends messages in `framing`.
    pub(crate) fn messages_in(&mut self, framing: &str) {
        self.decoder = Some(values::decoder(framing, "aemp"));
    }

    fn decode(&mut self) -> Option<Vec<Value>> {
        let decoder = self.decoder.as_mut()?;
        let received = aemp::codec::decode(&mut **decoder, &mut self.buffer).unwrap();
        received.map(values::values)
    }

    /// The next message of our node, `None` if it closed.
    pub(crate) async fn message(&mut self) -> Option<Vec<Value>> {
        loop {
            match self.decode() {
                Some(message) => return Some(message),
                None if !self.more().await => return None,
                None => {}
            }
        }
    }

    /// Reads up to the end. Gives what came before it.
    pub(crate) async fn end(&mut self) -> Vec<u8> {
        while !self.ended && self.more().await {}
        std::mem::take(&mut self.buffer).to_vec()
    }

    /// The HMAC-SHA3-512 of protocol.md section 2 by the script, or by our node.
    pub(crate) fn proof(&self, by_script: bool, secret: &str) -> String {
        // A secret is one byte a character.
        let key: Vec<u8> = secret.chars().map(|c| u8::try_from(c).unwrap()).collect();
        let mut mac = SimpleHmac::<Sha3_512>::new_from_slice(&key).unwrap();
        mac.update(self.greetings(by_script).as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// The SHA3-512 of the same.
    pub(crate) fn hash(&self, by_script: bool) -> String {
        hex(&Sha3_512::digest(self.greetings(by_script)))
    }

    /// Both greetings, those of the sender first.
    fn greetings(&self, by_script: bool) -> String {
        let (first, second) = match by_script {
            true => (&self.theirs, &self.ours),
            false => (&self.ours, &self.theirs),
        };
        let lines = first[..2].iter().chain(&second[..2]);
        lines.map(|line| format!("{line}\n")).collect()
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Whether this is `["", "snd", NODE, ""]`, by which our node asks for a sign of life.
pub(crate) fn is_probe(message: &[Value]) -> bool {
    let texts: Vec<_> = message.iter().map(Value::as_str).collect();
    matches!(texts[..], [Some(""), Some("snd"), Some(_), Some("")])
}
