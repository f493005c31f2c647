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

/// The next job, without its receipt.
fn next<T>(queue: &mut FairQueue<T>) -> Option<T> {
    queue.pop().map(|(job, _)| job)
}

#[test]
fn a_flood_does_not_hold_up_the_first_job_of_another_flow() {
    let (flood, small) = (share(0, 100, Rank::Normal), share(1, 100, Rank::Normal));
    let mut queue = FairQueue::new();
    for _ in 0..100 {
        queue.push(flood, 5_000_000, "flood");
    }
    queue.push(small, 5_000_000, "small");
    assert_eq!(next(&mut queue), Some("flood"));
    assert_eq!(next(&mut queue), Some("small"));
}

/// A flow that uses half of its share, in bursts of four jobs.
#[test]
fn a_burst_of_a_flow_below_its_share_is_served_at_once() {
    const COST: u64 = 10_000_000;
    let (flood, modest) = (share(0, 100, Rank::Normal), share(1, 100, Rank::Normal));
    let mut queue = FairQueue::new();
    for _ in 0..200 {
        queue.push(flood, COST, 'f');
    }
    for _ in 0..12 {
        next(&mut queue);
    }
    for _ in 0..4 {
        for _ in 0..4 {
            queue.push(modest, COST, 'm');
        }
        let burst: String = (0..4).filter_map(|_| next(&mut queue)).collect();
        assert_eq!(burst, "mmmm");
        let rest: String = (0..12).filter_map(|_| next(&mut queue)).collect();
        assert_eq!(rest, "f".repeat(12));
    }
    // Beyond its share it waits as the others do, after what it had in hand.
    for _ in 0..40 {
        queue.push(modest, COST, 'm');
    }
    let order: String = (0..24).filter_map(|_| next(&mut queue)).collect();
    let count = order.matches('m').count();
    assert!((12..=15).contains(&count), "{order}");
}

/// A step of a random life: a job comes, one is taken, one that was taken has cost something, or some are swept.
#[derive(Clone, Debug)]
enum Step {
    Push { flow: u32, cost: u64 },
    Pop,
    Charge { actual: u64 },
    Sweep { divisor: u64 },
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        4 => (0..6_u32, 0..1_000_000_u64).prop_map(|(flow, cost)| Step::Push { flow, cost }),
        3 => Just(Step::Pop),
        2 => (0..10_000_000_u64).prop_map(|actual| Step::Charge { actual }),
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
        let mut receipts = VecDeque::new();
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
                        Some(((flow, number), receipt)) => {
                            receipts.push_back(receipt);
                            prop_assert_eq!(Some(ranks[flow as usize]), highest);
                            let line = lines.get_mut(&flow).unwrap();
                            prop_assert_eq!(line.pop_front(), Some(number));
                        }
                        None => prop_assert_eq!(highest, None),
                    }
                }
                Step::Charge { actual } => {
                    if let Some(receipt) = receipts.pop_front() {
                        queue.charge(receipt, actual);
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
        while next(&mut queue).is_some() {}
        for receipt in receipts {
            queue.charge(receipt, 1_000_000);
        }
        prop_assert!(queue.len() == 0);
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
            let (flow, cost) = next(&mut queue).unwrap();
            let at = flow as usize - 1;
            left[at] -= 1;
            got[at] += cost as f64 * per_weight[at];
            prop_assert!((got[0] - got[1]).abs() <= bound, "{got:?}, {bound}");
        }
    }

    /// The same for what jobs really cost, if that is charged, however wrong the predictions were.
    #[test]
    fn charged_flows_share_the_real_cost_by_weight(
        costs in prop::collection::vec((1..1_000_000_u64, 1..1_000_000_u64), 200),
        weights in (1..=1000_u16, 1..=1000_u16),
        predicted in (1..1_000_000_u64, 1..1_000_000_u64),
    ) {
        let mut queue = FairQueue::new();
        for &(one, other) in &costs {
            queue.push(share(1, weights.0, Rank::Normal), predicted.0, (1, one));
            queue.push(share(2, weights.1, Rank::Normal), predicted.1, (2, other));
        }
        let mut left = [costs.len(), costs.len()];
        let mut got = [0.0_f64; 2];
        let per_weight = [1.0 / f64::from(weights.0), 1.0 / f64::from(weights.1)];
        let bound = 1_000_000.0 * (per_weight[0] + per_weight[1]);
        while left[0] > 1 && left[1] > 1 {
            let ((flow, cost), receipt) = queue.pop().unwrap();
            queue.charge(receipt, cost);
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
            next(&mut queue);
        }
        queue.push(share(99, 100, Rank::Normal), 1_000_000, 99);
        let mut before = HashSet::new();
        while let Some(flow) = next(&mut queue) {
            if flow == 99 {
                return Ok(());
            }
            prop_assert!(before.insert(flow), "two jobs of flow {flow} came first");
        }
        prop_assert!(false, "it never came");
    }
}

