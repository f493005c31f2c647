#![deny(warnings)]

use offload_macros::offload;

#[tracing::instrument]
#[offload(crate = ::offload_core)]
fn above(name: String) -> usize {
    name.len()
}

#[offload(crate = ::offload_core)]
#[tracing::instrument(skip(name), fields(length = name.len()), err)]
async fn below(name: String) -> Result<usize, std::num::ParseIntError> {
    name.parse()
}

fn main() {
    pollster::block_on(async {
        assert_eq!(above("four".to_owned()).await, 4);
        assert_eq!(below("4".to_owned()).await, Ok(4));
    });
}
