//! What a lane thread owns for its whole life: its place in the lane and, if wanted, one `!Send` future.

use std::{
    cell::{Cell, RefCell},
    fmt,
    rc::Rc,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll, Wake, Waker},
    thread,
    time::{Duration, Instant},
};

use super::{
    park::{Park, Resident},
    shared::Shared,
};
use crate::{clock::LoopClock, os, quiet};

/// A thread that is at work looks after its timers and sockets so often.
const BREATHE_EVERY: Duration = Duration::from_micros(200);

/// What has taken no longer is not worth a look at the thread's CPU clock.
const EXACT: Duration = Duration::from_micros(100);

thread_local! {
    static PLACE: RefCell<Option<Rc<Place>>> = const { RefCell::new(None) };
}

/// A thread's place in its lane.
pub(crate) struct Place {
    shared: Arc<Shared>,
    index: usize,
    resident: RefCell<Option<Resident>>,
    waker: Waker,
    last_poll_panicked: Cell<bool>,
    /// How it parks, unless by the standard library.
    park: RefCell<Option<Box<dyn Park>>>,
    /// When it last looked after its timers and sockets.
    breathed: Cell<Option<Instant>>,
    /// How many jobs that have begun here wait for something.
    waiting_jobs: Cell<usize>,
    clock: LoopClock,
}

impl Place {
    /// Makes the calling thread the lane's thread `index` and builds its resident.
    pub(crate) fn take_up(shared: &Arc<Shared>, index: usize) {
        let place = Rc::new(Self {
            shared: Arc::clone(shared),
            index,
            resident: RefCell::new(None),
            waker: Waker::from(Arc::new(ResidentWaker {
                shared: Arc::clone(shared),
                index,
            })),
            last_poll_panicked: Cell::new(false),
            park: RefCell::new(None),
            breathed: Cell::new(None),
            waiting_jobs: Cell::new(0),
            clock: LoopClock::new(EXACT),
        });
        PLACE.set(Some(Rc::clone(&place)));
        os::apply(shared.priority);
        // Each thread has an index of its own, so nobody else sets it.
        let _ = shared.threads[index].os.set(os::ThreadRef::current());
        if !place.is_lane_thread() {
            return; // A helper has no resident, and sleeps as rayon has it.
        }
        if let Some(build) = &shared.park {
            shared.surround("building how a lane thread parks", || {
                let park = build(index);
                *place.park.borrow_mut() = Some(park);
            });
        }
        shared.threads[index]
            .unparker
            .set(place.park.borrow().as_deref());
        if let Some(build) = &shared.local {
            shared.surround("building a lane thread's resident", || {
                let resident = build(index);
                *place.resident.borrow_mut() = Some(resident);
            });
            // It wants its first poll.
            shared.notify(index);
        }
    }

    /// Drops the calling thread's resident, and then its place.
    pub(crate) fn give_up() {
        let Some(place) = Self::on_this_thread() else {
            return;
        };
        let resident = place.resident.borrow_mut().take();
        if resident.is_some() {
            place
                .shared
                .surround("dropping a lane thread's resident", move || drop(resident));
        }
        drop(place.park.borrow_mut().take());
        PLACE.set(None);
    }

    /// The calling thread's place, if it is a thread of any lane.
    pub(crate) fn on_this_thread() -> Option<Rc<Self>> {
        PLACE
            .try_with(|place| place.borrow().clone())
            .ok()
            .flatten()
    }

    /// Whether the calling thread is a thread of any lane.
    pub(crate) fn exists() -> bool {
        PLACE
            .try_with(|place| place.borrow().is_some())
            .unwrap_or(false)
    }

    /// Whether the calling thread is a thread of this lane.
    pub(crate) fn is_in(shared: &Arc<Shared>) -> bool {
        PLACE
            .try_with(|place| {
                let place = place.borrow();
                place
                    .as_ref()
                    .is_some_and(|place| Arc::ptr_eq(&place.shared, shared))
            })
            .unwrap_or(false)
    }

