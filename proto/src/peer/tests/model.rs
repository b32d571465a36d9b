//! The model: the messages sent to each port of the peer, the messages that have arrived, and the monitors. It does not
//! depend on the implementation of the machine.

use std::collections::{BTreeMap, BTreeSet};

use crate::peer::Generation;

pub(super) type Port = u8;

/// A broken rule, and how it was broken.
pub(super) type Broken = String;

#[derive(Default)]
pub(super) struct Model {
    streams: BTreeMap<Port, Stream>,
    monitors: BTreeMap<u64, Monitor>,
    /// Monitors that have fired or were removed.
    over: BTreeSet<u64>,
    /// The connection that is up, according to effects.
    up: Option<Generation>,
    latest: Generation,
    /// The ports that the peer watches for us over the connection of this generation.
    asked: (Generation, BTreeSet<Port>),
}

/// The messages and kills that are sent to one port, numbered from 0.
#[derive(Default)]
struct Stream {
    sent: u64,
    /// The number after the last one that arrived.
    next: u64,
}

struct Monitor {
    port: Port,
    /// The number that must arrive next, while the monitor has not fired.
    next: u64,
}

impl Model {
    /// Sends to `port`. Returns the number of the message.
    pub(super) fn send(&mut self, port: Port) -> u64 {
        let stream = self.streams.entry(port).or_default();
        stream.sent += 1;
        stream.sent - 1
    }

    /// The last message to `port` was refused with an error to its sender.
    pub(super) fn refused(&mut self, port: Port) {
        self.streams.entry(port).or_default().sent -= 1;
    }

    /// A message or kill arrives at `port` of the peer.
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

    /// One of the monitors, if there are any.
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

    /// A connection is lost: all monitors must have fired.
    pub(super) fn all_have_fired(&self) -> Result<(), Broken> {
        match self.monitors.keys().next() {
            None => Ok(()),
            Some(key) => Err(format!("fires in time: monitor {key} has not fired")),
        }
    }

    /// The peer gets a request to watch a port or to stop watching.
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
        // The request to stop may cross the report that the port has died.
        match is_news || !watch {
            true => Ok(()),
            false => Err(format!("asked once: port {port} is to be watched twice")),
        }
    }

    /// A port of the peer has died, which ends its watch. Returns whether the peer reports the death.
    pub(super) fn peer_port_died(&mut self, generation: Generation, port: Port) -> bool {
        self.asked.0 == generation && self.asked.1.remove(&port)
    }

    /// Checks the end of a run: everything that was sent has arrived over the connection of this generation.
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
        // A monitor on the node needs no request.
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
