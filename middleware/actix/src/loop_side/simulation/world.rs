//! What the simulated requests, their handlers and the test know of each other. Handlers on lanes write from other threads.

use std::{
    collections::VecDeque,
    future::poll_fn,
    mem,
    panic::resume_unwind,
    pin::pin,
    sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
    thread::{self, ThreadId},
    time::Duration,
};

use actix_web::web::{self, Bytes};
use futures_channel::mpsc::UnboundedSender;
use futures_core::Stream;
use offload_core::{
    clock::simulated::{self, Spent},
    placement::Placement,
};

use super::{
    oracle::Oracle,
    script::{Script, Step},
};

/// No lane takes so long for anything here.
const STUCK: Duration = Duration::from_secs(60);

pub(super) type Body = UnboundedSender<Result<Bytes, actix_http::error::PayloadError>>;

pub(super) struct World {
    inner: Mutex<Inner>,
    changed: Condvar,
    event_loop: ThreadId,
}

pub(super) struct Inner {
    pub(super) oracle: Oracle,
    pub(super) requests: Vec<Request>,
    /// The tasks that are woken, in their order.
    pub(super) woken: VecDeque<usize>,
    /// What the poll has taken that the loop is at.
    taken: Duration,
}

/// One simulated request.
pub(super) struct Request {
    pub(super) script: Script,
    pub(super) at: Option<Placement>,
    pub(super) state: State,
    /// Whether it belonged on the loop when it was placed; `None` before that.
    settled: Option<bool>,
    /// How many of its waits are over, and how many it was let through.
    passed: usize,
    released: usize,
    waker: Option<Waker>,
    /// `None` once all of its body has come.
    pub(super) body: Option<Body>,
    /// What its handler has taken.
    cost: Duration,
    /// What has been taken of late for the piece of its body that is being made, if one is.
    piece: Duration,
    makes: bool,
    /// Whether anybody still waits for its answer.
    pub(super) open: bool,
    pub(super) answers: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    /// No handler has it yet.
    Sent,
    Running,
    Waits,
    WaitsForBody,
    /// Nothing of the app's holds it any more.
    Gone,
}

impl Request {
    /// Whether it waits for the test, and for nobody else.
    pub(super) fn is_held(&self) -> bool {
        match self.state {
            State::Waits => self.released <= self.passed,
            State::WaitsForBody => self.body.is_some(),
            State::Sent | State::Running | State::Gone => false,
        }
    }
}

