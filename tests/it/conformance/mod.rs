//! Byte for byte: an app answers the same under `offload.app` as it does bare.
//!
//! One app full of awkward handlers ([`app`]) is served bare, with every request on its event loop,
//! with every request on a lane, and with learned placement. Each [`case::Case`] sends the same bytes
//! over real sockets to all of them, and what comes back must be the same, but for what
//! [`transcript`] masks. What cannot be kept stands in [`known_differences`], with the reason, and is
//! asserted too.

mod app;
mod case;
mod compare;
mod known_differences;
mod modes;
mod request;
mod run;
mod themes;
mod transcript;
