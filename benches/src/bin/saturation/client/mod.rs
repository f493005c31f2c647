//! The clients: paced flows whose latencies are exact, floods with thousands outstanding, closed loops, and what a client does that means harm.

mod answer;
pub(crate) mod closed;
pub(crate) mod connection;
mod exchange;
pub(crate) mod flood;
pub(crate) mod manual;
pub(crate) mod paced;
pub(crate) mod record;
pub(crate) mod records;
pub(crate) mod request;
pub(crate) mod streams;
