//! Has an event loop poll what turned out to be heavy one at a time, and everything else in between.
//!
//! A request that has begun on an event loop cannot leave it. When its route turns out to be heavy, as many as have begun
//! there may want to compute at once: 400 uploads that were held back and end together, 300 handlers that wait for the
//! same event. Polled one after the other they would keep the loop for their sum. So a heavy poll is followed by a *rest*, until
//! the loop has looked at its sockets and has run what it found there, and then comes the next of them.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use crate::hop::turn::Rest;

thread_local! {
    static HERE: Rc<Pace> = Rc::default();
}

/// The order in which one event loop polls what is heavy, whatever route and app it is of.
#[derive(Default)]
pub(crate) struct Pace {
    /// Since the latest heavy poll.
    rest: RefCell<Option<Arc<Rest>>>,
    waiting: RefCell<VecDeque<Rc<Waiting>>>,
}

/// One that waits for its turn.
struct Waiting {
    waker: RefCell<Waker>,
    /// It was dropped or polled meanwhile.
    gone: Cell<bool>,
}

/// The place in the order of one request or body, for as long as it waits for a turn.
#[derive(Default)]
pub(crate) struct Ticket(Option<Rc<Waiting>>);

impl Pace {
    /// The calling event loop's.
    pub(crate) fn here() -> Rc<Self> {
        HERE.with(Rc::clone)
    }

    /// Ready if it is the turn of who has this ticket. Whoever gets a turn calls [`polled`](Self::polled).
    pub(crate) fn poll_turn(&self, ticket: &mut Ticket, cx: &mut Context<'_>) -> Poll<()> {
        let is_first = match (&ticket.0, self.waiting.borrow().front()) {
            (Some(own), Some(first)) => Rc::ptr_eq(own, first),
            (_, None) => true,
            (None, Some(_)) => false,
        };
        if is_first && !self.is_resting() {
            ticket.leave();
            self.forget_gone();
            return Poll::Ready(());
        }
        match &ticket.0 {
            Some(own) => own.waker.borrow_mut().clone_from(cx.waker()),
            None => {
                let own = Rc::new(Waiting {
                    waker: RefCell::new(cx.waker().clone()),
                    gone: Cell::new(false),
                });
                ticket.0 = Some(Rc::clone(&own));
                self.waiting.borrow_mut().push_back(own);
            }
        }
        self.call_first();
        Poll::Pending
    }

    /// A poll has ended. A heavy one is followed by a rest, any other by the next that waits.
    pub(crate) fn polled(&self, heavy: bool) {
        if heavy {
            self.rest.replace(Some(Rest::begin()));
        }
        self.call_first();
    }

    fn is_resting(&self) -> bool {
        let mut rest = self.rest.borrow_mut();
        if rest.as_ref().is_some_and(|rest| rest.is_over()) {
            *rest = None;
        }
        rest.is_some()
    }

    /// Has the first that waits polled again, at once or after the rest.
    fn call_first(&self) {
        self.forget_gone();
        let waiting = self.waiting.borrow();
        let Some(first) = waiting.front() else {
            return;
        };
        let waker = first.waker.borrow().clone();
        drop(waiting);
        if self.is_resting()
            && let Some(rest) = &*self.rest.borrow()
        {
            rest.call(&waker);
            if !rest.is_over() {
                return;
            }
        }
        waker.wake();
    }

    fn forget_gone(&self) {
        let mut waiting = self.waiting.borrow_mut();
        while waiting.front().is_some_and(|first| first.gone.get()) {
            waiting.pop_front();
        }
    }
}

impl Ticket {
    /// Ready if whoever has it may be polled: at once, unless it is `paced`.
    #[inline]
    pub(crate) fn poll(&mut self, paced: bool, cx: &mut Context<'_>) -> Poll<()> {
        if paced {
            return Pace::here().poll_turn(self, cx);
        }
        self.give_up();
        Poll::Ready(())
    }

    /// Who has it needs no turn any more, because its route is light again.
    fn give_up(&mut self) {
        // It may be the one that was called, and then the next has to be.
        if self.leave() {
            let _ = HERE.try_with(|pace| pace.call_first());
        }
    }

    fn leave(&mut self) -> bool {
        let own = self.0.take();
        own.is_some_and(|own| !own.gone.replace(true))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.give_up();
    }
}

#[cfg(test)]
mod tests {
    use std::future::poll_fn;

    use tokio::{
        runtime::Builder,
        task::{JoinHandle, LocalSet, spawn_local, yield_now},
    };

    use super::*;

    /// What happened on the loop, in its order.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    enum Event {
        Polled(usize),
        /// The loop has looked at its sockets, and a light request was served.
        Look,
    }

    type Events = Rc<RefCell<Vec<Event>>>;

    /// Begins so many that all want to be polled at once.
    fn begin(count: usize, heavy: bool, events: &Events) -> Vec<JoinHandle<()>> {
        let one = |index| {
            let events = Rc::clone(events);
            async move {
                let mut ticket = Ticket::default();
                poll_fn(|cx| Pace::here().poll_turn(&mut ticket, cx)).await;
                events.borrow_mut().push(Event::Polled(index));
                Pace::here().polled(heavy);
            }
        };
        (0..count).map(|index| spawn_local(one(index))).collect()
    }

    fn on_a_loop(test: impl Future<Output = ()>) {
        let runtime = Builder::new_current_thread().build().expect("starts");
        LocalSet::new().block_on(&runtime, test);
    }

    /// Serves light requests until the others are through.
    async fn serve_until_all_are_polled(count: usize, events: &Events) {
        let polled = |event: &&Event| matches!(event, Event::Polled(_));
        while events.borrow().iter().filter(polled).count() < count {
            yield_now().await;
            events.borrow_mut().push(Event::Look);
        }
    }

    #[test]
    fn the_loop_looks_after_each_heavy_poll() {
        on_a_loop(async {
            let events = Events::default();
            begin(40, true, &events);
            serve_until_all_are_polled(40, &events).await;
            let events = events.borrow();
            let heavy: Vec<_> = events
                .split(|event| *event == Event::Look)
                .map(<[Event]>::len)
                .collect();
            assert!(heavy.iter().all(|polls| *polls <= 1), "{events:?}");
            let order = events.iter().filter(|event| **event != Event::Look);
            assert!(order.copied().eq((0..40).map(Event::Polled)), "{events:?}");
        });
    }

    #[test]
    fn light_polls_need_no_rest() {
        on_a_loop(async {
            let events = Events::default();
            Pace::here().polled(true);
            begin(40, false, &events);
            serve_until_all_are_polled(40, &events).await;
            let looks = events
                .borrow()
                .iter()
                .filter(|it| **it == Event::Look)
                .count();
            assert!(looks < 10, "{looks} for 40");
        });
    }

    #[test]
    fn who_leaves_before_its_turn_keeps_nobody() {
        on_a_loop(async {
            let events = Events::default();
            Pace::here().polled(true);
            let mut waiting = begin(6, true, &events);
            yield_now().await;
            // The first, who is called next, and one in the middle.
            for index in [3, 0] {
                waiting.remove(index).abort();
            }
            serve_until_all_are_polled(4, &events).await;
            let events = events.borrow();
            let order = events.iter().filter(|event| **event != Event::Look);
            assert!(
                order.copied().eq([1, 2, 4, 5].map(Event::Polled)),
                "{events:?}"
            );
        });
    }
}
