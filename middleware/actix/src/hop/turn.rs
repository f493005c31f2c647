//! How much of a body moves before the event loop looks after its other connections.

use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
};

use futures_util::task::AtomicWaker;

/// What one body may move in a turn of the event loop, in bytes: some 50 µs of copying.
pub(super) const TURN: usize = 128 << 10;

/// A body's share of the event loop: after [`TURN`] bytes it waits until the loop has looked at its sockets and timers.
///
/// A task that wakes itself, or is woken by a lane, does not let the loop look: that runs dozens of tasks that are ready
/// first, and dozens of times what one task moves is several milliseconds.
#[derive(Debug, Default)]
pub(super) struct Turn {
    moved: usize,
    rest: Option<Arc<Rest>>,
}

/// A wait for the event loop's next look at its sockets and timers.
#[derive(Debug, Default)]
pub(crate) struct Rest {
    over: AtomicBool,
    task: AtomicWaker,
}

impl Turn {
    /// Ready if more may be moved in this turn.
    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        if self.moved < TURN {
            return Poll::Ready(());
        }
        let rest = self.rest.get_or_insert_with(Rest::begin);
        rest.call(cx.waker());
        if !rest.is_over() {
            return Poll::Pending;
        }
        *self = Self::default();
        Poll::Ready(())
    }

    pub(super) fn moved(&mut self, bytes: usize) {
        self.moved += bytes;
    }
}

impl Rest {
    /// Has this waker, and no other, called when it is over. Who finds it over afterwards may not be called.
    pub(crate) fn call(&self, waker: &Waker) {
        self.task.register(waker);
    }

    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::Acquire)
    }

    /// Without a runtime it is over at once.
    pub(crate) fn begin() -> Arc<Self> {
        let rest = Arc::new(Self::default());
        let waker = Waker::from(Arc::clone(&rest));
        // Its first poll is pending, and leaves the waker to be woken after the look. Only such a waker will do: the task itself
        // may be woken before.
        let _yielded = pin!(tokio::task::yield_now()).poll(&mut Context::from_waker(&waker));
        rest
    }
}

impl Wake for Rest {
    fn wake(self: Arc<Self>) {
        self.over.store(true, Ordering::Release);
        self.task.wake();
    }
}

#[cfg(test)]
mod tests {
    use std::{cell::Cell, future::poll_fn, rc::Rc};

    use tokio::{
        runtime::Builder,
        task::{LocalSet, spawn_local},
    };

    use super::*;

    #[test]
    fn a_body_that_has_had_its_turn_waits_for_the_look_even_if_it_is_woken() {
        let runtime = Builder::new_current_thread().build().expect("starts");
        let polls = Rc::new(Cell::new(0));
        let seen = Rc::clone(&polls);
        LocalSet::new().block_on(&runtime, async move {
            let body = spawn_local(async move {
                let mut turn = Turn::default();
                poll_fn(|cx| turn.poll(cx)).await;
                turn.moved(TURN - 1);
                poll_fn(|cx| turn.poll(cx)).await;
                turn.moved(1);
                poll_fn(|cx| {
                    polls.set(polls.get() + 1);
                    // As a lane does that has room for more.
                    if polls.get() < 10 {
                        cx.waker().wake_by_ref();
                    }
                    turn.poll(cx)
                })
                .await;
            });
            body.await.expect("does not panic");
        });
        assert!(seen.get() >= 10, "went on after {} polls", seen.get());
    }

    #[test]
    fn without_a_runtime_nothing_waits() {
        let mut turn = Turn::default();
        turn.moved(TURN);
        let cx = &mut Context::from_waker(Waker::noop());
        assert!(turn.poll(cx).is_ready());
        assert_eq!(turn.moved, 0);
    }
}
