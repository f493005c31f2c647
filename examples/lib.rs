//! One file for each way to use the plugin, to copy whole. They are beside this one, and `tests/run.rs` asks each something.
//!
//! | example | shows |
//! | --- | --- |
//! | `actix_minimal` | the least that an actix-web app needs |
//! | `actix_settings` | what can be set there, and an end that loses no request |
//! | `actix_metrics` | what is measured, for Prometheus |
//! | `axum_minimal` | the least that an axum app needs |
//! | `axum_settings` | what can be set there |
//! | `tonic` | gRPC: refusals, panics and deadlines as statuses |
//! | `hyper_by_hand` | the layer around a bare service of hyper |
//! | `smol` | axum on smol, with nothing of tokio's runtime |
//! | `offload_attribute` | one function that computes on a lane from wherever it is called |
//! | `pins_and_profile` | what you know of routes and say, and what is learned and kept in a file |
//! | `opentelemetry` | traces of an app whose requests move |
//! | `migrate_from_web_block` | from `web::block` to the plugin |
//! | `migrate_from_spawn_blocking` | from `spawn_blocking` to the layer |
//! | `third_adapter` | an adapter of one's own, made of `offload-http` and the core's `BodySize` |
//!
//! ```sh
//! cargo run --release -p offload-examples --example axum_minimal -- 127.0.0.1:8080
//! ```
