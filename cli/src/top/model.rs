//! What `top` shows, and what keys do to it. It draws nothing and asks nobody.

use std::collections::{BTreeMap, HashMap};
use std::time::Instant;

use aemp::directory::Change;
use aemp::{NodeId, Text, Value};

use crate::network::{Link, NodeStats};

/// The three lists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum View {
    Links,
    Nodes,
    Families,
}

impl View {
    pub(crate) const ALL: [Self; 3] = [Self::Links, Self::Nodes, Self::Families];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Links => "Links",
            Self::Nodes => "Nodes",
            Self::Families => "Families",
        }
    }
}

/// A link as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct LinkRow {
    pub(crate) peer: String,
    pub(crate) sends: String,
    pub(crate) receives: String,
    /// Messages and bytes in a second; `None` until it has been seen twice.
    pub(crate) sent: Option<[f64; 2]>,
    pub(crate) received: Option<[f64; 2]>,
    pub(crate) queued: u64,
    /// Seconds.
    pub(crate) round_trip: Option<f64>,
    pub(crate) monitors: u64,
    /// The properties of TLS, for other programs; null without it.
    pub(crate) tls: Value,
}

/// By which column links are sorted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sort {
    Peer,
    Sent,
    Received,
    Queued,
    RoundTrip,
}

impl Sort {
    const ALL: [Self; 5] = [
        Self::Peer,
        Self::Sent,
        Self::Received,
        Self::Queued,
        Self::RoundTrip,
    ];

    fn next(self) -> Self {
        let at = Self::ALL.iter().position(|sort| *sort == self).unwrap_or(0);
        Self::ALL[(at + 1) % Self::ALL.len()]
    }

    /// How large a link is by it.
    fn size(self, row: &LinkRow) -> f64 {
        let messages = |rate: Option<[f64; 2]>| rate.map_or(0.0, |[messages, _]| messages);
        match self {
            Self::Peer => 0.0,
            Self::Sent => messages(row.sent),
            Self::Received => messages(row.received),
            Self::Queued => row.queued as f64,
            Self::RoundTrip => row.round_trip.unwrap_or(0.0),
        }
    }
}

/// What a key asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    NextView,
    View(View),
    Up(usize),
    Down(usize),
    First,
    Last,
    Sort,
    /// Look at the selected node.
    Enter,
    /// Look at the node before.
    Back,
    Pause,
}

/// A node of the network, as the directory tells.
#[derive(Debug, Clone, Default)]
pub(crate) struct NodeRow {
    pub(crate) addresses: String,
    pub(crate) is_global: bool,
}

/// What is shown.
#[derive(Debug)]
pub(crate) struct Model {
    /// The node that is looked at, and those before it.
    looked: Vec<NodeId>,
    pub(crate) view: View,
    pub(crate) sort: Sort,
    pub(crate) paused: bool,
    /// The selected row of each view.
    selected: [usize; 3],
    /// How the node does, once it has answered.
    pub(crate) stats: Option<NodeStats>,
    /// What happened in a second: of all shards.
    pub(crate) done: Option<f64>,
    pub(crate) links: Vec<LinkRow>,
    /// Who listens where, and the global nodes.
    families: [BTreeMap<Text, Value>; 2],
    pub(crate) nodes: BTreeMap<String, NodeRow>,
    /// Why the last question got no answer.
    pub(crate) trouble: Option<String>,
    /// When the last answer came.
    last: Option<Instant>,
}

impl Model {
    pub(crate) fn new(node: NodeId) -> Self {
        Self {
            looked: vec![node],
            view: View::Links,
            sort: Sort::Peer,
            paused: false,
            selected: [0; 3],
            stats: None,
            done: None,
            links: Vec::new(),
            families: [BTreeMap::new(), BTreeMap::new()],
            nodes: BTreeMap::new(),
            trouble: None,
            last: None,
        }
    }

    /// The node that is looked at.
    pub(crate) fn node(&self) -> &NodeId {
        // It begins with one, and the last is never taken.
        &self.looked[self.looked.len() - 1]
    }

    /// The selected row of the view.
    pub(crate) fn selected(&self) -> usize {
        self.selected[self.view as usize].min(self.rows().saturating_sub(1))
    }

    /// How many rows the view has.
    pub(crate) fn rows(&self) -> usize {
        match self.view {
            View::Links => self.links.len(),
            View::Nodes => self.nodes.len(),
            View::Families => self.stats.as_ref().map_or(0, |stats| stats.families.len()),
        }
    }

