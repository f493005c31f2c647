//! The settings of an [`Offload`].

use std::{fmt, time::Duration};

use http::{HeaderName, Method};
use offload_core::{
    LanesBuilder,
    placement::{Placement, Rules},
    stall::StallWatchBuilder,
};
use offload_http::{
    Pin, Serving, Settings, is_standard,
    mode::{self, Mode},
};

use crate::{error::BuildError, offload::Offload};

const SHORTEST_BUDGET: Duration = Duration::from_micros(1);
const LONGEST_BUDGET: Duration = Duration::from_secs(1);

/// Builds an [`Offload`].
///
/// # Examples
///
/// ```
/// use http::Method;
/// use tower_offload::{Lanes, Offload, Placement};
///
/// let offload = Offload::builder()
///     .lanes(Lanes::builder().threads(2).queue_bound(256))
///     .pin(&Method::GET, "/health", Placement::Loop)
///     .server_timing(true)
///     .build()?;
/// assert_eq!(offload.lanes().threads(), 2);
/// # Ok::<(), tower_offload::BuildError>(())
/// ```
#[must_use = "a builder does nothing until `build` is called"]
#[derive(Default)]
pub struct OffloadBuilder {
    settings: Settings,
    pub(crate) options: Options,
    bad_mode: Option<String>,
}

/// What a layer needs beside the lanes.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) deadline_header: Option<HeaderName>,
    pub(crate) server_timing: bool,
    pub(crate) mode: Mode,
}

impl OffloadBuilder {
    /// The lanes: how many threads, how much may wait, and for how long. Default: each of the two runs as many requests at a time as there are cores.
    pub fn lanes(mut self, lanes: LanesBuilder) -> Self {
        self.settings.lanes = lanes;
        self
    }

    /// The cost up to which a route stays on the workers, from 1 us to 1 s. Default: 100 us. It is [`Rules::budget`], so a later
    /// call of [`rules`](Self::rules) replaces it.
    pub fn budget(mut self, budget: Duration) -> Self {
        self.settings.rules.budget = budget;
        self
    }

    /// The cost model: above which cost a route is heavy, and how much proof it takes. Default: [`Rules::default`].
    pub fn rules(mut self, rules: Rules) -> Self {
        self.settings.rules = rules;
        self
    }

    /// Has a route run on one side, whatever it costs. The pattern is written as the framework writes it: axum's
    /// `/users/{id}`, or gRPC's `/package.Service/Method` with the method `POST`; `(unmatched)` stands for requests of no route.
    pub fn pin(mut self, method: &Method, pattern: &str, placement: Placement) -> Self {
        self.settings.pins.push(Pin {
            method: method.as_str().to_owned(),
            pattern: pattern.to_owned(),
            placement,
        });
        self
    }

    /// The watch that says who keeps a worker, or `None` for none. Default: one with the default settings.
    pub fn stall_watch(mut self, watch: impl Into<Option<StallWatchBuilder>>) -> Self {
        self.settings.stall_watch = watch.into();
        self
    }

    /// The request header in which clients say how many milliseconds they wait, if they may. A request for a lane is refused at once
    /// if it would probably wait for more than half of what is left of that time after its cost, and answered 400 if the header cannot be read. On workers it means nothing. In gRPC it is `grpc-timeout`, whatever is set here. Default: none.
    pub fn deadline_header(mut self, header: HeaderName) -> Self {
        self.options.deadline_header = Some(header);
        self
    }

    /// Whether responses say in `Server-Timing` where they were made. Never in gRPC. Default: false, because it tells clients about the
    /// server.
    pub fn server_timing(mut self, wanted: bool) -> Self {
        self.options.server_timing = wanted;
        self
    }

    /// How much of the plugin is at work. Default: [`Mode::Auto`].
    pub fn mode(mut self, mode: Mode) -> Self {
        self.options.mode = mode;
        self
    }

    /// Lets whoever starts the program decide: the environment variable `OFFLOAD` is the [`mode`](Self::mode), as one of `off`, `loop`, `lane`
    /// and `auto`. If it is not set or empty, nothing changes.
    pub fn env(mut self) -> Self {
        match mode::from_environment() {
            None => {}
            Some(Ok(mode)) => return self.mode(mode),
            Some(Err(given)) => self.bad_mode = Some(given),
        }
        self
    }

    /// Starts the lanes.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that names the setting that is wrong, or what the system does not give.
    pub fn build(mut self) -> Result<Offload, BuildError> {
        if let Some(given) = self.bad_mode {
            return Err(BuildError::Environment {
                variable: mode::VARIABLE,
                given,
                allowed: mode::ALLOWED,
            });
        }
        let is_wrong =
            |pin: &&Pin| !pin.pattern.starts_with('/') && pin.pattern != offload_http::UNMATCHED;
        if let Some(pin) = self.settings.pins.iter().find(is_wrong) {
            return Err(BuildError::PinPattern {
                given: pin.pattern.clone(),
            });
        }
        let is_unknown = |pin: &&Pin| !is_standard(&pin.method);
        if let Some(pin) = self.settings.pins.iter().find(is_unknown) {
            return Err(BuildError::PinMethod {
                given: pin.method.clone(),
            });
        }
        let given = self.settings.rules.budget;
        if !(SHORTEST_BUDGET..=LONGEST_BUDGET).contains(&given) {
            return Err(BuildError::Budget { given });
        }
        if let Some(policy) = self.options.mode.policy() {
            self.settings.rules.policy = policy;
        }
        let serving = Serving::start(self.settings)?;
        Ok(Offload::new_with(serving, self.options))
    }
}

impl fmt::Debug for OffloadBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OffloadBuilder")
            .field("settings", &self.settings)
            .field("options", &self.options)
            .finish_non_exhaustive()
    }
}
