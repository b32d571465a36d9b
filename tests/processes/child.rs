//! The other processes: how a test starts one, and what runs in it.

use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::Duration;

use aemp::{PortId, Reason, Routes, Value, routes};
use tokio::sync::mpsc;

pub(crate) const SECRET: &str = "correct horse battery staple";

/// Set in a child: its node ID.
pub(crate) const ROLE: &str = "AEMP_TEST_NODE";

/// The lists of codecs that a node can have.
pub(crate) const LISTS: [&[&str]; 4] = [&["json"], &["cbor"], &["json", "cbor"], &["cbor", "json"]];

/// A list as errors show it.
pub(crate) fn names(codecs: &[&str]) -> String {
    format!("{:?}", codecs.join(","))
}

/// A process with a node of its own, killed when this is dropped.
pub(crate) struct Child {
    process: std::process::Child,
    lines: mpsc::UnboundedReceiver<String>,
}

impl Child {
    /// Starts node `id`. It ends when its standard input does, so that it never outlives the test.
    pub(crate) fn start(id: &str, codecs: &[&str], variables: &[(&str, String)]) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child", "--nocapture"])
            .env(ROLE, id)
            .env("AEMP_CODECS", codecs.join(","))
            .envs(variables.iter().map(|(name, value)| (name, value)))
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
            let line = tokio::time::timeout(Duration::from_secs(20), self.lines.recv()).await;
            let line = line.expect("a line within 20 s").expect("the child lives");
            if let Some((_, rest)) = line.split_once(word) {
                return rest.to_owned();
            }
            assert!(!line.contains('@'), "expected {word}, found {line}");
        }
    }

    /// Stops the process where it is: its system goes on answering for it.
    pub(crate) fn stop(&self) {
        let stopped = Command::new("kill")
            .args(["-STOP", &self.process.id().to_string()])
            .status();
        assert!(stopped.unwrap().success());
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

/// What a child runs.
pub(crate) fn main() {
    // Ends with the test, however that ends.
    std::thread::spawn(|| {
        let _ = std::io::stdin().read_to_end(&mut Vec::new());
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(run());
}

async fn run() {
    let variable = |name: &str| std::env::var(name).ok();
    let codecs = variable("AEMP_CODECS").unwrap();
    let mut node = aemp::node()
        .id(variable(ROLE).unwrap())
        .secret(SECRET)
        .bind("127.0.0.1:0");
    node = node.codecs(codecs.split(','));
    if let Some(seed) = variable("AEMP_SEED") {
        node = node.seed(seed);
    }
    if let Some((id, address)) = variable("AEMP_PEER")
        .as_deref()
        .and_then(|peer| peer.split_once('='))
    {
        node = node.peer(id, address);
    }
    let node = node.on_start(|node| {
        node.port_named("echo", echo()).unwrap();
    });
    let node = node.start().await.unwrap();
    match node.joined().await {
        Ok(()) => println!("@ready {}", node.addresses()[0]),
        Err(error) => println!("@failed {error}"),
    }
    std::future::pending::<()>().await;
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
            let made = cx.port(echo());
            cx.send(&reply, (made,));
        })
}