impl World {
    /// The calling thread is the event loop.
    pub(super) fn new(oracle: Oracle) -> Self {
        Self {
            inner: Mutex::new(Inner {
                oracle,
                requests: Vec::new(),
                woken: VecDeque::new(),
                taken: Duration::ZERO,
            }),
            changed: Condvar::new(),
            event_loop: thread::current().id(),
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn here(&self) -> Placement {
        match thread::current().id() == self.event_loop {
            true => Placement::Loop,
            false => Placement::Lane,
        }
    }

    pub(super) fn arrive(&self, script: Script, body: Option<Body>) -> usize {
        let mut inner = self.lock();
        let id = inner.requests.len();
        inner.requests.push(Request {
            script,
            at: None,
            state: State::Sent,
            settled: None,
            passed: 0,
            released: 0,
            waker: None,
            body,
            cost: Duration::ZERO,
            piece: Duration::ZERO,
            makes: false,
            open: true,
            answers: 0,
        });
        inner.woken.push_back(id);
        id
    }

    pub(super) fn wake(&self, id: usize) {
        let mut inner = self.lock();
        if inner.requests[id].open && !inner.woken.contains(&id) {
            inner.woken.push_back(id);
        }
        drop(inner);
        self.changed.notify_all();
    }

    /// Lets a request go on that waits.
    pub(super) fn release(&self, id: usize) {
        let mut inner = self.lock();
        let request = &mut inner.requests[id];
        let waker = match request.state {
            State::Waits => {
                request.released = request.passed + 1;
                request.waker.take()
            }
            _ => None,
        };
        let body = match request.state {
            State::Waits => None,
            _ => request.body.take(),
        };
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
        if let Some(body) = body {
            let _ = body.unbounded_send(Ok(Bytes::from_static(b"the body")));
        }
    }

    /// Waits until nothing happens on the lanes unless the test or the loop does something.
    pub(super) fn wait_for_lanes(&self) {
        let inner = self.lock();
        let is_busy = |inner: &mut Inner| {
            let woken = &inner.woken;
            let mut requests = inner.requests.iter().enumerate();
            requests.any(|(id, request)| {
                let off_loop = request.at != Some(Placement::Loop);
                let waits = request.is_held() || woken.contains(&id);
                if request.open {
                    off_loop && !waits
                } else {
                    // Its handler ends as soon as its lane notices.
                    off_loop && !matches!(request.state, State::Gone | State::Sent)
                }
            })
        };
        let waited = self.changed.wait_timeout_while(inner, STUCK, is_busy);
        let (inner, timeout) = waited.unwrap_or_else(PoisonError::into_inner);
        let requests = inner.requests.iter().enumerate();
        let busy = requests.filter(|(_, request)| request.state != State::Gone);
        let busy: Vec<_> = busy
            .map(|(id, request)| (id, &request.script, request.state, request.open, request.at))
            .collect();
        assert!(!timeout.timed_out(), "P3: a lane is stuck: {busy:#?}");
    }

    // What follows is called by handlers.

    /// The app has got a request.
    pub(super) fn begin(self: &Arc<Self>, id: usize) -> Holds {
        let at = self.here();
        let mut inner = self.lock();
        let inner = &mut *inner;
        let request = &mut inner.requests[id];
        request.at = Some(at);
        request.state = State::Running;
        let settled = request.settled == Some(true);
        inner.oracle.begins(&request.script, at, settled);
        Holds {
            world: Arc::clone(self),
            id,
        }
    }

    pub(super) async fn run(&self, id: usize, steps: &[Step], body: Option<&mut web::Payload>) {
        let mut body = body;
        for step in steps {
            match step {
                Step::Take(time, spent) => self.take(id, *time, *spent),
                Step::Await => self.wait(id).await,
                Step::Body => {
                    if let Some(body) = body.as_deref_mut() {
                        self.read(id, body).await;
                    }
                }
            }
        }
    }

    fn take(&self, id: usize, time: Duration, spent: Spent) {
        simulated::pass(time, spent);
        let mut inner = self.lock();
        let inner = &mut *inner;
        if spent == Spent::SetAside {
            inner.oracle.set_aside(&inner.requests[id].script);
            return;
        }
        if self.here() == Placement::Loop {
            inner.taken += time;
        }
        let request = &mut inner.requests[id];
        request.cost += time;
        request.piece += time;
        inner.oracle.takes(&request.script, request.cost);
    }

    async fn wait(&self, id: usize) {
        self.poll_ends(id).await;
        poll_fn(|cx| {
            let mut inner = self.lock();
            let request = &mut inner.requests[id];
            if request.released > request.passed {
                request.passed += 1;
                request.state = State::Running;
                return Poll::Ready(());
            }
            request.state = State::Waits;
            request.waker = Some(cx.waker().clone());
            drop(inner);
            self.changed.notify_all();
            Poll::Pending
        })
        .await;
    }

    /// A piece of a body was made, or part of one. On a lane the poll ends here, after which the plugin knows of it.
    pub(super) async fn poll_ends(&self, id: usize) {
        if self.here() == Placement::Loop {
            self.lock().requests[id].piece = Duration::ZERO;
            return;
        }
        let _polled = self.piece_was_polled(id);
        let mut ended = false;
        poll_fn(|cx| {
            if ended {
                return Poll::Ready(());
            }
            ended = true;
            cx.waker().wake_by_ref();
            Poll::Pending
        })
        .await;
    }

    fn piece_was_polled(&self, id: usize) -> Option<Polled<'_>> {
        let mut inner = self.lock();
        let inner = &mut *inner;
        let request = &mut inner.requests[id];
        let piece = mem::take(&mut request.piece);
        if !request.makes || !inner.oracle.made(&request.script, piece) {
            return None;
        }
        Some(Polled { world: self, id })
    }

    async fn read(&self, id: usize, body: &mut web::Payload) {
        let mut body = pin!(body);
        poll_fn(|cx| {
            loop {
                let next = body.as_mut().poll_next(cx);
                let mut inner = self.lock();
                inner.requests[id].state = match next {
                    Poll::Pending => State::WaitsForBody,
                    Poll::Ready(_) => State::Running,
                };
                drop(inner);
                match next {
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(_) => return Poll::Ready(()),
                    Poll::Pending => {
                        self.changed.notify_all();
                        return Poll::Pending;
                    }
                }
            }
        })
        .await;
    }

    /// A handler ends, by a panic if it shall.
    pub(super) fn end(&self, id: usize, error: bool, panics: bool) {
        let at = self.here();
        let mut inner = self.lock();
        let Inner {
            oracle, requests, ..
        } = &mut *inner;
        let request = &requests[id];
        oracle.ended(&request.script, at, request.cost, error);
        drop(inner);
        if panics {
            resume_unwind(Box::new("a script says so"));
        }
    }

    pub(super) fn piece_begins(&self, id: usize) {
        let mut inner = self.lock();
        let request = &mut inner.requests[id];
        request.piece = Duration::ZERO;
        request.makes = true;
    }

    // What follows is called by the loop.

    /// One poll of a request or its body on the loop.
    pub(super) fn polled<T>(
        &self,
        id: usize,
        cx: &mut Context<'_>,
        poll: impl FnOnce(&mut Context<'_>) -> T,
    ) -> T {
        let mut inner = self.lock();
        inner.taken = Duration::ZERO;
        let begins = inner.requests[id].at.is_none();
        let found;
        {
            let Inner {
                oracle, requests, ..
            } = &mut *inner;
            let Request {
                settled, script, ..
            } = &mut requests[id];
            settled.get_or_insert_with(|| oracle.is_settled(script));
            found = oracle.is_found_heavy(script);
        }
        drop(inner);
        let polled = poll(cx);
        let mut inner = self.lock();
        let inner = &mut *inner;
        let taken = inner.taken;
        if !taken.is_zero() {
            let script = &inner.requests[id].script;
            inner.oracle.polled(script, taken, found, begins);
        }
        polled
    }

    /// Nobody waits for the request any more.
    pub(super) fn close(&self, id: usize, answered: bool) {
        let mut inner = self.lock();
        let request = &mut inner.requests[id];
        request.open = false;
        let body = request.body.take();
        request.answers += u32::from(answered);
        inner.woken.retain(|woken| *woken != id);
        drop(inner);
        drop(body); // It wakes who reads it.
    }
}

/// A lane has polled a body, and may not have taken that into account yet.
struct Polled<'a> {
    world: &'a World,
    id: usize,
}

impl Drop for Polled<'_> {
    fn drop(&mut self) {
        let mut inner = self.world.lock();
        let inner = &mut *inner;
        inner.oracle.poll_counts(&inner.requests[self.id].script);
    }
}

/// The app holds a request.
pub(super) struct Holds {
    world: Arc<World>,
    id: usize,
}

impl Drop for Holds {
    fn drop(&mut self) {
        self.world.lock().requests[self.id].state = State::Gone;
        self.world.changed.notify_all();
    }
}
