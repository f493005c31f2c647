//! Routes under many threads, at the table's bound, pinned, tallied and restored.

mod apps;
mod log;

use std::{
    num::NonZeroU32,
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    thread,
    time::Duration,
};

use super::{Observation, PinSource, Route, RouteTable};
use crate::{
    admission::Refusal,
    cost::{BodySize, SizeBucket},
    placement::{Placement, Policy, Reason, Rules},
};

fn none() -> SizeBucket {
    SizeBucket::of(BodySize::Known(0))
}

fn large() -> SizeBucket {
    SizeBucket::of(BodySize::Known(5 << 20))
}

fn run(micros: u64, ran: Placement) -> Observation {
    Observation {
        cost: Duration::from_micros(micros),
        ran,
        queued: (ran == Placement::Lane).then_some(Duration::from_micros(7)),
    }
}

/// A route that has been found light for requests without a body.
fn light(table: &RouteTable) -> Arc<Route> {
    let route = table.route(0, "GET", "/");
    for _ in 0..3 {
        route.observe(none(), run(20, Placement::Lane));
    }
    assert_eq!(route.place(none()), Placement::Loop);
    route
}

#[test]
fn each_body_size_is_judged_for_itself() {
    let table = RouteTable::new(Rules::default());
    let route = light(&table);
    assert_eq!(route.placement(), Placement::Loop);
    assert_eq!(
        route.place(large()),
        Placement::Lane,
        "nothing is known of it"
    );
    route.observe(large(), run(60_000, Placement::Lane));
    assert_eq!(route.place(none()), Placement::Loop);
    assert_eq!(
        route.placement(),
        Placement::Lane,
        "one body size runs there"
    );

    let report = route.report();
    let sizes: Vec<_> = report.buckets.iter().map(|b| b.body_size).collect();
    assert_eq!(sizes, [none(), large()]);
    assert_eq!(report.buckets[0].placement, Placement::Loop);
    assert_eq!(report.buckets[0].clean_runs_needed, None);
    assert_eq!(report.buckets[1].placement, Placement::Lane);
    assert_eq!(report.buckets[1].clean_runs, Some(0));
    assert_eq!(report.buckets[1].clean_runs_needed, Some(8));
    assert_eq!(report.buckets[1].cost.unwrap().last_us, 60_000.0);
    assert_eq!(report.cost.unwrap().peak_us, 60_000.0);
    assert_eq!(
        (report.loop_runs, report.lane_runs, report.moves),
        (0, 4, 1)
    );
    assert_eq!(report.queued.unwrap().last_us, 7.0);
}

#[test]
fn errors_never_bring_a_route_to_the_loop_but_may_take_it_off() {
    let table = RouteTable::new(Rules::default());
    let route = table.route(0, "POST", "/hash");
    for _ in 0..100 {
        route.observe_error(none(), run(20, Placement::Lane));
    }
    assert_eq!(route.place(none()), Placement::Lane, "still unknown");
    route.observe(none(), run(60_000, Placement::Lane));
    for _ in 0..100 {
        route.observe_error(none(), run(20, Placement::Lane));
    }
    assert_eq!(route.place(none()), Placement::Lane, "known as heavy");
    assert_eq!(route.report().lane_runs, 201, "but all are counted");

    let route = light(&table);
    route.observe_error(none(), run(60_000, Placement::Loop));
    assert_eq!(
        route.place(none()),
        Placement::Lane,
        "a heavy error is heavy"
    );
}

#[test]
fn a_run_of_unknown_cost_is_counted_and_proves_nothing() {
    let table = RouteTable::new(Rules::default());
    let route = table.route(0, "GET", "/");
    for _ in 0..100 {
        route.count_run(none(), run(20, Placement::Loop));
    }
    assert_eq!(route.place(none()), Placement::Lane, "still unknown");
    let report = route.report();
    assert_eq!((report.loop_runs, report.cost), (100, None));
    assert!(report.loop_seconds > 0.0);
}

