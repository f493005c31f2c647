//! Threads in all kinds of trouble are drawn, and none of them notices.

#[path = "unharmed_tests.rs"]
mod unharmed;
#[path = "waiting_tests.rs"]
mod waiting;

use std::{
    env, fs,
    hint::black_box,
    path::Path,
    process::{self, Command},
    sync::{
        Arc, Condvar, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use nix::libc;

use super::*;
use crate::Frame;

/// A thread that says where its stack is, does `work`, and ends when that does.
pub(super) fn watched<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> (Stack, JoinHandle<T>) {
    let (said, stack) = mpsc::channel();
    let thread = thread::spawn(move || {
        said.send(Stack::current().expect("a stack"))
            .expect("the test waits");
        work()
    });
    (stack.recv().expect("the thread says it"), thread)
}

/// Asks until the answer is as expected; a machine that is busy with other tests may leave a question unanswered.
pub(super) fn until(stack: &Stack, expected: impl Fn(&Backtrace) -> bool) -> Backtrace {
    let begun = Instant::now();
    loop {
        let answer = stack.backtrace();
        match answer {
            Ok(backtrace) if expected(&backtrace) => return backtrace,
            answer => assert!(
                begun.elapsed() < Duration::from_secs(60),
                "still not there: {answer:?}"
            ),
        }
        thread::yield_now();
    }
}

pub(super) fn functions(backtrace: &Backtrace) -> Vec<&str> {
    backtrace.frames().iter().map(Frame::function).collect()
}

pub(super) fn has(backtrace: &Backtrace, function: &str) -> bool {
    functions(backtrace)
        .iter()
        .any(|name| name.contains(function))
}

/// Sends the signal to a thread at any time, as others may.
#[expect(unsafe_code, reason = "no safe binding has this system call")]
pub(super) fn ring(thread: i32) {
    // SAFETY: takes three integers, checks them, and reaches threads of this process alone; the signal is ignored or ours.
    let sent = unsafe { libc::syscall(libc::SYS_tgkill, process::id(), thread, SIGNAL) };
    assert_eq!(sent, 0, "it lives");
}

/// Runs one test by a program that is a copy of this one. True in the process that was started for that.
pub(super) fn in_own_process(program: &Path, module: &str, name: &str) -> bool {
    const STARTED: &str = "OFFLOAD_TEST_IN_OWN_PROCESS";
    if env::var_os(STARTED).is_some() {
        return true;
    }
    let (_, module) = module.split_once("::").expect("in a crate");
    let output = Command::new(program)
        .args([&format!("{module}::{name}"), "--exact", "--nocapture"])
        .env(STARTED, "1")
        .output()
        .expect("the program starts");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}{}",
        String::from_utf8_lossy(&output.stderr)
    );
    false
}

#[inline(never)]
fn a_handler_that_spins(stop: &AtomicBool) -> u64 {
    let mut turns = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        turns = black_box(turns.wrapping_add(1));
    }
    turns
}

#[test]
fn a_spinning_thread_is_found_where_it_spins() {
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        move || a_handler_that_spins(&stop)
    });
    let found = until(&stack, |found| has(found, "a_handler_that_spins"));
    stop.store(true, Ordering::Relaxed);
    assert!(thread.join().is_ok());

    let names = functions(&found);
    assert!(
        names
            .iter()
            .any(|name| name.starts_with("offload_backtrace::system::tests::a_handler_that_spins")),
        "demangled, without a hash: {names:?}"
    );
    assert!(
        !names
            .iter()
            .any(|name| name.contains("__rust_begin_short_backtrace")),
        "what every thread begins with is left out: {names:?}"
    );
    for frame in found.frames() {
        let file = frame.file().unwrap_or_default();
        assert!(!file.starts_with('/'), "{frame} says where this was built");
        assert!(frame.line() != Some(0), "{frame}");
    }
}

