//! Threads that wait are told from outside; what they wait in goes on as if nobody had looked.
#![expect(
    unsafe_code,
    reason = "system calls that begin again by themselves in safe code"
)]

use std::{
    io::{self, ErrorKind, Read, pipe},
    net::UdpSocket,
    ptr,
};

use super::*;

/// Wakes what waits here, and again for what comes to wait only then.
struct Release(Box<dyn FnMut()>);

/// Starts a thread that waits, asks where it is until it waits in one of `calls` and was called by `own`, and lets it go on.
fn assert_found<T: Send + 'static>(
    calls: &[&str],
    own: &str,
    wait: impl FnOnce() -> T + Send + 'static,
    mut release: Release,
) {
    let (stack, thread) = watched(wait);
    let found = until(&stack, |found| {
        let waits = found.waits_in().is_some_and(|call| calls.contains(&call));
        // On other machines no frame pointer is found by what is known.
        waits && (has(found, own) || cfg!(not(target_arch = "x86_64")))
    });
    let lines = found.lines();
    assert!(lines[0].starts_with("waits in "), "{found}");
    assert!(!has(&found, "__rust_begin_short_backtrace"), "{found}");
    while !thread.is_finished() {
        (release.0)();
        thread::yield_now();
    }
    assert!(thread.join().is_ok());
}

#[test]
fn a_thread_that_waits_for_a_lock() {
    #[inline(never)]
    fn a_handler_that_locks(lock: &Mutex<()>) {
        drop(lock.lock().expect("not poisoned"));
    }
    let lock = Arc::new(Mutex::new(()));
    // Held by a thread of its own, for the release to be anybody's.
    let (free, held) = mpsc::channel::<()>();
    let (holds, held_now) = mpsc::channel();
    thread::spawn({
        let lock = Arc::clone(&lock);
        move || {
            let _guard = lock.lock().expect("not poisoned");
            holds.send(()).expect("the test waits");
            let _ = held.recv();
        }
    });
    held_now.recv().expect("it holds the lock");
    assert_found(
        &["futex"],
        "a_handler_that_locks",
        move || a_handler_that_locks(&lock),
        Release(Box::new(move || _ = free.send(()))),
    );
}

#[test]
fn a_thread_that_waits_for_a_condition_or_a_message() {
    #[inline(never)]
    fn a_handler_that_waits(gate: &(Mutex<bool>, Condvar)) {
        let open = gate.0.lock().expect("not poisoned");
        let open = gate.1.wait_while(open, |open| !*open);
        drop(open.expect("not poisoned"));
    }
    #[inline(never)]
    fn a_handler_that_receives(receiver: &mpsc::Receiver<()>) {
        receiver.recv().expect("something comes");
    }
    let gate = Arc::new((Mutex::new(false), Condvar::new()));
    let waits = {
        let gate = Arc::clone(&gate);
        move || a_handler_that_waits(&gate)
    };
    let open = move || {
        *gate.0.lock().expect("not poisoned") = true;
        gate.1.notify_all();
    };
    let own = "a_handler_that_waits";
    assert_found(&["futex"], own, waits, Release(Box::new(open)));

    let (sender, receiver) = mpsc::channel();
    assert_found(
        &["futex"],
        "a_handler_that_receives",
        move || a_handler_that_receives(&receiver),
        Release(Box::new(move || _ = sender.send(()))),
    );
}

#[test]
fn a_thread_that_sleeps() {
    #[inline(never)]
    fn a_handler_that_sleeps(stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            thread::sleep(Duration::from_millis(50));
        }
    }
    let stop = Arc::new(AtomicBool::new(false));
    let sleeps = {
        let stop = Arc::clone(&stop);
        move || a_handler_that_sleeps(&stop)
    };
    let stop = move || stop.store(true, Ordering::Relaxed);
    let (calls, own) = (["clock_nanosleep", "nanosleep"], "a_handler_that_sleeps");
    assert_found(&calls, own, sleeps, Release(Box::new(stop)));
}

#[test]
fn a_thread_that_reads() {
    #[inline(never)]
    fn a_handler_that_reads(mut from: impl Read) {
        assert_eq!(from.read(&mut [0]).expect("not interrupted"), 0);
    }
    let (reader, writer) = pipe().expect("a pipe");
    let mut writer = Some(writer);
    assert_found(
        &["read"],
        "a_handler_that_reads",
        move || a_handler_that_reads(reader),
        Release(Box::new(move || drop(writer.take()))),
    );
}

/// A socket to which nothing comes, whose reads end after so long.
fn silent(limit: Duration) -> UdpSocket {
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(limit)).expect("allowed");
    socket
}

/// Whether a call that ends by its time limit was ended by that.
fn ended_by_limit(outcome: io::Result<()>, kinds: &[ErrorKind]) -> bool {
    match outcome {
        Ok(()) => true,
        Err(error) => kinds.contains(&error.kind()),
    }
}

