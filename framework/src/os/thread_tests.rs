//! What the kernel says about threads after we set their priority.

use std::{io::Write, sync::mpsc, thread};

use tracing::subscriber::with_default;

use super::*;

/// On a thread of its own, because not everybody can undo what is done to it.
fn on_a_thread<T: Send + 'static>(body: impl FnOnce() -> T + Send + 'static) -> T {
    thread::spawn(body).join().expect("the body does not panic")
}

#[test]
fn a_thread_that_has_ended_is_left_alone() {
    let ended = on_a_thread(ThreadRef::current);
    assert_eq!(
        set_back(&ended).expect_err("ended").kind(),
        io::ErrorKind::NotFound
    );
    restore(&ended);
    assert!(ended.lock().id.is_none());
}

#[test]
fn a_reference_made_while_a_thread_is_torn_down_refers_to_nothing() {
    struct Late(mpsc::Sender<ThreadRef>);
    impl Drop for Late {
        fn drop(&mut self) {
            let _ = self.0.send(ThreadRef::current());
        }
    }
    thread_local!(static LATE: std::cell::RefCell<Option<Late>> = const { std::cell::RefCell::new(None) });
    let (tell, told) = mpsc::channel();
    on_a_thread(move || {
        // First used, last destroyed.
        LATE.with(|late| *late.borrow_mut() = Some(Late(tell)));
        drop(ThreadRef::current());
    });
    let late = told.recv().expect("the destructor has run");
    assert!(set_back(&late).is_err());
}

