//! What the cost model holds of one route and body size, small enough for one atomic word.

use std::time::Duration;

use super::{Grade, Move, Placement, Policy, Reason, Rules};

/// So many runs in a row within the budget bring an unknown route to the loop.
pub(super) const FIRST_RUNS: u8 = 3;
/// What a run over the budget pours into the leaky bucket of a route on the loop; a clean run drains one.
const SPILL: u8 = 8;
/// At this level the bucket sends its route to the lane: three runs over the budget in a row, or clearly more than
/// one in nine for long.
pub(super) const BRIM: u8 = 24;
/// What a run over the budget, but not slow, takes off the clean runs of a route on the lane. A light route that is
/// disturbed now and then can so earn its way back even where that takes thousands of clean runs.
const SETBACK: u32 = 32;
/// One more relapse would not lengthen the way back.
pub(super) const MOST_RELAPSES: u8 = 10;
/// So many clean runs on the loop take one relapse off.
pub(super) const FADE_AFTER: u32 = 1 << 16;

/// What is known about one route for one class of body sizes: a small state machine.
///
/// The default knows nothing. See [`observe`](Self::observe) for how it changes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct Verdict {
    pub(super) stance: Stance,
    pub(super) relapses: u8,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Stance {
    Unknown { within: u8 },
    Lane { clean: u32 },
    // `fading` is the clean runs since the last relapse faded.
    Loop { level: u8, fading: u32 },
}

impl Default for Stance {
    fn default() -> Self {
        Self::Unknown { within: 0 }
    }
}

const ON_LOOP: Stance = Stance::Loop {
    level: 0,
    fading: 0,
};
const ON_LANE: Stance = Stance::Lane { clean: 0 };

/// How far a route has come on its way to the event loop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Progress {
    /// The clean runs that count so far.
    pub(crate) clean_runs: u32,
    /// The clean runs that it takes.
    pub(crate) needed: u32,
}

impl Verdict {
    /// A verdict that was reached earlier and kept.
    pub(crate) fn kept(placement: Placement, relapses: u8) -> Self {
        Self {
            stance: match placement {
                Placement::Loop => ON_LOOP,
                Placement::Lane => ON_LANE,
            },
            relapses: relapses.min(MOST_RELAPSES),
        }
    }

    /// Where a request runs under this verdict.
    pub(crate) fn placement(self, rules: &Rules) -> Placement {
        match rules.policy {
            Policy::AlwaysLane => Placement::Lane,
            Policy::AlwaysLoop => Placement::Loop,
            Policy::Learned => self.known().unwrap_or(rules.unknown),
        }
    }

    /// Where the route belongs by what was learned, or `None` while it is unknown.
    pub(crate) fn known(self) -> Option<Placement> {
        match self.stance {
            Stance::Unknown { .. } => None,
            Stance::Lane { .. } => Some(Placement::Lane),
            Stance::Loop { .. } => Some(Placement::Loop),
        }
    }

    /// How often the route came back from the loop, less what has faded.
    pub(crate) fn relapses(self) -> u8 {
        self.relapses
    }

    /// How near the route is to the event loop; `None` if it is there.
    pub(crate) fn progress(self, rules: &Rules) -> Option<Progress> {
        match self.stance {
            Stance::Unknown { within } => Some(Progress {
                clean_runs: u32::from(within),
                needed: u32::from(FIRST_RUNS),
            }),
            Stance::Lane { clean } => Some(Progress {
                clean_runs: clean,
                needed: rules.clean_runs_after(self.relapses),
            }),
            Stance::Loop { .. } => None,
        }
    }

    /// Whether a clean run would leave the verdict as it is. [`credit`](Self::credit) is for those runs.
    pub(crate) fn is_settled(self, rules: &Rules) -> bool {
        rules.policy != Policy::Learned || matches!(self.stance, Stance::Loop { level: 0, .. })
    }

    /// Takes one run in, which cost so much and ran there.
    ///
    /// - Unknown: three runs in a row within the budget lead to the loop, the first run over it to the lane.
    /// - On the lane: [`Rules::clean_runs_after`] clean runs lead to the loop. A [`Grade::Slow`] run takes all of them
    ///   back, one merely over the budget takes 32 back, and one at the edge does nothing.
    /// - On the loop: a [`Grade::Slow`] run leads to the lane at once. One merely over the budget pours 8 into a bucket
    ///   that each clean run drains by 1; at 24 the route goes to the lane. Both are relapses.
    ///
    /// A cost is a cost wherever it was measured: stragglers, which began before the last move, count like all others.
    /// Under [`Policy::AlwaysLane`] and [`Policy::AlwaysLoop`] nothing changes.
    pub(crate) fn observe(
        self,
        cost: Duration,
        ran: Placement,
        rules: &Rules,
    ) -> (Self, Option<Move>) {
        if rules.policy != Policy::Learned {
            return (self, None);
        }
        match self.stance {
            Stance::Unknown { within } => self.first_runs(within, cost, rules),
            Stance::Lane { clean } => self.on_lane(clean, cost, rules),
            Stance::Loop { level, fading } => self.on_loop(level, fading, cost, ran, rules),
        }
    }

