use offload_macros::offload;

#[offload(crate = ::offload_core)]
#[offload(crate = ::offload_core)]
fn count(step: u8) -> u8 {
    step + 1
}

fn main() {
    drop(count(1));
}
