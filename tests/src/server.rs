//! Runs any app factory as a real server for the length of a test.

use std::{fmt, net::SocketAddr, sync::mpsc, thread, time::Duration};

use actix_http::Request;
use actix_service::IntoServiceFactory;
use actix_web::{
    Error, HttpServer,
    body::MessageBody,
    dev::{AppConfig, Response, ServerHandle, Service, ServiceFactory},
};

/// How long [`TestServer::start`] waits for the server to listen.
const START_DEADLINE: Duration = Duration::from_secs(30);

/// What a server speaks on its socket.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1 only, as `HttpServer::bind` gives it.
    #[default]
    Http1,
    /// HTTP/1, or HTTP/2 for clients that begin with its preface (`bind_auto_h2c`).
    AutoH2c,
}

/// Settings of a [`TestServer`].
#[derive(Clone, Debug)]
#[must_use = "a builder does nothing until `start` is called"]
pub struct TestServerBuilder {
    workers: usize,
    protocol: Protocol,
}

/// A server on a free port of the loopback address, in a thread and an actix system of its own.
///
/// Dropping it stops it and waits for its threads. Connections that are still open are cut after
/// five seconds.
///
/// # Examples
///
/// ```
/// use actix_web::{App, web};
/// use offload_tests::{connection::Connection, server::TestServer};
///
/// let app = || App::new().route("/", web::get().to(|| async { "hello" }));
/// let server = TestServer::start(app);
/// let mut connection = Connection::open(server.addr())?;
/// connection.send(b"GET / HTTP/1.1\r\nHost: test\r\n\r\n")?;
/// assert_eq!(connection.read_response()?.body, b"hello");
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct TestServer {
    addr: SocketAddr,
    handle: ServerHandle,
    thread: Option<thread::JoinHandle<()>>,
}

impl TestServer {
    /// Serves `factory` over HTTP/1 with one worker.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    pub fn start<F, I, S, B>(factory: F) -> Self
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
    {
        Self::builder().start(factory)
    }

    /// Settings: one worker and HTTP/1 unless said otherwise.
    pub fn builder() -> TestServerBuilder {
        TestServerBuilder {
            workers: 1,
            protocol: Protocol::Http1,
        }
    }

    /// The address that it listens on.
    pub fn addr(&self) -> SocketAddr {
        self.addr
    }
}

impl TestServerBuilder {
    /// The number of event loops.
    pub fn workers(mut self, workers: usize) -> Self {
        self.workers = workers;
        self
    }

    /// What the server speaks.
    pub fn protocol(mut self, protocol: Protocol) -> Self {
        self.protocol = protocol;
        self
    }

    /// Serves `factory`.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    pub fn start<F, I, S, B>(self, factory: F) -> TestServer
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
    {
        self.start_with(factory, |server| server)
    }

    /// Serves `factory` by a server that `customize` has changed before it starts to listen.
    ///
    /// # Panics
    ///
    /// Panics if the server does not start.
    pub fn start_with<F, I, S, B, C>(self, factory: F, customize: C) -> TestServer
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
        C: FnOnce(HttpServer<F, I, S, B>) -> HttpServer<F, I, S, B> + Send + 'static,
    {
        let (started, start) = mpsc::channel();
        let thread = thread::Builder::new()
            .name("test-server".to_owned())
            .spawn(move || {
                actix_web::rt::System::new().block_on(async move {
                    let server = HttpServer::new(factory)
                        .workers(self.workers)
                        .disable_signals()
                        // Or else small writes wait 40 ms for a client's delayed acknowledgement.
                        .tcp_nodelay(true)
                        .shutdown_timeout(5);
                    let server = customize(server);
                    let server = match self.protocol {
                        Protocol::Http1 => server.bind(("127.0.0.1", 0)),
                        Protocol::AutoH2c => server.bind_auto_h2c(("127.0.0.1", 0)),
                    };
                    let server = server.expect("a free port");
                    let addr = server.addrs()[0];
                    let running = server.run();
                    if started.send((addr, running.handle())).is_ok() {
                        running.await.expect("the server ends well");
                    }
                });
            })
            .expect("a thread for the server");
        let (addr, handle) = start
            .recv_timeout(START_DEADLINE)
            .expect("the server starts");
        TestServer {
            addr,
            handle,
            thread: Some(thread),
        }
    }
}

impl Drop for TestServer {
    fn drop(&mut self) {
        // The command is on its way once `stop` returns; the thread's end is what is waited for.
        drop(self.handle.stop(true));
        let ended = self.thread.take().map(thread::JoinHandle::join);
        // A second panic while a failed test unwinds would hide the first.
        if !thread::panicking()
            && let Some(Err(panic)) = ended
        {
            std::panic::resume_unwind(panic);
        }
    }
}

impl fmt::Debug for TestServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TestServer")
            .field("addr", &self.addr)
            .finish_non_exhaustive()
    }
}
