//! The settings of an adapter's `Offload`, documented and checked once for all adapters.

use std::{fmt, path::PathBuf, sync::Arc, time::Duration};

use offload_core::{
    LanesBuilder,
    placement::{Placement, Rules},
    stall::StallWatchBuilder,
};
use tracing::Span;

use crate::{
    app::{EMPTY, UNMATCHED, is_method, named},
    error::BuildError,
    mode::{self, Mode},
    plugin::{Pin, Served, Settings},
    serving::Serving,
};

const MIN_BUDGET: Duration = Duration::from_micros(1);
const MAX_BUDGET: Duration = Duration::from_secs(1);

/// What makes the plugin fit a web framework.
pub trait Adapter: Sized {
    /// The head of a request, as the framework has it.
    type Head<'a>;
    /// What is built: the adapter's handle.
    type Offload;

    /// Starts with settings that are in order.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that names the resource which could not be had.
    fn start(
        settings: Settings,
        request_span: Option<RequestSpan<Self>>,
    ) -> Result<Self::Offload, BuildError>;
}

/// An [`Adapter`] that reads bodies ahead of their handlers.
pub trait ReadsAhead: Adapter {}

/// Makes the span of a request that is about to move to a lane.
pub type RequestSpan<A> =
    Arc<dyn for<'a> Fn(<A as Adapter>::Head<'a>) -> Span + Send + Sync + 'static>;

/// Builds an `Offload`.
///
/// # Examples
///
/// ```
/// use offload_core::placement::Placement;
/// use offload_http::{BuildError, OffloadBuilder, Plugin, RequestSpan, Settings};
/// use std::time::Duration;
///
/// struct Own;
///
/// impl offload_http::Adapter for Own {
///     type Head<'a> = &'a str;
///     type Offload = Plugin;
///
///     fn start(settings: Settings, _: Option<RequestSpan<Self>>) -> Result<Plugin, BuildError> {
///         Plugin::start(settings)
///     }
/// }
///
/// let offload = OffloadBuilder::<Own>::default()
///     .lanes(|lanes| lanes.threads(2).queue_bound(256))
///     .budget(Duration::from_micros(200))
///     .pin("GET", "/health", Placement::Loop)
///     .build()?;
/// assert_eq!(offload.lanes().threads(), 2);
/// # Ok::<(), BuildError>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
pub struct OffloadBuilder<A: Adapter> {
    settings: Settings,
    request_span: Option<RequestSpan<A>>,
    /// What the environment has where it should have a mode.
    bad_mode: Option<String>,
}

impl<A: Adapter> Default for OffloadBuilder<A> {
    fn default() -> Self {
        Self {
            settings: Settings::default(),
            request_span: None,
            bad_mode: None,
        }
    }
}

impl<A: Adapter> OffloadBuilder<A> {
    /// Changes the settings of the lanes: how many threads, how much may wait, and for how long. [`LanesBuilder`] has them, with their
    /// defaults. Called again, it goes on from what was set before.
    pub fn lanes(mut self, set: impl FnOnce(LanesBuilder) -> LanesBuilder) -> Self {
        self.settings.lanes = set(self.settings.lanes);
        self
    }

