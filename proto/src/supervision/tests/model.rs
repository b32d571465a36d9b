//! Random children, policies, ends and removals: each step beside a plain list of the children.

use proptest::prelude::{Just, any, prop, prop_assert, prop_oneof, proptest};
use proptest::sample::Index;
use proptest::strategy::Strategy as _;

use super::*;

#[derive(Debug, Clone)]
struct Child {
    restart: Restart,
    starts: u32,
    alive: bool,
    stopping: bool,
    /// A transient child that ended normally.
    done: bool,
    removed: bool,
}

struct Model {
    plan: Plan,
    strategy: Strategy,
    now: Moment,
    children: Vec<Child>,
    finished: bool,
}

impl Model {
    fn new(strategy: Strategy, max_restarts: usize) -> Self {
        let rules = Rules {
            strategy,
            max_restarts,
            ..Rules::default()
        };
        Self {
            plan: Plan::new(rules),
            strategy,
            now: Moment::ZERO,
            children: Vec::new(),
            finished: false,
        }
    }

    fn add(&mut self, restart: Restart) {
        self.plan.add(restart);
        self.children.push(Child {
            restart,
            starts: 0,
            alive: false,
            stopping: false,
            done: false,
            removed: false,
        });
    }

    fn end(&mut self, at: usize, ordinary: bool) {
        let child = &mut self.children[at];
        child.done = child.restart == Restart::Transient && ordinary && !child.stopping;
        child.alive = false;
        child.stopping = false;
        self.plan.child_ended(at, ordinary, self.now);
    }

    /// Performs the steps until the plan waits, and returns until when. Children that it stops are still stopping.
    fn steps(&mut self) -> Option<Moment> {
        for _ in 0..1000 {
            match self.plan.next(self.now) {
                Step::Start(at) => {
                    self.may_start(at);
                    let child = &mut self.children[at];
                    child.alive = true;
                    child.done = false;
                    child.starts += 1;
                }
                Step::Stop(at) => {
                    self.may_stop(at);
                    self.children[at].stopping = true;
                }
                Step::Remove(at) => {
                    let child = self.children.remove(at);
                    assert!(!child.alive);
                    assert!(
                        child.removed || child.restart == Restart::Temporary && child.starts > 0
                    );
                }
                Step::Wait(due) => {
                    assert!(due > self.now);
                    return Some(due);
                }
                Step::Idle => return None,
                Step::Finished(why) => {
                    assert!(self.children.iter().all(|c| !c.alive));
                    assert!(why.is_none_or(|at| at < self.children.len()));
                    self.finished = true;
                    return None;
                }
            }
        }
        panic!("no end of the steps");
    }

    fn may_start(&self, at: usize) {
        assert!(!self.children[at].alive && !self.children[at].removed);
        if self.strategy != Strategy::OneForOne {
            let before = self.children[..at].iter();
            assert!(
                before.clone().all(|c| c.alive || c.done),
                "{at} before one it depends on"
            );
            assert!(self.children.iter().all(|c| !c.stopping || c.removed));
        }
    }

    fn may_stop(&self, at: usize) {
        assert!(self.children[at].alive && !self.children[at].stopping);
        if !self.children[at].removed {
            assert!(
                self.children[at + 1..].iter().all(|c| !c.alive),
                "{at} before a later one"
            );
        }
    }

    /// Lets children stop and time pass until nothing changes any more.
    fn settle(&mut self) {
        for _ in 0..1000 {
            let due = self.steps();
            if let Some(at) = self.children.iter().position(|c| c.stopping) {
                self.end(at, false);
            } else if let Some(due) = due {
                self.now = due;
            } else {
                return;
            }
        }
        panic!("it does not settle");
    }

    /// The children as they have to be after the end of one, once all has settled.
    fn after_end(&self, at: usize, ordinary: bool) -> Vec<Child> {
        let mut children = self.children.clone();
        let own = &mut children[at];
        own.alive = false;
        own.done = own.restart == Restart::Transient && ordinary;
        if own.restart == Restart::Permanent || own.restart == Restart::Transient && !ordinary {
            let affected = match self.strategy {
                Strategy::OneForOne => at..at + 1,
                Strategy::OneForAll => 0..children.len(),
                Strategy::RestForOne => at..children.len(),
            };
            for child in &mut children[affected] {
                child.alive = child.restart != Restart::Temporary;
                child.done = false;
                child.starts += u32::from(child.alive);
            }
        }
        children.retain(|c| c.alive || c.done);
        children
    }

