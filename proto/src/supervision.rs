//! `Plan`: which child a supervisor starts or stops next. A state machine without ports and without a clock: its user
//! reports events with the time.

use std::collections::VecDeque;
use std::time::Duration;

/// A moment, as the time since a fixed start.
pub type Moment = Duration;

/// Which children are restarted when one dies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// That child.
    OneForOne,
    /// All children.
    OneForAll,
    /// That child and the children after it.
    RestForOne,
}

/// When a child is restarted after its end, in Erlang's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Restart {
    /// Always.
    Permanent,
    /// After an end that is not normal: one with a reason. One that has ended normally is started again with the others when they
    /// are restarted.
    Transient,
    /// Never. It is removed when it has ended, or has been stopped for a restart of others.
    Temporary,
}

/// The restart strategy and restart limits of a supervisor.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Which children are restarted when one dies.
    pub strategy: Strategy,
    /// The number of restarts that are allowed within the period.
    pub max_restarts: usize,
    /// The period in which restarts are counted.
    pub period: Duration,
    /// The pause before the first restart of a child; it doubles with each failure.
    pub min_backoff: Duration,
    /// The longest pause before a restart.
    pub max_backoff: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            strategy: Strategy::OneForOne,
            max_restarts: 5,
            period: Duration::from_secs(10),
            min_backoff: Duration::from_millis(100),
            max_backoff: Duration::from_secs(5),
        }
    }
}

/// The plan of a supervisor. After each event, call [`next`](Self::next) and perform its steps until it returns
/// [`Wait`](Step::Wait), [`Idle`](Step::Idle) or [`Finished`](Step::Finished). Report the end of each started child
/// with [`child_ended`](Self::child_ended).
#[derive(Debug)]
pub struct Plan {
    rules: Rules,
    children: Vec<Child>,
    /// The times of the restarts within the period.
    restarts: VecDeque<Moment>,
    goal: Goal,
}

/// What the supervisor works towards.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Goal {
    /// All children run.
    Alive,
    /// The children from this one on stop, and start again at this moment.
    Restart(usize, Moment),
    /// All children stop, and then the supervisor. The child that exceeded the restart limit, if one did.
    Finish(Option<usize>),
}

impl Goal {
    /// Whether `child` stops for this goal.
    fn stops(self, child: usize) -> bool {
        match self {
            Self::Alive => false,
            Self::Restart(from, _) => child >= from,
            Self::Finish(_) => true,
        }
    }
}

#[derive(Debug, Clone, Copy)]
struct Child {
    restart: Restart,
    /// The child is stopped if it is alive, and then removed.
    leaving: bool,
    state: State,
    started: Moment,
    /// Consecutive ends of the child within a period of its start.
    failures: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// The child starts at this moment.
    Due(Moment),
    Alive,
    /// The child is stopping.
    Stopping,
    /// The child has ended. It starts again with those that stop for the same goal.
    Ended,
    /// The child has ended normally. It starts again only with others.
    Done,
}

/// The next step of a supervisor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Start this child.
    Start(usize),
    /// Stop this child.
    Stop(usize),
    /// Remove this child, which has ended: the numbers of those after it are one less from now on.
    Remove(usize),
    /// Call [`Plan::next`] again at this moment, or after the next event.
    Wait(Moment),
    /// Call [`Plan::next`] again after the next event.
    Idle,
    /// All children have ended, and the supervisor ends. The child that exceeded the restart limit, if one did.
    Finished(Option<usize>),
}

impl Plan {
    /// A plan without children.
    pub fn new(rules: Rules) -> Self {
        Self {
            rules,
            children: Vec::new(),
            restarts: VecDeque::new(),
            goal: Goal::Alive,
        }
    }

    /// Adds a child after the others, which are numbered from 0. It starts at once, or with those that are being restarted.
    pub fn add(&mut self, restart: Restart) {
        self.children.push(Child {
            restart,
            leaving: false,
            state: State::Due(Moment::ZERO),
            started: Moment::ZERO,
            failures: 0,
        });
    }

    /// Stops a child and removes it.
    pub fn remove(&mut self, child: usize) {
        self.children[child].leaving = true;
    }

    /// Stops all children, and then the supervisor.
    pub fn stop(&mut self) {
        if !matches!(self.goal, Goal::Finish(_)) {
            self.goal = Goal::Finish(None);
        }
    }

    /// A started child has ended. `ordinary`: it ended normally.
    pub fn child_ended(&mut self, child: usize, ordinary: bool, now: Moment) {
        let Rules {
            strategy,
            max_restarts,
            period,
            ..
        } = self.rules;
        let ended = &mut self.children[child];
        let was = std::mem::replace(&mut ended.state, State::Ended);
        ended.leaving |= ended.restart == Restart::Temporary;
        if was != State::Alive || ended.leaving || self.goal.stops(child) {
            return;
        }
        if ordinary && ended.restart == Restart::Transient {
            ended.state = State::Done;
            return;
        }
        self.restarts.push_back(now);
        while self
            .restarts
            .front()
            .is_some_and(|then| now.saturating_sub(*then) > period)
        {
            self.restarts.pop_front();
        }
        if self.restarts.len() > max_restarts {
            self.goal = Goal::Finish(Some(child));
            return;
        }
        let due = now.saturating_add(self.next_backoff(child, now));
        let from = match strategy {
            Strategy::OneForOne => {
                self.children[child].state = State::Due(due);
                return;
            }
            Strategy::OneForAll => 0,
            Strategy::RestForOne => child,
        };
        self.goal = match self.goal {
            // A child before those that stop has died as well.
            Goal::Restart(_, other) => Goal::Restart(from, due.max(other)),
            _ => Goal::Restart(from, due),
        };
    }

