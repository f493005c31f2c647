//! Jobs of all kinds from all sides, abandoned at random: each runs once or never, and the books are even.

use std::{
    future::Future,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU8, AtomicU64, Ordering::SeqCst},
    },
    task::{Context, Poll},
    thread,
    time::Duration,
};

use offload_core::{
    Error, JobHandle, Lanes, Run, Task, Terms,
    admission::{Flow, Rank, Weight},
};

use super::sturdy;
use crate::support::{panic_quietly, until};

const SUBMITTERS: usize = 4;
const EACH: usize = 12_500;

/// So many handles a submitter keeps before it lets go of one.
const KEPT: usize = 48;

/// Numbers that look random and are the same in each run (splitmix64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        (z ^ (z >> 31)) % sides
    }
}

/// Goes back to the queue once.
#[derive(Default)]
struct Yield(bool);

impl Future for Yield {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if std::mem::replace(&mut self.0, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

/// What became of each job, as it was seen from outside.
#[derive(Default)]
struct Seen {
    refused: AtomicU64,
    expired: AtomicU64,
    panicked: AtomicU64,
}

struct Storm {
    lanes: Lanes,
    flows: Vec<Arc<Flow>>,
    /// How often each job ran to its end.
    ran: Arc<[AtomicU8]>,
    seen: Seen,
}

/// A job that somebody still has a hand on.
enum Kept {
    Handle(usize, JobHandle),
    Run(usize, Run<usize>),
    Task(usize, Task<usize>),
}

impl Storm {
    fn submitter(&self, number: usize) {
        let mut dice = Dice(number as u64);
        let mut kept = Vec::new();
        for job in number * EACH..(number + 1) * EACH {
            kept.extend(self.submit(job, &mut dice));
            if kept.len() == KEPT {
                let which = dice.roll(KEPT as u64) as usize;
                self.let_go(kept.swap_remove(which), &mut dice);
            }
        }
        for last in kept {
            self.let_go(last, &mut dice);
        }
    }

    fn terms(&self, dice: &mut Dice) -> Terms {
        let flow = &self.flows[dice.roll(self.flows.len() as u64) as usize];
        let terms = Terms::new().flow(flow);
        let terms = match dice.roll(4) {
            0 => terms,
            1 => terms.cost(Duration::from_millis(50)),
            2 => terms.cost(Duration::from_micros(dice.roll(5000))),
            _ => terms.key(self.lanes.key(dice.roll(64))),
        };
        match dice.roll(4) {
            0 => terms.patience(Duration::from_micros(dice.roll(300))),
            _ => terms.patience(Duration::from_secs(dice.roll(1000) + 1)),
        }
    }

    /// Submits a job of any kind; nothing is left of it if it was refused or detached.
    fn submit(&self, job: usize, dice: &mut Dice) -> Option<Kept> {
        let terms = self.terms(dice);
        let ran = Arc::clone(&self.ran);
        let work = move || {
            ran[job].fetch_add(1, SeqCst);
            job
        };
        match dice.roll(5) {
            0 => match self.lanes.submit(&terms, move || _ = work()) {
                Ok(handle) => Some(Kept::Handle(job, handle)),
                Err(error) => {
                    self.count(job, &error);
                    None
                }
            },
            1 => Some(Kept::Run(job, self.lanes.run_with(&terms, work))),
            2 => {
                let panics = move || {
                    work();
                    panic_quietly("as it should")
                };
                Some(Kept::Run(job, self.lanes.run_with(&terms, panics)))
            }
            3 => Some(Kept::Run(job, self.lanes.run(work))),
            _ => {
                let naps = dice.roll(4);
                let future = async move {
                    for _ in 0..naps {
                        Yield::default().await;
                    }
                    work()
                };
                Some(Kept::Task(job, self.lanes.spawn(future)))
            }
        }
    }

    fn let_go(&self, kept: Kept, dice: &mut Dice) {
        let end = dice.roll(3);
        match kept {
            Kept::Handle(_, handle) if end == 0 => handle.detach(),
            Kept::Handle(job, handle) => {
                if handle.cancel() {
                    assert_eq!(self.ran[job].load(SeqCst), 0, "it was removed");
                }
            }
            Kept::Run(job, run) if end == 0 => self.end(job, pollster::block_on(run)),
            Kept::Run(_, run) if end == 1 => run.detach(),
            Kept::Task(job, task) if end == 0 => self.end(job, pollster::block_on(task)),
            Kept::Task(_, task) if end == 1 => task.detach(),
            Kept::Run(..) | Kept::Task(..) => {}
        }
    }

    fn end(&self, job: usize, result: Result<usize, Error>) {
        match result {
            Ok(value) => assert_eq!((value, self.ran[job].load(SeqCst)), (job, 1)),
            Err(error) => self.count(job, &error),
        }
    }

    fn count(&self, job: usize, error: &Error) {
        let runs = u8::from(error.is_panic());
        assert_eq!(self.ran[job].load(SeqCst), runs, "{error}");
        let seen = &self.seen;
        let count = if error.is_overloaded() {
            &seen.refused
        } else if error.is_expired() {
            &seen.expired
        } else if error.is_panic() {
            &seen.panicked
        } else {
            panic!("{error}")
        };
        count.fetch_add(1, SeqCst);
    }
}

#[test]
fn every_job_runs_once_or_never_and_all_are_accounted_for() {
    let flow = |weight, rank| Flow::new(Weight::new(weight).expect("1 to 1,000"), rank);
    let storm = Storm {
        lanes: sturdy().threads(2).queue_bound(48).build().unwrap(),
        flows: vec![
            flow(100, Rank::Normal),
            flow(300, Rank::Normal),
            flow(100, Rank::High),
            flow(1, Rank::Low),
        ],
        ran: std::iter::repeat_with(AtomicU8::default)
            .take(SUBMITTERS * EACH)
            .collect(),
        seen: Seen::default(),
    };
    thread::scope(|scope| {
        for number in 0..SUBMITTERS {
            let storm = &storm;
            scope.spawn(move || storm.submitter(number));
        }
    });
    let lanes = &storm.lanes;
    until("the lanes are at rest", || {
        let stats = lanes.stats();
        stats.submitted == stats.finished + stats.cancelled + stats.expired
            && lanes.running() + lanes.queued() == 0
            // A thread gives its slot back when it finds nothing more to do.
            && lanes.short().slots_taken + lanes.long().slots_taken == 0
    });
    let stats = lanes.stats();
    let ran: Vec<_> = storm.ran.iter().map(|count| count.load(SeqCst)).collect();
    assert!(ran.iter().all(|count| *count <= 1));
    let finished = ran.iter().filter(|count| **count == 1).count();
    assert_eq!(stats.finished, finished as u64);
    let all = (SUBMITTERS * EACH) as u64;
    assert_eq!(stats.submitted + stats.refused, all, "{stats:?}");

    // Of those that were let go of, nobody has seen the end.
    let Seen {
        refused,
        expired,
        panicked,
    } = &storm.seen;
    assert!(refused.load(SeqCst) <= stats.refused, "{stats:?}");
    assert!(expired.load(SeqCst) <= stats.expired, "{stats:?}");
    assert!(panicked.load(SeqCst) <= stats.panicked, "{stats:?}");
    // The storm was one.
    for count in [
        stats.finished,
        stats.refused,
        stats.cancelled,
        stats.expired,
        stats.panicked,
    ] {
        assert!(count > 0, "{stats:?}");
    }
    // Nothing is left on the books that would delay what comes now.
    for flow in &storm.flows {
        let terms = Terms::new().flow(flow).patience(Duration::ZERO);
        assert_eq!(lanes.projected_delay(&terms), Duration::ZERO);
    }
}
