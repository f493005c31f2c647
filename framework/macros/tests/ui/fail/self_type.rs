use offload_macros::offload;

struct Counter(u8);

impl Counter {
    #[offload(crate = ::offload_core)]
    fn start(at: u8) -> Self {
        Self(at)
    }
}

fn main() {
    drop(Counter::start(1));
    let _ = |counter: Counter| counter.0;
}
