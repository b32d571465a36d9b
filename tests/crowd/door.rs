//! The node at whose door the strangers stand, in a process of its own.

use aemp::{LocalNode, NodeBuilder};

use crate::nodes::{SECRET, soon};
use crate::process::{Child, echo};

/// Connections that are not authenticated yet, of which a node has no more (`max_pending_handshakes`).
pub(crate) const PLACES: usize = 128;

/// How members prove themselves: by their certificate, or else by the secret.
#[derive(Default)]
pub(crate) struct Network {
    pub(crate) pem: Option<String>,
}

impl Network {
    fn node(&self, id: &str) -> NodeBuilder {
        let node = aemp::node().id(id);
        match &self.pem {
            Some(pem) => node.certificate(pem.as_str()),
            None => node.secret(SECRET),
        }
    }

    pub(crate) fn variables(&self) -> impl Iterator<Item = (&'static str, String)> {
        self.pem.iter().map(|pem| ("AEMP_CERT", pem.clone()))
    }

    /// In the other processes.
    pub(crate) fn of_variables() -> Self {
        let pem = std::env::var("AEMP_CERT").ok();
        Self { pem }
    }
}

pub(crate) struct Door {
    process: Child,
    pub(crate) at: String,
}

impl Door {
    pub(crate) async fn start(network: &Network) -> Self {
        let mut process = Child::start("node", network.variables());
        let at = process.line("@ready ").await;
        Self { process, at }
    }

    /// A node of this process that has joined the network.
    pub(crate) async fn member(&self, network: &Network, id: &str) -> LocalNode {
        let node = network.node(id).seed(&*self.at).start().await.unwrap();
        soon(node.joined()).await.unwrap();
        node
    }

    /// How many descriptors the process has open.
    pub(crate) fn descriptors(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.process.id()));
        open.unwrap().count()
    }

    /// Bytes of memory that the process has now.
    pub(crate) fn memory(&self) -> usize {
        self.status("VmRSS:")
    }

    /// The most bytes that it has had so far.
    pub(crate) fn peak(&self) -> usize {
        self.status("VmHWM:")
    }

    fn status(&self, name: &str) -> usize {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.process.id()));
        let status = status.unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix(name));
        let kib: usize = line
            .unwrap()
            .trim()
            .trim_end_matches(" kB")
            .parse()
            .unwrap();
        kib << 10
    }
}

/// What the process runs: a node as it is by default, with a port `echo`.
pub(crate) async fn run() {
    let node = Network::of_variables().node("node").bind("127.0.0.1:0");
    let node = node.start().await.unwrap();
    node.port_of_named("echo", echo()).unwrap();
    println!("@ready {}", node.addresses()[0]);
    std::future::pending::<()>().await;
}
