//! How long jobs may wait: refused before they are queued, or dropped instead of begun too late.

use std::time::{Duration, Instant};

use offload_core::Terms;

use super::{Held, LONG, single, submit_all};
use crate::support::{Drops, Gate, until};

const MILLISECOND: Duration = Duration::from_millis(1);

/// A job that must not run, and shows whether it was dropped.
fn never(drops: &Drops) -> impl FnOnce() + Send + 'static {
    let token = drops.token();
    move || {
        drop(token);
        panic!("it was begun");
    }
}

#[test]
fn what_has_waited_too_long_is_dropped_instead_of_begun() {
    let lanes = single().build().unwrap();
    let drops = Drops::default();
    let held = Held::one(&lanes, &Terms::new().cost(MILLISECOND / 100));
    let terms = Terms::new().cost(MILLISECOND / 100).patience(MILLISECOND);
    let patient = terms.clone().patience(LONG);
    let run = lanes.run_with(&terms, never(&drops));
    let handle = lanes.submit(&terms, never(&drops)).unwrap();
    let last = lanes.run_with(&patient, || 7);
    assert_eq!(lanes.queued(), 3);
    let over = Instant::now() + 2 * MILLISECOND;
    until("their patience is over", || Instant::now() > over);

    drop(held);
    assert_eq!(pollster::block_on(last).unwrap(), 7);
    let error = pollster::block_on(run).unwrap_err();
    assert!(
        error.is_expired() && !error.is_overloaded() && !error.is_cancelled(),
        "{error}"
    );
    assert!(handle.has_expired());
    assert_eq!(drops.alive(), 0);
    let stats = lanes.stats();
    assert_eq!((stats.expired, stats.cancelled, stats.panicked), (2, 0, 0));
    until("both others are counted", || lanes.stats().finished == 2);
    assert_eq!(lanes.stats().submitted, 4);
    assert_eq!(lanes.queued(), 0);
}

#[test]
fn what_could_not_begin_in_time_is_refused_at_once() {
    let lanes = single().build().unwrap();
    let drops = Drops::default();
    let job = Terms::new().cost(8 * MILLISECOND);
    let held = Held::one(&lanes, &job);
    let ahead: Vec<_> = (0..10).map(|n| lanes.run_with(&job, move || n)).collect();
    // 80 ms wait ahead, and half of the running 8 ms.
    // What would take more than half of a patience is refused already, because projections err.
    let hasty = job.clone().patience(150 * MILLISECOND);
    let patient = job.clone().patience(250 * MILLISECOND);

    let error = lanes.submit(&hasty, never(&drops)).unwrap_err();
    assert!(error.is_overloaded() && !error.is_expired(), "{error}");
    assert!(error.projected_delay().unwrap() > 75 * MILLISECOND);
    let error = pollster::block_on(lanes.run_with(&hasty, never(&drops))).unwrap_err();
    assert!(error.projected_delay().unwrap() > 75 * MILLISECOND);
    assert!(!lanes.would_take(&hasty) && lanes.would_take(&patient));
    let error = lanes.check(&hasty).unwrap_err();
    assert_eq!(error.projected_delay(), Some(lanes.projected_delay(&hasty)));
    assert_eq!(drops.alive(), 0);
    assert_eq!(lanes.stats().refused, 3);
    assert_eq!(lanes.queued(), 10);

    lanes.check(&patient).unwrap();
    lanes.submit(&patient, || ()).unwrap().detach();
    assert_eq!((lanes.queued(), lanes.stats().refused), (11, 3));
    drop(held);
    for (run, n) in ahead.into_iter().zip(0..) {
        assert_eq!(pollster::block_on(run).unwrap(), n);
    }
}

/// How long jobs would wait that are predicted to cost `predicted` and really take `real`, in units of what they take,
/// after a flood of them that has kept the lane busy all the time.
fn projection(predicted: Duration, real: Duration) -> f64 {
    const FLOOD: u32 = 100;
    const QUEUED: u32 = 20;
    let lanes = single().build().unwrap();
    let terms = Terms::new().cost(predicted);
    let submit = |count| {
        let job = move || {
            let end = Instant::now() + real;
            while Instant::now() < end {
                std::thread::yield_now();
            }
        };
        submit_all(&lanes, &terms, (0..count).map(|_| job));
    };
    let start = Instant::now();
    submit(FLOOD);
    let reached = Gate::default();
    let (end, opens) = (Gate::default(), reached.clone());
    let waits = end.clone();
    let last = lanes.submit(&terms, move || {
        opens.open();
        waits.pass();
    });
    submit(QUEUED);
    reached.pass();
    let takes = start.elapsed() * QUEUED / FLOOD;
    let projected = lanes.projected_delay(&terms);
    end.open();
    last.unwrap().detach();
    projected.as_secs_f64() / takes.as_secs_f64()
}

#[test]
fn wrong_predictions_are_made_up_for() {
    // A hundred times too little, and almost as many times too much: without correction that is what would come out.
    let real = 10 * MILLISECOND;
    for predicted in [MILLISECOND / 10, 900 * MILLISECOND] {
        let ratio = projection(predicted, real);
        assert!((0.1..10.0).contains(&ratio), "{ratio} of what they take");
    }
}

#[test]
fn patience_holds_though_the_prediction_is_wrong() {
    let lanes = single().build().unwrap();
    let drops = Drops::default();
    // Predicted to be over in no time, so all that come are taken; it is not over before their patience is.
    let wrong = Terms::new().cost(MILLISECOND / 1000);
    let held = Held::one(&lanes, &wrong);
    let hasty = wrong.clone().patience(5 * MILLISECOND);
    let runs: Vec<_> = (0..20)
        .map(|_| lanes.run_with(&hasty, never(&drops)))
        .collect();
    assert_eq!(lanes.queued(), 20);
    let over = Instant::now() + 6 * MILLISECOND;
    until("their patience is over", || Instant::now() > over);
    drop(held);
    for run in runs {
        assert!(pollster::block_on(run).unwrap_err().is_expired());
    }
    // They are counted a moment after they were told.
    until("all are counted", || lanes.stats().expired == 20);
    assert_eq!(drops.alive(), 0);
    // What was held may still be ending.
    until("the lane is as it was before", || {
        lanes.projected_delay(&hasty) == Duration::ZERO
    });
    assert_eq!(pollster::block_on(lanes.run_with(&wrong, || 1)).unwrap(), 1);
}
