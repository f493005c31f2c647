use offload_macros::offload;

#[offload(crate = ::offload_core)]
const unsafe extern "C" fn count(step: u8) -> u8 {
    step + 1
}

fn main() {
    drop(unsafe { count(1) });
}
