//! The end of a server: what is under way on the lanes is finished or refused, and nothing is lost.
//!
//! It knows no runtime. Who waits here is woken by events, and timers are the adapter's.
//!
//! Invariants:
//!
//! 1. A request is counted from before it is submitted until its [`Pass`] is dropped.
//! 2. Whoever waits for an event looks at what the event is about once more after it has begun to listen, so none is missed.
//! 3. Requests that run where they have come to never come here.

use std::{
    fmt,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use event_listener::{Event, EventListener};
use offload_core::Lanes;

use crate::{
    answer::Answer,
    race::{Won, race},
};

/// Before the end of the grace so much is left for telling those who still wait that they are refused: a tenth of the
/// grace, at most this.
const LONGEST_MARGIN: Duration = Duration::from_millis(500);

/// What is left at the end of a grace for telling those who still wait.
pub(crate) fn margin(grace: Duration) -> Duration {
    (grace / 10).min(LONGEST_MARGIN)
}

/// No grace is longer, so that its end is a time that can be told.
const LONGEST_GRACE: Duration = Duration::from_secs(100 * 365 * 24 * 3_600);

/// There is no end in sight.
const OPEN: u64 = u64::MAX;

/// Whoever still waits is refused.
const REFUSING: u64 = 0;

/// Counts the requests that wait for a lane or run there, and tells them when it is time to give up.
#[derive(Debug)]
pub struct Underway {
    born: Instant,
    /// [`OPEN`], [`REFUSING`], or until when what is under way is finished: in nanoseconds after `born`.
    until: AtomicU64,
    count: AtomicUsize,
    ended: AtomicU64,
    refused: AtomicU64,
    /// The end is in sight.
    ending: Event,
    /// Whoever still waits is refused.
    refusing: Event,
    /// Nothing is under way.
    at_rest: Event,
}

impl Default for Underway {
    fn default() -> Self {
        Self {
            born: Instant::now(),
            until: AtomicU64::new(OPEN),
            count: AtomicUsize::new(0),
            ended: AtomicU64::new(0),
            refused: AtomicU64::new(0),
            ending: Event::new(),
            refusing: Event::new(),
            at_rest: Event::new(),
        }
    }
}

impl Underway {
    /// Counts a request for as long as the pass lives, which keeps `kept` as long.
    pub fn enter<T>(self: &Arc<Self>, kept: T) -> Pass<T> {
        self.count.fetch_add(1, Ordering::SeqCst);
        Pass {
            counted: Counted(Arc::clone(self)),
            refusal: None,
            _kept: kept,
        }
    }

    /// How many requests wait for a lane or run there.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    /// How long a request may still take, if the end is in sight.
    #[must_use]
    pub fn time_left(&self) -> Option<Duration> {
        match self.until.load(Ordering::SeqCst) {
            OPEN => None,
            until => Some(Duration::from_nanos(until).saturating_sub(self.born.elapsed())),
        }
    }

    /// Whether the end is in sight.
    #[must_use]
    pub fn is_ending(&self) -> bool {
        self.until.load(Ordering::SeqCst) != OPEN
    }

    /// Ready once the end is in sight, or this is dropped.
    pub fn ending(&self) -> impl Future<Output = ()> + Send + use<> {
        let listener = self.ending.listen();
        let ends = self.is_ending(); // I2
        async move {
            if !ends {
                listener.await;
            }
        }
    }

    /// Comes to an end: finishes what is under way on `lanes` within `grace`, and refuses what cannot be.
    ///
    /// The future that `sleep` makes is ready after the time that it was given.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, requests are finished in the same way, but nobody is refused at the end.
    pub async fn drain<Z: Future>(
        &self,
        lanes: Option<&Lanes>,
        grace: Duration,
        sleep: impl Fn(Duration) -> Z,
    ) -> Drained {
        let grace = grace.min(LONGEST_GRACE);
        let so_far = self.so_far();
        let until = self.born.elapsed() + grace;
        let begin = |now| (now != REFUSING).then(|| nanos(until));
        // What is refused already is not taken back by who asks once more.
        let _begun = self
            .until
            .fetch_update(Ordering::SeqCst, Ordering::SeqCst, begin);
        self.ending.notify(usize::MAX);
        if !self.is_at_rest_within(sleep(grace - margin(grace))).await {
            let left = until.saturating_sub(self.born.elapsed());
            self.refuse(lanes, sleep(left)).await;
        }
        self.drained_since(so_far)
    }

    /// Refuses what is under way, and waits until it has ended or `sleep` is ready.
    pub(crate) async fn refuse<Z: Future>(&self, lanes: Option<&Lanes>, sleep: Z) {
        if let Some(lanes) = lanes {
            lanes.refuse_all();
            // Before those that run are told to end: nothing shall be begun in their place only to be cut.
            lanes.remove_all();
        }
        self.until.store(REFUSING, Ordering::SeqCst);
        self.refusing.notify(usize::MAX);
        // Those whose response is being sent may still come to its end.
        self.is_at_rest_within(sleep).await;
    }

    /// How many requests have ended, and how many of them were refused because there was no time left.
    pub(crate) fn so_far(&self) -> (u64, u64) {
        // Each is refused before it ends.
        let ended = self.ended.load(Ordering::SeqCst);
        (ended, self.refused.load(Ordering::SeqCst))
    }

    /// What has become of requests since so many had [ended and been refused](Self::so_far).
    pub(crate) fn drained_since(&self, (ended, refused): (u64, u64)) -> Drained {
        let (all_ended, all_refused) = self.so_far();
        let refused = all_refused - refused;
        Drained {
            ended: (all_ended - ended).saturating_sub(refused),
            refused,
            left: self.count(),
        }
    }

    async fn is_at_rest_within<Z: Future>(&self, sleep: Z) -> bool {
        let at_rest = async {
            while self.count() > 0 {
                let listener = self.at_rest.listen();
                if self.count() > 0 {
                    listener.await; // I2
                }
            }
        };
        matches!(race(pin!(at_rest), pin!(sleep)).await, Won::First(()))
    }

    fn is_refusing(&self) -> bool {
        self.until.load(Ordering::SeqCst) == REFUSING
    }
}

impl Drop for Underway {
    fn drop(&mut self) {
        // There is nothing left that could end.
        self.ending.notify(usize::MAX);
    }
}

/// A time that is none of the two special ones.
fn nanos(until: Duration) -> u64 {
    u64::try_from(until.as_nanos())
        .unwrap_or(u64::MAX)
        .clamp(REFUSING + 1, OPEN - 1)
}

/// One request that is under way, until this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Pass<T = ()> {
    counted: Counted,
    /// Made when the request first has to wait.
    refusal: Option<EventListener>,
    // Dropped last: it may be the app's end, which is not to be held up by this request.
    _kept: T,
}

