//! What the operating system must allow for thousands of connections and for sleeps that end on time.

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

/// Lets the sleeps of the calling thread end when they are due, instead of up to 50 us later.
pub(crate) fn sleep_precisely() {
    #[cfg(target_os = "linux")]
    if let Err(error) = nix::sys::prctl::set_timerslack(1) {
        eprintln!("saturation: sleeps stay imprecise: {error}");
    }
}
