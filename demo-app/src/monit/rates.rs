//! What happened between two states of a server: counts that only grow become so many a second. Pure.

use std::collections::HashMap;

use super::state::{EventLoop, Route, State};

/// A state, and when it was received on the monitor's own clock, in seconds.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) state: State,
    pub(crate) at: f64,
}

/// What happened between two states; each `None` is something that can't be told, as after a restart.
///
/// The vectors are in the order of the newer state's.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Rates {
    pub(crate) loops: Vec<LoopRates>,
    pub(crate) routes: Vec<RouteRates>,
    /// Refusals a second, by lane.
    pub(crate) lanes: Vec<Option<f64>>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct LoopRates {
    /// The part of the time for which its thread was on a CPU.
    pub(crate) cpu: Option<f64>,
    /// The part of the time for which requests kept it.
    pub(crate) busy: Option<f64>,
    /// Requests a second.
    pub(crate) requests: Option<f64>,
}

#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct RouteRates {
    /// Runs a second, wherever they ran.
    pub(crate) runs: Option<f64>,
    /// The part of a core that its runs kept: more than one if they kept several.
    pub(crate) cores: Option<f64>,
}

impl Rates {
    /// What is to be said when there is nothing to compare `state` with.
    pub(crate) fn unknown(state: &State) -> Self {
        Self {
            loops: vec![LoopRates::default(); state.event_loops.len()],
            routes: vec![RouteRates::default(); state.routes.len()],
            lanes: vec![None; state.lanes.len()],
        }
    }

    pub(crate) fn between(before: &Snapshot, after: &Snapshot) -> Self {
        let state = &after.state;
        let seconds = match elapsed(before, after) {
            Some(seconds) if !is_restart(&before.state, state) => seconds,
            _ => return Self::unknown(state),
        };
        let before = &before.state;
        let was_cut = before.routes_omitted > 0;
        let loops: HashMap<u64, &EventLoop> = before
            .event_loops
            .iter()
            .map(|event_loop| (event_loop.event_loop, event_loop))
            .collect();
        let routes: HashMap<_, &Route> = before
            .routes
            .iter()
            .map(|route| (key(route), route))
            .collect();
        let lanes: HashMap<&str, u64> = before
            .lanes
            .iter()
            .map(|lane| (lane.name.as_str(), lane.refused))
            .collect();
        Self {
            loops: state
                .event_loops
                .iter()
                .map(|after| match loops.get(&after.event_loop) {
                    Some(before) => LoopRates::between(before, after, seconds),
                    None => LoopRates::default(),
                })
                .collect(),
            routes: state
                .routes
                .iter()
                .map(|after| match routes.get(&key(after)) {
                    // It may have been among those that were not told of, with any number of runs.
                    None if was_cut => RouteRates::default(),
                    before => RouteRates::between(before.copied(), after, seconds),
                })
                .collect(),
            lanes: state
                .lanes
                .iter()
                .map(|after| {
                    grown(*lanes.get(after.name.as_str())?, after.refused).map(|n| n / seconds)
                })
                .collect(),
        }
    }
}

impl LoopRates {
    fn between(before: &EventLoop, after: &EventLoop, seconds: f64) -> Self {
        let part =
            |before: f64, after: f64| Some((after - before) / seconds).filter(|part| *part >= 0.0);
        Self {
            cpu: before
                .cpu_seconds
                .zip(after.cpu_seconds)
                .and_then(|(before, after)| part(before, after)),
            busy: part(before.busy_seconds, after.busy_seconds),
            requests: grown(before.requests, after.requests).map(|n| n / seconds),
        }
    }
}

impl RouteRates {
    /// A route that was not there before has had all of its runs since.
    fn between(before: Option<&Route>, after: &Route, seconds: f64) -> Self {
        let Some(runs) = grown(before.map_or(0, Route::runs), after.runs()) else {
            return Self::default();
        };
        Self {
            runs: Some(runs / seconds),
            cores: Some(seconds_spent(before, after, runs) / seconds),
        }
    }
}

