//! Behaviour of lanes through the public API: real threads, gates instead of sleeps.

mod bound;
mod cancel;
mod lanes;
mod lifetime;
mod locks;
mod nested;
mod offloaded;
mod order;
mod panics;
mod resident;
mod run;
#[cfg(target_os = "linux")]
mod scarce;
mod spans;
mod spawn;
mod support;
