//! The clients: paced flows whose latencies are exact, floods with thousands outstanding, and closed loops.

mod answer;
pub(crate) mod closed;
pub(crate) mod connection;
mod exchange;
pub(crate) mod flood;
pub(crate) mod paced;
pub(crate) mod record;
pub(crate) mod records;
pub(crate) mod request;
