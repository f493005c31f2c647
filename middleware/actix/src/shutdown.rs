//! The end of a server: what is under way on the lanes is finished or refused, and nothing is lost.

use std::{
    any::Any,
    fmt,
    future::Future,
    io,
    pin::{Pin, pin},
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};

use actix_web::dev::Server;
use futures_util::future::{Either, select};
use tokio::{
    sync::watch,
    time::{Instant, timeout_at},
};

use crate::Offload;

/// Before the end of the grace so much is left for telling those who still wait that they are refused: a tenth of the
/// grace, at most this.
const LONGEST_MARGIN: Duration = Duration::from_millis(500);

/// Signals within so long are one: nobody can have seen by then that the first one does not do, and wish for more.
const ASKED_ONCE: Duration = Duration::from_millis(500);

/// How far the end has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// There is none in sight.
    Open,
    /// What is under way is finished until then.
    Draining { until: Instant },
    /// Whoever still waits is refused.
    Refusing,
}

/// Counts the requests that wait for a lane or run there, and tells them when it is time to give up.
pub(crate) struct Underway {
    phase: watch::Sender<Phase>,
    count: watch::Sender<usize>,
    ended: AtomicU64,
    refused: AtomicU64,
}

impl Default for Underway {
    fn default() -> Self {
        Self {
            phase: watch::Sender::new(Phase::Open),
            count: watch::Sender::new(0),
            ended: AtomicU64::new(0),
            refused: AtomicU64::new(0),
        }
    }
}

impl Underway {
    /// Counts a request for as long as the pass lives, which keeps the request's `service`.
    pub(crate) fn enter(self: &Arc<Self>, service: Rc<dyn Any>) -> Pass {
        self.count.send_modify(|count| *count += 1);
        Pass {
            underway: Arc::clone(self),
            refusal: None,
            _service: service,
        }
    }

    /// How long a request may still take, if the end is in sight.
    pub(crate) fn time_left(&self) -> Option<Duration> {
        match *self.phase.borrow() {
            Phase::Open => None,
            Phase::Draining { until } => Some(until.saturating_duration_since(Instant::now())),
            Phase::Refusing => Some(Duration::ZERO),
        }
    }

    /// Whether the end is in sight.
    pub(crate) fn is_ending(&self) -> bool {
        *self.phase.borrow() != Phase::Open
    }

    /// Ready once the end is in sight.
    #[cfg(feature = "live")]
    pub(crate) fn ending(&self) -> impl Future<Output = ()> + use<> {
        let mut phase = self.phase.subscribe();
        async move {
            // An error means that the plugin is gone, which is an end, too.
            let _ = phase.wait_for(|phase| *phase != Phase::Open).await;
        }
    }

    fn refusing(&self) -> impl Future<Output = ()> + use<> {
        let mut phase = self.phase.subscribe();
        async move {
            // An error means that the plugin is gone, and then nobody waits for this any more.
            let _ = phase.wait_for(|phase| *phase == Phase::Refusing).await;
        }
    }

    async fn at_rest(&self) {
        // It can't fail while `self` holds the sender.
        let _ = self.count.subscribe().wait_for(|count| *count == 0).await;
    }
}

/// One request that is under way.
pub(crate) struct Pass {
    underway: Arc<Underway>,
    /// Made when the request first has to wait.
    refusal: Option<Pin<Box<dyn Future<Output = ()>>>>,
    // Dropped last: it may be the app's end, which is not to be held up by this request.
    _service: Rc<dyn Any>,
}

impl Pass {
    /// Ready once whoever still waits is refused.
    pub(crate) fn poll_refused(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        let underway = &self.underway;
        let refusal = self
            .refusal
            .get_or_insert_with(|| Box::pin(underway.refusing()));
        refusal.as_mut().poll(cx)
    }

    /// The request was refused, because there is no time left for it.
    pub(crate) fn refused(&self) {
        self.underway.refused.fetch_add(1, Ordering::Relaxed);
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.underway.ended.fetch_add(1, Ordering::Relaxed);
        self.underway.count.send_modify(|count| *count -= 1);
    }
}

/// What became of the requests that were under way when [`Offload::shutdown`] was called, or came after that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Drained {
    /// Requests on the lanes that ended in their own way: answered, or left by their client.
    pub ended: u64,
    /// Requests that were refused because there was no time left for them.
    pub refused: u64,
    /// Requests of which neither is true, because their response was still being sent at the end of the grace.
    pub left: usize,
}

impl fmt::Display for Drained {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            ended,
            refused,
            left,
        } = self;
        write!(f, "{ended} ended, {refused} refused, {left} left")
    }
}

/// How a server came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ended {
    /// By itself, or by its own handle.
    Stopped,
    /// By a signal, after what was under way.
    Drained(Drained),
    /// By a later signal, without waiting for anything.
    Forced,
}

