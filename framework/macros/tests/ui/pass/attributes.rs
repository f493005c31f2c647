#![deny(warnings)]

use offload_macros::offload;

/// Documented, with lints that hold in the body.
#[offload(crate = ::offload_core)]
#[cfg(all())]
#[inline(never)]
#[must_use]
#[expect(unused_variables, reason = "shows that the lint is met in the body")]
pub(crate) fn decorated(a: u8) -> u8 {
    #![allow(unreachable_code)]
    return 1;
    2
}

/// Compiled away, though its type exists nowhere.
#[offload(crate = ::offload_core)]
#[cfg(any())]
pub(crate) fn absent(a: Nowhere) {}

/// Many arguments, of which none is used: warned of once at most.
#[offload(crate = ::offload_core)]
pub(crate) fn quiet(_: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8, _: u8) {}

/// An old one.
#[offload(crate = ::offload_core)]
#[cold]
#[deprecated]
pub(crate) async fn old() {}

fn main() {
    // The future may move between threads wherever the arguments may.
    fn is_send<T: Send>(value: T) -> T {
        value
    }
    assert_eq!(pollster::block_on(is_send(decorated(1))), 1);
    pollster::block_on(is_send(quiet(0, 0, 0, 0, 0, 0, 0, 0)));
    #[expect(deprecated, reason = "shows that the attribute is on the function that is called")]
    pollster::block_on(is_send(old()));
}
