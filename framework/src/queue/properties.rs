//! What holds for the fair queue whatever is put in and taken out.

use std::collections::{HashMap, HashSet, VecDeque};

use proptest::prelude::*;

use super::FairQueue;
use crate::admission::{Rank, Share, Weight};

fn share(flow: u32, weight: u16, rank: Rank) -> Share {
    Share {
        flow,
        weight: Weight::new(weight).expect("an allowed weight"),
        rank,
    }
}

fn rank() -> impl Strategy<Value = Rank> {
    prop::sample::select(Rank::ALL.to_vec())
}

/// A step of a random life: a job comes, one is taken, or some are swept.
#[derive(Clone, Debug)]
enum Step {
    Push { flow: u32, cost: u64 },
    Pop,
    Sweep { divisor: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6_u32, 0..1_000_000_u64).prop_map(|(flow, cost)| Step::Push { flow, cost }),
        3 => Just(Step::Pop),
        1 => (2..5_u64).prop_map(|divisor| Step::Sweep { divisor }),
    ];
    prop::collection::vec(step, 0..400)
}

proptest! {
    #[test]
    fn nothing_is_lost_doubled_or_out_of_order(
        steps in steps(),
        weights in prop::collection::vec(1..=1000_u16, 6),
        ranks in prop::collection::vec(rank(), 6),
    ) {
        let mut queue = FairQueue::new();
        let mut lines: HashMap<u32, VecDeque<u64>> = HashMap::new();
        let mut number = 0_u64;
        for step in steps {
            match step {
                Step::Push { flow, cost } => {
                    let at = flow as usize;
                    queue.push(share(flow, weights[at], ranks[at]), cost, (flow, number));
                    lines.entry(flow).or_default().push_back(number);
                    number += 1;
                }
                Step::Pop => {
                    let waiting = lines.iter().filter(|(_, line)| !line.is_empty());
                    let highest = waiting.map(|(flow, _)| ranks[*flow as usize]).min();
                    match queue.pop() {
                        Some((flow, number)) => {
                            prop_assert_eq!(Some(ranks[flow as usize]), highest);
                            let line = lines.get_mut(&flow).unwrap();
                            prop_assert_eq!(line.pop_front(), Some(number));
                        }
                        None => prop_assert_eq!(highest, None),
                    }
                }
                Step::Sweep { divisor } => {
                    queue.sweep(|(_, number)| number % divisor == 0);
                    for line in lines.values_mut() {
                        line.retain(|number| number % divisor != 0);
                    }
                }
            }
            prop_assert_eq!(queue.len(), lines.values().map(VecDeque::len).sum::<usize>());
            prop_assert!(queue.flows() <= 6);
        }
        while queue.pop().is_some() {}
        prop_assert!(queue.is_empty());
        prop_assert_eq!(queue.flows(), 0, "an empty queue remembers nobody");
    }

    /// While two flows wait all the time, what they got differs by no more than one largest job of each, per weight.
    #[test]
    fn backlogged_flows_share_the_cost_by_weight(
        costs in prop::collection::vec((1..1_000_000_u64, 1..1_000_000_u64), 200),
        weights in (1..=1000_u16, 1..=1000_u16),
    ) {
        let mut queue = FairQueue::new();
        for &(one, other) in &costs {
            queue.push(share(1, weights.0, Rank::Normal), one, (1, one));
            queue.push(share(2, weights.1, Rank::Normal), other, (2, other));
        }
        let mut left = [costs.len(), costs.len()];
        let mut got = [0.0_f64; 2];
        let per_weight = [1.0 / f64::from(weights.0), 1.0 / f64::from(weights.1)];
        let bound = 1_000_000.0 * (per_weight[0] + per_weight[1]);
        while left[0] > 1 && left[1] > 1 {
            let (flow, cost) = queue.pop().unwrap();
            let at = flow as usize - 1;
            left[at] -= 1;
            got[at] += cost as f64 * per_weight[at];
            prop_assert!((got[0] - got[1]).abs() <= bound, "{got:?}, {bound}");
        }
    }

    /// Whoever comes to a flood of others waits for no more than one job of each.
    #[test]
    fn a_newcomer_waits_for_one_job_of_each_flow(
        flows in 1..8_u32,
        taken in 0..50_usize,
        costs in prop::collection::vec(1..1_000_000_u64, 400),
    ) {
        let mut queue = FairQueue::new();
        for (number, &cost) in costs.iter().enumerate() {
            queue.push(share(number as u32 % flows, 100, Rank::Normal), cost, number as u32 % flows);
        }
        for _ in 0..taken {
            queue.pop();
        }
        queue.push(share(99, 100, Rank::Normal), 1_000_000, 99);
        let mut before = HashSet::new();
        while let Some(flow) = queue.pop() {
            if flow == 99 {
                return Ok(());
            }
            prop_assert!(before.insert(flow), "two jobs of flow {flow} came first");
        }
        prop_assert!(false, "it never came");
    }
}
