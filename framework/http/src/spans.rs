//! The spans of a request that moves to a lane: the request's own, one for its wait, and one for its run.
//!
//! Invariants:
//!
//! 1. `queue` and `run` are children of the request's span, whatever span that is, and there are none without it: never
//!    do the two come to be in different traces.
//! 2. On the lane the request's span is entered around `run`. A subscriber may filter this plugin's spans out for some
//!    of its layers, and those still have to find the request.
//! 3. Each `queue` is closed with its outcome, however the wait ends.
//! 4. Where nobody listens nothing is allocated, and requests that stay where they have come to never come here.

use std::{
    fmt, mem,
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    thread,
};

use offload_core::routes::Route;
use tracing::{
    Span, dispatcher,
    field::{Empty, display},
    info_span,
    subscriber::NoSubscriber,
};

use crate::{drain::Underway, panics};

/// What a span tells of a request beside its route.
#[derive(Clone, Copy, Debug)]
pub struct Line<'a> {
    /// Its method.
    pub method: &'a str,
    /// Its path, if that is still known.
    pub path: Option<&'a str>,
}

/// Who made the span of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Maker {
    /// This plugin.
    Plugin,
    /// The builder's hook.
    Hook,
    /// Whoever had entered it where the request has come to. Its fields are none of our business.
    Surroundings,
}

/// The span of a request that moves to a lane.
#[derive(Debug)]
pub struct Traced {
    request: Span,
    maker: Maker,
    /// There is one if there is a span.
    fate: Option<Arc<Fate>>,
}

impl Traced {
    /// The span for a request, made by the application's `hook`, or found or made where the request has come to.
    pub fn of(
        line: Line<'_>,
        route: Option<&Arc<Route>>,
        hook: Option<impl FnOnce() -> Span>,
    ) -> Self {
        let (request, maker) = match hook {
            Some(hook) => {
                let mut span = Span::none();
                panics::contain(None, || span = hook());
                if let Some(route) = route {
                    span.record("http.route", route.pattern());
                }
                (span, Maker::Hook)
            }
            None => match Span::current() {
                none if none.is_disabled() => (own(line, route), Maker::Plugin),
                current => (current, Maker::Surroundings),
            },
        };
        let fate = (!request.is_disabled()).then(Arc::default);
        Self {
            request,
            maker,
            fate,
        }
    }

    /// Whether anybody listens.
    pub(crate) fn is_heard(&self) -> bool {
        !self.request.is_disabled()
    }

    /// Tells what becomes of the request's wait to those who only hear that it is over.
    #[must_use]
    pub fn fate(&self) -> Option<Arc<Fate>> {
        self.fate.clone()
    }

    /// The request waits for a lane from now on.
    pub fn wait(self, underway: &Arc<Underway>, route: Option<&Arc<Route>>) -> Waiting {
        let queue = if self.request.is_disabled() {
            Span::none()
        } else {
            info_span!(
                target: "offload",
                parent: &self.request,
                "queue",
                otel.kind = "internal",
                route = route.map(|route| display(Named(route))),
                outcome = Empty,
            )
        };
        Waiting {
            traced: self,
            queue,
            underway: Arc::clone(underway),
        }
    }

    fn record_status(&self, status: u16) {
        if self.maker != Maker::Surroundings {
            self.request.record("http.response.status_code", status);
        }
    }

    fn record_route(&self, route: &Arc<Route>) {
        if self.maker != Maker::Surroundings {
            self.request.record("http.route", route.pattern());
        }
    }
}

/// The span of a request of which nobody else has made one.
///
/// Not of the kind `server`: the app's own middleware will make such a one inside, and no request shall count twice. Its
/// name is what it is for ever, so a request whose route is not known yet is called by its method, as OpenTelemetry asks.
///
/// None without a subscriber: `tracing` would write it and each of its fields to the `log` of those who use that instead.
fn own(line: Line<'_>, route: Option<&Arc<Route>>) -> Span {
    if dispatcher::get_default(|subscriber| subscriber.is::<NoSubscriber>()) {
        return Span::none();
    }
    info_span!(
        target: "offload",
        parent: None,
        "request",
        otel.kind = "internal",
        otel.name = %RequestName(line, route),
        http.request.method = line.method,
        http.route = route.map(|route| route.pattern()),
        url.path = line.path,
        http.response.status_code = Empty,
    )
}

/// What becomes of a wait. Whoever drops a job does not know why; who waits for it does, and says so here beforehand.
#[derive(Debug)]
pub struct Fate(AtomicU8);