impl Offload {
    /// Comes to an end: finishes what is under way on the lanes within `grace`, and refuses what cannot be.
    ///
    /// Requests that wait for a lane are begun in their order, those that run go on, streams are sent to their end. New
    /// requests on connections that are still open are served if there is time for them, otherwise answered 503 with
    /// `Connection: close`. Shortly before the end of the grace (a tenth of it, at most 500 ms) everything that has not
    /// answered yet gets that 503; handlers among them stop at their next await, and
    /// [`is_cancelled`](crate::is_cancelled) tells those that compute.
    ///
    /// The future ends as soon as nothing is under way, or at the end of the grace. It needs a tokio runtime with a timer,
    /// as every actix server has. Light requests run on their event loops and are the server's business, and so is to
    /// accept no more connections: see [`run_until_signal`](Self::run_until_signal), which does both. After it the lanes
    /// take no more requests, for good, if it had to refuse any.
    ///
    /// # Cancel safety
    ///
    /// If it is dropped, requests are finished in the same way, but nobody is refused at the end.
    ///
    /// # Examples
    ///
    /// ```
    /// # use std::time::Duration;
    /// # let offload = actix_offload::Offload::builder().lanes(|lanes| lanes.threads(1)).build()?;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let drained = offload.shutdown(Duration::from_secs(10)).await;
    /// assert_eq!(drained.left, 0);
    /// # });
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn shutdown(&self, grace: Duration) -> Drained {
        let underway = &self.core.underway;
        let until = Instant::now() + grace;
        let margin = (grace / 10).min(LONGEST_MARGIN);
        let before = underway.ended.load(Ordering::Relaxed);
        underway.phase.send_replace(Phase::Draining { until });
        if timeout_at(until - margin, underway.at_rest())
            .await
            .is_err()
        {
            self.core.lanes.refuse_all();
            // Before those that run are told to end: nothing shall be begun in their place only to be cut.
            self.core.lanes.remove_all();
            underway.phase.send_replace(Phase::Refusing);
            // Those whose response is being sent may still come to its end.
            let _ = timeout_at(until, underway.at_rest()).await;
        }
        let refused = underway.refused.load(Ordering::Relaxed);
        let ended = underway.ended.load(Ordering::Relaxed) - before;
        Drained {
            ended: ended.saturating_sub(refused),
            refused,
            left: *underway.count.borrow(),
        }
    }

    /// Runs `server` until it ends, or until SIGINT or SIGTERM asks it to.
    ///
    /// On the first signal the server accepts no more connections, and what is under way is finished or refused within
    /// `grace` as [`shutdown`](Self::shutdown) says. A signal more than half a second later ends at once. Either way the future is
    /// ready then, and the process may end. Earlier ones are the same wish: a supervisor may send its signal to a process and to
    /// its group, as `timeout` does, or two kinds of it.
    ///
    /// The server must leave the signals to this, `HttpServer::disable_signals`, and must not cut connections earlier:
    /// give `HttpServer::shutdown_timeout` at least as many seconds as `grace`. actix closes idle HTTP/1 connections when its
    /// graceful stop begins, but it does not tell HTTP/2 connections of it: they keep the stop from ending until their clients
    /// close them or no longer answer pings. This waits for them no longer than `grace`.
    ///
    /// Where there are no such signals, it is ctrl-c.
    ///
    /// # Errors
    ///
    /// What the server failed with, or why signals cannot be received.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use actix_offload::Offload;
    /// # use actix_web::{App, HttpServer, web};
    /// # use std::time::Duration;
    /// #[actix_web::main]
    /// async fn main() -> Result<(), Box<dyn std::error::Error>> {
    ///     let offload = Offload::new()?;
    ///     let app = || App::new().route("/", web::get().to(|| async { "hello" }));
    ///     let server = HttpServer::new(offload.app(app))
    ///         .workers(offload.workers())
    ///         .disable_signals()
    ///         .shutdown_timeout(10)
    ///         .bind(("127.0.0.1", 8080))?
    ///         .run();
    ///     offload.run_until_signal(server, Duration::from_secs(10)).await?;
    ///     Ok(())
    /// }
    /// ```
    pub async fn run_until_signal(&self, server: Server, grace: Duration) -> io::Result<Ended> {
        let mut signals = Signals::new()?;
        let handle = server.handle();
        let mut server = pin!(server);
        match select(server.as_mut(), pin!(signals.next())).await {
            Either::Left((ended, _)) => return ended.map(|()| Ended::Stopped),
            Either::Right(((), _)) => {}
        }
        let asked = Instant::now();
        tracing::info!(
            target: "offload",
            under_way = *self.core.underway.count.borrow(),
            "asked to stop: no more connections, what is under way is finished",
        );
        let until = asked + grace;
        // It only waits for the server, which is polled below.
        let stopped = handle.stop(true);
        let drain = async {
            let drained = self.shutdown(grace).await;
            // Light requests, and connections of HTTP/2, also when they are idle.
            let _ = timeout_at(until, stopped).await;
            drained
        };
        let drive = async {
            // After its end there is only the drain to wait for.
            let outcome = server.await;
            if let Err(error) = outcome {
                tracing::error!(target: "offload", %error, "the server failed while it stopped");
            }
            std::future::pending::<()>().await
        };
        let again = async {
            signals.next().await;
            while asked.elapsed() < ASKED_ONCE {
                signals.next().await;
            }
        };
        let (drain, drive) = (pin!(drain), pin!(drive));
        let drain = select(drain, drive);
        Ok(match select(drain, pin!(again)).await {
            Either::Left((Either::Left((drained, _)), _)) => Ended::Drained(drained),
            Either::Left((Either::Right(((), _)), _)) => {
                unreachable!("the server's side never ends")
            }
            Either::Right(((), _)) => {
                self.core.hurry.up();
                Ended::Forced
            }
        })
    }
}

/// The signals that ask a process to end.
#[cfg(unix)]
struct Signals {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    fn new() -> io::Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn next(&mut self) {
        let Self {
            interrupt,
            terminate,
        } = self;
        select(pin!(interrupt.recv()), pin!(terminate.recv())).await;
    }
}

/// The signal that asks a process to end.
#[cfg(not(unix))]
struct Signals;

#[cfg(not(unix))]
impl Signals {
    fn new() -> io::Result<Self> {
        Ok(Self)
    }

    async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending().await
        }
    }
}
