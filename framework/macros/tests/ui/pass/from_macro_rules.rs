#![deny(warnings)]

use offload_macros::offload;

macro_rules! handler {
    ($vis:vis $name:ident($pat:pat, $arg:ident: $ty:ty) -> $output:ty = $body:expr) => {
        #[offload(crate = ::offload_core)]
        $vis fn $name<T: Into<$ty> + Send + 'static>($pat: ($ty, u8), $arg: T, hygienic: $ty) -> $output {
            assert_eq!(hygienic, 7);
            $body + $arg.into()
        }
    };
}

handler!(pub(crate) sum((a, _), b: u32) -> u32 = a * 2);

fn main() {
    assert_eq!(pollster::block_on(sum((1, 0), 2_u8, 7)), 4);
}
