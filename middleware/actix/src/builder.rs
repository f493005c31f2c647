//! The settings of an [`Offload`], checked before anything is started.

use std::{path::PathBuf, time::Duration};

use actix_http::{RequestHead, header::HeaderName};
use offload_core::{
    CpuBudget, Priority,
    placement::{Placement, Policy},
    stall::{StallWatch, StallWatchBuilder},
};
use offload_http::mode::{self, Mode};
use tracing::Span;

use crate::{
    Offload,
    app_routes::{EMPTY, UNMATCHED, is_method, named},
    error::BuildError,
    serving::{Served, Serving},
    spans::RequestSpan,
};

const MAX_THREADS: usize = 4096;
const MAX_QUEUE: usize = 1 << 20;
const MIN_BUDGET: Duration = Duration::from_micros(1);
const MAX_BUDGET: Duration = Duration::from_secs(1);

/// Whether responses say in a `Server-Timing` header where they were made and how long it took.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ServerTiming {
    /// No header: responses are byte for byte those of the bare app.
    #[default]
    Off,
    /// On every response whose request was placed, with durations in milliseconds:
    ///
    /// ```text
    /// Server-Timing: place;desc="lane", thread;desc="offload-short-1",
    ///     queue;dur=0.412;desc="waited for a lane", run;dur=52.100;desc="on a lane"
    /// ```
    ///
    /// Developer tools show it among a request's timings, and scripts of the same origin have it as
    /// `PerformanceResourceTiming.serverTiming`. `place` is `lane` or `loop`. On a lane both durations are wall time, `run` up
    /// to the response's head; on an event loop `run` is what it cost the loop up to there.
    On,
}

/// A route that configuration pins to one side.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pin {
    pub(crate) method: String,
    pub(crate) pattern: String,
    pub(crate) placement: Placement,
}

/// Builds an [`Offload`].
///
/// # Examples
///
/// ```
/// use actix_offload::{Offload, Placement};
/// use std::time::Duration;
///
/// let offload = Offload::builder()
///     .threads(2)
///     .budget(Duration::from_micros(200))
///     .pin("GET", "/health", Placement::Loop)
///     .build()?;
/// assert_eq!(offload.threads(), 2);
/// # Ok::<(), actix_offload::BuildError>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `build` is called"]
pub struct OffloadBuilder {
    pub(crate) threads: Option<usize>,
    pub(crate) spare_threads: Option<usize>,
    pub(crate) stack_size: Option<usize>,
    pub(crate) workers: Option<usize>,
    pub(crate) budget: Duration,
    pub(crate) policy: Policy,
    pub(crate) mode: Mode,
    /// What the environment has where it should have a mode.
    bad_mode: Option<String>,
    pub(crate) unknown: Placement,
    pub(crate) queue_bound: usize,
    pub(crate) read_ahead: u64,
    pub(crate) short_limit: Duration,
    pub(crate) patience: (Duration, u32, Duration),
    pub(crate) burst_patience: Duration,
    pub(crate) priorities: (Priority, Priority),
    pub(crate) prompt_loops: bool,
    pub(crate) deadline_header: Option<HeaderName>,
    pub(crate) serving: Vec<Served>,
    pub(crate) profile: Option<PathBuf>,
    pub(crate) pins: Vec<Pin>,
    pub(crate) server_timing: ServerTiming,
    pub(crate) stall_watch: Option<StallWatchBuilder>,
    pub(crate) request_span: Option<RequestSpan>,
}

impl Default for OffloadBuilder {
    fn default() -> Self {
        Self {
            threads: None,
            spare_threads: None,
            stack_size: None,
            workers: None,
            budget: Duration::from_micros(100),
            policy: Policy::Learned,
            mode: Mode::Auto,
            bad_mode: None,
            unknown: Placement::Lane,
            queue_bound: 1024,
            read_ahead: 64 << 20,
            short_limit: Duration::from_millis(10),
            patience: (Duration::from_millis(500), 16, Duration::from_secs(30)),
            burst_patience: Duration::from_secs(10),
            priorities: (Priority::short_jobs(), Priority::long_jobs()),
            prompt_loops: true,
            deadline_header: None,
            serving: Vec::new(),
            profile: None,
            pins: Vec::new(),
            server_timing: ServerTiming::Off,
            stall_watch: Some(StallWatch::builder()),
            request_span: None,
        }
    }
}

