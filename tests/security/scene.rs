//! The network under attack: node `a`, which listens, and a member that is connected to it and must not notice anything.

use std::net::SocketAddr;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use aemp::{
    Context, LocalNode, Message, NodeBuilder, NodeEvent, NodeEvents, PortId, Reason, routes,
};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tracing::subscriber::DefaultGuard;

use crate::certificates::{Made, own, plain};
use crate::log::Log;
use crate::middle::{Change, join};
use crate::nodes::{SECRET, link, soon};
use crate::stranger::Stranger;

pub(crate) type Socket = Stranger<TcpStream>;

/// A kind of node, made of a builder.
pub(crate) type Kind = fn(NodeBuilder) -> NodeBuilder;

pub(crate) struct Scene {
    pub(crate) a: LocalNode,
    pub(crate) at: SocketAddr,
    pub(crate) log: Log,
    pub(crate) member: LocalNode,
    /// What has come up and gone down at `a` since the member is there.
    events: NodeEvents,
    heard: Arc<Mutex<Vec<Message>>>,
    _guard: DefaultGuard,
}

/// Member `id` of the network.
pub(crate) fn member(id: &str) -> NodeBuilder {
    aemp::node().id(id).secret(SECRET)
}

/// The same behind an address translation.
pub(crate) fn translated(node: NodeBuilder) -> NodeBuilder {
    node.configure(|config| config.check_peeraddr = false)
}

/// The certificate of the network.
pub(crate) static MADE: LazyLock<Made> = LazyLock::new(|| own("aemp", plain));

/// A node with that certificate.
pub(crate) fn certified(node: NodeBuilder) -> NodeBuilder {
    node.certificate(MADE.pem([]))
}

/// The same behind an address translation.
pub(crate) fn encrypted(node: NodeBuilder) -> NodeBuilder {
    translated(certified(node))
}

/// A node that accepts the secret in clear text, as strangers of a few lines send it.
pub(crate) fn takes_cleartext(node: NodeBuilder) -> NodeBuilder {
    node.configure(|config| config.cleartext = true)
}

/// A builder as it is.
pub(crate) fn as_it_is(node: NodeBuilder) -> NodeBuilder {
    node
}

impl Scene {
    /// Starts `a` of this kind, with the ports `echo` and `heard`, and the member.
    pub(crate) async fn new(kind: Kind) -> Self {
        let (log, guard) = Log::start();
        let a = kind(member("a")).bind("127.0.0.1:0");
        let a = a.start().await.unwrap();
        let echo = routes().on("echo", |cx, (n, reply): (u32, PortId)| {
            cx.send(&reply, (n,));
        });
        a.port_of_named("echo", echo).unwrap();
        let heard = Arc::new(Mutex::new(Vec::new()));
        let keep = heard.clone();
        let keeps = move |_: &mut Context<'_>, message: Message| keep.lock().unwrap().push(message);
        a.port_named("heard", keeps).unwrap();
        let at = a.addresses()[0].to_string();
        let member = kind(member("member")).seed(&*at).start().await.unwrap();
        soon(member.joined()).await.unwrap();
        link(&a, "member").await;
        Self {
            events: a.events(),
            at: at.parse().unwrap(),
            a,
            log,
            member,
            heard,
            _guard: guard,
        }
    }

    /// Connects to `a` as a stranger.
    pub(crate) async fn dial(&self) -> Socket {
        Socket::from(self.connect().await)
    }

    pub(crate) async fn connect(&self) -> TcpStream {
        TcpStream::connect(self.at).await.unwrap()
    }

    /// The log says that a connection was refused, with all `parts`.
    pub(crate) async fn refused(&self, parts: &[&str]) {
        let parts = [&["a connection was refused"], parts].concat();
        let logged = || !self.log.with(&parts).is_empty();
        until(&format!("{parts:?} are logged"), logged).await;
    }

    /// The messages that have come to the port `heard`, of which there is one at least.
    pub(crate) async fn heard(&self) -> Vec<Message> {
        until("a message comes", || !self.heard.lock().unwrap().is_empty()).await;
        self.heard.lock().unwrap().clone()
    }

    /// Lets a node `d` of this kind dial the attacker, who joins it to `a` and changes what each says by `pass`.
    /// Returns `d`, and the task that returns what `a` (0) and `d` (1) have said, once both connections are closed.
    pub(crate) async fn between(
        &self,
        kind: Kind,
        lines: usize,
        pass: Change,
    ) -> (LocalNode, JoinHandle<[Vec<u8>; 2]>) {
        let (d, socket) = baited(kind(member("d"))).await;
        let joined = join([self.connect().await, socket], lines, pass);
        (d, tokio::spawn(joined))
    }

    /// What has come up or gone down at `a`, in order.
    pub(crate) async fn event(&mut self) -> NodeEvent {
        soon(self.events.recv()).await.unwrap()
    }

    /// Whether the node port of `a` answers its own program.
    pub(crate) async fn node_port(&self) -> Result<(), Reason> {
        let (_time,): (f64,) = soon(self.a.call("a#", ("time",))).await?;
        Ok(())
    }

    /// The node `peer` has come up at `a` and gone down again. Returns why.
    pub(crate) async fn gone(&mut self, peer: &str) -> String {
        assert!(matches!(self.event().await, NodeEvent::Up(link) if link.peer() == peer));
        match self.event().await {
            NodeEvent::Down { node, reason, .. } if node == peer => reason.to_string(),
            other => panic!("{other:?}"),
        }
    }

    /// The member has noticed nothing, nobody else has come in but in events that were taken, and another member does.
    pub(crate) async fn undisturbed(mut self, kind: Kind) {
        let (n,): (u32,) = soon(self.member.call("a#echo", ("echo", 7))).await.unwrap();
        assert_eq!(n, 7);
        let at = self.at.to_string();
        let late = kind(member("late")).seed(at).start().await.unwrap();
        soon(late.joined()).await.unwrap();
        // In order: what came up or went down before would come first.
        match self.event().await {
            NodeEvent::Up(link) => assert_eq!(link.peer(), "late"),
            other => panic!("{other:?}"),
        }
        assert!(self.heard.lock().unwrap().is_empty());
        assert!(self.log.with(&[SECRET]).is_empty());
    }
}

/// Starts `node`, whose seed is the attacker's address, and takes its connection.
pub(crate) async fn baited(node: NodeBuilder) -> (LocalNode, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let seed = listener.local_addr().unwrap().to_string();
    let node = node.seed(seed).start().await.unwrap();
    let (socket, _) = soon(listener.accept()).await.unwrap();
    (node, socket)
}

/// Whether `part` is in `bytes`.
pub(crate) fn contains(bytes: &[u8], part: &[u8]) -> bool {
    bytes.windows(part.len()).any(|window| window == part)
}

/// Why `node` could not join.
pub(crate) async fn failure(node: &LocalNode) -> String {
    aemp::error::Report(&*soon(node.joined()).await.unwrap_err().error).to_string()
}

/// Waits until `condition` holds, at most 60 seconds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let wait = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = tokio::time::timeout(Duration::from_secs(60), wait).await;
    done.unwrap_or_else(|_| panic!("waited 60 s until {what}"));
}
