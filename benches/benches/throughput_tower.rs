//! What the layer of `tower-offload` takes of the throughput of light routes of axum: bare, under the layer, and under one that
//! does nothing, which says what any layer takes. [`tax`] says how it is measured.

use std::{net::SocketAddr, process::ExitCode, sync::mpsc, thread};

use axum::{
    Json, Router,
    routing::{get, post},
    serve::ListenerExt,
};
use offload_benches::{on_one_worker, tax};
use serde_json::Value;
use tokio::net::TcpListener;
use tower_layer::Identity;
use tower_offload::Offload;

fn app() -> Router {
    Router::new()
        .route("/", get(async || "hello"))
        .route("/json", post(async |body: Json<Value>| body))
}

/// Starts a server in a thread of its own; it ends with the process.
fn serve(app: Router) -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        on_one_worker(async {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await;
            let listener = listener.expect("binds");
            let address = listener.local_addr().expect("is bound");
            tell.send(address).expect("somebody waits");
            let listener = listener.tap_io(|stream| drop(stream.set_nodelay(true)));
            axum::serve(listener, app).await.expect("serves");
        });
    });
    told.recv().expect("an address")
}

fn main() -> ExitCode {
    let offload = Offload::new().expect("starts");
    let unwatched = Offload::builder().stall_watch(None);
    let unwatched = unwatched.build().expect("starts");
    let others = [
        ("offload.layer", serve(app().layer(offload.layer()))),
        (
            "without a stall watch",
            serve(app().layer(unwatched.layer())),
        ),
        ("any layer", serve(app().layer(Identity::new()))),
    ];
    tax::compare(serve(app()), others)
}
