//! Nothing is learned yet and everything is heavy: a light route is never refused and finds its way to the event loop.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::Duration,
};

use actix_offload::{Offload, Placement};
use actix_web::{App, web};
use offload_tests::{client::Client, connection::Connection, server::TestServer};

use super::{BUDGET, burn};
use crate::gate::wait_until;

/// More than run at a time, and more than there are spare threads.
const FLOODS: usize = 12;

#[test]
fn a_light_route_is_answered_from_its_first_request_on() {
    let builder = Offload::builder().threads(1).budget(BUDGET);
    let offload = builder.build().expect("starts");
    let app = offload.app(|| {
        let app = App::new().route("/light", web::get().to(|| async { "light" }));
        (0..FLOODS).fold(app, |app, flood| {
            let heavy = || async {
                burn(Duration::from_millis(60));
                "heavy"
            };
            app.route(&format!("/heavy-{flood}/{{any}}"), web::get().to(heavy))
        })
    });
    let server = TestServer::start(app);
    let (server, enough) = (&server, &AtomicBool::new(false));
    thread::scope(|scope| {
        for flood in 0..FLOODS {
            scope.spawn(move || {
                let mut connection = Connection::open(server.addr()).expect("connects");
                for request in 0.. {
                    if enough.load(Ordering::Relaxed) {
                        return;
                    }
                    // Each is a new kind, of which the last one says nothing.
                    let request =
                        format!("GET /heavy-{flood}/{request} HTTP/1.1\r\nHost: test\r\n\r\n");
                    connection.send(request.as_bytes()).expect("sends");
                    let response = connection.read_response().expect("answers");
                    assert!([200, 503].contains(&response.status()), "{response:?}");
                }
            });
        }
        let _enough = SetOnDrop(enough);
        // The lanes have all that they can hold before the first light request comes.
        wait_until("the lanes are flooded", || offload.lanes().queued() > 0);
        let on_loop = || {
            let routes = offload.report().routes;
            let light = routes.into_iter().find(|route| route.pattern == "/light");
            light.is_some_and(|route| route.placement == Placement::Loop)
        };
        let client = Client::new(server.addr());
        wait_until("the light route is on its loop", || {
            let response = client.get("/light").expect("answers");
            assert_eq!(response.status(), 200, "{response:?}");
            assert_eq!(response.body, b"light");
            on_loop()
        });
        for _ in 0..50 {
            assert_eq!(client.get("/light").expect("answers").status(), 200);
        }
    });
    let routes = offload.report().routes;
    let light = routes.iter().find(|route| route.pattern == "/light");
    assert_eq!(light.expect("it is known").refused, 0);
    let heavy = |route: &&actix_offload::RouteReport| route.pattern.starts_with("/heavy-");
    for route in routes.iter().filter(heavy) {
        assert_eq!((route.placement, route.loop_runs), (Placement::Lane, 0));
    }
}

/// Ends the floods also when an assertion fails, because their scope waits for them.
struct SetOnDrop<'a>(&'a AtomicBool);

impl Drop for SetOnDrop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}