    /// Says under which key the cost of the calling thread's present work is remembered, if it is a lane thread. Returns
    /// what was said before.
    pub(crate) fn attribute(key: u64) -> u64 {
        let place = PLACE.try_with(|place| {
            let place = place.borrow();
            place.as_ref().map_or(0, |place| {
                let thread = &place.shared.threads[place.index];
                thread.key.swap(key, Ordering::Relaxed)
            })
        });
        place.unwrap_or(0)
    }

    pub(crate) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    pub(crate) fn index(&self) -> usize {
        self.index
    }

    /// Measures the work on this thread.
    pub(crate) fn clock(&self) -> &LoopClock {
        &self.clock
    }

    /// Whether the thread runs the lane's jobs; otherwise it is one of rayon's helpers.
    pub(crate) fn is_lane_thread(&self) -> bool {
        self.index < self.shared.gate.threads()
    }

    /// Whether jobs that have begun on this thread wait for something.
    pub(crate) fn is_engaged(&self) -> bool {
        self.waiting_jobs.get() > 0
    }

    /// A job goes on here after it has returned to the lane.
    pub(crate) fn engage(&self) {
        self.waiting_jobs.set(self.waiting_jobs.get() + 1);
    }

    /// Such a job has ended.
    pub(crate) fn disengage(&self) {
        self.waiting_jobs
            .set(self.waiting_jobs.get().saturating_sub(1));
    }

    /// Says to all whether the thread is engaged, before it lies down.
    pub(crate) fn say_whether_engaged(&self) {
        let drives = || {
            let park = self.park.borrow();
            park.as_ref().is_some_and(|park| park.drives_tasks())
        };
        let engaged = self.is_engaged() || drives();
        self.shared.gate.set_engaged(self.index, engaged);
    }

    /// Sleeps until it is unparked, or for a shorter time.
    pub(crate) fn park(&self) {
        match &mut *self.park.borrow_mut() {
            Some(park) => {
                contain(|| park.park());
                self.breathed.set(None);
            }
            None => thread::park(),
        }
    }

    /// Looks after timers and sockets if that was a while ago.
    pub(crate) fn breathe(&self) {
        let mut park = self.park.borrow_mut();
        let Some(park) = park.as_mut() else { return };
        let now = Instant::now();
        let last = self.breathed.get().unwrap_or(now);
        if now - last >= BREATHE_EVERY {
            contain(|| park.breathe());
            self.breathed.set(Some(now));
        } else {
            self.breathed.set(Some(last));
        }
    }

    /// Polls the resident once. Only the gate's loop and the beginning of a job may call this (I2 of the gate).
    pub(crate) fn poll_resident(&self) {
        // I2 makes this borrow succeed. If it ever did not, polling twice would be the worse answer.
        let Ok(mut resident) = self.resident.try_borrow_mut() else {
            return;
        };
        let Some(future) = resident.as_mut() else {
            return;
        };
        let mut outcome = Ok(Poll::Pending);
        self.shared
            .surround("polling a lane thread's resident", || {
                outcome =
                    quiet::catch(|| future.as_mut().poll(&mut Context::from_waker(&self.waker)));
            });
        match outcome {
            Ok(Poll::Pending) => self.last_poll_panicked.set(false),
            Ok(Poll::Ready(())) => {
                let ended = resident.take();
                self.shared
                    .surround("dropping a lane thread's resident", move || drop(ended));
            }
            Err(payload) => {
                self.shared.ledger.resident_panicked();
                quiet::report("the resident of a lane thread", payload);
                // What it had left to do gave no further wake-up. One more poll, but no endless row of panics.
                if !self.last_poll_panicked.replace(true) {
                    self.waker.wake_by_ref();
                }
            }
        }
    }
}

/// Keeps a panic in what an adapter drives from ending the thread.
fn contain(drive: impl FnOnce()) {
    if let Err(payload) = quiet::catch(drive) {
        quiet::report("what drives a lane thread's timers and sockets", payload);
    }
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Place")
            .field("lane", &self.shared.name)
            .field("index", &self.index)
            .finish_non_exhaustive()
    }
}

/// Wakes one lane thread's resident from anywhere.
struct ResidentWaker {
    shared: Arc<Shared>,
    index: usize,
}

impl Wake for ResidentWaker {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.shared.notify(self.index);
    }
}
