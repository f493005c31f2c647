//! What the plugin does not keep, by nature: one table, each entry asserted, so that it stays true.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use actix_rt::Arbiter;
use actix_web::{
    App, Error, HttpRequest, HttpResponse, HttpServer,
    body::{MessageBody, SizedStream},
    dev::{Payload, ServiceFactory, ServiceRequest, ServiceResponse},
    web::{self, Bytes},
};
use futures_util::{StreamExt, stream};
use offload_tests::server::TestServer;

use super::{
    case::Case,
    modes::Mode,
    request::Request,
    run::{PROBE, Style, run},
    transcript::{Event, Transcript},
};

/// Something that an app may notice, and why.
struct Difference {
    what: &'static str,
    because: &'static str,
    shown_by: fn(),
}

const TABLE: &[Difference] = &[
    Difference {
        what: "a handler that panics is answered by a 500, where the bare app cuts the connection",
        because: "the panic has to be contained on a lane, and a lost reply helps nobody",
        shown_by: a_panic_is_a_500,
    },
    Difference {
        what: "on a lane there is no `conn_data`",
        because: "what `on_connect` leaves is `!Send` and belongs to the connection's event loop",
        shown_by: conn_data_stays_behind,
    },
    Difference {
        what: "the factory runs once more on each lane thread that is used",
        because: "each lane thread needs an instance of its own, as each event loop does",
        shown_by: the_factory_runs_more_often,
    },
    Difference {
        what: "on a lane there is no current `Arbiter`",
        because: "a lane thread is no arbiter; `rt::spawn` and `System::current` work",
        shown_by: no_arbiter,
    },
    Difference {
        what: "on a lane a request body is `Payload::Stream`, not `Payload::H1` or `Payload::H2`",
        because: "it comes through a channel; extractors do not look at the variant",
        shown_by: payloads_are_streams,
    },
    Difference {
        what: "a request behind `Connection: close` in one send may hide the `connection: close`",
        because: "actix lets the last request that it has decoded decide, and decodes on while a \
                  handler awaits; an answer from a lane is mostly awaited",
        shown_by: pipelined_behind_close,
    },
    Difference {
        what: "a request behind `HEAD` in one send may make actix send the body of the first",
        because: "as above: so it is without the plugin for each handler that awaits",
        shown_by: pipelined_behind_head,
    },
    Difference {
        what: "of a body that is shorter than it promised more may arrive before the cut",
        because: "pieces that come one by one are sent one by one, where the bare app fails before \
                  its first write",
        shown_by: a_broken_promise_is_cut,
    },
    Difference {
        what: "a handler that answers an upload with broken chunks may not be heard",
        because: "actix cuts the connection in the very poll in which it sees the fault, and only \
                  a handler that answers in that poll is heard",
        shown_by: broken_chunks_cut_the_connection,
    },
];

#[test]
fn known_differences_are_as_described() {
    for Difference {
        what,
        because,
        shown_by,
    } in TABLE
    {
        // Captured, and shown if the assertion fails.
        println!("{what}, because {because}");
        shown_by();
    }
}

fn app() -> App<
    impl ServiceFactory<
        ServiceRequest,
        Config = (),
        Response = ServiceResponse<impl MessageBody>,
        Error = Error,
        InitError = (),
    >,
> {
    App::new()
        .route(PROBE, web::get().to(HttpResponse::Ok))
        .route("/panics", web::get().to(panics))
        .route("/panics-late", web::get().to(panics_late))
        .route("/conn-data", web::get().to(conn_data))
        .route("/arbiter", web::get().to(arbiter))
        .route("/payload", web::post().to(payload))
        .route("/word/{word}", web::to(word))
        .route("/too-short", web::get().to(too_short))
        .route("/upload", web::post().to(upload))
}

async fn panics() -> &'static str {
    std::panic::resume_unwind(Box::new("a handler panics"))
}

async fn panics_late() -> &'static str {
    tokio::task::yield_now().await;
    std::panic::resume_unwind(Box::new("a handler panics late"))
}

async fn conn_data(request: HttpRequest) -> String {
    format!("{:?}", request.conn_data::<Connected>())
}

async fn arbiter() -> String {
    Arbiter::try_current().is_some().to_string()
}

async fn payload(payload: web::Payload) -> &'static str {
    match payload.into_inner() {
        Payload::None => "none",
        Payload::H1 { .. } => "h1",
        Payload::H2 { .. } => "h2",
        Payload::Stream { .. } => "stream",
    }
}

async fn word(word: web::Path<String>) -> String {
    word.into_inner()
}

async fn too_short() -> HttpResponse {
    let pieces = ["one", "two"].map(|piece| Ok::<_, Error>(Bytes::from(piece)));
    HttpResponse::Ok().body(SizedStream::new(100, stream::iter(pieces)))
}

async fn upload(mut payload: web::Payload) -> &'static str {
    while let Some(Ok(_)) = payload.next().await {}
    "heard"
}

/// What `on_connect` leaves for handlers.
#[derive(Debug)]
struct Connected;

fn ask(case: &Case, server: &TestServer) -> Transcript {
    run(case, Style::Fresh, server.addr()).expect("no hang")
}

/// The rendered answers of `case` in each mode, the bare app's first.
fn in_modes(case: &Case, modes: &[Mode]) -> (String, Vec<String>) {
    let answer = |mode: &Mode| ask(case, &mode.serve(app)).to_string();
    (answer(&Mode::Bare), modes.iter().map(answer).collect())
}