    /// What `node` answered, or why it did not, at that moment. True if there is something new to see.
    pub(crate) fn answered(
        &mut self,
        node: &NodeId,
        answer: Result<NodeStats, String>,
        now: Instant,
    ) -> bool {
        if node != self.node() || self.paused {
            return false;
        }
        match answer {
            Ok(stats) => {
                self.trouble = None;
                let seconds = self.last.map(|last| (now - last).as_secs_f64());
                self.last = Some(now);
                self.compare(&stats, seconds);
                self.stats = Some(stats);
            }
            Err(why) => self.trouble = Some(why),
        }
        true
    }

    fn compare(&mut self, stats: &NodeStats, seconds: Option<f64>) {
        let before = self.stats.iter().flat_map(|before| &before.links);
        let before: HashMap<_, _> = before
            .map(|link| ((&*link.peer, link.generation), link))
            .collect();
        let row = |link: &Link| {
            let earlier = before.get(&(&*link.peer, link.generation));
            let rate = |now: [u64; 2], then: fn(&Link) -> [u64; 2]| {
                let (earlier, seconds) = (earlier?, seconds?);
                Some([0, 1].map(|at| per(now[at], then(earlier)[at], seconds)))
            };
            LinkRow {
                peer: link.peer.clone(),
                sends: link.sends.clone(),
                receives: link.receives.clone(),
                sent: rate(link.sent, |link| link.sent),
                received: rate(link.received, |link| link.received),
                queued: link.queued,
                round_trip: link.round_trip,
                monitors: link.monitors + link.watches,
                tls: link.tls.clone(),
            }
        };
        let rows = stats.links.iter().map(row).collect();
        let done = |stats: &NodeStats| stats.shards.iter().map(|shard| shard.done).sum::<u64>();
        let earlier = self.stats.as_ref().map(done);
        self.done = earlier
            .zip(seconds)
            .map(|(earlier, seconds)| per(done(stats), earlier, seconds));
        self.links = rows;
        self.arrange();
    }

    /// Sorts the links; those of one size by name.
    fn arrange(&mut self) {
        let sort = self.sort;
        self.links.sort_by(|a, b| {
            let by_size = sort.size(b).total_cmp(&sort.size(a));
            by_size.then_with(|| a.peer.cmp(&b.peer))
        });
    }

    /// A change of the family `'l`, who listens where, or of `'g`, the global nodes.
    pub(crate) fn changed(&mut self, change: &Change, globals: bool) {
        change.apply(&mut self.families[usize::from(globals)]);
        let [listens, globals] = &self.families;
        let row = |node: &Text| NodeRow {
            addresses: listens.get(node).map(addresses).unwrap_or_default(),
            is_global: globals.contains_key(node),
        };
        let nodes = listens.keys().chain(globals.keys());
        self.nodes = nodes.map(|node| (node.to_string(), row(node))).collect();
    }

    /// Does what a key asks for. True if another node is looked at from now on.
    pub(crate) fn press(&mut self, key: Key) -> bool {
        let (rows, selected) = (self.rows(), self.selected());
        let mut select = |row: usize| self.selected[self.view as usize] = row;
        match key {
            Key::Up(by) => select(selected.saturating_sub(by)),
            Key::Down(by) => select((selected + by).min(rows.saturating_sub(1))),
            Key::First => select(0),
            Key::Last => select(rows.saturating_sub(1)),
            Key::NextView => self.view = View::ALL[(self.view as usize + 1) % View::ALL.len()],
            Key::View(view) => self.view = view,
            Key::Sort => {
                self.sort = self.sort.next();
                self.arrange();
            }
            Key::Pause => self.paused = !self.paused,
            Key::Enter => {
                let node = match self.view {
                    View::Links => self.links.get(selected).map(|row| &row.peer),
                    View::Nodes => self.nodes.keys().nth(selected),
                    View::Families => None,
                };
                let node = node.and_then(|node| NodeId::new(node).ok());
                if let Some(node) = node.filter(|node| node != self.node()) {
                    self.looked.push(node);
                    self.forget();
                    return true;
                }
            }
            Key::Back => {
                if self.looked.len() > 1 {
                    self.looked.pop();
                    self.forget();
                    return true;
                }
            }
        }
        false
    }

    /// What is known of the node that was looked at before is not known of this one.
    fn forget(&mut self) {
        self.view = View::Links;
        self.paused = false;
        self.selected[View::Links as usize] = 0;
        (self.stats, self.done, self.trouble, self.last) = (None, None, None, None);
        self.links.clear();
    }
}

fn per(now: u64, then: u64, seconds: f64) -> f64 {
    let rate = now.saturating_sub(then) as f64 / seconds.max(0.001);
    // No clock is better than that.
    (rate * 1e3).round() / 1e3
}

