//! What `#[offload]` bodies get: a lane, the host's notice, and their own panics.

use std::{cell::Cell, panic::AssertUnwindSafe, rc::Rc, thread};

use offload_core::{
    __private::{run, spawn},
    Error, Lanes,
    ambient::{self, Host},
};

use crate::support::{Gate, Occupied, lane, on_each_executor, panic_quietly, until};

struct TestHost {
    lanes: Lanes,
    met: Cell<u32>,
}

impl TestHost {
    fn new(lanes: Lanes) -> Rc<Self> {
        Rc::new(Self {
            lanes,
            met: Cell::new(0),
        })
    }
}

impl Host for TestHost {
    fn lanes(&self) -> Option<Lanes> {
        Some(self.lanes.clone())
    }

    fn offload_met(&self) {
        self.met.set(self.met.get() + 1);
    }
}

fn lanes() -> Lanes {
    let lanes = Lanes::builder().threads(1).spare_threads(0);
    lanes.queue_bound(1).build().unwrap()
}

fn thread_name() -> String {
    thread::current().name().unwrap_or_default().to_owned()
}

#[test]
fn without_a_host_the_fallback_lane_serves() {
    on_each_executor(|| async {
        assert!(run(thread_name).await.starts_with("offload-"));
        assert!(spawn(async { thread_name() }).await.starts_with("offload-"));
    });
    let fallback = Lanes::fallback().unwrap();
    assert_eq!(fallback.short().name, "offload-short");
    assert!(fallback.short().stats.submitted >= 8);
}

#[test]
fn a_host_gives_its_lane_and_is_told() {
    let host = TestHost::new(
        Lanes::builder()
            .name("host")
            .threads(1)
            .spare_threads(0)
            .build()
            .unwrap(),
    );
    let _entered = ambient::enter(host.clone());
    on_each_executor(|| async {
        assert_eq!(run(thread_name).await, "host-short-0");
        assert_eq!(spawn(async { thread_name() }).await, "host-short-0");
    });
    // `block_on` of each executor polls on this thread, under the host.
    assert_eq!(host.met.get(), 8);
}

#[test]
fn nothing_happens_before_the_first_poll() {
    let host = TestHost::new(lanes());
    let body = {
        let _entered = ambient::enter(host.clone());
        run(thread_name)
    };
    assert_eq!(host.met.get(), 0);
    assert!(pollster::block_on(body).starts_with("offload-"));
    assert_eq!(host.met.get(), 0);
}

#[test]
fn on_a_lane_thread_the_body_runs_right_there() {
    let lane = lane(1);
    let (here, ran, spawned) = pollster::block_on(lane.run(|| {
        let ran = pollster::block_on(run(|| thread::current().id()));
        let spawned = pollster::block_on(spawn(async { thread::current().id() }));
        (thread::current().id(), ran, spawned)
    }))
    .unwrap();
    assert_eq!((here, here), (ran, spawned));
}

#[test]
fn guards_restore_what_was_there() {
    let (outer, inner) = (TestHost::new(lanes()), TestHost::new(lanes()));
    assert!(ambient::current().is_none());
    let _outer = ambient::enter(outer.clone());
    {
        let _inner = ambient::enter(inner.clone());
        ambient::current().unwrap().offload_met();
    }
    ambient::current().unwrap().offload_met();
    assert_eq!((outer.met.get(), inner.met.get()), (1, 1));
}

#[test]
fn a_panic_of_the_body_resumes_on_the_awaiting_side() {
    let catch = |call: &dyn Fn()| std::panic::catch_unwind(AssertUnwindSafe(call)).unwrap_err();
    let payload = catch(&|| pollster::block_on(run(|| panic_quietly(5_u16))));
    assert_eq!(*payload.downcast::<u16>().unwrap(), 5);
    let payload = catch(&|| pollster::block_on(spawn(async { panic_quietly(6_u16) })));
    assert_eq!(*payload.downcast::<u16>().unwrap(), 6);
}

#[test]
fn a_refusal_unwinds_with_the_typed_error() {
    let lanes = lanes();
    let occupied = Occupied::all_of(&lanes);
    let waiting = lanes.run(|| ());
    let _entered = ambient::enter(TestHost::new(lanes));
    let payload = std::panic::catch_unwind(|| pollster::block_on(run(|| ()))).unwrap_err();
    assert!(payload.downcast::<Error>().unwrap().is_overloaded());
    drop(occupied);
    pollster::block_on(waiting).unwrap();
}

#[test]
fn an_awaited_body_holds_no_thread_while_it_waits() {
    let lanes = lanes();
    let gate = Gate::default();
    let waits = gate.clone();
    let checks = lanes.clone();
    let _entered = ambient::enter(TestHost::new(lanes));
    thread::scope(|scope| {
        scope.spawn(|| {
            until("the body waits", || gate.waiting() == 1);
            until("no thread works", || checks.running() == 0);
            gate.open();
        });
        pollster::block_on(spawn(waits));
    });
}
