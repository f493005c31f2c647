//! The settings of an [`Offload`], checked before anything is started.

use std::{path::PathBuf, thread::available_parallelism, time::Duration};

use offload_core::placement::{Placement, Policy};

use crate::{Offload, error::BuildError};

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
    /// `Server-Timing: place;desc="lane", queue;dur=0.4, run;dur=52.1` (milliseconds) on every
    /// response whose request was placed.
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
    pub(crate) workers: Option<usize>,
    pub(crate) budget: Duration,
    pub(crate) policy: Policy,
    pub(crate) unknown: Placement,
    pub(crate) queue_bound: usize,
    pub(crate) profile: Option<PathBuf>,
    pub(crate) pins: Vec<Pin>,
    pub(crate) server_timing: ServerTiming,
}

impl Default for OffloadBuilder {
    fn default() -> Self {
        Self {
            threads: None,
            workers: None,
            budget: Duration::from_micros(100),
            policy: Policy::Learned,
            unknown: Placement::Lane,
            queue_bound: 1024,
            profile: None,
            pins: Vec::new(),
            server_timing: ServerTiming::Off,
        }
    }
}

impl OffloadBuilder {
    /// The number of lane threads. Default: one per logical core that this process may use.
    pub fn threads(mut self, threads: usize) -> Self {
        self.threads = Some(threads);
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

    /// Where a route runs of which nothing is known yet. Default: [`Placement::Lane`], so that not
    /// even its first request can freeze an event loop.
    pub fn unknown(mut self, placement: Placement) -> Self {
        self.unknown = placement;
        self
    }

    /// How many requests may wait for a lane thread before further ones are refused with a 503.
    /// Default: 1024.
    pub fn queue_bound(mut self, jobs: usize) -> Self {
        self.queue_bound = jobs;
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
    pub fn pin(
        mut self,
        method: impl Into<String>,
        pattern: impl Into<String>,
        placement: Placement,
    ) -> Self {
        self.pins.push(Pin {
            method: method.into(),
            pattern: pattern.into(),
            placement,
        });
        self
    }

    /// Whether responses carry a `Server-Timing` header. Default: off.
    pub fn server_timing(mut self, server_timing: ServerTiming) -> Self {
        self.server_timing = server_timing;
        self
    }

    /// Checks the settings and starts the lane threads.
    ///
    /// # Errors
    ///
    /// A [`BuildError`] that names the setting which cannot be used, or the resource that could not
    /// be had.
    pub fn build(self) -> Result<Offload, BuildError> {
        self.check()?;
        Offload::start(self)
    }

    pub(crate) fn thread_count(&self) -> usize {
        self.threads.unwrap_or_else(cores)
    }

    pub(crate) fn worker_count(&self) -> usize {
        self.workers.unwrap_or_else(cores)
    }

    fn check(&self) -> Result<(), BuildError> {
        let (threads, workers) = (self.thread_count(), self.worker_count());
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
        Ok(())
    }

    fn check_pin(&self, at: usize, pin: &Pin) -> Result<(), BuildError> {
        if !crate::app_routes::is_method(&pin.method) {
            return Err(BuildError::PinMethod {
                given: pin.method.clone(),
            });
        }
        if !pin.pattern.starts_with('/') {
            return Err(BuildError::PinPattern {
                given: pin.pattern.clone(),
            });
        }
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

/// Logical cores that this process may use: affinity and cgroup limits included.
fn cores() -> usize {
    available_parallelism().map_or(1, usize::from)
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
            (new().pin("FETCH", "/", Placement::Loop), "`pin`"),
            (new().pin("GET", "users", Placement::Loop), "`pin`"),
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
        assert_eq!(offload.threads(), cores());
        assert_eq!(offload.workers(), cores());
    }
}