fn addresses(value: &Value) -> String {
    let items = value.as_array().unwrap_or_default();
    let texts = items.iter().filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn id(name: &str) -> NodeId {
        NodeId::new(name).unwrap()
    }

    fn link(peer: &str, generation: u64, sent: [u64; 2], queued: u64) -> Link {
        Link {
            peer: peer.into(),
            generation,
            sent,
            queued,
            ..Link::default()
        }
    }

    fn stats(links: Vec<Link>) -> NodeStats {
        NodeStats {
            links,
            ..NodeStats::default()
        }
    }

    fn peers(model: &Model) -> Vec<&str> {
        model.links.iter().map(|row| &*row.peer).collect()
    }

    #[test]
    fn rates_are_of_one_link_and_the_time_between_two_answers() {
        let (mut model, now) = (Model::new(id("seed")), Instant::now());
        let first = vec![link("a", 1, [10, 1000], 0), link("b", 2, [10, 1000], 0)];
        assert!(model.answered(&id("seed"), Ok(stats(first)), now));
        assert_eq!(model.links[0].sent, None);
        // b has connected anew.
        let second = vec![link("a", 1, [30, 1500], 0), link("b", 3, [1, 10], 0)];
        let later = now + Duration::from_secs(2);
        model.answered(&id("seed"), Ok(stats(second)), later);
        assert_eq!(model.links[0].sent, Some([10.0, 250.0]));
        assert_eq!(model.links[1].sent, None);
    }

    #[test]
    fn links_are_sorted_by_the_column_that_a_key_chooses() {
        let (mut model, now) = (Model::new(id("seed")), Instant::now());
        let links = vec![
            link("c", 1, [0, 0], 5),
            link("a", 2, [0, 0], 0),
            link("b", 3, [0, 0], 9),
        ];
        model.answered(&id("seed"), Ok(stats(links)), now);
        assert_eq!(peers(&model), ["a", "b", "c"]);
        while model.sort != Sort::Queued {
            model.press(Key::Sort);
        }
        assert_eq!(peers(&model), ["b", "c", "a"]);
    }

    #[test]
    fn the_selected_node_is_looked_at_and_one_can_go_back() {
        let (mut model, now) = (Model::new(id("seed")), Instant::now());
        let links = vec![link("a", 1, [0, 0], 0), link("b", 2, [0, 0], 0)];
        model.answered(&id("seed"), Ok(stats(links.clone())), now);
        assert!(!model.press(Key::Back) && !model.press(Key::Down(1)));
        assert!(model.press(Key::Enter));
        assert_eq!((model.node(), model.links.len()), (&id("b"), 0));
        // An answer of the one before comes late.
        assert!(!model.answered(&id("seed"), Ok(stats(links)), now));
        assert!(model.press(Key::Back));
        assert_eq!(model.node(), &id("seed"));
    }

    #[test]
    fn a_selection_stays_within_the_rows_there_are() {
        let (mut model, now) = (Model::new(id("seed")), Instant::now());
        let links = (0..5)
            .map(|n| link(&format!("n{n}"), n, [0, 0], 0))
            .collect();
        model.answered(&id("seed"), Ok(stats(links)), now);
        model.press(Key::Last);
        model.press(Key::Down(10));
        assert_eq!(model.selected(), 4);
        model.answered(&id("seed"), Ok(stats(vec![link("n0", 0, [0, 0], 0)])), now);
        assert_eq!(model.selected(), 0);
        model.press(Key::Up(3));
        model.press(Key::View(View::Families));
        assert_eq!((model.rows(), model.selected()), (0, 0));
    }

    #[test]
    fn the_directory_tells_of_nodes() {
        let mut model = Model::new(id("seed"));
        let change = |set: Vec<(&str, Value)>, deleted: Vec<&str>| {
            let mut change = Change::default();
            change.set = set
                .into_iter()
                .map(|(key, value)| (key.into(), value))
                .collect();
            change.deleted = deleted.into_iter().map(Into::into).collect();
            change
        };
        let at = |address: &str| Value::from(vec![Value::from(address)]);
        model.changed(
            &change(vec![("a", at("h:1")), ("b", at("h:2"))], vec![]),
            false,
        );
        model.changed(&change(vec![("a", Value::Null)], vec![]), true);
        assert!(model.nodes["a"].is_global && model.nodes["a"].addresses == "h:1");
        model.changed(&change(vec![], vec!["a"]), true);
        model.changed(&change(vec![], vec!["b"]), false);
        assert!(!model.nodes["a"].is_global && model.nodes.len() == 1);
    }
}
