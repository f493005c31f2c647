//! Byte for byte: an axum app answers the same with the layer as without it.
//!
//! One [`app`] full of awkward handlers is [served](server) bare and in every mode, and is asked the same [`cases`] over real sockets.
//! All bytes that come back have to be those of the bare app, but for the time in `date`. What cannot be kept stands in
//! [`known_differences`].

mod app;
mod cases;
mod compare;
mod exchange;
mod http2;
mod known_differences;
mod midway;
mod script;
mod server;
