//! Keeps panics on purpose out of the output: with backtraces on, a thousand of them take the whole machine for seconds.

use std::{panic, sync::Once};

/// What panics on purpose start with.
pub(super) const ON_PURPOSE: &str = "on purpose";

/// From now on, panics whose message starts with [`ON_PURPOSE`] are not printed.
pub(super) fn quiet() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let print = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            let message = info.payload_as_str().unwrap_or_default();
            if !message.starts_with(ON_PURPOSE) {
                print(info);
            }
        }));
    });
}
