//! Each order in which a thread and a watcher can come, without a signal.

use super::*;

const THREAD: i32 = 4711;
const BOUNDS: Bounds = Bounds {
    thread: 1,
    low: 8,
    high: 4096,
};
const REGISTERS: Registers = Registers {
    pc: 1,
    sp: 2,
    fp: 3,
    lr: 4,
};

fn exchange() -> Box<Exchange> {
    Box::new(Exchange::new())
}

/// What the thread does on the signal.
fn answer(exchange: &Exchange) -> bool {
    let Some(claim) = exchange.claim(THREAD) else {
        return false;
    };
    assert_eq!(claim.bounds(), BOUNDS);
    claim.slots()[0].store(77, Ordering::Relaxed);
    claim.slots()[1].store(78, Ordering::Relaxed);
    claim.finish(REGISTERS, 800, 2);
    true
}

fn answered(exchange: &Exchange) -> Result<(), Unavailable> {
    assert!(answer(exchange));
    Ok(())
}

fn request(
    exchange: &Exchange,
    ring: impl FnOnce() -> Result<(), Unavailable>,
) -> Result<Picture, Unavailable> {
    exchange.request(THREAD, BOUNDS, Duration::ZERO, ring)
}

#[test]
fn an_answer_is_handed_over_whole() {
    let exchange = exchange();
    for _ in 0..2 {
        let picture = request(&exchange, || {
            assert!(exchange.wanted());
            answered(&exchange)
        })
        .expect("it answered");
        assert_eq!(picture.registers, REGISTERS);
        let words = [792, 800, 801, 808, 816, u64::MAX].map(|address| picture.word(address));
        assert_eq!(words, [None, Some(77), None, Some(78), None, None]);
        assert!(!exchange.wanted() && !answer(&exchange), "answered once");
    }
}

#[test]
fn a_thread_that_comes_late_or_was_not_asked_does_nothing() {
    let exchange = exchange();
    assert!(!answer(&exchange), "nobody asked");
    let late = request(&exchange, || Ok(()));
    assert!(matches!(late, Err(Unavailable::NoAnswer)), "{late:?}");
    assert!(!answer(&exchange), "taken back");
    let other = request(&exchange, || {
        assert!(exchange.claim(THREAD + 1).is_none());
        Ok(())
    });
    assert!(matches!(other, Err(Unavailable::NoAnswer)), "{other:?}");
}

#[test]
fn a_thread_that_cannot_be_reached_leaves_nothing_behind() {
    let exchange = exchange();
    let gone = request(&exchange, || Err(Unavailable::Gone));
    assert!(matches!(gone, Err(Unavailable::Gone)), "{gone:?}");
    assert!(!answer(&exchange));
    assert!(request(&exchange, || answered(&exchange)).is_ok());
}

#[test]
fn an_answer_to_an_earlier_signal_is_taken_though_the_next_fails() {
    let exchange = exchange();
    let found = request(&exchange, || {
        assert!(answer(&exchange));
        Err(Unavailable::Gone)
    });
    assert!(found.is_ok(), "{found:?}");
}

#[test]
fn a_refusal_is_told() {
    let exchange = exchange();
    let refused = request(&exchange, || {
        exchange.claim(THREAD).expect("asked").refuse();
        Ok(())
    });
    assert!(
        matches!(refused, Err(Unavailable::OtherStack)),
        "{refused:?}"
    );
    assert!(request(&exchange, || answered(&exchange)).is_ok());
}

#[test]
fn what_a_thread_is_still_copying_is_not_touched() {
    let exchange = exchange();
    let mut slow = None;
    let first = request(&exchange, || {
        slow = exchange.claim(THREAD);
        Ok(())
    });
    assert!(matches!(first, Err(Unavailable::NoAnswer)), "{first:?}");
    let second = request(&exchange, || unreachable!("it is not even asked"));
    assert!(matches!(second, Err(Unavailable::Busy)), "{second:?}");

    let slow = slow.expect("it was asked");
    assert_eq!(slow.bounds(), BOUNDS);
    slow.finish(REGISTERS, 800, 1);
    let third = request(&exchange, || answered(&exchange));
    assert!(
        third.is_ok(),
        "what was left is not taken for the answer: {third:?}"
    );
}
