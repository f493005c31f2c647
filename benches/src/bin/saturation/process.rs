//! The processes that this program starts from itself: one server for each measurement, and the cores without a server.

use std::{
    io::{self, BufRead, BufReader},
    net::SocketAddr,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{Mutex, PoisonError},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

use crate::{alternative::Alternative, report::readings::Readings, usage::Usage};

/// The first argument that makes this program a server.
pub(crate) const SERVE: &str = "serve";
/// The second argument of a server that is to be attacked.
pub(crate) const EXPOSED: &str = "exposed";
/// The first argument that makes this program hash passwords without any server.
pub(crate) const HASH: &str = "hash-bare";

/// How long a server may take to end, in seconds, before it drops what it has not answered.
pub(crate) const GRACE: u64 = 10;
/// How long a server whose end is not what is measured may take.
const PATIENCE: Duration = Duration::from_secs(1);

/// A server in a process of its own. It never outlives this value.
#[derive(Debug)]
pub(crate) struct Server {
    child: Child,
    alternative: Alternative,
    last: Mutex<Usage>,
    /// Where it listens.
    pub(crate) address: SocketAddr,
}

impl Server {
    /// Starts a fresh one and waits until it listens.
    pub(crate) fn start(alternative: Alternative) -> io::Result<Self> {
        let child = match alternative.peer() {
            Some(peer) => peer.start()?,
            None => itself(SERVE, &[&alternative.argument()])?,
        };
        Self::of(child, alternative)
    }

    /// As [`Server::start`], with the routes that attacks ask for, a middleware that rewrites paths, and HTTP/2.
    pub(crate) fn start_exposed(alternative: Alternative) -> io::Result<Self> {
        let child = itself(SERVE, &[&alternative.argument(), EXPOSED])?;
        Self::of(child, alternative)
    }

    fn of(child: Child, alternative: Alternative) -> io::Result<Self> {
        let mut server = Self {
            child,
            alternative,
            last: Mutex::default(),
            address: ([127, 0, 0, 1], 0).into(),
        };
        let line = first_line(&mut server.child)?;
        server.address = line.parse().map_err(io::Error::other)?;
        Ok(server)
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    /// What it uses now; what it used when it was last looked at if it has died since.
    pub(crate) fn usage(&self) -> io::Result<Usage> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(now) = Usage::of_family(self.child.id())? {
            *last = now;
        }
        Ok(*last)
    }

    /// Asks it to end, as a service manager does.
    pub(crate) fn terminate(&self) -> io::Result<()> {
        let pid = i32::try_from(self.child.id()).map_err(io::Error::other)?;
        kill(Pid::from_raw(pid), Signal::SIGTERM).map_err(io::Error::from)
    }

    /// Waits until it has ended, at most for `limit`.
    pub(crate) fn wait(&mut self, limit: Duration) -> io::Result<Option<ExitStatus>> {
        let start = Instant::now();
        loop {
            let status = self.child.try_wait()?;
            if status.is_some() || start.elapsed() >= limit {
                return Ok(status);
            }
            thread::sleep(Duration::from_millis(1));
        }
    }

    /// Ends it: politely first, by force if it still has much to do. That it has died already is a result, too.
    pub(crate) fn stop(mut self, readings: &mut Readings) -> io::Result<()> {
        if let Some(status) = self.child.try_wait()? {
            readings.died(self.alternative, status);
            return Ok(());
        }
        self.terminate()?;
        // Whoever has not ended in time is killed by `drop`.
        self.wait(PATIENCE).map(drop)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if matches!(self.child.try_wait(), Ok(None)) {
            // Nothing is left to do about a process that cannot be killed.
            let _killed = self.child.kill();
            let _reaped = self.child.wait();
        }
    }
}

/// How many passwords a second all cores hash without any server, measured for `time`.
pub(crate) fn bare_hash_rate(time: Duration) -> io::Result<f64> {
    let mut child = itself(HASH, &[&time.as_millis().to_string()])?;
    let line = first_line(&mut child);
    child.wait()?;
    line?.parse().map_err(io::Error::other)
}

/// This program in one of its other roles. It ends itself when its standard input closes, so that it never outlives us.
pub(crate) fn itself(role: &str, arguments: &[&str]) -> io::Result<Child> {
    Command::new(std::env::current_exe()?)
        .arg(role)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
}

fn first_line(child: &mut Child) -> io::Result<String> {
    let stdout = child.stdout.take().ok_or(io::ErrorKind::BrokenPipe)?;
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    Ok(line.trim().to_owned())
}
