use actix_web::{App, HttpRequest, get};
use offload_macros::offload;

#[get("/")]
#[offload(crate = ::offload_core)]
fn index(req: HttpRequest) -> String {
    req.path().to_owned()
}

fn main() {
    let _ = App::new().service(index);
}
