use offload_macros::offload;

#[offload(crate = ::offload_core)]
struct Counter(u8);

fn main() {
    let _ = Counter(1).0;
}
