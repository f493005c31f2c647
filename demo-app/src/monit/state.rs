//! The state of a server as it is read from `/_offload/state`. What is missing or null is none or zero, so
//! that servers older and newer than this program can be looked at.

use serde::{Deserialize, Deserializer};

/// All that a server says of itself.
#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct State {
    pub(crate) seq: Option<u64>,
    pub(crate) unix_ms: Option<f64>,
    pub(crate) uptime_seconds: Option<f64>,
    pub(crate) pid: Option<u64>,
    pub(crate) budget_us: Option<f64>,
    pub(crate) stall_threshold_ms: Option<f64>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) event_loops: Vec<EventLoop>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) lanes: Vec<Lane>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) routes: Vec<Route>,
    /// How many more routes there are than were told of.
    #[serde(deserialize_with = "or_none")]
    pub(crate) routes_omitted: u64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) moves: Vec<Move>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) stalls: Vec<Stall>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct EventLoop {
    #[serde(deserialize_with = "or_none")]
    pub(crate) event_loop: u64,
    #[serde(deserialize_with = "text")]
    pub(crate) thread: String,
    #[serde(deserialize_with = "or_none")]
    pub(crate) requests: u64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) busy_seconds: f64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) longest_poll_seconds: f64,
    #[serde(deserialize_with = "text")]
    pub(crate) longest_poll_route: String,
    pub(crate) cpu_seconds: Option<f64>,
    pub(crate) lag_seconds: Option<f64>,
    pub(crate) longest_lag_seconds: Option<f64>,
    pub(crate) stalls: Option<u64>,
    pub(crate) stalled_seconds: Option<f64>,
    #[serde(deserialize_with = "text")]
    pub(crate) stalled_route: String,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Lane {
    #[serde(deserialize_with = "text")]
    pub(crate) name: String,
    #[serde(deserialize_with = "or_none")]
    pub(crate) threads: u64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) queued: u64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) running: u64,
    pub(crate) projected_delay_seconds: Option<f64>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) refused: u64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) expired: u64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) cancelled: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Route {
    #[serde(deserialize_with = "or_none")]
    pub(crate) app: u64,
    #[serde(deserialize_with = "text")]
    pub(crate) method: String,
    #[serde(deserialize_with = "text")]
    pub(crate) pattern: String,
    #[serde(deserialize_with = "text")]
    pub(crate) placement: String,
    pub(crate) pinned_by: Option<String>,
    pub(crate) cost: Option<Cost>,
    pub(crate) queued: Option<Cost>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) loop_runs: u64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) lane_runs: u64,
    /// What all its runs took together.
    pub(crate) loop_seconds: Option<f64>,
    pub(crate) lane_seconds: Option<f64>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) moves: u64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) panics: u64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) refused: u64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) cancelled: u64,
    pub(crate) last_move: Option<Move>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) buckets: Vec<Bucket>,
}

impl Route {
    pub(crate) fn was_asked_for(&self) -> bool {
        let counts = [self.loop_runs, self.lane_runs, self.refused, self.cancelled];
        counts.iter().any(|count| *count > 0)
    }

    /// What all its runs took together, in seconds, if the server tells.
    pub(crate) fn seconds(&self) -> Option<f64> {
        Some(self.loop_seconds? + self.lane_seconds?)
    }
}

