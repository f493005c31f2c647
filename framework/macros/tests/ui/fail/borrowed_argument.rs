use offload_macros::offload;

#[offload(crate = ::offload_core)]
fn hash(password: &str) -> String {
    password.to_owned()
}

fn main() {
    drop(hash("secret"));
}