/// A flow that waits all the time, so that nothing is forgotten, and the tag that it gives the virtual time.
fn with_background(jobs: u64) -> FairQueue<u32> {
    let mut queue = FairQueue::new();
    for _ in 0..jobs {
        queue.push(share(1, 100, Rank::Normal), 100, 1);
    }
    queue
}

/// How many jobs of the background come before the next of another flow.
fn background_before(queue: &mut FairQueue<u32>, flow: u32) -> usize {
    let mut before = 0;
    while let Some(next) = next(queue) {
        if next == flow {
            break;
        }
        before += 1;
    }
    before
}

#[test]
fn a_flow_that_cost_more_than_predicted_waits_for_it() {
    let mut queue = with_background(100);
    queue.push(share(2, 100, Rank::Normal), 100, 2);
    assert_eq!(background_before(&mut queue, 2), 1);
    queue.push(share(2, 100, Rank::Normal), 100, 2);
    next(&mut queue);
    let (flow, receipt) = queue.pop().unwrap();
    assert_eq!(flow, 2);
    queue.charge(receipt, 1_000);
    queue.push(share(2, 100, Rank::Normal), 100, 2);
    assert_eq!(background_before(&mut queue, 2), 10);
}

#[test]
fn what_never_ran_costs_its_flow_nothing() {
    let mut queue = with_background(100);
    for _ in 0..10 {
        queue.push(share(2, 100, Rank::Normal), 1_000, 2);
    }
    next(&mut queue);
    for _ in 0..9 {
        let (flow, receipt) = queue.pop().unwrap();
        // The refund goes no further back than what was taken last, so the other flow may come in between once.
        queue.charge(receipt, if flow == 2 { 0 } else { 100 });
    }
    assert!(background_before(&mut queue, 2) <= 2);

    let mut swept = with_background(100);
    for number in 0..11 {
        swept.push(share(2, 100, Rank::Normal), 1_000, 2 + number);
    }
    swept.sweep(|flow| (2..12).contains(flow));
    assert_eq!(background_before(&mut swept, 12), 1);
}

#[test]
fn a_rest_settles_what_a_long_job_owes() {
    let mut queue = with_background(100);
    next(&mut queue);
    queue.push(share(2, 100, Rank::Normal), 1, 2);
    let (flow, receipt) = queue.pop().unwrap();
    assert_eq!(flow, 2);
    // While it runs, the other flow gets as much as it really costs.
    for _ in 0..50 {
        next(&mut queue);
    }
    queue.push(share(2, 100, Rank::Normal), 1, 2);
    queue.charge(receipt, 5_000);
    assert!(background_before(&mut queue, 2) <= 2);
}

#[test]
fn a_receipt_of_a_time_that_is_forgotten_changes_nothing() {
    let mut queue = with_background(1);
    let (_, receipt) = queue.pop().unwrap();
    queue.push(share(2, 100, Rank::Normal), 100, 2);
    queue.charge(receipt, u64::MAX);
    queue.push(share(1, 100, Rank::Normal), 100, 1);
    queue.push(share(2, 100, Rank::Normal), 100, 2);
    assert_eq!(
        [next(&mut queue), next(&mut queue), next(&mut queue)],
        [Some(2), Some(1), Some(2)]
    );
}
