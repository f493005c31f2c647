//! loom drives the lane's protocol: rayon is a loom thread for each runner and each visit, and no order is left out.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p offload-core --lib --release loom`.

use std::{
    collections::VecDeque,
    sync::{
        Arc,
        atomic::{AtomicUsize as Count, Ordering::SeqCst},
    },
};

use loom::{sync::Mutex, thread};

use super::{
    entry::{Carried, Entry, Removal},
    gate::{Arrival, Attendant, Breath, Gate, Shelf, Wanted},
    seat::Seat,
};

type Job = Arc<Entry<(), ()>>;

fn job() -> Job {
    Arc::new(Entry::new((), ()))
}

/// The simplest order that there is.
impl Shelf<Job> for VecDeque<Job> {
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

/// What the model's threads did. These are plain counters, not part of what is explored.
#[derive(Default)]
struct Log {
    ran: Count,
    polled: Count,
    recovered: Count,
}

impl Attendant<Job, Job> for Log {
    fn begin(&self, job: Job) {
        if job.begin().is_some() {
            self.ran.fetch_add(1, SeqCst);
        }
    }

    fn go_on(&self, task: Job) {
        self.begin(task);
    }

    fn poll_resident(&self) {
        self.polled.fetch_add(1, SeqCst);
    }

    fn breathe(&self, _: Breath) {}

    fn now(&self) -> u64 {
        1
    }

    fn work_began(&self) {}

    fn recover(&self) {
        self.recovered.fetch_add(1, SeqCst);
    }
}

#[derive(Clone)]
struct Model {
    gate: Arc<Gate<Job, Job, VecDeque<Job>>>,
    log: Arc<Log>,
    /// What makes several loom threads one lane thread: arrivals on it come one after the other.
    bodies: Arc<[Mutex<()>]>,
}

impl Model {
    fn new(threads: usize, capacity: usize) -> Self {
        Self::with_spares(threads, 0, capacity)
    }

    fn with_spares(slots: usize, spares: usize, capacity: usize) -> Self {
        let threads = slots + spares;
        let seats = std::iter::repeat_with(Seat::vacant).take(threads).collect();
        Self {
            gate: Arc::new(Gate::new(capacity, slots, seats, VecDeque::new())),
            log: Arc::default(),
            bodies: std::iter::repeat_with(Mutex::default)
                .take(threads)
                .collect(),
        }
    }

    fn attend(&self, index: usize, arrival: Arrival) -> Wanted {
        let _body = self.bodies[index].lock().unwrap();
        self.attend_nested(index, arrival)
    }

    fn attend_nested(&self, index: usize, arrival: Arrival) -> Wanted {
        self.gate.attend(index, arrival, &*self.log)
    }

    /// Submits one job, as thread `index` of the pool if that needs a runner. True if it did.
    fn submit(&self, index: usize) -> bool {
        let wanted = self.gate.push(job()).ok();
        match wanted.expect("there is room") {
            Wanted::Nothing => false,
            Wanted::Runner => {
                assert_eq!(self.attend(index, Arrival::Runner), Wanted::Nothing);
                true
            }
            Wanted::Visit => unreachable!("a submitter never visits"),
        }
    }

