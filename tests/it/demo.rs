//! The demo application keeps its contract, with the plugin around it and without.

mod answers;
mod bad_input;
mod bodies;
mod dashboards;
mod insight;
mod lab;
mod responsive;

use std::fmt;

use actix_offload::Offload;
use actix_web::App;
use demo_app::{
    Demo,
    cli::{Args, Mode},
    server::plugin,
};
use offload_tests::{client::Client, response::RawResponse, server::TestServer};
use serde_json::Value;

/// The demo as a running server.
struct Running {
    mode: Mode,
    offload: Option<Offload>,
    server: TestServer,
}

impl Running {
    fn start(mode: Mode) -> Self {
        let (server, offload) = match mode {
            Mode::Off => {
                let demo = Demo::off();
                let app = move || App::new().configure(|cfg| demo.routes(cfg));
                (TestServer::start(app), None)
            }
            Mode::Auto => {
                let args = Args {
                    threads: Some(2),
                    ..Args::default()
                };
                let offload = plugin(&args).expect("the plugin starts");
                let demo = Demo::auto(offload.clone());
                let app = move || App::new().configure(|cfg| demo.routes(cfg));
                (TestServer::start(offload.app(app)), Some(offload))
            }
        };
        Self {
            mode,
            offload,
            server,
        }
    }

    fn client(&self) -> Client {
        Client::new(self.server.addr())
    }

    /// Asks, and expects any answer at all.
    fn get(&self, target: &str) -> RawResponse {
        let answer = self.client().get(target);
        answer.unwrap_or_else(|error| panic!("{self} {target}: {error}"))
    }

    /// Asks, and expects a 200 with JSON.
    fn get_json(&self, target: &str) -> Value {
        self.json_of(target, &self.get(target))
    }

    /// Sends JSON, and expects a 200 with JSON.
    fn post_json(&self, target: &str, json: &str) -> Value {
        let answer = self.client().post_json(target, json);
        let answer = answer.unwrap_or_else(|error| panic!("{self} {target}: {error}"));
        self.json_of(target, &answer)
    }

    fn json_of(&self, target: &str, answer: &RawResponse) -> Value {
        assert_eq!(answer.status(), 200, "{self} {target}: {}", text(answer));
        let content_type = answer.header("content-type");
        assert_eq!(content_type, Some("application/json"), "{self} {target}");
        parse(answer)
    }

    fn assert_up(&self) {
        let home = self.get("/");
        assert_eq!(home.status(), 200, "{self}");
        assert!(text(&home).starts_with("Performance Example\n"), "{self}");
    }
}

impl fmt::Display for Running {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "[{:?}]", self.mode)
    }
}

/// Runs a test with the plugin and without.
fn in_both_modes(test: impl Fn(&Running)) {
    for mode in [Mode::Off, Mode::Auto] {
        let running = Running::start(mode);
        test(&running);
        running.assert_up();
    }
}

fn text(answer: &RawResponse) -> String {
    String::from_utf8_lossy(&answer.body).into_owned()
}

fn parse(answer: &RawResponse) -> Value {
    serde_json::from_slice(&answer.body)
        .unwrap_or_else(|error| panic!("{error} in {}", text(answer)))
}
