//! Everyday blockers through each way: JSON, sorting alone and in parallel, argon2.
//!
//! One at a time, so this shows the overhead of each way and not what it does to other requests.

use std::{hint::black_box, time::Duration};

use argon2::Argon2;
use criterion::{
    BenchmarkGroup, BenchmarkId, Criterion, Throughput, criterion_group, criterion_main,
    measurement::WallTime,
};
use offload_benches::{Way, lanes, on_event_loop};
use rayon::slice::ParallelSliceMut;
use serde::{Deserialize, Serialize};

#[derive(Clone, Serialize, Deserialize)]
struct Record {
    id: u64,
    name: String,
    tags: Vec<String>,
    score: f64,
}

fn records(bytes: usize) -> Vec<Record> {
    let record = |id| Record {
        id,
        name: format!("record {id}"),
        tags: vec!["alpha".into(), "beta".into()],
        score: id as f64 * 0.5,
    };
    let one = serde_json::to_vec(&record(1000)).expect("JSON").len();
    (0..(bytes / one).max(1) as u64).map(record).collect()
}

fn each_way<T: Clone + Send + 'static, R: Send + 'static>(
    group: &mut BenchmarkGroup<'_, WallTime>,
    parameter: &str,
    input: &T,
    work: fn(T) -> R,
) {
    let lanes = lanes();
    for way in Way::ALL {
        group.bench_function(BenchmarkId::new(way.name(), parameter), |b| {
            b.iter_custom(|rounds| {
                let inputs: Vec<T> = (0..rounds).map(|_| input.clone()).collect();
                on_event_loop(async {
                    let start = std::time::Instant::now();
                    for input in inputs {
                        black_box(way.run(&lanes, move || work(input)).await);
                    }
                    start.elapsed()
                })
            });
        });
    }
}

fn json(c: &mut Criterion) {
    for (label, bytes) in [
        ("1 KB", 1 << 10),
        ("10 KB", 10 << 10),
        ("100 KB", 100 << 10),
        ("1 MB", 1 << 20),
        ("10 MB", 10 << 20),
    ] {
        let records = records(bytes);
        let text = serde_json::to_vec(&records).expect("JSON");
        let mut group = c.benchmark_group("json/parse");
        group.throughput(Throughput::Bytes(text.len() as u64));
        each_way(&mut group, label, &text, |text| {
            serde_json::from_slice::<Vec<Record>>(&text).expect("JSON")
        });
        group.finish();
        let mut group = c.benchmark_group("json/serialise");
        group.throughput(Throughput::Bytes(text.len() as u64));
        each_way(&mut group, label, &records, |records| {
            serde_json::to_vec(&records).expect("JSON")
        });
        group.finish();
    }
}

/// A fixed shuffle: a multiplier that is odd visits all residues of a power of two.
fn shuffled(n: u64) -> Vec<u64> {
    (0..n)
        .map(|i| i.wrapping_mul(0x9E37_79B9_7F4A_7C15))
        .collect()
}

/// What rayon does inside of a job: on a lane its halves are the helpers', elsewhere its global pool's.
fn parallel_sort(c: &mut Criterion) {
    let mut group = c.benchmark_group("parallel sort");
    for n in [100_000, 500_000, 1_000_000] {
        group.throughput(Throughput::Elements(n));
        each_way(&mut group, &n.to_string(), &shuffled(n), |mut numbers| {
            numbers.par_sort_unstable();
            numbers
        });
    }
}

fn sort(c: &mut Criterion) {
    let mut group = c.benchmark_group("sort");
    for n in [1_000u64, 10_000, 100_000, 1_000_000] {
        let numbers = shuffled(n);
        group.throughput(Throughput::Elements(n));
        each_way(&mut group, &n.to_string(), &numbers, |mut numbers| {
            numbers.sort_unstable();
            numbers
        });
    }
}

fn argon2(c: &mut Criterion) {
    let mut group = c.benchmark_group("argon2");
    each_way(
        &mut group,
        "default",
        &"correct horse battery staple",
        |password| {
            let mut key = [0u8; 32];
            Argon2::default()
                .hash_password_into(password.as_bytes(), b"a salt of 16 b..", &mut key)
                .expect("valid parameters");
            key
        },
    );
}

/// Short, because there are many: the differences are large where they matter. `--measurement-time` and `--sample-size` on the
/// command line win.
fn short() -> Criterion {
    Criterion::default()
        .sample_size(10)
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_millis(1500))
}

criterion_group!(name = benches; config = short(); targets = json, sort, parallel_sort, argon2);
criterion_main!(benches);
