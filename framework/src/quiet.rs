//! The panic policy: foreign code may panic where it is called and where it is dropped, and no lane thread ends of it.

use std::{
    any::Any,
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
};

/// What a panic carries.
pub(crate) type Payload = Box<dyn Any + Send>;

/// Calls `f` and returns the payload if it panics.
///
/// The unwind-safety assertion is sound policy here because whatever `f` broke is dropped with it or belongs to a caller
/// who is told of the panic.
pub(crate) fn catch<T>(f: impl FnOnce() -> T) -> Result<T, Payload> {
    catch_unwind(AssertUnwindSafe(f))
}

/// The text of a panic, if it has one.
pub(crate) fn message(payload: &(dyn Any + Send)) -> Option<&str> {
    payload
        .downcast_ref::<&'static str>()
        .copied()
        .or_else(|| payload.downcast_ref::<String>().map(String::as_str))
}

/// Says that `what` panicked where nobody waits for the payload, and drops the payload.
pub(crate) fn report(what: &'static str, payload: Payload) {
    tracing::error!(
        target: "offload",
        panic = message(&*payload).unwrap_or("(not a string)"),
        "{what} panicked"
    );
    dispose(payload);
}

/// Drops a payload whose own destructor may panic as well.
fn dispose(payload: Payload) {
    if let Err(second) = catch(|| drop(payload)) {
        #[expect(
            clippy::mem_forget,
            reason = "a payload whose destructor panicked with a further payload could go on for ever"
        )]
        std::mem::forget(second);
    }
}

/// Owns foreign data and drops it without ever unwinding.
///
/// async-task aborts the process when a future or an output panics in its destructor, so everything that goes into it
/// is wrapped in this.
pub(crate) struct Quiet<T>(Option<T>);

impl<T> Quiet<T> {
    pub(crate) fn new(inner: T) -> Self {
        Self(Some(inner))
    }

    pub(crate) fn take(&mut self) -> Option<T> {
        self.0.take()
    }
}

impl<T> Drop for Quiet<T> {
    fn drop(&mut self) {
        let inner = self.0.take();
        if let Err(payload) = catch(|| drop(inner)) {
            report("a destructor", payload);
        }
    }
}

impl<T> fmt::Debug for Quiet<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Quiet").finish_non_exhaustive()
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    struct Bomb;
    impl Drop for Bomb {
        fn drop(&mut self) {
            std::panic::panic_any(Self);
        }
    }

    #[test]
    fn a_panic_in_a_destructor_stays_inside() {
        let mut emptied = Quiet::new(5);
        assert_eq!(emptied.take(), Some(5));
        assert_eq!(emptied.take(), None);

        let dropped = catch(|| drop(Quiet::new(Bomb)));
        assert!(dropped.is_ok(), "the payload itself is a bomb, too");
    }

    #[test]
    fn messages_of_both_string_kinds_are_found() {
        let text = |payload: &Payload| message(&**payload).map(str::to_owned);
        let fixed = catch(|| panic!("fixed")).unwrap_err();
        let made = catch(|| panic!("made {}", 1)).unwrap_err();
        let other = catch(|| std::panic::panic_any(7_u8)).unwrap_err();
        assert_eq!(text(&fixed).as_deref(), Some("fixed"));
        assert_eq!(text(&made).as_deref(), Some("made 1"));
        assert_eq!(text(&other), None);
    }
}
