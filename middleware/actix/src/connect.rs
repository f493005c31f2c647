//! `offload.on_connect()`: lets clients that have reset their connection be noticed where actix does not look.

use std::any::Any;

use actix_http::Extensions;
use offload_http::mode::Mode;

use crate::{Offload, loop_side::lifeline::Lifeline};

impl Offload {
    /// What `HttpServer::on_connect` takes, so that clients that have reset their connection are always
    /// noticed. Call it before `bind`.
    ///
    /// actix ends the requests of a client that it sees leave. With its default settings it takes the
    /// mere end of what a client sends for a client that still waits for its answer, as HTTP/1 allows,
    /// and does not look at the connection from then on. Nor does it see a reset that comes right behind
    /// a request, or while unread data waits. With this, a reset takes a request that runs on a lane or
    /// waits for one with it in all of these cases, while a client that has only closed its sending half
    /// still gets its answer.
    ///
    /// A client that closes its connection in the ordinary way looks exactly like one that still waits.
    /// If no client of yours closes its sending half early, `HttpServer::h1_allow_half_closed(false)`
    /// makes actix take it for gone.
    ///
    /// It costs a second descriptor for each connection, which is closed together with the first one
    /// or with the last `HttpRequest` of the connection. It works on Linux and Android, for TCP without
    /// TLS; otherwise it does nothing.
    ///
    /// # Examples
    ///
    /// ```no_run
    /// # use actix_offload::Offload;
    /// # use actix_web::{App, HttpServer, web};
    /// # fn serve(offload: Offload) -> std::io::Result<()> {
    /// let app = || App::new().route("/", web::get().to(|| async { "hello" }));
    /// HttpServer::new(offload.app(app))
    ///     .on_connect(offload.on_connect())
    ///     .bind(("127.0.0.1", 0))?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// An app that has a callback of its own calls both:
    ///
    /// ```no_run
    /// # use actix_offload::Offload;
    /// # use actix_web::{App, HttpServer, web};
    /// # fn serve(offload: Offload) -> std::io::Result<()> {
    /// # let app = || App::new().route("/", web::get().to(|| async { "hello" }));
    /// let notice = offload.on_connect();
    /// HttpServer::new(offload.app(app))
    ///     .on_connect(move |stream, data| {
    ///         notice(stream, data);
    ///         data.insert(std::time::Instant::now());
    ///     })
    ///     .bind(("127.0.0.1", 0))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn on_connect(
        &self,
    ) -> impl Fn(&dyn Any, &mut Extensions) + Send + Sync + Clone + 'static + use<> {
        let bare = self.core.plugin.mode() == Mode::Off;
        move |stream, data| {
            if !bare {
                Lifeline::attach(stream, data);
            }
        }
    }
}