    fn assert_is(&self, expected: &[Child]) {
        let of = |children: &[Child]| -> Vec<_> {
            let fields = |c: &Child| (c.restart, c.starts, c.alive, c.done);
            children.iter().map(fields).collect()
        };
        assert_eq!(of(&self.children), of(expected));
    }
}

fn strategies() -> impl proptest::strategy::Strategy<Value = Strategy> {
    prop::sample::select(vec![
        Strategy::OneForOne,
        Strategy::OneForAll,
        Strategy::RestForOne,
    ])
}

fn restarts() -> impl proptest::strategy::Strategy<Value = Restart> {
    prop::sample::select(vec![
        Restart::Permanent,
        Restart::Transient,
        Restart::Temporary,
    ])
}

#[derive(Debug, Clone)]
enum Event {
    Add(Restart),
    End(Index, bool),
    Remove(Index),
    /// Time passes, in milliseconds.
    Pass(u64),
    /// The children that are stopping end.
    Stopped,
}

fn events() -> impl proptest::strategy::Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        2 => restarts().prop_map(Event::Add),
        4 => (any::<Index>(), any::<bool>()).prop_map(|(at, ordinary)| Event::End(at, ordinary)),
        1 => any::<Index>().prop_map(Event::Remove),
        2 => (1..400u64).prop_map(Event::Pass),
        2 => Just(Event::Stopped),
    ];
    prop::collection::vec(event, 1..60)
}

proptest! {
    /// Each event alone: exactly the children are restarted that the strategy and their policies name.
    #[test]
    fn an_end_restarts_those_it_has_to(
        strategy in strategies(),
        first in prop::collection::vec(restarts(), 1..6),
        events in events(),
    ) {
        let mut model = Model::new(strategy, usize::MAX);
        first.into_iter().for_each(|restart| model.add(restart));
        model.settle();
        for event in events {
            let alive: Vec<_> = (0..model.children.len()).filter(|at| model.children[*at].alive).collect();
            let expected = match event {
                Event::Add(restart) => {
                    model.add(restart);
                    let mut expected = model.children.clone();
                    let last = expected.len() - 1;
                    expected[last].starts = 1;
                    expected[last].alive = true;
                    expected
                }
                Event::End(at, ordinary) if !alive.is_empty() => {
                    let at = alive[at.index(alive.len())];
                    let expected = model.after_end(at, ordinary);
                    model.end(at, ordinary);
                    expected
                }
                Event::Remove(at) if !model.children.is_empty() => {
                    let at = at.index(model.children.len());
                    model.children[at].removed = true;
                    model.plan.remove(at);
                    let mut expected = model.children.clone();
                    expected.remove(at);
                    expected
                }
                _ => continue,
            };
            model.settle();
            model.assert_is(&expected);
        }
    }

    /// Events in the middle of restarts: orders and policies hold at each step, and in the end all run that have to.
    #[test]
    fn the_order_holds_whenever_children_end_come_and_go(
        strategy in strategies(),
        limit in prop_oneof![Just(usize::MAX), 0..6usize],
        events in events(),
        stop: bool,
    ) {
        let mut model = Model::new(strategy, limit);
        for event in events {
            match event {
                Event::Add(restart) => model.add(restart),
                Event::End(at, ordinary) => {
                    let alive: Vec<_> = (0..model.children.len()).filter(|at| model.children[*at].alive).collect();
                    if !alive.is_empty() {
                        model.end(alive[at.index(alive.len())], ordinary);
                    }
                }
                Event::Remove(at) if !model.children.is_empty() => {
                    let at = at.index(model.children.len());
                    model.children[at].removed = true;
                    model.plan.remove(at);
                }
                Event::Remove(_) => {}
                Event::Pass(millis) => model.now += Duration::from_millis(millis),
                Event::Stopped => {
                    while let Some(at) = model.children.iter().position(|c| c.stopping) {
                        model.end(at, true);
                    }
                }
            }
            model.steps();
        }
        if stop {
            model.plan.stop();
        }
        model.settle();
        prop_assert!(model.finished || !stop);
        prop_assert!(model.finished || model.children.iter().all(|c| !c.removed && (c.alive || c.done)));
        prop_assert!(!model.finished || stop || limit < usize::MAX);
    }
}
