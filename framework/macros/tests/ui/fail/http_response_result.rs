use actix_web::{HttpResponse, web};
use offload_macros::offload;

#[offload(crate = ::offload_core)]
fn index(name: String) -> Result<HttpResponse, std::io::Error> {
    Ok(HttpResponse::Ok().body(name))
}

fn main() {
    let _ = web::get().to(index);
}
