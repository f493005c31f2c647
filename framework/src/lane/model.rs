//! loom drives the lane's protocol: lane threads serve the gate until all is done, and no order of steps is left out.
//!
//! A lost call leaves a thread asleep for ever, and loom reports that nothing can go on.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p offload-core --lib --release loom`.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize as Count, Ordering::SeqCst},
    },
};

use loom::{sync::Notify, thread};

use super::{
    entry::{Carried, Entry, Removal},
    gate::{Attendant, Gate, Shelf, Wanted},
};

type Job = Arc<Entry<(), ()>>;

fn job() -> Job {
    Arc::new(Entry::new((), ()))
}

/// The simplest order that there is.
impl Shelf<Job> for VecDeque<Job> {
    type Taken = Job;

    fn put(&mut self, job: Job) -> bool {
        self.push_back(job);
        true
    }

    fn take(&mut self) -> Option<Job> {
        self.pop_front()
    }

    fn take_late(&mut self, _: u64, late: &mut Vec<Job>) -> usize {
        late.extend(self.drain(..));
        late.len()
    }

    fn sweep(&mut self) -> usize {
        0
    }
}

/// A lane whose jobs do nothing.
struct Model {
    gate: Gate<Job, Job, VecDeque<Job>>,
    // Like all counters here it is no part of what is explored: each step of the model that loom sees multiplies the orders.
    over: AtomicBool,
    /// What wakes each thread.
    bells: Box<[Notify]>,
    /// Rings once as many jobs have run and residents were polled as were to be.
    done: Notify,
    left: Count,
    begun: Count,
    polled: Count,
    errands: Count,
    recovered: Count,
    /// The job that the watch finds overdue does not end before another one has run.
    held: bool,
    /// Threads look for a job once more before they sleep.
    lingers: bool,
    go_on: Notify,
}

/// Explores all orders with at most two preemptions, which is what a lost wake-up takes; three take hours.
fn explore(model: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = Some(2);
    builder.check(model);
}

/// One lane thread.
struct Worker<'a> {
    model: &'a Model,
    index: usize,
    ran: Count,
    looked: Count,
}

impl Model {
    /// A lane that is done after so many jobs and polls.
    fn new(slots: usize, threads: usize, work: usize) -> Self {
        Self {
            gate: Gate::new(4, slots, threads, VecDeque::new()),
            over: AtomicBool::new(false),
            bells: (0..threads).map(|_| Notify::new()).collect(),
            done: Notify::new(),
            left: Count::new(work),
            begun: Count::new(0),
            polled: Count::new(0),
            errands: Count::new(0),
            recovered: Count::new(0),
            held: false,
            lingers: false,
            go_on: Notify::new(),
        }
    }

    fn provide(&self, wanted: Wanted) {
        if let Wanted::Thread(index) = wanted {
            self.bells[index].notify();
        }
    }

    fn submit(&self) {
        let wanted = self.gate.push(job()).ok();
        self.provide(wanted.expect("there is room"));
    }

    fn did_one(&self) {
        if self.left.fetch_sub(1, SeqCst) == 1 {
            self.done.notify();
        }
    }

    /// Runs the lane's threads while `acts` act on it, until all is done.
    fn run<const N: usize>(self, acts: [fn(&Self); N]) {
        let model = Arc::new(self);
        let crew: Vec<_> = (0..model.bells.len())
            .map(|index| {
                let model = Arc::clone(&model);
                thread::spawn(move || {
                    model.gate.serve(
                        index,
                        &Worker {
                            model: &model,
                            index,
                            ran: Count::new(0),
                            looked: Count::new(0),
                        },
                    )
                })
            })
            .collect();
        let mut acts = acts.into_iter();
        let mine = acts.next();
        let others: Vec<_> = acts
            .map(|act| {
                let model = Arc::clone(&model);
                thread::spawn(move || act(&model))
            })
            .collect();
        if let Some(mine) = mine {
            mine(&model);
        }
        for other in others {
            other.join().unwrap();
        }
        // loom also wakes for no reason.
        while model.left.load(SeqCst) > 0 {
            model.done.wait();
        }
        model.over.store(true, SeqCst);
        model.bells.iter().for_each(Notify::notify);
        for thread in crew {
            thread.join().unwrap();
        }
        assert_eq!(model.left.load(SeqCst), 0, "nothing is done twice");
        assert_eq!(model.gate.busy(), 0);
        assert!(!model.held || model.recovered.load(SeqCst) == 1);
    }
}

impl Attendant<Job, Job> for Worker<'_> {
    fn begin(&self, job: Job) {
        if job.begin().is_none() {
            return;
        }
        self.ran.store(1, SeqCst);
        let model = self.model;
        if model.begun.fetch_add(1, SeqCst) == 0 && model.held {
            // What the watch does meanwhile.
            let marked = model.gate.mark_overdue(self.index, 1);
            model.provide(marked.expect("it is at work"));
            while model.left.load(SeqCst) == 2 {
                model.go_on.wait();
            }
        }
        model.did_one();
        model.go_on.notify();
    }

    fn go_on(&self, task: Job) {
        self.begin(task);
    }

    fn poll_resident(&self) {
        self.model.polled.fetch_add(1, SeqCst);
        self.model.did_one();
    }

    fn breathe(&self) {}

    fn lingers(&self) -> bool {
        self.ran.swap(0, SeqCst) == 1 && self.model.lingers
    }

    fn looks_on(&self) -> bool {
        self.looked.fetch_add(1, SeqCst) % 2 == 0
    }

    fn will_lie_down(&self) {}

    fn park(&self) {
        self.model.bells[self.index].wait();
    }

    fn run_errands(&self) -> bool {
        // A broadcast has something for each thread.
        if self.model.errands.fetch_add(1, SeqCst) < self.model.bells.len() {
            self.model.did_one();
            return true;
        }
        false
    }

    fn unpark(&self, index: usize) {
        self.model.bells[index].notify();
    }

    fn is_over(&self) -> bool {
        self.model.over.load(SeqCst)
    }

    fn now(&self) -> u64 {
        1
    }

    fn work_began(&self) {}

    fn recover(&self) {
        self.model.recovered.fetch_add(1, SeqCst);
    }
}

