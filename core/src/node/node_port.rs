//! The node port: carries out the requests of the [node protocol](aemp_proto::node_protocol).

use std::str::FromStr;
use std::sync::{Arc, Weak};
use std::time::UNIX_EPOCH;

use aemp_proto::faulty;
use aemp_proto::id::is_reply;
use aemp_proto::message::{cost_of, values_and_wire};
use aemp_proto::node_protocol::{
    Elements, Malformed, Reply, Request, TRACE, causes_sending, is_question, is_word,
};

use super::permit::{action_of, is_permitted, permit, permit_directory, refusal};
use super::sender::Sender;
use super::{Inner, LocalNode};
use crate::allowance::log_within;
use crate::codec::Frame;
use crate::guard;
use crate::link::DeferredRequests;
use crate::message::{IntoIter, Message, Values};
use crate::peer::{Answers, Generation, PassError, Peer};
use crate::policy::Action;
use crate::port::{Context, Port};
use crate::shard::{Batch, Item, Op, RemoteWatcher, UnwatchCount, Watcher};
use crate::traffic::Entered;
use crate::watchdog::set_tag;
use crate::{Excerpt, PortId, PortName, Reason, Value};

/// The source that `aemp trace` sends for evaluation; no other source is evaluated (protocol.md section 10).
const UP_NODES: &str = "AnyEvent::MP::Kernel::up_nodes";

/// Maximum length of the name of a port that a peer spawns, in bytes.
const MAX_NAME_LEN: usize = 1024;

/// The node port as a port of its node: it handles requests from this process. Requests of peers are handled by
/// [`handle`] in the task that reads them.
pub(super) struct NodePort(pub(super) Weak<Inner>);

impl Port for NodePort {
    fn receive(&mut self, _: &mut Context<'_>, message: Message) -> Result<(), Reason> {
        let Some(node) = self.0.upgrade() else {
            return Ok(());
        };
        let mut batch = Batch::new(node.shards.clone());
        // Errors concern the connection of a peer; there is none here.
        let _ = handle(&node, Sender::Local, message, &mut batch, None);
        batch.flush();
        Ok(())
    }
}

/// Handles a request. Its effects on ports are added to `batch`, after the earlier messages. A request that cannot be
/// answered yet is put into `deferred`, if that is given, and handled again when [`Answers`] permits it.
///
/// # Errors
/// The reason for which the connection has to be closed.
pub(super) fn handle(
    node: &Arc<Inner>,
    from: Sender<'_>,
    message: Message,
    batch: &mut Batch,
    mut deferred: Option<&mut DeferredRequests>,
) -> Result<(), String> {
    // Of this request, unless it was deferred: then the context is of a later message.
    let context = deferred.as_ref().and_then(|_| batch.take_context());
    let (values, wire) = match values_and_wire(message) {
        Ok(parts) => parts,
        Err(error) => {
            log_within!(from, WARN, target: "aemp::node", %from, error = %Excerpt(&error), "a request that cannot be read");
            return Ok(());
        }
    };
    let word = values.first().and_then(Value::as_str).unwrap_or_default();
    if let (Sender::Peer(peer, link), Some(deferred)) = (from, deferred.as_deref_mut())
        && is_question(word)
    {
        match peer.answers(link.generation(), node.config.high_water) {
            Answers::Now if deferred.is_empty() => {}
            Answers::Now | Answers::Later => {
                let request = wire.map_or_else(|| values.into(), Message::from);
                defer(peer, link.generation(), deferred, request);
                return Ok(());
            }
            // The connection takes no answers any more.
            Answers::Never => return Ok(()),
        }
    }
    match Request::parse(values, wire) {
        Ok(request) => {
            let runs_code = matches!(&request, Request::Call(..) | Request::Spawn { .. });
            let context = context.as_deref().filter(|_| runs_code);
            let _entered = Entered::new(node.span(context, &PortName::NODE_PORT));
            execute(node, from, request, batch, deferred)
        }
        Err(malformed) => {
            log_within!(from, WARN, target: "aemp::node", %from, "{malformed}");
            if let Sender::Peer(peer, link) = from {
                match malformed {
                    Malformed::KillsNode => peer.count_refused(link.generation()),
                    _ => peer.count_odd(link.generation()),
                }
            }
            Ok(())
        }
    }
}

