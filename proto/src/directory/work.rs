//! Work that may be large, done in pieces: taking what a node says that it holds, and forgetting what it held.
//!
//! A call of the machine does at most a [`PIECE`] of it, so that whoever drives the machine lets others have their turn
//! in between. The rest waits, in order for each node: what a node says does not overtake what it said before, and of a
//! node that comes back nothing is taken before all that it held is forgotten. Nodes whose work is not done have a piece
//! each in turn. Meanwhile the store holds what is done so far, and questions are answered from that.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;
use std::vec;

use super::left::Left;
use super::machine::Machine;
use super::name;
use super::output::Level;
use super::request::{self, Family, Request, Update};
use crate::{NodeId, Text, Value};

/// Entries in a piece: about a millisecond.
pub(super) const PIECE: usize = 512;

/// Bytes of an entry that cost as much as an entry does.
const MUCH: usize = 1024;

/// What is to be done for a node.
pub(super) enum Task {
    /// It has asked for this.
    Request(Request),
    /// It no longer holds anything.
    Forget,
    /// It is a global node from now on.
    Meet,
    /// It holds something else of a family now.
    Update(Updating),
    /// It holds this and nothing else.
    Replace(Replacing),
}

/// What is not done yet.
#[derive(Default)]
pub(super) struct Work {
    /// In order. No node is here without a task.
    tasks: BTreeMap<NodeId, VecDeque<Task>>,
    /// Who had the last piece.
    last: Option<NodeId>,
    /// What is left of the piece.
    left: usize,
    /// Tests have smaller pieces.
    #[cfg(test)]
    pub(super) piece: Option<usize>,
    /// Entries that were looked at so far.
    #[cfg(test)]
    pub(super) touched: usize,
}

impl Work {
    fn piece(&self) -> usize {
        #[cfg(test)]
        if let Some(piece) = self.piece {
            return piece;
        }
        PIECE
    }

    fn push_back(&mut self, node: &NodeId, task: Task) {
        self.tasks.entry(node.clone()).or_default().push_back(task);
    }

    fn push_front(&mut self, node: &NodeId, task: Task) {
        self.tasks.entry(node.clone()).or_default().push_front(task);
    }

    fn pop(&mut self, node: &NodeId) -> Option<Task> {
        let tasks = self.tasks.get_mut(node)?;
        let task = tasks.pop_front();
        if tasks.is_empty() {
            self.tasks.remove(node);
        }
        task
    }

    /// The node whose turn it is.
    fn next(&mut self) -> Option<NodeId> {
        let last = self.last.take().map_or(Unbounded, Excluded);
        let mut behind = self.tasks.range((last, Unbounded));
        let next = behind.next().or_else(|| self.tasks.iter().next());
        self.last = next.map(|(node, _)| node.clone());
        self.last.clone()
    }
}

/// An update of a family, or what is left of it.
pub(super) struct Updating {
    family: Text,
    perl: bool,
    set: vec::IntoIter<(Value, Value)>,
    deleted: vec::IntoIter<Value>,
    left: Left,
}

/// What a node holds, or what is left of taking it.
pub(super) struct Replacing {
    /// It is what another global node holds.
    global: bool,
    perl: bool,
    step: Step,
    /// Families whose names are allowed, with what is in them.
    families: Vec<Family>,
    /// The keys in those, as far as they are known.
    kept: BTreeSet<(Text, Text)>,
    left: Left,
}

/// The steps of a replacement.
enum Step {
    /// Look which keys there are, in these families and in what is left of the last.
    Index(vec::IntoIter<(Value, Value)>, usize),
    /// Delete what is held behind this family and key and is not kept, so that there is room for what is new.
    Delete(Option<(Text, Text)>),
    /// Set what is there.
    Set(Text, vec::IntoIter<(Value, Value)>),
}

/// How a task stands after a piece.
enum Stand {
    Done(Result<(), String>),
    Unfinished(Task),
}

impl Machine {
    /// Whether there is work that no call has done yet: [`poll_timeout`](Self::poll_timeout) says that it is time.
    pub(super) fn has_work(&self) -> bool {
        !self.work.tasks.is_empty()
    }

    /// Whether `node` has asked for something that is not done yet.
    pub fn is_behind(&self, node: &NodeId) -> bool {
        self.work.tasks.contains_key(node)
    }

    /// A call may do a piece now.
    pub(super) fn begin_piece(&mut self) {
        self.work.left = self.work.piece();
    }

    /// Counts an entry of `bytes`.
    pub(super) fn spend(&mut self, bytes: usize) {
        #[cfg(test)]
        {
            self.work.touched += 1;
        }
        self.work.left = self.work.left.saturating_sub(1 + bytes / MUCH);
    }

    /// Lets a request wait, if there is work for its sender.
    pub(super) fn queue(&mut self, from: &NodeId, request: Request) -> Option<Request> {
        if !self.is_behind(from) {
            return Some(request);
        }
        self.work.push_back(from, Task::Request(request));
        None
    }

    /// Does this for `node` before all else that it asked for.
    pub(super) fn first(&mut self, node: &NodeId, task: Task) {
        self.work.push_front(node, task);
    }

    /// `node` is gone: drops what it holds, and what it has asked for.
    pub(super) fn forget_all(&mut self, now: Duration, node: &NodeId) {
        self.work.tasks.remove(node);
        self.work.push_back(node, Task::Forget);
        self.work_for(now, node);
    }

    /// Goes on with the work for `node` while the piece lasts. What was the matter with what is done.
    pub(super) fn work_for(&mut self, now: Duration, node: &NodeId) -> Vec<String> {
        let mut errors = Vec::new();
        while self.work.left > 0
            && let Some(task) = self.work.pop(node)
        {
            match self.run(now, node, task) {
                Stand::Done(outcome) => errors.extend(outcome.err()),
                Stand::Unfinished(task) => self.work.push_front(node, task),
            }
        }
        errors
    }

