//! Two lanes together: what goes where, who comes first, what is refused, and that nothing is lost.

mod breaths;
mod cancelled;
mod classes;
mod fairness;
mod overdue;
mod patience;
mod probes;
mod storm;
mod trials;

use std::{
    sync::{Arc, Barrier, Mutex},
    thread,
};

use offload_core::{JobHandle, Lanes, LanesBuilder, Priority, Terms};

use crate::support::{Gate, LONG};

/// Lanes that stand up to whatever else a busy machine does: priorities are not what is tested here.
fn sturdy() -> LanesBuilder {
    Lanes::builder().priorities(Priority::Normal, Priority::Normal)
}

/// Lanes whose jobs wait as long as it takes.
fn patient() -> LanesBuilder {
    sturdy().patience(LONG..=LONG)
}

/// Lanes with one thread each whose slot is never lent.
fn single() -> LanesBuilder {
    patient().threads(1).spare_threads(0)
}

/// A job in the lane that `terms` lead to, which has begun and ends when it is dropped.
struct Held {
    gate: Gate,
}

impl Held {
    fn one(lanes: &Lanes, terms: &Terms) -> Self {
        let held = Self {
            gate: Gate::default(),
        };
        let begun = Arc::new(Barrier::new(2));
        let (gate, meets) = (held.gate.clone(), Arc::clone(&begun));
        lanes
            .submit(terms, move || {
                meets.wait();
                gate.pass();
            })
            .unwrap()
            .detach();
        begun.wait();
        held
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.gate.open();
    }
}

/// Who ran, in order.
#[derive(Clone, Default)]
struct Order<T>(Arc<Mutex<Vec<T>>>);

impl<T: Clone + Send + 'static> Order<T> {
    /// A job that notes that it ran.
    fn job(&self, who: T) -> impl FnOnce() + Send + 'static {
        let order = Arc::clone(&self.0);
        move || order.lock().unwrap().push(who)
    }

    /// Has the lanes run such a job.
    fn submit(&self, lanes: &Lanes, terms: &Terms, who: T) {
        lanes.submit(terms, self.job(who)).unwrap().detach();
    }

    fn so_far(&self) -> Vec<T> {
        self.0.lock().unwrap().clone()
    }
}

impl<T: PartialEq> Order<T> {
    /// How many ran before the first of these.
    fn place_of(&self, who: T) -> Option<usize> {
        self.0.lock().unwrap().iter().position(|ran| *ran == who)
    }
}

fn submit_all(
    lanes: &Lanes,
    terms: &Terms,
    jobs: impl Iterator<Item = impl FnOnce() + Send + 'static>,
) {
    jobs.for_each(|job| lanes.submit(terms, job).map(JobHandle::detach).unwrap());
}

fn this_thread() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}