fn execute(
    node: &Arc<Inner>,
    from: Sender<'_>,
    request: Request,
    batch: &mut Batch,
    deferred: Option<&mut DeferredRequests>,
) -> Result<(), String> {
    // A call ends by its answer or by such a kill: whoever may send the one may say the other.
    let ends_a_call = matches!(&request, Request::Kill(port, _) if node.is_call(port));
    if !ends_a_call
        && let Some(action) = action_of(&request)
        && !permit(node, from, &action)
    {
        let refused = refusal(node, &action);
        return tell_refused(node, from, request, refused, batch);
    }
    match request {
        Request::Nothing => {}
        Request::Watch(port) => return watch(node, from, port, batch),
        Request::Unwatch(port) => {
            if let Sender::Peer(peer, link) = from {
                if peer.remove_watch(&port) {
                    let op = Op::UnwatchRemote(link.generation(), UnwatchCount::One);
                    batch.push(Item::new(port, op), 0);
                } else {
                    peer.count_odd(link.generation());
                }
            }
        }
        Request::Died(port, reason) => {
            if let Sender::Peer(peer, link) = from {
                // Earlier messages of the peer come before the notification in every queue.
                batch.flush();
                let mut is_monitored = false;
                for action in peer.remote_port_died(&port) {
                    is_monitored = true;
                    node.fire(&port, action, reason.clone());
                }
                if !is_monitored {
                    // The monitor may have been removed while the notification was in transit, or never existed.
                    peer.count_odd(link.generation());
                }
            }
        }
        Request::Kill(port, reason) => {
            let bytes = cost_of(reason.values());
            batch.push(Item::new(port, Op::Kill(Box::new(reason))), bytes);
        }
        Request::Relay(to, elements) => relay(node, from, &to, elements, batch),
        Request::Can(name, reply) => {
            let may_call = || is_permitted(node, from, &Action::Call(&name));
            let is_known = is_word(&name) && (name != TRACE || reads_traces(node, from))
                || (node.functions.callable(&name).is_some() && may_call());
            // AnyEvent::MP's true and false.
            let result = Value::from(if is_known { "1" } else { "" });
            answer(node, from, reply, batch, [result]);
        }
        Request::Time { reply, is_probe } => {
            if let (Sender::Peer(peer, link), true) = (from, is_probe) {
                // The request and its answer.
                peer.count_probes(link.generation(), 2);
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
            if let Sender::Peer(peer, link) = from
                && !peer.pong(link.generation(), number)
            {
                peer.count_odd(link.generation());
            }
        }
        Request::Trace(context) if reads_traces(node, from) => batch.set_context(context),
        Request::Trace(_) => from.count_odd(),
        Request::Directory(name, arguments) => {
            directory_request(node, from, &name, arguments, deferred)
        }
        Request::Call(name, arguments) => call(node, from, &name, arguments),
    }
    Ok(())
}

/// Tells the sender of a refused request, where the protocol has a place for it.
fn tell_refused(
    node: &Arc<Inner>,
    from: Sender<'_>,
    request: Request,
    refused: Reason,
    batch: &mut Batch,
) -> Result<(), String> {
    let has_room = match from {
        Sender::Local => true,
        Sender::Peer(peer, link) => {
            peer.answers(link.generation(), node.config.high_water) == Answers::Now
        }
    };
    match (request, from) {
        // Nobody makes this node hold refusals that he does not read; and no monitor is lost in silence.
        (Request::Watch(_), _) if !has_room => {
            return Err(String::from(
                "the peer asks for monitors that it must not have, and takes no answers",
            ));
        }
        (Request::Call(..), _) if !has_room => {}
        // The monitor fires, as that of a port that does not exist.
        (Request::Watch(port), Sender::Peer(peer, link)) => {
            let is_watched = peer.add_watch(&port, node.config.peer_monitors);
            if is_watched {
                peer.clone().port_died(link.generation(), &port, &refused);
            }
        }
        (Request::Eval(_, reply), _) => {
            let text = refused.values().get(1).cloned();
            answer(node, from, reply, batch, text);
        }
        (Request::Call(_, arguments), Sender::Peer(peer, _)) => {
            let last = arguments.values().last().and_then(Value::as_str);
            let to = last.and_then(|last| PortId::from_str(last).ok());
            if let Some(to) = to.filter(|to| to.node() == &peer.id && is_reply(to.port())) {
                peer.kill(to.port(), &refused);
            }
        }
        _ => {}
    }
    Ok(())
}

/// `mon1 NAME`: the peer monitors a port of this node.
fn watch(node: &Inner, from: Sender<'_>, port: PortName, batch: &mut Batch) -> Result<(), String> {
    let Sender::Peer(peer, link) = from else {
        return Ok(());
    };
    let limit = node.config.peer_monitors;
    if !peer.add_watch(&port, limit) {
        return Err(format!(
            "the peer holds more than {limit} monitors (peer_monitors)"
        ));
    }
    let watcher = Watcher::Remote(peer.clone(), link.generation());
    batch.push(
        Item::new(port, Op::Watch(Box::new(watcher))),
        size_of::<Watcher>(),
    );
    Ok(())
}

/// Defers a request, or refuses it.
fn defer(peer: &Peer, generation: Generation, deferred: &mut DeferredRequests, request: Message) {
    if !deferred.push(request) {
        peer.count_refused(generation);
    }
}

/// Relays a message for a peer, to this node or to a connected one; peers cannot make this node dial. Delivery is not
/// guaranteed: a message that the connection cannot carry or has no room for is dropped (protocol.md section 5).
fn relay(node: &Arc<Inner>, from: Sender<'_>, to: &PortId, elements: Elements, batch: &mut Batch) {
    if to.port().is_node_port() && !may_relay_request(from, to, elements.values()) {
        return refuse(from, to, "it is a request in a request");
    }
    if to.node() == &node.id {
        batch.add_message(to.port(), elements.into_message());
        return;
    }
    if !from.owns(to) && !permit(node, from, &Action::Relay(to)) {
        return;
    }
    // Keep the order with earlier messages.
    batch.flush();
    let sent = match node.network.known_peer(to.node()) {
        Some(peer) => {
            let frame = Frame::with_body(to.port().as_str(), elements.outgoing());
            peer.relay(&frame, node.config.high_water)
        }
        None => Err(PassError::NoLink),
    };
    if let Err(why) = sent {
        refuse(from, to, why);
    }
}

/// Sends the answer to a request, if the request names a receiver.
fn answer(
    node: &Arc<Inner>,
    from: Sender<'_>,
    reply: Option<Reply>,
    batch: &mut Batch,
    result: impl IntoIterator<Item = Value>,
) {
    if let Some(reply) = reply {
        let (to, values) = reply.with(result);
        relay(node, from, &to, Elements::of(values), batch);
    }
}

/// Counts and logs that a message is not relayed.
fn refuse(from: Sender<'_>, to: &PortId, why: impl std::fmt::Display) {
    log_within!(from, WARN, target: "aemp::node", %from, to = %Excerpt(to), "not passed on: {why}");
    if let Sender::Peer(peer, link) = from {
        peer.count_refused(link.generation());
    }
}

/// Evaluates no code: the source that `aemp trace` sends is recognized, any other is answered with an error text. The
/// first element of the answer is the error, empty if there is none.
///
/// AnyEvent::MP's `trace` queries all nodes in the answer, and waits 15 s for one to which it cannot connect. So nodes
/// that are known not to listen are left out for Perl peers.
fn eval(node: &Inner, from: Sender<'_>, source: &str) -> Vec<Value> {
    if source != UP_NODES {
        return vec![Value::from("this node evaluates no code")];
    }
    let is_perl = match from {
        Sender::Peer(peer, _) => peer.link().is_some_and(|link| link.is_perl()),
        Sender::Local => false,
    };
    let is_listed = |peer: &Peer| !is_perl || node.directory.is_reachable(&peer.id) != Some(false);
    let up = node.network.peers().into_iter();
    let up = up.filter(|peer| peer.link().is_some() && is_listed(peer));
    [Value::from("")]
        .into_iter()
        .chain(up.map(|peer| Value::from(peer.id.as_str())))
        .collect()
}

/// `_spawn NAME INIT args...`: creates the port if INIT is offered here and the arguments match. Otherwise no port has
/// that name, which the caller detects by a monitor (protocol.md section 5).
fn spawn(
    node: &Arc<Inner>,
    from: Sender<'_>,
    port: PortName,
    function: &str,
    arguments: Elements,
    batch: &mut Batch,
) {
    if node.names.is_generated(&port) {
        log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(function), port = %Excerpt(&port), "spawn under a name that this node gives itself");
        return;
    }
    if port.as_str().len() > MAX_NAME_LEN {
        log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(function), "spawn under a name of more than {MAX_NAME_LEN} bytes");
        return;
    }
    // Earlier messages are processed before the port exists.
    batch.flush();
    start(node, from, port, function, arguments.into_message());
}

