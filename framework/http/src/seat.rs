//! What each thread has of its own, so that no request takes a lock or writes where other threads do.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::{Arc, Weak},
};

use offload_core::{
    Lanes, ambient::Host, clock::LoopClock, event_loop::EventLoop, routes::LoopTally,
};

use crate::{app::Routes, plugin::Shared};

thread_local! {
    static SEATS: RefCell<Vec<Rc<Seat>>> = const { RefCell::new(Vec::new()) };
}

/// One thread's own things for one plugin. It keeps neither the lanes nor the routes.
pub(crate) struct Seat {
    shared: Weak<Shared>,
    pub(crate) event_loop: Arc<EventLoop>,
    pub(crate) clock: LoopClock,
    /// `None` on a lane thread.
    pub(crate) tally: Option<LoopTally>,
    /// By the number of their app, with its serial.
    routes: RefCell<Vec<(u64, Routes)>>,
    offload_met: Cell<bool>,
}

impl Seat {
    /// The calling thread's seat, which it takes if it has none.
    pub(crate) fn here(shared: &Arc<Shared>) -> Rc<Self> {
        let is_its = |seat: &&Rc<Self>| Weak::as_ptr(&seat.shared) == Arc::as_ptr(shared);
        let found = SEATS.try_with(|seats| seats.borrow().iter().find(is_its).map(Rc::clone));
        match found {
            Ok(Some(seat)) => seat,
            Ok(None) => {
                let seat = Self::new(shared);
                // Those of plugins that are gone leave now. They are dropped where nothing is borrowed.
                let left = SEATS.with_borrow_mut(|seats| {
                    let (stay, leave) = std::mem::take(seats)
                        .into_iter()
                        .partition(|seat| seat.shared.strong_count() > 0);
                    *seats = stay;
                    seats.push(Rc::clone(&seat));
                    leave
                });
                let _left: Vec<_> = left;
                seat
            }
            // The thread is being torn down.
            Err(_) => Self::new(shared),
        }
    }

    fn new(shared: &Arc<Shared>) -> Rc<Self> {
        let is_lane = shared.lanes.is_current();
        let event_loop = if is_lane {
            shared.loops.lane_thread_here()
        } else {
            // Asking twice changes nothing.
            offload_core::wake_promptly();
            shared.loops.here()
        };
        Rc::new(Self {
            shared: Arc::downgrade(shared),
            event_loop,
            clock: LoopClock::new(shared.table.rules().budget),
            tally: (!is_lane).then(|| shared.table.loop_tally()),
            routes: RefCell::default(),
            offload_met: Cell::new(false),
        })
    }

    /// Hands out what this thread knows of an app's routes.
    pub(crate) fn routes_of<T>(
        &self,
        app: u32,
        serial: u64,
        with: impl FnOnce(&mut Routes) -> T,
    ) -> T {
        let mut apps = self.routes.borrow_mut();
        let app = app as usize;
        if apps.len() <= app {
            apps.resize_with(app + 1, Default::default);
        }
        let (whose, routes) = &mut apps[app];
        if *whose != serial {
            // They were those of an app that has ended.
            (*whose, *routes) = (serial, Routes::default());
        }
        with(routes)
    }

    /// Whether an `#[offload]` body was started since it was asked last.
    pub(crate) fn take_offload_met(&self) -> bool {
        self.offload_met.take()
    }
}

impl Host for Seat {
    fn lanes(&self) -> Option<Lanes> {
        Some(self.shared.upgrade()?.lanes.clone())
    }

    fn offload_met(&self) {
        self.offload_met.set(true);
    }
}
