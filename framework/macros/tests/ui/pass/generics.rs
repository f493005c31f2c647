#![deny(warnings)]

use std::borrow::Cow;
use std::fmt::Debug;

use offload_macros::offload;

#[offload(crate = ::offload_core)]
fn interleaved<const N: usize, T, const M: usize>(a: [T; N], b: impl Into<T> + Send + 'static) -> ([T; N], T)
where
    T: Send + 'static,
{
    assert!(M > N);
    (a, b.into())
}

#[offload(crate = ::offload_core)]
async fn made<T: Default + Send + 'static>() -> T {
    T::default()
}

#[offload(crate = ::offload_core)]
fn of_static<'a: 'static>(a: &'static str, b: &'a str, c: Cow<'static, str>, f: fn(&str) -> usize) -> &'a str {
    assert_eq!(f(a) + f(&c), 2 * f(b));
    b
}

#[offload(crate = ::offload_core)]
fn dynamic(f: Box<dyn Fn(&str) -> usize + Send>) -> Box<dyn Debug + Send> {
    Box::new(f("four"))
}

struct Owner;

impl Owner {
    #[offload(crate = ::offload_core)]
    pub(crate) fn associated(number: u8) -> u8 {
        number + 1
    }
}

fn main() {
    pollster::block_on(async {
        assert_eq!(interleaved::<1, u32, 2>([1], 2_u8).await, ([1], 2));
        assert_eq!(made::<Vec<u8>>().await, [0; 0]);
        assert_eq!(of_static("a", "b", "c".into(), str::len).await, "b");
        assert_eq!(format!("{:?}", dynamic(Box::new(str::len)).await), "4");
        assert_eq!(Owner::associated(1).await, 2);
    });
}
