//! What a recorder is told, by one that remembers it.

use std::{
    collections::BTreeMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use metrics::{
    Counter, Gauge, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder, SharedString, Unit,
};

use super::*;
use crate::{
    admission::Refusal,
    cost::{BodySize, SizeBucket},
    placement::{Placement, Rules},
    routes::Observation,
};

#[derive(Default)]
struct Remembering {
    numbers: Mutex<BTreeMap<String, Arc<AtomicU64>>>,
    times: Mutex<BTreeMap<String, Arc<Times>>>,
    described: Mutex<Vec<String>>,
}

#[derive(Default)]
struct Times(Mutex<Vec<f64>>);

impl HistogramFn for Times {
    fn record(&self, value: f64) {
        self.0.lock().unwrap().push(value);
    }
}

fn text(key: &Key) -> String {
    let labels = key
        .labels()
        .map(|label| format!(" {}={}", label.key(), label.value()));
    format!("{}{}", key.name(), labels.collect::<String>())
}

impl Remembering {
    fn number(&self, key: &Key) -> Arc<AtomicU64> {
        Arc::clone(self.numbers.lock().unwrap().entry(text(key)).or_default())
    }

    fn counter(&self, key: &str) -> u64 {
        let numbers = self.numbers.lock().unwrap();
        let known = || numbers.keys().cloned().collect::<Vec<_>>().join("\n");
        let number = numbers.get(key);
        number
            .unwrap_or_else(|| panic!("no {key} in\n{}", known()))
            .load(Relaxed)
    }

    fn knows(&self, part: &str) -> bool {
        let numbers = self.numbers.lock().unwrap();
        numbers.keys().any(|key| key.contains(part))
    }

    fn gauge(&self, key: &str) -> f64 {
        f64::from_bits(self.counter(key))
    }

    /// In microseconds: the middle of two limits is not exact in seconds.
    fn times(&self, key: &str) -> Vec<f64> {
        let times = self.times.lock().unwrap();
        let seconds = times[key].0.lock().unwrap();
        seconds.iter().map(|time| (time * 1e6).round()).collect()
    }
}

impl Recorder for Remembering {
    fn describe_counter(&self, key: KeyName, _: Option<Unit>, _: SharedString) {
        self.described.lock().unwrap().push(key.as_str().to_owned());
    }

    fn describe_gauge(&self, key: KeyName, unit: Option<Unit>, what: SharedString) {
        self.describe_counter(key, unit, what);
    }

    fn describe_histogram(&self, key: KeyName, unit: Option<Unit>, what: SharedString) {
        self.describe_counter(key, unit, what);
    }

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.number(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.number(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        let mut times = self.times.lock().unwrap();
        Histogram::from_arc(Arc::clone(times.entry(text(key)).or_default()))
    }
}

fn observe(table: &RouteTable, pattern: &str, cost: Duration, ran: Placement) {
    let route = table.route(0, "GET", pattern);
    let queued = (ran == Placement::Lane).then_some(Duration::from_micros(60));
    let observation = Observation { cost, ran, queued };
    route.observe(SizeBucket::of(BodySize::Known(0)), observation);
}

#[test]
fn counts_are_absolute_and_times_are_handed_over_once() {
    let table = RouteTable::new(Rules::default());
    let loops = EventLoops::default();
    let lanes = Lanes::builder().threads(1).build().expect("starts");
    let publisher = Publisher::new(table.clone(), lanes, loops.clone(), None);
    let recorder = Remembering::default();
    let publish = || metrics::with_local_recorder(&recorder, || publisher.publish());

    observe(&table, "/{id}", Duration::from_millis(3), Placement::Lane);
    observe(&table, "/{id}", Duration::from_millis(3), Placement::Loop);
    table
        .route(0, "GET", "/{id}")
        .count_refused(Refusal::TooLong);
    // All of whose clients gave up.
    table.route(0, "GET", "/left").count_cancelled();
    let _declared = table.route(0, "GET", "/declared");
    let here = loops.here();
    here.count_poll(Duration::from_micros(10), crate::event_loop::Label::NONE);
    here.count_request();
    publish();
    publish();

    let route = "app=0 method=GET route=/{id}";
    for place in ["loop", "lane"] {
        let with_place = format!("{route} placement={place}");
        assert_eq!(
            recorder.counter(&format!("offload_requests_total {with_place}")),
            1
        );
        let seconds = recorder.gauge(&format!("offload_route_run_seconds {with_place}"));
        assert_eq!(seconds, 0.003);
    }
    let refused = format!("offload_requests_refused_total {route} reason=would_wait_too_long");
    assert_eq!(recorder.counter(&refused), 1);
    let cancelled = "offload_requests_cancelled_total app=0 method=GET route=/left";
    assert_eq!(recorder.counter(cancelled), 1);
    assert!(!recorder.knows("route=/declared"), "nobody asked for it");
    assert_eq!(
        recorder.counter("offload_loop_requests_total event_loop=0"),
        1
    );
    assert_eq!(
        recorder.gauge("offload_lane_threads lane=offload-short"),
        1.0
    );

    let times = recorder.times(&format!("offload_lane_run_seconds {route}"));
    assert_eq!(times, [3750.0], "the middle of 2.5 to 5 ms, once");
    let queued = recorder.times(&format!("offload_lane_queue_seconds {route}"));
    assert_eq!(queued, [75.0]);
    let polls = recorder.times("offload_loop_poll_seconds event_loop=0");
    assert_eq!(polls, [25.0]);

    observe(&table, "/{id}", Duration::from_secs(60), Placement::Lane);
    publish();
    let times = recorder.times(&format!("offload_lane_run_seconds {route}"));
    assert_eq!(times, [3750.0, 15e6], "beyond the last limit");
}

#[test]
fn counts_of_loops_and_routes_that_come_and_go_never_shrink() {
    let table = RouteTable::new(Rules::default());
    let loops = EventLoops::default();
    let lanes = Lanes::builder().threads(1).build().expect("starts");
    let publisher = Publisher::new(table.clone(), lanes, loops.clone(), None);
    let recorder = Remembering::default();
    let publish = || metrics::with_local_recorder(&recorder, || publisher.publish());
    for round in 1..=3 {
        let here = loops.here();
        here.count_poll(Duration::from_micros(10), crate::event_loop::Label::NONE);
        here.count_request();
        observe(&table, "/", Duration::from_millis(3), Placement::Lane);
        publish();
        loops.leave(&here);
        table.keep_only(0, |_| false);
        publish();
        let number = |name: &str| recorder.counter(name);
        assert_eq!(number("offload_loop_requests_total event_loop=0"), round);
        let runs = "offload_requests_total app=0 method=GET route=/ placement=lane";
        assert_eq!(number(runs), round);
        let times = |name: &str| recorder.times(name).len() as u64;
        assert_eq!(times("offload_loop_poll_seconds event_loop=0"), round);
        let queued = "offload_lane_queue_seconds app=0 method=GET route=/";
        assert_eq!(times(queued), round);
        // Nobody is there to be late.
        assert_eq!(recorder.gauge("offload_loop_lag_seconds event_loop=0"), 0.0);
    }
    assert!(!recorder.knows("event_loop=1"));
}

#[test]
fn everything_is_described_once() {
    let table = RouteTable::new(Rules::default());
    let loops = EventLoops::default();
    let lanes = Lanes::builder().threads(1).build().expect("starts");
    let stalls = StallWatch::builder().start(&loops).expect("starts");
    observe(&table, "/", Duration::from_millis(3), Placement::Lane);
    let _here = loops.here();
    let publisher = Publisher::new(table, lanes, loops, Some(stalls));
    let recorder = Remembering::default();
    metrics::with_local_recorder(&recorder, || {
        publisher.publish();
        publisher.publish();
    });
    let described = recorder.described.lock().unwrap();
    let numbers = recorder.numbers.lock().unwrap();
    let times = recorder.times.lock().unwrap();
    for key in numbers.keys().chain(times.keys()) {
        let name = key.split(' ').next().unwrap_or_default();
        let told = described.iter().filter(|told| *told == name).count();
        assert_eq!(told, 1, "{name}");
    }
}
