//! Other processes: how a test starts one, what it says, and how it ends.
//!
//! They are the test's own program started again: its test `child` does nothing unless the variable [`ROLE`] says what
//! to be.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use aemp::{PortId, Reason, Routes, Value, routes};
use tokio::sync::mpsc;

/// Set in a child: its node ID.
const ROLE: &str = "AEMP_TEST_NODE";

/// A process with a node of its own, killed when this is dropped.
pub(crate) struct Child {
    process: std::process::Child,
    lines: mpsc::UnboundedReceiver<String>,
}

#[allow(dead_code, reason = "each test binary takes what it needs")]
impl Child {
    /// Starts node `id`. It ends when its standard input does, so that it never outlives the test.
    pub(crate) fn start<'a>(
        id: &str,
        variables: impl IntoIterator<Item = (&'a str, String)>,
    ) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(ROLE, id)
            .envs(variables)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let (sender, lines) = mpsc::unbounded_channel();
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                let _ = sender.send(line);
            }
        });
        Self { process, lines }
    }

    /// The rest of the next line that begins with `word`.
    pub(crate) async fn line(&mut self, word: &str) -> String {
        loop {
            let line = tokio::time::timeout(Duration::from_secs(60), self.lines.recv()).await;
            let line = line.expect("a line within 60 s").expect("the child lives");
            if let Some((_, rest)) = line.split_once(word) {
                return rest.to_owned();
            }
            assert!(!line.contains('@'), "expected {word}, found {line}");
        }
    }

    pub(crate) fn id(&self) -> u32 {
        self.process.id()
    }

    /// Sends the process a signal: `-STOP` stops it where it is, and its system goes on answering for it.
    pub(crate) fn signal(&self, signal: &str) {
        let id = self.id().to_string();
        let sent = Command::new("kill").args([signal, &id]).status();
        assert!(sent.unwrap().success());
    }

    /// Waits until it has ended by itself.
    pub(crate) async fn ended(&mut self) {
        while self.lines.recv().await.is_some() {}
    }

    pub(crate) fn kill(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Where this process is a child, carries out what `main` makes of its node ID.
pub(crate) fn run<F: Future>(main: impl FnOnce(String) -> F) {
    let Ok(id) = std::env::var(ROLE) else {
        return;
    };
    // Ends with the test, however that ends.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(main(id));
}

/// A port that answers `echo`; `call`s another with what it is given; `watch`es one and answers with the reason
/// of its end; and `make`s another such port.
pub(crate) fn echo() -> Routes {
    routes()
        .on("echo", |cx, (what, reply): (Value, PortId)| {
            cx.send(&reply, (what,))
        })
        .on("call", |cx, (to, what, reply): (PortId, Value, PortId)| {
            let node = cx.node();
            cx.spawn(async move {
                let (answer,): (Value,) = node.call(&to, ("echo", what)).await?;
                node.send(&reply, (answer,));
                Ok::<(), Reason>(())
            });
        })
        .on("watch", |cx, (what, reply): (PortId, PortId)| {
            let node = cx.node();
            let gone = node.gone(&what);
            cx.spawn(async move { node.send(&reply, (gone.await.to_string(),)) });
        })
        .on("make", |cx, (reply,): (PortId,)| {
            let made = cx.port_of(echo());
            cx.send(&reply, (made,));
        })
}
