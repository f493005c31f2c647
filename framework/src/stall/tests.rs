//! The watch over real threads: what they are blamed for, and what not.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread,
    time::{Duration, Instant},
};

#[cfg(all(
    feature = "stall-backtrace",
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
#[path = "whereabouts_tests.rs"]
mod whereabouts;

use super::*;
use crate::{
    clock::{LoopClock, thread_cpu_time},
    cost::{BodySize, SizeBucket},
    event_loop::{EventLoop, EventLoops, Label},
    placement::{Placement, Rules},
    routes::{Observation, Route, RouteTable},
};

/// No machine is so slow.
const PATIENCE: Duration = Duration::from_secs(60);

const THRESHOLD: Duration = Duration::from_millis(25);

fn burn(cpu: Duration) {
    let start = thread_cpu_time();
    while thread_cpu_time() - start < cpu {
        std::hint::black_box(0);
    }
}

/// Waits for a condition that comes by itself.
fn until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what} does not come");
        thread::yield_now();
    }
}

struct Polls {
    here: Arc<EventLoop>,
    clock: LoopClock,
}

impl Polls {
    fn on(loops: &EventLoops) -> Self {
        Self {
            here: loops.here(),
            clock: LoopClock::new(Duration::from_micros(100)),
        }
    }

    fn poll(&self, route: Option<&Route>, work: impl FnOnce()) -> Duration {
        let mark = self.clock.start();
        self.here.begin(&mark, Label::of(route));
        work();
        let measured = self.clock.stop(mark);
        self.here.end(&measured);
        measured.wall
    }
}

fn routes(count: usize) -> (RouteTable, Vec<Arc<Route>>) {
    let table = RouteTable::new(Rules::default());
    let routes = (0..count).map(|n| table.route(0, "GET", &format!("/{n}")));
    let routes = routes.collect();
    (table, routes)
}

/// Starts a watch that makes all reports, and what hears them.
fn heard(watch: StallWatchBuilder, loops: &EventLoops) -> (StallWatch, mpsc::Receiver<Stall>) {
    let (tell, told) = mpsc::channel();
    let watch = watch
        .reports_per_minute(u32::MAX)
        .on_stall(move |stall| drop(tell.send(stall.clone())));
    (watch.start(loops).expect("starts"), told)
}

/// Computes until a condition comes.
fn compute_until(what: &str, condition: impl Fn() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < PATIENCE, "{what} does not come");
    }
}

/// Computes until there is a report.
fn compute_until_told(told: &mpsc::Receiver<Stall>) -> Stall {
    let start = Instant::now();
    loop {
        assert!(start.elapsed() < PATIENCE, "a report does not come");
        if let Ok(stall) = told.try_recv() {
            return stall;
        }
    }
}

fn total(watch: &StallWatch) -> u64 {
    watch.counts().iter().map(|count| count.count).sum()
}

#[test]
fn ten_stalls_give_the_reports_that_the_cap_allows_each_with_its_route_while_it_lasts() {
    const CAP: usize = 4;
    let loops = EventLoops::default();
    let (table, routes) = routes(10);
    let now_at = Arc::new(AtomicUsize::new(usize::MAX));
    let told = Arc::new(Mutex::new(Vec::new()));
    let watch = StallWatch::builder()
        .threshold(THRESHOLD)
        .reports_per_minute(CAP as u32)
        .routes(table)
        .on_stall({
            let (now_at, told) = (Arc::clone(&now_at), Arc::clone(&told));
            move |stall| {
                let at = now_at.load(Ordering::SeqCst);
                let mut told = told.lock().unwrap_or_else(PoisonError::into_inner);
                told.push((at, stall.clone()));
            }
        })
        .start(&loops)
        .expect("starts");

    let polls = Polls::on(&loops);
    for (n, route) in routes.iter().enumerate() {
        polls.poll(Some(route), || {
            now_at.store(n, Ordering::SeqCst);
            burn(4 * THRESHOLD);
            // A machine that is busy with other things may let the watch look later.
            compute_until("the stall, and its report or the cap", || {
                let told = told.lock().unwrap_or_else(PoisonError::into_inner);
                let reported = told.len() == CAP || told.iter().any(|(at, _)| *at == n);
                watch.recent().len() > n && reported
            });
            now_at.store(usize::MAX, Ordering::SeqCst);
        });
    }
    until("the end of the last stall", || {
        let recent = watch.recent();
        recent.len() == routes.len() && recent.iter().all(|stall| stall.over)
    });

    let told = told.lock().unwrap_or_else(PoisonError::into_inner);
    assert_eq!(told.len(), CAP);
    for (at, stall) in &*told {
        assert_eq!(stall.route, format!("GET /{at}"), "while it lasted");
        assert!(!stall.over && stall.kind == StallKind::Computing);
        assert_eq!(stall.event_loop, Some(0));
        assert!(stall.on_cpu >= THRESHOLD && stall.elapsed >= stall.on_cpu);
    }
    // All are known, whether they were reported or not.
    assert!(watch.suppressed() >= (routes.len() - CAP) as u64);
    let mut counts = watch.counts();
    counts.sort_by(|one, other| one.route.cmp(&other.route));
    let expected = routes.iter().map(|route| route.to_string());
    let counted = counts.iter().map(|count| count.route.clone());
    assert!(counted.eq(expected) && counts.iter().all(|count| count.count == 1));
    assert_eq!(polls.here.snapshot().stalls, 10);
    assert_eq!(polls.here.snapshot().stalled, None);
}

