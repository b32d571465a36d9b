//! Whether the policy permits what a peer asks of the node port.

use std::fmt;

use aemp_proto::abridged;
use aemp_proto::directory::Request as DirectoryRequest;
use aemp_proto::faulty;
use aemp_proto::node_protocol::Request;

use super::Inner;
use super::sender::Sender;
use crate::allowance::log_within;
use crate::policy::Action;
use crate::{NodeId, PortId, Reason, reason};

/// The action that the policy decides about before the request is carried out.
pub(super) fn action_of(request: &Request) -> Option<Action<'_>> {
    match request {
        Request::Watch(port) => Some(Action::Monitor(port)),
        Request::Kill(port, _) => Some(Action::Kill(port)),
        Request::Spawn { function, .. } => Some(Action::Spawn(function)),
        Request::Call(name, _) => Some(Action::Call(name)),
        // It tells the names of other nodes.
        Request::Eval(..) => Some(Action::Directory),
        // The directory looks at the content of a request, and a relay at its target.
        Request::Directory(..) | Request::Relay(..) => None,
        // Without effect on others, or about the sender's own ports and requests.
        Request::Nothing
        | Request::Unwatch(_)
        | Request::Died(..)
        | Request::Can(..)
        | Request::Time { .. }
        | Request::Alive(_)
        | Request::Trace(_) => None,
    }
}

/// Whether the policy permits `action` to the sender.
pub(super) fn is_permitted(node: &Inner, from: Sender<'_>, action: &Action<'_>) -> bool {
    match from {
        Sender::Local => true,
        Sender::Peer(_, link) => node.links.permits(link, action) || faulty!(PolicyUnasked),
    }
}

/// Whether the policy permits `action` to the sender; logs and counts if not.
pub(super) fn permit(node: &Inner, from: Sender<'_>, action: &Action<'_>) -> bool {
    if is_permitted(node, from, action) {
        return true;
    }
    note_refused(from, action);
    false
}

fn note_refused(from: Sender<'_>, what: impl fmt::Display) {
    log_within!(from, WARN, target: "aemp::policy", %from, "refused by the policy of this node: {what}");
    if let Sender::Peer(peer, link) = from {
        peer.count_refused(link.generation());
    }
}

/// The reason of a refusal, for the sender.
pub(super) fn refusal(node: &Inner, action: &Action<'_>) -> Reason {
    refusal_of(&node.id, action)
}

fn refusal_of(node: &NodeId, action: &Action<'_>) -> Reason {
    let text = format!("the policy of {node} does not permit to {action}");
    reason!["refused", text]
}

/// Whether `reason` says that the policy of another node does not permit to monitor `port`, and not that the port is dead.
pub(super) fn is_refusal(reason: &Reason, port: &PortId) -> bool {
    *reason == abridged(&refusal_of(port.node(), &Action::Monitor(port.port())))
}

/// Checks that the policy permits a request to the directory, and removes the families from it that the sender must not
/// write. Answers to questions of this node need no permission. Answers a refused request, if the protocol has an answer.
pub(super) fn permit_directory(
    node: &Inner,
    from: Sender<'_>,
    request: &mut DirectoryRequest,
) -> bool {
    let action = match &*request {
        DirectoryRequest::Global | DirectoryRequest::Set(_) => Action::BecomeGlobal,
        DirectoryRequest::Update(update) => write(update.family()),
        DirectoryRequest::Found(..)
        | DirectoryRequest::Reply(..)
        | DirectoryRequest::Content(_)
        | DirectoryRequest::Changed(_) => return true,
        _ => Action::Directory,
    };
    if !permit(node, from, &action) {
        if let (Sender::Peer(peer, link), Some(answer)) = (from, request.refused_by(&node.id)) {
            peer.send_internal_over(link.generation(), &answer);
        }
        return false;
    }
    // A request can name a million families. No peer holds more than this number, so no more are asked about.
    let limits = &node.config.directory;
    let most = limits.families.saturating_mul(limits.of_global);
    let mut families = 0;
    request.retain_families(|family| {
        families += 1;
        families <= most && permit(node, from, &write(family))
    });
    if families > most {
        note_refused(from, format_args!("write more than {most} families"));
    }
    true
}

/// The action of writing `family`.
fn write(family: &str) -> Action<'_> {
    match family {
        "'l" => Action::Publish,
        "'g" => Action::BecomeGlobal,
        _ if family.starts_with('\'') => Action::Directory,
        _ => Action::Write(family),
    }
}