    /// Credits a route on the loop with clean runs that were only counted: 65,536 of them take one relapse off.
    pub(crate) fn credit(self, clean_runs: u32) -> Self {
        let Stance::Loop { level, fading } = self.stance else {
            return self;
        };
        if self.relapses == 0 {
            return self;
        }
        let fading = fading.saturating_add(clean_runs);
        let (fading, relapses) = if fading >= FADE_AFTER {
            (0, self.relapses - 1)
        } else {
            (fading, self.relapses)
        };
        Self {
            stance: Stance::Loop { level, fading },
            relapses,
        }
    }

    fn first_runs(self, within: u8, cost: Duration, rules: &Rules) -> (Self, Option<Move>) {
        let within = within + 1;
        let (to, reason) = match rules.grade(cost) {
            Grade::Over | Grade::Slow => (Placement::Lane, Reason::OverBudget { cost }),
            Grade::Clean | Grade::Edge if within >= FIRST_RUNS => {
                let runs = u32::from(within);
                (Placement::Loop, Reason::WithinBudget { runs })
            }
            Grade::Clean | Grade::Edge => return (self.with(Stance::Unknown { within }), None),
        };
        let from = rules.unknown;
        let verdict = Self::kept(to, self.relapses);
        (verdict, Some(Move { from, to, reason }))
    }

    fn on_lane(self, clean: u32, cost: Duration, rules: &Rules) -> (Self, Option<Move>) {
        let clean = match rules.grade(cost) {
            Grade::Clean => clean + 1,
            Grade::Edge => clean,
            Grade::Over => clean.saturating_sub(SETBACK),
            Grade::Slow => 0,
        };
        if clean < rules.clean_runs_after(self.relapses) {
            return (self.with(Stance::Lane { clean }), None);
        }
        let reason = Reason::CleanRuns { runs: clean };
        let (from, to) = (Placement::Lane, Placement::Loop);
        (self.with(ON_LOOP), Some(Move { from, to, reason }))
    }

    fn on_loop(
        self,
        level: u8,
        fading: u32,
        cost: Duration,
        ran: Placement,
        rules: &Rules,
    ) -> (Self, Option<Move>) {
        let level = match rules.grade(cost) {
            Grade::Clean => level.saturating_sub(1),
            Grade::Edge => level,
            Grade::Over if level + SPILL < BRIM => level + SPILL,
            Grade::Over => return self.relapse(Reason::RepeatedlyOverBudget { cost }),
            Grade::Slow if ran == Placement::Loop => return self.relapse(Reason::SlowRun { cost }),
            Grade::Slow => return self.relapse(Reason::SlowLaneRun { cost }),
        };
        (self.with(Stance::Loop { level, fading }), None)
    }

    fn relapse(self, reason: Reason) -> (Self, Option<Move>) {
        let (from, to) = (Placement::Loop, Placement::Lane);
        let verdict = Self::kept(to, self.relapses + 1);
        (verdict, Some(Move { from, to, reason }))
    }

