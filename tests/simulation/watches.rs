//! The monitors of a schedule that tell the model when they fire: once, not after their guard was dropped, and in the
//! end if their port is gone.

use std::collections::BTreeSet;

use aemp::PortId;

use crate::model::Process;
use crate::network::Number;

/// A monitor, numbered as they are set.
pub(crate) type WatchId = usize;

/// What tells that a monitor has fired.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Told {
    /// A callback of the program's own.
    Program,
    /// A callback that the port has set for itself, and that ends with it.
    Callback(PortId),
    /// A message to the port, whose monitor lives on without it.
    Message(PortId),
    /// The death of the port, which was linked.
    Death(PortId),
}

pub(crate) struct Watch {
    pub(crate) by: Process,
    pub(crate) on: PortId,
    pub(crate) told: Told,
    pub(crate) at: Moment,
    fired: bool,
    dropped: bool,
}

/// When a monitor was set.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Moment {
    /// How many messages had gone out on any connection.
    pub(crate) order: u64,
    /// The connection to the port's node that was up.
    pub(crate) number: Option<Number>,
}

/// A rule of docs/guarantee.md that was broken, and how.
type Broken = (&'static str, String);

#[derive(Default)]
pub(crate) struct Watches(Vec<Watch>);

impl Watches {
    pub(crate) fn set(&mut self, by: Process, on: &PortId, told: Told, at: Moment) -> WatchId {
        self.0.push(Watch {
            by,
            on: on.clone(),
            told,
            at,
            fired: false,
            dropped: false,
        });
        self.0.len() - 1
    }

    pub(crate) fn fires(&mut self, id: WatchId) -> Result<(), Broken> {
        let Some(watch) = self.0.get_mut(id) else {
            return Err(("fires-once", format!("monitor {id} was never set")));
        };
        let on = &watch.on;
        if watch.dropped {
            let how = format!("monitor {id} on {on} fires after its guard was dropped");
            return Err(("never-after-drop", how));
        }
        if std::mem::replace(&mut watch.fired, true) {
            return Err(("fires-once", format!("monitor {id} on {on} fires again")));
        }
        Ok(())
    }

    /// The guard is dropped.
    pub(crate) fn drops(&mut self, id: WatchId) {
        if let Some(watch) = self.0.get_mut(id) {
            watch.dropped = true;
        }
    }

    /// A port has died: what it had set for itself has ended, and those linked to it need not tell any more.
    pub(crate) fn port_died(&mut self, port: &PortId) {
        for watch in &mut self.0 {
            match &watch.told {
                Told::Callback(owner) if owner == port => watch.dropped = true,
                Told::Death(linked) if linked == port => watch.fired = true,
                _ => {}
            }
        }
    }

    /// Whether `port` was ever to die with another.
    pub(crate) fn are_linked(&self, port: &PortId) -> bool {
        let linked = Told::Death(port.clone());
        self.0.iter().any(|watch| watch.told == linked)
    }

    pub(crate) fn has_fired(&self, id: WatchId) -> bool {
        self.0.get(id).is_some_and(|watch| watch.fired)
    }

    /// Those that port `at` must have been told of when it gets a message.
    pub(crate) fn waiting_at<'w>(
        &'w self,
        at: &'w PortId,
    ) -> impl Iterator<Item = (WatchId, &'w Watch)> {
        self.0.iter().enumerate().filter(move |(_, watch)| {
            let told_here = match &watch.told {
                Told::Callback(port) | Told::Message(port) => port == at,
                // Runs on any shard; or kills the port, which then gets nothing more to look at.
                Told::Program | Told::Death(_) => false,
            };
            told_here && !watch.fired && !watch.dropped
        })
    }

    /// Those of living processes that have not fired although their port is gone. Who can still be told, `hears` knows.
    pub(crate) fn missing(
        &self,
        living: &BTreeSet<Process>,
        is_gone: impl Fn(&PortId) -> bool,
        hears: impl Fn(&PortId) -> bool,
    ) -> Vec<Broken> {
        let mut missing = Vec::new();
        for (id, watch) in self.0.iter().enumerate() {
            let can_hear = match &watch.told {
                Told::Program => true,
                Told::Callback(port) | Told::Message(port) | Told::Death(port) => hears(port),
            };
            let open = !watch.fired && !watch.dropped && living.contains(&watch.by);
            if open && can_hear && is_gone(&watch.on) {
                let (on, told) = (&watch.on, &watch.told);
                let how = format!("{on} is gone, and monitor {id} ({told:?}) has not fired");
                missing.push(("death-fires", how));
            }
        }
        missing
    }

    /// How many may stand on port `on`. A link stands although its own port is dead.
    pub(crate) fn standing(&self, on: &PortId) -> usize {
        let stands = |watch: &&Watch| match watch.told {
            Told::Death(_) => true,
            _ => !watch.fired && !watch.dropped,
        };
        let on = self.0.iter().filter(|watch| watch.on == *on);
        on.filter(stands).count()
    }

    /// The ports that process `by` still monitors, each with whether that is certain: who is dead is not told.
    pub(crate) fn open(
        &self,
        by: Process,
        hears: impl Fn(&PortId) -> bool,
    ) -> impl Iterator<Item = (&PortId, bool)> {
        let of = self.0.iter().filter(move |watch| watch.by == by);
        of.filter_map(move |watch| match &watch.told {
            Told::Message(port) | Told::Death(port) if !hears(port) => Some((&watch.on, false)),
            _ => (!watch.fired && !watch.dropped).then_some((&watch.on, true)),
        })
    }
}
