//! Threads that are looked at hundreds of times finish their work, with the right results.

use std::{
    io::{self, Read, Write, pipe},
    panic,
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// How often a thread is drawn while it works.
const PICTURES: usize = 400;

/// Of so many pictures one is read as well.
const READ: usize = 10;

/// Draws the thread again and again until it was done often enough, and then tells it to stop.
fn draw(stack: &Stack, stop: &AtomicBool) {
    let begun = Instant::now();
    let mut drawn = 0;
    while drawn < PICTURES {
        let outcome = if drawn % READ == 0 {
            stack
                .backtrace()
                .map(|found| assert!(!found.frames().is_empty()))
        } else {
            let _alone = READER.lock().unwrap_or_else(PoisonError::into_inner);
            seen(stack).map(|_| ())
        };
        match outcome {
            Ok(()) => drawn += 1,
            // A busy machine leaves the thread without a core for a while.
            Err(Unavailable::NoAnswer | Unavailable::Busy) => {}
            Err(error) => panic!("{error} after {drawn}"),
        }
        let late = begun.elapsed() > Duration::from_secs(120);
        assert!(!late, "only {drawn} pictures in two minutes");
    }
    stop.store(true, Ordering::Relaxed);
}

/// Draws a thread that does `step` until it is told to stop, and returns how often it did.
fn drawn_while(step: impl FnMut() + Send + 'static) -> u64 {
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        let mut step = step;
        move || {
            let mut steps = 0;
            while !stop.load(Ordering::Relaxed) {
                step();
                steps += 1;
            }
            steps
        }
    });
    draw(&stack, &stop);
    thread.join().expect("no step failed")
}

#[test]
fn a_thread_that_allocates_and_formats() {
    let mut round = 0_u64;
    let steps = drawn_while(move || {
        round += 1;
        let texts: Vec<String> = (0..50).map(|at| format!("{at}-{round:x}")).collect();
        let sizes: usize = texts.iter().map(String::len).sum();
        let digits = format!("{round:x}").len();
        assert_eq!(sizes, 50 + 10 + 40 * 2 + 50 * digits);
    });
    assert!(steps > 0);
}

#[test]
fn a_thread_that_panics_and_catches_it() {
    let mut round = 0_u64;
    let steps = drawn_while(move || {
        round += 1;
        // Without the hook, which would fill the log.
        let caught = panic::catch_unwind(|| panic::resume_unwind(Box::new(format!("{round}"))));
        let payload = caught.expect_err("it panicked");
        let text = payload.downcast_ref::<String>().expect("a text");
        assert_eq!(*text, round.to_string());
    });
    assert!(steps > 0);
}

#[test]
fn a_thread_that_makes_short_system_calls() {
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let mut round = 0_u8;
    let steps = drawn_while(move || {
        round = round.wrapping_add(1);
        assert_eq!(writer.write(&[round]).expect("not interrupted"), 1);
        let mut byte = [0];
        assert_eq!(reader.read(&mut byte).expect("not interrupted"), 1);
        assert_eq!(byte, [round]);
    });
    assert!(steps > 0);
}

#[test]
fn a_thread_that_waits_to_read() {
    let (mut reader, mut writer) = pipe().expect("a pipe");
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched(move || {
        let mut bytes = [0; 2];
        reader.read(&mut bytes).map(|count| (count, bytes[0]))
    });
    draw(&stack, &stop);
    writer.write_all(&[9]).expect("it waits");
    let read = thread.join().expect("it only reads");
    assert_eq!(read.expect("never interrupted"), (1, 9));
}

#[test]
fn a_thread_that_sleeps_and_waits_with_a_limit() {
    let pause = Duration::from_millis(30);
    let never = (Mutex::new(()), Condvar::new());
    let steps = drawn_while(move || {
        let begun = Instant::now();
        thread::sleep(pause);
        assert!(begun.elapsed() >= pause, "woken early");

        let begun = Instant::now();
        let guard = never.0.lock().expect("not poisoned");
        let (_guard, outcome) = never.1.wait_timeout(guard, pause).expect("not poisoned");
        assert!(outcome.timed_out() && begun.elapsed() >= pause);
    });
    assert!(steps > 0);
}

#[test]
fn a_thread_whose_last_error_counts() {
    let steps = drawn_while(|| {
        let missing = std::fs::metadata("/nowhere/at/all").expect_err("there is none");
        for _ in 0..10_000 {
            let last = io::Error::last_os_error();
            assert_eq!(last.raw_os_error(), missing.raw_os_error());
        }
    });
    assert!(steps > 0);
}

#[test]
fn a_thread_whose_stack_others_write_to() {
    let steps = drawn_while(|| {
        let mut sums = [0_u64; 4];
        thread::scope(|scope| {
            for sum in &mut sums {
                scope.spawn(move || {
                    for at in 0..1000 {
                        *std::hint::black_box(&mut *sum) += at;
                    }
                });
            }
        });
        assert_eq!(sums, [499_500; 4]);
    });
    assert!(steps > 0);
}

/// Echoes over loopback until told to stop; waits in between, so that the loop sleeps in `epoll_wait`.
async fn echo(stop: &AtomicBool) -> io::Result<u64> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let mut client = TcpStream::connect(listener.local_addr()?).await?;
    let (mut server, _) = listener.accept().await?;
    let mut steps = 0_u64;
    while !stop.load(Ordering::Relaxed) {
        let sent = steps.to_le_bytes();
        client.write_all(&sent).await?;
        let mut got = [0; 8];
        server.read_exact(&mut got).await?;
        assert_eq!(got, sent);
        tokio::time::sleep(Duration::from_millis(1)).await;
        steps += 1;
    }
    Ok(steps)
}

#[test]
fn an_event_loop_of_tokio() {
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        move || {
            tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?
                .block_on(echo(&stop))
        }
    });
    until(&stack, |found| has(found, "epoll_wait"));
    draw(&stack, &stop);
    let steps = thread.join().expect("no panic").expect("no error");
    assert!(steps > 0);
}

#[test]
fn an_event_loop_of_smol() {
    let stop = Arc::new(AtomicBool::new(false));
    let (stack, thread) = watched({
        let stop = Arc::clone(&stop);
        move || {
            smol::block_on(async {
                let mut ticks = 0;
                while !stop.load(Ordering::Relaxed) {
                    smol::Timer::after(Duration::from_millis(1)).await;
                    ticks += 1;
                }
                ticks
            })
        }
    });
    draw(&stack, &stop);
    assert!(thread.join().expect("no panic") > 0);
}