/// What `runs` new runs took together.
fn seconds_spent(before: Option<&Route>, after: &Route, runs: f64) -> f64 {
    let known = before.map_or(Some(0.0), Route::seconds);
    match known.zip(after.seconds()) {
        Some((before, after)) => (after - before).max(0.0),
        None => micros_spent(before, after, runs) / 1e6,
    }
}

/// About what `runs` new runs cost together, in microseconds, for servers that do not tell: each took the median of its size
/// of body.
fn micros_spent(before: Option<&Route>, after: &Route, runs: f64) -> f64 {
    let median = after.cost.map_or(0.0, |cost| cost.p50_us.max(0.0));
    if after.buckets.is_empty() {
        return runs * median;
    }
    let buckets = after.buckets.iter().map(|bucket| {
        let known = before.and_then(|route| {
            route
                .buckets
                .iter()
                .find(|old| old.body_size == bucket.body_size)
        });
        let runs = grown(known.map_or(0, |old| old.runs), bucket.runs).unwrap_or(0.0);
        runs * bucket.cost.map_or(median, |cost| cost.p50_us.max(0.0))
    });
    buckets.sum()
}

/// How long the time between two states was on the server's clock, or on ours if it does not tell.
fn elapsed(before: &Snapshot, after: &Snapshot) -> Option<f64> {
    let between = |before: Option<f64>, after: Option<f64>| {
        after.zip(before).map(|(after, before)| after - before)
    };
    let uptime = between(before.state.uptime_seconds, after.state.uptime_seconds);
    let wall = between(before.state.unix_ms, after.state.unix_ms).map(|millis| millis / 1e3);
    [uptime, wall, Some(after.at - before.at)]
        .into_iter()
        .flatten()
        .find(|seconds| seconds.is_finite() && *seconds > 1e-3)
}

/// Whether these are two lives of a server.
pub(crate) fn is_restart(before: &State, after: &State) -> bool {
    let other_pid = before
        .pid
        .zip(after.pid)
        .is_some_and(|(before, after)| before != after);
    let back = |before: Option<f64>, after: Option<f64>| {
        before
            .zip(after)
            .is_some_and(|(before, after)| after < before)
    };
    let seq = |state: &State| state.seq.map(|seq| seq as f64);
    other_pid || back(before.uptime_seconds, after.uptime_seconds) || back(seq(before), seq(after))
}

fn grown(before: u64, after: u64) -> Option<f64> {
    after.checked_sub(before).map(|grown| grown as f64)
}

