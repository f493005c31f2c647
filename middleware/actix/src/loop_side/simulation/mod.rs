//! Placement and pacing hold their promises over any sequence of arrivals, bodies, waits, costs and ends.
//!
//! All of the plugin is real, but the event loop is turned by hand and time is what the scripts say: see `event_loop` and
//! `offload_core::clock::simulated`. Nothing depends on how fast the machine is. A poll is *heavy* here if it takes well over
//! eight budgets, and a class of requests is a route and a size of body. What is checked:
//!
//! - P1: of classes that were found heavy, all together, no more than one heavy poll runs on the loop between two looks at the
//!   sockets. Of a class that was not, one does: the one that finds it. One more does where it is in doubt what the first
//!   took, because the loop had been idle or the handler blocked.
//! - P2: a request that begins after its class was found heavy does not begin on the loop before the class has had as many clean
//!   runs as it takes (8, which is checked as 6; 3 at first). Where it is in doubt, the second heavy poll finds it.
//! - P3: each request is answered once, unless its client left. Whenever nothing is woken, whoever has no answer waits for what
//!   its script waits for, and not for a turn.
//! - P4: what is pinned to a place runs there, however its path is spelt. Where a middleware leads a path of another route to one that
//!   is pinned to the lane, it is the same from the second time on, until enough requests of the other route were its own.
//! - P5: a class that was light ever since, and has run on the loop, stays there whatever others do. Excepted is what looks
//!   like more than one route: a path that a middleware may change.
//!
//! A route that is pinned to the loop has no bounds: it was said that it belongs there.

mod app;
mod event_loop;
mod oracle;
mod script;
mod world;

use std::{sync::Arc, time::Duration};

use actix_web::dev::ServiceFactory;
use offload_core::{
    clock::simulated::{self, Spent},
    placement::Placement,
};
use proptest::prelude::*;

use self::{
    event_loop::EventLoop,
    oracle::{Oracle, Seen},
    script::{BUDGET, End, Kind, ORDINARY, Op, Script, Size, Step, Target},
    world::World,
};
use crate::Offload;

const CASES: u32 = 200;

/// Plays a sequence, and says what was violated, and what has occurred.
fn play(kind: Kind, ops: &[Op]) -> (Vec<String>, Seen) {
    simulated::begin();
    let patience = Duration::from_secs(3600);
    let offload = Offload::builder()
        .budget(BUDGET)
        .lanes(|lanes| {
            lanes
                .threads(1)
                .spare_threads(0)
                .patience(patience..=patience)
                .burst_patience(patience)
        })
        .stall_watch(None)
        .server_timing(false)
        .pin("GET", "/lane", Placement::Lane)
        .pin("GET", "/loop", Placement::Loop)
        .build()
        .expect("starts");
    let world = Arc::new(World::new(Oracle::new(kind)));
    let app = {
        let world = Arc::clone(&world);
        offload.app(move || app::app(Arc::clone(&world)))
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let service = app().new_service(app::config()).await;
        let mut event_loop = EventLoop::new(service.expect("an app"), Arc::clone(&world));
        learn(&mut event_loop).await;
        for op in ops {
            event_loop.play(op).await;
        }
        event_loop.end().await;
    });
    drop(app);
    let mut inner = world.lock();
    for id in 0..inner.requests.len() {
        let answers = inner.requests[id].answers;
        if answers > 1 {
            inner
                .oracle
                .violated(format!("P3: {id} has {answers} answers"));
        }
    }
    (inner.oracle.violations().to_vec(), inner.oracle.seen)
}

/// Has the routes known, as light.
async fn learn<S, B>(event_loop: &mut EventLoop<S>)
where
    S: actix_web::dev::Service<
            app::Asked,
            Response = actix_http::Response<B>,
            Error = actix_web::Error,
        > + 'static,
    B: actix_web::body::MessageBody + 'static,
{
    for target in ORDINARY {
        let mut tries = 0;
        // A lane reads the app's patterns meanwhile.
        while event_loop.lights(target, Size::None, 1).await != Some(Placement::Loop) {
            tries += 1;
            assert!(tries < 10_000, "{target:?} was not learned");
        }
    }
}

