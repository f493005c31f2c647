use offload_macros::offload;

#[offload(crate = ::offload_core)]
fn length<T: AsRef<str> + 'static>(text: T) -> usize {
    text.as_ref().len()
}

fn main() {}
