use offload_macros::offload;

struct Shared(std::rc::Rc<u8>);

#[offload(crate = ::offload_core)]
fn read(count: u8, shared: Shared) -> u8 {
    count + *shared.0
}

fn main() {}