/// Two jobs, one after the other.
fn submit_two(model: &Model) {
    model.submit();
    model.submit();
}

#[test]
fn loom_one_thread_loses_no_job_of_two_submitters() {
    explore(|| Model::new(1, 1, 2).run([Model::submit, Model::submit]));
}

#[test]
fn loom_two_threads_and_one_slot_lose_no_job() {
    explore(|| Model::new(1, 2, 2).run([submit_two]));
}

#[test]
fn loom_threads_that_look_before_they_sleep_lose_no_job() {
    explore(|| {
        let model = Model {
            lingers: true,
            ..Model::new(2, 2, 2)
        };
        model.run([submit_two]);
    });
}

#[test]
fn loom_two_threads_and_two_slots_lose_no_job() {
    explore(|| Model::new(2, 2, 2).run([submit_two]));
}

#[test]
fn loom_a_woken_task_and_a_new_job_are_both_met() {
    explore(|| {
        let wake = |model: &Model| model.provide(model.gate.resume(job()));
        Model::new(1, 1, 2).run([Model::submit, wake]);
    });
}

#[test]
fn loom_a_resident_that_is_woken_is_polled_though_a_job_comes() {
    explore(|| {
        let notify = |model: &Model| model.provide(model.gate.notify(0));
        Model::new(1, 1, 2).run([Model::submit, notify]);
    });
}

/// While one thread polls its resident, the other takes what comes.
#[test]
fn loom_a_job_and_a_poll_do_not_wait_for_each_other() {
    explore(|| {
        Model::new(1, 2, 2).run([|model| {
            model.provide(model.gate.notify(0));
            model.submit();
        }]);
    });
}

#[test]
fn loom_an_errand_reaches_each_thread_that_sleeps() {
    explore(|| {
        // Asks until a thread sleeps, as the watch does from time to time.
        let send = |model: &Model| {
            while model.left.load(SeqCst) > 0 {
                model.provide(model.gate.send_on_errand(0));
                thread::yield_now();
            }
        };
        Model::new(1, 1, 1).run([send]);
    });
}

#[test]
fn loom_a_job_is_run_or_removed_but_never_both() {
    explore(|| {
        let entry = job();
        let other = Arc::clone(&entry);
        let lane = thread::spawn(move || other.begin().is_some());
        let removed = matches!(entry.remove(), Removal::Taken(()));
        let ran = lane.join().unwrap();
        assert!(ran != removed);
    });
}

/// One slot and one spare thread. The first job is found overdue, and does not end before the second has run, which it can
/// only in a lent slot.
#[test]
fn loom_a_lent_slot_lets_the_next_job_run_and_ends_with_the_loan() {
    explore(|| {
        let model = Model {
            held: true,
            ..Model::new(1, 2, 2)
        };
        model.run([submit_two]);
    });
}

/// A thread that is slow to come is replaced, or comes in the same moment: the job runs once.
#[test]
fn loom_a_called_thread_that_does_not_come_strands_nothing() {
    explore(|| {
        Model::new(1, 2, 1).run([|model| {
            model.submit();
            model.provide(model.gate.call_in_place_of(0));
        }]);
    });
}

/// The only slot is withdrawn and restored while a job comes: it runs in any case, at the latest by the watch's call.
#[test]
fn loom_a_slot_that_is_withdrawn_and_restored_strands_nothing() {
    explore(|| {
        let watch = |model: &Model| {
            model.gate.withdraw_slot();
            model.gate.withdraw_slot();
            assert_eq!(model.gate.withdrawn(), 1, "there is no other");
            model.provide(model.gate.restore_slot());
            assert_eq!(model.gate.restore_slot(), Wanted::Nothing);
        };
        Model::new(1, 1, 1).run([Model::submit, watch]);
    });
}

/// The watch marks the work while it ends: the loan is either not made or ended, and no job is left behind.
#[test]
fn loom_a_loan_that_meets_the_end_of_the_work_strands_nothing() {
    explore(|| {
        Model::new(1, 2, 2).run([|model| {
            model.submit();
            if let Some(wanted) = model.gate.mark_overdue(0, 1) {
                model.provide(wanted);
            }
            model.submit();
        }]);
    });
}

#[test]
fn loom_a_job_that_is_carried_to_another_queue_is_removed_or_arrives() {
    explore(|| {
        let entry = job();
        let other = Arc::clone(&entry);
        let lane = thread::spawn(move || match other.carry(|()| ()) {
            Carried::Whole => other.begin().is_some(),
            Carried::Doomed(work) => {
                assert!(work.is_some(), "what is left is dropped here");
                false
            }
            Carried::Nothing => false,
        });
        let removed = match entry.remove() {
            Removal::Taken(()) | Removal::Promised => true,
            Removal::Late => false,
        };
        let ran = lane.join().unwrap();
        assert!(ran != removed);
        assert_eq!(entry.is_abandoned(), ran);
    });
}