#[derive(Debug)]
struct Counted(Arc<Underway>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
        if self.0.count.fetch_sub(1, Ordering::SeqCst) == 1 {
            self.0.at_rest.notify(usize::MAX);
        }
    }
}

impl<T> Pass<T> {
    /// Ready once whoever still waits is refused.
    pub fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let underway = &self.counted.0;
        if underway.is_refusing() {
            return Poll::Ready(());
        }
        let refusal = &mut self.refusal;
        let listener = refusal.get_or_insert_with(|| underway.refusing.listen());
        if underway.is_refusing() {
            return Poll::Ready(()); // I2
        }
        Pin::new(listener).poll(cx)
    }

    /// The request was refused, because there is no time left for it.
    pub fn refused(&self) {
        self.counted.0.refused.fetch_add(1, Ordering::SeqCst);
    }

    /// What a client is told whose request no lane takes, or drops. Where the end is in sight it counts as refused.
    #[must_use]
    pub fn refusal(&self, answer: Answer) -> Answer {
        match answer {
            Answer::Overloaded { delay } if self.counted.0.is_ending() => {
                self.refused();
                Answer::Ending { delay }
            }
            other => other,
        }
    }
}

/// What became of the requests that were under way on the lanes when the end began, or came after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Requests on the lanes that ended in their own way: answered, or left by their client.
    pub ended: u64,
    /// Requests that were refused because there was no time left for them.
    pub refused: u64,
    /// Requests of which neither is true, because their response was still being sent at the end of the grace.
    pub left: usize,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ended,
            refused,
            left,
        } = self;
        write!(f, "{ended} ended, {refused} refused, {left} left")
    }
}
