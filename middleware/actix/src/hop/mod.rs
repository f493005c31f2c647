//! Carries a request to a lane and its response back: what crosses threads, and nothing that decides.
//!
//! A request's head moves by value. What its body brought along, and could bring along within the room for that, goes with it;
//! the rest is pulled through a bounded channel, and only once the handler asked for it. A
//! response whose body is complete comes back as a whole; a streaming body follows batch by batch
//! through a bounded channel, which is its back-pressure. Either moves a bounded amount before the event loop looks after its other
//! connections.

pub(crate) mod body;
pub(crate) mod payload;
pub(crate) mod read_ahead;
pub(crate) mod reply;
pub(crate) mod stream;
pub(crate) mod turn;
