//! Two connections between the same two nodes: which of them continues (protocol.md section 2, "Two connections at
//! once").
//!
//! If two openings between two nodes both complete, AnyEvent::MP closes the older one and then loses the newer one as
//! well. So this node must not send its auth line on the second connection while the first is open or opening. Both
//! ends must hold back the same one of two openings, or each would wait for the other: they hold back the opening that
//! the node with the higher node ID has dialled.
//!
//! To hold a connection back is not to call [`Ready::authenticate`](super::Ready::authenticate) (a dialer) or
//! [`Verified::finish`](super::Verified::finish) (an acceptor); if our auth line is already sent, it is to leave the
//! peer's in the buffer. The driver must still notice when a held connection closes, and its deadline still applies.
//! When the other connection is up, the held one is closed; when the other one fails, the held one continues. With more
//! than two, each new connection is compared with the one that continues.

use super::Role;
use crate::NodeId;

/// The stage of the earlier one of two connections to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// The peer's greeting has arrived, and our auth line is not sent.
    Greeted,
    /// This node dialled, and our auth line is sent: a Perl peer may already send messages.
    AuthSent,
    /// The connection is established, as far as this node knows.
    Open,
}

/// The decision about two connections to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first continues. Hold the second back until the first is open (then close the second) or has failed.
    HoldSecond,
    /// The second continues. Hold the first back until the second is open (then close the first) or has failed.
    HoldFirst,
    /// Verify the peer's auth line on the second, do not send ours, and probe the first for at most 3 s. If it answers,
    /// close the second. If not, end the first, let its monitors fire, and then let the second continue.
    ProbeFirst,
    /// Close the second: the first is in use.
    CloseSecond,
}

/// Decides between two connections to `peer`. `first` and `second` are the roles of this node in them, `stage` is the
/// stage of the first. The peer's greeting has just arrived on the second.
///
/// `peer_holds`: whether the peer applies the same rule, as nodes of this project do
/// ([`Peer::says_role`](super::Peer::says_role)). A Perl peer completes the connection on which it gets our auth line,
/// so after that the choice is made.
///
/// ```
/// use aemp::handshake::{Role, rivals::{First, Verdict, decide}};
/// let (a, b) = ("a".parse()?, "b".parse()?);
/// // Both dialled at the same time. At each end its own connection is the first.
/// let at_a = decide(&a, &b, true, Role::Dialer, First::AuthSent, Role::Acceptor);
/// let at_b = decide(&b, &a, true, Role::Dialer, First::AuthSent, Role::Acceptor);
/// assert_eq!((at_a, at_b), (Verdict::HoldSecond, Verdict::HoldFirst));
/// # Ok::<(), aemp::error::ParseIdError>(())
/// ```
pub fn decide(
    us: &NodeId,
    peer: &NodeId,
    peer_holds: bool,
    first: Role,
    stage: First,
    second: Role,
) -> Verdict {
    match stage {
        // The peer dialled although it has a connection to us: it may have lost that connection, or restarted.
        First::Open if second == Role::Acceptor => Verdict::ProbeFirst,
        // We dial only without a connection, so the first came up while we dialled.
        First::Open => Verdict::CloseSecond,
        First::AuthSent if !peer_holds => Verdict::HoldSecond,
        // Of two connections that the same end dialled, the earlier one continues.
        First::Greeted | First::AuthSent if first == second => Verdict::HoldSecond,
        First::Greeted | First::AuthSent => match first == dialled_by_lower(us, peer) {
            true => Verdict::HoldSecond,
            false => Verdict::HoldFirst,
        },
    }
}

/// The role of this node in the connection that the node with the lower ID dialled.
fn dialled_by_lower(us: &NodeId, peer: &NodeId) -> Role {
    match us < peer {
        true => Role::Dialer,
        false => Role::Acceptor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Role::{Acceptor, Dialer};

    fn at(us: &str, peer: &str, holds: bool, first: Role, stage: First, second: Role) -> Verdict {
        let (us, peer) = (us.parse().unwrap(), peer.parse().unwrap());
        decide(&us, &peer, holds, first, stage, second)
    }

    #[test]
    fn both_ends_hold_the_same_one_of_two_openings() {
        // At `low`, its own dial continues, in every order and stage of the two connections.
        for stage in [First::Greeted, First::AuthSent] {
            let own_first = at("low", "top", true, Dialer, stage, Acceptor);
            assert_eq!(own_first, Verdict::HoldSecond);
            let own_first = at("top", "low", true, Dialer, stage, Acceptor);
            assert_eq!(own_first, Verdict::HoldFirst);
        }
        let own_second = at("low", "top", true, Acceptor, First::Greeted, Dialer);
        assert_eq!(own_second, Verdict::HoldFirst);
        let own_second = at("top", "low", true, Acceptor, First::Greeted, Dialer);
        assert_eq!(own_second, Verdict::HoldSecond);
    }

    #[test]
    fn node_ids_are_compared_as_bytes() {
        let verdict = at("B", "a", true, Dialer, First::Greeted, Acceptor);
        assert_eq!(verdict, Verdict::HoldSecond);
    }

    #[test]
    fn a_perl_peer_keeps_the_one_that_has_our_auth_line() {
        for (us, peer) in [("low", "top"), ("top", "low")] {
            let verdict = at(us, peer, false, Dialer, First::AuthSent, Acceptor);
            assert_eq!(verdict, Verdict::HoldSecond);
        }
        let undecided = at("top", "low", false, Dialer, First::Greeted, Acceptor);
        assert_eq!(undecided, Verdict::HoldFirst);
    }

    #[test]
    fn of_two_dialled_by_the_same_end_the_earlier_goes_on() {
        for holds in [true, false] {
            for role in [Dialer, Acceptor] {
                for (us, peer) in [("low", "top"), ("top", "low")] {
                    let verdict = at(us, peer, holds, role, First::Greeted, role);
                    assert_eq!(verdict, Verdict::HoldSecond);
                }
            }
        }
    }

    #[test]
    fn an_open_connection_is_probed_before_the_peers_new_one_replaces_it() {
        for first in [Dialer, Acceptor] {
            for (us, peer) in [("low", "top"), ("top", "low")] {
                let theirs = at(us, peer, true, first, First::Open, Acceptor);
                assert_eq!(theirs, Verdict::ProbeFirst);
                let ours = at(us, peer, true, first, First::Open, Dialer);
                assert_eq!(ours, Verdict::CloseSecond);
            }
        }
    }
}
