//! Where the system gives no threads there are errors and warnings that say so, and nothing panics or ends the process.
//!
//! Limits are the process's, so each of these tests has a process to itself, in which any panic is the end.

use std::{
    env, fs, panic,
    process::{self, Command},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use nix::{
    sys::resource::{Resource, getrlimit, setrlimit},
    unistd::{Uid, geteuid, setuid},
};
use offload_core::{
    Lanes,
    clock::LoopClock,
    event_loop::{EventLoop, EventLoops, Label},
    rehearse_threads,
    stall::StallWatch,
};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    Layer,
    layer::{Context, SubscriberExt},
};

use crate::support::until;

/// Numbers of users from here on are ours.
const UNUSED: u32 = 1_000_000;

/// Whether no other process counts against the limit of this one's user.
fn is_users_only() -> bool {
    geteuid().as_raw() >= UNUSED
}

/// Runs the test `name` again in a process of its own, as a user who is bound by limits. True in that process.
fn alone_and_bound(name: &str) -> bool {
    const STARTED: &str = "OFFLOAD_TEST_IN_OWN_PROCESS";
    if env::var_os(STARTED).is_none() {
        let output = Command::new(env::current_exe().expect("this program"))
            .args([&format!("scarce::{name}"), "--exact", "--nocapture"])
            .env(STARTED, "1")
            .output()
            .expect("the program starts");
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(
            output.status.success() && text.contains("1 passed"),
            "{}\n{text}{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        );
        print!("{text}");
        return false;
    }
    panic::set_hook(Box::new(|panic| {
        eprintln!("{panic}");
        process::abort();
    }));
    // Root is not bound. A number that no other process has makes what this one has all that the user has.
    if geteuid().is_root() {
        let unused = Uid::from_raw(UNUSED + process::id());
        if setuid(unused).is_err() {
            println!("skipped: root here can't become another user");
            return false;
        }
    }
    true
}

/// Lets the user have so many processes and threads, or as many as before.
fn limit_threads(most: Option<u64>) {
    let (_, hard) = getrlimit(Resource::RLIMIT_NPROC).expect("Linux");
    let soft = most.unwrap_or(hard).min(hard);
    setrlimit(Resource::RLIMIT_NPROC, soft, hard).expect("below the hard one");
}

/// The names of this process's threads.
fn threads() -> Vec<String> {
    let tasks = fs::read_dir("/proc/self/task").expect("Linux");
    // Some end meanwhile.
    let names = tasks.filter_map(|task| fs::read_to_string(task.ok()?.path().join("comm")).ok());
    names.map(|name| name.trim().to_owned()).collect()
}

#[test]
fn lanes_are_an_error() {
    if !alone_and_bound("lanes_are_an_error") {
        return;
    }
    for most in [0, 1] {
        limit_threads(Some(most));
        let error = Lanes::builder().build().expect_err("no threads");
        assert_eq!(error.setting_name(), None, "{error}");
        let none = rehearse_threads(5).expect_err("none").to_string();
        for words in ["no further threads", "`ulimit -u`", "raise that"] {
            assert!(none.contains(words), "{none} has no {words}");
        }
        let refused = StallWatch::builder().start(&EventLoops::default());
        let refused = refused.expect_err("no thread").to_string();
        assert!(refused.contains("`ulimit -u`"), "{refused}");
    }
    limit_threads(None);
    drop(rehearse_threads(5).expect("as before"));
    let lanes = Lanes::builder().threads(1).build().expect("as before");
    let ran = pollster::block_on(lanes.run(|| 7));
    assert_eq!(ran.expect("no panic"), 7);
}

#[test]
fn some_threads_are_counted() {
    if !alone_and_bound("some_threads_are_counted") {
        return;
    }
    if !is_users_only() {
        println!("skipped: this user has other processes, too");
        return;
    }
    for more in [1, 3, 9] {
        limit_threads(Some(threads().len() as u64 + more));
        // Again and again: what was tried out is free again.
        for _ in 0..20 {
            drop(rehearse_threads(more as usize).expect("so many are left"));
        }
        let none = rehearse_threads(10).expect_err("not so many");
        assert_eq!((none.given() as u64, none.wanted()), (more, 10), "{none}");
    }
}

/// What is logged by the crate.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn record() -> Self {
        let log = Self::default();
        let subscriber = tracing_subscriber::registry().with(log.clone());
        tracing::subscriber::set_global_default(subscriber).expect("the only one");
        log
    }

    fn lines_with(&self, words: &str) -> Vec<String> {
        let lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let lines = lines.iter().filter(|line| line.contains(words));
        lines.cloned().collect()
    }
}

