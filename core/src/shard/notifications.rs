//! `Notifications`: the watchers that have not been notified of a port's death yet. A port may have very many watchers;
//! notifying all of them in one turn would delay all other ports of the shard.

use std::collections::VecDeque;

use super::Watcher;
use crate::{PortName, Reason};

/// The watchers of dead ports that have not been notified yet, in the order in which the ports died.
#[derive(Default)]
pub(super) struct Notifications(VecDeque<Death>);

struct Death {
    port: PortName,
    reason: Reason,
    watchers: Box<dyn Iterator<Item = Watcher> + Send>,
}

impl Notifications {
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(super) fn push(
        &mut self,
        port: &PortName,
        reason: Reason,
        watchers: impl Iterator<Item = Watcher> + Send + 'static,
    ) {
        self.0.push_back(Death {
            port: port.clone(),
            reason,
            watchers: Box::new(watchers),
        });
    }

    /// The next watcher to notify, with the dead port and the reason of its death.
    pub(super) fn next(&mut self) -> Option<(PortName, Watcher, Reason)> {
        loop {
            let death = self.0.front_mut()?;
            if let Some(watcher) = death.watchers.next() {
                return Some((death.port.clone(), watcher, death.reason.clone()));
            }
            self.0.pop_front();
        }
    }
}
