//! The roles of the processes that are measured: a server of the app, or the bare work without any server.

mod app;
mod axum;
mod demo;
pub(crate) mod hostile;
mod listen;
mod smol;
mod work;

use std::{
    io::{self, Read},
    num::NonZero,
    process, thread,
    time::{Duration, Instant},
};

use crate::{alternative::Alternative, limits, process::EXPOSED};

/// Serves the app in the way that the first argument names, until the process is told to end. A second one exposes it to attacks.
pub(crate) fn serve(args: &[String]) -> io::Result<()> {
    let name = args.first().map(String::as_str).unwrap_or_default();
    let alternative = Alternative::of_argument(name).map_err(io::Error::other)?;
    let exposed = args.get(1).is_some_and(|word| word == EXPOSED);
    end_with_the_parent();
    silence_wanted_panics();
    limits::first_to_go();
    limits::raise_open_files();
    if alternative.is_on_axum() {
        return axum::listen(alternative);
    }
    if alternative.is_on_smol() {
        return smol::listen(alternative);
    }
    actix_rt::System::new().block_on(listen::listen(alternative, exposed))
}

/// Hashes on all cores for as many milliseconds as the first argument says, and prints the hashes a second.
pub(crate) fn hash_bare(args: &[String]) -> io::Result<()> {
    let time = args.first().map(String::as_str).unwrap_or_default();
    let time = Duration::from_millis(time.parse().map_err(io::Error::other)?);
    end_with_the_parent();
    let cores = thread::available_parallelism().map_or(1, NonZero::get);
    let rate: f64 = thread::scope(|scope| {
        let hashing: Vec<_> = (0..cores).map(|_| scope.spawn(|| hash_for(time))).collect();
        let rates = hashing.into_iter().map(|thread| thread.join());
        rates.map(|rate| rate.unwrap_or_default()).sum()
    });
    println!("{rate}");
    Ok(())
}

/// Hashes a second of one thread. Every hash counts whole, with the time that it took.
fn hash_for(time: Duration) -> f64 {
    let (start, mut count) = (Instant::now(), 0.0);
    while start.elapsed() < time {
        if work::hash("a password of usual length").is_ok() {
            count += 1.0;
        }
    }
    count / start.elapsed().as_secs_f64()
}

/// Ends this process when the one that started it is gone, however that ended.
pub(crate) fn end_with_the_parent() {
    thread::spawn(|| {
        let mut nothing = Vec::new();
        let _closed = io::stdin().read_to_end(&mut nothing);
        process::exit(1);
    });
}

/// Ten thousand reports of panics that were asked for would be measured, too.
fn silence_wanted_panics() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if panic.payload().downcast_ref() != Some(&work::WANTED) {
            report(panic);
        }
    }));
}