impl Default for Fate {
    fn default() -> Self {
        Self(AtomicU8::new(Self::OFFERED))
    }
}

impl Fate {
    const OFFERED: u8 = 0;
    const TAKEN: u8 = 1;
    const CANCELLED: u8 = 2;

    /// A lane has taken the request into its queue.
    pub fn taken(&self) {
        self.0.store(Self::TAKEN, Ordering::Release);
    }

    /// Its client has gone, or nobody waits any more for another reason.
    pub fn cancelled(&self) {
        self.0.store(Self::CANCELLED, Ordering::Release);
    }
}

/// A request that waits for a lane, and its `queue`.
#[derive(Debug)]
#[must_use]
pub struct Waiting {
    traced: Traced,
    queue: Span,
    underway: Arc<Underway>,
}

impl Waiting {
    /// Tells what becomes of the wait.
    pub(crate) fn fate(&self) -> Option<Arc<Fate>> {
        self.traced.fate()
    }

    /// The wait is over: the request begins on the calling lane thread.
    pub fn begin(mut self, route: Option<&Arc<Route>>) -> Running {
        let queue = mem::replace(&mut self.queue, Span::none());
        queue.record("outcome", "begun");
        drop(queue);
        let traced = Traced {
            request: mem::replace(&mut self.traced.request, Span::none()),
            maker: self.traced.maker,
            fate: None,
        };
        let run = if traced.request.is_disabled() {
            Span::none()
        } else {
            info_span!(
                target: "offload",
                parent: &traced.request,
                "run",
                otel.kind = "internal",
                route = route.map(|route| display(Named(route))),
                thread = thread::current().name(),
                http.response.status_code = Empty,
                outcome = Empty,
            )
        };
        Running {
            traced,
            run,
            route: route.cloned(),
        }
    }
}

/// It never began.
impl Drop for Waiting {
    fn drop(&mut self) {
        let Some(fate) = &self.traced.fate else {
            return;
        };
        if self.traced.request.is_disabled() {
            return; // It did begin, and has given its span away.
        }
        let outcome = match fate.0.load(Ordering::Acquire) {
            Fate::CANCELLED => "cancelled",
            Fate::TAKEN if !self.underway.is_ending() => "expired",
            _ => "refused",
        };
        self.queue.record("outcome", outcome);
        if outcome != "cancelled" {
            self.traced.record_status(503);
        }
    }
}

/// A request that runs on a lane, and its `run`, which is closed when this is dropped.
#[derive(Debug)]
#[must_use]
pub struct Running {
    traced: Traced,
    run: Span,
    /// The route that the spans tell of.
    route: Option<Arc<Route>>,
}

impl Running {
    /// Calls `work` inside `run`.
    pub fn in_scope<T>(&self, work: impl FnOnce() -> T) -> T {
        // I2
        self.traced.request.in_scope(|| self.run.in_scope(work))
    }

    /// The route has turned out to be this one.
    pub fn routed(&mut self, route: Option<&Arc<Route>>) {
        let Some(route) = route else { return };
        if self
            .route
            .as_ref()
            .is_some_and(|told| Arc::ptr_eq(told, route))
        {
            return;
        }
        self.run.record("route", display(Named(route)));
        self.traced.record_route(route);
        self.route = Some(Arc::clone(route));
    }

    /// The response's head is made.
    pub fn answered(&self, status: u16) {
        self.run.record("http.response.status_code", status);
        self.traced.record_status(status);
    }

    /// Nothing more comes of it: the response is complete, or nobody waits for it, or for the rest of it, any more.
    pub fn ended(&self, complete: bool) {
        let outcome = if complete { "answered" } else { "cancelled" };
        self.run.record("outcome", outcome);
    }
}

/// A route as people write it.
struct Named<'a>(&'a Route);

impl fmt::Display for Named<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0.method(), self.0.pattern())
    }
}

/// What the span of a request is called.
struct RequestName<'a>(Line<'a>, Option<&'a Arc<Route>>);

impl fmt::Display for RequestName<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.1 {
            Some(route) => Named(route).fmt(f),
            None => f.write_str(self.0.method),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_subscriber_there_is_not_even_a_name_for_the_log() {
        tracing::subscriber::with_default(NoSubscriber::default(), || {
            let line = Line {
                method: "GET",
                path: Some("/"),
            };
            assert!(own(line, None).is_none());
        });
    }
}
