//! The node port: what the requests of the [node protocol](aemp_proto::node_protocol) do here.

use std::sync::{Arc, Weak};
use std::time::UNIX_EPOCH;

use aemp_proto::message::{cost_of, values_and_wire};
use aemp_proto::node_protocol::{Elements, Reply, Request, causes_sending, is_question, is_word};

use super::{Inner, LocalNode};
use crate::allowance::log_within;
use crate::codec::Frame;
use crate::guard;
use crate::link::DeferredRequests;
use crate::message::{IntoIter, Message, Values};
use crate::peer::{Answers, Generation, PassError, Peer};
use crate::port::{Context, Port};
use crate::shard::{Batch, Item, Op, UnwatchCount, Watcher};
use crate::watchdog::tagged;
use crate::{Excerpt, PortId, PortName, Reason, Value};

/// Who sent a request.
#[derive(Clone, Copy)]
pub(super) enum Sender<'a> {
    /// A peer, over the connection of this generation.
    Peer(&'a Arc<Peer>, Generation),
    /// A port of this node.
    Here,
}

/// The source that `aemp trace` has evaluated, the only one that is answered (protocol.md section 10).
const UP_NODES: &str = "AnyEvent::MP::Kernel::up_nodes";

/// The longest name of a port that a peer spawns, in bytes.
const LONGEST_NAME: usize = 1024;

/// The node port as a port of its node: it handles what this process sends to it. What peers send is handled where
/// it is read, by [`handle`].
pub(super) struct NodePort(pub(super) Weak<Inner>);

impl Port for NodePort {
    fn receive(&mut self, _: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        let Some(node) = self.0.upgrade() else {
            return Ok(());
        };
        let mut batch = Batch::new(node.shards.clone());
        // The only failure is about a peer's connection.
        let _ = handle(&node, Sender::Here, message, &mut batch, None);
        batch.flush();
        Ok(())
    }
}

/// Handles a request. What it means for ports goes into `batch`, behind the messages that came before it. A question
/// whose answer has to wait goes into `held`, if there is one, to be handled again when [`Answers`] says so.
///
/// # Errors
/// Says why the connection that it came over has to be closed.
pub(super) fn handle(
    node: &Arc<Inner>,
    from: Sender<'_>,
    message: Message,
    batch: &mut Batch,
    mut held: Option<&mut DeferredRequests>,
) -> Result<(), String> {
    let (values, wire) = match values_and_wire(message) {
        Ok(parts) => parts,
        Err(error) => {
            log_within!(from, WARN, target: "aemp::node", %from, error = %Excerpt(&error), "a request that cannot be read");
            return Ok(());
        }
    };
    let word = values.first().and_then(Value::as_str).unwrap_or_default();
    if let (Sender::Peer(peer, generation), Some(held)) = (from, held.as_deref_mut())
        && is_question(word)
    {
        match peer.answers(generation, node.config.high_water) {
            Answers::Now if held.is_empty() => {}
            Answers::Now | Answers::Later => {
                let question = wire.map_or_else(|| values.into(), Message::from);
                hold(peer, generation, held, question);
                return Ok(());
            }
            // Nobody will read the answer.
            Answers::Never => return Ok(()),
        }
    }
    match Request::parse(values, wire) {
        Ok(request) => carry_out(node, from, request, batch, held),
        Err(malformed) => {
            log_within!(from, WARN, target: "aemp::node", %from, "{malformed}");
            Ok(())
        }
    }
}

fn carry_out(
    node: &Arc<Inner>,
    from: Sender<'_>,
    request: Request,
    batch: &mut Batch,
    held: Option<&mut DeferredRequests>,
) -> Result<(), String> {
    match request {
        Request::Nothing => {}
        Request::Watch(port) => return watch(node, from, port, batch),
        Request::Unwatch(port) => {
            if let Sender::Peer(peer, generation) = from {
                if peer.remove_watch(&port) {
                    let op = Op::UnwatchRemote(generation, UnwatchCount::One);
                    batch.push(Item::new(port, op), 0);
                } else {
                    peer.count_odd(generation);
                }
            }
        }
        Request::Died(port, reason) => {
            if let Sender::Peer(peer, generation) = from {
                // What the peer sent before belongs before the news in every queue.
                batch.flush();
                if !peer.died(&port, reason) {
                    // The news may have crossed our taking the monitor back; or nobody ever asked.
                    peer.count_odd(generation);
                }
            }
        }
        Request::Kill(port, reason) => {
            let bytes = cost_of(reason.values());
            batch.push(Item::new(port, Op::Kill(Box::new(reason))), bytes);
        }
        Request::Relay(to, elements) => pass_on(node, from, &to, elements, batch),
        Request::Can(name, reply) => {
            let is_known = is_word(&name) || node.functions.callable(&name).is_some();
            // AnyEvent::MP's true and false.
            let result = Value::from(if is_known { "1" } else { "" });
            answer(node, from, reply, batch, [result]);
        }
        Request::Time { reply, is_probe } => {
            if let (Sender::Peer(peer, generation), true) = (from, is_probe) {
                // And its answer.
                peer.count_probes(generation, 2);
            }
            let now = (node.clock)().duration_since(UNIX_EPOCH);
            let now = now.unwrap_or_default();
            answer(node, from, reply, batch, [Value::from(now.as_secs_f64())]);
        }
        Request::Eval(source, reply) => {
            let result = eval(node, from, &source);
            answer(node, from, reply, batch, result);
        }
        Request::Spawn {
            port,
            function,
            arguments,
        } => spawn(node, from, port, &function, arguments, batch),
        Request::Alive(number) => {
            if let Sender::Peer(peer, generation) = from
                && !peer.pong(generation, number)
            {
                peer.count_odd(generation);
            }
        }
        Request::Directory(name, arguments) => network(node, from, &name, arguments, held),
        Request::Call(name, arguments) => call(node, from, &name, arguments),
    }
    Ok(())
}

