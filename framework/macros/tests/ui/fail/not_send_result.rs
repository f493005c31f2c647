use actix_web::{HttpResponse, Responder};
use offload_macros::offload;

#[offload(crate = ::offload_core)]
fn index(name: String) -> impl Responder {
    HttpResponse::Ok().body(name)
}

fn main() {}
