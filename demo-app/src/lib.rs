//! An actix-web application with light and CPU-heavy routes, to see what `actix-offload` does for it.
//!
//! Its heavy handlers are written the way people write them: synchronous work inside an `async fn`.
//! None of them knows of the plugin. The same [`App`](actix_web::App) runs bare or inside
//! `Offload::app`:
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

mod app;
pub mod cli;
mod errors;
mod fields;
mod handlers;
mod hex;
mod lab;
mod metrics;
pub mod monit;
pub mod server;

pub use crate::app::Demo;
