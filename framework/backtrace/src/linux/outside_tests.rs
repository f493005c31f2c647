//! What the kernel's texts say.

use super::*;

#[test]
fn the_kernels_line_is_read_in_each_of_its_forms() {
    let place = Some(Place { sp: 0x20, pc: 0x30 });
    let wait = |call: &str, place| Wait {
        call: Some(call.to_owned()),
        place,
    };
    let futex = nix::libc::SYS_futex;
    let table = [
        (
            format!("{futex} 0x1 0x80 0x2 0x0 0x0 0x0 0x20 0x30\n"),
            wait("futex", place),
        ),
        (
            "9999 0x1 0x2 0x3 0x4 0x5 0x6 0x20 0x30\n".to_owned(),
            wait("system call 9999", place),
        ),
        ("-1 0x20 0x30\n".to_owned(), wait("memory", place)),
        (format!("{futex}"), wait("futex", None)),
        (format!("{futex} 0x1 x"), wait("futex", None)),
        ("running\n".to_owned(), Wait::UNKNOWN),
        (String::new(), Wait::UNKNOWN),
    ];
    for (text, expected) in table {
        assert_eq!(wait_in(&text), expected, "{text:?}");
    }
}

#[test]
fn a_function_of_the_kernel_is_named_if_it_tells() {
    assert_eq!(in_kernel("futex_do_wait"), "the kernel (futex_do_wait)");
    for silent in ["", "0", "0\n"] {
        assert_eq!(in_kernel(silent), "the kernel");
    }
}

#[test]
fn a_thread_that_runs_is_left_to_be_asked() {
    let own = nix::unistd::gettid().as_raw();
    let bounds = Bounds {
        thread: 0,
        low: 0,
        high: 0,
    };
    let seen = look(own, bounds);
    assert!(matches!(seen, Look::MayRun), "{seen:?}");
    let seen = look(i32::MAX, bounds);
    assert!(matches!(seen, Look::MayRun), "{seen:?}");
}