#[test]
fn a_report_is_json_with_its_units_in_the_names() {
    let table = RouteTable::new(Rules::default());
    let route = light(&table);
    route.observe(none(), run(52_000, Placement::Loop));
    route.count_panic();
    route.count_refused(Refusal::QueueFull);
    route.count_cancelled();
    let json = serde_json::to_value(route.report()).unwrap();
    assert_eq!(json["method"], "GET");
    assert_eq!(json["pattern"], "/");
    assert_eq!(json["placement"], "lane");
    assert_eq!(json["pinned_by"], serde_json::Value::Null);
    for count in ["loop_runs", "panics", "refused", "cancelled"] {
        assert_eq!(json[count], 1, "{count}");
    }
    assert_eq!(json["moves"], 2);
    assert_eq!(json["buckets"][0]["body_size"], "none");
    assert_eq!(json["buckets"][0]["relapses"], 1);
    assert_eq!(json["buckets"][0]["cost"]["last_us"], 52_000.0);
    assert_eq!(json["last_move"]["from"], "loop");
    assert_eq!(
        json["last_move"]["reason"],
        "slow run of 52.0ms on the event loop"
    );
    assert!(json["last_move"]["age_s"].as_f64().unwrap() >= 0.0);
}

#[test]
fn beyond_its_capacity_a_table_tells_routes_apart_no_more() {
    let table = RouteTable::with_capacity(Rules::default(), NonZeroU32::new(100).unwrap());
    for number in 0..1_000 {
        let route = table.route(0, "GET", &format!("/{number}"));
        assert_eq!(route.pattern() == "(other)", number >= 100);
    }
    let other = table.route(0, "GET", "/one more");
    let of_another_app = table.route(1, "GET", "/one more");
    assert_ne!(other.id(), of_another_app.id());
    assert_eq!(
        (of_another_app.app(), of_another_app.method()),
        (1, "(other)")
    );
    assert_eq!(table.routes().len(), 102);
    assert_eq!(table.route(0, "GET", "/99").pattern(), "/99");

    // However light some of them are, and whoever pins one of them: the next may be heavy.
    let tally = table.loop_tally();
    for _ in 0..1_000 {
        other.observe(none(), run(1, Placement::Lane));
        tally.observe(&other, none(), run(1, Placement::Loop));
    }
    other.pin(Placement::Loop, PinSource::Configuration);
    assert_eq!(other.place(none()), Placement::Lane);
    assert_eq!(other.placement(), Placement::Lane);
    assert_eq!(
        (other.report().loop_runs, other.report().lane_runs),
        (1_000, 1_000)
    );
    assert!(table.snapshot().routes().is_empty());

    let rules = Rules {
        policy: Policy::AlwaysLoop,
        ..Rules::default()
    };
    let table = RouteTable::with_capacity(rules, NonZeroU32::MIN);
    let _ = table.route(0, "GET", "/");
    let other = table.route(0, "GET", "/other");
    assert_eq!(other.place(none()), Placement::Loop);
}

#[test]
fn a_pinned_route_ignores_the_model_but_is_measured() {
    let table = RouteTable::new(Rules::default());
    let route = light(&table);
    route.pin(Placement::Lane, PinSource::Attribute);
    assert_eq!(route.place(none()), Placement::Lane);
    assert_eq!(route.place(large()), Placement::Lane);
    for _ in 0..100 {
        route.observe(none(), run(20, Placement::Lane));
    }
    assert_eq!(route.place(none()), Placement::Lane);
    assert_eq!(route.report().lane_runs, 103);
    let reason = |route: &Route| route.last_move().unwrap().0.reason;
    assert_eq!(reason(&route), Reason::Pinned(PinSource::Attribute));

    route.pin(Placement::Loop, PinSource::Configuration);
    route.pin(Placement::Lane, PinSource::Attribute);
    assert_eq!(route.place(none()), Placement::Loop);
    assert_eq!(route.pinned_by(), Some(PinSource::Configuration));
    assert_eq!(reason(&route), Reason::Pinned(PinSource::Configuration));
    route.observe(none(), run(900_000, Placement::Loop));
    assert_eq!(route.place(none()), Placement::Loop);
    let report = route.report();
    assert_eq!(report.cost.unwrap().last_us, 900_000.0);
    assert_eq!(report.moves, 3, "learned, and pinned twice");
}