impl OffloadBuilder {
    /// How many requests each of the two lanes runs at a time, with a thread for each. Default: one per logical core that
    /// this process may use. Under a CPU quota, [`CpuBudget::lane_threads`] are divided among both.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
        self
    }

    /// How many further threads stand by to take over from those whose request has run for much longer than was
    /// predicted. Default: 4 more than [`threads`](Self::threads). The long lane has as many, but no more than it has threads, for when
    /// other programs keep the cores busy.
    pub fn spare_threads(mut self, threads: usize) -> Self {
        self.spare_threads = Some(threads);
        self
    }

    /// The stack size of each lane thread in bytes, from 64 KiB to 4 GiB. Default: the standard library's, which is 2 MiB unless
    /// the environment variable `RUST_MIN_STACK` says otherwise.
    ///
    /// Inside of a request on a lane, `rayon::join`, parallel iterators and the like run on threads of the lane, and not on
    /// rayon's global pool. An app that gave that pool a larger stack, because it recurses deeply, gives the lanes the same; or
    /// it calls `pool.install(…)` with a pool of its own, whose settings then hold wherever the request runs.
    pub fn stack_size(mut self, bytes: usize) -> Self {
        self.stack_size = Some(bytes);
        self
    }

    /// The number of event loops that [`Offload::workers`] recommends. Default: one per logical core
    /// that this process may use.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = Some(workers);
        self
    }

    /// The cost up to which a request may stay on its event loop. Default: 100 µs, about the price
    /// of a hop to a sleeping thread and back.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.budget = budget;
        self
    }

    /// Whether placement is learned (the default) or the same for every route.
    pub fn policy(mut self, policy: Policy) -> Self {
        self.policy = policy;
        self
    }

    /// How much of the plugin is at work. Default: [`Mode::Auto`]. Of this and [`env`](Self::env) the last call wins, if the variable is set.
    ///
    /// [`Mode::Loop`] and [`Mode::Lane`] take the place of the [`policy`](Self::policy); pins hold under both. With [`Mode::Off`]
    /// the app is served as it is. What is called on the [`Offload`] directly works in all modes, such as its lanes.
    ///
    /// # Examples
    ///
    /// Bare or with the plugin, decided when the program starts:
    ///
    /// ```
    /// # use actix_offload::{Mode, Offload};
    /// # use actix_web::{App, HttpServer, web};
    /// # fn serve() -> Result<(), Box<dyn std::error::Error>> {
    /// let bare = std::env::args().any(|argument| argument == "--bare");
    /// let mode = if bare { Mode::Off } else { Mode::Auto };
    /// let offload = Offload::builder().mode(mode).build()?;
    /// let app = || App::new().route("/", web::get().to(|| async { "hello" }));
    /// HttpServer::new(offload.app(app)).bind(("127.0.0.1", 0))?;
    /// # Ok(())
    /// # }
    /// # serve().unwrap();
    /// ```
    pub fn mode(mut self, mode: Mode) -> Self {
        self.mode = mode;
        self.bad_mode = None;
        self
    }

    /// Lets whoever starts the program decide: the environment variable `OFFLOAD` is the [`mode`](Self::mode), as one of `off`,
    /// `loop`, `lane` and `auto`. If it is not set or empty, nothing changes.
    ///
    /// Nothing else in this crate reads the environment, and this only where it is called. With a value that is none of
    /// these [`build`](Self::build) gives [`BuildError::Environment`].
    ///
    /// # Examples
    ///
    /// ```
    /// use actix_offload::Offload;
    ///
    /// let offload = Offload::builder().threads(1).env().build()?;
    /// # Ok::<(), actix_offload::BuildError>(())
    /// ```
    pub fn env(mut self) -> Self {
        match mode::from_environment() {
            None => {}
            Some(Ok(mode)) => return self.mode(mode),
            Some(Err(given)) => self.bad_mode = Some(given),
        }
        self
    }

    /// Where a route runs of which nothing is known yet. Default: [`Placement::Lane`], so that not
    /// even its first request can freeze an event loop.
    pub fn unknown(mut self, placement: Placement) -> Self {
        self.unknown = placement;
        self
    }

    /// How many requests may wait in each of the two lanes before further ones are refused with a 503. Default: 1024.
    ///
    /// No route may take the last places from the others: it gets one more only while it has less than eight times as
    /// many as are still free.
    pub fn queue_bound(mut self, jobs: usize) -> Self {
        self.queue_bound = jobs;
        self
    }

    /// How many bytes of request bodies may be read before their handlers begin, in all. Default: 64 MiB; 0 for none.
    ///
    /// A request of known length that the lanes would take waits on its event loop for its body, if that is at most an
    /// eighth of this, so that a handler which needs all of its body does its work in one go and in its turn of the queue.
    /// It waits for as long as the body flows: until nothing has come for 10 ms, and 250 ms at most. Then the handler
    /// begins, and has the rest as it comes. Bodies of up to 64 KiB are not counted and wait for nothing.
    pub fn read_ahead(mut self, bytes: u64) -> Self {
        self.read_ahead = bytes;
        self
    }

    /// Requests that will probably cost more wait in the lane for long ones. Default: 10 ms. One that was taken for a
    /// short one and has run for twice as long no longer holds up the short ones behind it.
    pub fn short_limit(mut self, limit: Duration) -> Self {
        self.short_limit = limit;
        self
    }

    /// How long a request may wait for its beginning on a lane: `factor` times what it will probably take, but at least
    /// `least` and at most `most`. Default: 500 ms, 16, 30 s.
    ///
    /// A request that would probably wait for more than half of that is refused with a 503 before it is queued, so that
    /// hardly any has to be refused after a wait for nothing: one that has waited for all of it is refused instead of
    /// begun. Requests that wait for a burst have a longer one; see [`burst_patience`](Self::burst_patience).
    pub fn patience(mut self, least: Duration, factor: u32, most: Duration) -> Self {
        self.patience = (least, factor, most);
        self
    }

    /// How long a request may wait for its beginning, by the projection, that comes in a burst or while one drains. Default: 10 s, about
    /// what a person waits for a page. Zero: no longer than any other.
    ///
    /// A burst is what comes within a quarter of a second while hardly anything waits, such as the pictures of a page over
    /// HTTP/2. What goes on to come faster than it is worked off is an overload and has the [`patience`](Self::patience) of
    /// any other. A route with a patience of its own, and a client that said how long it waits, get just that.
    pub fn burst_patience(mut self, patience: Duration) -> Self {
        self.burst_patience = patience;
        self
    }

    /// How the threads of the lane for short requests and of the one for long ones stand to all others on the machine.
    /// Default: [`Priority::short_jobs`] and [`Priority::long_jobs`], the share of any other thread in long turns.
    ///
    /// With a lower one, [`Priority::Batch`] or [`Priority::Idle`], a lane gets little or next to nothing while other programs keep all
    /// cores busy, unless those are in a control group of their own, as services and containers are; and what a handler
    /// starts on a lane, such as a thread or a child process, inherits it.
    pub fn priorities(mut self, short: Priority, long: Priority) -> Self {
        self.priorities = (short, long);
        self
    }

    /// Whether event loops ask the system for a core soon when they wake up, by time slices of 0.1 ms (Linux 6.12 and later). Default:
    /// true.
    pub fn prompt_loops(mut self, prompt: bool) -> Self {
        self.prompt_loops = prompt;
        self
    }

    /// Lets clients say in a header of this name how many milliseconds they are going to wait for the answer. Default:
    /// none; there is no header that all agree on.
    ///
    /// A request that needs a lane and could not be answered in time is refused with a 503 at once. A value that is no
    /// whole number is a 400. Requests that stay on their event loop don't look at it.
    pub fn deadline_header(mut self, name: HeaderName) -> Self {
        self.deadline_header = Some(name);
        self
    }

    /// How the requests of the route of `method` and `pattern` are served on the lanes, among all that wait there.
    ///
    /// `pattern` is written as for [`pin`](Self::pin).
    ///
    /// # Examples
    ///
    /// ```
    /// use actix_offload::{Offload, Rank, Serving, Weight};
    /// use std::time::Duration;
    ///
    /// let offload = Offload::builder()
    ///     .threads(1)
    ///     .serve("POST", "/login", Serving::new().rank(Rank::High))
    ///     .serve("GET", "/report/{id}", Serving::new().patience(Duration::from_secs(5)))
    ///     .build()?;
    /// # Ok::<(), actix_offload::BuildError>(())
    /// ```
    pub fn serve(
        mut self,
        method: impl Into<String>,
        pattern: impl Into<String>,
        serving: Serving,
    ) -> Self {
        self.serving.push(Served {
            method: method.into(),
            pattern: named(&pattern.into()).to_owned(),
            serving,
        });
        self
    }

    /// A file in which what was learned outlives the process. It is read now, if it is there, and
    /// written by [`Offload::save_profile`] and every 30 seconds while anything changes. A damaged
    /// or foreign file is set aside and reported, never fatal.
    pub fn profile(mut self, path: impl Into<PathBuf>) -> Self {
        self.profile = Some(path.into());
        self
    }

    /// Pins the route of `method` and `pattern` to one side, whatever it costs.
    ///
    /// `pattern` is the full resource pattern as `HttpRequest::match_pattern` gives it, scopes
    /// included: `/users/{id}`. [`Placement::Loop`] is the opt-out for a route that must stay where
    /// it is; [`Placement::Lane`] does what `#[offload]` does without touching the handler.
    ///
    /// The empty pattern, which a resource `""` of a scope `""` has, is called `(empty)` in reports and logs; both name it here.
    ///
    /// A pin holds for the route that actix chooses. Where that cannot be foreseen, because a middleware changes the path or
    /// guards decide, a request that may be a lane's runs on a lane, also one that looks like a route which is pinned to the loop.
    /// A pin whose pattern no app has is told by a warning, once the patterns are known.
    ///
    /// A default service has no pattern. Its requests are those of the route `(unmatched)`, whose pin holds once the app's
    /// patterns are known, which is from its first response on.
    pub fn pin(
        mut self,
        method: impl Into<String>,
        pattern: impl Into<String>,
        placement: Placement,
    ) -> Self {
        self.pins.push(Pin {
            method: method.into(),
            pattern: named(&pattern.into()).to_owned(),
            placement,
        });
        self
    }

    /// Whether responses carry a `Server-Timing` header. Default: off.
    pub fn server_timing(mut self, server_timing: ServerTiming) -> Self {
        self.server_timing = server_timing;
        self
    }

    /// How the watch looks for event loops that are stuck, see [`StallWatch`]; `None` for no watch. Default: one with the
    /// default settings, which reports a loop that is stuck in one poll for more than 25 ms.
    ///
    /// # Examples
    ///
    /// ```
    /// use actix_offload::{Offload, StallWatch};
    /// use std::time::Duration;
    ///
    /// let watch = StallWatch::builder()
    ///     .threshold(Duration::from_millis(100))
    ///     .on_stall(|stall| eprintln!("{stall}"));
    /// let offload = Offload::builder().stall_watch(watch).build()?;
    /// # Ok::<(), actix_offload::BuildError>(())
    /// ```
    pub fn stall_watch(mut self, watch: impl Into<Option<StallWatchBuilder>>) -> Self {
        self.stall_watch = watch.into();
        self
    }

    /// Makes the span of each request that moves to a lane, before it moves. Default: the span that is current on the event
    /// loop, or if there is none, a span `request` of the plugin's own.
    ///
    /// The plugin makes two children of it, `queue` and `run`, and all that the app does is inside of `run`; see
    /// [Tracing](crate#tracing) for what they say and for how this goes together with `tracing-actix-web`. `make` is called
    /// on the event loop, once for each request that moves and for no other; it shall not take long. If it declares the
    /// fields `http.route` and `http.response.status_code`, they are recorded.
    ///
    /// With a span that is disabled, as `Span::none()` is, there are no spans of the plugin for this request. A panic in
    /// `make` is logged and counts as such a one.
    ///
    /// # Examples
    ///
    /// ```
    /// use actix_offload::Offload;
    /// use tracing::{field::Empty, info_span};
    ///
    /// let offload = Offload::builder()
    ///     .threads(1)
    ///     .request_span(|head| {
    ///         let id = head.headers.get("x-request-id").and_then(|id| id.to_str().ok());
    ///         info_span!("request", id, http.response.status_code = Empty)
    ///     })
    ///     .build()?;
    /// # Ok::<(), actix_offload::BuildError>(())
    /// ```
    pub fn request_span(
        mut self,
        make: impl Fn(&RequestHead) -> Span + Send + Sync + 'static,
    ) -> Self {
        self.request_span = Some(RequestSpan::new(make));
        self
    }

    /// Checks the settings and starts the lane threads.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that names the setting which cannot be used, or the resource that could not
    /// be had.
    pub fn build(mut self) -> Result<Offload, BuildError> {
        self.check()?;
        if let Some(policy) = self.mode.policy() {
            self.policy = policy;
        }
        if self.mode == Mode::Off {
            self.prompt_loops = false;
            self.stall_watch = None;
            self.profile = None;
        }
        Offload::start(self)
    }

    /// How many threads the short lane has, and how many the long one.
    pub(crate) fn lane_threads(&self) -> (usize, usize) {
        if let Some(threads) = self.threads {
            return (threads, threads);
        }
        let budget = CpuBudget::detect();
        let threads = budget.lane_threads();
        match budget.quota() {
            None => (threads, threads),
            // What the kernel counts is the sum.
            Some(_) => (threads.div_ceil(2), (threads / 2).max(1)),
        }
    }

    pub(crate) fn worker_count(&self) -> usize {
        self.workers.unwrap_or_else(|| CpuBudget::detect().loops())
    }

    fn check(&self) -> Result<(), BuildError> {
        if let Some(given) = &self.bad_mode {
            return Err(BuildError::Environment {
                variable: mode::VARIABLE,
                given: given.clone(),
                allowed: mode::ALLOWED,
            });
        }
        let (threads, workers) = (self.lane_threads().0, self.worker_count());
        if !(1..=MAX_THREADS).contains(&threads) {
            return Err(BuildError::Threads {
                given: threads,
                max: MAX_THREADS,
            });
        }
        if !(1..=MAX_THREADS).contains(&workers) {
            return Err(BuildError::Workers {
                given: workers,
                max: MAX_THREADS,
            });
        }
        if !(MIN_BUDGET..=MAX_BUDGET).contains(&self.budget) {
            return Err(BuildError::Budget {
                given: self.budget,
                min: MIN_BUDGET,
                max: MAX_BUDGET,
            });
        }
        if !(1..=MAX_QUEUE).contains(&self.queue_bound) {
            return Err(BuildError::QueueBound {
                given: self.queue_bound,
                max: MAX_QUEUE,
            });
        }
        for (at, pin) in self.pins.iter().enumerate() {
            self.check_pin(at, pin)?;
        }
        for served in &self.serving {
            check_route(&served.method, &served.pattern)?;
        }
        Ok(())
    }

    fn check_pin(&self, at: usize, pin: &Pin) -> Result<(), BuildError> {
        check_route(&pin.method, &pin.pattern)?;
        let contradicted = self.pins[..at].iter().any(|other| {
            other.method == pin.method
                && other.pattern == pin.pattern
                && other.placement != pin.placement
        });
        if contradicted {
            return Err(BuildError::PinTwice {
                method: pin.method.clone(),
                pattern: pin.pattern.clone(),
            });
        }
        Ok(())
    }
}

