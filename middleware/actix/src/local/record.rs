//! What a lane thread says of itself to the stall watch.

use std::{cell::RefCell, sync::Arc};

use offload_core::event_loop::EventLoop;

thread_local! {
    static RECORD: RefCell<Option<Arc<EventLoop>>> = const { RefCell::new(None) };
}

pub(super) fn begin(record: Arc<EventLoop>) {
    RECORD.set(Some(record));
}

/// That of the calling thread, if it is a lane's.
pub(crate) fn record() -> Option<Arc<EventLoop>> {
    RECORD.with_borrow(Option::clone)
}
