//! An application with light and CPU-heavy routes, on actix-web and on axum, to see what `actix-offload` and `tower-offload` do for it.
//!
//! Its heavy handlers are written the way people write them: synchronous work inside an `async fn`.
//! None of them knows of the plugin or the layer. What they compute is in `work`, which knows no framework, so that both servers give
//! the same answers. On actix the same [`App`](actix_web::App) runs bare or inside `Offload::app`:
//!
//! ```no_run
//! use actix_web::{App, HttpServer};
//! use demo_app::Demo;
//!
//! # async fn serve() -> Result<(), Box<dyn std::error::Error>> {
//! let offload = actix_offload::Offload::new()?;
//! let demo = Demo::auto(offload.clone());
//! HttpServer::new(offload.app(move || App::new().configure(|cfg| demo.routes(cfg))))
//!     .bind(("127.0.0.1", 8080))?
//!     .run()
//!     .await?;
//! # Ok(())
//! # }
//! ```
#![forbid(unsafe_code)]

pub mod cli;
mod errors;
mod fields;
mod hex;
mod lab;
mod metrics;
pub mod monit;
mod on_actix;
mod on_axum;
pub mod server;
mod work;

pub use crate::on_actix::app::Demo;
