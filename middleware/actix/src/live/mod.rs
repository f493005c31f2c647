//! The live page: what the plugin knows, in a browser, while it happens.
//!
//! It has to stay live while everything is saturated, and must not be what saturates it:
//!
//! 1. **Nothing of it waits for a lane.** Its routes are pinned to the event loops of every app that has it.
//! 2. **No event loop collects or serialises anything.** A task of the plugin's own runtime makes one state for all
//!    viewers, and an event loop hands on its bytes. See [`hub`].
//! 3. **Nobody looks, nothing runs.** The task starts with the first viewer and ends soon after the last. A stream counts
//!    for a limited time, because nobody hears of a client that keeps its connection and does not read. See [`desk`].
//! 4. **Memory is bounded**: so many viewers, one state, so many routes in it. A slow viewer misses states instead of
//!    having them queued.

mod answer;
mod assets;
mod desk;
mod events;
pub(crate) mod hub;
mod state;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    rc::Rc,
    sync::{Arc, Weak},
};

use actix_web::{
    HttpRequest, Resource,
    dev::{AppService, HttpServiceFactory, RequestHead},
    web,
};

use self::answer::{What, answer};
use crate::{Offload, core::Core};

/// All resources of the page, with what they answer.
const RESOURCES: [(&str, What); 7] = [
    ("/_offload", What::Page { below: "_offload/" }),
    ("/_offload/", What::Page { below: "" }),
    ("/_offload/live.css", What::Style),
    ("/_offload/live.js", What::Script),
    ("/_offload/live/{module}", What::Module),
    ("/_offload/state", What::State),
    ("/_offload/events", What::Events),
];

/// The patterns of the page's resources, which run on event loops only.
pub(crate) fn patterns() -> impl Iterator<Item = &'static str> {
    RESOURCES.iter().map(|(pattern, _)| *pattern)
}

/// The live page, to be registered with an app: [`Offload::live`] makes it.
///
/// **It is an internal page.** It names all routes, what they cost, and where in the code a handler was stuck. Unless
/// [`allow`](Self::allow) says otherwise, it answers everybody who reaches it: put access control in front, or serve it
/// on an address of its own.
///
/// | resource | answer |
/// | --- | --- |
/// | `/_offload/` (and `/_offload`) | the page |
/// | `/_offload/live.css`, `/_offload/live.js`, `/_offload/live/…` | what it is made of; nothing comes from elsewhere |
/// | `/_offload/state` | the state as JSON, collected for this request |
/// | `/_offload/events` | server-sent events: the state about twice a second, each as an event `state` |
///
/// A state is the [`Report`](crate::Report), with at most 200 routes, the busiest first; `routes_omitted`, the number of
/// those left out, and `lane_runs_total`, how often all of them together ran on lanes; beside it `seq`, `unix_ms`,
/// `uptime_seconds`, `pid`, `workers` and `budget_us`.
///
/// The plugin has to be around the app, by [`Offload::app`] or by `.wrap(offload.clone())`. Without it nothing is measured:
/// the page has no event loops to show and none of the app's routes.
///
/// At most [`Live::MOST_VIEWERS`] look on at a time, further ones get a 503. A stream of events ends when
/// [`Offload::shutdown`] begins, so that no viewer holds up the end of a server. A server that is stopped in another way
/// waits for a stream for at most 20 seconds, because each one ends then and browsers ask for the next by themselves.
///
/// The exception is a client that does not read. The server asks its stream for nothing until it does, not even whether it
/// is over, and has no limit of its own for that: such a connection is only cut when a server that was asked to stop, in
/// whichever way, has waited for its `shutdown_timeout`. After 25 seconds the stream no longer counts as one that looks
/// on: its place is free for others, and nothing is collected for it.
///
/// Its routes are pinned to the event loops, unless you pinned them yourself. Inside of a scope their patterns are
/// others, which have to be pinned by hand with [`OffloadBuilder::pin`](crate::OffloadBuilder::pin). In an app with
/// `NormalizePath::trim`, open the page as `/_offload`.
///
/// # Examples
///
/// Behind a proxy each peer is the proxy, and a check like this one is none.
///
/// ```no_run
/// use actix_offload::Offload;
/// use actix_web::{App, HttpServer};
///
/// # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let offload = Offload::new()?;
/// let shown = offload.clone();
/// let app = move || {
///     let here_only = |head: &actix_web::dev::RequestHead| {
///         head.peer_addr.is_some_and(|peer| peer.ip().is_loopback())
///     };
///     App::new().service(shown.live().allow(here_only))
/// };
/// HttpServer::new(offload.app(app)).bind(("127.0.0.1", 8080))?.run().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "it does nothing until it is registered with an app"]
pub struct Live {
    shared: Shared,
}

/// Says who may see the page.
type Allow = dyn Fn(&RequestHead) -> bool;

/// What the handlers of one app instance share.
#[derive(Clone)]
struct Shared {
    // An app instance on a lane must not keep the lanes that it lives on.
    core: Weak<Core>,
    allow: Option<Rc<Allow>>,
}

impl Offload {
    /// The live page `/_offload/`, to be registered with an app. Behind the feature `live`.
    ///
    /// See [`Live`] for what it shows and to whom. It shows an app that the plugin is around.
    ///
    /// # Examples
    ///
    /// ```
    /// # let offload = actix_offload::Offload::builder().lanes(|lanes| lanes.threads(1)).build()?;
    /// let shown = offload.clone();
    /// let app = offload.app(move || actix_web::App::new().service(shown.live()));
    /// # let _ = actix_web::HttpServer::new(app);
    /// # Ok::<(), actix_offload::BuildError>(())
    /// ```
    pub fn live(&self) -> Live {
        self.core.live.note_use();
        Live {
            shared: Shared {
                core: Arc::downgrade(&self.core),
                allow: None,
            },
        }
    }
}

impl Live {
    /// How many may look on at a time.
    pub const MOST_VIEWERS: usize = hub::MOST_VIEWERS;

    /// Who may see the page: a request for which `allow` says no is answered by a 403.
    ///
    /// It is asked for each request to any of the page's resources, on an event loop, so it must not block. Default:
    /// everybody. Middleware around the app or a scope does as well.
    pub fn allow(mut self, allow: impl Fn(&RequestHead) -> bool + 'static) -> Self {
        self.shared.allow = Some(Rc::new(allow));
        self
    }
}

impl HttpServiceFactory for Live {
    fn register(self, config: &mut AppService) {
        for (pattern, what) in RESOURCES {
            let shared = self.shared.clone();
            let handler = move |request: HttpRequest| answer(shared.clone(), request, what);
            Resource::new(pattern)
                .route(web::route().to(handler))
                .register(config);
        }
    }
}

impl fmt::Debug for Live {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live")
            .field("restricted", &self.shared.allow.is_some())
            .finish_non_exhaustive()
    }
}