    fn with(self, stance: Stance) -> Self {
        Self { stance, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RULES: fn() -> Rules = Rules::default;

    fn micros(micros: u64) -> Duration {
        Duration::from_micros(micros)
    }

    /// Feeds runs and returns where they led and the moves on the way.
    fn feed(mut verdict: Verdict, costs: impl IntoIterator<Item = u64>) -> (Verdict, Vec<Move>) {
        let rules = RULES();
        let mut moves = Vec::new();
        for cost in costs {
            let ran = verdict.placement(&rules);
            let (next, moved) = verdict.observe(micros(cost), ran, &rules);
            assert_eq!(
                moved.map(|moved| moved.to),
                moved.map(|_| next.placement(&rules))
            );
            verdict = next;
            moves.extend(moved);
        }
        (verdict, moves)
    }

    #[test]
    fn an_unknown_route_is_judged_by_its_first_runs() {
        let (verdict, moves) = feed(Verdict::default(), [90, 10]);
        assert_eq!((verdict.known(), moves.len()), (None, 0));
        let (light, moves) = feed(verdict, [95]);
        assert_eq!(light.known(), Some(Placement::Loop));
        assert_eq!(moves[0].reason, Reason::WithinBudget { runs: 3 });
        assert!(moves[0].changes_place());

        let (heavy, moves) = feed(verdict, [101]);
        assert_eq!(heavy.known(), Some(Placement::Lane));
        assert_eq!(moves[0].reason, Reason::OverBudget { cost: micros(101) });
        assert!(!moves[0].changes_place(), "it ran on the lane anyway");
    }

    #[test]
    fn one_slow_run_sends_a_route_back_and_makes_the_way_longer() {
        let on_loop = Verdict::kept(Placement::Loop, 0);
        let (lane, moves) = feed(on_loop, [800]);
        assert_eq!(moves[0].reason, Reason::SlowRun { cost: micros(800) });
        let needed = |verdict: Verdict| verdict.progress(&RULES()).unwrap().needed;
        assert_eq!(needed(lane), 32);

        let (still, moves) = feed(lane, std::iter::repeat_n(10, 31));
        assert_eq!((still.known(), moves.len()), (Some(Placement::Lane), 0));
        let (back, moves) = feed(still, [10]);
        assert_eq!(moves[0].reason, Reason::CleanRuns { runs: 32 });
        assert_eq!(needed(feed(back, [5_000]).0), 128);
    }

    #[test]
    fn a_straggler_counts_wherever_it_ran() {
        let rules = RULES();
        let on_loop = Verdict::kept(Placement::Loop, 0);
        let (lane, moved) = on_loop.observe(micros(900), Placement::Lane, &rules);
        assert_eq!(
            moved.unwrap().reason.to_string(),
            "slow run of 900.0\u{b5}s on a lane"
        );
        // A second slow run that had begun on another loop is no second relapse.
        let (same, moved) = lane.observe(micros(900), Placement::Loop, &rules);
        assert_eq!((same, moved), (lane, None));
    }

    #[test]
    fn a_light_route_may_stumble_now_and_then() {
        let stumbling = (0..100_000).map(|run| if run % 20 == 0 { 150 } else { 30 });
        let (verdict, moves) = feed(Verdict::kept(Placement::Loop, 0), stumbling);
        assert_eq!(
            (verdict.known(), moves.len()),
            (Some(Placement::Loop), 0),
            "one in twenty is forgiven"
        );
    }

    #[test]
    fn a_route_that_is_often_over_budget_goes_within_a_handful_of_runs() {
        let (_, moves) = feed(Verdict::kept(Placement::Loop, 0), [150, 150, 150]);
        assert_eq!(
            moves[0].reason,
            Reason::RepeatedlyOverBudget { cost: micros(150) }
        );
        let every_fourth = (0..40).map(|run| if run % 4 == 0 { 150 } else { 30 });
        let (verdict, _) = feed(Verdict::kept(Placement::Loop, 0), every_fourth);
        assert_eq!(verdict.known(), Some(Placement::Lane));
    }

    #[test]
    fn the_edge_of_the_budget_proves_nothing() {
        for placement in [Placement::Loop, Placement::Lane] {
            let (_, moves) = feed(Verdict::kept(placement, 0), std::iter::repeat_n(95, 10_000));
            assert_eq!(moves, [], "{placement}");
        }
    }

    #[test]
    fn disturbances_do_not_keep_a_light_route_on_the_lane_for_ever() {
        // After six relapses it takes 32,768 clean runs, never met in a row when one in 500 is disturbed.
        let disturbed = (1..50_000).map(|run| if run % 500 == 0 { 150 } else { 30 });
        let (verdict, _) = feed(Verdict::kept(Placement::Lane, 6), disturbed);
        assert_eq!(verdict.known(), Some(Placement::Loop));
    }

    #[test]
    fn relapses_fade_on_the_loop_and_only_there() {
        let mut verdict = Verdict::kept(Placement::Loop, 2);
        for _ in 0..FADE_AFTER / 16 {
            assert_eq!(verdict.relapses(), 2);
            verdict = verdict.credit(16);
        }
        assert_eq!(verdict.relapses(), 1);
        assert_eq!(verdict.credit(u32::MAX).relapses(), 0);
        let clean = Verdict::kept(Placement::Loop, 0);
        assert_eq!(clean.credit(u32::MAX), clean);
        let lane = Verdict::kept(Placement::Lane, 2);
        assert_eq!(lane.credit(u32::MAX), lane);
    }

    #[test]
    fn a_clean_run_on_the_loop_changes_nothing() {
        let rules = RULES();
        let verdict = Verdict::kept(Placement::Loop, 3).credit(100);
        assert!(verdict.is_settled(&rules));
        let (same, moved) = verdict.observe(micros(80), Placement::Loop, &rules);
        assert_eq!((same, moved), (verdict, None));
        let (stumbled, _) = verdict.observe(micros(101), Placement::Loop, &rules);
        assert!(!stumbled.is_settled(&rules));
    }

    #[test]
    fn fixed_policies_neither_ask_nor_learn() {
        for (policy, placement) in [
            (Policy::AlwaysLane, Placement::Lane),
            (Policy::AlwaysLoop, Placement::Loop),
        ] {
            let rules = Rules { policy, ..RULES() };
            let verdict = Verdict::kept(Placement::Loop, 0);
            assert_eq!(verdict.placement(&rules), placement);
            let (same, moved) = verdict.observe(Duration::MAX, Placement::Loop, &rules);
            assert_eq!((same, moved), (verdict, None));
        }
    }
}
