//! The model: what was sent to each port of the peer, what has arrived, and which monitors are set. It knows nothing of
//! how the machine does it.

use std::collections::{BTreeMap, BTreeSet};

use crate::peer::Generation;

pub(super) type Port = u8;

/// A rule that was broken, and how.
pub(super) type Broken = String;

#[derive(Default)]
pub(super) struct Model {
    streams: BTreeMap<Port, Stream>,
    monitors: BTreeMap<u64, Monitor>,
    /// The monitors that have fired or were ended.
    over: BTreeSet<u64>,
    /// The connection that is up, as effects have said.
    up: Option<Generation>,
    latest: Generation,
    /// Ports of the peer that it watches for us over the connection of this generation.
    asked: (Generation, BTreeSet<Port>),
}

/// What is sent to one port, messages and kills, numbered from 0.
#[derive(Default)]
struct Stream {
    sent: u64,
    /// One more than the number that arrived last.
    next: u64,
}

struct Monitor {
    port: Port,
    /// The number that has to arrive next, while the monitor has not fired.
    next: u64,
}

impl Model {
    /// The number of what is sent to `port` now.
    pub(super) fn send(&mut self, port: Port) -> u64 {
        let stream = self.streams.entry(port).or_default();
        stream.sent += 1;
        stream.sent - 1
    }

    /// What was sent to `port` last was refused, and its sender was told.
    pub(super) fn refused(&mut self, port: Port) {
        self.streams.entry(port).or_default().sent -= 1;
    }

    /// Something arrives at `port` of the peer.
    pub(super) fn arrive(&mut self, port: Port, number: u64) -> Result<(), Broken> {
        let stream = self.streams.entry(port).or_default();
        if number < stream.next {
            return Err(format!(
                "order: {number} arrives at port {port} after {}",
                stream.next - 1
            ));
        }
        stream.next = number + 1;
        for (key, monitor) in &mut self.monitors {
            if monitor.port == port && number >= monitor.next {
                if number > monitor.next {
                    return Err(format!(
                        "no silent holes: {number} arrives at port {port} instead of {}, and monitor {key} has not fired",
                        monitor.next
                    ));
                }
                monitor.next += 1;
            }
        }
        Ok(())
    }

    pub(super) fn monitor(&mut self, key: u64, port: Port) {
        let next = self.streams.entry(port).or_default().sent;
        self.monitors.insert(key, Monitor { port, next });
    }

    pub(super) fn unmonitor(&mut self, key: u64) {
        if self.monitors.remove(&key).is_some() {
            self.over.insert(key);
        }
    }

    /// A monitor fires.
    pub(super) fn fire(&mut self, key: u64, port: Port) -> Result<(), Broken> {
        match self.monitors.remove(&key) {
            Some(monitor) if monitor.port == port => {
                self.over.insert(key);
                Ok(())
            }
            Some(_) => Err(format!("monitor {key} fires for another port")),
            None => Err(format!("once at most: monitor {key} fires and is not set")),
        }
    }

    /// A monitor that is set, if there is one.
    pub(super) fn any_monitor(&self, choice: usize) -> Option<(u64, Port)> {
        let count = self.monitors.len();
        let nth = self.monitors.iter().nth(choice.checked_rem(count)?);
        nth.map(|(key, monitor)| (*key, monitor.port))
    }

    pub(super) fn monitored(&self) -> BTreeSet<Port> {
        self.monitors.values().map(|monitor| monitor.port).collect()
    }

    pub(super) fn comes_up(&mut self, generation: Generation) -> Result<(), Broken> {
        if self.up.is_some() || generation <= self.latest {
            return Err(format!(
                "events alternate: connection {generation} is up after {:?}",
                self.up
            ));
        }
        (self.up, self.latest) = (Some(generation), generation);
        Ok(())
    }

    pub(super) fn goes_down(&mut self, generation: Generation) -> Result<(), Broken> {
        match self.up.take() {
            Some(up) if up == generation => Ok(()),
            up => Err(format!(
                "events alternate: connection {generation} is down after {up:?}"
            )),
        }
    }

    /// A connection is lost for all who send: no monitor stands that was set before.
    pub(super) fn all_have_fired(&self) -> Result<(), Broken> {
        match self.monitors.keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("fires in time: monitor {key} has not fired")),
        }
    }

    /// The peer is asked, over a connection, to watch a port or not to.
    pub(super) fn ask(
        &mut self,
        generation: Generation,
        port: Port,
        watch: bool,
    ) -> Result<(), Broken> {
        if self.asked.0 != generation {
            self.asked = (generation, BTreeSet::new());
        }
        let is_news = match watch {
            true => self.asked.1.insert(port),
            false => self.asked.1.remove(&port),
        };
        // It may be asked not to after its news has crossed the request.
        match is_news || !watch {
            true => Ok(()),
            false => Err(format!("asked once: port {port} is to be watched twice")),
        }
    }

    /// A port of the peer has died: the peer forgets who watches it. Whether it would say so.
    pub(super) fn peer_port_died(&mut self, generation: Generation, port: Port) -> bool {
        self.asked.0 == generation && self.asked.1.remove(&port)
    }

    /// Everything that was sent has arrived, over the connection of this generation.
    pub(super) fn end(&self, generation: Generation) -> Result<(), Broken> {
        for (key, monitor) in &self.monitors {
            let sent = self
                .streams
                .get(&monitor.port)
                .map_or(0, |stream| stream.sent);
            if monitor.next != sent {
                return Err(format!(
                    "no silent holes: port {} got {} of {sent}, and monitor {key} has not fired",
                    monitor.port, monitor.next
                ));
            }
        }
        let mut monitored = self.monitored();
        // The node itself needs no request.
        monitored.remove(&super::driver::NODE);
        let asked = match self.asked.0 == generation {
            true => self.asked.1.clone(),
            false => BTreeSet::new(),
        };
        match asked == monitored {
            true => Ok(()),
            false => Err(format!(
                "the peer watches {asked:?}, and {monitored:?} are monitored"
            )),
        }
    }
}
