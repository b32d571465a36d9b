//! Supervision: `Plan`, what a supervisor does next. A state machine that is told what happened and when, and says which child to
//! start or stop; it knows no ports and no clock.

use std::collections::VecDeque;
use std::time::Duration;

/// A moment, as the time since the beginning.
pub type Moment = Duration;

/// When children are started again, and how often.
#[derive(Debug, Clone)]
pub struct Rules {
    /// Whether all children are stopped and started together.
    pub together: bool,
    /// Whether a child that ends in an ordinary way is not started again.
    pub until_done: bool,
    /// How many restarts are allowed within the period.
    pub most: usize,
    /// The period in which restarts are counted.
    pub period: Duration,
    /// The pause before the first restart of a child.
    pub first: Duration,
    /// The longest pause before a restart.
    pub longest: Duration,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            together: false,
            until_done: false,
            most: 5,
            period: Duration::from_secs(10),
            first: Duration::from_millis(100),
            longest: Duration::from_secs(5),
        }
    }
}

/// What a supervisor does next. Its user calls [`next`](Self::next) and does what that says until it is
/// [`Wait`](Step::Wait) or [`Rest`](Step::Rest), and tells the end of each child that was started by
/// [`ended`](Self::ended).
#[derive(Debug)]
pub struct Plan {
    rules: Rules,
    children: Vec<Child>,
    /// The latest restarts within the period.
    restarts: VecDeque<Moment>,
    aim: Aim,
}

/// What the supervisor wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Aim {
    /// All children live.
    Alive,
    /// All are stopped, to be started again at this moment.
    Again(Moment),
    /// All are stopped, and then the supervisor. The child that died too often, if one did.
    Over(Option<usize>),
}

#[derive(Debug, Clone, Copy)]
struct Child {
    state: State,
    started: Moment,
    /// How often in a row it died young.
    deaths: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// To be started at this moment.
    Due(Moment),
    Alive,
    /// Told to stop.
    Stopping,
    /// Ended, for good or until all are started again.
    Ended,
    /// Ended in an ordinary way, for good.
    Done,
}

/// What to do next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Start this child.
    Start(usize),
    /// Stop this child.
    Stop(usize),
    /// Ask again at this moment, unless something happens before.
    Wait(Moment),
    /// Nothing until something happens.
    Rest,
    /// All is over; the child that died too often, if one did.
    Over(Option<usize>),
}

impl Plan {
    /// The plan for `children` children, which are called by their number, from 0 on.
    pub fn new(rules: Rules, children: usize) -> Self {
        let child = Child {
            state: State::Due(Moment::ZERO),
            started: Moment::ZERO,
            deaths: 0,
        };
        Self {
            rules,
            children: vec![child; children],
            restarts: VecDeque::new(),
            aim: Aim::Alive,
        }
    }

    /// The supervisor is to end.
    pub fn stop(&mut self) {
        if !matches!(self.aim, Aim::Over(_)) {
            self.aim = Aim::Over(None);
        }
    }

