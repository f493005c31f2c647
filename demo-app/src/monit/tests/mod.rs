//! What the monitor shows of a server that is made up, and how it takes servers that misbehave.

mod client;
mod keys;
mod plain;
mod screen;

use super::{args::ServerUrl, model::Model, state::State};

const STATE: &str = include_str!("state.json");

fn url() -> ServerUrl {
    "127.0.0.1:8080".parse().expect("a URL")
}

fn state() -> State {
    State::parse(STATE.as_bytes()).expect("a state")
}

/// The state two seconds later: some requests on, and one route was refused 40 times.
fn later() -> State {
    let mut state = state();
    state.uptime_seconds = state.uptime_seconds.map(|uptime| uptime + 2.0);
    for event_loop in &mut state.event_loops {
        event_loop.requests += 2_000;
        event_loop.cpu_seconds = event_loop.cpu_seconds.map(|cpu| cpu + 0.9);
    }
    state.lanes[1].refused += 40;
    for route in &mut state.routes {
        route.loop_runs += 10;
        for bucket in &mut route.buckets {
            bucket.runs += 10;
        }
    }
    state
}

/// A model that has looked twice.
fn model() -> Model {
    let mut model = Model::new(url(), 0.5);
    model.take(Ok(state()), 1.0);
    model.take(Ok(later()), 3.0);
    model
}
