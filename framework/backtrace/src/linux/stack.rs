//! Where a thread's stack lies, and which part of it may be read by whom.

use std::ops::Range;

/// The most that is copied of a stack, in bytes.
pub(super) const MOST: usize = 64 * 1024;

/// The bytes of a word, which is what is copied at a time.
pub(super) const WORD: usize = size_of::<u64>();

/// Where the stack of one thread lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Bounds {
    /// What `pthread_self` says on that thread: the address of its descriptor, which no two living threads share.
    pub(super) thread: usize,
    /// The lowest address that may be the stack's.
    pub(super) low: usize,
    /// Just above the highest.
    pub(super) high: usize,
}

impl Bounds {
    /// What the calling thread, which is `thread` and whose stack pointer is `sp`, may read of its own stack: whole, aligned
    /// words, innermost first. None if it is another thread by now or on another stack.
    ///
    /// The kernel numbers a new thread like one that ended, and the C library gives it the ended one's stack, perhaps
    /// of another size. With the same descriptor it is the same piece of memory, up to the descriptor itself: so what lies
    /// above that is left out. Nothing of a frame does.
    pub(super) fn readable(self, thread: usize, sp: usize) -> Option<Range<usize>> {
        let Self { low, high, .. } = self;
        if thread != self.thread || sp < low || sp >= high {
            return None;
        }
        let top = if (low..high).contains(&thread) {
            thread
        } else {
            high
        };
        let start = sp & !(WORD - 1);
        let end = top.min(start.saturating_add(MOST)) & !(WORD - 1);
        (start < end).then_some(start..end)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BOUNDS: Bounds = Bounds {
        thread: 0x9_0000,
        low: 0x1_0000,
        high: 0x10_0000,
    };

    #[test]
    fn what_may_be_read_ends_below_the_descriptor_and_at_the_limit() {
        let near = BOUNDS.readable(BOUNDS.thread, 0x8_ff00);
        assert_eq!(near, Some(0x8_ff00..0x9_0000));
        let deep = BOUNDS.readable(BOUNDS.thread, 0x2_0000);
        assert_eq!(deep, Some(0x2_0000..0x2_0000 + MOST));
        let odd = BOUNDS.readable(BOUNDS.thread, 0x8_ff03);
        assert_eq!(odd, Some(0x8_ff00..0x9_0000));
    }

    #[test]
    fn a_descriptor_elsewhere_leaves_the_whole_stack() {
        let main = Bounds {
            thread: 0x55_0000,
            ..BOUNDS
        };
        let all = main.readable(main.thread, 0xf_f000);
        assert_eq!(all, Some(0xf_f000..0x10_0000));
    }

    #[test]
    fn another_thread_or_stack_is_not_read() {
        let thread = BOUNDS.thread;
        assert_eq!(BOUNDS.readable(thread + 64, 0x8_0000), None, "a new thread");
        assert_eq!(BOUNDS.readable(thread, 0xfff8), None, "below");
        assert_eq!(BOUNDS.readable(thread, 0x10_0000), None, "above");
        assert_eq!(BOUNDS.readable(thread, 0x9_1000), None, "no frames there");
        assert_eq!(BOUNDS.readable(thread, usize::MAX), None);
    }
}