/// `mon1 NAME`: the peer wants to know when a port of ours dies.
fn watch(node: &Inner, from: Sender<'_>, port: PortName, batch: &mut Batch) -> Result<(), String> {
    let Sender::Peer(peer, generation) = from else {
        return Ok(());
    };
    let limit = node.config.peer_monitors;
    if !peer.add_watch(&port, limit) {
        return Err(format!(
            "the peer holds more than {limit} monitors (peer_monitors)"
        ));
    }
    let watcher = Watcher::Remote(peer.clone(), generation);
    batch.push(
        Item::new(port, Op::Watch(Box::new(watcher))),
        size_of::<Watcher>(),
    );
    Ok(())
}

/// Lets a question wait, or refuses it.
fn hold(peer: &Peer, generation: Generation, held: &mut DeferredRequests, question: Message) {
    if !held.push(question) {
        peer.count_refused(generation);
    }
}

/// Sends what a peer has asked to be sent: to this node, or to one that is connected, so that nobody makes this
/// node dial. That is not promised: what the connection cannot carry or take now is dropped (protocol.md section 5).
fn pass_on(
    node: &Arc<Inner>,
    from: Sender<'_>,
    to: &PortId,
    elements: Elements,
    batch: &mut Batch,
) {
    if to.port().is_node_port() && !may_be_asked(from, to, elements.values()) {
        return refuse(from, to, "it is a request in a request");
    }
    if to.node() == &node.id {
        batch.pass_on(to.port(), elements.into_message());
        return;
    }
    // It comes after what was sent before.
    batch.flush();
    let sent = match node.network.known_peer(to.node()) {
        Some(peer) => {
            let frame = Frame {
                port: to.port().as_str(),
                body: elements.outgoing(),
                reply: None,
            };
            peer.pass_on(&frame, node.config.high_water)
        }
        None => Err(PassError::NoLink),
    };
    if let Err(why) = sent {
        refuse(from, to, why);
    }
}

/// Sends the answer to a question, if anybody wants it.
fn answer(
    node: &Arc<Inner>,
    from: Sender<'_>,
    reply: Option<Reply>,
    batch: &mut Batch,
    result: impl IntoIterator<Item = Value>,
) {
    if let Some(reply) = reply {
        let (to, values) = reply.with(result);
        pass_on(node, from, &to, Elements::of(values), batch);
    }
}

/// Counts and logs that a message is not passed on.
fn refuse(from: Sender<'_>, to: &PortId, why: impl std::fmt::Display) {
    log_within!(from, WARN, target: "aemp::node", %from, to = %Excerpt(to), "not passed on: {why}");
    if let Sender::Peer(peer, generation) = from {
        peer.count_refused(generation);
    }
}

/// Runs no code: the source that `aemp trace` sends is known, every other is answered with an error text. The
/// answer begins with the error, empty if there is none.
///
/// AnyEvent::MP's `trace` asks all that it hears of, and waits 15 s for a node that nobody can connect to. So it hears of
/// none that is known to listen nowhere.
fn eval(node: &Inner, from: Sender<'_>, source: &str) -> Vec<Value> {
    if source != UP_NODES {
        return vec![Value::from("this node evaluates no code")];
    }
    let is_perl = match from {
        Sender::Peer(peer, _) => peer.link().is_some_and(|link| link.is_perl()),
        Sender::Here => false,
    };
    let is_told = |peer: &Peer| !is_perl || node.directory.is_reachable(&peer.id) != Some(false);
    let up = node.network.peers().into_iter();
    let up = up.filter(|peer| peer.link().is_some() && is_told(peer));
    [Value::from("")]
        .into_iter()
        .chain(up.map(|peer| Value::from(peer.id.as_str())))
        .collect()
}