fn check_route(method: &str, pattern: &str) -> Result<(), BuildError> {
    if !is_method(method) {
        return Err(BuildError::RouteMethod {
            given: method.to_owned(),
        });
    }
    if !pattern.starts_with('/') && ![UNMATCHED, EMPTY].contains(&pattern) {
        return Err(BuildError::RoutePattern {
            given: pattern.to_owned(),
        });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(builder: OffloadBuilder) -> String {
        builder.build().expect_err("refused").to_string()
    }

    #[test]
    fn wrong_values_name_the_setting() {
        let new = OffloadBuilder::default;
        let cases = [
            (new().threads(0), "`threads`"),
            (new().threads(1_000_000), "`threads`"),
            (new().workers(0), "`workers`"),
            (new().budget(Duration::ZERO), "`budget`"),
            (new().budget(Duration::from_secs(60)), "`budget`"),
            (new().queue_bound(0), "`queue_bound`"),
            (new().pin("FETCH", "/", Placement::Loop), "method"),
            (new().pin("GET", "users", Placement::Loop), "pattern"),
            (new().serve("FETCH", "/", Serving::new()), "method"),
            (new().short_limit(Duration::ZERO), "`short_limit`"),
            (
                new().patience(Duration::MAX, 1, Duration::ZERO),
                "`patience`",
            ),
            (
                new()
                    .pin("GET", "/", Placement::Loop)
                    .pin("GET", "/", Placement::Lane),
                "`pin`",
            ),
        ];
        for (builder, setting) in cases {
            let text = message(builder);
            assert!(text.contains(setting), "{text} does not name {setting}");
        }
    }

    #[test]
    fn the_defaults_start() {
        let offload = OffloadBuilder::default().build().expect("starts");
        let budget = CpuBudget::detect();
        assert!(offload.threads() <= budget.lane_threads());
        assert_eq!(offload.workers(), budget.loops());
    }
}