/// Each kind of wait with a limit that a signal ends early, whatever its handler asks for. False if one was.
fn waits_with_limits(socket: &UdpSocket, limit: Duration) -> [(&'static str, bool); 3] {
    let received = socket.recv(&mut [0]).map(|_| ());
    let nanos = libc::timespec {
        tv_sec: 0,
        tv_nsec: limit.subsec_nanos().into(),
    };
    // SAFETY: reads one local; where the rest of the time is written may be null.
    let slept = match unsafe { libc::nanosleep(&raw const nanos, ptr::null_mut()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    // SAFETY: no descriptor is looked at, so none is read; both other pointers are to locals or null.
    let polled = match unsafe { libc::ppoll(ptr::null_mut(), 0, &raw const nanos, ptr::null()) } {
        0 => Ok(()),
        _ => Err(io::Error::last_os_error()),
    };
    let timed_out = [ErrorKind::WouldBlock, ErrorKind::TimedOut];
    [
        ("recv", ended_by_limit(received, &timed_out)),
        ("nanosleep", ended_by_limit(slept, &[])),
        ("poll", ended_by_limit(polled, &[])),
    ]
}

/// Asks a thread so many times where it is that waits with a limit all the time, with as much computing in between as is to be.
fn asked_while_it_waits(limit: Duration, computes: Duration, times: u32) {
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        move || {
            let socket = silent(limit);
            let mut interrupted = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let waited = waits_with_limits(&socket, limit);
                interrupted.extend(waited.iter().filter(|(_, fine)| !fine).map(|it| it.0));
                let begun = Instant::now();
                while begun.elapsed() < computes {
                    std::hint::spin_loop();
                }
            }
            interrupted
        }
    });
    let [mut waited, mut ran, mut nothing] = [0, 0, 0];
    for _ in 0..times {
        match stack.backtrace() {
            Ok(found) if found.waits_in().is_some() => waited += 1,
            Ok(_) => ran += 1,
            Err(Unavailable::NoAnswer) => nothing += 1,
            Err(error) => panic!("{error}"),
        }
    }
    stop.store(true, Ordering::Relaxed);
    let interrupted = thread.join().expect("it waits and computes");
    println!("found to wait {waited} times, to run {ran} times, no answer {nothing} times");
    assert!(waited > 0);
    assert!(interrupted.is_empty(), "{interrupted:?}");
}

#[test]
fn a_wait_with_a_limit_is_never_interrupted() {
    asked_while_it_waits(Duration::from_millis(30), Duration::ZERO, 500);
}

/// The hardest case: it changes between the two thousands of times a second.
#[test]
fn nor_is_one_of_a_thread_that_computes_in_between() {
    for computes in [50, 500, 2000].map(Duration::from_micros) {
        asked_while_it_waits(Duration::from_micros(100), computes, 200);
    }
}

static RUNG: AtomicUsize = AtomicUsize::new(0);

extern "C" fn count(_: libc::c_int) {
    RUNG.fetch_add(1, Ordering::Relaxed);
}

/// One timer after the other, whatever the thread does.
#[test]
fn a_timer_rings_a_thread_between_its_waits() {
    let program = env::current_exe().expect("this program");
    let name = "a_timer_rings_a_thread_between_its_waits";
    if !in_own_process(&program, module_path!(), name) {
        return;
    }
    let handler = count as extern "C" fn(libc::c_int) as libc::sighandler_t;
    // SAFETY: the handler only counts.
    unsafe { libc::signal(SIGNAL, handler) };
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        move || {
            let limit = Duration::from_micros(200);
            let socket = silent(limit);
            let mut uninterrupted = true;
            while !stop.load(Ordering::Relaxed) && uninterrupted {
                for _ in 0..20 {
                    uninterrupted &= waits_with_limits(&socket, limit).iter().all(|it| it.1);
                }
                let begun = Instant::now();
                while begun.elapsed() < Duration::from_millis(5) {
                    std::hint::spin_loop();
                }
            }
            uninterrupted
        }
    });
    let begun = Instant::now();
    for rings in 1..=50 {
        let timer = Timer::start(stack.thread, SIGNAL);
        while RUNG.load(Ordering::Relaxed) < rings && !thread.is_finished() {
            assert!(begun.elapsed() < Duration::from_secs(60), "{RUNG:?}");
            thread::yield_now();
        }
        drop(timer);
    }
    stop.store(true, Ordering::Relaxed);
    assert!(thread.join().expect("no panic"), "{RUNG:?}");
}

/// A process that has changed its user may not read all that the kernel says of it.
#[test]
fn where_the_kernel_says_less_so_does_the_answer() {
    let program = env::current_exe().expect("this program");
    let name = "where_the_kernel_says_less_so_does_the_answer";
    if !in_own_process(&program, module_path!(), name) {
        return;
    }
    const NOBODY: libc::uid_t = 65_534;
    // SAFETY: both take integers; all threads of this process, which has this one test, lose the same.
    let (changed, hidden) = unsafe {
        let root = libc::geteuid() == 0;
        (
            !root || libc::setuid(NOBODY) == 0,
            libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) == 0,
        )
    };
    if !changed || !hidden {
        println!("skipped: root here can't become another user");
        return;
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (running, spins) = watched({
        let stop = Arc::clone(&stop);
        move || a_handler_that_spins(&stop)
    });
    let (go_on, wait) = mpsc::channel::<()>();
    let (waiting, waits) = watched(move || wait.recv());
    let found = until(&waiting, |found| found.waits_in().is_some());
    assert!(
        found
            .waits_in()
            .expect("it waits")
            .starts_with("the kernel")
            && found.frames().is_empty(),
        "{found}"
    );
    until(&running, |found| found.waits_in().is_none());
    stop.store(true, Ordering::Relaxed);
    go_on.send(()).expect("it waits");
    assert!(spins.join().is_ok() && waits.join().expect("no panic").is_ok());
}