/// What is logged, as text.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, text: &[u8]) -> io::Result<usize> {
        self.0.lock().expect("no panic").write(text)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn what_the_system_refused_is_said_once() {
    let log = Log::default();
    let subscriber = tracing_subscriber::fmt()
        .with_ansi(false)
        .with_writer({
            let log = log.clone();
            move || log.clone()
        })
        .finish();
    with_default(subscriber, || {
        let (once, refused) = (Once::new(), io::ErrorKind::PermissionDenied.into());
        for _ in 0..3 {
            say_once(&once, &refused, "a priority", "it stays as it was");
        }
    });
    let log = log.0.lock().expect("no panic");
    let log = String::from_utf8_lossy(&log);
    assert_eq!(log.lines().count(), 1, "{log}");
    for part in [
        "WARN offload: a priority was refused: it stays as it was",
        "permission denied",
    ] {
        assert!(log.contains(part), "{log}");
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::fs;

    use super::*;
    use crate::os::Nice;

    const BATCH: i64 = 3;
    const IDLE: i64 = 5;

    /// Policy and niceness of a thread of this process, as `/proc` has them.
    fn scheduled(id: nix::unistd::Pid) -> (i64, i64) {
        let stat = fs::read_to_string(format!("/proc/self/task/{id}/stat")).expect("it lives");
        // The second field is the name in brackets and may have anything in it.
        let (_, fields) = stat.rsplit_once(") ").expect("a name");
        let field = |number: usize| -> i64 {
            let text = fields.split(' ').nth(number - 3).expect("a field");
            text.trim().parse().expect("a number")
        };
        (field(41), field(19))
    }

    fn scheduled_here() -> (i64, i64) {
        scheduled(nix::unistd::gettid())
    }

    /// The niceness of the process: of its main thread, which no test touches.
    fn base() -> i64 {
        scheduled(nix::unistd::getpid()).1
    }

    fn slice_here() -> u64 {
        system::read(Id::current()).expect("it can be read").slice()
    }

    #[test]
    fn normal_changes_nothing() {
        let before = on_a_thread(scheduled_here);
        let after = on_a_thread(|| {
            apply(Priority::Normal);
            scheduled_here()
        });
        assert_eq!(before, after);
    }

    #[test]
    fn batch_counts_its_steps_from_the_process_and_ends_at_the_lowest() {
        for steps in [1, 10, 19] {
            let nice = Nice::new(steps).expect("within the bounds");
            let here = on_a_thread(move || {
                apply(Priority::Batch { nice });
                scheduled_here()
            });
            assert_eq!(here, (BATCH, (base() + i64::from(steps)).min(19)));
        }
    }

    #[test]
    fn batch_twice_is_no_further_down() {
        let (once, twice) = on_a_thread(|| {
            apply(Priority::background());
            let once = scheduled_here();
            let twice = on_a_thread(|| {
                apply(Priority::background());
                scheduled_here()
            });
            (once, twice)
        });
        assert_eq!(once, twice);
    }

    #[test]
    fn an_event_loop_has_a_short_slice_and_what_it_starts_the_usual_one() {
        let (before, after, started) = on_a_thread(|| {
            let before = (scheduled_here(), slice_here());
            wake_promptly();
            wake_promptly();
            let after = (scheduled_here(), slice_here());
            (
                before,
                after,
                on_a_thread(|| (scheduled_here(), slice_here())),
            )
        });
        assert_eq!(after.0, before.0, "policy and niceness are as they were");
        // Kernels before 6.12 say zero.
        let short = if before.1 == 0 { 0 } else { 100_000 };
        assert_eq!(after.1, short);
        assert_eq!(started, before);
    }

    #[test]
    fn who_has_a_policy_of_its_own_keeps_its_slice() {
        let (before, after) = on_a_thread(|| {
            apply(Priority::Idle);
            let before = (scheduled_here(), slice_here());
            wake_promptly();
            (before, (scheduled_here(), slice_here()))
        });
        assert_eq!(before, after);
    }

    #[test]
    fn batch_has_a_slice_of_its_own_where_the_kernel_knows_slices() {
        let (before, after) = on_a_thread(|| {
            let before = slice_here();
            apply(Priority::background());
            (before, slice_here())
        });
        // Kernels before 6.12 say zero.
        assert_eq!(after, if before == 0 { 0 } else { 1_000_000 });
    }

    fn slice(millis: u64) -> Priority {
        Priority::Slice(Duration::from_millis(millis))
    }

    #[test]
    fn a_slice_changes_the_turns_and_nothing_that_is_started() {
        let (before, after, started) = on_a_thread(|| {
            let before = (scheduled_here(), slice_here());
            apply(slice(7));
            let after = (scheduled_here(), slice_here());
            let started = on_a_thread(|| (scheduled_here(), slice_here()));
            (before, after, started)
        });
        assert_eq!(after.0, before.0, "policy and niceness are as they were");
        // Kernels before 6.12 say zero.
        assert_eq!(after.1, if before.1 == 0 { 0 } else { 7_000_000 });
        assert_eq!(started, before);
    }

    #[test]
    fn idle_is_behind_all_others() {
        let here = on_a_thread(|| {
            apply(Priority::Idle);
            scheduled_here()
        });
        assert_eq!(here.0, IDLE);
    }

    /// A thread at `priority` that waits to be told to end, while `body` looks at it from outside.
    fn beside<T>(priority: Priority, body: impl FnOnce(&ThreadRef, nix::unistd::Pid) -> T) -> T {
        let (tell, told) = mpsc::channel();
        let (keep, kept) = mpsc::channel::<()>();
        let thread = thread::spawn(move || {
            apply(priority);
            let _ = tell.send((ThreadRef::current(), nix::unistd::gettid()));
            let _ = kept.recv();
        });
        let (own, id) = told.recv().expect("it has started");
        let outcome = body(&own, id);
        drop(keep);
        thread.join().expect("it only waits");
        outcome
    }

    #[test]
    fn a_thread_is_set_back_by_another_one_and_restored() {
        for priority in [Priority::Normal, slice(3), Priority::background()] {
            beside(priority, |thread, id| {
                let slice_of = |id: nix::unistd::Pid| {
                    let state = thread.lock();
                    let slice = system::read(state.id.expect("it lives")).expect("it lives");
                    (scheduled(id), slice.slice())
                };
                let before = slice_of(id);
                set_back(thread).expect("it takes no privilege");
                let back = slice_of(id);
                assert_eq!(back.0, before.0, "policy and niceness stay");
                // Kernels before 6.12 say zero.
                assert_eq!(back.1, if before.1 == 0 { 0 } else { 100_000_000 });
                set_back(thread).expect("twice is as good as once");
                restore(thread);
                assert_eq!(slice_of(id), before, "{priority:?}");
                set_back(thread).expect("again");
                restore(thread);
                restore(thread);
                assert_eq!(slice_of(id), before, "nothing is left to restore");
            });
        }
    }

    #[test]
    fn a_thread_may_end_at_any_moment() {
        for _ in 0..200 {
            let (tell, told) = mpsc::channel();
            let thread = thread::spawn(move || tell.send(ThreadRef::current()));
            let own = told.recv().expect("it has started");
            // I1: an id out of date would be answered by "no such process" at some time. Reading takes the same way as
            // setting it back, but does not make it slower to end.
            loop {
                let state = own.lock();
                let Some(id) = state.id else { break };
                system::read(id).expect("it has not ended");
                drop(state);
                thread::yield_now();
            }
            assert!(thread.join().expect("it only sends").is_ok());
        }
    }
}
