//! Log lines of a handler say which request they belong to, wherever it runs.

use actix_offload::{Mode, Offload};
use actix_web::{App, rt::task::yield_now, web};
use offload_tests::{client::Client, server::TestServer};
use tracing::{info, info_span};

use crate::telemetry::{self, Trace, line_with};

#[test]
fn lines_of_a_handler_on_a_lane_have_the_requests_span() {
    telemetry::install();
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(1))
        .mode(Mode::Lane)
        .request_span(|head| info_span!("mine", url.path = head.uri.path()))
        .build()
        .expect("starts");
    let server = TestServer::start(offload.app(|| {
        let works = || async {
            info!("line at once");
            yield_now().await;
            info!("line after a wait");
            "done"
        };
        App::new().route("/lines", web::get().to(works))
    }));
    Client::new(server.addr()).get("/lines").expect("answers");
    Trace::to("/lines");
    for text in ["line at once", "line after a wait"] {
        let line = line_with(text);
        let context = line.split("spans::lines:").next().unwrap_or_default();
        assert!(
            context.contains(r#"mine{url.path="/lines"}:run{"#),
            "{line}"
        );
        assert!(context.contains(r#"thread="offload-short-"#), "{line}");
    }
}
