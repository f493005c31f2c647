//! Strangers: other programs that keep a machine busy, as processes that compute and share nothing with the server.
//!
//! They stay in the session of the harness. Linux gives each session a share of its own (autogroup), and then a stranger of
//! another session would take less from the server than most of what runs on a server does: services have no terminal.

use std::{
    io,
    process::Child,
    time::{Duration, Instant},
};

use crate::{control_group::Group, process, server};

/// The first argument that makes this program a stranger.
pub(crate) const ROLE: &str = "stranger";

/// Processes that compute for as long as this value lives, and never longer than they were told when they started.
///
/// They end by their own numbers when this is dropped. If this process ends in any other way, their standard input closes,
/// and they end themselves.
#[derive(Debug, Default)]
pub(crate) struct Strangers(Vec<Stranger>);

#[derive(Debug)]
struct Stranger(Child);

impl Strangers {
    /// Starts so many, in `group` if there is one.
    pub(crate) fn start(count: usize, most: Duration, group: Option<&Group>) -> io::Result<Self> {
        let mut started = Self::default();
        for _ in 0..count {
            let child = process::itself(ROLE, &[&most.as_millis().to_string()])?;
            let stranger = Stranger(child);
            if let Some(group) = group {
                group.take(stranger.0.id())?;
            }
            started.0.push(stranger);
        }
        Ok(started)
    }

    /// Fails if one has ended by itself, because what was measured then was not what is reported.
    pub(crate) fn all_compute(&mut self) -> io::Result<()> {
        for Stranger(child) in &mut self.0 {
            if let Some(status) = child.try_wait()? {
                let what = format!("a stranger ended before its time: {status}");
                return Err(io::Error::other(what));
            }
        }
        Ok(())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        // One that has ended already cannot be killed, and is reaped all the same.
        let _killed = self.0.kill();
        let _reaped = self.0.wait();
    }
}

/// Computes for as many milliseconds as the first argument says, or until nobody holds the other end of standard input.
pub(crate) fn compute(args: &[String]) -> io::Result<()> {
    let most = args.first().map(String::as_str).unwrap_or_default();
    let most = Duration::from_millis(most.parse().map_err(io::Error::other)?);
    server::end_with_the_parent();
    let start = Instant::now();
    while start.elapsed() < most {
        // Asking for the time is not what other programs do most.
        for number in 0..100_000_u64 {
            std::hint::black_box(number);
        }
    }
    Ok(())
}