    fn assert_at_rest(&self, jobs: usize) {
        assert_eq!(self.log.ran.load(SeqCst), jobs, "no job is stuck");
        assert_eq!(self.gate.runners(), 0);
        assert_eq!(self.gate.busy(), 0);
    }
}

#[test]
fn loom_two_submitters_and_one_slot_lose_no_job() {
    loom::model(|| {
        let model = Model::new(1, 4);
        let other = model.clone();
        let submitter = thread::spawn(move || other.submit(0));
        model.submit(0);
        submitter.join().unwrap();
        model.assert_at_rest(2);
    });
}

#[test]
fn loom_two_submitters_and_two_slots_lose_no_job() {
    loom::model(|| {
        let model = Model::new(2, 4);
        let other = model.clone();
        let submitter = thread::spawn(move || other.submit(1));
        model.submit(0);
        submitter.join().unwrap();
        model.assert_at_rest(2);
    });
}

#[test]
fn loom_a_woken_task_and_a_new_job_are_both_met() {
    loom::model(|| {
        let model = Model::new(1, 4);
        let other = model.clone();
        let waker = thread::spawn(move || {
            if other.gate.resume(job()) == Wanted::Runner {
                assert_eq!(other.attend(0, Arrival::Runner), Wanted::Nothing);
            }
        });
        model.submit(0);
        waker.join().unwrap();
        model.assert_at_rest(2);
    });
}

#[test]
fn loom_a_job_is_run_or_removed_but_never_both() {
    loom::model(|| {
        let entry = job();
        let other = Arc::clone(&entry);
        let lane = thread::spawn(move || other.begin().is_some());
        let removed = matches!(entry.remove(), Removal::Taken(()));
        let ran = lane.join().unwrap();
        assert!(ran != removed);
    });
}

#[test]
fn loom_a_wake_up_while_the_thread_leaves_is_never_lost() {
    loom::model(|| {
        let model = Model::new(1, 4);
        let other = model.clone();
        let runner = thread::spawn(move || other.submit(0));
        let visit = model.gate.notify(0);
        runner.join().unwrap();
        // Rayon delivers a visit when the thread has nothing else to do.
        if visit == Wanted::Visit {
            assert_eq!(model.attend(0, Arrival::Visit), Wanted::Nothing);
        }
        assert_eq!(model.log.polled.load(SeqCst), 1);
        model.assert_at_rest(1);
    });
}

#[test]
fn loom_two_wakers_send_one_visit_or_are_seen() {
    loom::model(|| {
        let model = Model::new(1, 4);
        let other = model.clone();
        let waker = thread::spawn(move || other.gate.notify(0));
        let visits = [model.gate.notify(0), waker.join().unwrap()];
        let sent = visits.iter().filter(|&&wanted| wanted == Wanted::Visit);
        assert_eq!(sent.count(), 1);
        assert_eq!(model.attend(0, Arrival::Visit), Wanted::Nothing);
        assert_eq!(model.log.polled.load(SeqCst), 1);
        model.assert_at_rest(0);
    });
}

/// Thread 0 stays in a job for ever, and a runner arrives on top of it while thread 1 leaves.
#[test]
fn loom_a_nested_runner_never_strands_a_job_beside_an_idle_thread() {
    struct Nested {
        model: Model,
    }
    impl Attendant<Job, Job> for Nested {
        fn begin(&self, first: Job) {
            assert!(first.begin().is_some());
            // The job waits in a `join`, in which rayon starts a runner. Its job was submitted from outside.
            let model = &self.model;
            let one = model.clone();
            let idling = thread::spawn(move || one.attend(1, Arrival::Visit));
            let pushed = model.gate.push(job()).ok();
            let wanted = match pushed.expect("there is room") {
                Wanted::Runner => model.attend_nested(0, Arrival::Runner),
                // Thread 1 has the second slot, because it saw the job first.
                wanted => wanted,
            };
            assert_eq!(idling.join().unwrap(), Wanted::Nothing);
            if wanted == Wanted::Visit {
                assert_eq!(model.attend(1, Arrival::Visit), Wanted::Nothing);
            }
            assert_eq!(model.log.ran.load(SeqCst), 1, "thread 1 ran it");
        }
        fn go_on(&self, _: Job) {
            unreachable!("no task was begun");
        }
        fn poll_resident(&self) {
            unreachable!("nobody woke it");
        }
        fn breathe(&self, _: Breath) {}
        fn now(&self) -> u64 {
            1
        }
        fn work_began(&self) {}
        fn recover(&self) {
            unreachable!("there is no watch");
        }
    }

    loom::model(|| {
        let model = Model::new(2, 4);
        let wanted = model.gate.push(job()).ok();
        assert_eq!(wanted, Some(Wanted::Runner));
        let nested = Nested {
            model: model.clone(),
        };
        let after = model.gate.attend(0, Arrival::Runner, &nested);
        assert_eq!(after, Wanted::Nothing);
        model.assert_at_rest(1);
    });
}

/// One slot and one spare thread. The first job runs until the second has run, which it can only in a lent slot.
#[test]
fn loom_a_lent_slot_lets_the_next_job_run_and_ends_with_the_loan() {
    struct Overdue {
        model: Model,
    }
    impl Attendant<Job, Job> for Overdue {
        fn begin(&self, first: Job) {
            assert!(first.begin().is_some());
            let model = &self.model;
            // The second job comes while the watch looks.
            let submitter = model.clone();
            let submitter = thread::spawn(move || submitter.submit(1));
            let lent = model.gate.mark_overdue(0, 1).expect("it is at work");
            if lent == Wanted::Runner {
                assert_eq!(model.attend(1, Arrival::Runner), Wanted::Nothing);
            }
            submitter.join().unwrap();
            assert_eq!(model.log.ran.load(SeqCst), 1, "it ran beside the first");
            assert_eq!(model.gate.mark_overdue(0, 1), None, "once is enough");
        }
        fn go_on(&self, _: Job) {
            unreachable!("no task was begun");
        }
        fn poll_resident(&self) {
            unreachable!("nobody woke it");
        }
        fn breathe(&self, _: Breath) {}
        fn now(&self) -> u64 {
            1
        }
        fn work_began(&self) {}
        fn recover(&self) {
            self.model.log.recover();
        }
    }

    loom::model(|| {
        let model = Model::with_spares(1, 1, 4);
        assert_eq!(model.gate.push(job()).ok(), Some(Wanted::Runner));
        let overdue = Overdue {
            model: model.clone(),
        };
        let after = model.gate.attend(0, Arrival::Runner, &overdue);
        assert_eq!(after, Wanted::Nothing);
        assert_eq!(model.log.recovered.load(SeqCst), 1);
        model.assert_at_rest(1);
        // The slot is one again.
        assert_eq!(model.gate.push(job()).ok(), Some(Wanted::Runner));
        assert_eq!(model.gate.push(job()).ok(), Some(Wanted::Nothing));
    });
}

/// The only slot is withdrawn and restored while a job comes: it runs in any case, at the latest by the watch's runner.
#[test]
fn loom_a_slot_that_is_withdrawn_and_restored_strands_nothing() {
    loom::model(|| {
        let model = Model::new(1, 4);
        let other = model.clone();
        let submitter = thread::spawn(move || other.submit(0));
        model.gate.withdraw_slot();
        model.gate.withdraw_slot();
        assert_eq!(model.gate.withdrawn(), 1, "there is no other");
        if model.gate.restore_slot() == Wanted::Runner {
            assert_eq!(model.attend(0, Arrival::Runner), Wanted::Nothing);
        }
        assert_eq!(model.gate.restore_slot(), Wanted::Nothing);
        submitter.join().unwrap();
        model.assert_at_rest(1);
    });
}

/// The watch marks the work while it ends: the loan is either not made or ended, and no job is left behind.
#[test]
fn loom_a_loan_that_meets_the_end_of_the_work_strands_nothing() {
    loom::model(|| {
        let model = Model::with_spares(1, 1, 4);
        let other = model.clone();
        let submitter = thread::spawn(move || other.submit(0));
        let watch = model.gate.mark_overdue(0, 1);
        if watch == Some(Wanted::Runner) {
            assert_eq!(model.attend(1, Arrival::Runner), Wanted::Nothing);
        }
        model.submit(1);
        submitter.join().unwrap();
        model.assert_at_rest(2);
        assert_eq!(model.gate.push(job()).ok(), Some(Wanted::Runner));
        assert_eq!(model.gate.push(job()).ok(), Some(Wanted::Nothing));
    });
}

#[test]
fn loom_a_job_that_is_carried_to_another_queue_is_removed_or_arrives() {
    loom::model(|| {
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
