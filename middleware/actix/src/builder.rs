//! The settings, which the shared half documents and checks, for actix.

/// Builds an [`Offload`](crate::Offload).
///
/// # Examples
///
/// ```
/// use actix_offload::{Offload, Placement, Rank, Serving, StallWatch};
/// use std::time::Duration;
/// use tracing::{field::Empty, info_span};
///
/// let watch = StallWatch::builder()
///     .threshold(Duration::from_millis(100))
///     .on_stall(|stall| eprintln!("{stall}"));
/// let offload = Offload::builder()
///     .lanes(|lanes| lanes.threads(2))
///     .budget(Duration::from_micros(200))
///     .pin("GET", "/health", Placement::Loop)
///     .serve("POST", "/login", Serving::new().rank(Rank::High))
///     .serve("GET", "/report/{id}", Serving::new().patience(Duration::from_secs(5)))
///     .deadline_header("x-request-timeout-ms")
///     .stall_watch(watch)
///     .request_span(|head| {
///         let id = head.headers.get("x-request-id").and_then(|id| id.to_str().ok());
///         info_span!("request", id, http.response.status_code = Empty)
///     })
///     .build()?;
/// assert_eq!(offload.lanes().threads(), 2);
/// # Ok::<(), actix_offload::BuildError>(())
/// ```
///
/// Bare or with the plugin, decided when the program starts:
///
/// ```
/// # use actix_offload::{Mode, Offload};
/// # use actix_web::{App, HttpServer, web};
/// # fn serve() -> Result<(), Box<dyn std::error::Error>> {
/// let bare = std::env::args().any(|argument| argument == "--bare");
/// let mode = if bare { Mode::Off } else { Mode::Auto };
/// let offload = Offload::builder().mode(mode).build()?;
/// let app = || App::new().route("/", web::get().to(|| async { "hello" }));
/// HttpServer::new(offload.app(app)).bind(("127.0.0.1", 0))?;
/// # Ok(())
/// # }
/// # serve().unwrap();
/// ```
pub type OffloadBuilder = offload_http::OffloadBuilder<Actix>;

/// The adapter for actix-web, which an [`OffloadBuilder`] builds for.
#[derive(Debug)]
pub enum Actix {}
