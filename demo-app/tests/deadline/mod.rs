//! Waits that end: a program that hangs makes a test fail, with a message, and not the tests hang.

use std::{
    process::{Child, Command, Output, Stdio},
    sync::mpsc::{self, RecvTimeoutError},
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// What takes longer than this hangs.
pub(crate) const DEADLINE: Duration = Duration::from_secs(60);

/// A pause in which the program gets the core.
const BETWEEN_LOOKS: Duration = Duration::from_millis(1);

/// Waits until a condition holds, or fails with `what` was waited for.
#[track_caller]
pub(crate) fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    let start = Instant::now();
    while !condition() {
        assert!(start.elapsed() < DEADLINE, "{what}: never");
        // Nothing tells when it comes true, so it is looked at again and again.
        thread::park_timeout(BETWEEN_LOOKS);
    }
}

/// Gives what comes of `work`, or fails with `what` was waited for. It goes on then, on its thread.
#[track_caller]
pub(crate) fn in_time<T: Send + 'static>(
    what: &str,
    work: impl FnOnce() -> T + Send + 'static,
) -> T {
    let (tell, told) = mpsc::channel();
    // Nobody listens any more if the deadline has passed.
    thread::spawn(move || drop(tell.send(work())));
    match told.recv_timeout(DEADLINE) {
        Ok(outcome) => outcome,
        Err(RecvTimeoutError::Timeout) => panic!("{what}: never"),
        Err(RecvTimeoutError::Disconnected) => panic!("{what}: failed, see above"),
    }
}

/// Runs a program to its end.
#[track_caller]
pub(crate) fn output_of(command: &mut Command) -> Output {
    let command = command.stdin(Stdio::null());
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped());
    rest_of(child.spawn().expect("it starts"))
}

/// Gives the end of a program and what it writes until then. It is killed if it does not end.
#[track_caller]
pub(crate) fn rest_of(child: Child) -> Output {
    let pid = Pid::from_raw(child.id().cast_signed());
    let (tell, told) = mpsc::channel();
    // Nobody listens any more if the deadline has passed.
    thread::spawn(move || drop(tell.send(child.wait_with_output())));
    let output = told.recv_timeout(DEADLINE).unwrap_or_else(|_| {
        let _killed = kill(pid, Signal::SIGKILL);
        panic!("it does not end")
    });
    output.expect("its output")
}
