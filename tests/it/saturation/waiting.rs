//! What only waits holds no place that a computation needs: any number of handlers that wait is answered.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use actix_offload::Offload;
use actix_web::{App, web};
use offload_tests::{connection::Connection, server::TestServer};
use tokio::sync::Semaphore;

use crate::gate::wait_until;

/// More than may wait in a queue.
const WAITERS: usize = 1_200;

#[test]
fn a_cold_start_of_handlers_that_wait_refuses_none() {
    let offload = Offload::builder()
        .lanes(|lanes| lanes.threads(2))
        .build()
        .expect("starts");
    // Nobody goes on until all have begun, so none makes room for another by its end.
    let (begun, over) = (Arc::<AtomicUsize>::default(), Arc::new(Semaphore::new(0)));
    let (begins, waits) = (Arc::clone(&begun), Arc::clone(&over));
    let app = move || {
        let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
        let handler = move || {
            let (begins, waits) = (Arc::clone(&begins), Arc::clone(&waits));
            async move {
                begins.fetch_add(1, SeqCst);
                let _over = waits.acquire().await;
                "waited"
            }
        };
        App::new().route("/wait/{any}", web::get().to(handler))
    };
    let server = TestServer::start(offload.app(app));
    let open = |_| Connection::open(server.addr()).expect("connects");
    let mut connections: Vec<_> = (0..WAITERS).map(open).collect();
    for (number, connection) in connections.iter_mut().enumerate() {
        let request = format!("GET /wait/{number} HTTP/1.1\r\nHost: test\r\n\r\n");
        connection.send(request.as_bytes()).expect("sends");
    }
    wait_until("all have begun or were refused", || {
        begun.load(SeqCst) + offload.lanes().stats().refused as usize >= WAITERS
    });
    over.close();
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
