//! Waits until a server has nothing to do, so that what comes next finds it at rest.

use std::{
    io, thread,
    time::{Duration, Instant},
};

use crate::process::Server;

/// For how long its use of the cores is looked at.
const LOOK: Duration = Duration::from_millis(200);

/// Waits until the server uses no CPU to speak of, and says since when; at most for `patience`.
pub(super) fn wait_until_free(server: &Server, patience: Duration) -> io::Result<Instant> {
    let start = Instant::now();
    loop {
        let (at, before) = (Instant::now(), server.usage()?.cpu);
        thread::sleep(LOOK);
        let used = server.usage()?.cpu - before;
        if used < LOOK / 5 || start.elapsed() > patience {
            return Ok(at);
        }
    }
}
