//! What others do with the signal is theirs. Handlers are the process's, so each of these tests has a process to itself.
#![expect(
    unsafe_code,
    reason = "signals are handled, sent and blocked as the rest of a program might"
)]

use std::{
    env,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize},
        mpsc,
    },
    time::Instant,
};

use super::{super::tests::*, *};
use crate::Stack;

/// Runs the test `name` of this module again, in a process of its own. True in that process.
fn alone(name: &str) -> bool {
    let program = env::current_exe().expect("this program");
    in_own_process(&program, module_path!(), name)
}

static CALLS: AtomicUsize = AtomicUsize::new(0);

extern "C" fn foreign(_: c_int) {
    CALLS.fetch_add(1, Ordering::Relaxed);
}

/// Has the signal handled otherwise, as C programs do it.
fn handle_by(handler: sighandler_t) -> sighandler_t {
    // SAFETY: each handler that is passed is a default, or `foreign`, or what was there before.
    unsafe { libc::signal(SIGNAL, handler) }
}

fn foreign_handler() -> sighandler_t {
    foreign as extern "C" fn(c_int) as sighandler_t
}

/// A thread that spins until the returned flag is set.
fn spinning() -> (Stack, Arc<AtomicBool>, std::thread::JoinHandle<()>) {
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        move || {
            while !stop.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        }
    });
    (stack, stop, thread)
}

#[test]
fn a_handler_of_the_program_stays_and_is_not_called() {
    if !alone("a_handler_of_the_program_stays_and_is_not_called") {
        return;
    }
    handle_by(foreign_handler());
    let (stack, stop, thread) = spinning();
    for _ in 0..3 {
        let answer = stack.backtrace();
        assert!(
            matches!(answer, Err(Unavailable::SignalTaken)),
            "{answer:?}"
        );
    }
    assert_eq!(handle_by(libc::SIG_DFL), foreign_handler());
    assert_eq!(CALLS.load(Ordering::Relaxed), 0);

    until(&stack, |found| !found.frames().is_empty());
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it only spins");
}

#[test]
fn a_handler_that_comes_later_is_respected_and_one_that_goes_is_replaced() {
    if !alone("a_handler_that_comes_later_is_respected_and_one_that_goes_is_replaced") {
        return;
    }
    let (stack, stop, thread) = spinning();
    let answered = || {
        until(&stack, |found| !found.frames().is_empty());
    };
    answered();
    assert_eq!(handle_by(foreign_handler()), ours());
    let answer = stack.backtrace();
    assert!(
        matches!(answer, Err(Unavailable::SignalTaken)),
        "{answer:?}"
    );
    assert_eq!(CALLS.load(Ordering::Relaxed), 0);
    for free in [libc::SIG_IGN, libc::SIG_DFL] {
        handle_by(free);
        answered();
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it only spins");
}

#[test]
fn signals_that_nobody_here_sent_do_nothing() {
    if !alone("signals_that_nobody_here_sent_do_nothing") {
        return;
    }
    let (stack, stop, thread) = spinning();
    for _ in 0..100 {
        until(&stack, |found| !found.frames().is_empty());
        // To this thread and to the other, beside those that are sent for pictures.
        ring(gettid().as_raw());
        for _ in 0..10 {
            ring(stack.thread);
        }
    }
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it only spins");
}

#[test]
fn a_thread_that_blocks_the_signal_does_not_answer_and_is_not_struck_later() {
    if !alone("a_thread_that_blocks_the_signal_does_not_answer_and_is_not_struck_later") {
        return;
    }
    let set_blocked = |how| {
        let mut only = MaybeUninit::uninit();
        // SAFETY: the set is made empty before it is added to and read; the last argument may be null.
        unsafe {
            libc::sigemptyset(only.as_mut_ptr());
            libc::sigaddset(only.as_mut_ptr(), SIGNAL);
            assert_eq!(
                libc::pthread_sigmask(how, only.as_ptr(), ptr::null_mut()),
                0
            );
        }
    };
    let [unblock, stop] = [(); 2].map(|()| Arc::new(AtomicBool::new(false)));
    let (changed, seen) = mpsc::channel();
    let (stack, thread) = watched({
        let [unblock, stop] = [&unblock, &stop].map(Arc::clone);
        move || {
            for (how, end) in [(libc::SIG_BLOCK, unblock), (libc::SIG_UNBLOCK, stop)] {
                set_blocked(how);
                changed.send(()).expect("the test waits");
                a_thread_at_work(&end);
            }
        }
    });
    seen.recv().expect("it blocks the signal");
    for _ in 0..3 {
        let begun = Instant::now();
        let answer = stack.backtrace();
        assert!(matches!(answer, Err(Unavailable::NoAnswer)), "{answer:?}");
        assert!(begun.elapsed().as_secs() < 30, "bounded");
    }
    unblock.store(true, Ordering::Relaxed);
    seen.recv().expect("the late signal did no harm");
    until(&stack, |found| has(found, "a_thread_at_work"));
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("nothing went wrong");
}

#[test]
fn a_thread_without_a_stack_for_signals_answers_too() {
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        move || {
            // Threads that C code starts have none.
            let none = libc::stack_t {
                ss_sp: ptr::null_mut(),
                ss_flags: libc::SS_DISABLE,
                ss_size: 0,
            };
            // SAFETY: takes away what the standard library gave this thread, which it needs on a stack overflow alone.
            let outcome = unsafe { libc::sigaltstack(&raw const none, ptr::null_mut()) };
            assert_eq!(outcome, 0);
            a_thread_at_work(&stop)
        }
    });
    until(&stack, |found| has(found, "a_thread_at_work"));
    stop.store(true, Ordering::Relaxed);
    thread.join().expect("it only spins");
}

#[inline(never)]
fn a_thread_at_work(stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        std::hint::spin_loop();
    }
}
