//! What the operating system must allow for thousands of connections and for clients that are on time.

use std::sync::Once;

/// Raises the limit of open files as far as it goes without privileges; where that is refused the default stays.
pub(crate) fn raise_open_files() {
    use nix::sys::resource::{Resource, getrlimit, setrlimit};
    if let Ok((_, hard)) = getrlimit(Resource::RLIMIT_NOFILE) {
        let raised = setrlimit(Resource::RLIMIT_NOFILE, hard, hard);
        if let Err(error) = raised {
            eprintln!("saturation: the limit of open files stays as it is: {error}");
        }
    }
}

/// Makes this process the first to end when memory runs out, so that a server which takes everything ends itself and not
/// who measures it. Where that cannot be said, the kernel's own choice stays.
pub(crate) fn first_to_go() {
    #[cfg(target_os = "linux")]
    if let Err(error) = std::fs::write("/proc/self/oom_score_adj", "1000") {
        eprintln!("saturation: who ends when memory runs out stays open: {error}");
    }
}

/// Lets the calling thread do what it does when it is due, so that what is measured is the server's delay and not the
/// client's: its sleeps end on time, and it comes before the load that it measures, which shares the cores with it.
///
/// A client on another machine would not share them. Where the real-time priority is refused that is said once, and
/// latencies contain what the client itself had to wait for a core, in all alternatives alike.
pub(crate) fn keep_appointments() {
    use thread_priority::{
        RealtimeThreadSchedulePolicy::Fifo, ThreadPriority, ThreadSchedulePolicy::Realtime,
        set_thread_priority_and_policy, thread_native_id,
    };
    static ONCE: Once = Once::new();
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_timerslack(1) {
        eprintln!("saturation: sleeps stay imprecise: {error}");
    }
    let first =
        set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, Realtime(Fifo));
    if let Err(error) = first {
        ONCE.call_once(|| {
            eprintln!("saturation: clients compete for the cores with what they measure: {error}");
        });
    }
}
