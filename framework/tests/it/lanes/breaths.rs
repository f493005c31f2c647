//! What a lane thread does between two jobs keeps nobody: timers, sockets, and whatever tasks they wake.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering::SeqCst},
    },
    thread,
    time::Duration,
};

use offload_core::{Park, Terms, Unpark};

use super::patient;
use crate::support::{Gate, burn, until};

/// Its first breath takes as long as somebody wants it to.
struct Breathless {
    begun: Gate,
    over: Gate,
    breathed: Arc<AtomicBool>,
}

impl Park for Breathless {
    fn park(&mut self) {
        thread::park();
    }

    fn breathe(&mut self) {
        if !self.breathed.swap(true, SeqCst) {
            self.begun.open();
            self.over.pass();
        }
    }

    fn unparker(&self) -> Unpark {
        let thread = thread::current();
        Box::new(move || thread.unpark())
    }
}

#[test]
fn what_computes_in_a_breath_lends_its_slot() {
    let (begun, over) = (Gate::default(), Gate::default());
    let breathed = Arc::<AtomicBool>::default();
    let lanes = {
        let (begun, over) = (begun.clone(), over.clone());
        let breathed = Arc::clone(&breathed);
        patient().threads(1).spare_threads(1).park(move |_| {
            Box::new(Breathless {
                begun: begun.clone(),
                over: over.clone(),
                breathed: Arc::clone(&breathed),
            })
        })
    };
    let lanes = Arc::new(lanes.build().unwrap());
    // Two jobs without a sleep in between, and the second takes longer than there may be between two breaths. It comes
    // from another thread, because a job that a lane's job submits runs at once. On a busy machine the first may be overdue
    // before that has come, and another thread has the second.
    let pair = || {
        let (next, done) = (Arc::clone(&lanes), Gate::default());
        let ends = done.clone();
        let second = move || {
            burn(Duration::from_millis(1));
            ends.open();
        };
        let first = move || {
            let submit = move || next.submit(&Terms::new(), second).unwrap().detach();
            thread::spawn(submit).join().unwrap();
        };
        lanes.submit(&Terms::new(), first).unwrap().detach();
        done.pass();
    };
    until("it breathes", || {
        pair();
        breathed.load(SeqCst)
    });
    begun.pass();
    pollster::block_on(lanes.run(|| ())).unwrap();
    over.open();
}