/// Runs the offered `function` as the port called `port`.
pub(super) fn start(
    node: &Arc<Inner>,
    from: Sender<'_>,
    port: PortName,
    function: &str,
    arguments: Message,
) {
    let Some(init) = node.functions.init(function) else {
        log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(function), "spawn of a function that is not offered here");
        from.count_odd();
        return;
    };
    let permit = match from {
        Sender::Local => None,
        Sender::Peer(peer, link) => match peer.spawn_permit(&node.network) {
            Ok(permit) => Some(permit),
            Err(why) => {
                log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(function), why, "a spawn over the limit");
                peer.count_odd(link.generation());
                return;
            }
        },
    };
    let handle = LocalNode::from_inner(node);
    set_tag(function);
    match guarded(|| init(&handle, arguments)) {
        // If the name is in use, the new port is dropped, which runs the program's code.
        Ok(new) => match guard::run(|| node.add_named_port(port.clone(), new, permit)) {
            Ok(Ok(_)) => {}
            _ => {
                log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(&function), port = %Excerpt(&port), "spawn under a name that is in use");
            }
        },
        Err(reason) => {
            log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(function), reason = %Excerpt(&reason), "a spawned port did not start");
        }
    }
}

/// A request of the directory protocol. Only nodes send these.
fn directory_request(
    node: &Arc<Inner>,
    from: Sender<'_>,
    name: &str,
    arguments: IntoIter,
    deferred: Option<&mut DeferredRequests>,
) {
    let Sender::Peer(peer, link) = from else {
        log_within!(from, WARN, target: "aemp::directory", %from, request = %Excerpt(name), "a request that only other nodes send");
        return;
    };
    let sender = (&peer.id, link.generation());
    let permitted = |request: &mut _| permit_directory(node, from, request);
    if let Err(why) = node
        .directory
        .request(node, sender, name, arguments, permitted)
    {
        log_within!(from, WARN, target: "aemp::directory", %from, request = %Excerpt(name), why = %Excerpt(&why), "not taken");
        peer.count_odd(link.generation());
    }
    if let Some(deferred) = deferred {
        deferred.set_behind(node.directory.is_behind(&peer.id));
    }
}