impl<S: Subscriber> Layer<S> for Log {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        struct Line(String);
        impl Visit for Line {
            fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
                self.0 += &format!(" {field}={value:?}");
            }
        }
        let mut line = Line(event.metadata().level().to_string());
        event.record(&mut line);
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push(line.0);
    }
}

/// A pool that panics without a thread, as tokio's do, and keeps what it was given.
#[test]
fn a_pool_that_gets_no_thread_is_not_full_and_is_asked_again_later() {
    if !alone_and_bound("a_pool_that_gets_no_thread_is_not_full_and_is_asked_again_later") {
        return;
    }
    const LIMIT: Duration = Duration::from_millis(20);
    let log = Log::record();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .expect("a runtime");
    let loops = EventLoops::default();
    let watch = StallWatch::builder()
        .threshold(Duration::from_secs(60))
        .blocking_pool(Some(LIMIT))
        .start(&loops)
        .expect("starts");
    // With backtraces, its names are read by another.
    until("the names are read", || {
        !threads().iter().any(|name| name == "offload-names")
    });
    limit_threads(Some(0));

    let here = loops.here();
    let asked = Arc::new(AtomicUsize::new(0));
    runtime.spawn(here.pulse().expect("the first"));
    let handle = runtime.handle().clone();
    here.pool({
        let asked = Arc::clone(&asked);
        move |job| {
            asked.fetch_add(1, Ordering::SeqCst);
            drop(handle.spawn_blocking(job));
        }
    });
    runtime.block_on(async {
        let turn = async |done: &dyn Fn() -> bool| {
            let begun = Instant::now();
            while !done() {
                assert!(begun.elapsed() < Duration::from_secs(60));
                tokio::task::yield_now().await;
            }
        };
        let warned = || log.lines_with("no thread can be had");
        turn(&|| !warned().is_empty()).await;
        let then = Instant::now();
        turn(&|| then.elapsed() > 10 * LIMIT).await;
        let warned = warned();
        assert_eq!(warned.len(), 1, "{warned:?}");
        assert!(
            warned[0].contains("WARN") && warned[0].contains("`ulimit -u`"),
            "{warned:?}"
        );
        assert_eq!(asked.load(Ordering::SeqCst), 0, "it would have panicked");
        assert_eq!(watch.recent(), [], "it is not full");

        limit_threads(None);
        turn(&|| asked.load(Ordering::SeqCst) > 1).await;
        // It has a thread now, with which it does without others.
        limit_threads(Some(0));
        let before = asked.load(Ordering::SeqCst);
        turn(&|| asked.load(Ordering::SeqCst) > before + 5).await;
    });
}

fn stuck<T>(here: &EventLoop, work: impl FnOnce() -> T) -> T {
    let clock = LoopClock::new(Duration::from_micros(100));
    let mark = clock.start();
    here.begin(&mark, Label::NONE);
    let done = work();
    here.end(&clock.stop(mark));
    done
}

/// Whether reports have backtraces here.
const BACKTRACES: bool = cfg!(all(
    feature = "stall-backtrace",
    any(target_arch = "x86_64", target_arch = "aarch64")
));

#[test]
fn names_that_nobody_could_read_are_read_once_somebody_can() {
    if !alone_and_bound("names_that_nobody_could_read_are_read_once_somebody_can") {
        return;
    }
    if !BACKTRACES {
        println!("skipped: no backtraces here");
        return;
    }
    let log = Log::record();
    if !is_users_only() {
        println!("skipped: this user has other processes, too");
        return;
    }
    let loops = EventLoops::default();
    let here = loops.here();
    // One for the watch, none for who reads names.
    limit_threads(Some(threads().len() as u64 + 1));
    let watch = StallWatch::builder()
        .threshold(Duration::from_millis(10))
        .reports_per_minute(u32::MAX)
        .start(&loops)
        .expect("there is one thread for it");
    until("the log says so", || {
        log.lines_with("reported without backtraces").len() == 1
    });
    stuck(&here, || {
        let reported = || !watch.recent().is_empty();
        until("a report", reported);
        assert!(watch.recent()[0].backtrace.is_empty());
    });
    limit_threads(None);
    until("a report says where the thread is", || {
        let located = || {
            watch
                .recent()
                .iter()
                .any(|stall| !stall.backtrace.is_empty())
        };
        let begun = Instant::now();
        stuck(&here, || {
            while !located() && begun.elapsed() < Duration::from_secs(1) {
                thread::yield_now();
            }
        });
        located()
    });
    assert_eq!(log.lines_with("reported without backtraces").len(), 1);
}
