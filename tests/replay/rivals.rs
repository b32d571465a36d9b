//! Connections between two nodes that are connected already or are about to be, of which ours lets one live.

use std::time::Duration;

use crate::replay::Replay;
use crate::rules::Rule;
use crate::script::is_probe;

/// Connections whose end our node decides otherwise than the recorded one did: session, side, connection.
const OTHERWISE: [(&str, &str, u64, Rule); 9] = [
    ("s09a-duplicate", "nodeB", 2, Rule::Duplicate),
    ("s09a-duplicate", "nodeB", 3, Rule::Duplicate),
    ("s09a-duplicate", "nodeB", 4, Rule::Stays),
    ("s09d-mutual-seeds", "nodeB", 3, Rule::Duplicate),
    // Of the pairs 1 and 2, 3 and 4.
    ("s09e-simultaneous-latency", "nodeA", 1, Rule::Rivals),
    ("s09e-simultaneous-latency", "nodeA", 3, Rule::Rivals),
    ("s09e-simultaneous-latency", "nodeB", 2, Rule::Rivals),
    ("s09e-simultaneous-latency", "nodeB", 4, Rule::Rivals),
    ("s09e-simultaneous-latency", "nodeB", 6, Rule::Duplicate),
];

impl Replay<'_> {
    /// The rule under which connection `number` fares otherwise than recorded.
    pub(crate) fn otherwise(&self, number: u64) -> Option<Rule> {
        let listed = OTHERWISE.iter().find(|(session, side, connection, _)| {
            *session == self.session.name && *side == self.side && *connection == number
        });
        listed.map(|(.., rule)| *rule)
    }

    /// Whether our node does not let connection `number` come up, where the recorded node went further.
    pub(crate) fn is_refused(&self, number: u64) -> bool {
        self.otherwise(number)
            .is_some_and(|rule| rule != Rule::Stays)
    }

    /// Answers our node where it asks for a sign of life on a connection that is up.
    pub(crate) async fn answer_probes(&mut self) {
        let moment = Duration::from_millis(1);
        let numbers: Vec<_> = self.links.keys().copied().collect();
        for number in numbers {
            let link = self.link(number);
            if !link.our_auth || !link.their_auth || link.they_closed || link.finished {
                continue;
            }
            let next = tokio::time::timeout(moment, link.script.message()).await;
            let Ok(Some(message)) = next else { continue };
            if is_probe(&message) {
                let answer: &[u8] = match &*link.their_framing {
                    "json" => br#"["",""]"#,
                    _ => b"\x82\x60\x60",
                };
                link.script.send(answer).await;
                self.tally.apply(Rule::Probe);
            } else {
                link.early.push(message);
            }
        }
    }
}
