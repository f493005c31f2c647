//! Reports say where the thread is, and it does not notice.

use std::{io::ErrorKind, net::UdpSocket};

use super::*;

#[test]
fn a_report_says_where_the_thread_is() {
    #[inline(never)]
    fn a_function_that_is_to_be_named(told: &mpsc::Receiver<Stall>) -> bool {
        let frames = compute_until_told(told).backtrace;
        frames
            .iter()
            .any(|frame| frame.contains("a_function_that_is_to_be_named"))
    }
    let loops = EventLoops::default();
    let (_watch, told) = heard(StallWatch::builder().threshold(THRESHOLD), &loops);
    let polls = Polls::on(&loops);
    let start = Instant::now();
    // The first ones may come before the program's file is read.
    loop {
        let mut named = false;
        polls.poll(None, || named = a_function_that_is_to_be_named(&told));
        if named {
            break;
        }
        assert!(start.elapsed() < PATIENCE, "it is never named");
    }
}

#[test]
fn a_stall_that_lasts_is_located_at_a_later_report_if_not_at_the_first() {
    #[inline(never)]
    fn a_function_that_lasts(told: &mpsc::Receiver<Stall>) -> Stall {
        let start = Instant::now();
        loop {
            assert!(start.elapsed() < PATIENCE, "it is never located");
            // The program's file, which has the names, is not read yet when it is reported first.
            if let Some(stall) = told.try_iter().find(|stall| !stall.backtrace.is_empty()) {
                return stall;
            }
        }
    }
    let loops = EventLoops::default();
    let (watch, told) = heard(StallWatch::builder().threshold(THRESHOLD), &loops);
    Polls::on(&loops).poll(None, || {
        let located = a_function_that_lasts(&told);
        let named = |line: &String| line.contains("a_function_that_lasts");
        assert!(located.backtrace.iter().any(named), "{located:?}");
        assert_eq!(watch.recent()[0].backtrace, located.backtrace);
    });
}

/// Reads with a time limit are what signals end early, although their handlers ask the kernel to go on.
#[test]
fn a_read_with_a_limit_is_not_interrupted_by_a_report() {
    const LIMIT: Duration = Duration::from_millis(200);
    #[inline(never)]
    fn a_handler_that_reads(socket: &UdpSocket) -> ErrorKind {
        let outcome = socket.recv(&mut [0]);
        outcome.expect_err("nobody sends").kind()
    }
    let loops = EventLoops::default();
    let (watch, told) = heard(StallWatch::builder().threshold(THRESHOLD), &loops);
    let polls = Polls::on(&loops);
    let socket = UdpSocket::bind("127.0.0.1:0").expect("a socket");
    socket.set_read_timeout(Some(LIMIT)).expect("allowed");
    let start = Instant::now();
    let mut told_where = 0;
    while told_where < 5 {
        let late = start.elapsed() > PATIENCE;
        assert!(!late, "{told_where} times: {:?}", watch.recent());
        polls.poll(None, || {
            let ended = a_handler_that_reads(&socket);
            let by_limit = [ErrorKind::WouldBlock, ErrorKind::TimedOut].contains(&ended);
            assert!(by_limit, "{ended:?} after {told_where} reports");
        });
        let reports = told.try_iter().filter(|stall| {
            let is_named = |line: &String| line.contains("a_handler_that_reads");
            // On other machines no frame pointer is found by what is known.
            let named = stall.backtrace.iter().any(is_named) || cfg!(not(target_arch = "x86_64"));
            stall
                .backtrace
                .first()
                .is_some_and(|first| first == "waits in recvfrom")
                && named
        });
        told_where += reports.count();
    }
}
