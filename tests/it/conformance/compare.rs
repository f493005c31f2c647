//! Runs cases in every mode and reports where an answer differs from the bare app's.

use std::{
    collections::BTreeMap,
    fmt::{self, Write as _},
};

use actix_http::Request;
use actix_service::IntoServiceFactory;
use actix_web::{
    Error,
    body::MessageBody,
    dev::{AppConfig, Response, Service, ServiceFactory},
};
use offload_tests::server::TestServer;

use super::{
    case::Case,
    modes::Mode,
    run::{Style, run},
    transcript::{Placed, Transcript},
};

/// After so many differences the rest is not worth reading.
const ENOUGH: usize = 8;

/// Serves `factory` bare and by the plugin in all its modes and demands the same answers to `cases`.
///
/// # Panics
///
/// Panics with a list of differences if there are any, if the bare app answers differently from one
/// time to the next, or if requests were not placed where the mode demands it.
pub(crate) fn compare<F, I, S, B>(factory: F, cases: &[Case])
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
{
    let mut faults = Faults::default();
    let mut placements = Placements::default();
    let mut baselines: Vec<Baseline> = Vec::new();
    {
        let bare = Mode::Bare.serve(factory.clone());
        for case in cases {
            baselines.push(baseline(case, &bare, &mut faults));
        }
    }
    for mode in Mode::WITH_PLUGIN {
        let server = mode.serve(factory.clone());
        for round in 0..mode.rounds() {
            for (index, (case, baseline)) in cases.iter().zip(&baselines).enumerate() {
                for (style, expected) in baseline.styles(round) {
                    let run = Runs { case, style, mode };
                    if let Some(came) = run.once(&server, &mut faults) {
                        run.check(expected, &came, &mut faults);
                        placements.note(mode, case, &came, &mut faults);
                        placements.count(index, &run, &came, &mut faults);
                    }
                }
            }
        }
    }
    placements.check(&mut faults);
    faults.report();
}

/// What the bare app answers.
struct Baseline {
    fresh: Transcript,
    reused: Option<Transcript>,
}

impl Baseline {
    /// What to run in a round: a fresh connection each time, a reused one in the first two rounds and
    /// where the connection survives the script.
    fn styles(&self, round: usize) -> impl Iterator<Item = (Style, &Transcript)> {
        let reused = self.reused.iter().filter(move |_| round < 2);
        std::iter::once((Style::Fresh, &self.fresh))
            .chain(reused.map(|transcript| (Style::Reused, transcript)))
    }
}

/// Asks the bare app twice: a case that differs from itself would prove nothing.
fn baseline(case: &Case, bare: &TestServer, faults: &mut Faults) -> Baseline {
    let twice = |style, faults: &mut Faults| {
        let run = Runs {
            case,
            style,
            mode: Mode::Bare,
        };
        let first = run.once(bare, faults).unwrap_or_default();
        for _ in 1..Mode::Bare.rounds() {
            if let Some(again) = run.once(bare, faults) {
                run.check(&first, &again, faults);
            }
        }
        first
    };
    let fresh = twice(Style::Fresh, faults);
    let shown = fresh.to_string();
    for text in &case.sanity {
        if !shown.contains(text) {
            faults.add(format!(
                "{}: the bare app's answer has no {text:?}:\n{shown}",
                case.name
            ));
        }
    }
    let reused = fresh.stayed_open.then(|| twice(Style::Reused, faults));
    Baseline { fresh, reused }
}

/// One way to run one case.
struct Runs<'a> {
    case: &'a Case,
    style: Style,
    mode: Mode,
}

impl Runs<'_> {
    fn once(&self, server: &TestServer, faults: &mut Faults) -> Option<Transcript> {
        run(self.case, self.style, server.addr())
            .map_err(|err| faults.add(format!("{self}: {err}")))
            .ok()
    }

    fn check(&self, expected: &Transcript, came: &Transcript, faults: &mut Faults) {
        if expected != came {
            faults.add(format!("{self}:\n{}", difference(expected, came)));
        }
    }
}

impl fmt::Display for Runs<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, style, mode } = self;
        write!(f, "{} ({mode:?}, {style:?})", case.name)
    }
}

/// The first line that differs, with what is around it on both sides.
fn difference(expected: &Transcript, came: &Transcript) -> String {
    let (expected_text, came_text) = (expected.to_string(), came.to_string());
    let (left, right): (Vec<_>, Vec<_>) =
        (expected_text.lines().collect(), came_text.lines().collect());
    let same = left.iter().zip(&right).take_while(|(a, b)| a == b).count();
    let mut text = String::new();
    if same == left.len() && same == right.len() {
        text.push_str("  the bodies differ behind what is shown\n");
    }
    for line in &left[same.saturating_sub(4)..same] {
        let _written = writeln!(text, "    {line}");
    }
    for (sign, lines) in [("- ", &left), ("+ ", &right)] {
        for line in lines.iter().skip(same).take(6) {
            let _written = writeln!(text, "  {sign}{line}");
        }
    }
    text
}

/// Where requests ran, which shows that the modes are what they say.
#[derive(Default)]
struct Placements {
    learned_loop: usize,
    learned_lane: usize,
    /// By case, how many answers of a fresh run came from the app and not from the server itself.
    from_app: BTreeMap<usize, usize>,
}

impl Placements {
    fn note(&mut self, mode: Mode, case: &Case, came: &Transcript, faults: &mut Faults) {
        for placed in &came.placed {
            let wrong = match (mode, placed) {
                (Mode::Learned, Placed::Loop) => {
                    self.learned_loop += 1;
                    false
                }
                (Mode::Learned, Placed::Lane) => {
                    self.learned_lane += 1;
                    false
                }
                (Mode::AlwaysLoop, Placed::Lane) | (Mode::AlwaysLaneUntimed, _) => true,
                (Mode::AlwaysLane, Placed::Loop) => true,
                _ => false,
            };
            if wrong {
                faults.add(format!("{} ({mode:?}): ran on {placed:?}", case.name));
            }
        }
    }

    /// Whatever is answered by the app on the loop must be answered by the app on a lane.
    fn count(&mut self, index: usize, run: &Runs<'_>, came: &Transcript, faults: &mut Faults) {
        match (run.mode, run.style) {
            (Mode::AlwaysLoop, Style::Fresh) => {
                self.from_app.insert(index, came.placed.len());
            }
            (Mode::AlwaysLane, Style::Fresh) => {
                let (placed, expected) = (came.placed.len(), self.from_app.get(&index));
                if expected.is_some_and(|&expected| placed < expected) {
                    faults.add(format!(
                        "{run}: {placed} placed requests instead of {expected:?}"
                    ));
                }
            }
            _ => {}
        }
    }

    fn check(&self, faults: &mut Faults) {
        if self.learned_loop == 0 || self.learned_lane == 0 {
            faults.add(format!(
                "learned placement was not exercised on both sides: {} on the loop, {} on a lane",
                self.learned_loop, self.learned_lane,
            ));
        }
    }
}

/// What went wrong so far.
#[derive(Default)]
struct Faults(Vec<String>);

impl Faults {
    fn add(&mut self, fault: String) {
        self.0.push(fault);
        if self.0.len() >= ENOUGH {
            self.report();
        }
    }

    fn report(&self) {
        assert!(self.0.is_empty(), "\n\n{}\n", self.0.join("\n\n"));
    }
}