#[test]
fn the_first_report_comes_soon_after_the_threshold() {
    let loops = EventLoops::default();
    let (_watch, told) = heard(StallWatch::builder().threshold(THRESHOLD), &loops);
    let polls = Polls::on(&loops);
    let mut used = Vec::new();
    for id in 0..10 {
        polls.poll(None, || {
            // By what the thread did itself, so that a machine that is busy with other things counts less.
            let start = thread_cpu_time();
            let stall = loop {
                let stall = compute_until_told(&told);
                // Not a further report of the one before.
                if stall.id == id {
                    break stall;
                }
            };
            let computed = thread_cpu_time() - start;
            assert!(THRESHOLD <= stall.on_cpu && stall.on_cpu <= computed + THRESHOLD / 5);
            used.push(computed);
        });
    }
    used.sort();
    let limit = THRESHOLD + Duration::from_millis(50);
    assert!(used[5] <= limit, "{used:?}");
}

#[test]
fn reports_of_one_stall_double_their_interval() {
    let loops = EventLoops::default();
    let watch = StallWatch::builder().threshold(Duration::from_millis(10));
    let (_watch, told) = heard(watch, &loops);
    let polls = Polls::on(&loops);
    polls.poll(None, || {
        let mut last = Duration::ZERO;
        for _ in 0..4 {
            let used = compute_until_told(&told).on_cpu;
            assert!(used >= 2 * last, "{used:?} after {last:?}");
            last = used;
        }
    });
}

/// A thread that shares its core with others for which it has to wait is not blamed for that.
#[test]
#[cfg(target_os = "linux")]
fn a_thread_that_the_kernel_has_set_aside_is_not_blamed() {
    use nix::{
        sched::{CpuSet, sched_getaffinity, sched_setaffinity},
        unistd::Pid,
    };

    const HOGS: usize = 4;
    let me = Pid::from_raw(0);
    let stay_on_one_core = move || {
        let allowed = sched_getaffinity(me).expect("this thread's cores");
        let first = (0..CpuSet::count()).find(|core| allowed.is_set(*core) == Ok(true));
        let mut only = CpuSet::new();
        only.set(first.expect("a core")).expect("it exists");
        sched_setaffinity(me, &only).expect("one of the allowed ones");
    };
    let loops = EventLoops::default();
    let watch = StallWatch::builder()
        .threshold(THRESHOLD)
        .start(&loops)
        .expect("starts");
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..HOGS {
            scope.spawn(|| {
                stay_on_one_core();
                while !over.load(Ordering::Relaxed) {
                    std::hint::black_box(0);
                }
            });
        }
        scope.spawn(|| {
            stay_on_one_core();
            let polls = Polls::on(&loops);
            let walls = (0..20).map(|_| polls.poll(None, || burn(THRESHOLD / 2)));
            let set_aside = walls.filter(|wall| *wall > THRESHOLD).count();
            let innocent = watch.recent();
            polls.poll(None, || {
                compute_until("the one that it is to blame for", || {
                    watch.recent().len() > innocent.len()
                });
            });
            over.store(true, Ordering::Relaxed);
            assert!(set_aside > 10, "it had the core for itself: {set_aside}");
            assert!(innocent.is_empty(), "{innocent:?}");
        });
    });
}

#[test]
#[cfg(target_os = "linux")]
fn a_poll_that_waits_is_told_from_one_that_computes() {
    let loops = EventLoops::default();
    let (_watch, told) = heard(StallWatch::builder().threshold(THRESHOLD), &loops);
    let polls = Polls::on(&loops);
    // Blocked until it is reported.
    polls.poll(None, || {
        let stall = told.recv_timeout(PATIENCE).expect("a report");
        assert_eq!(stall.kind, StallKind::Waiting);
        assert_eq!(stall.route, "no route");
    });
}