/// Any other request is the name of an offered function.
fn call(node: &Arc<Inner>, from: Sender<'_>, name: &str, arguments: Elements) {
    let Some(function) = node.functions.callable(name) else {
        log_within!(from, WARN, target: "aemp::node", %from, request = %Excerpt(name), "a request that this node does not know");
        from.count_odd();
        return;
    };
    let handle = LocalNode::from_inner(node);
    set_tag(name);
    if let Err(reason) = guarded(|| function(&handle, arguments.into_message())) {
        log_within!(from, WARN, target: "aemp::node", %from, function = %Excerpt(name), reason = %Excerpt(&reason), "a called function failed");
    }
}

/// Whether a relayed message may be a request to the node port `to`. Only to the sender's own node port, since the
/// request comes from this node; and no request that itself causes a message, since one message could hold a long chain
/// of those.
fn may_relay_request(from: Sender<'_>, to: &PortId, request: &Values) -> bool {
    let word = request.first().and_then(Value::as_str).unwrap_or_default();
    (from.owns(to) && !causes_sending(word)) || faulty!(RelayUnchecked)
}

/// Runs user code whose panic must not end a link.
fn guarded<T>(run: impl FnOnce() -> Result<T, Reason>) -> Result<T, Reason> {
    guard::run(run).unwrap_or_else(|panic| Err(panic.into()))
}

/// Whether the traces that the sender names are read here. A stranger decides neither whose trace a message is nor whether it is
/// recorded.
fn reads_traces(node: &Inner, from: Sender<'_>) -> bool {
    node.has_propagator() && !from.is_anonymous()
}
