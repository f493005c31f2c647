//! With the callback, what actix does not see is seen as well.

use super::*;

#[test]
fn a_reset_behind_an_end_is_noticed() {
    let app = Gated::start(Protocol::Http1, Callback::With, HalfClosed::Allowed);
    let held = app.hold();
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let client = client(app.addr(), &get("/job"));
            client.shutdown(Shutdown::Write).expect("a socket");
            client
        })
        .collect();
    app.wait_for_queued(CLIENTS);
    clients.into_iter().for_each(reset);
    app.wait_for_queued(0);
    assert_eq!(app.finish(held), 0);
}

#[test]
fn a_reset_right_behind_a_request_is_noticed() {
    let app = Gated::start(Protocol::Http1, Callback::With, HalfClosed::Allowed);
    let held = app.hold();
    for _ in 0..200 {
        reset(client(app.addr(), &get("/job")));
    }
    // A server takes its connections in their order, so all of those were seen when this one is.
    let witness = client(app.addr(), &get("/job"));
    app.wait_for_queued(1);
    drop(witness);
    assert_eq!(app.finish(held), 1);
}

#[test]
fn a_reset_is_noticed_while_actix_reads_nothing() {
    let body = b"POST /job HTTP/1.1\r\nHost: test\r\nContent-Length: 100000000\r\n\r\n";
    let piece = [b'x'; 64 << 10];
    for (first, more) in [
        (get("/job"), get("/job").repeat(1_000)),
        (body.to_vec(), piece.to_vec()),
    ] {
        let app = Gated::start(Protocol::Http1, Callback::With, HalfClosed::Allowed);
        let held = app.hold();
        let mut client = client(app.addr(), &first);
        app.wait_for_queued(1);
        // More than actix takes, until the kernel takes no more either.
        client.set_nonblocking(true).expect("a socket");
        while client.write(&more).is_ok() {}
        reset(client);
        app.wait_for_queued(0);
        assert_eq!(app.finish(held), 0);
    }
}

#[test]
fn a_reset_stops_a_handler_that_waits() {
    let app = Gated::start(Protocol::Http1, Callback::With, HalfClosed::Allowed);
    let waiting = |count| {
        wait_until(&format!("{count} handlers wait"), || {
            app.waiting.load(Ordering::SeqCst) == count
        });
    };
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let client = client(app.addr(), &get("/wait"));
            client.shutdown(Shutdown::Write).expect("a socket");
            client
        })
        .collect();
    waiting(CLIENTS);
    clients.into_iter().for_each(reset);
    waiting(0);
}

#[test]
fn a_connection_goes_on_being_watched() {
    let app = Gated::start(Protocol::Http1, Callback::With, HalfClosed::Allowed);
    let mut connection = Connection::open(app.addr()).expect("connects");
    for _ in 0..100 {
        connection.send(&get("/job")).expect("sends");
        assert_eq!(connection.read_response().expect("answers").body, b"done");
    }
    // A connection that the server ends is ended for its client, second descriptor or not.
    let last = b"GET /job HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n";
    connection.send(last).expect("sends");
    assert_eq!(connection.read_response().expect("answers").body, b"done");
    assert_eq!(connection.read_to_end().expect("no time-out"), b"");
    assert_eq!(app.begun.load(Ordering::SeqCst), 101);
}
