//! Why there is no backtrace.

/// Why no backtrace of a thread could be taken.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Unavailable {
    /// The program, or a library of it, handles the signal itself.
    #[error("the signal SIGURG is in use by the program")]
    SignalTaken,
    /// The thread has ended.
    #[error("the thread has ended")]
    Gone,
    /// The thread blocks the signal, or got no core, or is where the kernel cannot interrupt it.
    #[error("the thread did not answer in time")]
    NoAnswer,
    /// The thread runs on a stack of which nothing is known: on one for signals, or a coroutine's.
    #[error("the thread was not on its own stack")]
    OtherStack,
    /// A thread that was asked before has still not finished answering.
    #[error("an earlier request is still being answered")]
    Busy,
    /// Reading the stack panicked, which is said in the log.
    #[error("the stack could not be read")]
    Unreadable,
    /// This platform has no backtraces of other threads.
    #[error("backtraces of other threads are not available here")]
    NotHere,
    /// The system refused.
    #[error("the system refused")]
    System(#[source] std::io::Error),
}
