//! A flood of what nobody has met has a share of the lanes, and no more: what is known is served beside it.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use actix_offload::Offload;
use actix_web::{App, HttpResponse, web};
use offload_tests::{client::Client, connection::Connection, server::TestServer};

use super::{HEAVY, burn, sturdy};
use crate::gate::wait_until;

const FLOOD: usize = 24;
const SPARES: usize = 3;

/// Tells the endless requests to end, also when an assertion fails, because the server's end waits for them.
#[derive(Default)]
struct End(Arc<AtomicBool>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.store(true, SeqCst);
    }
}

/// An app with the heavy route `/known`, and with others that compute until they are told to end.
fn app(offload: &Offload, end: &End) -> TestServer {
    let over = Arc::clone(&end.0);
    TestServer::start(offload.app(move || {
        let over = Arc::clone(&over);
        let endless = move || {
            while !over.load(SeqCst) {
                std::hint::spin_loop();
            }
            async { HttpResponse::Ok().finish() }
        };
        let known = || async {
            burn(HEAVY);
            "known"
        };
        App::new()
            .route("/known", web::get().to(known))
            .route("/endless/{any}", web::to(endless))
    }))
}

/// A flood of requests, with a method of its own for each if they are to be so many routes.
fn flood(server: &TestServer, method: impl Fn(usize) -> String) -> Vec<Connection> {
    let send = |number| {
        let mut connection = Connection::open(server.addr()).expect("connects");
        let method = method(number);
        let request = format!("{method} /endless/{number} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.send(request.as_bytes()).expect("sends");
        connection
    };
    (0..FLOOD).map(send).collect()
}

fn what_is_known_is_served_beside_a_flood(method: impl Fn(usize) -> String) {
    let builder = sturdy().lanes(|lanes| lanes.threads(1).spare_threads(SPARES));
    let offload = builder.build().expect("starts");
    let told = End::default();
    let server = app(&offload, &told);
    // Dropped before the server.
    let end = told;
    let client = Client::new(server.addr());
    let known = || client.get("/known").expect("answers").status();
    for _ in 0..8 {
        assert_eq!(known(), 200);
    }
    let flood = flood(&server, method);
    wait_until("it has what it can get", || {
        // How many are at a time in the long lane depends on what other programs leave of the cores.
        let lanes = offload.lanes();
        lanes.short().running > 0 && lanes.long().running > 0 && lanes.short().queued == 0
    });
    let answered = (0..30).filter(|_| known() == 200).count();
    drop(end);
    assert_eq!(answered, 30);
    for mut connection in flood {
        let status = connection.read_response().expect("answers").status();
        assert!([200, 503].contains(&status), "{status}");
    }
}

#[test]
fn what_is_known_is_served_beside_a_flood_of_one_unknown_route() {
    what_is_known_is_served_beside_a_flood(|_| "GET".to_owned());
}

#[test]
fn what_is_known_is_served_beside_a_flood_of_made_up_routes() {
    what_is_known_is_served_beside_a_flood(|number| format!("MADE{number}"));
}
