//! Asks all cases of every mode, and shows where the bytes are not those of the bare app.

use std::time::Instant;

use offload_tests::connection::DEADLINE;
use tower_offload::Mode;

use crate::{
    cases::{exchanges, scripts},
    script::{self, Step},
    server::{Runtime, Server},
};

/// All of the layer's.
pub(crate) const MODES: [Mode; 4] = [Mode::Lane, Mode::Auto, Mode::Loop, Mode::Off];

/// What is asked, and what the bare app's answer shows.
struct Case {
    name: String,
    steps: Vec<Step>,
    says: Vec<String>,
}

#[test]
fn two_workers_answer_as_the_bare_app() {
    every_mode_answers_as_the_bare_app(Runtime::TwoWorkers);
}

#[test]
fn one_thread_answers_as_the_bare_app() {
    every_mode_answers_as_the_bare_app(Runtime::OneThread);
}

fn every_mode_answers_as_the_bare_app(runtime: Runtime) {
    let cases = cases();
    let bare = Server::start(None, runtime);
    let expected: Vec<_> = cases.iter().map(|case| case.baseline(&bare)).collect();
    let mut faults = Vec::new();
    for mode in MODES {
        let server = Server::start(Some(mode), runtime);
        let since = Instant::now();
        loop {
            for (case, expected) in cases.iter().zip(&expected) {
                let came = case.ask(&server);
                if came != *expected {
                    faults.push(format!(
                        "{} ({mode}):\n{}",
                        case.name,
                        difference(expected, &came)
                    ));
                }
            }
            if is_shown(mode, &server, since) {
                break;
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

fn cases() -> Vec<Case> {
    let exchanges = exchanges().into_iter().map(|exchange| Case {
        name: exchange.line.to_owned(),
        steps: exchange.script(),
        says: vec![
            format!("HTTP/1.1 {} ", exchange.status),
            exchange.says.to_owned(),
        ],
    });
    let scripts = scripts().into_iter().map(|script| Case {
        name: script.name.to_owned(),
        steps: script.steps,
        says: vec![script.says.to_owned()],
    });
    exchanges.chain(scripts).collect()
}

impl Case {
    fn ask(&self, server: &Server) -> Vec<u8> {
        script::run(&self.steps, server).unwrap_or_else(|error| panic!("{}: {error}", self.name))
    }

    /// Asks twice: what differs from itself would prove nothing.
    fn baseline(&self, bare: &Server) -> Vec<u8> {
        let came = self.ask(bare);
        let shown = String::from_utf8_lossy(&came);
        for text in &self.says {
            assert!(
                shown.contains(text),
                "{}: no {text:?} in:\n{shown}",
                self.name
            );
        }
        let again = self.ask(bare);
        assert!(
            came == again,
            "{}:\n{}",
            self.name,
            difference(&came, &again)
        );
        came
    }
}

/// Whether all was seen that the mode has to show. Requests run nowhere else.
pub(crate) fn is_shown(mode: Mode, server: &Server, since: Instant) -> bool {
    let routes = server.report().routes;
    let on_workers = routes.iter().filter(|route| route.loop_runs > 0).count();
    let on_lanes = routes.iter().filter(|route| route.lane_runs > 0).count();
    match mode {
        Mode::Lane => assert_eq!((on_workers, on_lanes), (0, routes.len())),
        Mode::Loop => assert_eq!((on_workers, on_lanes), (routes.len(), 0)),
        Mode::Off => assert_eq!(routes.len(), 0),
        // All begin on a lane, and most are found to be light, sooner or later.
        Mode::Auto => {
            assert_eq!(on_lanes, routes.len());
            let light = on_workers > routes.len() / 2;
            assert!(light || since.elapsed() < DEADLINE, "{routes:#?}");
            return light;
        }
    }
    true
}

/// Where they part, with what stands around it.
pub(crate) fn difference(expected: &[u8], came: &[u8]) -> String {
    let same = expected
        .iter()
        .zip(came)
        .take_while(|(a, b)| a == b)
        .count();
    let show = |bytes: &[u8]| {
        let shown = &bytes[same.saturating_sub(200)..bytes.len().min(same + 200)];
        shown.escape_ascii().to_string().replace("\\r\\n", "\n    ")
    };
    format!(
        "  after {same} of {} bytes\n  - {}\n  + {}",
        expected.len(),
        show(expected),
        show(came)
    )
}
