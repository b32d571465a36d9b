//! Tasks that can be large: replacing or updating the entries of a node, and deleting them.
//!
//! One call of the machine visits at most [`ENTRIES_PER_CALL`] entries, its budget, so that the driver can yield
//! between calls. Tasks of the same node run in order: a request does not overtake an earlier one, and a node that
//! reconnects is served after its old entries are deleted. Nodes with unfinished tasks take turns. Until a task is
//! finished, queries are answered from the entries stored so far.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::ops::Bound::{Excluded, Unbounded};
use std::time::Duration;
use std::vec;

use super::machine::Machine;
use super::name;
use super::output::Level;
use super::rejected::Rejected;
use super::request::{self, Family, Request, Update};
use crate::{NodeId, Text, Value};

/// The budget of one call: about a millisecond of work.
pub(super) const ENTRIES_PER_CALL: usize = 512;

/// Bytes of an entry that cost as much of the budget as an entry does.
const BYTES_PER_ENTRY: usize = 1024;

/// A task for one node.
pub(super) enum Task {
    /// Carry out a request that waited for earlier tasks.
    Request(Request),
    /// Delete all entries of the node.
    Forget,
    /// Treat the node as a global node from now on.
    MarkGlobal,
    /// Update the node's entries in one family.
    Update(Updating),
    /// Replace all entries of the node.
    Replace(Replacing),
}

/// Unfinished tasks.
#[derive(Default)]
pub(super) struct Work {
    /// The tasks of each node, in order. No queue is empty.
    tasks: BTreeMap<NodeId, VecDeque<Task>>,
    /// The node that was served last.
    last_served: Option<NodeId>,
    /// Entries that this call may still visit.
    budget: usize,
    /// Overrides [`ENTRIES_PER_CALL`] in tests.
    #[cfg(any(test, fuzzing))]
    pub(super) entries_per_call: Option<usize>,
    /// Entries visited so far.
    #[cfg(any(test, fuzzing))]
    pub(super) visited: usize,
}

impl Work {
    fn entries_per_call(&self) -> usize {
        #[cfg(any(test, fuzzing))]
        if let Some(entries) = self.entries_per_call {
            return entries;
        }
        ENTRIES_PER_CALL
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

    /// The next node with tasks, round robin.
    fn next(&mut self) -> Option<NodeId> {
        let last = self.last_served.take().map_or(Unbounded, Excluded);
        let mut behind = self.tasks.range((last, Unbounded));
        let next = behind.next().or_else(|| self.tasks.iter().next());
        self.last_served = next.map(|(node, _)| node.clone());
        self.last_served.clone()
    }
}

/// The unfinished part of an update of a family.
pub(super) struct Updating {
    family: Text,
    perl: bool,
    set: vec::IntoIter<(Value, Value)>,
    deleted: vec::IntoIter<Value>,
    rejected: Rejected,
}

/// The unfinished part of a replacement of all entries of a node.
pub(super) struct Replacing {
    /// Whether the node is another global node.
    global: bool,
    perl: bool,
    step: Step,
    /// Families with valid names, with their content.
    families: Vec<Family>,
    /// The keys of `families` that are indexed so far.
    kept: BTreeSet<(Text, Text)>,
    rejected: Rejected,
}

/// The steps of a replacement, in order.
enum Step {
    /// Index the keys of these families; the number is the position in the last one.
    Index(vec::IntoIter<(Value, Value)>, usize),
    /// Delete old entries that are not kept, after this family and key. Deletion comes first to make room under the
    /// limits.
    Delete(Option<(Text, Text)>),
    /// Set the new entries, of this family next.
    Set(Text, vec::IntoIter<(Value, Value)>),
}

/// The state of a task when it returns.
enum Progress {
    Done(Result<(), String>),
    Unfinished(Task),
}

impl Machine {
    /// Whether there are unfinished tasks.
    pub(super) fn has_work(&self) -> bool {
        !self.work.tasks.is_empty()
    }

    /// Whether requests of `node` are not finished.
    pub fn has_pending_requests(&self, node: &NodeId) -> bool {
        self.work.tasks.contains_key(node)
    }

    /// Starts the budget of one call.
    pub(super) fn reset_budget(&mut self) {
        self.work.budget = self.work.entries_per_call();
    }

    /// Charges an entry of `bytes` to the budget.
    pub(super) fn spend(&mut self, bytes: usize) {
        #[cfg(any(test, fuzzing))]
        {
            self.work.visited += 1;
        }
        self.work.budget = self.work.budget.saturating_sub(1 + bytes / BYTES_PER_ENTRY);
    }

    /// Queues a request if its sender has unfinished tasks; returns it otherwise.
    pub(super) fn queue_if_busy(&mut self, from: &NodeId, request: Request) -> Option<Request> {
        if !self.has_pending_requests(from) {
            return Some(request);
        }
        self.work.push_back(from, Task::Request(request));
        None
    }

    /// Queues a task in front of the other tasks of `node`.
    pub(super) fn prepend_task(&mut self, node: &NodeId, task: Task) {
        self.work.push_front(node, task);
    }

    /// Drops the tasks of `node`, and deletes its entries within the budget.
    pub(super) fn forget_node(&mut self, now: Duration, node: &NodeId) {
        self.work.tasks.remove(node);
        self.work.push_back(node, Task::Forget);
        self.run_tasks_of(now, node);
    }

