//! `MonitorTable`: this node's monitors on the ports of one peer. A state machine without I/O: it says when to ask the
//! peer to watch a port (`mon1`) or to stop (`mon0`), and which monitors fire.

use super::{Keyed, MonitorKey};
use crate::PortName;
use crate::map::HashMap;

/// The monitors on the ports of one peer, each with an action.
///
/// A node sends one `mon1` for a port, however many monitors it has on the port, and `mon0` when the last of them is
/// removed ([protocol.md section 5]).
///
/// [protocol.md section 5]: crate::protocol#5-the-node-port--and-the-node-protocol
#[derive(Debug)]
pub struct MonitorTable<A> {
    ports: HashMap<PortName, Keyed<A>>,
}

impl<A> Default for MonitorTable<A> {
    fn default() -> Self {
        Self {
            ports: HashMap::default(),
        }
    }
}

impl<A> MonitorTable<A> {
    /// Adds a monitor. Returns whether it is the first one on the port, so that the peer must be asked to watch.
    pub fn add(&mut self, port: &PortName, key: MonitorKey, action: A) -> bool {
        let monitors = self.ports.entry(port.clone()).or_default();
        monitors.insert(key, action);
        monitors.len() == 1
    }

    /// Removes a monitor. Returns its action, for the caller to drop, and whether it was the last one on the port, so
    /// that the peer can stop watching. `None` if the monitor has fired.
    pub fn remove(&mut self, port: &PortName, key: MonitorKey) -> Option<(A, bool)> {
        let monitors = self.ports.get_mut(port)?;
        let action = monitors.remove(key)?;
        let last = monitors.is_empty();
        if last {
            self.ports.remove(port);
        }
        Some((action, last))
    }

    /// Removes the monitors on a port that has died, and returns their actions in the order of their keys, which is the
    /// order in which they were set.
    pub fn fire(&mut self, port: &PortName) -> impl Iterator<Item = A> + use<A> {
        let monitors = self.ports.remove(port).unwrap_or_default();
        monitors.into_iter().map(|(_, action)| action)
    }

    /// Removes all monitors, and returns their actions with the ports, in the order of their keys.
    pub fn drain(&mut self) -> Vec<(PortName, A)> {
        let ports = self.ports.drain();
        let mut all: Vec<_> = ports
            .flat_map(|(port, monitors)| {
                monitors
                    .into_iter()
                    .map(move |(key, action)| (key, port.clone(), action))
            })
            .collect();
        all.sort_unstable_by_key(|(key, ..)| *key);
        all.into_iter()
            .map(|(_, port, action)| (port, action))
            .collect()
    }

    /// Whether a port is monitored.
    pub fn contains_port(&self, port: &PortName) -> bool {
        self.ports.contains_key(port)
    }

    /// The number of monitored ports.
    pub fn len(&self) -> usize {
        self.ports.len()
    }

    /// Whether there are no monitors.
    pub fn is_empty(&self) -> bool {
        self.ports.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn very_many_monitors_are_taken_back_in_any_order() {
        // With a linear search for each removal this would take minutes.
        const MANY: u64 = 300_000;
        let port = PortName::from("p");
        let orders: [fn(u64) -> u64; 3] = [|n| n, |n| MANY - 1 - n, |n| n * 7_919 % MANY];
        for order in orders {
            let mut table = MonitorTable::default();
            for key in 0..MANY {
                assert_eq!(table.add(&port, key, ()), key == 0);
            }
            for n in 0..MANY {
                assert_eq!(table.remove(&port, order(n)), Some(((), n == MANY - 1)));
            }
        }
    }

    #[test]
    fn the_peer_is_asked_once_and_told_when_the_last_goes() {
        let mut table = MonitorTable::default();
        let port = PortName::from("p");
        assert!(table.add(&port, 1, 'a'));
        assert!(!table.add(&port, 2, 'b'));
        assert_eq!(table.remove(&port, 1), Some(('a', false)));
        assert_eq!(table.remove(&port, 2), Some(('b', true)));
        assert_eq!(table.remove(&port, 2), None);
        assert!(table.is_empty() && table.drain().is_empty());
    }

    #[test]
    fn a_port_fires_once() {
        let mut table = MonitorTable::default();
        let port = PortName::from("p");
        table.add(&port, 1, 'a');
        table.add(&port, 2, 'b');
        table.add(&"q".into(), 3, 'c');
        assert_eq!(table.fire(&port).collect::<String>(), "ab");
        assert_eq!(table.fire(&port).count(), 0);
        assert_eq!(table.remove(&port, 1), None);
    }

    #[test]
    fn a_lost_connection_fires_all_in_order() {
        let mut table = MonitorTable::default();
        for key in 0..50 {
            table.add(&format!("p{}", key % 7).into(), key, key);
        }
        let drained = table.drain();
        assert!(drained.iter().map(|(_, key)| *key).eq(0..50));
        assert_eq!(drained[8].0.as_str(), "p1");
    }
}