    /// A child has ended that was started.
    pub fn ended(&mut self, child: usize, ordinary: bool, now: Moment) {
        let Rules {
            together,
            until_done,
            most,
            period,
            ..
        } = self.rules;
        let was = std::mem::replace(&mut self.children[child].state, State::Ended);
        if was != State::Alive || self.aim != Aim::Alive {
            return;
        }
        if ordinary && until_done {
            self.children[child].state = State::Done;
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
        if self.restarts.len() > most {
            self.aim = Aim::Over(Some(child));
            return;
        }
        let due = now.saturating_add(self.pause(child, now));
        if together {
            self.aim = Aim::Again(due);
        } else {
            self.children[child].state = State::Due(due);
        }
    }

    /// How long `child`, which has just died, waits for its restart.
    fn pause(&mut self, child: usize, now: Moment) -> Duration {
        let Rules {
            period,
            first,
            longest,
            ..
        } = self.rules;
        let child = &mut self.children[child];
        if now.saturating_sub(child.started) >= period {
            child.deaths = 0;
        }
        let doubled = first.saturating_mul(1 << child.deaths.min(30));
        child.deaths += 1;
        doubled.min(longest.max(first))
    }

    /// What to do at `now`. To be asked again until it says to wait or to rest.
    pub fn next(&mut self, now: Moment) -> Step {
        match self.aim {
            Aim::Alive => self.start_next(now),
            Aim::Again(due) => {
                let all = self.stop_next();
                all.unwrap_or_else(|| {
                    for child in &mut self.children {
                        if child.state == State::Ended {
                            child.state = State::Due(due);
                        }
                    }
                    self.aim = Aim::Alive;
                    self.start_next(now)
                })
            }
            Aim::Over(why) => self.stop_next().unwrap_or(Step::Over(why)),
        }
    }

    fn start_next(&mut self, now: Moment) -> Step {
        let mut wait = Step::Rest;
        for (at, child) in self.children.iter_mut().enumerate() {
            match (child.state, wait) {
                (State::Due(due), _) if due <= now => {
                    child.state = State::Alive;
                    child.started = now;
                    return Step::Start(at);
                }
                (State::Due(due), Step::Wait(other)) => wait = Step::Wait(due.min(other)),
                (State::Due(due), _) => wait = Step::Wait(due),
                _ => {}
            }
        }
        wait
    }

    /// Stops one child at a time, the last first; `None` when none is left.
    fn stop_next(&mut self) -> Option<Step> {
        if self.children.iter().any(|c| c.state == State::Stopping) {
            return Some(Step::Rest);
        }
        for child in &mut self.children {
            if matches!(child.state, State::Due(_)) {
                child.state = State::Ended;
            }
        }
        let last = self
            .children
            .iter()
            .rposition(|c| c.state == State::Alive)?;
        self.children[last].state = State::Stopping;
        Some(Step::Stop(last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Duration::from_millis(millis)
    }

    fn plan(together: bool, children: usize) -> Plan {
        let rules = Rules {
            together,
            ..Rules::default()
        };
        let mut plan = Plan::new(rules, children);
        for child in 0..children {
            assert_eq!(plan.next(at(0)), Step::Start(child));
        }
        assert_eq!(plan.next(at(0)), Step::Rest);
        plan
    }

    #[test]
    fn one_that_dies_is_started_again_later_each_time() {
        let mut plan = plan(false, 2);
        let (mut now, mut pauses) = (1000, Vec::new());
        for _ in 0..5 {
            plan.ended(1, false, at(now));
            let Step::Wait(due) = plan.next(at(now)) else {
                panic!("it waits");
            };
            pauses.push((due - at(now)).as_millis());
            now = due.as_millis() as u64;
            assert_eq!(plan.next(at(now)), Step::Start(1));
        }
        assert_eq!(pauses, [100, 200, 400, 800, 1600]);
        // It lives for the whole period, and is new again.
        now += 10_001;
        plan.ended(1, false, at(now));
        assert_eq!(plan.next(at(now)), Step::Wait(at(now + 100)));
    }

    #[test]
    fn too_many_restarts_stop_all_in_the_reverse_order() {
        let mut plan = plan(false, 3);
        for _ in 0..5 {
            plan.ended(1, false, at(0));
            assert!(matches!(plan.next(at(0)), Step::Wait(_)));
            assert_eq!(plan.next(at(5000)), Step::Start(1));
        }
        plan.ended(1, false, at(5000));
        assert_eq!(plan.next(at(5000)), Step::Stop(2));
        assert_eq!(plan.next(at(5000)), Step::Rest);
        plan.ended(2, false, at(5000));
        assert_eq!(plan.next(at(5000)), Step::Stop(0));
        plan.ended(0, false, at(5000));
        assert_eq!(plan.next(at(5000)), Step::Over(Some(1)));
    }

    #[test]
    fn all_for_one_stops_the_others_and_starts_all() {
        let mut plan = plan(true, 3);
        plan.ended(0, false, at(0));
        assert_eq!(plan.next(at(0)), Step::Stop(2));
        assert_eq!(plan.next(at(0)), Step::Rest);
        plan.ended(2, true, at(10));
        assert_eq!(plan.next(at(10)), Step::Stop(1));
        plan.ended(1, false, at(20));
        assert_eq!(plan.next(at(20)), Step::Wait(at(100)));
        let started: Vec<_> = (0..3).map(|_| plan.next(at(100))).collect();
        assert_eq!(started, [0, 1, 2].map(Step::Start));
        assert_eq!(plan.next(at(100)), Step::Rest);
    }

    #[test]
    fn one_that_is_done_stays_so() {
        let mut plan = Plan::new(
            Rules {
                until_done: true,
                ..Rules::default()
            },
            1,
        );
        assert_eq!(plan.next(at(0)), Step::Start(0));
        plan.ended(0, true, at(1));
        assert_eq!(plan.next(at(1)), Step::Rest);
        plan.stop();
        assert_eq!(plan.next(at(1)), Step::Over(None));
    }
}
