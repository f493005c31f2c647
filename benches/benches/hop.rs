//! What it costs to run nothing elsewhere: the hop to a pool and back, while it is hot and after it
//! has gone to sleep.

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use offload_benches::{Way, lanes, on_event_loop};
use offload_core::{Lanes, Priority};

/// Long enough for the threads of every pool to go to sleep.
const NAP: Duration = Duration::from_millis(2);

/// What is compared: each way, and a lane without the two things that make it slower to wake than tokio's blocking pool. A
/// single thread has no second one that rayon wakes whenever one finds work. At the event loop's own priority it may take the
/// loop's core at once, and give it back before the loop has gone to sleep.
fn contenders() -> Vec<(String, Way, Lanes)> {
    let equal = Lanes::builder().name("equal").threads(1).spare_threads(0);
    let equal = equal.priorities(Priority::Normal, Priority::Normal);
    let equal = equal.build().expect("lanes");
    let lanes = lanes();
    let ways = Way::ALL.map(|way| (way.name().to_owned(), way, lanes.clone()));
    let mut contenders = Vec::from(ways);
    contenders.push(("offload, one thread, an equal".into(), Way::Lane, equal));
    contenders
}

fn hot(c: &mut Criterion) {
    let mut group = c.benchmark_group("hop/hot");
    for (name, way, lane) in contenders() {
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| {
                on_event_loop(async {
                    let start = Instant::now();
                    for round in 0..rounds {
                        black_box(way.run(&lane, move || round + 1).await);
                    }
                    start.elapsed()
                })
            });
        });
    }
}

fn asleep(c: &mut Criterion) {
    let mut group = c.benchmark_group("hop/asleep");
    group.sample_size(20);
    group.measurement_time(Duration::from_secs(3));
    for (name, way, lane) in contenders() {
        group.bench_function(name, |b| {
            b.iter_custom(|rounds| {
                on_event_loop(async {
                    let mut total = Duration::ZERO;
                    for round in 0..rounds {
                        thread::sleep(NAP);
                        let start = Instant::now();
                        black_box(way.run(&lane, move || round + 1).await);
                        total += start.elapsed();
                    }
                    total
                })
            });
        });
    }
}

criterion_group!(benches, hot, asleep);
criterion_main!(benches);
