use offload_macros::offload;

struct Counter(u8);

impl Counter {
    #[offload(crate = ::offload_core)]
    fn count(&self, step: u8) -> u8 {
        self.0 + step
    }
}

fn main() {
    drop(Counter(1).count(1));
}
