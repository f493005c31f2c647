//! What actix's plugin takes of the throughput of light routes: bare, with the plugin, and two of its variants. [`tax`] says how it
//! is measured.

use std::{net::SocketAddr, process::ExitCode, sync::mpsc, thread};

use actix_offload::Offload;
use actix_web::{App, HttpResponse, HttpServer, Responder, web};
use offload_benches::tax;
use serde_json::Value;

async fn index() -> HttpResponse {
    HttpResponse::Ok().body("hello")
}

async fn echo(body: web::Json<Value>) -> impl Responder {
    body
}

fn app(config: &mut web::ServiceConfig) {
    config
        .route("/", web::get().to(index))
        .route("/json", web::post().to(echo));
}

/// Starts a server in a thread of its own; it ends with the process.
fn serve(
    start: impl FnOnce() -> std::io::Result<(actix_web::dev::Server, SocketAddr)> + Send + 'static,
) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        actix_rt::System::new().block_on(async {
            let (server, address) = start().expect("binds");
            tell.send(address).expect("somebody waits");
            server.await.expect("serves");
        });
    });
    told.recv().expect("an address")
}

macro_rules! server {
    ($factory:expr) => {{
        let factory = $factory;
        serve(move || {
            let server = HttpServer::new(factory).workers(1).bind(("127.0.0.1", 0))?;
            let address = server.addrs()[0];
            Ok((server.disable_signals().run(), address))
        })
    }};
}

fn main() -> ExitCode {
    let offload = Offload::new().expect("starts");
    let bare = server!(|| App::new().configure(app));
    let with_app = server!(offload.app(|| App::new().configure(app)));
    let unwatched = Offload::builder().stall_watch(None);
    let unwatched = unwatched.build().expect("starts");
    let without_watch = server!(unwatched.app(|| App::new().configure(app)));
    let with_wrap = server!({
        let offload = offload.clone();
        move || App::new().wrap(offload.clone()).configure(app)
    });
    let others = [
        ("offload.app", with_app),
        ("without a stall watch", without_watch),
        (".wrap", with_wrap),
    ];
    tax::compare(bare, others)
}