#[test]
fn a_fixed_policy_yields_to_configuration_but_not_to_the_attribute() {
    let rules = Rules {
        policy: Policy::AlwaysLoop,
        ..Rules::default()
    };
    let route = RouteTable::new(rules).route(0, "GET", "/");
    route.pin(Placement::Lane, PinSource::Attribute);
    assert_eq!(
        (route.place(none()), route.pinned_by()),
        (Placement::Loop, None)
    );
    assert_eq!(route.placement(), Placement::Loop);
    route.pin(Placement::Lane, PinSource::Configuration);
    assert_eq!(route.place(none()), Placement::Lane);
}

#[test]
fn tallies_of_all_event_loops_sum_up_also_when_a_loop_has_ended() {
    let table = RouteTable::new(Rules::default());
    let route = light(&table);
    let far: Vec<_> = (0..200)
        .map(|number| table.route(0, "GET", &format!("/{number}")))
        .collect();
    let far = &far[199];
    far.pin(Placement::Loop, PinSource::Configuration);
    thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                let tally = table.loop_tally();
                for _ in 0..1_000 {
                    tally.observe(&route, none(), run(20, Placement::Loop));
                    tally.observe(far, large(), run(20, Placement::Loop));
                }
            });
        }
    });
    let tally = table.loop_tally();
    tally.observe(&route, none(), run(20, Placement::Loop));
    let report = route.report();
    assert_eq!((report.loop_runs, report.lane_runs), (4_001, 3));
    assert_eq!(report.buckets[0].runs, 4_004);
    assert_eq!(far.report().loop_runs, 4_000);
    assert_eq!(far.report().buckets[0].body_size, large());
    assert_eq!(
        table.shared().tallies.live(),
        1,
        "ended loops take no place"
    );
}

#[test]
fn a_tally_passes_on_what_may_change_a_verdict() {
    let table = RouteTable::new(Rules::default());
    let route = light(&table);
    let tally = table.loop_tally();
    for _ in 0..50 {
        tally.observe(&route, none(), run(20, Placement::Loop));
    }
    tally.observe(&route, none(), run(50_000, Placement::Loop));
    assert_eq!(route.place(none()), Placement::Lane);
    for _ in 0..32 {
        tally.observe(&route, none(), run(20, Placement::Loop));
    }
    assert_eq!(
        route.place(none()),
        Placement::Loop,
        "32 clean runs after a relapse"
    );
    // A tally of another table has no row for this route but does not lose its runs.
    let stranger = RouteTable::new(Rules::default()).loop_tally();
    stranger.observe(&route, none(), run(20, Placement::Loop));
    assert_eq!(route.report().loop_runs, 50 + 1 + 32 + 1);
}

#[test]
fn relapses_fade_by_the_clean_runs_of_event_loops() {
    let table = RouteTable::new(Rules::default());
    let route = light(&table);
    route.observe(none(), run(50_000, Placement::Loop));
    let tally = table.loop_tally();
    for _ in 0..32 {
        tally.observe(&route, none(), run(20, Placement::Loop));
    }
    let relapses = || route.report().buckets[0].relapses;
    assert_eq!(relapses(), 1);
    for _ in 0..65_536 {
        tally.observe(&route, none(), run(20, Placement::Loop));
    }
    assert_eq!(relapses(), 0);
}

#[test]
fn a_clean_run_on_the_loop_leaves_the_verdict_alone() {
    let table = RouteTable::new(Rules::default());
    let route = light(&table);
    let before = route.verdict(none());
    for _ in 0..100 {
        route.observe(none(), run(20, Placement::Loop));
        assert_eq!(route.verdict(none()), before);
    }
}

#[test]
fn observing_never_waits_for_who_reads() {
    let table = RouteTable::new(Rules::default());
    let route = light(&table);
    let reading = route.record.sketches.lock().unwrap();
    // This would never return if it waited.
    route.observe(none(), run(50_000, Placement::Loop));
    drop(reading);
    assert_eq!(route.place(none()), Placement::Lane);
    let report = route.report();
    assert_eq!(report.loop_runs, 1);
    assert_eq!(report.cost.unwrap().last_us, 20.0, "the sample is left out");
}

