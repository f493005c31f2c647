//! Clients that queued requests and vanished: nothing of theirs runs, and the lanes are free for others at once.

use std::{
    io::Write,
    net::{SocketAddr, TcpStream},
};

use actix_offload::{Mode, Offload};
use actix_web::{App, web};
use offload_tests::server::TestServer;

use super::{Begun, Held, all_are_answered, heavy, open, single};
use crate::gate::wait_until;

const CLIENTS: usize = 150;

/// How a client vanishes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    ByReset,
    ByClose,
}

/// Asks and returns before there is an answer.
fn client(addr: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(addr).expect("connects");
    let request = b"GET /gone HTTP/1.1\r\nHost: test\r\n\r\n";
    stream.write_all(request).expect("sends");
    stream
}

fn reset(clients: Vec<TcpStream>) {
    // tokio can say it to the kernel, and the standard library cannot.
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let _entered = runtime.enter();
    for stream in clients {
        stream.set_nonblocking(true).expect("a socket");
        let stream = tokio::net::TcpStream::from_std(stream).expect("a socket");
        stream.set_zero_linger().expect("a socket");
    }
}

fn server(offload: &Offload, begun: &Begun, leaves: Leaves) -> TestServer {
    let begun = begun.clone();
    let app = offload.app(move || {
        App::new()
            .app_data(web::Data::new(begun.clone()))
            .route("/gone", web::get().to(heavy))
            .route("/stays", web::get().to(heavy))
    });
    TestServer::builder().start_with(app, move |server| match leaves {
        Leaves::ByReset => server,
        Leaves::ByClose => server.h1_allow_half_closed(false),
    })
}

#[test]
fn nothing_runs_for_clients_that_vanished() {
    for leaves in [Leaves::ByReset, Leaves::ByClose] {
        let offload = single().mode(Mode::Lane).build().expect("starts");
        let begun = Begun::default();
        let server = server(&offload, &begun, leaves);
        let queued = |count: usize| {
            wait_until(&format!("{count} requests are queued"), || {
                offload.lanes().queued() == count
            });
        };
        let held = Held::all_of(&offload);
        let before = offload.lanes().stats();
        let clients: Vec<_> = (0..CLIENTS).map(|_| client(server.addr())).collect();
        queued(CLIENTS);
        match leaves {
            Leaves::ByReset => reset(clients),
            Leaves::ByClose => drop(clients),
        }
        queued(0);
        // The lanes are still held.
        let stats = offload.lanes().stats();
        assert_eq!(stats.finished, before.finished);
        assert_eq!(stats.cancelled - before.cancelled, CLIENTS as u64);
        assert_eq!(begun.count(), 0);

        let next = open(server.addr(), "/stays", "");
        queued(1);
        drop(held);
        all_are_answered(vec![next]);
        assert_eq!(begun.take(), ["/stays"], "{leaves:?}");
    }
}
