//! Two connections between the same two nodes: which one goes on (protocol.md section 2, "Two connections at
//! once").
//!
//! When two openings between two nodes both complete, AnyEvent::MP closes the older and then loses the newer as
//! well. So the second of two must not get as far as our auth line while the first is open or opening. Both
//! ends have to hold back the same one of two openings, or each would wait for the other: it is the one that
//! the node with the higher node ID dialled.
//!
//! To hold a connection back means not to call [`Ready::authenticate`](super::Ready::authenticate) (a dialler)
//! or [`Verified::finish`](super::Verified::finish) (an acceptor); where our auth line is out already, to leave
//! the peer's in the buffer. That a held connection closes must be noticed all the same, and its deadline runs.
//! When the other connection is up, the held one is closed; when the other one fails, the held one goes on. With
//! more than two, each new one is decided against the one that goes on.

use super::Role;
use crate::NodeId;

/// How far the earlier of two connections to a node has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum First {
    /// The peer's greeting is there, our auth line is not out.
    Greeted,
    /// We dialled it, and our auth line is out: a Perl peer may be sending messages on it already.
    AuthSent,
    /// It carries messages, as far as we know.
    Open,
}

/// What to do with two connections to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// The first goes on; hold the second back until the first is open (close the second) or has failed.
    HoldSecond,
    /// The second goes on; hold the first back until the second is open (close the first) or has failed.
    HoldFirst,
    /// Verify the second's auth line, hold ours, and probe the first for at most 3 s. It answers: close the
    /// second. It does not: end the first, its monitors fire, and only then does the second go on.
    ProbeFirst,
    /// Close the second: the first does its work.
    CloseSecond,
}

/// Decides between two connections to `peer`, the first of which was dialled by the end that `first` says and
/// has come as far as `stage`; the peer's greeting has just come on the second.
///
/// `peer_holds` is whether the peer holds connections back by the same rule, as nodes of this project do
/// ([`Peer::says_role`](super::Peer::says_role)). A Perl peer completes whichever gets our auth line, so once
/// that is out on one, there is nothing left to choose.
///
/// ```
/// use aemp_proto::handshake::{Role, rivals::{First, Verdict, decide}};
/// let (a, b) = ("a".parse()?, "b".parse()?);
/// // Both dialled at once. Each end has its own connection first, and the other's comes second.
/// let at_a = decide(&a, &b, true, Role::Dialler, First::AuthSent, Role::Acceptor);
/// let at_b = decide(&b, &a, true, Role::Dialler, First::AuthSent, Role::Acceptor);
/// assert_eq!((at_a, at_b), (Verdict::HoldSecond, Verdict::HoldFirst));
/// # Ok::<(), aemp_proto::ParseIdError>(())
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
        // The peer dialled although it has a connection to us: perhaps it lost that, or started anew.
        First::Open if second == Role::Acceptor => Verdict::ProbeFirst,
        // We only dial where there is no connection, so it came up while we did.
        First::Open => Verdict::CloseSecond,
        First::AuthSent if !peer_holds => Verdict::HoldSecond,
        // Of two that the same end dialled, the earlier goes on.
        First::Greeted | First::AuthSent if first == second => Verdict::HoldSecond,
        First::Greeted | First::AuthSent => match first == dialled_by_lower(us, peer) {
            true => Verdict::HoldSecond,
            false => Verdict::HoldFirst,
        },
    }
}

/// Our role in the connection that the node with the lower ID dialled.
fn dialled_by_lower(us: &NodeId, peer: &NodeId) -> Role {
    match us < peer {
        true => Role::Dialler,
        false => Role::Acceptor,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use Role::{Acceptor, Dialler};

    fn at(us: &str, peer: &str, holds: bool, first: Role, stage: First, second: Role) -> Verdict {
        let (us, peer) = (us.parse().unwrap(), peer.parse().unwrap());
        decide(&us, &peer, holds, first, stage, second)
    }

    #[test]
    fn both_ends_hold_the_same_one_of_two_openings() {
        // At `low`, its own dial is the connection to keep, in whichever order and stage the two are seen.
        for stage in [First::Greeted, First::AuthSent] {
            let own_first = at("low", "top", true, Dialler, stage, Acceptor);
            assert_eq!(own_first, Verdict::HoldSecond);
            let own_first = at("top", "low", true, Dialler, stage, Acceptor);
            assert_eq!(own_first, Verdict::HoldFirst);
        }
        let own_second = at("low", "top", true, Acceptor, First::Greeted, Dialler);
        assert_eq!(own_second, Verdict::HoldFirst);
        let own_second = at("top", "low", true, Acceptor, First::Greeted, Dialler);
        assert_eq!(own_second, Verdict::HoldSecond);
    }

    #[test]
    fn node_ids_are_compared_as_bytes() {
        let verdict = at("B", "a", true, Dialler, First::Greeted, Acceptor);
        assert_eq!(verdict, Verdict::HoldSecond);
    }

    #[test]
    fn a_perl_peer_keeps_the_one_that_has_our_auth_line() {
        for (us, peer) in [("low", "top"), ("top", "low")] {
            let verdict = at(us, peer, false, Dialler, First::AuthSent, Acceptor);
            assert_eq!(verdict, Verdict::HoldSecond);
        }
        let undecided = at("top", "low", false, Dialler, First::Greeted, Acceptor);
        assert_eq!(undecided, Verdict::HoldFirst);
    }

    #[test]
    fn of_two_dialled_by_the_same_end_the_earlier_goes_on() {
        for holds in [true, false] {
            for role in [Dialler, Acceptor] {
                for (us, peer) in [("low", "top"), ("top", "low")] {
                    let verdict = at(us, peer, holds, role, First::Greeted, role);
                    assert_eq!(verdict, Verdict::HoldSecond);
                }
            }
        }
    }

    #[test]
    fn an_open_connection_is_probed_before_the_peers_new_one_replaces_it() {
        for first in [Dialler, Acceptor] {
            for (us, peer) in [("low", "top"), ("top", "low")] {
                let theirs = at(us, peer, true, first, First::Open, Acceptor);
                assert_eq!(theirs, Verdict::ProbeFirst);
                let ours = at(us, peer, true, first, First::Open, Dialler);
                assert_eq!(ours, Verdict::CloseSecond);
            }
        }
    }
}