#[test]
fn many_threads_observe_place_pin_and_report_at_once() {
    const THREADS: u64 = 4;
    const RUNS: u64 = 5_000;
    let table = RouteTable::new(Rules::default());
    let start = Barrier::new(THREADS as usize);
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reports = 0;
            while !done.load(Relaxed) || reports == 0 {
                for route in table.routes() {
                    let report = route.report();
                    assert!(report.buckets.len() <= SizeBucket::COUNT);
                    reports += 1;
                }
            }
        });
        let workers: Vec<_> = (0..THREADS)
            .map(|thread| {
                let (table, start) = (&table, &start);
                scope.spawn(move || {
                    start.wait();
                    let tally = table.loop_tally();
                    for number in 0..RUNS {
                        let route = table.route(0, "GET", &format!("/{}", number % 10));
                        let ran = route.place(none());
                        let cost = if number % 97 == thread { 5_000 } else { 10 };
                        let seen = self::run(cost, ran);
                        match ran {
                            Placement::Loop => tally.observe(&route, none(), seen),
                            Placement::Lane => route.observe(none(), seen),
                        }
                    }
                    table
                        .route(0, "GET", "/0")
                        .pin(Placement::Lane, PinSource::Attribute);
                })
            })
            .collect();
        for worker in workers {
            worker.join().unwrap();
        }
        done.store(true, Relaxed);
        reader.join().unwrap();
    });
    let routes = table.routes();
    assert_eq!(routes.len(), 10);
    let runs: u64 = routes
        .iter()
        .map(|route| route.report())
        .map(|report| report.loop_runs + report.lane_runs)
        .sum();
    assert_eq!(runs, THREADS * RUNS, "no run is lost");
    let pinned = table.route(0, "GET", "/0");
    assert_eq!(pinned.pinned_by(), Some(PinSource::Attribute));
}

#[test]
fn what_was_learned_is_taken_over() {
    let before = RouteTable::new(Rules::default());
    let route = light(&before);
    route.observe(large(), run(60_000, Placement::Lane));
    let relapsed = before.route(3, "POST", "/sort");
    for _ in 0..3 {
        relapsed.observe(none(), run(20, Placement::Lane));
    }
    relapsed.observe(none(), run(60_000, Placement::Loop));
    let _ = before.route(0, "GET", "/never-run");
    let profile = before.snapshot();
    assert_eq!(profile.routes().len(), 2);

    let after = RouteTable::new(Rules::default());
    let restored = after.restore(&profile);
    assert_eq!((restored.routes, restored.verdicts), (2, 3));
    assert_eq!(restored.other_budget, None);
    let route = after.route(0, "GET", "/");
    assert_eq!(route.place(none()), Placement::Loop);
    assert_eq!(route.place(large()), Placement::Lane);
    assert_eq!(route.placement(), Placement::Lane);
    let (last, _) = route.last_move().unwrap();
    assert_eq!(last.reason, Reason::LoadedFromProfile);
    let sort = after.route(3, "POST", "/sort").report();
    assert_eq!(sort.buckets[0].clean_runs_needed, Some(32));
    assert_eq!(after.snapshot(), profile);
}

#[test]
fn a_profile_does_not_overrule_what_is_known_better() {
    let before = RouteTable::new(Rules::default());
    let profile = {
        light(&before);
        before.snapshot()
    };
    let after = RouteTable::new(Rules::default());
    let route = after.route(0, "GET", "/");
    route.observe(none(), run(60_000, Placement::Lane));
    let pinned = after.restore(&profile);
    assert_eq!((pinned.routes, pinned.verdicts), (1, 0));
    assert_eq!(route.place(none()), Placement::Lane);

    let small = RouteTable::with_capacity(Rules::default(), NonZeroU32::MIN);
    let _ = small.route(0, "GET", "/takes the only place");
    assert_eq!(small.restore(&profile).routes, 0);
}

#[test]
fn verdicts_under_another_budget_are_not_taken_over() {
    let before = RouteTable::new(Rules::default());
    light(&before);
    let budget = Duration::from_micros(10);
    let after = RouteTable::new(Rules {
        budget,
        ..Rules::default()
    });
    let restored = after.restore(&before.snapshot());
    assert_eq!((restored.routes, restored.verdicts), (1, 0));
    assert_eq!(restored.other_budget, Some(Duration::from_micros(100)));
    let route = after.route(0, "GET", "/");
    assert_eq!(route.place(none()), Placement::Lane);
    assert_eq!(route.last_move(), None);
}
