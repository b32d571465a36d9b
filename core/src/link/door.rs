//! `Door`: how many strangers may stand at the door, connections that are not authenticated yet; and how often
//! they may try the secret in clear text.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio_util::sync::CancellationToken;

use crate::Config;
use crate::ration::Ration;

/// The connections of one node that others have opened and that are not authenticated yet. Past a limit a new
/// one displaces the oldest of the address that holds most, so that a flood from one place keeps nobody else out. Of
/// several addresses that hold as many, the one with the oldest connection gives way: a flood from many places then
/// keeps out only those who need longer than as many new connections as there are places.
pub(crate) struct Door {
    guests: Arc<Mutex<Guests>>,
    total: usize,
    per_address: usize,
}

#[derive(Default)]
struct Guests {
    last: u64,
    /// Oldest first.
    waiting: Vec<Guest>,
}

struct Guest {
    key: u64,
    address: Option<IpAddr>,
    displaced: CancellationToken,
}

/// A place at the door, held until it is dropped or the connection is authenticated.
pub(crate) struct Pass {
    guests: Arc<Mutex<Guests>>,
    key: u64,
    /// Cancelled when a newer connection takes the place.
    pub(crate) displaced: CancellationToken,
}

impl Door {
    pub(crate) fn new(config: &Config) -> Self {
        Self {
            guests: Arc::default(),
            total: config.openings.max(1),
            per_address: config.openings_per_address.max(1),
        }
    }

    /// Lets a connection from `address` in.
    pub(super) fn enter(&self, address: Option<IpAddr>) -> Pass {
        let address = address.map(household);
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        let limited = |a: &IpAddr| !a.is_loopback();
        if address.as_ref().is_some_and(limited) && guests.of(address) >= self.per_address {
            guests.displace_oldest_of(address);
        } else if guests.waiting.len() >= self.total {
            // Oldest first, and of equals `min_by_key` takes the first.
            let most = guests
                .waiting
                .iter()
                .map(|guest| guest.address)
                .min_by_key(|a| Reverse(guests.of(*a)));
            guests.displace_oldest_of(most.flatten());
        }
        guests.last += 1;
        let (key, displaced) = (guests.last, CancellationToken::new());
        guests.waiting.push(Guest {
            key,
            address,
            displaced: displaced.clone(),
        });
        Pass {
            guests: self.guests.clone(),
            key,
            displaced,
        }
    }
}

/// Who is counted together: an IPv4 address, or the 64 bits of an IPv6 address that one network is given as a whole.
fn household(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) if !v6.is_loopback() => {
            Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()
        }
        other => other,
    }
}

/// How often `cleartext` may fail: a program on this machine could guess the secret with it. Who knows the secret
/// is not slowed down.
pub(crate) fn cleartext_ration() -> Ration {
    Ration::new(20, Duration::from_millis(100))
}

impl Guests {
    fn of(&self, address: Option<IpAddr>) -> usize {
        self.waiting
            .iter()
            .filter(|guest| guest.address == address)
            .count()
    }

    fn displace_oldest_of(&mut self, address: Option<IpAddr>) {
        if let Some(at) = self
            .waiting
            .iter()
            .position(|guest| guest.address == address)
        {
            self.waiting.remove(at).displaced.cancel();
        }
    }
}

impl Pass {
    /// The peer has proved itself: it is no stranger any more, and is not displaced.
    pub(super) fn proved(&self) {
        let mut guests = self.guests.lock().unwrap_or_else(PoisonError::into_inner);
        guests.waiting.retain(|guest| guest.key != self.key);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.proved();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn door(total: usize, per_address: usize) -> Door {
        Door::new(&Config {
            openings: total,
            openings_per_address: per_address,
            ..Config::default()
        })
    }

    fn enter(door: &Door, address: &str) -> Pass {
        door.enter(Some(address.parse().unwrap()))
    }

    #[test]
    fn a_full_address_displaces_its_own_oldest() {
        let door = door(100, 2);
        let others = enter(&door, "10.0.0.9");
        let passes: Vec<_> = (0..3).map(|_| enter(&door, "10.0.0.1")).collect();
        let displaced: Vec<_> = passes
            .iter()
            .map(|pass| pass.displaced.is_cancelled())
            .collect();
        assert_eq!(displaced, [true, false, false]);
        assert!(!others.displaced.is_cancelled());
    }

    #[test]
    fn a_full_door_displaces_the_oldest_of_who_holds_most() {
        let door = door(3, 16);
        let single = enter(&door, "10.0.0.1");
        let many: Vec<_> = (0..2).map(|_| enter(&door, "10.0.0.2")).collect();
        let new = enter(&door, "10.0.0.3");
        assert!(!single.displaced.is_cancelled() && !new.displaced.is_cancelled());
        assert!(many[0].displaced.is_cancelled() && !many[1].displaced.is_cancelled());
    }

    #[test]
    fn of_strangers_with_one_connection_each_the_oldest_goes_first() {
        let door = door(3, 16);
        let passes: Vec<_> = (0..5)
            .map(|n| enter(&door, &format!("10.0.0.{n}")))
            .collect();
        let displaced: Vec<_> = passes
            .iter()
            .map(|pass| pass.displaced.is_cancelled())
            .collect();
        assert_eq!(displaced, [true, true, false, false, false]);
    }

    #[test]
    fn a_connection_that_has_proved_itself_is_not_displaced() {
        let door = door(2, 1);
        let proved = enter(&door, "10.0.0.1");
        proved.proved();
        let others: Vec<_> = (1..4)
            .map(|n| enter(&door, &format!("10.0.0.{n}")))
            .collect();
        assert!(!proved.displaced.is_cancelled());
        assert!(others[0].displaced.is_cancelled() && !others[2].displaced.is_cancelled());
    }

    #[test]
    fn an_ipv6_network_counts_as_one_address() {
        let door = door(100, 2);
        let passes: Vec<_> = [
            "2001:db8::1",
            "2001:db8::2",
            "2001:db8:0:0:7::",
            "2001:db8:0:1::1",
        ]
        .map(|a| enter(&door, a))
        .into();
        let displaced: Vec<_> = passes
            .iter()
            .map(|pass| pass.displaced.is_cancelled())
            .collect();
        assert_eq!(displaced, [true, false, false, false]);
    }

    #[test]
    fn loopback_is_limited_in_total_only_and_a_leaver_frees_its_place() {
        let door = door(3, 1);
        let mut passes: Vec<_> = (0..3).map(|_| enter(&door, "127.0.0.1")).collect();
        assert!(passes.iter().all(|pass| !pass.displaced.is_cancelled()));
        passes.pop();
        passes.push(enter(&door, "::ffff:127.0.0.1"));
        assert!(passes.iter().all(|pass| !pass.displaced.is_cancelled()));
    }
}