    /// Does a piece of what is not done.
    pub(super) fn work_on(&mut self, now: Duration) {
        while self.work.left > 0
            && let Some(node) = self.work.next()
        {
            for why in self.work_for(now, &node) {
                self.reject(&node, Level::Warn, why);
            }
        }
    }

    fn run(&mut self, now: Duration, node: &NodeId, task: Task) -> Stand {
        match task {
            Task::Request(request) => Stand::Done(self.handle_parsed(now, node, request)),
            Task::Forget => self.forget_more(now, node),
            Task::Meet => {
                self.now_global(now, node);
                Stand::Done(Ok(()))
            }
            Task::Update(updating) => self.update_more(now, node, updating),
            Task::Replace(replacing) => self.replace_more(now, node, replacing),
        }
    }

    fn forget_more(&mut self, now: Duration, node: &NodeId) -> Stand {
        for (family, key) in self.store.held_after(node, None, self.work.left) {
            self.spend(0);
            let told = self.store.delete(node, &family, &key);
            self.tell(now, &family, key, told);
        }
        if self.work.left == 0 {
            return Stand::Unfinished(Task::Forget);
        }
        self.store.remove_owner(node);
        Stand::Done(Ok(()))
    }

    /// Takes what has changed of what `from` holds.
    pub(super) fn begin_update(&mut self, from: &NodeId, update: Update, perl: bool) {
        let Update {
            family,
            set,
            deleted,
        } = update;
        let (set, deleted) = (set.into_iter(), deleted.into_iter());
        let left = Left::default();
        let updating = Updating {
            family,
            perl,
            set,
            deleted,
            left,
        };
        self.first(from, Task::Update(updating));
    }

    fn update_more(&mut self, now: Duration, from: &NodeId, mut updating: Updating) -> Stand {
        let Updating {
            family,
            perl,
            set,
            deleted,
            left,
        } = &mut updating;
        while self.work.left > 0 {
            if let Some((key, value)) = set.next() {
                left.take(self.put(now, from, family, key, value));
            } else if let Some(key) = deleted.next() {
                self.spend(0);
                match left.take(name::key(key, *perl)) {
                    Some(key) if key.len() > self.settings.largest_entry() => {
                        left.add("a key is too long (directory.entry)");
                    }
                    Some(key) => self.take_away(now, from, family, key),
                    None => {}
                }
            } else {
                return Stand::Done(updating.left.outcome());
            }
        }
        Stand::Unfinished(Task::Update(updating))
    }

    /// Takes what `from`, another global node or a slave, holds in the place of what it held.
    pub(super) fn begin_replacement(
        &mut self,
        from: &NodeId,
        families: Vec<(Value, Value)>,
        global: bool,
    ) {
        let replacing = Replacing {
            global,
            perl: self.is_perl(from),
            step: Step::Index(families.into_iter(), 0),
            families: Vec::new(),
            kept: BTreeSet::new(),
            left: Left::default(),
        };
        self.first(from, Task::Replace(replacing));
    }

    fn replace_more(&mut self, now: Duration, from: &NodeId, replacing: Replacing) -> Stand {
        let Replacing {
            global,
            perl,
            mut step,
            mut families,
            mut kept,
            mut left,
        } = replacing;
        while self.work.left > 0 {
            step = match step {
                Step::Index(mut more, at) => {
                    let last = families.last();
                    let entry = last.and_then(|(family, pairs)| Some((family, pairs.get(at)?)));
                    if let Some((family, (key, _))) = entry {
                        self.spend(0);
                        let key = name::key(key.clone(), perl).ok();
                        kept.extend(key.map(|key| (family.clone(), key)));
                        Step::Index(more, at + 1)
                    } else if let Some((family, content)) = more.next() {
                        self.spend(0);
                        families.extend(left.take(well_formed(family, content, perl)));
                        Step::Index(more, 0)
                    } else {
                        Step::Delete(None)
                    }
                }
                Step::Delete(after) => {
                    let mut last = None;
                    for entry in self.store.held_after(from, after.as_ref(), self.work.left) {
                        self.spend(0);
                        if !kept.contains(&entry) {
                            let (family, key) = entry.clone();
                            self.take_away(now, from, &family, key);
                        }
                        last = Some(entry);
                    }
                    if self.work.left == 0 {
                        Step::Delete(last)
                    } else {
                        families.reverse();
                        Step::Set(Text::default(), Vec::new().into_iter())
                    }
                }
                Step::Set(family, mut pairs) => {
                    if let Some((key, value)) = pairs.next() {
                        left.take(self.put(now, from, &family, key, value));
                        Step::Set(family, pairs)
                    } else if let Some((family, pairs)) = families.pop() {
                        self.spend(0);
                        Step::Set(family, pairs.into_iter())
                    } else {
                        if global {
                            self.told_all(now, from);
                        }
                        return Stand::Done(left.outcome());
                    }
                }
            };
        }
        let replacing = Replacing {
            global,
            perl,
            step,
            families,
            kept,
            left,
        };
        Stand::Unfinished(Task::Replace(replacing))
    }
}

/// A family of what a node holds.
fn well_formed(family: Value, content: Value, perl: bool) -> Result<Family, &'static str> {
    let family = name::key(family, perl).ok();
    let family = family.filter(|family| name::is_known_family(family));
    let family = family.ok_or("there is no such family")?;
    let pairs = request::pairs(content).map_err(|_| "the content of a family is no map")?;
    Ok((family, pairs))
}
