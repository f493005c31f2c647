//! Requests that begin on a worker and go on on a lane, in their handler or in their body, say the same as those that stay.

use std::time::Instant;

use offload_tests::connection::DEADLINE;
use tower_offload::{Mode, Placement};

use crate::{
    compare::difference,
    script::{self, Step},
    server::{Runtime, Server},
};

const ROUTE: &str = "/turns/{handler}/{piece}";

fn ask(handler: u32, piece: u32, server: &Server) -> Vec<u8> {
    let request = format!("GET /turns/{handler}/{piece} HTTP/1.1\r\nHost: test\r\n\r\n");
    let once = [Step::Send(request.into()), Step::Answer(Default::default())];
    script::run(&once, server).unwrap()
}

#[test]
fn what_moves_midway_answers_as_the_bare_app() {
    for runtime in [Runtime::TwoWorkers, Runtime::OneThread] {
        let expected = ask(0, 0, &Server::start(None, runtime));
        for (handler, piece) in [(2, 0), (0, 2), (2, 2)] {
            let server = Server::start(Some(Mode::Auto), runtime);
            let since = Instant::now();
            let check = |handler, piece| {
                let came = ask(handler, piece, &server);
                let shown = || difference(&expected, &came);
                assert!(
                    came == expected,
                    "{handler} {piece} ({runtime:?}):\n{}",
                    shown()
                );
                assert!(since.elapsed() < DEADLINE, "{:#?}", server.route(ROUTE));
            };
            loop {
                while server
                    .route(ROUTE)
                    .is_none_or(|route| route.placement == Placement::Lane)
                {
                    check(0, 0);
                }
                let before = server.route(ROUTE).unwrap();
                check(handler, piece);
                let after = server.route(ROUTE).unwrap();
                // The machine may have hidden from the layer how dear it was.
                if after.loop_runs > before.loop_runs && after.lane_runs > before.lane_runs {
                    break;
                }
            }
        }
    }
}
