//! What holds of the cost model whatever costs come.

use std::time::Duration;

use proptest::prelude::*;

use super::{Grade, Placement, Rules, Verdict};

/// One route that is run again and again where its verdict says.
struct Route {
    rules: Rules,
    verdict: Verdict,
    moves: usize,
    slow_on_loop: usize,
}

impl Route {
    fn unknown(rules: Rules) -> Self {
        Self {
            rules,
            verdict: Verdict::default(),
            moves: 0,
            slow_on_loop: 0,
        }
    }

    fn placement(&self) -> Placement {
        self.verdict.placement(&self.rules)
    }

    fn run(&mut self, cost: Duration) {
        let ran = self.placement();
        if ran == Placement::Loop && self.rules.grade(cost) == Grade::Slow {
            self.slow_on_loop += 1;
        }
        let (next, moved) = self.verdict.observe(cost, ran, &self.rules);
        // An event loop that counts clean runs credits them as well; that must not weaken anything.
        self.verdict = if self.rules.grade(cost) == Grade::Clean {
            next.credit(1)
        } else {
            next
        };
        self.moves += usize::from(moved.is_some_and(|moved| moved.changes_place()));
    }
}

fn budgets(part: f64) -> Duration {
    Rules::default().budget.mul_f64(part)
}

fn any_rules() -> impl Strategy<Value = Rules> {
    prop_oneof![Just(Placement::Lane), Just(Placement::Loop)].prop_map(|unknown| Rules {
        unknown,
        ..Rules::default()
    })
}

fn any_verdict() -> impl Strategy<Value = Verdict> {
    any::<u64>().prop_map(Verdict::from_bits)
}

proptest! {
    #[test]
    fn always_over_the_budget_is_never_on_the_loop_after_its_first_run(
        rules in any_rules(),
        costs in prop::collection::vec(1.001..10_000.0, 1..500),
    ) {
        let mut route = Route::unknown(rules);
        for cost in costs {
            route.run(budgets(cost));
            prop_assert_eq!(route.placement(), Placement::Lane);
        }
    }

    #[test]
    fn an_unknown_route_that_is_always_clean_is_on_the_loop_after_three_runs(
        rules in any_rules(),
        costs in prop::collection::vec(0.0..0.8, 3..200),
    ) {
        let mut route = Route::unknown(rules);
        for (index, cost) in costs.into_iter().enumerate() {
            route.run(budgets(cost));
            if index >= 2 {
                prop_assert_eq!(route.placement(), Placement::Loop);
            }
        }
    }

    #[test]
    fn whatever_was_before_clean_runs_lead_to_the_loop_within_the_stated_number(
        before in prop::collection::vec(0.0..20.0, 0..300),
        cost in 0.0..0.8,
    ) {
        let mut route = Route::unknown(Rules::default());
        for cost in before {
            route.run(budgets(cost));
        }
        let most = route.rules.clean_runs_after(route.verdict.relapses());
        for _ in 0..most {
            route.run(budgets(cost));
        }
        prop_assert_eq!(route.placement(), Placement::Loop);
    }

    #[test]
    fn bits_round_trip(verdict in any_verdict()) {
        prop_assert_eq!(Verdict::from_bits(verdict.to_bits()), verdict);
    }

    #[test]
    fn any_word_and_any_runs_are_survived(
        bits in any::<u64>(),
        nanos in prop::collection::vec((any::<u64>(), any::<bool>(), any::<u32>()), 0..200),
        budget in any::<u64>(),
        clean_runs in any::<std::num::NonZeroU32>(),
        slow_factor in any::<std::num::NonZeroU32>(),
    ) {
        let budget = Duration::from_nanos(budget);
        let rules = Rules { budget, clean_runs, slow_factor, ..Rules::default() };
        let mut verdict = Verdict::from_bits(bits);
        for (cost, on_loop, credit) in nanos {
            let ran = if on_loop { Placement::Loop } else { Placement::Lane };
            let before = verdict.placement(&rules);
            let (next, moved) = verdict.observe(Duration::from_nanos(cost), ran, &rules);
            prop_assert_eq!(Verdict::from_bits(next.to_bits()), next);
            if before != next.placement(&rules) {
                prop_assert!(moved.is_some_and(|m| m.from == before && m.to == next.placement(&rules)));
            }
            verdict = next.credit(credit);
        }
    }
}

// Long runs: fewer of them do.
proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn costs_that_jitter_around_the_budget_cause_few_moves(
        low in 0.5..1.0,
        high in 1.0..2.0,
        jitter in prop::collection::vec(0.0..=1.0, 10_000),
    ) {
        let mut route = Route::unknown(Rules::default());
        for part in jitter {
            route.run(budgets(low + (high - low) * part));
        }
        // To the loop and back again makes two moves and quadruples the way; 8 * 4^6 clean runs exceed 10,000.
        prop_assert!(route.moves <= 14, "{} moves", route.moves);
    }

    #[test]
    fn slow_runs_on_the_loop_are_rare_when_cheap_and_dear_alternate(
        cheap_runs in 1_usize..3_000,
        dear in 8.0..10_000.0,
        rules in any_rules(),
    ) {
        let runs = 50_000;
        let mut route = Route::unknown(rules);
        for run in 1..=runs {
            let dear_one = run % (cheap_runs + 1) == 0;
            route.run(budgets(if dear_one { dear } else { 0.3 }));
        }
        // The k-th slow run on the loop comes after at least 8 * 4^(k - 1) clean ones: log4(50,000 / 8) is below 7.
        prop_assert!(route.slow_on_loop <= 8, "{} slow runs", route.slow_on_loop);
    }

    #[test]
    fn a_client_that_strikes_whenever_the_route_is_on_the_loop_has_few_chances(runs in 1_usize..100_000) {
        let mut route = Route::unknown(Rules::default());
        for _ in 0..runs {
            let on_loop = route.placement() == Placement::Loop;
            route.run(budgets(if on_loop { 500.0 } else { 0.1 }));
        }
        let chances = 2 + (runs / 8).max(1).ilog2() as usize / 2;
        prop_assert!(route.slow_on_loop <= chances, "{} of {}", route.slow_on_loop, chances);
    }
}