/// A request without a body whose handler takes these steps.
fn steps(target: Target, inside: &[Step]) -> Script {
    Script {
        target,
        size: Size::None,
        outside: Vec::new(),
        inside: inside.to_vec(),
        end: End::Answer,
    }
}

const HEAVY: Step = Step::Take(Duration::from_millis(5), Spent::Computing);

/// Random sequences hardly ever do this: a route is light again before one of it that began earlier has had its turn.
#[test]
fn who_needs_no_turn_any_more_keeps_nobody_from_theirs() {
    let twice = vec![vec![Step::Await], vec![Step::Await]];
    let waits_in_its_body = Script {
        end: End::Stream(twice),
        ..steps(Target::B, &[])
    };
    let waits = steps(Target::B, &[Step::Await, Step::Await]);
    for waits_twice in [waits, waits_in_its_body] {
        let many = Op::Arrive(steps(Target::A, &[Step::Await, HEAVY]), 10);
        let ops = [
            many.clone(),
            Op::Arrive(waits_twice, 1),
            many,
            Op::Settle,
            // The other route is found heavy, and all go on at once.
            Op::Arrive(steps(Target::B, &[HEAVY]), 1),
            Op::Turn(61),
            Op::ReleaseAll,
            Op::Turn(61),
            // As many as it takes after a relapse.
            Op::Arrive(Script::light(Target::B, Size::None), 32),
            Op::Turn(61),
            Op::Turn(61),
            Op::Settle,
        ];
        let (violations, seen) = play(Kind::Exact, &ops);
        assert!(violations.is_empty(), "{violations:#?}");
        assert_eq!((seen.heavy_on_loop, seen.paced), (21, 19), "{seen:?}");
    }
}

/// Who has been heavy once waits until the route is light again, and then all are heavy at once.
#[test]
fn who_has_been_heavy_before_takes_turns_all_the_same() {
    let ops = [
        Op::Arrive(
            steps(Target::A, &[Step::Await, HEAVY, Step::Await, HEAVY]),
            20,
        ),
        Op::Settle,
        Op::ReleaseAll,
        Op::Settle,
        Op::Lights(Target::A, Size::None, 40),
        Op::ReleaseAll,
        Op::Settle,
    ];
    let (violations, seen) = play(Kind::Exact, &ops);
    assert!(violations.is_empty(), "{violations:#?}");
    assert_eq!((seen.heavy_on_loop, seen.paced), (40, 38), "{seen:?}");
    assert!(seen.came_back > 0, "{seen:?}");
}

/// What has begun on the loop ends in cheap errors, which say nothing of a route that is heavy.
#[test]
fn errors_bring_no_heavy_route_back() {
    let fails = Script {
        end: End::Error,
        ..steps(Target::A, &[Step::Await])
    };
    let ops = [
        Op::Arrive(fails, 50),
        Op::Settle,
        Op::Arrive(steps(Target::A, &[HEAVY]), 1),
        Op::Settle,
        Op::ReleaseAll,
        Op::Settle,
        Op::Arrive(steps(Target::A, &[HEAVY]), 1),
    ];
    let (violations, seen) = play(Kind::Exact, &ops);
    assert!(violations.is_empty(), "{violations:#?}");
    assert_eq!(seen.heavy_on_loop, 1, "{seen:?}");
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: CASES,
        failure_persistence: None,
        ..ProptestConfig::default()
    })]

    #[test]
    fn promises_hold_where_nothing_is_in_doubt(ops in script::ops(Kind::Exact)) {
        let (violations, _) = play(Kind::Exact, &ops);
        prop_assert!(violations.is_empty(), "{violations:#?}");
    }

    #[test]
    fn promises_hold_where_costs_are_in_doubt(ops in script::ops(Kind::Doubtful)) {
        let (violations, _) = play(Kind::Doubtful, &ops);
        prop_assert!(violations.is_empty(), "{violations:#?}");
    }

    #[test]
    fn what_is_light_stays(ops in script::ops(Kind::Light)) {
        let (violations, _) = play(Kind::Light, &ops);
        prop_assert!(violations.is_empty(), "{violations:#?}");
    }
}
