//! `Places`: the connections to the endpoint that are open, and which of them gives way to one more.

use std::cmp::Reverse;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::task::{AbortHandle, JoinSet};

/// A connection that is younger gives way only if all of its address are.
const GRACE: Duration = Duration::from_secs(1);

/// A limited number of connections. One more takes the place of one of the address that holds most, so that nobody who holds many
/// keeps out those who hold one.
pub(super) struct Places {
    limit: usize,
    tasks: JoinSet<()>,
    /// In the order in which they came.
    open: Vec<Open>,
}

struct Open {
    from: IpAddr,
    since: Instant,
    is_asked: Asked,
    task: AbortHandle,
}

/// Whether the head of the connection's request is there.
#[derive(Clone, Default)]
pub(super) struct Asked(Arc<AtomicBool>);

impl Asked {
    pub(super) fn set(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn get(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Places {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            limit,
            tasks: JoinSet::new(),
            open: Vec::new(),
        }
    }

    /// Handles a connection from `from`, in a task of its own.
    pub(super) fn add<F>(&mut self, from: IpAddr, handle: impl FnOnce(Asked) -> F)
    where
        F: Future<Output = ()> + Send + 'static,
    {
        while self.tasks.try_join_next().is_some() {}
        self.open.retain(|open| !open.task.is_finished());
        let now = Instant::now();
        if self.open.len() >= self.limit
            && let Some(weakest) = self.weakest(now)
        {
            self.open.remove(weakest).task.abort();
        }
        let is_asked = Asked::default();
        self.open.push(Open {
            from: counted(from),
            since: now,
            task: self.tasks.spawn(handle(is_asked.clone())),
            is_asked,
        });
    }

    /// The index of the connection that gives way: of the address that holds most, or of those that do the one with the oldest
    /// connection, the oldest whose request has not come.
    fn weakest(&self, now: Instant) -> Option<usize> {
        let held = |from: IpAddr| self.open.iter().filter(|open| open.from == from).count();
        let open = self.open.iter();
        // Of equal ones `min_by_key` takes the first.
        let largest = open.min_by_key(|open| Reverse(held(open.from)))?.from;
        let of_largest = self.open.iter().enumerate();
        let of_largest = of_largest.filter(|(_, open)| open.from == largest);
        let weakest = of_largest.min_by_key(|(_, open)| {
            let is_new = now.duration_since(open.since) < GRACE;
            (is_new, open.is_asked.get())
        });
        weakest.map(|(index, _)| index)
    }
}

/// The unit of counting: an IPv4 address, or the /64 prefix of an IPv6 address, which one network owns as a whole.
fn counted(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into(),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: usize = 8;

    fn places(from: &[&str]) -> Places {
        let mut places = Places::new(LIMIT);
        from.iter().for_each(|from| add(&mut places, from));
        places
    }

    fn add(places: &mut Places, from: &str) {
        places.add(from.parse().unwrap(), |_| std::future::pending());
    }

    fn held(places: &Places, from: &str) -> usize {
        let from = counted(from.parse().unwrap());
        places.open.iter().filter(|open| open.from == from).count()
    }

    #[tokio::test]
    async fn who_holds_many_connections_keeps_out_nobody_who_holds_one() {
        let mut places = places(&["10.0.0.1", "2001:db8::1"]);
        for n in 1..100 {
            add(&mut places, "10.0.0.2");
            // Of one network, whatever the rest of the address.
            add(&mut places, &format!("2001:db8:0:1::{n}"));
        }
        assert_eq!(held(&places, "10.0.0.1"), 1);
        assert_eq!(held(&places, "2001:db8::1"), 1);
        assert_eq!(places.open.len(), LIMIT);
        add(&mut places, "::ffff:10.0.0.3");
        assert_eq!(held(&places, "10.0.0.3"), 1);
        // What gave way is ended.
        let ended = async {
            while places.tasks.len() > LIMIT {
                places.tasks.join_next().await;
            }
        };
        let ended = tokio::time::timeout(Duration::from_secs(60), ended).await;
        assert!(ended.is_ok());
    }

    #[tokio::test]
    async fn of_one_address_those_give_way_who_have_had_time_and_asked_nothing() {
        let places = places(&["10.0.0.1"; 4]);
        places.open[0].is_asked.set();
        let begin = places.open[3].since;
        assert_eq!(places.weakest(begin), Some(1));
        assert_eq!(places.weakest(begin + GRACE), Some(1));
        places.open[1].is_asked.set();
        let mut places = places;
        for open in &mut places.open[2..] {
            open.since += GRACE;
        }
        // The two that are new have a little longer.
        assert_eq!(places.weakest(begin + GRACE), Some(0));
        assert_eq!(places.weakest(begin + 3 * GRACE), Some(2));
    }
}
