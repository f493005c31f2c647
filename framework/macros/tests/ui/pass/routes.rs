#![deny(warnings)]

use actix_web::http::StatusCode;
use actix_web::{App, Responder, get, post, route, routes, web};
use offload_macros::offload;

mod shop {
    use super::*;

    #[get("/above")]
    #[offload(crate = ::offload_core)]
    pub(crate) fn above() -> impl Responder {
        "plain"
    }

    #[get("/above/async")]
    #[offload(crate = ::offload_core)]
    pub(crate) async fn above_async(id: web::Path<u32>) -> impl Responder {
        (id.to_string(), StatusCode::CREATED)
    }
}

#[offload(crate = ::offload_core)]
#[post("/below", name = "below")]
fn below(body: web::Json<u8>) -> Result<web::Json<u8>, std::io::Error> {
    Ok(body)
}

#[offload(crate = ::offload_core)]
#[route("/route", method = "GET", method = "PUT")]
async fn several(bytes: web::Bytes) -> Result<impl Responder, std::io::Error> {
    let text = String::from_utf8(bytes.to_vec()).map_err(std::io::Error::other)?;
    Ok(text)
}

#[offload(crate = ::offload_core)]
#[routes]
#[delete("/one")]
#[put("/two")]
fn paths() -> impl Responder {
    "paths"
}

fn main() {
    let _ = App::new()
        .service(shop::above)
        .service(shop::above_async)
        .service(below)
        .service(several)
        .service(paths);
}
