//! Wherever an app panics, its threads live on, its client hears of it, and the report and the log name the route.

mod app;
mod quiet;

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
};

use actix_offload::{Mode, Offload};
use actix_web::{App, web};
use offload_tests::{
    client::Client,
    connection::Connection,
    response::{Completeness, RawResponse},
    server::TestServer,
};

use self::{
    app::Panicking,
    quiet::{ON_PURPOSE, quiet},
};
use crate::gate::wait_until;

fn status(response: &RawResponse) -> String {
    let line = String::from_utf8_lossy(&response.status_line).into_owned();
    line.split(' ').nth(1).expect("a status").to_owned()
}

/// Runs `check` on the lanes and on the event loop.
fn everywhere(lane: &'static str, on_loop: &'static str, check: impl Fn(&Panicking)) {
    check(&Panicking::start(Mode::Lane, lane));
    check(&Panicking::start(Mode::Loop, on_loop));
}

#[test]
fn a_panic_before_the_answer_is_a_500() {
    everywhere("/lane-before", "/loop-before", |app| {
        for path in ["/handler", "/at-once", "/later", "/value", "/extension"] {
            for count in 1..=2 {
                assert_eq!(status(&app.ask(path)), "500", "{}{path}", app.scope);
                app.has_counted(path, count);
            }
        }
    });
}

#[test]
fn a_stream_that_panics_is_cut() {
    everywhere("/lane-stream", "/loop-stream", |app| {
        for count in 1..=2 {
            let response = app.ask("/stream");
            assert_eq!(status(&response), "200");
            assert_eq!(response.completeness, Completeness::Cut);
            // Whether what it gave before is still sent is actix's choice.
            assert!(b"half".starts_with(&response.body), "{response:?}");
            app.has_counted("/stream", count);
        }
    });
}

#[test]
fn a_body_that_panics_when_it_is_dropped_was_sent() {
    everywhere("/lane-body", "/loop-body", |app| {
        for count in 1..=2 {
            let response = app.ask("/body");
            assert_eq!(status(&response), "200");
            assert_eq!(response.completeness, Completeness::Complete);
            assert_eq!(response.body, b"body");
            app.has_counted("/body", count);
        }
    });
}

#[test]
fn a_handler_that_panics_when_its_client_leaves_is_counted() {
    everywhere("/lane-left", "/loop-left", |app| {
        for count in 1..=2 {
            let mut client = Connection::open(app.server.addr()).expect("connects");
            let request = format!("GET {}/waits HTTP/1.1\r\nHost: test\r\n\r\n", app.scope);
            client.send(request.as_bytes()).expect("sends");
            wait_until("the handler waits", || {
                app.waiting.load(Ordering::SeqCst) == count as usize
            });
            drop(client);
            app.has_counted("/waits", count);
        }
    });
}

/// Counts its drops, and panics in those on lane threads.
struct CountedBomb(Arc<AtomicUsize>);

impl Drop for CountedBomb {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
        if thread::current()
            .name()
            .is_some_and(|name| name.starts_with("offload-"))
        {
            panic!("{ON_PURPOSE}: a bomb was dropped");
        }
    }
}

#[test]
fn apps_that_panic_at_their_end_end_all_the_same() {
    quiet();
    let builder = Offload::builder()
        .lanes(|lanes| lanes.threads(2))
        .mode(Mode::Lane);
    let offload = builder.build().expect("starts");
    let (built, dropped) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
    let start = || {
        let (built, dropped) = (built.clone(), dropped.clone());
        TestServer::start(offload.app(move || {
            built.fetch_add(1, Ordering::SeqCst);
            App::new()
                .app_data(web::Data::new(CountedBomb(dropped.clone())))
                .route("/", web::get().to(|| async { "built" }))
        }))
    };
    // Several instances on each thread, so that several panic when it ends.
    let servers = [start(), start(), start()];
    for server in &servers {
        for _ in 0..8 {
            let answer = Client::new(server.addr()).get("/").expect("answers");
            assert_eq!(answer.body, b"built");
        }
    }
    drop(servers);
    drop(offload);
    wait_until("all instances are dropped", || {
        dropped.load(Ordering::SeqCst) == built.load(Ordering::SeqCst)
    });
}

#[test]
fn a_thousand_panics_cost_no_thread() {
    const CONNECTIONS: usize = 4;
    const EACH: usize = 250;
    everywhere("/lane-thousand", "/loop-thousand", |app| {
        thread::scope(|scope| {
            for _ in 0..CONNECTIONS {
                scope.spawn(|| {
                    let mut connection = Connection::open(app.server.addr()).expect("connects");
                    let request =
                        format!("GET {}/handler HTTP/1.1\r\nHost: test\r\n\r\n", app.scope);
                    for _ in 0..EACH {
                        connection.send(request.as_bytes()).expect("sends");
                        let response = connection.read_response().expect("answers");
                        assert_eq!(status(&response), "500");
                    }
                });
            }
        });
        app.has_counted("/handler", (CONNECTIONS * EACH) as u64);
        // A thread that dies is replaced by one with another identity, if at all.
        let most = match app.scope {
            "/loop-thousand" => 1,
            _ => app
                .offload
                .report()
                .lanes
                .iter()
                .map(|lane| lane.threads)
                .sum(),
        };
        assert!(app.threads.count() <= most, "{}", app.threads.count());
    });
}