/// Times in microseconds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Cost {
    #[serde(deserialize_with = "or_none")]
    pub(crate) p50_us: f64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) p95_us: f64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) peak_us: f64,
    #[serde(deserialize_with = "or_none")]
    pub(crate) last_us: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Bucket {
    #[serde(deserialize_with = "text")]
    pub(crate) body_size: String,
    #[serde(deserialize_with = "or_none")]
    pub(crate) runs: u64,
    pub(crate) cost: Option<Cost>,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Move {
    #[serde(deserialize_with = "text")]
    pub(crate) route: String,
    #[serde(deserialize_with = "text")]
    pub(crate) from: String,
    #[serde(deserialize_with = "text")]
    pub(crate) to: String,
    #[serde(deserialize_with = "text")]
    pub(crate) reason: String,
    #[serde(deserialize_with = "or_none")]
    pub(crate) age_s: f64,
}

#[derive(Clone, Debug, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(crate) struct Stall {
    pub(crate) event_loop: Option<u64>,
    #[serde(deserialize_with = "text")]
    pub(crate) thread: String,
    #[serde(deserialize_with = "text")]
    pub(crate) route: String,
    #[serde(deserialize_with = "text")]
    pub(crate) kind: String,
    #[serde(deserialize_with = "or_none")]
    pub(crate) elapsed_seconds: f64,
    pub(crate) on_cpu_seconds: Option<f64>,
    #[serde(deserialize_with = "or_none")]
    pub(crate) over: bool,
    #[serde(deserialize_with = "or_none")]
    pub(crate) age_s: f64,
    #[serde(deserialize_with = "texts")]
    pub(crate) backtrace: Vec<String>,
}

impl Stall {
    /// Where it is, as far as somebody here can change it: not where the standard library or another crate is on its behalf,
    /// unless there is nothing else.
    pub(crate) fn place(&self) -> Option<&str> {
        let own = self.backtrace.iter().find(|frame| is_own(frame));
        own.or(self.backtrace.first()).map(String::as_str)
    }
}

/// Paths of other crates begin as cargo unpacks them: `tokio-1.54.1/src/…`.
fn is_own(frame: &str) -> bool {
    let Some((first, _)) = frame
        .split_once(" at ")
        .and_then(|(_, place)| place.split_once('/'))
    else {
        return false;
    };
    let version = first.rsplit_once('-').map(|(_, version)| version);
    let unpacked = version.is_some_and(|version| {
        version.starts_with(|c: char| c.is_ascii_digit()) && version.matches('.').count() >= 2
    });
    !matches!(first, "std" | "core" | "alloc") && !unpacked
}

/// Why a text is not the state of a server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StateError {
    #[error("{0}")]
    Json(#[from] serde_json::Error),
    #[error("it has neither event loops nor lanes nor routes")]
    Other,
}

impl State {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, StateError> {
        /// What at least one of has to be there. Any JSON object would do for a [`State`] otherwise.
        #[derive(Deserialize)]
        struct Outline {
            event_loops: Option<serde::de::IgnoredAny>,
            lanes: Option<serde::de::IgnoredAny>,
            routes: Option<serde::de::IgnoredAny>,
        }
        let state: Self = serde_json::from_slice(json)?;
        let outline: Outline = serde_json::from_slice(json)?;
        match outline {
            Outline {
                event_loops: None,
                lanes: None,
                routes: None,
            } => Err(StateError::Other),
            _ => Ok(state),
        }
    }

    /// From how long a poll on is a stall, in seconds.
    pub(crate) fn stall_threshold(&self) -> f64 {
        self.stall_threshold_ms.unwrap_or(25.0) / 1e3
    }
}

impl EventLoop {
    pub(crate) fn is_stalled(&self) -> bool {
        self.stalled_seconds.is_some()
    }

    /// How late the loop is, in seconds: at least as late as it is stuck.
    pub(crate) fn lag(&self) -> Option<f64> {
        match (self.lag_seconds, self.stalled_seconds) {
            (Some(lag), Some(stalled)) => Some(lag.max(stalled)),
            (lag, stalled) => lag.or(stalled),
        }
    }

    /// The longest lag so far, in seconds. One that lasts still may be longer than what the loop told of.
    pub(crate) fn longest_lag(&self) -> Option<f64> {
        let longest = self.longest_lag_seconds?;
        Some(longest.max(self.lag().unwrap_or(0.0)))
    }
}

impl Route {
    pub(crate) fn name(&self) -> String {
        let name = format!("{} {}", self.method, self.pattern);
        name.trim().to_owned()
    }

    pub(crate) fn runs(&self) -> u64 {
        self.loop_runs.saturating_add(self.lane_runs)
    }
}

