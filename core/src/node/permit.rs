//! Whether the policy permits what a peer asks of the node port.

use aemp_proto::directory::Request as DirectoryRequest;
use aemp_proto::faulty;
use aemp_proto::node_protocol::Request;

use super::Inner;
use super::node_port::Sender;
use crate::allowance::log_within;
use crate::policy::Action;
use crate::{Reason, reason};

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
        | Request::Alive(_) => None,
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
    log_within!(from, WARN, target: "aemp::policy", %from, "refused by the policy of this node: {action}");
    if let Sender::Peer(peer, link) = from {
        peer.count_refused(link.generation());
    }
    false
}

/// The reason of a refusal, for the sender.
pub(super) fn refusal(node: &Inner, action: &Action<'_>) -> Reason {
    let text = format!("the policy of {} does not permit to {action}", node.id);
    reason!["refused", text]
}

/// Checks that the policy permits a request to the directory, and removes the families from it that the sender must not
/// write. Answers to questions of this node need no permission.
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
        return false;
    }
    request.retain_families(|family| permit(node, from, &write(family)));
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
