use offload_macros::offload;

trait Count {
    #[offload(crate = ::offload_core)]
    fn count(step: u8) -> u8;
}

fn main() {}
