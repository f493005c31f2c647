//! What it costs to run nothing elsewhere: the hop to a pool and back, while it is hot and after it
//! has gone to sleep.

use std::{
    hint::black_box,
    thread,
    time::{Duration, Instant},
};

use criterion::{Criterion, criterion_group, criterion_main};
use offload_benches::{Way, lane, on_event_loop};

/// Long enough for the threads of every pool to go to sleep.
const NAP: Duration = Duration::from_millis(2);

fn hot(c: &mut Criterion) {
    let lane = lane();
    let mut group = c.benchmark_group("hop/hot");
    for way in Way::ALL {
        group.bench_function(way.name(), |b| {
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
    let lane = lane();
    let mut group = c.benchmark_group("hop/asleep");
    group.sample_size(20);
    group.measurement_time(Duration::from_secs(3));
    for way in Way::ALL {
        group.bench_function(way.name(), |b| {
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
