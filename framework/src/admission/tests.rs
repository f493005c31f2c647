//! The books balance, the bound holds, and what is projected is what comes.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use proptest::prelude::*;

use super::{Backlog, Flow, Rank, Weight};

const MS: u64 = 1_000_000;

fn near(one: Duration, other: Duration) -> bool {
    let ratio = one.as_secs_f64() / other.as_secs_f64();
    (0.8..1.25).contains(&ratio)
}

fn queue(book: &Backlog, flow: &Flow, cost: u64) {
    assert!(book.admit(flow, usize::MAX / 16));
    book.enter(flow, cost);
}

#[test]
fn what_waits_and_half_of_what_runs_is_the_delay() {
    let book = Backlog::new(0, 2);
    let flow = Flow::unnamed();
    assert_eq!(book.projected_delay(&flow), Duration::ZERO);
    for _ in 0..4 {
        queue(&book, &flow, 10 * MS);
    }
    assert!(near(book.projected_delay(&flow), Duration::from_millis(20)));
    book.begin(&flow, 10 * MS);
    book.begin(&flow, 10 * MS);
    // 20 ms wait, and 10 of 20 ms are left of what runs, on two threads.
    assert!(near(book.projected_delay(&flow), Duration::from_millis(15)));
}

#[test]
fn an_idle_thread_means_no_delay() {
    let book = Backlog::new(1, 2);
    let flow = Flow::unnamed();
    queue(&book, &flow, 10 * MS);
    book.begin(&flow, 10 * MS);
    assert_eq!(book.projected_delay(&flow), Duration::ZERO);
}

#[test]
fn a_flood_delays_itself_and_not_its_neighbour() {
    let book = Backlog::new(0, 1);
    let (flood, small) = (Flow::unnamed(), Flow::unnamed());
    for _ in 0..1_000 {
        queue(&book, &flood, 10 * MS);
    }
    assert!(near(book.projected_delay(&flood), Duration::from_secs(10)));
    // The first of the flood came when nothing waited, as this one does now, and comes before it.
    assert!(near(
        book.projected_delay(&small),
        Duration::from_millis(10)
    ));
    book.begin(&flood, 10 * MS);
    // Now only half of what runs does.
    assert!(near(book.projected_delay(&small), Duration::from_millis(5)));
    book.end(10 * MS, 0);
    // Once it has something waiting, both get half.
    queue(&book, &small, 10 * MS);
    assert!(near(
        book.projected_delay(&small),
        Duration::from_millis(20)
    ));
}

#[test]
fn many_flows_with_a_job_each_are_a_queue_like_any_other() {
    let book = Backlog::new(0, 1);
    let flows: Vec<_> = (0..100).map(|_| Flow::unnamed()).collect();
    for flow in &flows {
        queue(&book, flow, 10 * MS);
    }
    let newcomer = Flow::unnamed();
    assert!(near(
        book.projected_delay(&newcomer),
        Duration::from_secs(1)
    ));
    for flow in &flows {
        book.leave(flow, 10 * MS);
    }
    queue(&book, &flows[0], 10 * MS);
    queue(&book, &flows[0], 10 * MS);
    assert!(near(
        book.projected_delay(&newcomer),
        Duration::from_millis(10)
    ));
}

#[test]
fn higher_ranks_count_for_the_lower_and_not_the_other_way() {
    let book = Backlog::new(0, 1);
    let high = Flow::new(Weight::default(), Rank::High);
    let low = Flow::new(Weight::default(), Rank::Low);
    for _ in 0..100 {
        queue(&book, &high, 10 * MS);
    }
    assert!(near(book.projected_delay(&low), Duration::from_secs(1)));
    for _ in 0..100 {
        queue(&book, &low, 10 * MS);
    }
    assert!(near(book.projected_delay(&high), Duration::from_secs(1)));
    assert!(near(book.projected_delay(&low), Duration::from_secs(2)));
}

/// Runs a lane that is never short of jobs, each of which really costs `actual`.
fn run_saturated(book: &Backlog, flow: &Flow, predicted: u64, actual: u64, jobs: u64) {
    let mut now = 0;
    queue(book, flow, predicted);
    for _ in 0..jobs {
        queue(book, flow, predicted);
        book.begin(flow, predicted);
        now += actual;
        book.end(predicted, now);
    }
}

#[test]
fn wrong_predictions_correct_themselves() {
    for (predicted, actual) in [(10, 30), (30, 10), (1, 90), (50, 50)] {
        let book = Backlog::new(0, 1);
        let flow = Flow::unnamed();
        run_saturated(&book, &flow, predicted * MS, actual * MS, 400);
        for _ in 0..9 {
            queue(&book, &flow, predicted * MS);
        }
        let delay = book.projected_delay(&flow);
        let truth = Duration::from_nanos(10 * actual * MS);
        assert!(near(delay, truth), "{delay:?} instead of {truth:?}");
    }
}

/// A lane under a light load of rightly predicted jobs, in which no job waits.
fn run_idle(book: &Backlog, flow: &Flow, cost: u64, jobs: u64) {
    for n in 0..jobs {
        queue(book, flow, cost);
        book.begin(flow, cost);
        book.end(cost, 1_000_000 * MS + n * 2 * cost);
    }
}