    /// The cost up to which a request may stay on its event loop, from 1 µs to 1 s. Default: 100 µs, about the price
    /// of a hop to a sleeping thread and back.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.settings.rules.budget = budget;
        self
    }

    /// How much of the plugin is at work. Default: [`Mode::Auto`]. Of this and [`env`](Self::env) the last call wins, if the variable is set.
    ///
    /// [`Mode::Loop`] and [`Mode::Lane`] run every request in one place; pins hold under both. With [`Mode::Off`]
    /// the app is served as it is. What is called on the `Offload` directly works in all modes, such as its lanes.
    pub fn mode(mut self, mode: Mode) -> Self {
        self.settings.mode = mode;
        self.bad_mode = None;
        self
    }

    /// Lets whoever starts the program decide: the environment variable `OFFLOAD` is the [`mode`](Self::mode), as one of `off`,
    /// `loop`, `lane` and `auto`. If it is not set or empty, nothing changes.
    ///
    /// Nothing else in this crate reads the environment, and this only where it is called. With a value that is none of
    /// these [`build`](Self::build) gives [`BuildError::Environment`].
    pub fn env(mut self) -> Self {
        match mode::from_environment() {
            None => {}
            Some(Ok(mode)) => return self.mode(mode),
            Some(Err(given)) => self.bad_mode = Some(given),
        }
        self
    }

    /// Pins the route of `method` and `pattern` to one side, whatever it costs. The method is a text such as `"GET"`, or an `http::Method`.
    ///
    /// `pattern` is the full pattern as the framework writes it, with what it is nested in: `/users/{id}`. In gRPC it is
    /// `/package.Service/Method`, with the method `POST`. [`Placement::Loop`] is the opt-out for a route that must stay where
    /// it is; [`Placement::Lane`] does what `#[offload]` does without touching the handler.
    ///
    /// Requests that no route is for are those of the pattern `(unmatched)`. The empty pattern, which a resource `""` of a scope
    /// `""` of actix has, is called `(empty)` in reports and logs; both name it here.
    ///
    /// With actix a pin holds for the route that actix chooses. Where that cannot be foreseen, because a middleware changes the path or
    /// guards decide, a request that may be a lane's runs on a lane, also one that looks like a route which is pinned to the loop. There
    /// a pin whose pattern no app has is told by a warning, once the patterns are known; and one of `(unmatched)` holds from then on, which is from the
    /// app's first response on.
    pub fn pin(
        mut self,
        method: impl AsRef<str>,
        pattern: impl AsRef<str>,
        placement: Placement,
    ) -> Self {
        self.settings.pins.push(Pin {
            method: method.as_ref().to_owned(),
            pattern: named(pattern.as_ref()).to_owned(),
            placement,
        });
        self
    }

    /// How the requests of the route of `method` and `pattern` are served on the lanes, among all that wait there: the route's
    /// weight, its rank, and how long its requests may wait.
    ///
    /// `pattern` is written as for [`pin`](Self::pin).
    pub fn serve(
        mut self,
        method: impl AsRef<str>,
        pattern: impl AsRef<str>,
        serving: Serving,
    ) -> Self {
        self.settings.served.push(Served {
            method: method.as_ref().to_owned(),
            pattern: named(pattern.as_ref()).to_owned(),
            serving,
        });
        self
    }

    /// A file in which what was learned outlives the process. It is read now, if it is there, and
    /// written by `Offload::save_profile` and every 30 seconds while anything changes. A damaged
    /// or foreign file is set aside and reported, never fatal.
    pub fn profile(mut self, path: impl Into<PathBuf>) -> Self {
        self.settings.profile = Some(path.into());
        self
    }

    /// Lets clients say in a header of this name how many milliseconds they are going to wait for the answer. Default:
    /// none; there is no header that all agree on. In gRPC it is `grpc-timeout`, whatever is set here.
    ///
    /// A request that needs a lane and could not be answered in time is refused with a 503 at once. A value that is no
    /// whole number is a 400. Requests that stay on their event loop don't look at it.
    pub fn deadline_header(mut self, name: impl Into<String>) -> Self {
        self.settings.deadline_header = Some(name.into());
        self
    }

    /// Whether responses say in a `Server-Timing` header where they were made and how long it took. Default: no, so that responses are
    /// byte for byte those of the bare app. Never in gRPC.
    ///
    /// It is on every response whose request was placed, with durations in milliseconds:
    ///
    /// ```text
    /// Server-Timing: place;desc="lane", thread;desc="offload-short-1",
    ///     queue;dur=0.412;desc="waited for a lane", run;dur=52.100;desc="on a lane"
    /// ```
    ///
    /// Developer tools show it among a request's timings, and scripts of the same origin have it as
    /// `PerformanceResourceTiming.serverTiming`. `place` is `lane` or `loop`. On a lane both durations are wall time, `run` up
    /// to the response's head; on an event loop `run` is what it cost the loop up to there.
    pub fn server_timing(mut self, wanted: bool) -> Self {
        self.settings.server_timing = wanted;
        self
    }

    /// How the watch looks for event loops that are stuck; `None` for no watch. Default: one with the
    /// default settings, which reports a loop that is stuck in one poll for more than 25 ms. [`StallWatchBuilder`] has an example.
    pub fn stall_watch(mut self, watch: impl Into<Option<StallWatchBuilder>>) -> Self {
        self.settings.stall_watch = watch.into();
        self
    }

    /// Makes the span of each request that moves to a lane, before it moves. Default: the span that is current on the event
    /// loop, or if there is none, a span `request` of the plugin's own.
    ///
    /// The plugin makes two children of it, `queue` and `run`, and all that the app does is inside of `run`. `make` is called
    /// on the event loop, once for each request that moves and for no other; it shall not take long. If it declares the
    /// fields `http.route` and `http.response.status_code`, they are recorded.
    ///
    /// With a span that is disabled, as `Span::none()` is, there are no spans of the plugin for this request. A panic in
    /// `make` is logged and counts as such a one.
    pub fn request_span(
        mut self,
        make: impl for<'a> Fn(A::Head<'a>) -> Span + Send + Sync + 'static,
    ) -> Self {
        self.request_span = Some(Arc::new(make));
        self
    }

    /// Changes the rules of the cost model. They are no setting: what they are by default was measured, and tests need others.
    #[doc(hidden)]
    pub fn rules(mut self, set: impl FnOnce(&mut Rules)) -> Self {
        set(&mut self.settings.rules);
        self
    }

    /// Checks the settings and starts the lanes.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that names the setting which cannot be used, or the resource that could not
    /// be had.
    pub fn build(self) -> Result<A::Offload, BuildError> {
        if let Some(given) = self.bad_mode {
            return Err(BuildError::Environment {
                variable: mode::VARIABLE,
                given,
                allowed: mode::ALLOWED,
            });
        }
        check(&self.settings)?;
        A::start(self.settings, self.request_span)
    }
}