fn with_runtime(blocking_threads: usize, test: impl AsyncFnOnce(&EventLoops)) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .max_blocking_threads(blocking_threads)
        .build()
        .expect("a runtime");
    let loops = EventLoops::default();
    let here = loops.here();
    runtime.spawn(here.pulse().expect("the first"));
    let handle = runtime.handle().clone();
    here.pool(move |job| drop(handle.spawn_blocking(job)));
    runtime.block_on(test(&loops));
}

#[test]
fn a_background_task_is_found_as_no_route() {
    with_runtime(1, async |loops| {
        let watch = StallWatch::builder().threshold(THRESHOLD);
        let (watch, told) = heard(watch.blocking_pool(None), loops);
        // The first poll of the pulse.
        tokio::task::yield_now().await;
        let start = Instant::now();
        let stall = compute_until_told(&told);
        assert_eq!(stall.route, "no route");
        assert_eq!(stall.kind, StallKind::Computing);
        let now = loops.all()[0].snapshot();
        assert!(now.lag >= THRESHOLD && now.stalled.is_some(), "{now:?}");
        while watch.recent()[0].over.eq(&false) {
            assert!(start.elapsed() < PATIENCE);
            tokio::task::yield_now().await;
        }
        let after = loops.all()[0].snapshot();
        assert!(after.longest_lag >= THRESHOLD, "{after:?}");
    });
}