impl Lane {
    /// Its name without what all lanes' names begin with.
    pub(crate) fn short_name(&self) -> &str {
        let name = self.name.strip_prefix("offload-").unwrap_or(&self.name);
        if name.is_empty() { "-" } else { name }
    }
}

fn or_none<'de, D: Deserializer<'de>, T: Default + Deserialize<'de>>(
    from: D,
) -> Result<T, D::Error> {
    Ok(Option::<T>::deserialize(from)?.unwrap_or_default())
}

/// A text that is safe to show: a server must not be able to steer the terminal.
fn text<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    Ok(clean(or_none(from)?))
}

fn texts<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<String>, D::Error> {
    let texts: Vec<String> = or_none(from)?;
    Ok(texts.into_iter().map(clean).collect())
}

fn clean(text: String) -> String {
    if text.chars().any(char::is_control) {
        text.replace(char::is_control, "\u{fffd}")
    } else {
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_missing_or_null_is_none() {
        let state = State::parse(
            br#"{ "event_loops": [{}, {"event_loop": null, "thread": null, "cpu_seconds": null}],
                  "lanes": null, "routes": [{"cost": null, "buckets": null, "last_move": {}}],
                  "stalls": [{"backtrace": null}], "something_new": [1, 2] }"#,
        )
        .expect("a state");
        assert_eq!(
            state.event_loops,
            [EventLoop::default(), EventLoop::default()]
        );
        assert_eq!(state.routes[0].last_move, Some(Move::default()));
        assert_eq!(state.stalls, [Stall::default()]);
        assert!(state.lanes.is_empty());
        assert_eq!(state.stall_threshold(), 0.025);
    }

    #[test]
    fn other_json_is_no_state() {
        for json in ["{}", r#"{"error": {"field": "path"}}"#, r#"{"pid": 1}"#] {
            let error = State::parse(json.as_bytes()).expect_err(json);
            assert!(matches!(error, StateError::Other), "{json}: {error}");
        }
        for json in [
            "",
            "<html>",
            "[1]",
            r#"{"routes": 5}"#,
            r#"{"lanes": [{"queued": "x"}]}"#,
        ] {
            let error = State::parse(json.as_bytes()).expect_err(json);
            assert!(matches!(error, StateError::Json(_)), "{json}: {error}");
        }
    }

    #[test]
    fn texts_cannot_steer_a_terminal() {
        let json = br#"{"routes": [{"method": "GET", "pattern": "/\u001b[2Jx\n\u009b"}],
                        "stalls": [{"backtrace": ["a\u0007b"]}]}"#;
        let state = State::parse(json).expect("a state");
        assert_eq!(state.routes[0].name(), "GET /\u{fffd}[2Jx\u{fffd}\u{fffd}");
        assert_eq!(state.stalls[0].backtrace, ["a\u{fffd}b"]);
    }

    #[test]
    fn a_stall_is_where_somebody_here_can_change_it() {
        let foreign = "core::cmp::PartialOrd::lt at core/src/cmp.rs:1412";
        let unpacked = "actix_web::serve at actix-web-4.18.0/src/service.rs:7";
        let own = "shop::totals at shop-2d/src/totals.rs:12";
        let place = |frames: &[&str]| {
            let stall = Stall {
                backtrace: frames.iter().map(|frame| (*frame).to_owned()).collect(),
                ..Stall::default()
            };
            stall.place().map(str::to_owned)
        };
        assert_eq!(
            place(&[foreign, unpacked, "main", own]).as_deref(),
            Some("shop::totals at shop-2d/src/totals.rs:12")
        );
        assert_eq!(place(&[foreign, unpacked]).as_deref(), Some(foreign));
        assert_eq!(place(&[]), None);
    }

    #[test]
    fn a_loop_is_at_least_as_late_as_it_is_stuck() {
        let stuck = EventLoop {
            lag_seconds: Some(0.1),
            stalled_seconds: Some(2.0),
            ..EventLoop::default()
        };
        assert_eq!(stuck.lag(), Some(2.0));
        assert_eq!(EventLoop::default().lag(), None);
    }
}