    /// Runs tasks of `node` within the budget. Returns the errors of finished tasks.
    pub(super) fn run_tasks_of(&mut self, now: Duration, node: &NodeId) -> Vec<String> {
        let mut errors = Vec::new();
        while self.work.budget > 0
            && let Some(task) = self.work.pop(node)
        {
            match self.run(now, node, task) {
                Progress::Done(outcome) => errors.extend(outcome.err()),
                Progress::Unfinished(task) => self.work.push_front(node, task),
            }
        }
        errors
    }

    /// Runs tasks within the budget.
    pub(super) fn run_tasks(&mut self, now: Duration) {
        while self.work.budget > 0
            && let Some(node) = self.work.next()
        {
            for why in self.run_tasks_of(now, &node) {
                self.reject(&node, Level::Warn, why);
            }
        }
    }

    fn run(&mut self, now: Duration, node: &NodeId, task: Task) -> Progress {
        match task {
            Task::Request(request) => Progress::Done(self.defer_or_dispatch(now, node, request)),
            Task::Forget => self.forget_entries(now, node),
            Task::MarkGlobal => {
                self.mark_global(now, node);
                Progress::Done(Ok(()))
            }
            Task::Update(updating) => self.continue_update(now, node, updating),
            Task::Replace(replacing) => self.continue_replacement(now, node, replacing),
        }
    }

    fn forget_entries(&mut self, now: Duration, node: &NodeId) -> Progress {
        for (family, key) in self.store.held_after(node, None, self.work.budget) {
            self.spend(0);
            let affected = self.store.delete(node, &family, &key);
            self.queue_change(now, &family, key, affected);
        }
        if self.work.budget == 0 {
            return Progress::Unfinished(Task::Forget);
        }
        self.store.remove_owner(node);
        Progress::Done(Ok(()))
    }

    /// Begins to update the entries that `from` holds.
    pub(super) fn begin_update(&mut self, from: &NodeId, update: Update, perl: bool) {
        let Update {
            family,
            set,
            deleted,
        } = update;
        let (set, deleted) = (set.into_iter(), deleted.into_iter());
        let rejected = Rejected::default();
        let updating = Updating {
            family,
            perl,
            set,
            deleted,
            rejected,
        };
        self.prepend_task(from, Task::Update(updating));
    }

    fn continue_update(
        &mut self,
        now: Duration,
        from: &NodeId,
        mut updating: Updating,
    ) -> Progress {
        let Updating {
            family,
            perl,
            set,
            deleted,
            rejected,
        } = &mut updating;
        while self.work.budget > 0 {
            if let Some((key, value)) = set.next() {
                rejected.accept(self.set_entry(now, from, family, key, value));
            } else if let Some(key) = deleted.next() {
                self.spend(0);
                match rejected.accept(name::key(key, *perl)) {
                    Some(key) if key.len() > self.settings.max_entry() => {
                        rejected.push("a key is too long (directory.entry)");
                    }
                    Some(key) => self.remove_entry(now, from, family, key),
                    None => {}
                }
            } else {
                return Progress::Done(updating.rejected.into_result());
            }
        }
        Progress::Unfinished(Task::Update(updating))
    }

    /// Begins to replace all entries that `from`, another global node or a slave, holds.
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
            rejected: Rejected::default(),
        };
        self.prepend_task(from, Task::Replace(replacing));
    }

    fn continue_replacement(
        &mut self,
        now: Duration,
        from: &NodeId,
        replacing: Replacing,
    ) -> Progress {
        let Replacing {
            global,
            perl,
            mut step,
            mut families,
            mut kept,
            mut rejected,
        } = replacing;
        while self.work.budget > 0 {
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
                        families.extend(rejected.accept(parse_family(family, content, perl)));
                        Step::Index(more, 0)
                    } else {
                        Step::Delete(None)
                    }
                }
                Step::Delete(after) => {
                    let mut last = None;
                    for entry in self
                        .store
                        .held_after(from, after.as_ref(), self.work.budget)
                    {
                        self.spend(0);
                        if !kept.contains(&entry) {
                            let (family, key) = entry.clone();
                            self.remove_entry(now, from, &family, key);
                        }
                        last = Some(entry);
                    }
                    if self.work.budget == 0 {
                        Step::Delete(last)
                    } else {
                        families.reverse();
                        Step::Set(Text::default(), Vec::new().into_iter())
                    }
                }
                Step::Set(family, mut pairs) => {
                    if let Some((key, value)) = pairs.next() {
                        rejected.accept(self.set_entry(now, from, &family, key, value));
                        Step::Set(family, pairs)
                    } else if let Some((family, pairs)) = families.pop() {
                        self.spend(0);
                        Step::Set(family, pairs.into_iter())
                    } else {
                        if global {
                            self.handle_database_done(now, from);
                        }
                        return Progress::Done(rejected.into_result());
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
            rejected,
        };
        Progress::Unfinished(Task::Replace(replacing))
    }
}

/// Checks the name of a family and the form of its content.
fn parse_family(family: Value, content: Value, perl: bool) -> Result<Family, &'static str> {
    let family = name::key(family, perl).ok();
    let family = family.filter(|family| name::is_known_family(family));
    let family = family.ok_or("there is no such family")?;
    let pairs = request::pairs(content).map_err(|_| "the content of a family is no map")?;
    Ok((family, pairs))
}
