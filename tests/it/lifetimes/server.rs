//! A server whose end can be looked at from where its future is awaited.

use std::{fmt, io, net::SocketAddr, thread, time::Duration};

use actix_http::Request;
use actix_offload::{Mode, Offload, OffloadBuilder, Priority};
use actix_service::IntoServiceFactory;
use actix_web::{
    Error, HttpServer,
    body::MessageBody,
    dev::{AppConfig, Response, ServerHandle, Service, ServiceFactory},
    http::StatusCode,
    rt::System,
    test::TestRequest,
};
use offload_tests::{connection::Connection, response::RawResponse};

/// How a server is asked to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stop {
    Graceful,
    Forced,
}

/// Lanes that get cores also on a machine that is busy with other things, and refuse nobody there.
pub(super) fn patient(threads: usize) -> OffloadBuilder {
    const LONG: Duration = Duration::from_secs(600);
    Offload::builder().lanes(|lanes| {
        lanes
            .threads(threads)
            .spare_threads(0)
            .priorities(Priority::Normal, Priority::Normal)
            .patience(LONG..=LONG)
    })
}

/// Such lanes for all requests.
pub(super) fn lanes_only(threads: usize) -> OffloadBuilder {
    patient(threads).mode(Mode::Lane)
}

/// Serves `factory` on two addresses with so many event loops, has `visit` talk to it, stops it once that is done, and says what
/// `look` sees at the moment at which the server's future has ended. What `visit` gives lives until then.
pub(super) fn at_the_end<F, I, S, B, V, T>(
    factory: F,
    how: (usize, Stop),
    visit: impl FnOnce([SocketAddr; 2]) -> V + Send + 'static,
    look: impl FnOnce() -> T,
) -> T
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
    V: Send + 'static,
{
    System::new().block_on(until_the_end(factory, how, visit, look))
}

/// As [`at_the_end`], on the runtime that is there.
pub(super) async fn until_the_end<F, I, S, B, V, T>(
    factory: F,
    (workers, stop): (usize, Stop),
    visit: impl FnOnce([SocketAddr; 2]) -> V + Send + 'static,
    look: impl FnOnce() -> T,
) -> T
where
    F: Fn() -> I + Send + Clone + 'static,
    I: IntoServiceFactory<S, Request> + 'static,
    S: ServiceFactory<Request, Config = AppConfig> + 'static,
    S::Error: Into<Error> + 'static,
    S::InitError: fmt::Debug,
    S::Response: Into<Response<B>> + 'static,
    <S::Service as Service<Request>>::Future: 'static,
    S::Service: 'static,
    B: MessageBody + 'static,
    V: Send + 'static,
{
    let server = HttpServer::new(factory)
        .workers(workers)
        .disable_signals()
        .shutdown_timeout(5)
        .bind(("127.0.0.1", 0))
        .and_then(|server| server.bind(("127.0.0.1", 0)))
        .expect("free ports");
    let addrs = [server.addrs()[0], server.addrs()[1]];
    let server = server.run();
    let stops = Stops(server.handle(), stop);
    let visitor = thread::spawn(move || {
        let _stops = stops;
        visit(addrs)
    });
    server.await.expect("the server ends well");
    let seen = look();
    let _visited = visitor.join().expect("no panic");
    seen
}

/// Stops its server when it is dropped, also by a test that fails.
struct Stops(ServerHandle, Stop);

impl Drop for Stops {
    fn drop(&mut self) {
        // The command is on its way once `stop` returns.
        drop(self.0.stop(self.1 == Stop::Graceful));
    }
}

/// Begins a request.
pub(super) fn send(addr: SocketAddr, path: &str) -> Connection {
    let mut connection = Connection::open(addr).expect("connects");
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\n\r\n");
    connection.send(request.as_bytes()).expect("sends");
    connection
}

/// Makes a request on a connection of its own, at whose end the server may be stopped without a wait for connections.
pub(super) fn try_get(addr: SocketAddr, path: &str) -> io::Result<RawResponse> {
    let mut connection = Connection::open(addr)?;
    let request = format!("GET {path} HTTP/1.1\r\nHost: test\r\nConnection: close\r\n\r\n");
    connection.send(request.as_bytes())?;
    let response = connection.read_response()?;
    connection.read_to_end()?;
    Ok(response)
}

/// As [`try_get`], where it has to go well.
pub(super) fn get(addr: SocketAddr, path: &str) -> RawResponse {
    try_get(addr, path).expect("answers")
}

/// One service of an app, as on one event loop, for the calling thread.
pub(super) async fn service<A>(app: A) -> A::Service
where
    A: ServiceFactory<Request, Config = AppConfig>,
    A::InitError: fmt::Debug,
{
    let made = app.new_service(AppConfig::default()).await;
    made.expect("starts")
}

/// Makes a request of a service.
pub(super) async fn call<A, B>(service: &A) -> StatusCode
where
    A: Service<Request, Response = Response<B>>,
    A::Error: fmt::Debug,
{
    let request = TestRequest::default().to_request();
    service.call(request).await.expect("answers").status()
}
