//! loom drives the lane's protocol: rayon is a loom thread for each runner and each visit, and no order is left out.
//!
//! Run with `RUSTFLAGS="--cfg loom" cargo test -p offload-core --lib --release loom`.

use std::sync::{
    Arc,
    atomic::{AtomicUsize as Count, Ordering::SeqCst},
};

use loom::{sync::Mutex, thread};

use super::{
    entry::Entry,
    gate::{Arrival, Attendant, Breath, Gate, Wanted},
    seat::Seat,
};

/// What the model's threads did. These are plain counters, not part of what is explored.
#[derive(Default)]
struct Log {
    ran: Count,
    polled: Count,
}

impl Attendant<Arc<Entry<()>>> for Log {
    fn run(&self, job: Arc<Entry<()>>) {
        if job.begin().is_some() {
            self.ran.fetch_add(1, SeqCst);
        }
    }

    fn poll_resident(&self) {
        self.polled.fetch_add(1, SeqCst);
    }

    fn breathe(&self, _: Breath) {}
}

#[derive(Clone)]
struct Model {
    gate: Arc<Gate<Arc<Entry<()>>>>,
    log: Arc<Log>,
    /// What makes several loom threads one lane thread: arrivals on it come one after the other.
    bodies: Arc<[Mutex<()>]>,
}

impl Model {
    fn new(threads: usize, capacity: usize) -> Self {
        let seats = std::iter::repeat_with(Seat::vacant).take(threads).collect();
        Self {
            gate: Arc::new(Gate::new(capacity, seats)),
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
        let wanted = self.gate.push(Arc::new(Entry::new(()))).ok();
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
            if other.gate.resume(Arc::new(Entry::new(()))) == Wanted::Runner {
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
        let entry = Arc::new(Entry::new(()));
        let other = Arc::clone(&entry);
        let lane = thread::spawn(move || other.begin().is_some());
        let removed = entry.remove().is_some();
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
    impl Attendant<Arc<Entry<()>>> for Nested {
        fn run(&self, job: Arc<Entry<()>>) {
            assert!(job.begin().is_some());
            // The job waits in a `join`, in which rayon starts a runner. Its job was submitted from outside.
            let model = &self.model;
            let one = model.clone();
            let idling = thread::spawn(move || one.attend(1, Arrival::Visit));
            let pushed = model.gate.push(Arc::new(Entry::new(()))).ok();
            assert_eq!(pushed, Some(Wanted::Runner), "one of two slots is free");
            let wanted = model.attend_nested(0, Arrival::Runner);
            assert_eq!(idling.join().unwrap(), Wanted::Nothing);
            if wanted == Wanted::Visit {
                assert_eq!(model.attend(1, Arrival::Visit), Wanted::Nothing);
            }
            assert_eq!(model.log.ran.load(SeqCst), 1, "thread 1 ran it");
        }
        fn poll_resident(&self) {
            unreachable!("nobody woke it");
        }
        fn breathe(&self, _: Breath) {}
    }

    loom::model(|| {
        let model = Model::new(2, 4);
        let wanted = model.gate.push(Arc::new(Entry::new(()))).ok();
        assert_eq!(wanted, Some(Wanted::Runner));
        let nested = Nested {
            model: model.clone(),
        };
        let after = model.gate.attend(0, Arrival::Runner, &nested);
        assert_eq!(after, Wanted::Nothing);
        model.assert_at_rest(1);
    });
}
