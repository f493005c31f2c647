use std::rc::Rc as Shared;

use offload_macros::offload;

#[offload(crate = ::offload_core)]
async fn read() -> u8 {
    let shared = Shared::new(1);
    std::future::ready(()).await;
    *shared
}

fn main() {}