fn key(route: &Route) -> (u64, &str, &str) {
    (route.app, &route.method, &route.pattern)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monit::state::{Bucket, Cost, Lane};

    fn snapshot(at: f64, requests: u64, runs: u64) -> Snapshot {
        let cost = |p50_us| {
            Some(Cost {
                p50_us,
                ..Cost::default()
            })
        };
        let bucket = |body_size: &str, runs, p50| Bucket {
            body_size: body_size.into(),
            runs,
            cost: cost(p50),
        };
        let state = State {
            uptime_seconds: Some(at),
            pid: Some(1),
            event_loops: vec![EventLoop {
                requests,
                busy_seconds: at / 4.0,
                cpu_seconds: Some(at / 2.0),
                ..EventLoop::default()
            }],
            lanes: vec![Lane {
                name: "short".into(),
                refused: requests,
                ..Lane::default()
            }],
            routes: vec![Route {
                method: "GET".into(),
                pattern: "/".into(),
                lane_runs: runs,
                loop_runs: runs,
                cost: cost(7.0),
                // Half of the runs are cheap, half are dear.
                buckets: vec![bucket("0", runs, 10_000.0), bucket("1K", runs, 90_000.0)],
                ..Route::default()
            }],
            ..State::default()
        };
        Snapshot {
            state,
            at: at + 1_000.0,
        }
    }

    #[test]
    fn counts_become_so_many_a_second() {
        let rates = Rates::between(&snapshot(10.0, 100, 5), &snapshot(12.0, 300, 10));
        let event_loop = LoopRates {
            cpu: Some(0.5),
            busy: Some(0.25),
            requests: Some(100.0),
        };
        assert_eq!(rates.loops, [event_loop]);
        assert_eq!(rates.lanes, [Some(100.0)]);
        assert_eq!(rates.routes[0].runs, Some(5.0));
        // Five runs of 10 ms and five of 90 ms in two seconds.
        assert!((rates.routes[0].cores.expect("known") - 0.25).abs() < 1e-9);
    }

    #[test]
    fn a_restart_is_not_a_rate() {
        let (before, mut after) = (snapshot(10.0, 100, 5), snapshot(12.0, 300, 10));
        after.state.pid = Some(2);
        assert_eq!(
            Rates::between(&before, &after),
            Rates::unknown(&after.state)
        );
        let younger = snapshot(3.0, 300, 10);
        assert_eq!(
            Rates::between(&before, &younger),
            Rates::unknown(&younger.state)
        );
    }

    #[test]
    fn counts_that_shrink_are_not_known() {
        let rates = Rates::between(&snapshot(10.0, 300, 9), &snapshot(12.0, 100, 5));
        assert_eq!(rates.loops[0].requests, None);
        assert_eq!(rates.routes[0], RouteRates::default());
        assert_eq!(rates.lanes, [None]);
    }

    #[test]
    fn what_is_new_counts_from_zero_or_is_not_known() {
        let (mut before, after) = (snapshot(10.0, 100, 5), snapshot(12.0, 300, 10));
        before.state.event_loops.clear();
        before.state.routes.clear();
        before.state.lanes.clear();
        let rates = Rates::between(&before, &after);
        assert_eq!(rates.loops, [LoopRates::default()]);
        assert_eq!(rates.routes[0].runs, Some(10.0));
        assert_eq!(rates.lanes, [None]);
    }

    #[test]
    fn a_route_that_had_been_left_out_is_not_known_at_first() {
        let (mut before, mut after) = (snapshot(10.0, 100, 5), snapshot(12.0, 300, 10));
        let other = Route {
            pattern: "/other".into(),
            ..before.state.routes[0].clone()
        };
        before.state.routes = vec![other.clone()];
        before.state.routes_omitted = 1;
        after.state.routes.push(other);
        after.state.routes_omitted = 0;
        let rates = Rates::between(&before, &after);
        assert_eq!(rates.routes[0], RouteRates::default());
        assert_eq!(rates.routes[1].runs, Some(0.0));
        // From then on it is known like any other.
        assert_eq!(
            Rates::between(&after, &snapshot(14.0, 500, 11)).routes[0].runs,
            Some(1.0)
        );
    }

    #[test]
    fn our_own_clock_serves_where_the_server_tells_no_time() {
        let (mut before, mut after) = (snapshot(10.0, 100, 5), snapshot(14.0, 300, 10));
        for snapshot in [&mut before, &mut after] {
            snapshot.state.uptime_seconds = None;
        }
        assert_eq!(
            Rates::between(&before, &after).loops[0].requests,
            Some(50.0)
        );
        // Twice the same moment on all clocks.
        assert_eq!(Rates::between(&after, &after), Rates::unknown(&after.state));
        before.state.unix_ms = Some(1_000.0);
        after.state.unix_ms = Some(2_000.0);
        assert_eq!(
            Rates::between(&before, &after).loops[0].requests,
            Some(200.0)
        );
    }

    #[test]
    fn a_system_that_tells_no_cpu_time_gives_none() {
        let (before, mut after) = (snapshot(10.0, 100, 5), snapshot(12.0, 300, 10));
        after.state.event_loops[0].cpu_seconds = None;
        let rates = Rates::between(&before, &after);
        assert_eq!(rates.loops[0].cpu, None);
        assert_eq!(rates.loops[0].requests, Some(100.0));
    }
}
