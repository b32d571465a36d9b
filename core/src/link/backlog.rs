//! `Backlog`: limits the accepted connections that are not authenticated yet. Also the rate limit of the secret in clear
//! text.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use aemp_proto::faulty;
use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::rate_limiter::RateLimiter;

/// The accepted connections of one node that are not authenticated yet. Above a limit a new connection evicts the oldest
/// one of the address that has the most, so that a flood from one address does not keep out other addresses. If several
/// addresses have equally many, the oldest of their connections is evicted: a flood from many addresses then keeps out a
/// peer only if as many connections arrive during its handshake as the backlog holds.
pub(crate) struct Backlog {
    pending: Arc<Mutex<Pending>>,
    total: usize,
    per_address: usize,
}

#[derive(Default)]
struct Pending {
    last: u64,
    /// Oldest first.
    waiting: Vec<PendingConnection>,
}

struct PendingConnection {
    key: u64,
    address: Option<IpAddr>,
    evicted: CancellationToken,
}

/// A slot of the backlog, occupied until it is dropped or the connection is authenticated.
pub(crate) struct Slot {
    pending: Arc<Mutex<Pending>>,
    key: u64,
    /// Cancelled when a newer connection takes the slot.
    pub(crate) evicted: CancellationToken,
}

impl Backlog {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            pending: Arc::default(),
            total: config.max_pending_handshakes.max(1),
            per_address: config.max_pending_handshakes_per_address.max(1),
        }
    }

    /// Adds a connection from `address`, and evicts another one above the limits.
    pub(super) fn add(&self, address: Option<IpAddr>) -> Slot {
        let address = address.map(counted_address);
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        let limited = |a: &IpAddr| !a.is_loopback();
        if address.as_ref().is_some_and(limited) && pending.of(address) >= self.per_address {
            pending.evict_oldest_of(address);
        } else if pending.waiting.len() >= self.total && !faulty!(BacklogUnbounded) {
            // `waiting` is sorted by age, and of equal counts `min_by_key` takes the first.
            let largest = pending
                .waiting
                .iter()
                .map(|connection| connection.address)
                .min_by_key(|a| Reverse(pending.of(*a)));
            pending.evict_oldest_of(largest.flatten());
        }
        pending.last += 1;
        let (key, evicted) = (pending.last, CancellationToken::new());
        pending.waiting.push(PendingConnection {
            key,
            address,
            evicted: evicted.clone(),
        });
        Slot {
            pending: self.pending.clone(),
            key,
            evicted,
        }
    }
}

/// The unit of counting: an IPv4 address, or the /64 prefix of an IPv6 address, which one network owns as a whole.
fn counted_address(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()
        }
        other => other,
    }
}

/// The rate limit of failed `cleartext` proofs, by which a program on this machine could guess the secret. Correct proofs
/// do not count.
pub(crate) fn cleartext_limiter() -> RateLimiter {
    RateLimiter::new(20, Duration::from_millis(100))
}

impl Pending {
    fn of(&self, address: Option<IpAddr>) -> usize {
        self.waiting
            .iter()
            .filter(|connection| connection.address == address)
            .count()
    }

    fn evict_oldest_of(&mut self, address: Option<IpAddr>) {
        if let Some(at) = self
            .waiting
            .iter()
            .position(|connection| connection.address == address)
        {
            self.waiting.remove(at).evicted.cancel();
        }
    }
}

impl Slot {
    /// The connection is authenticated: frees its slot, so that it cannot be evicted.
    pub(super) fn release(&self) {
        let mut pending = self.pending.lock().unwrap_or_else(PoisonError::into_inner);
        pending
            .waiting
            .retain(|connection| connection.key != self.key);
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn backlog(total: usize, per_address: usize) -> Backlog {
        Backlog::new(&Config {
            max_pending_handshakes: total,
            max_pending_handshakes_per_address: per_address,
            ..Config::default()
        })
    }

    fn add(backlog: &Backlog, address: &str) -> Slot {
        backlog.add(Some(address.parse().unwrap()))
    }

    #[test]
    fn a_full_address_evicts_its_own_oldest_connection() {
        let backlog = backlog(100, 2);
        let others = add(&backlog, "10.0.0.9");
        let slots: Vec<_> = (0..3).map(|_| add(&backlog, "10.0.0.1")).collect();
        let evicted: Vec<_> = slots
            .iter()
            .map(|pass| pass.evicted.is_cancelled())
            .collect();
        assert_eq!(evicted, [true, false, false]);
        assert!(!others.evicted.is_cancelled());
    }

    #[test]
    fn a_full_backlog_evicts_the_oldest_connection_of_the_largest_address() {
        let backlog = backlog(3, 16);
        let single = add(&backlog, "10.0.0.1");
        let many: Vec<_> = (0..2).map(|_| add(&backlog, "10.0.0.2")).collect();
        let new = add(&backlog, "10.0.0.3");
        assert!(!single.evicted.is_cancelled() && !new.evicted.is_cancelled());
        assert!(many[0].evicted.is_cancelled() && !many[1].evicted.is_cancelled());
    }

    #[test]
    fn of_addresses_with_one_connection_each_the_oldest_is_evicted() {
        let backlog = backlog(3, 16);
        let slots: Vec<_> = (0..5)
            .map(|n| add(&backlog, &format!("10.0.0.{n}")))
            .collect();
        let evicted: Vec<_> = slots
            .iter()
            .map(|pass| pass.evicted.is_cancelled())
            .collect();
        assert_eq!(evicted, [true, true, false, false, false]);
    }

    #[test]
    fn an_authenticated_connection_is_not_evicted() {
        let backlog = backlog(2, 1);
        let authenticated = add(&backlog, "10.0.0.1");
        authenticated.release();
        let others: Vec<_> = (1..4)
            .map(|n| add(&backlog, &format!("10.0.0.{n}")))
            .collect();
        assert!(!authenticated.evicted.is_cancelled());
        assert!(others[0].evicted.is_cancelled() && !others[2].evicted.is_cancelled());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let backlog = backlog(100, 2);
        let slots: Vec<_> = [
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8:0:0:7::",
            "2001:db8:0:1::1",
        ]
        .map(|a| add(&backlog, a))
        .into();
        let evicted: Vec<_> = slots
            .iter()
            .map(|pass| pass.evicted.is_cancelled())
            .collect();
        assert_eq!(evicted, [true, false, false, false]);
    }

    #[test]
    fn loopback_is_limited_in_total_only_and_a_closed_connection_frees_its_slot() {
        let backlog = backlog(3, 1);
        let mut slots: Vec<_> = (0..3).map(|_| add(&backlog, "127.0.0.1")).collect();
        assert!(slots.iter().all(|pass| !pass.evicted.is_cancelled()));
        slots.pop();
        slots.push(add(&backlog, "::ffff:127.0.0.1"));
        assert!(slots.iter().all(|pass| !pass.evicted.is_cancelled()));
    }
}
