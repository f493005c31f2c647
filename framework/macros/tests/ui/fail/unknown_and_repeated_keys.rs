use offload_macros::offload;

#[offload(lane = "long", crate = ::offload_core, crate = ::offload_core)]
fn count(step: u8) -> u8 {
    step + 1
}

fn main() {
    drop(count(1));
}
