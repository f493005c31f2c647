//! What only waits holds no place that a computation needs: any number of handlers that sleep is answered.

use std::time::Duration;

use actix_offload::Offload;
use actix_web::{App, rt::time::sleep, web};
use offload_tests::{connection::Connection, server::TestServer};

/// More than may wait in a queue.
const SLEEPERS: usize = 1_200;

#[test]
fn a_cold_start_of_handlers_that_sleep_refuses_none() {
    let offload = Offload::builder().threads(2).build().expect("starts");
    let app = || {
        let sleeps = || async {
            sleep(Duration::from_secs(2)).await;
            "slept"
        };
        App::new().route("/sleep/{any}", web::get().to(sleeps))
    };
    let server = TestServer::start(offload.app(app));
    let open = |_| Connection::open(server.addr()).expect("connects");
    let mut connections: Vec<_> = (0..SLEEPERS).map(open).collect();
    for (number, connection) in connections.iter_mut().enumerate() {
        let request = format!("GET /sleep/{number} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.send(request.as_bytes()).expect("sends");
    }
    let mut refused = 0;
    for connection in &mut connections {
        match connection.read_response().expect("answers").status() {
            200 => {}
            _ => refused += 1,
        }
    }
    let stats = offload.lanes().stats();
    assert_eq!(refused, 0, "{stats:?}");
}
