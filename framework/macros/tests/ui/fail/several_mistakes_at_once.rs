use actix_web::{HttpRequest, HttpResponse};
use offload_macros::offload;

#[offload(crate = ::offload_core, lane = "long")]
const extern "C" fn count(text: &str, (req, step): (HttpRequest, u8)) -> HttpResponse {
    HttpResponse::Ok().body(format!("{} {text} {step}", req.path()))
}

fn main() {
    let _ = |req| drop(count("text", (req, 1)));
}