    /// The pause before the restart of `child`: it doubles with each failure, and starts again after a period without
    /// one.
    fn next_backoff(&mut self, child: usize, now: Moment) -> Duration {
        let Rules {
            period,
            min_backoff,
            max_backoff,
            ..
        } = self.rules;
        let child = &mut self.children[child];
        if now.saturating_sub(child.started) >= period {
            child.failures = 0;
        }
        let doubled = min_backoff.saturating_mul(1 << child.failures.min(30));
        child.failures += 1;
        doubled.min(max_backoff.max(min_backoff))
    }

    /// The next step at `now`. Call it until it returns [`Step::Wait`], [`Step::Idle`] or [`Step::Finished`].
    pub fn next(&mut self, now: Moment) -> Step {
        if !matches!(self.goal, Goal::Finish(_))
            && let Some(step) = self.remove_next()
        {
            return step;
        }
        match self.goal {
            Goal::Alive => self.start_next(now),
            Goal::Restart(from, due) => {
                let stopped = self.stop_next(from);
                stopped.unwrap_or_else(|| {
                    for child in &mut self.children[from..] {
                        if matches!(child.state, State::Ended | State::Done) {
                            child.state = State::Due(due);
                        }
                    }
                    self.goal = Goal::Alive;
                    self.start_next(now)
                })
            }
            Goal::Finish(why) => self.stop_next(0).unwrap_or(Step::Finished(why)),
        }
    }

    /// Stops or removes a child that leaves. It is stopped without regard to the order: the others go on.
    fn remove_next(&mut self) -> Option<Step> {
        let children = &mut self.children;
        let at = children
            .iter()
            .position(|c| c.leaving && c.state != State::Stopping)?;
        if children[at].state == State::Alive {
            children[at].state = State::Stopping;
            return Some(Step::Stop(at));
        }
        children.remove(at);
        if let Goal::Restart(from, _) = &mut self.goal
            && at < *from
        {
            *from -= 1;
        }
        Some(Step::Remove(at))
    }

    fn start_next(&mut self, now: Moment) -> Step {
        let mut wait = Step::Idle;
        for (at, child) in self.children.iter_mut().enumerate() {
            let State::Due(due) = child.state else {
                continue;
            };
            if due <= now {
                child.state = State::Alive;
                child.started = now;
                return Step::Start(at);
            }
            wait = match wait {
                Step::Wait(other) => Step::Wait(due.min(other)),
                _ => Step::Wait(due),
            };
            // One that was added meanwhile does not start before those it may depend on.
            if self.rules.strategy != Strategy::OneForOne {
                break;
            }
        }
        wait
    }

