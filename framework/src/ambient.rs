//! What surrounds the code on this thread now, so that an `#[offload]` body finds its lane without an argument.

use std::{cell::Cell, fmt, rc::Rc};

use crate::lanes::Lanes;

/// What surrounds the code that runs on this thread now, such as one request inside the plugin.
pub trait Host {
    /// The lanes on which an `#[offload]` body under this host runs; `None` once they are gone.
    fn lanes(&self) -> Option<Lanes>;

    /// An `#[offload]` body was started under this host.
    fn offload_met(&self);
}

thread_local! {
    static CURRENT: Cell<Option<Rc<dyn Host>>> = const { Cell::new(None) };
}

/// Makes `host` the current one on this thread until the guard is dropped; then the previous one is current again.
///
/// It costs a swap of a thread-local pointer, so it may be done around each poll.
///
/// # Examples
///
/// ```
/// use offload_core::{Lanes, ambient};
/// use std::{cell::Cell, rc::Rc};
///
/// struct Counting { lanes: Lanes, met: Cell<u32> }
/// impl ambient::Host for Counting {
///     fn lanes(&self) -> Option<Lanes> { Some(self.lanes.clone()) }
///     fn offload_met(&self) { self.met.set(self.met.get() + 1); }
/// }
///
/// let host = Rc::new(Counting { lanes: Lanes::builder().threads(1).build()?, met: Cell::new(0) });
/// {
///     let _entered = ambient::enter(host.clone());
///     ambient::current().expect("just entered").offload_met();
/// }
/// assert!(ambient::current().is_none());
/// assert_eq!(host.met.get(), 1);
/// # Ok::<(), offload_core::BuildError>(())
/// ```
#[inline]
pub fn enter(host: Rc<dyn Host>) -> Entered {
    Entered {
        previous: CURRENT.replace(Some(host)),
    }
}

/// The host that is current on this thread.
#[must_use]
pub fn current() -> Option<Rc<dyn Host>> {
    // The value is out of its cell only for the time of this clone, which calls no foreign code.
    let host = CURRENT.try_with(Cell::take).ok()??;
    CURRENT.set(Some(Rc::clone(&host)));
    Some(host)
}

/// Keeps a host current; see [`enter`].
#[must_use = "the host is current only as long as the guard lives"]
pub struct Entered {
    previous: Option<Rc<dyn Host>>,
}

impl Drop for Entered {
    #[inline]
    fn drop(&mut self) {
        // A thread that is being torn down has no current host to restore.
        let left = CURRENT.try_with(|current| current.replace(self.previous.take()));
        // Dropped only now, so that a host's destructor sees the restored state.
        drop(left);
    }
}

impl fmt::Debug for Entered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Entered").finish_non_exhaustive()
    }
}