#[test]
fn wrong_predictions_are_forgotten_when_they_have_become_right() {
    for (predicted, actual) in [(1, 500), (500, 1)] {
        let book = Backlog::new(0, 1);
        let flow = Flow::unnamed();
        run_saturated(&book, &flow, predicted * MS, actual * MS, 1_000);
        book.leave(&flow, predicted * MS);
        let untouched = Flow::unnamed();
        queue(&book, &untouched, 100 * MS);
        let wrong = book.projected_delay(&untouched);
        assert!(!near(wrong, Duration::from_millis(100)), "{wrong:?}");
        book.leave(&untouched, 100 * MS);
        run_idle(&book, &flow, 100 * MS, 100);
        queue(&book, &untouched, 100 * MS);
        let delay = book.projected_delay(&untouched);
        assert!(near(delay, Duration::from_millis(100)), "{delay:?}");
    }
}

#[test]
fn what_an_idle_lane_does_says_nothing_of_what_it_can_do() {
    let book = Backlog::new(0, 1);
    let flow = Flow::unnamed();
    for n in 0..1_000 {
        queue(&book, &flow, 10 * MS);
        book.begin(&flow, 10 * MS);
        book.end(10 * MS, n * 1_000 * MS);
    }
    for _ in 0..10 {
        queue(&book, &flow, 10 * MS);
    }
    assert!(near(
        book.projected_delay(&flow),
        Duration::from_millis(100)
    ));
}

#[test]
fn no_flood_takes_the_last_places() {
    let book = Backlog::new(0, 1);
    let flood = Flow::unnamed();
    let taken = (0..2_000).filter(|_| book.admit(&flood, 900)).count();
    assert_eq!(taken, 800);
    let others: Vec<_> = (0..50).map(|_| Flow::unnamed()).collect();
    assert!(others.iter().all(|flow| book.admit(flow, 900)));
    assert_eq!(book.queued(), 850);
}

#[test]
fn a_small_bound_is_used_to_the_end() {
    for bound in 1..=8 {
        let book = Backlog::new(0, 1);
        let flow = Flow::unnamed();
        let taken = (0..20).filter(|_| book.admit(&flow, bound)).count();
        assert_eq!(taken, bound);
    }
}

#[test]
fn a_job_that_moves_is_on_one_book_only() {
    let (short, long) = (Backlog::new(0, 1), Backlog::new(1, 1));
    let flow = Flow::unnamed();
    queue(&short, &flow, MS);
    short.leave(&flow, MS);
    long.take_over(&flow, 500 * MS);
    assert_eq!((short.queued(), long.queued()), (0, 1));
    assert_eq!(short.projected_delay(&flow), Duration::ZERO);
    assert!(near(
        long.projected_delay(&flow),
        Duration::from_millis(500)
    ));
}

#[test]
fn the_bound_holds_and_all_gauges_return_to_zero() {
    let book = Arc::new(Backlog::new(0, 4));
    let flows = [Flow::unnamed(), Flow::unnamed()];
    thread::scope(|scope| {
        for worker in 0..4_usize {
            let (book, flow) = (Arc::clone(&book), &flows[worker % 2]);
            scope.spawn(move || {
                for n in 0..20_000_u64 {
                    if !book.admit(flow, 3) {
                        continue;
                    }
                    assert!(book.queued() <= 3);
                    book.enter(flow, n);
                    if n.is_multiple_of(3) {
                        book.leave(flow, n);
                    } else {
                        book.begin(flow, n);
                        book.end(n, n);
                    }
                }
            });
        }
    });
    assert_eq!(book.queued(), 0);
    for flow in &flows {
        assert_eq!(book.projected_delay(flow), Duration::ZERO);
        // Whatever were left of nanoseconds or weights would show once something waits.
        queue(&book, flow, 4 * MS);
        assert!(near(book.projected_delay(flow), Duration::from_millis(1)));
        queue(&book, flow, 4 * MS);
        book.begin(flow, 4 * MS);
        // One of 4 ms waits, but not before a newcomer, and half of another is left.
        assert!(near(
            book.projected_delay(&Flow::unnamed()),
            Duration::from_micros(500)
        ));
        book.end(4 * MS, 0);
        book.leave(flow, 4 * MS);
    }
}

/// Whoever doesn't get the window has counted all the same, so nothing is missing from the rate.
#[test]
fn the_rate_is_right_though_many_threads_measure_it() {
    const THREADS: u64 = 4;
    let book = Backlog::new(0, THREADS as usize);
    let flow = Flow::unnamed();
    for _ in 0..THREADS {
        queue(&book, &flow, MS);
    }
    let clock = AtomicU64::new(0);
    thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                for _ in 0..20_000 {
                    queue(&book, &flow, MS);
                    book.begin(&flow, MS);
                    // Each job takes 3 ms of one of four threads.
                    let now = clock.fetch_add(3 * MS / THREADS, Relaxed);
                    book.end(MS, now);
                }
            });
        }
    });
    for _ in 0..THREADS {
        book.leave(&flow, MS);
    }
    queue(&book, &flow, 400 * MS);
    let delay = book.projected_delay(&flow);
    assert!(near(delay, Duration::from_millis(300)), "{delay:?}");
}

proptest! {
    #[test]
    fn more_in_front_is_never_less_delay(costs in prop::collection::vec(1..1_000 * MS, 1..100)) {
        let book = Backlog::new(0, 2);
        let flow = Flow::unnamed();
        let mut before = Duration::ZERO;
        for cost in costs {
            queue(&book, &flow, cost);
            let delay = book.projected_delay(&flow);
            prop_assert!(delay >= before);
            before = delay;
        }
    }
}