#[test]
fn lag_is_measured_while_a_loop_is_busy() {
    with_runtime(1, async |loops| {
        let watch = StallWatch::builder().blocking_pool(None);
        let _watch = watch.threshold(THRESHOLD).start(loops).expect("starts");
        let polls = Polls::on(loops);
        let start = Instant::now();
        while loops.all()[0].snapshot().lag.is_zero() {
            assert!(start.elapsed() < PATIENCE);
            // Something else at each look of the watch.
            polls.poll(None, || burn(Duration::from_millis(1)));
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_stall_in_a_poll_is_lag() {
    with_runtime(1, async |loops| {
        let watch = StallWatch::builder().blocking_pool(None);
        let watch = watch.threshold(THRESHOLD).start(loops).expect("starts");
        let polls = Polls::on(loops);
        let start = Instant::now();
        polls.poll(None, || {
            while loops.all()[0].snapshot().stalled.is_none() {
                assert!(start.elapsed() < PATIENCE);
            }
            let now = loops.all()[0].snapshot();
            assert!(now.lag >= THRESHOLD, "{now:?}");
        });
        while !watch.recent()[0].over {
            assert!(start.elapsed() < PATIENCE);
            tokio::task::yield_now().await;
        }
        until("the longest lag", || {
            loops.all()[0].snapshot().longest_lag >= THRESHOLD
        });
    });
}

#[test]
fn a_full_blocking_pool_is_told_from_a_stalled_loop() {
    with_runtime(1, async |loops| {
        let (release, hold) = mpsc::channel::<()>();
        let held = tokio::task::spawn_blocking(move || hold.recv());
        let limit = Some(Duration::from_millis(20));
        let watch = StallWatch::builder().threshold(PATIENCE);
        let (watch, told) = heard(watch.blocking_pool(limit), loops);
        let start = Instant::now();
        let stall = loop {
            assert!(start.elapsed() < PATIENCE);
            if let Ok(stall) = told.try_recv() {
                break stall;
            }
            tokio::task::yield_now().await;
        };
        assert_eq!(stall.kind, StallKind::BlockingPool);
        assert_eq!(loops.all()[0].snapshot().stalls, 0, "the loop went on");
        release.send(()).expect("it waits");
        held.await.expect("no panic").expect("released");
        while !watch.recent()[0].over {
            assert!(start.elapsed() < PATIENCE);
            tokio::task::yield_now().await;
        }
    });
}

#[test]
fn a_lane_job_is_late_by_the_measure_of_its_route() {
    let loops = EventLoops::default();
    let (table, routes) = routes(2);
    let (known_as_long, unknown) = (&routes[0], &routes[1]);
    known_as_long.observe(
        SizeBucket::of(BodySize::Known(0)),
        Observation {
            cost: PATIENCE,
            ran: Placement::Lane,
            queued: None,
        },
    );
    let watch = StallWatch::builder()
        .threshold(Duration::from_millis(5))
        .lane_jobs(THRESHOLD)
        .routes(table)
        .start(&loops)
        .expect("starts");
    let here = loops.lane_thread_here();
    here.begin_now(Label::of(Some(known_as_long)));
    burn(4 * THRESHOLD);
    here.end_now();
    here.begin_now(Label::of(Some(unknown)));
    compute_until("the report", || total(&watch) > 0);
    here.end_now();
    let recent = watch.recent();
    assert_eq!(recent.len(), 1);
    assert_eq!(recent[0].route, unknown.to_string());
    assert_eq!(recent[0].kind, StallKind::LaneJob);
    assert_eq!(recent[0].event_loop, None);
}

#[test]
fn tasks_on_a_lane_thread_are_reported_if_they_compute_and_not_if_they_wait() {
    let loops = EventLoops::default();
    let watch = StallWatch::builder()
        .threshold(Duration::from_millis(5))
        .lane_jobs(THRESHOLD)
        .start(&loops)
        .expect("starts");
    let here = loops.lane_thread_here();
    here.begin_now(Label::TASKS);
    // Parked with tasks to drive, for far longer than they may compute.
    thread::park_timeout(4 * THRESHOLD);
    assert_eq!(watch.recent(), []);
    compute_until("the report", || total(&watch) > 0);
    let recent = watch.recent();
    assert_eq!(recent[0].kind, StallKind::LaneTasks);
    assert_eq!(
        (recent[0].event_loop, recent[0].route.as_str()),
        (None, "no route")
    );
    here.end_now();
    until("it is over", || watch.recent()[0].over);
}

/// Where others want the cores as well a thread that computes gets less than half of one, as one that sleeps does.
#[test]
fn tasks_that_compute_on_a_lane_thread_are_reported_also_on_a_busy_machine() {
    let loops = EventLoops::default();
    let watch = StallWatch::builder()
        .lane_jobs(THRESHOLD)
        .start(&loops)
        .expect("starts");
    let told = AtomicBool::new(false);
    thread::scope(|scope| {
        for _ in 0..4 * thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(|| {
                while !told.load(Ordering::Relaxed) {
                    std::hint::spin_loop();
                }
            });
        }
        let start = Instant::now();
        let here = loops.lane_thread_here();
        here.begin_now(Label::TASKS);
        while total(&watch) == 0 && start.elapsed() < PATIENCE {
            std::hint::spin_loop();
        }
        told.store(true, Ordering::Relaxed);
        here.end_now();
    });
    assert_eq!(watch.recent()[0].kind, StallKind::LaneTasks);
}

#[test]
fn a_panic_in_what_is_told_ends_nothing() {
    let loops = EventLoops::default();
    let told = Arc::new(AtomicUsize::new(0));
    let watch = StallWatch::builder()
        .threshold(Duration::from_millis(5))
        .on_stall({
            let told = Arc::clone(&told);
            move |_| {
                told.fetch_add(1, Ordering::SeqCst);
                panic!("no words");
            }
        })
        .start(&loops)
        .expect("starts");
    let polls = Polls::on(&loops);
    for stalls in 1..=2 {
        polls.poll(None, || {
            until("a report", || told.load(Ordering::SeqCst) >= stalls);
        });
    }
    assert!(watch.recent().len() >= 2);
}

#[test]
fn without_a_threshold_lane_jobs_are_watched_all_the_same() {
    let loops = EventLoops::default();
    let watch = StallWatch::builder().threshold(Duration::MAX);
    let (_watch, told) = heard(watch.lane_jobs(THRESHOLD), &loops);
    let here = loops.lane_thread_here();
    here.begin_now(Label::NONE);
    assert_eq!(compute_until_told(&told).kind, StallKind::LaneJob);
    here.end_now();
}

#[test]
fn a_stall_is_over_when_its_thread_ends() {
    let loops = EventLoops::default();
    let (watch, told) = heard(StallWatch::builder().threshold(THRESHOLD), &loops);
    let its_loops = loops.clone();
    let ends_in_a_poll = thread::spawn(move || {
        let here = its_loops.here();
        here.begin_now(Label::NONE);
        compute_until_told(&told);
        here
    });
    let here = ends_in_a_poll.join().expect("no panic");
    until("its end", || watch.recent()[0].over);
    assert_eq!(here.snapshot().stalled, None);
    assert_eq!(total(&watch), 1);
}

#[test]
fn a_stall_is_over_when_its_loop_is_left() {
    let loops = EventLoops::default();
    let (watch, told) = heard(StallWatch::builder().threshold(THRESHOLD), &loops);
    let here = loops.here();
    here.begin_now(Label::NONE);
    compute_until_told(&told);
    loops.leave(&here);
    until("its end", || watch.recent()[0].over);
    assert_eq!(here.snapshot().stalled, None);
    assert!(loops.all().is_empty());
}

#[test]
fn a_watch_ends_with_its_last_handle() {
    let alive = Arc::new(());
    let watch = StallWatch::builder()
        .on_stall({
            let alive = Arc::clone(&alive);
            move |_| drop(Arc::clone(&alive))
        })
        .start(&EventLoops::default())
        .expect("starts");
    let second = watch.clone();
    drop(watch);
    assert_eq!(Arc::strong_count(&alive), 2);
    drop(second);
    until("the thread's end", || Arc::strong_count(&alive) == 1);
}
