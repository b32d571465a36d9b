//! `News`: who is still to be told of a port's death. A port may be watched by so many that to tell them all at once would
//! hold up everybody else.

use std::collections::VecDeque;

use super::Watcher;
use crate::{PortName, Reason};

/// The watchers of ports that have died and that nobody has told yet, in the order in which the ports died.
#[derive(Default)]
pub(super) struct News(VecDeque<Death>);

struct Death {
    port: PortName,
    reason: Reason,
    watchers: Box<dyn Iterator<Item = Watcher> + Send>,
}

impl News {
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

    /// Who is to be told next, of which port, and why it died.
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