    /// Stops the children from `from` on one at a time, the last one first. Returns `None` when they have ended.
    fn stop_next(&mut self, from: usize) -> Option<Step> {
        let children = &mut self.children[from..];
        if children.iter().any(|c| c.state == State::Stopping) {
            return Some(Step::Idle);
        }
        for child in children.iter_mut() {
            if matches!(child.state, State::Due(_)) {
                child.state = State::Ended;
            }
        }
        let last = children.iter().rposition(|c| c.state == State::Alive)?;
        children[last].state = State::Stopping;
        Some(Step::Stop(from + last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    mod model;

    fn at(millis: u64) -> Moment {
        Duration::from_millis(millis)
    }

    fn plan(strategy: Strategy, children: usize) -> Plan {
        let rules = Rules {
            strategy,
            ..Rules::default()
        };
        let mut plan = Plan::new(rules);
        for child in 0..children {
            plan.add(Restart::Permanent);
            assert_eq!(plan.next(at(0)), Step::Start(child));
        }
        assert_eq!(plan.next(at(0)), Step::Idle);
        plan
    }

    #[test]
    fn one_that_dies_is_started_again_later_each_time() {
        let mut plan = plan(Strategy::OneForOne, 2);
        let (mut now, mut pauses) = (1000, Vec::new());
        for _ in 0..5 {
            plan.child_ended(1, false, at(now));
            let Step::Wait(due) = plan.next(at(now)) else {
                panic!("it waits");
            };
            pauses.push((due - at(now)).as_millis());
            now = due.as_millis() as u64;
            assert_eq!(plan.next(at(now)), Step::Start(1));
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600]);
        // After a whole period without a failure the pause is the shortest again.
        now += 10_001;
        plan.child_ended(1, false, at(now));
        assert_eq!(plan.next(at(now)), Step::Wait(at(now + 100)));
    }

    #[test]
    fn too_many_restarts_stop_all_in_the_reverse_order() {
        let mut plan = plan(Strategy::OneForOne, 3);
        for _ in 0..5 {
            plan.child_ended(1, false, at(0));
            assert!(matches!(plan.next(at(0)), Step::Wait(_)));
            assert_eq!(plan.next(at(5000)), Step::Start(1));
        }
        plan.child_ended(1, false, at(5000));
        assert_eq!(plan.next(at(5000)), Step::Stop(2));
        assert_eq!(plan.next(at(5000)), Step::Idle);
        plan.child_ended(2, false, at(5000));
        assert_eq!(plan.next(at(5000)), Step::Stop(0));
        plan.child_ended(0, false, at(5000));
        assert_eq!(plan.next(at(5000)), Step::Finished(Some(1)));
    }

    #[test]
    fn one_for_all_stops_the_others_and_starts_all() {
        let mut plan = plan(Strategy::OneForAll, 3);
        plan.child_ended(0, false, at(0));
        assert_eq!(plan.next(at(0)), Step::Stop(2));
        assert_eq!(plan.next(at(0)), Step::Idle);
        plan.child_ended(2, true, at(10));
        assert_eq!(plan.next(at(10)), Step::Stop(1));
        plan.child_ended(1, false, at(20));
        assert_eq!(plan.next(at(20)), Step::Wait(at(100)));
        let started: Vec<_> = (0..3).map(|_| plan.next(at(100))).collect();
        assert_eq!(started, [0, 1, 2].map(Step::Start));
        assert_eq!(plan.next(at(100)), Step::Idle);
    }

    #[test]
    fn rest_for_one_leaves_those_before_the_one_that_died() {
        let mut plan = plan(Strategy::RestForOne, 4);
        plan.child_ended(3, false, at(0));
        assert_eq!(plan.next(at(0)), Step::Wait(at(100)));
        assert_eq!(plan.next(at(100)), Step::Start(3));
        plan.child_ended(2, false, at(100));
        assert_eq!(plan.next(at(100)), Step::Stop(3));
        assert_eq!(plan.next(at(100)), Step::Idle);
        // A child before them dies while they stop: it stops and starts with them.
        plan.child_ended(1, false, at(150));
        assert_eq!(plan.next(at(150)), Step::Idle);
        plan.child_ended(3, false, at(160));
        assert_eq!(plan.next(at(160)), Step::Wait(at(250)));
        let started: Vec<_> = (1..4).map(|_| plan.next(at(250))).collect();
        assert_eq!(started, [1, 2, 3].map(Step::Start));
        assert_eq!(plan.next(at(250)), Step::Idle);
        // The longest of their pauses counts: the second one of child 2.
        plan.child_ended(2, false, at(300));
        assert_eq!(plan.next(at(300)), Step::Stop(3));
        plan.child_ended(0, false, at(300));
        assert_eq!(plan.next(at(300)), Step::Idle);
        plan.child_ended(3, false, at(300));
        assert_eq!(plan.next(at(300)), Step::Stop(1));
        plan.child_ended(1, false, at(300));
        assert_eq!(plan.next(at(300)), Step::Wait(at(500)));
    }

    #[test]
    fn a_transient_child_that_ended_normally_starts_only_with_others() {
        let mut plan = plan(Strategy::OneForAll, 1);
        plan.add(Restart::Transient);
        assert_eq!(plan.next(at(0)), Step::Start(1));
        plan.child_ended(1, true, at(1));
        assert_eq!(plan.next(at(1)), Step::Idle);
        plan.child_ended(0, true, at(2));
        assert_eq!(plan.next(at(2)), Step::Wait(at(102)));
        assert_eq!(plan.next(at(102)), Step::Start(0));
        assert_eq!(plan.next(at(102)), Step::Start(1));
        plan.child_ended(1, false, at(103));
        assert_eq!(plan.next(at(103)), Step::Stop(0));
        plan.stop();
        plan.child_ended(0, true, at(104));
        assert_eq!(plan.next(at(104)), Step::Finished(None));
    }

    #[test]
    fn a_temporary_child_is_removed_when_it_has_ended() {
        let mut plan = plan(Strategy::RestForOne, 1);
        for child in 1..4 {
            plan.add(Restart::Temporary);
            assert_eq!(plan.next(at(0)), Step::Start(child));
        }
        plan.child_ended(2, false, at(1));
        assert_eq!(plan.next(at(1)), Step::Remove(2));
        assert_eq!(plan.next(at(1)), Step::Idle);
        plan.child_ended(0, false, at(2));
        assert_eq!(plan.next(at(2)), Step::Stop(2));
        plan.child_ended(2, false, at(3));
        assert_eq!(plan.next(at(3)), Step::Remove(2));
        assert_eq!(plan.next(at(3)), Step::Stop(1));
        plan.child_ended(1, false, at(4));
        assert_eq!(plan.next(at(4)), Step::Remove(1));
        assert_eq!(plan.next(at(4)), Step::Wait(at(102)));
        assert_eq!(plan.next(at(102)), Step::Start(0));
    }
}