/// `_spawn NAME INIT args...`: the port comes to life if INIT is offered here and its arguments fit. If not, the
/// name stays without a port, which is how the caller learns of it (protocol.md section 5).
fn spawn(
    node: &Arc<Inner>,
    from: Sender<'_>,
    port: PortName,
    function: &str,
    arguments: Elements,
    batch: &mut Batch,
) {
    if node.names.is_own(&port) {
        log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(function), port = %Excerpt(&port), "spawn under a name that this node gives itself");
        return;
    }
    if port.as_str().len() > LONGEST_NAME {
        log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(function), "spawn under a name of more than {LONGEST_NAME} bytes");
        return;
    }
    // What came before belongs before the port.
    batch.flush();
    start(node, from, port, function, arguments.into_message());
}

/// Runs what is offered as `function` as the port called `port`.
pub(super) fn start(
    node: &Arc<Inner>,
    from: Sender<'_>,
    port: PortName,
    function: &str,
    arguments: Message,
) {
    let Some(init) = node.functions.init(function) else {
        log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(function), "spawn of a function that is not offered here");
        return;
    };
    let place = match from {
        Sender::Here => None,
        Sender::Peer(peer, generation) => match peer.spawn_permit(&node.network) {
            Ok(place) => Some(place),
            Err(why) => {
                log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(function), why, "a spawn over the limit");
                peer.count_odd(generation);
                return;
            }
        },
    };
    let handle = LocalNode::from_inner(node);
    tagged(function);
    match guarded(|| init(&handle, arguments)) {
        // Where the name is in use, the new port is dropped, which runs the program's code.
        Ok(new) => match guard::run(|| node.add_named_port(port.clone(), new, place)) {
            Ok(Some(_)) => {}
            _ => {
                log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(&function), port = %Excerpt(&port), "spawn under a name that is in use");
            }
        },
        Err(reason) => {
            log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(function), reason = %Excerpt(&reason), "a spawned port did not start");
        }
    }
}

/// A request of the directory. They pass between nodes only.
fn network(
    node: &Arc<Inner>,
    from: Sender<'_>,
    name: &str,
    arguments: IntoIter,
    held: Option<&mut DeferredRequests>,
) {
    let Sender::Peer(peer, generation) = from else {
        log_within!(from, WARN, target: "aemp::directory", %from, request = %Excerpt(name), "a request that only other nodes send");
        return;
    };
    let sender = (&peer.id, generation);
    if let Err(why) = node.directory.request(node, sender, name, arguments) {
        log_within!(from, WARN, target: "aemp::directory", %from, request = %Excerpt(name), why = %Excerpt(&why), "not taken");
        peer.count_odd(generation);
    }
    if let Some(held) = held {
        held.set_behind(node.directory.is_behind(&peer.id));
    }
}

/// Any other request names a function.
fn call(node: &Arc<Inner>, from: Sender<'_>, name: &str, arguments: Elements) {
    let Some(function) = node.functions.callable(name) else {
        log_within!(from, WARN, target: "aemp::node", %from, request = %Excerpt(name), "a request that this node does not know");
        if let Sender::Peer(peer, generation) = from {
            peer.count_odd(generation);
        }
        return;
    };
    let handle = LocalNode::from_inner(node);
    tagged(name);
    if let Err(reason) = guarded(|| function(&handle, arguments.into_message())) {
        log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(name), reason = %Excerpt(&reason), "a called function failed");
    }
}

/// Whether what is passed on may be a request to the node port `to`: to that of the asker alone, since it comes in this
/// node's name, and none that is answered in turn, since one message could hold a chain of them as long as itself.
fn may_be_asked(from: Sender<'_>, to: &PortId, request: &Values) -> bool {
    let word = request.first().and_then(Value::as_str).unwrap_or_default();
    let own = match from {
        Sender::Peer(peer, _) => peer.id == *to.node(),
        Sender::Here => true,
    };
    own && !causes_sending(word)
}

/// Runs user code whose panic must not end a link.
fn guarded<T>(run: impl FnOnce() -> Result<T, Reason>) -> Result<T, Reason> {
    guard::run(run).unwrap_or_else(|panic| Err(panic.into()))
}

impl Sender<'_> {
    /// Whether a line that it has caused may be logged.
    fn admits(self) -> bool {
        match self {
            Self::Peer(peer, _) => peer.admits(),
            Self::Here => true,
        }
    }
}

impl std::fmt::Display for Sender<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Peer(peer, _) => f.write_str(peer.id.as_str()),
            Self::Here => f.write_str("this node"),
        }
    }
}