const ON_LANES: &[Mode] = &[Mode::AlwaysLane, Mode::AlwaysLaneUntimed];

fn a_panic_is_a_500() {
    for path in ["/panics", "/panics-late"] {
        let case = Case::get(path);
        let bare = ask(&case, &Mode::Bare.serve(app));
        assert_eq!(bare.events, [Event::End], "{path}");
        let off = ask(&case, &Mode::Off.serve(app));
        assert_eq!(off.events, bare.events, "{path}: switched off it is bare");
        let at_work = |mode: &Mode| *mode != Mode::Off;
        for mode in Mode::WITH_PLUGIN.into_iter().filter(at_work) {
            let server = mode.serve(app);
            for _ in 0..3 {
                let came = ask(&case, &server);
                let text = came.to_string();
                assert!(
                    text.starts_with("HTTP/1.1 500 "),
                    "{path} ({mode:?}):\n{text}"
                );
                assert!(
                    came.stayed_open,
                    "{path} ({mode:?}): the connection lives on"
                );
            }
        }
    }
}

fn conn_data_stays_behind() {
    let case = Case::get("/conn-data");
    let serve = |mode: Mode| {
        fn connected(_: &dyn std::any::Any, data: &mut actix_web::dev::Extensions) {
            data.insert(Connected);
        }
        let server = TestServer::builder();
        match mode.offload() {
            None => server.start_with(app, |server: HttpServer<_, _, _, _>| {
                server.on_connect(connected)
            }),
            Some(offload) => {
                server.start_with(offload.app(app), |server| server.on_connect(connected))
            }
        }
    };
    for mode in [Mode::Bare, Mode::AlwaysLoop] {
        let text = ask(&case, &serve(mode)).to_string();
        assert!(text.contains("| Some(Connected)"), "{mode:?}:\n{text}");
    }
    for &mode in ON_LANES {
        let text = ask(&case, &serve(mode)).to_string();
        assert!(text.contains("| None"), "{mode:?}:\n{text}");
    }
}

fn the_factory_runs_more_often() {
    let runs = |mode: Mode| {
        let count = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&count);
        let server = mode.serve(move || {
            counted.fetch_add(1, Ordering::Relaxed);
            app()
        });
        ask(&Case::get("/word/a"), &server);
        count.load(Ordering::Relaxed)
    };
    assert_eq!(runs(Mode::Bare), 1);
    assert!(runs(Mode::AlwaysLane) > 1);
}

fn no_arbiter() {
    let (bare, lanes) = in_modes(&Case::get("/arbiter"), ON_LANES);
    assert!(bare.contains("| true"), "{bare}");
    for lane in lanes {
        assert!(lane.contains("| false"), "{lane}");
    }
}

fn payloads_are_streams() {
    let case = Case::of(Request::post("/payload").body("body"));
    let (bare, lanes) = in_modes(&case, ON_LANES);
    assert!(bare.contains("| h1"), "{bare}");
    for lane in lanes {
        assert!(lane.contains("| stream"), "{lane}");
    }
}

/// Two requests in one send, of which the first is answered first in any case.
fn pipelined(first: &Request) -> Case {
    let second = Request::get("/word/second").header("Connection", "keep-alive");
    Case::new("two in one send")
        .send([first.bytes(), second.bytes()].concat())
        .response()
        .leave()
}

/// Whether any of many runs gives `sign`: a lane may also be so quick that its answer is there in the
/// first poll, and then all is as without the plugin.
fn on_a_lane_sometimes(case: &Case, sign: fn(&str) -> bool) -> bool {
    let server = Mode::AlwaysLane.serve(app);
    (0..200).any(|_| sign(&ask(case, &server).to_string()))
}

fn pipelined_behind_close() {
    let case = pipelined(&Request::get("/word/first").header("Connection", "close"));
    let hidden = |text: &str| text.contains("| first") && !text.contains("connection: close");
    let bare = ask(&case, &Mode::Bare.serve(app)).to_string();
    assert!(!hidden(&bare), "{bare}");
    assert!(on_a_lane_sometimes(&case, hidden));
}

fn pipelined_behind_head() {
    let case = pipelined(&Request::new("HEAD", "/word/first"));
    // It is read as if it answered a `GET`: what stands behind its head is either the body that must
    // not be there, or the second response.
    let has_body = |text: &str| text.contains("| first");
    let bare = ask(&case, &Mode::Bare.serve(app)).to_string();
    assert!(!has_body(&bare), "{bare}");
    assert!(on_a_lane_sometimes(&case, has_body));
}

fn a_broken_promise_is_cut() {
    let (bare, lanes) = in_modes(&Case::get("/too-short"), ON_LANES);
    assert_eq!(bare, "[end of the connection]\n");
    // How much arrives is a matter of timing, but never all of it.
    for lane in lanes {
        let cut = lane == bare || lane.contains("[cut]");
        assert!(cut, "{lane}");
    }
}

fn broken_chunks_cut_the_connection() {
    let case = Case::new("broken chunks")
        .send(Request::post("/upload").chunks([]).head())
        .send("zz\r\n")
        .response();
    let (bare, lanes) = in_modes(&case, ON_LANES);
    assert!(bare.contains("| heard"), "{bare}");
    for lane in lanes {
        let known = lane == bare || lane == "[end of the connection]\n";
        assert!(known, "{lane}");
    }
}