impl<A: ReadsAhead> OffloadBuilder<A> {
    /// How many bytes of request bodies may be read before their handlers begin, in all. Default: 64 MiB; 0 for none.
    ///
    /// A request of known length that the lanes would take waits on its event loop for its body, if that is at most an
    /// eighth of this, so that a handler which needs all of its body does its work in one go and in its turn of the queue.
    /// It waits for as long as the body flows: until nothing has come for 10 ms, and 250 ms at most. Then the handler
    /// begins, and has the rest as it comes. Bodies of up to 64 KiB are not counted and wait for nothing.
    pub fn read_ahead(mut self, bytes: u64) -> Self {
        self.settings.read_ahead = bytes;
        self
    }
}

fn check(settings: &Settings) -> Result<(), BuildError> {
    let given = settings.rules.budget;
    if !(MIN_BUDGET..=MAX_BUDGET).contains(&given) {
        return Err(BuildError::Budget {
            given,
            min: MIN_BUDGET,
            max: MAX_BUDGET,
        });
    }
    if let Some(given) = &settings.deadline_header
        && !is_token(given)
    {
        let given = given.clone();
        return Err(BuildError::DeadlineHeader { given });
    }
    for (at, pin) in settings.pins.iter().enumerate() {
        check_route(&pin.method, &pin.pattern)?;
        let contradicts = |other: &Pin| {
            (&other.method, &other.pattern) == (&pin.method, &pin.pattern)
                && other.placement != pin.placement
        };
        if settings.pins[..at].iter().any(contradicts) {
            return Err(BuildError::PinTwice {
                method: pin.method.clone(),
                pattern: pin.pattern.clone(),
            });
        }
    }
    for served in &settings.served {
        check_route(&served.method, &served.pattern)?;
    }
    Ok(())
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

/// Whether it can be the name of a header (RFC 9110, 5.6.2).
fn is_token(name: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !name.is_empty() && name.bytes().all(is_part)
}

impl<A: Adapter> fmt::Debug for OffloadBuilder<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadBuilder")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Plugin;

    struct Own;

    impl Adapter for Own {
        type Head<'a> = ();
        type Offload = Plugin;

        fn start(
            settings: Settings,
            _: Option<RequestSpan<Self>>,
        ) -> Result<Self::Offload, BuildError> {
            Plugin::start(settings)
        }
    }

    type Builder = OffloadBuilder<Own>;

    #[test]
    fn wrong_values_name_the_setting() {
        let new = Builder::default;
        let cases = [
            (new().lanes(|lanes| lanes.threads(0)), "`threads`"),
            (new().lanes(|lanes| lanes.threads(1_000_000)), "`threads`"),
            (new().lanes(|lanes| lanes.queue_bound(0)), "`queue_bound`"),
            (
                new().lanes(|lanes| lanes.short_limit(Duration::ZERO)),
                "`short_limit`",
            ),
            (new().budget(Duration::ZERO), "`budget`"),
            (new().budget(Duration::from_secs(60)), "`budget`"),
            (new().pin("FETCH", "/", Placement::Loop), "method"),
            (new().pin("GET", "users", Placement::Loop), "pattern"),
            (new().serve("FETCH", "/", Serving::new()), "method"),
            (new().serve("GET", "users", Serving::new()), "pattern"),
            (new().deadline_header(""), "`deadline_header`"),
            (new().deadline_header("a b"), "`deadline_header`"),
            (
                new()
                    .pin("GET", "/", Placement::Loop)
                    .pin("GET", "/", Placement::Lane),
                "`pin`",
            ),
        ];
        for (builder, setting) in cases {
            let text = builder.build().expect_err("refused").to_string();
            assert!(text.contains(setting), "{text} does not name {setting}");
        }
    }

    #[test]
    fn what_is_set_of_the_lanes_adds_up() {
        let plugin = Builder::default()
            .lanes(|lanes| lanes.threads(1))
            .lanes(|lanes| lanes.queue_bound(7))
            .build()
            .expect("starts");
        assert_eq!(plugin.lanes().threads(), 1);
    }

    #[test]
    fn the_defaults_start() {
        let plugin = Builder::default().build().expect("starts");
        let budget = offload_core::CpuBudget::detect();
        assert!(plugin.lanes().threads() <= budget.lane_threads());
    }
}
