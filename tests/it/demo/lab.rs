//! The experiment page is there, keeps to itself, and knows what server it experiments with.

use actix_web::App;
use demo_app::{Demo, cli::Mode};
use offload_tests::server::TestServer;
use serde_json::json;

use super::{Running, in_both_modes, text};

const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      img-src 'self' data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const PARTS: [(&str, &str); 7] = [
    ("/lab", "text/html; charset=utf-8"),
    ("/lab/lab.css", "text/css; charset=utf-8"),
    ("/lab/lab.js", "text/javascript; charset=utf-8"),
    ("/lab/jobs.js", "text/javascript; charset=utf-8"),
    ("/lab/plot.js", "text/javascript; charset=utf-8"),
    ("/lab/pings.js", "text/javascript; charset=utf-8"),
    ("/lab/setup", "application/json"),
];

#[test]
fn every_part_is_sent_with_the_strict_headers_and_answers_head_too() {
    in_both_modes(|demo| {
        for (target, content_type) in PARTS {
            let whole = demo.get(target);
            let head = demo
                .client()
                .ask("HEAD", target, &[], b"")
                .expect("an answer");
            assert!(!whole.body.is_empty(), "{demo} {target}");
            assert!(head.body.is_empty(), "{demo} {target}");
            for answer in [&whole, &head] {
                assert_eq!(answer.status(), 200, "{demo} {target}");
                for (name, value) in [
                    ("content-type", content_type),
                    ("content-security-policy", POLICY),
                    ("x-content-type-options", "nosniff"),
                    ("referrer-policy", "no-referrer"),
                    ("cache-control", "no-store"),
                ] {
                    assert_eq!(answer.header(name), Some(value), "{demo} {target} {name}");
                }
            }
        }
    });
}

#[test]
fn the_page_asks_only_for_parts_that_are_there() {
    in_both_modes(|demo| {
        let page = text(&demo.get("/lab"));
        let parts = page.split("\"/lab/").skip(1);
        let names = parts.map(|rest| rest.split('"').next().unwrap_or_default());
        let mut met = 0;
        for name in names {
            met += 1;
            let target = format!("/lab/{name}");
            assert!(
                PARTS.iter().any(|(known, _)| *known == target),
                "{demo} {target}"
            );
        }
        assert!(met >= 2, "{demo}: a style and a script at least");
    });
}

#[test]
fn no_part_is_ever_moved() {
    let demo = Running::start(Mode::Auto);
    for (target, _) in PARTS {
        for _ in 0..2 {
            let answer = demo.get(target);
            let timing = answer.header("server-timing").unwrap_or_default();
            assert!(
                timing.starts_with("place;desc=\"loop\""),
                "{target}: {timing}"
            );
        }
    }
}

#[test]
fn the_page_knows_what_server_it_experiments_with() {
    for (mode, offload, lane_threads) in [(Mode::Auto, "auto", 2), (Mode::Off, "off", 0)] {
        let demo = Running::start(mode);
        // Lanes have instances of the app, too, which are no event loops.
        demo.get("/burn?ms=2");
        assert_eq!(
            demo.get_json("/lab/setup"),
            json!({
                "offload": offload,
                "event_loops": 1,
                "lane_threads": lane_threads,
                "optimised": !cfg!(debug_assertions),
            })
        );
    }
}

#[test]
fn the_page_counts_all_event_loops() {
    let demo = Demo::off();
    let app = move || App::new().configure(|cfg| demo.routes(cfg));
    let server = TestServer::builder().workers(3).start(app);
    let running = Running {
        mode: Mode::Off,
        offload: None,
        server,
    };
    assert_eq!(running.get_json("/lab/setup")["event_loops"], 3);
}