#[test]
fn a_thread_that_asks_for_the_time_is_found_through_the_kernels_code() {
    #[inline(never)]
    fn a_handler_that_waits_for_the_clock(stop: &AtomicBool) -> Instant {
        let mut now = Instant::now();
        while !stop.load(Ordering::Relaxed) {
            for _ in 0..1000 {
                now = black_box(Instant::now());
            }
        }
        now
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        move || a_handler_that_waits_for_the_clock(&stop)
    });
    let own = "a_handler_that_waits_for_the_clock";
    until(&stack, |found| has(found, own));
    let mut in_the_kernels = 0;
    while in_the_kernels < 20 {
        let found = until(&stack, |_| true);
        assert!(
            has(&found, own),
            "wherever it is, it came from there: {found}"
        );
        let innermost = found.frames()[0].function();
        let kernels = ["clock_gettime", "[vdso]"];
        in_the_kernels += usize::from(kernels.iter().any(|name| innermost.contains(name)));
    }
    stop.store(true, Ordering::Relaxed);
    assert!(thread.join().is_ok());
}

#[test]
fn a_deep_stack_is_told_from_its_top() {
    #[inline(never)]
    fn a_handler_that_recurses(depth: usize, stop: &AtomicBool) -> u64 {
        let room = black_box([depth as u64; 64]);
        if depth == 0 {
            return a_handler_that_spins(stop);
        }
        a_handler_that_recurses(depth - 1, stop) + black_box(room)[63]
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        // At least 512 bytes each: four times what is copied.
        move || a_handler_that_recurses(512, &stop)
    });
    // Once it has come to the bottom, not on its way there.
    let found = until(&stack, |found| has(found, "a_handler_that_spins"));
    stop.store(true, Ordering::Relaxed);
    let calls = functions(&found)
        .iter()
        .filter(|name| name.contains("a_handler_that_recurses"))
        .count();
    assert!((8..=64).contains(&calls), "{found}");
    assert!(!has(&found, "watched"), "out of reach: {found}");
    assert!(thread.join().is_ok());
}

#[test]
fn large_frames_end_a_backtrace_early_but_leave_the_top() {
    #[inline(never)]
    fn a_handler_with_much_on_its_stack(stop: &AtomicBool) -> u64 {
        let room = black_box([1_u64; 16 * 1024]);
        a_handler_that_spins(stop).wrapping_add(black_box(room)[7])
    }
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        move || a_handler_with_much_on_its_stack(&stop)
    });
    let found = until(&stack, |found| has(found, "a_handler_that_spins"));
    stop.store(true, Ordering::Relaxed);
    assert!(
        has(&found, "a_handler_with_much_on_its_stack"),
        "the return address lies above the smaller frame: {found}"
    );
    assert!(!has(&found, "watched"), "out of reach: {found}");
    assert!(thread.join().is_ok());
}

#[test]
fn a_thread_that_has_ended_is_an_error() {
    let (stack, thread) = watched(|| ());
    thread.join().expect("it does nothing");
    // The kernel may have given the number to another test's thread since; that one is not the thread of this stack.
    let answer = stack.backtrace();
    assert!(
        matches!(
            answer,
            Err(Unavailable::Gone | Unavailable::OtherStack | Unavailable::NoAnswer)
        ),
        "{answer:?}"
    );
}

#[test]
fn another_thread_of_the_same_number_is_refused() {
    let stop = Arc::new(AtomicBool::new(false));
    let (living, thread) = watched({
        let stop = Arc::clone(&stop);
        move || a_handler_that_spins(&stop)
    });
    let (gone, ended) = watched(|| ());
    let reused = Stack {
        thread: living.thread,
        ..gone
    };
    let mut elsewhere = living;
    elsewhere.bounds.high = elsewhere.bounds.low + 4096;
    for wrong in [reused, elsewhere] {
        let answer = loop {
            match wrong.backtrace() {
                Err(Unavailable::NoAnswer) => {}
                answer => break answer,
            }
        };
        assert!(matches!(answer, Err(Unavailable::OtherStack)), "{answer:?}");
    }
    ended.join().expect("it does nothing");
    until(&living, |found| has(found, "a_handler_that_spins"));
    stop.store(true, Ordering::Relaxed);
    assert!(thread.join().is_ok());
}

#[test]
fn what_is_read_beforehand_is_there_later() {
    let named = || {
        let reader = READER.lock().unwrap_or_else(PoisonError::into_inner);
        reader.as_ref().expect("made by then").named_images()
    };
    prepare();
    let first = named();
    assert!(first > 1, "the program and its libraries");
    prepare();
    assert!(named() >= first);
}

