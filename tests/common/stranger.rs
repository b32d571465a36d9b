//! `Stranger`: a peer that is scripted line by line and byte by byte.

use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufReader};

use crate::nodes::{SECRET, soon};

/// One end of a connection of which the test says every byte.
pub(crate) struct Stranger<S>(BufReader<S>);

#[allow(dead_code, reason = "each test binary takes what it needs")]
impl<S: AsyncRead + AsyncWrite + Unpin> Stranger<S> {
    /// Greets and proves itself as node `id` that speaks `framing`, and hears the same of the node.
    pub(crate) async fn greet(&mut self, id: &str, framing: &str) {
        self.prove(id, framing).await;
        for _ in 0..3 {
            self.line().await;
        }
    }

    /// The same as AnyEvent::MP node `id`.
    pub(crate) async fn greet_as_perl(&mut self, id: &str, framing: &str) {
        let offer = format!("{framing};provider=AE-2.02");
        self.introduce(id, &offer).await;
        self.authenticate(framing).await;
        for _ in 0..3 {
            self.line().await;
        }
    }

    /// The same as [`greet`](Self::greet) without waiting for what the node says.
    pub(crate) async fn prove(&mut self, id: &str, framing: &str) {
        self.introduce(id, framing).await;
        self.authenticate(framing).await;
    }

    /// Says the first two lines, as node `id` that speaks `framing`.
    pub(crate) async fn introduce(&mut self, id: &str, framing: &str) {
        let lines = format!("aemp;1;{id};hmac_sha3_512;{framing}\nnonce\n");
        self.send(lines.as_bytes()).await;
    }

    /// Says the third: the secret in clear text.
    pub(crate) async fn authenticate(&mut self, framing: &str) {
        let line = format!("{}\n", cleartext(SECRET, framing));
        self.send(line.as_bytes()).await;
    }

    /// Closes its direction, and reads on.
    pub(crate) async fn close(&mut self) {
        soon(self.0.shutdown()).await.expect("it is open");
    }

    /// Waits until the node has closed its direction, whatever it sends before.
    pub(crate) async fn end(&mut self) {
        let end = self.0.read_to_end(&mut Vec::new()).await;
        end.expect("an end in order");
    }

    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        // The node may have closed: then reading says so.
        let _ = soon(self.0.write_all(bytes)).await;
    }

    /// The next line, empty when the node has closed.
    pub(crate) async fn line(&mut self) -> String {
        let mut line = String::new();
        let _ = soon(self.0.read_line(&mut line)).await;
        line
    }

    /// Waits until what has come ends in `end`, and returns it.
    pub(crate) async fn until(&mut self, end: impl AsRef<[u8]>) -> String {
        let all = async {
            let mut come = Vec::new();
            while !come.ends_with(end.as_ref()) {
                come.push(self.0.read_u8().await.expect("the connection is open"));
            }
            String::from_utf8_lossy(&come).into_owned()
        };
        // As a whole: keepalives come for ever.
        soon(all).await
    }

    /// Waits until the node asks for a sign of life, and gives the number of its question.
    pub(crate) async fn asked(&mut self) -> u64 {
        let mut number = String::new();
        self.until("\"aemp::alive\",").await;
        loop {
            match char::from(self.0.read_u8().await.expect("the connection is open")) {
                ']' => return number.parse().expect("a number"),
                digit => number.push(digit),
            }
        }
    }

    /// Takes so many bytes.
    pub(crate) async fn take(&mut self, bytes: usize) {
        let mut taken = vec![0; bytes];
        soon(self.0.read_exact(&mut taken))
            .await
            .expect("they come");
    }

    /// The connection itself. What was read ahead is lost.
    pub(crate) fn into_inner(self) -> S {
        self.0.into_inner()
    }

    /// Waits until the node has closed, whatever it sends before.
    pub(crate) async fn closed(&mut self) {
        let _ = soon(self.0.read_to_end(&mut Vec::new())).await;
    }
}

impl<S: AsyncRead> From<S> for Stranger<S> {
    fn from(stream: S) -> Self {
        Self(BufReader::new(stream))
    }
}

/// An auth line with the secret in clear text.
pub(crate) fn cleartext(secret: &str, framing: &str) -> String {
    let hex: String = secret.bytes().map(|byte| format!("{byte:02x}")).collect();
    format!("cleartext;{hex};{framing}")
}