#[test]
fn a_program_that_has_been_replaced_on_disk_still_has_its_names() {
    let own = env::current_exe().expect("this program");
    let name = "a_program_that_has_been_replaced_on_disk_still_has_its_names";
    let copy = env::temp_dir().join(format!("offload-backtrace-test-{}", process::id()));
    if in_own_process(&copy_of(&own, &copy), module_path!(), name) {
        // As a deployment does it: the old file goes, another of the same name comes.
        fs::remove_file(&own).expect("the copy is ours");
        fs::write(&own, "not a program").expect("the folder is for such things");
        let stop = Arc::new(AtomicBool::new(false));
        let (stack, thread) = watched({
            let stop = Arc::clone(&stop);
            move || a_handler_that_spins(&stop)
        });
        until(&stack, |found| has(found, "tests::a_handler_that_spins"));
        stop.store(true, Ordering::Relaxed);
        assert!(thread.join().is_ok());
    } else {
        fs::remove_file(copy).expect("made by this test");
    }
}

/// Copies a program, but not for the copy itself.
fn copy_of(program: &Path, copy: &Path) -> std::path::PathBuf {
    let is_copy = program.parent() == copy.parent();
    if !is_copy {
        fs::copy(program, copy).expect("the folder is for such things");
    }
    copy.to_owned()
}

#[test]
fn two_watchers_at_once_get_each_their_own_thread() {
    #[inline(never)]
    fn the_one_handler(stop: &AtomicBool) -> u64 {
        black_box(a_handler_that_spins(stop)) + 1
    }
    #[inline(never)]
    fn the_other_handler(stop: &AtomicBool) -> u64 {
        black_box(a_handler_that_spins(stop)) + 2
    }
    let stop = Arc::new(AtomicBool::new(false));
    let work = |handler: fn(&AtomicBool) -> u64| {
        let stop = Arc::clone(&stop);
        watched(move || handler(&stop))
    };
    let (one, first) = work(the_one_handler);
    let (other, second) = work(the_other_handler);
    thread::scope(|scope| {
        for (stack, own, foreign) in [
            (one, "the_one_handler", "the_other_handler"),
            (other, "the_other_handler", "the_one_handler"),
        ] {
            scope.spawn(move || {
                for _ in 0..50 {
                    let found = until(&stack, |found| has(found, own));
                    assert!(!has(&found, foreign), "{found}");
                }
            });
        }
    });
    stop.store(true, Ordering::Relaxed);
    assert!(first.join().is_ok() && second.join().is_ok());
}

#[test]
fn a_thread_may_ask_about_itself() {
    let own = Stack::current().expect("a stack");
    let found = until(&own, |found| has(found, "a_thread_may_ask_about_itself"));
    assert!(has(&found, "Stack::backtrace"), "{found}");
}

#[test]
fn a_picture_holds_its_thread_up_for_a_moment() {
    /// The middle one of many: from before the signal is sent to after the thread has gone on, on one thread.
    #[inline(never)]
    fn held_up<const WORDS: usize>() -> Duration {
        let room = black_box([0_u64; WORDS]);
        let own = Stack::current().expect("a stack");
        signal::listen().expect("the signal is free");
        let mut times: Vec<_> = (0..200)
            .map(|_| {
                let _alone = READER.lock().unwrap_or_else(PoisonError::into_inner);
                let mut held = Duration::ZERO;
                let picture = EXCHANGE.request(own.thread, own.bounds, PATIENCE, || {
                    let begun = Instant::now();
                    // It is delivered before the call returns.
                    ring(own.thread);
                    held = begun.elapsed();
                    Ok(())
                });
                assert!(picture.is_ok(), "{picture:?}");
                held
            })
            .collect();
        black_box(room);
        times.sort_unstable();
        times[times.len() / 2]
    }
    let [shallow, deep] = thread::scope(|scope| {
        [held_up::<1>, held_up::<16384>].map(|held_up| {
            let thread = scope.spawn(held_up);
            thread.join().expect("every picture was taken")
        })
    });
    println!("held up for {shallow:?} with a shallow stack, {deep:?} with one of more than 64 KiB");
    assert!(shallow.max(deep) < Duration::from_millis(10), "{deep:?}");
}
